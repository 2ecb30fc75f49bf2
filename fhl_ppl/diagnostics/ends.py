"""Places at the ends of the draws that trajectories are refused in: the mouth of a neck.

Where the scale of other parameters falls with one, as at the small scales of a hierarchy that is
centred, steps that suit the rest are too long, and what lies beyond may have no draw at all.
R-hat and ESS know draws only, and nothing diverges.
"""

from typing import Any

import numpy as np

Dataset = Any

ENDS = {0.01: 0.45, 0.03: 0.6}
"""Shares of the draws that make an end of a quantity, and the acceptance there below which it is
told, if `TIMES` as much is lost there as on the whole. The neck of trunc_hier was told by the
smaller end alone in one seed of three (.42 and .65); radon, which is all right, had .47 and .64."""
FEWEST = 15
"""Trajectories that an end is judged by, once the chain that lost most there is left out: one
particle that is stuck somewhere is at an end of something."""
TIMES = 5.0
"""Centred eight schools lost 7 and 10 times as much at small tau (acceptance .24 and .46, two
seeds), ten runs of nine posteriors of the yardstick up to 3.7 times as much at any end."""


def refused_ends(posterior: Dataset, sample_stats: Dataset) -> dict[str, float]:
    """Find the ends of quantities that trajectories are refused in: name and acceptance there.

    Parameters
    ----------
    posterior
        Draws; each is where the trajectory of the next begins.
    sample_stats
        With `acceptance_rate` and `move`.
    """
    attributes = sample_stats.attrs
    known = {"acceptance_rate", "move"} <= set(sample_stats.data_vars)
    trusted = attributes.get("trusts_gradient", 1) and not attributes.get("unseen_steps", 0)
    if not known or not trusted or attributes.get("thinning", 1) != 1:
        return {}
    lost, made = (
        sample_stats[name].transpose("chain", "draw").values[:, 1:]
        for name in ("acceptance_rate", "move")
    )
    lost, is_trajectory = 1.0 - lost, made == 0
    if not is_trajectory.any():
        return {}
    usual = lost[is_trajectory].mean()
    found = {}
    for name, variable in posterior.data_vars.items():
        draws = variable.transpose("chain", "draw", ...).values[:, :-1].astype(float)
        for place in np.ndindex(draws.shape[2:]):
            each = draws[(slice(None), slice(None), *place)]
            label = f"{name}[{', '.join(map(str, place))}]" if place else str(name)
            for end, acceptance in ENDS.items():
                low, high = np.quantile(each, [end, 1 - end])
                for side, there in (("small", each <= low), ("large", each >= high)):
                    share = _loss(lost, is_trajectory & there)
                    if low < high and share > max(1 - acceptance, TIMES * usual):
                        found[f"{side} {label}"] = 1 - share
    return found


def _loss(lost: np.ndarray, there: np.ndarray) -> float:
    """Mean loss where `there` [chain, draw], without the chain that lost most; 0 if of too few."""
    sums, counts = (lost * there).sum(axis=1), there.sum(axis=1)
    worst = np.argmax(sums)
    count = counts.sum() - counts[worst]
    return float((sums.sum() - sums[worst]) / count) if count >= FEWEST else 0.0


def narrow_ends(posterior: Dataset, sample_stats: Dataset) -> str:
    """Name such ends in a sentence; empty without any."""
    found = refused_ends(posterior, sample_stats)
    if not found:
        return ""
    worst = sorted(found, key=found.__getitem__)
    more = f" and {len(worst) - 3} more" if len(worst) > 3 else ""
    return (
        f"Trajectories that begin at {', '.join(worst[:3])}{more} are refused far more often than "
        f"others ({found[worst[0]]:.0%} accepted at the first): the posterior is narrower there, "
        "and may go on where no draw is. Reparametrise (a hierarchy not centred), or raise "
        "target_accept_prob."
    )
