"""What an adapter reads from a finished run, for `annotate`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from fhl_ppl.core.report import Report
from fhl_ppl.core.tempering.ladder import Ladder, rejection
from fhl_ppl.options import Options


class Run(NamedTuple):
    """A finished run, converted as far as its backend has to be known.

    Attributes
    ----------
    data
        InferenceData (ArviZ 0.x) or DataTree (ArviZ 1.x).
    group
        Group of each chain, shape [chain]; None for kernels other than FHL.
    settings
        Sampler name and settings; empty for other kernels.
    warmup
        As `data`, of the warm-up; None if the run kept none.
    """

    data: Any
    group: np.ndarray | None
    settings: Mapping[str, Any]
    warmup: Any = None


def describe(
    sampler: str,
    options: Options,
    dim: int,
    num_warmup: int,
    tuned: Sequence[Report],
    parameters: Sequence[str] = (),
    **about_the_run: Any,
) -> dict[str, Any]:
    """Name the sampler, list its settings, and what warm-up made of them.

    Parameters
    ----------
    sampler
        Name of the kernel's class.
    options
        The kernel's checked arguments; each becomes an entry under its name.
    dim
        Number of unconstrained parameters, on which the form of the metric depends.
    num_warmup
        Iterations of the warm-up.
    tuned
        What it settled on, once for all chains or for each that adapted on its own.
    parameters
        Names of the unconstrained parameters, of which the chart is told; default: their numbers.
    **about_the_run
        Further entries.

    Returns
    -------
    dict
        The settings, and the entries that `fhl_ppl.to_arviz` names. Of chains that adapted on their
        own, step sizes and lengths are lists, and probabilities and shares means.

    Examples
    --------
    >>> import numpy as np
    >>> half = np.asarray(0.5)
    >>> pulls, moves, modes = np.arange(2.0), np.eye(9)[0], np.ones(1)
    >>> tuned = Report(half, 3 * half, 0 * half, pulls, np.ones(2) / 2, moves, modes)
    >>> described = describe("fhl_ppl.numpyro.FHL", Options(), 10, 1000, [tuned])
    >>> described["group_size"], described["metric"], described["tuned_trajectory_length"]
    (4, 'dense', 1.5)
    """
    described = {"sampler": sampler, **asdict(options), "tuning_steps": num_warmup}
    if isinstance(options.dense_mass, list | tuple) and options.dense_mass:
        described["metric"] = "blocks"
    elif options.is_low_rank(dim):
        described["metric"] = "low rank"
    else:
        described["metric"] = "dense" if options.is_dense(dim) else "diagonal"
    plan = options.plan(num_warmup, dim)
    described |= {
        "tuned_step_size": _one_or_all([each.step_size for each in tuned]),
        "tuned_trajectory_length": _one_or_all([each.trajectory_length for each in tuned]),
        "steps_cap": plan.max_num_steps if plan.num_steps is None else plan.num_steps,
        "capped_trajectories": _mean([each.capped for each in tuned]),
        "unseen_steps": float(np.max([np.asarray(each.unseen_steps) for each in tuned])),
        "modes_missed": float(np.max([np.asarray(each.missed) for each in tuned])),
        "chart": _drivers([each.drivers for each in tuned], parameters),
        "moves": ", ".join(("trajectory", *plan.jumps)),
        "mode_masses": _mean_of_alike([each.mode_mass for each in tuned]),
        "move_probabilities": _mean([each.move_weight for each in tuned]),
    }
    if plan.pulling_strength is None:
        described["pull_kappas"] = _mean([each.kappa for each in tuned])
        described["pull_probabilities"] = _mean([each.pull_weight for each in tuned])
    return described | about_the_run


def tempering(ladder: Ladder, round_trips: np.ndarray) -> dict[str, Any]:
    """Entries on the ladder, and how replicas got on on it.

    Of chains that have each a ladder of their own, [chain, ...], the temperatures are strung
    together, and rejections are means.
    """
    rejected = rejection(ladder).reshape(-1, ladder.tried.shape[-1]).mean(axis=0)
    return {
        "inverse_temperatures": ladder.beta.ravel().tolist(),
        "swap_rejections": rejected.tolist(),
        "communication_barrier": float(rejected.sum()),
        "round_trips": round_trips.ravel().tolist(),
    }


def _one_or_all(values: Sequence[Any]) -> float | list[float]:
    found = np.unique(np.asarray(values, float)).tolist()
    return found[0] if len(found) == 1 else found


def _mean_of_alike(values: Sequence[Any]) -> Any:
    """The mean; none of chains that each have modes of their own."""
    if len(values) > 1 and any(np.sum(np.asarray(each) > 0) > 1 for each in values):
        return "None"
    return np.asarray(values[0], float).tolist()


def _mean(values: Sequence[Any]) -> Any:
    return np.mean(np.asarray(values, float), axis=0).tolist()


def _drivers(found: Sequence[Any], parameters: Sequence[str]) -> str:
    """Which parameters drive which, in words; of chains with charts of their own, all links."""
    links = np.max([np.asarray(each) > 0 for each in found], axis=0)
    if not np.any(links):
        return "none"
    names = list(parameters) or [str(i) for i in range(len(links))]
    return "; ".join(
        f"{names[int(i)]} drives {', '.join(names[int(j)] for j in np.flatnonzero(links[:, i]))}"
        for i in np.flatnonzero(np.any(links, axis=0))
    )


def names_of(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Names of the elements of sites, in their order.

    >>> names_of({"mu": (), "theta": (2,)})
    ['mu', 'theta[0]', 'theta[1]']
    """
    return [
        site + (f"[{','.join(map(str, place))}]" if shape else "")
        for site, shape in shapes.items()
        for place in np.ndindex(*shape)
    ]
