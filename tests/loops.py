"""What core wants from outside, in NumPy and plain Python."""

from fhl_ppl.core.state import Draws


def fori_loop(lower, upper, body, value):
    """As `jax.lax.fori_loop`, in Python."""
    for i in range(int(lower), int(upper)):
        value = body(i, value)
    return value


def draw(rng, num_particles, dim):
    """The randomness of one iteration."""
    return Draws(
        noise=rng.standard_normal((num_particles, dim)),
        role=rng.random(num_particles),
        accept=rng.random(num_particles),
        strength=rng.random(num_particles),
    )
