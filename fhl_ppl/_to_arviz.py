"""`fhl_ppl.to_arviz`: from a finished run of either backend to ArviZ."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fhl_ppl._extras import require
from fhl_ppl._version import __version__

if TYPE_CHECKING:
    from fhl_ppl.diagnostics.run import Run

Array = Any


def to_arviz(
    mcmc: Any,
    *,
    log_likelihood: bool = False,
    posterior_predictive: bool | Mapping[str, Array] | None = None,
    prior: Mapping[str, Array] | None = None,
    warmup: Any = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
) -> Any:
    """Convert a run to ArviZ: draws, statistics, groups of chains, settings, and the warm-up.

    What the standard converters give, and in addition

    - a coordinate `group` along `chain`, the group of particles that the chain belongs to, so that
      `posterior.groupby("group")` works (named `particle_group` where the model has a plate or a
      site called "group");
    - the sampler's name, its settings and the version of this package as attributes of `posterior`
      and `sample_stats`. Truth values are stored as 0 and 1, and what warm-up was to choose as
      "None". What it chose is beside them: `tuned_step_size`; `tuned_trajectory_length`, in units
      of the whitened space; `capped_trajectories`, the share of trajectories that were longer than
      `steps_cap`; `move_probabilities` of the `moves`; `pull_probabilities` of `pull_kappas`, the
      pulls as lambda T^2; `metric`, its form; and `tuning_steps`, how long it took;
    - the draws and statistics of the warm-up, on request.

    Parameters
    ----------
    mcmc
        `numpyro.infer.MCMC`, `pyro.infer.MCMC` or `fhl_ppl.pyro.MCMC`, after `run`. With another
        kernel than `FHL`, such as NUTS, the result is that of the standard converter: no groups and
        no attributes of ours.
    log_likelihood
        Whether to evaluate the log-likelihood of each observation at each draw, default no: it
        costs memory of the size draws times observations.
    posterior_predictive
        True draws the observed sites again for each draw, with a fixed seed. A dict holds draws
        made elsewhere, [chain, draw, ...] or [chain * draw, ...]. Default: none.
    prior
        Draws from the prior by site, [draw, ...]; sites that are not in the posterior become the
        prior predictive.
    warmup
        The warm-up of the same run, to keep it as `warmup_posterior` and `warmup_sample_stats`.
        NumPyro overwrites what it collected in the warm-up when the run starts, so convert it
        before (see the example).
    coords, dims
        Labels of dimensions, and names of the dimensions of each variable, as everywhere in ArviZ.
        Default: names of the model's plates.

    Returns
    -------
    arviz.InferenceData or xarray.DataTree
        The former on ArviZ 0.x, the latter on 1.x.

    Raises
    ------
    ImportError
        If ArviZ is not installed.
    TypeError
        If `mcmc` is no MCMC object of NumPyro or Pyro, or `warmup` did not come from here.
    ValueError
        If `mcmc` has not run, if a latent site that `log_likelihood` or `posterior_predictive=True`
        need was summed out, if `dims` names more dimensions than a variable has, or if `warmup` has
        another number of chains.

    Notes
    -----
    The statistics of each draw, which ArviZ's own converter has as well, are `lp`, `energy`,
    `acceptance_rate`, `diverging`, `n_steps` and `step_size` as with other kernels; of this one,
    `pulling_strength`, lambda of the group; `is_leader`; `move`, what the particle did, as an index
    into `moves`: 0 for a trajectory, from 1 on the jumps of `fhl_ppl.core.jumps`; and
    `squared_jump`, the squared distance of the proposal in the whitened space, times the
    probability that it was accepted. `fhl_ppl.moves` makes a table of them.

    Chains are particles. Never string the particles of a group together into one chain: ESS and
    R-hat then come out wrong by factors. `fhl_ppl.summary` has the diagnostics that respect groups.

    Examples
    --------
    With the warm-up, which NumPyro collects on request::

        mcmc.warmup(key, *data, collect_warmup=True)
        warmup = to_arviz(mcmc)
        mcmc.run(mcmc.post_warmup_state.rng_key, *data)
        everything = to_arviz(mcmc, warmup=warmup)
    """
    require("arviz", "arviz")
    from fhl_ppl.diagnostics.annotate import annotate

    run = _extract(
        mcmc,
        log_likelihood=log_likelihood,
        posterior_predictive=posterior_predictive,
        prior=prior,
        coords=coords,
        dims=dims,
    )
    settings = dict(run.settings)
    if settings:
        settings["fhl_ppl_version"] = __version__
    return annotate(run.data, run.group, settings, warmup)


def groups_of(data: Any) -> dict[str, Any]:
    """All datasets by name, of a finished run or of what `to_arviz` made of it."""
    require("arviz", "arviz")
    from fhl_ppl.diagnostics.arviz_lines import datasets, is_data

    return datasets(data if is_data(data) else to_arviz(data))


def _extract(mcmc: Any, **options: Any) -> "Run":
    """Hand over to the half of the package that `mcmc` comes from, and load no other."""
    origins = {
        cls.__module__.removeprefix("fhl_ppl.").partition(".")[0] for cls in type(mcmc).__mro__
    }
    if "numpyro" in origins and hasattr(mcmc, "get_extra_fields"):
        from fhl_ppl.numpyro.extract import extract as from_numpyro

        return from_numpyro(mcmc, **options)
    if "pyro" in origins and hasattr(mcmc, "diagnostics"):
        from fhl_ppl.pyro.extract import extract as from_pyro

        return from_pyro(mcmc, **options)
    raise TypeError(
        "mcmc must be a numpyro.infer.MCMC, a pyro.infer.MCMC or a fhl_ppl.pyro.MCMC, "
        f"got {type(mcmc).__name__}."
    )
