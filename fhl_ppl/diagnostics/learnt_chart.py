"""The chart that a finished run moved in, and the two coordinates that show it best."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.charts.chart import Chart
from fhl_ppl.diagnostics.run import names_of

Array = np.ndarray


class Learnt(NamedTuple):
    """A chart, of NumPy arrays, and the names of the unconstrained parameters, [dim]."""

    chart: Chart
    names: list[str]


def of_numpyro(mcmc: Any) -> Learnt:
    """Read it from the state of a `numpyro.infer.MCMC`.

    Raises
    ------
    ValueError
        If there is none, or each chain has one of its own.
    """
    state = mcmc.last_state
    if mcmc.num_chains > 1 and not state.chains_are_particles:
        raise ValueError(
            "each chain has a chart of its own where chains are not vectorized; run with "
            'chain_method="vectorized".'
        )
    axes = int(mcmc.num_chains > 1)
    sites = state.z if isinstance(state.z, Mapping) else {"z": state.z}
    names = names_of({name: np.shape(sites[name])[axes:] for name in sorted(sites)})
    return Learnt(_moving(state.learnt), names)


def of_pyro(mcmc: Any) -> Learnt:
    """Read it from the state of a `fhl_ppl.pyro.MCMC`.

    Raises
    ------
    ValueError
        If there is none, or `mcmc` is Pyro's own, which does not keep it.
    """
    if not hasattr(mcmc, "state_dict"):
        raise ValueError("pyro.infer.MCMC keeps no chart; run with fhl_ppl.pyro.MCMC.")
    return Learnt(_moving(mcmc.state_dict()["learnt"]), mcmc.diagnostics()["parameters"])


def _moving(learnt: Mapping[str, Any]) -> Chart:
    """The chart in what was learnt, if it changes anything."""
    if "chart" in learnt:
        found: Chart = as_tuples(charts.identity(np.zeros((1, 1))), _part(learnt["chart"], "chart"))
        if charts.is_moving(found):
            return found
    raise ValueError(
        "there is no chart to draw: warm-up found none that pays, or did not look for one (see "
        "charts=True of FHL)."
    )


def as_tuples(form: Any, values: Any) -> Any:
    """`values`, nested tuples or dicts of any arrays, as the named tuples of `form`, of NumPy's.

    >>> class Pair(NamedTuple):
    ...     left: Any
    ...     right: Any
    >>> as_tuples(Pair(0, Pair(0, 0)), {"left": 1, "right": {"left": 2, "right": 3}})
    Pair(left=array(1), right=Pair(left=array(2), right=array(3)))
    """
    if not hasattr(form, "_fields"):
        return np.asarray(values.cpu() if hasattr(values, "cpu") else values)
    fields = form._fields
    return type(form)(*(as_tuples(getattr(form, f), _part(values, f)) for f in fields))


def _part(values: Any, name: str) -> Any:
    return values[name] if isinstance(values, Mapping) else getattr(values, name)


def pair(chart: Chart, position: Array) -> tuple[int, int]:
    """Two coordinates in which a chart changes much, of draws [row, dim].

    The one that drives most others, and of these the one whose place or width goes with it most.
    Where nothing is driven, the one with the heaviest tail, below any other.

    >>> from fhl_ppl.core.charts.chart import identity
    >>> scale = np.linspace(-2, 2, 400)
    >>> rows = np.stack([np.sin(np.arange(400)), scale, np.cos(np.arange(400)) ** 3], axis=1)
    >>> pair(identity(rows), rows)
    (0, 2)
    """
    links = np.asarray(charts.links(chart)) > 0
    np.fill_diagonal(links, False)
    far = np.abs(position - np.median(position, axis=0))
    if not links.any():
        child = int(np.argmax(np.mean(far**4, axis=0) / np.mean(far**2, axis=0) ** 2))
        return int(child == 0), child
    driver = int(np.argmax(links.sum(axis=0)))
    children = np.flatnonzero(links[:, driver])
    log_far = np.log(np.where(far > 0, far, np.nan))
    goes_with = [
        max(_correlation(position[:, driver], each) for each in (position[:, j], log_far[:, j]))
        for j in children
    ]
    return driver, int(children[np.argmax(goes_with)])


def _correlation(one: Array, other: Array) -> float:
    """Without sign; of what is finite."""
    sound = np.isfinite(one) & np.isfinite(other)
    return abs(float(np.corrcoef(one[sound], other[sound])[0, 1]))
