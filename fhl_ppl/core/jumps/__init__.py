"""Moves that leave the neighbourhood, one a file; `fhl_ppl.core.jump` runs them (section 8)."""

JUMPS = ("renewal", "rotation", "leader rotation", "mean rotation", "difference", "leap")
"""The moves, in the order of the options in `fhl_ppl.core.adaptation.moves`.

renewal
    A fresh draw from the Gaussian fitted to the pooled positions: a rotation by a right angle.
rotation
    A turn about its centre, by less.
leader rotation, mean rotation
    The same about the lowest-energy scout, or the scouts' energy-weighted mean.
difference, leap
    A shift along the line between two scouts, short enough to be accepted or by its full length,
    which carries from mode to mode.
"""

MOVES = ("trajectory", *JUMPS)
"""All moves; the codes in `core.state.Info` count them from 0."""
