"""Moves: along a trajectory, or by jumps, one of these a file (section 8).

Which of them a run makes, and in which order their shares stand, is a tuple of these names.
`moves.move` says what a jump has to do, `moves.choice` when each is made.
"""

from fhl_ppl.core.moves.approach import Approach
from fhl_ppl.core.moves.difference import Difference
from fhl_ppl.core.moves.leap import Leap
from fhl_ppl.core.moves.mean_rotation import MeanRotation
from fhl_ppl.core.moves.mixture_renewal import MixtureRenewal
from fhl_ppl.core.moves.move import Move
from fhl_ppl.core.moves.renewal import Renewal
from fhl_ppl.core.moves.rotation import Rotation
from fhl_ppl.core.moves.transport import Transport

JUMPS: dict[str, Move] = {
    "renewal": Renewal(),
    "rotation": Rotation(),
    "approach": Approach(),
    "mean rotation": MeanRotation(),
    "difference": Difference(),
    "leap": Leap(),
    "mixture renewal": MixtureRenewal(),
    "transport": Transport(),
}

UNIFORMS = max(move.uniforms for move in JUMPS.values())
"""Uniform numbers of its own that a move asks for at most, for each particle."""

MOVES = ("trajectory", *JUMPS)
"""All moves; the codes in `core.state.Info` count them from 0."""
