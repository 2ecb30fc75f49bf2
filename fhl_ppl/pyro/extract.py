"""Read a finished run of `pyro.infer.MCMC` or `fhl_ppl.pyro.MCMC` for `fhl_ppl.to_arviz`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyro

from fhl_ppl.core.metrics import LowRankMetric
from fhl_ppl.core.statistics import ARVIZ_NAMES, TENSION
from fhl_ppl.diagnostics.arviz_lines import from_arrays
from fhl_ppl.diagnostics.dims import check_dims
from fhl_ppl.diagnostics.run import Run, describe
from fhl_ppl.options import Options
from fhl_ppl.pyro.finished import check_finished
from fhl_ppl.pyro.model.observations import Observations, to_numpy

Array = Any


def extract(
    mcmc: Any,
    *,
    log_likelihood: bool,
    posterior_predictive: bool | Mapping[str, Array] | None,
    prior: Mapping[str, Array] | None,
    coords: Mapping[str, Any] | None,
    dims: Mapping[str, Any] | None,
) -> Run:
    """Convert a run, and read the groups and settings of `FHL`; arguments as of `to_arviz`.

    ArviZ 1.x has no converter for Pyro, and that of 0.x knows no statistics but divergences. Of
    `mcmc` are read `get_samples`, `diagnostics`, `kernel` and the arguments of the model.

    Raises
    ------
    ValueError
        If `mcmc` has no draws, or lacks what `log_likelihood` or `posterior_predictive` need, or if
        given predictive draws do not fit the posterior, or `dims` has too many names.
    """
    check_finished(mcmc)
    samples = mcmc.get_samples(group_by_chain=True)
    posterior = {name: to_numpy(value) for name, value in samples.items()}
    shape = next(iter(posterior.values())).shape[:2]
    diagnostics = mcmc.diagnostics()
    statistics = _statistics(diagnostics, shape)
    groups = {"posterior": posterior, "sample_stats": _by_arviz_names(statistics)}

    observations = Observations(mcmc.kernel.model, mcmc._args, mcmc._kwargs, samples)
    ranks = {name: values.ndim - 2 for name, values in posterior.items()}
    check_dims(dims, {name: x.ndim for name, x in observations.observed.items()} | ranks)
    if observations.observed:
        groups["observed_data"] = observations.observed
    if log_likelihood:
        groups["log_likelihood"] = observations.log_likelihood()
    if posterior_predictive is True:
        groups["posterior_predictive"] = observations.predictive()
    elif posterior_predictive:
        groups["posterior_predictive"] = {
            name: _by_chain(name, to_numpy(value), shape)
            for name, value in posterior_predictive.items()
        }
    groups |= _prior_groups(prior or {}, posterior)

    library = {"inference_library": "pyro", "inference_library_version": pyro.__version__}
    named_dims = {**observations.dims, **(dims or {})}
    data = from_arrays(groups, coords, named_dims, library)
    options = getattr(mcmc.kernel, "options", None)
    if not isinstance(options, Options):
        return Run(data, None, {})
    settings = settings_of_run(mcmc, options, diagnostics)
    warmup = None
    if kept := diagnostics.get("warmup"):
        warmup = from_arrays({"sample_stats": _by_arviz_names(kept)}, None, None, library)
    return Run(data, _group(diagnostics, shape[0]), settings, warmup)


def _statistics(diagnostics: Mapping[str, Any], shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Statistics of each draw, arrays [chain, draw]."""
    found = {}
    for name in (ARVIZ_NAMES.keys() | {TENSION}) & diagnostics.keys():
        values = diagnostics[name]
        # A site of the same name has its own diagnostics, which are no statistics of the sampler.
        if isinstance(values, Mapping) and all(key.startswith("chain ") for key in values):
            values = list(values.values())
        if np.shape(values)[:2] == shape:
            found[name] = np.asarray(values)
    if "diverging" not in found and "divergences" in diagnostics:
        found["diverging"] = np.zeros(shape, bool)
        for chain, draws in enumerate(diagnostics["divergences"].values()):
            found["diverging"][chain, draws] = True
    return found


def _by_arviz_names(statistics: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        arviz_name: -statistics[name] if name == "potential_energy" else statistics[name]
        for name, arviz_name in (*ARVIZ_NAMES.items(), (TENSION, TENSION))
        if name in statistics
    }


def _group(diagnostics: Mapping[str, Any], num_chains: int) -> np.ndarray:
    """Group of each chain, shape [chain]."""
    # pyro.infer.MCMC reports chain by chain: each has private companions and is a group of its own.
    if isinstance(diagnostics["group"], Mapping):
        return np.arange(num_chains)
    return np.asarray(diagnostics["group"])[:, 0]


def settings_of_run(mcmc: Any, options: Options, diagnostics: Mapping[str, Any]) -> dict[str, Any]:
    """Name the sampler, list its settings, and what warm-up made of them."""
    tuned = diagnostics["tuned"]
    return describe(
        "fhl_ppl.pyro.FHL",
        options,
        _dim(diagnostics),
        mcmc.warmup_steps,
        # Under `pyro.infer.MCMC` every chain tunes on its own.
        list(tuned.values()) if isinstance(tuned, Mapping) else [tuned],
        _parameters(diagnostics),
        **_evaluation(diagnostics),
        **_tempering(diagnostics),
    )


def _evaluation(diagnostics: Mapping[str, Any]) -> dict[str, str]:
    """Return how particles were evaluated, of the first chain if every chain ran on its own."""
    found = diagnostics["evaluation"]
    if "rung" not in found:
        found = next(iter(found.values()))
    return {"evaluation": found["rung"], "evaluation_reason": found["reason"]}


def _tempering(diagnostics: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of temperatures, strung together if every chain ran on its own."""
    found = diagnostics.get("tempering", {})
    if not found or "round_trips" in found:
        return dict(found)
    each = list(found.values())
    return {
        name: np.mean([one[name] for one in each], axis=0).tolist()
        if name in ("swap_rejections", "communication_barrier")
        else [value for one in each for value in one[name]]
        for name in each[0]
    }


def _parameters(diagnostics: Mapping[str, Any]) -> list[str]:
    """Names of the unconstrained parameters in the order of the metric's."""
    found = diagnostics.get("parameters", [])
    names: list[str] = next(iter(found.values())) if isinstance(found, Mapping) else found
    return names


def _dim(diagnostics: Mapping[str, Any]) -> int:
    """Return the number of unconstrained parameters, that of the metric."""
    found = diagnostics["inverse_mass_matrix"]
    # Under `pyro.infer.MCMC` every chain has its own.
    metric = next(iter(found.values())) if isinstance(found, Mapping) else found
    return len(metric.scale if isinstance(metric, LowRankMetric) else metric)


def _by_chain(name: str, values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    if values.shape[:2] == shape:
        return values
    if values.shape[0] == shape[0] * shape[1]:
        return values.reshape(shape + values.shape[1:])
    raise ValueError(
        f"posterior_predictive has shape {values.shape} for {name!r}; {shape} chains and draws "
        f"were run, so it must begin with {shape} or ({shape[0] * shape[1]},)."
    )


def _prior_groups(
    prior: Mapping[str, Array], posterior: Mapping[str, Array]
) -> dict[str, dict[str, np.ndarray]]:
    """Split draws from the prior into sites of the posterior and others; one chain of each."""
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, values in prior.items():
        group = "prior" if name in posterior else "prior_predictive"
        groups.setdefault(group, {})[name] = to_numpy(values)[None]
    return groups
