"""Moves that leave the neighbourhood, one a file; `fhl_ppl.core.jump` runs them (section 8)."""

JUMPS = ("renewal", "rotation", "approach", "mean rotation", "difference", "leap")
"""The moves, in the order of the options in `fhl_ppl.core.adaptation.moves`.

renewal
    A fresh draw from the Gaussian fitted to the pooled positions: a rotation by a right angle.
rotation
    A turn about its centre, by less.
approach
    Along the line to the lowest-energy scout, most often to a small part of the distance.
mean rotation
    A turn about the scouts' energy-weighted mean.
difference, leap
    A shift along the line between two scouts, short enough to be accepted or by its full length,
    which carries from mode to mode.
"""

MOVES = ("trajectory", *JUMPS)
"""All moves; the codes in `core.state.Info` count them from 0."""
