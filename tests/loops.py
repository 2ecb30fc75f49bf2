"""What core wants from outside, in NumPy and plain Python."""

from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.state import Draws


def draw(rng, num_particles, dim):
    """The randomness of one iteration."""
    return Draws(
        noise=rng.standard_normal((num_particles, dim)),
        role=rng.random(num_particles),
        accept=rng.random(num_particles),
        strength=rng.random(num_particles),
        extra=_for_moves(rng, num_particles),
    )


def _for_moves(rng, num_particles):
    """Uniform numbers that moves ask for, if any does."""
    count = max(move.uniforms for move in JUMPS.values())
    return rng.random((num_particles, count)) if count else None
