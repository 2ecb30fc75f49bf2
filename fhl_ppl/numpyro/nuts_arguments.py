"""Arguments of NumPyro's NUTS that a call may be left with, though they have no meaning here."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from fhl_ppl.arguments import shown, truth

NUTS_TREE_DEPTH = 10
"""Default of NUTS, whose 2^10 steps are FHL's default cap as well."""

DEEPEST = 30
"""Beyond, 2^depth is no number of steps that is counted with 32 bits."""


def check_nuts_arguments(
    kinetic_fn: Callable[..., Any] | None,
    max_tree_depth: Any,
    find_heuristic_step_size: Any,
    regularize_mass_matrix: Any,
) -> None:
    """Let pass what changes nothing, warn of a cap that does not hold, refuse another energy.

    Where to start looking for a step size, and what to add to a metric, FHL settles by itself;
    neither touches the answer. People run with warnings as errors, so nothing is said of them.

    Raises
    ------
    ValueError
        If `kinetic_fn` is given, or `max_tree_depth` is not positive.
    TypeError
        If one is of the wrong type.
    """
    if kinetic_fn is not None:
        raise ValueError(
            "kinetic_fn is not supported: the kinetic energy is p' M^-1 p / 2. Leave it out, "
            "and set inverse_mass_matrix if the metric is the point."
        )
    truth("find_heuristic_step_size", find_heuristic_step_size)
    truth("regularize_mass_matrix", regularize_mass_matrix)
    if max_tree_depth is None:
        return
    # NUTS takes one depth, or those of warm-up and of what follows.
    depths = max_tree_depth if isinstance(max_tree_depth, tuple | list) else (max_tree_depth,)
    if any(isinstance(depth, bool) or not isinstance(depth, int | np.integer) for depth in depths):
        raise TypeError(f"max_tree_depth must be an integer or two, got {shown(max_tree_depth)}.")
    if not 1 <= len(depths) <= 2 or not all(1 <= depth <= DEEPEST for depth in depths):
        raise ValueError(
            f"max_tree_depth must be in 1 to {DEEPEST}, or two such numbers, for warm-up and for "
            f"what follows, got {shown(max_tree_depth)}."
        )
    if any(depth != NUTS_TREE_DEPTH for depth in depths):
        warnings.warn(
            f"max_tree_depth={max_tree_depth} is ignored: FHL builds no trees. To cap a "
            f"trajectory as it would, set max_num_steps={2 ** int(depths[-1])}.",
            stacklevel=3,
        )
