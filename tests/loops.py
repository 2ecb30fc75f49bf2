"""What core wants from outside, in NumPy and plain Python."""

from fhl_ppl.core.moves import UNIFORMS
from fhl_ppl.core.state import Draws


def draw(rng, num_particles, dim):
    """The randomness of one iteration."""
    return Draws(
        noise=rng.standard_normal((num_particles, dim)),
        role=rng.random(num_particles),
        accept=rng.random(num_particles),
        strength=rng.random(num_particles),
        extra=rng.random((num_particles, UNIFORMS)),
    )
