"""What is made of a finished run: ArviZ's containers, the summary, the moves and the modes."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fhl_ppl._backend import backend_of
from fhl_ppl._docs import filled
from fhl_ppl._extras import require
from fhl_ppl._version import __version__
from fhl_ppl.core.statistics import ARVIZ_NAMES, MEANINGS

if TYPE_CHECKING:
    from fhl_ppl.diagnostics.run import Run

Array = Any
Dataset = Any
DataFrame = Any

FEWEST_DRAWS = 4
"""ArviZ needs as many to split a chain."""


@filled(statistics={name: MEANINGS[ours] for ours, name in ARVIZ_NAMES.items()})
def to_arviz(
    mcmc: Any,
    *,
    log_likelihood: bool | None = None,
    posterior_predictive: bool | Mapping[str, Array] | None = None,
    prior: Mapping[str, Array] | None = None,
    warmup: Any = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
) -> Any:
    """Convert a run to ArviZ: draws, statistics, groups of chains, settings, and the warm-up.

    What the standard converters give, and in addition

    - every particle as a chain: also the private companions of chains of NumPyro that are not
      vectorized, so that one chain becomes `group_size` of them, the one that NumPyro reports first
      (fields that a run collects on request are left out then);
    - a coordinate `group` along `chain`, the group of particles that the chain belongs to, so that
      `posterior.groupby("group")` works (named `particle_group` where the model has a plate or a
      site called "group");
    - the sampler's name, its settings and the version of this package as attributes of `posterior`
      and `sample_stats`. Truth values are stored as 0 and 1, and what warm-up was to choose as
      "None". What it chose is beside them: `tuned_step_size`; `tuned_trajectory_length`, in units
      of the whitened space; `capped_trajectories`, the share of trajectories that were longer than
      `steps_cap`; `modes_missed`, how many modes at the least the search before warm-up did not
      come to, as it guesses; `unseen_steps`, 1 if the energy has steps that its gradient does not
      see; `move_probabilities` of the `moves`; `pull_probabilities` of `pull_kappas`, the pulls as
      lambda T^2; `metric`, its form; `chart`, which parameters drive the places and widths of which
      ("tau drives theta[0], theta[1]"); with `temperatures` the `inverse_temperatures` (of chains
      with a ladder each, chain after chain), the `swap_rejections` of neighbours, their sum
      `communication_barrier`, and the `round_trips` of each chain's replicas, and as a statistic
      `tension`, V of the replicas of every draw, minus their log likelihoods; and `tuning_steps`,
      how long it took;
    - the draws and statistics of the warm-up, on request.

    Parameters
    ----------
    mcmc
        `numpyro.infer.MCMC`, `pyro.infer.MCMC` or `fhl_ppl.pyro.MCMC`, after `run`. With another
        kernel than `FHL`, such as NUTS, the result is that of the standard converter: no groups and
        no attributes of ours.
    log_likelihood
        Whether to evaluate the log-likelihood of each observation at each draw, as `arviz.loo` asks
        for; it costs memory of the size draws times observations. Default: in NumPyro what
        `arviz.from_numpyro` does, unless a latent site that it takes was summed out; in Pyro no.
    posterior_predictive
        True draws the observed sites again for each draw, with a fixed seed. A dict holds draws
        made elsewhere, [chain, draw, ...] or [chain * draw, ...]. Default: none.
    prior
        Draws from the prior by site, [draw, ...]; sites that are not in the posterior become the
        prior predictive.
    warmup
        The warm-up of the same run, to keep it as `warmup_posterior` and `warmup_sample_stats`.
        NumPyro overwrites what it collected in the warm-up when the run starts, so convert it
        before (see the example). Default: the statistics of the warm-up if
        ``fhl_ppl.pyro.MCMC(..., keep_warmup=True)`` kept them, else none.
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
        If `mcmc` has no draws, if a latent site was summed out that `log_likelihood` or
        `posterior_predictive=True` need, if `dims` names more dimensions than a variable has, or if
        `warmup` has another number of chains.

    Notes
    -----
    The statistics of each draw, which ArviZ's own converter has as well:

    {statistics}

    The jumps are those of `fhl_ppl.core.moves`. `fhl_ppl.moves` makes a table of what they did.

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
    kept = run.warmup if warmup is None else warmup
    return annotate(run.data, run.group, settings, kept)


def summary(
    data: Any,
    *,
    var_names: str | Sequence[str] | None = None,
    hdi_prob: float | None = None,
    show: bool = True,
) -> DataFrame:
    """Summarise the posterior, print the table, and warn of what speaks against trusting it.

    The columns are ArviZ's, and `mcse_group`, `ess_group` and `r_hat_group`: the error of the mean,
    bulk ESS and R-hat with a group of particles as the unit. Particles of a group act on one
    another, so their draws may be correlated, which the usual columns do not see; groups are
    independent. `ess_group` is in the units of `ess_bulk`, and about equal to it where particles
    behave as if independent:

        ess_group = ESS(group means) * var(particle) / var(group means),

    on rank-normalised draws, and at most the ESS with particles as the unit;
    `fhl_ppl.diagnostics.group_units` derives it. `r_hat_group` is the split R-hat of the group
    means. Both rest on fewer series than the usual columns and scatter more.

    Parameters
    ----------
    data
        A finished `MCMC` of NumPyro or Pyro, or what `to_arviz` made of it. Without groups (from
        another kernel) these columns are left out.
    var_names
        Variables to show, default all.
    hdi_prob
        Probability of the highest-density interval. Default: the interval that ArviZ prefers (0.x:
        94 % highest density, 1.x: 89 % equal tails).
    show
        Whether to print the table, as `mcmc.print_summary` does; default yes.

    Returns
    -------
    pandas.DataFrame
        A row for each scalar quantity, not rounded. `attrs["notes"]` lists what is printed below
        it: that there is only one group, so that none is left to compare with.

    Warns
    -----
    UserWarning
        With the remedy: if an R-hat is above 1.01 (over groups: 1.05), if `ess_group` is far below
        `ess_bulk`, if a chain never moved, if there is only one group and a quantity has less than
        100 effective draws a chain, if draws diverged, if a chain accepted less than 10 % of its
        trajectories or 1 % of all its moves, if trajectories from one end of a quantity are refused
        far more often than others, if the energy has steps that its gradient does not see, if
        `max_num_steps` cut more than 10 % of the trajectories short, if the strongest pull on offer
        won, if warm-up saw a mode that no draw is in, if hardly any chain crossed between the
        modes, or too few to say which of its weights, by the draws or by its density, a mode has,
        if the draws are unadjusted, or if the groups got lost on the way.

    Raises
    ------
    ImportError
        If ArviZ is not installed.
    TypeError
        If `data` is neither a run nor ArviZ's.
    ValueError
        If `var_names` has a name that is not in the posterior, `hdi_prob` is not in (0, 1), or
        there are fewer than 4 draws.

    Examples
    --------
    Eight chains in two groups:

    >>> import arviz, numpy as np
    >>> x = np.random.default_rng(0).normal(size=(8, 500))
    >>> data = arviz.convert_to_dataset({"x": x}).assign_coords(group=("chain", np.arange(8) // 4))
    >>> from fhl_ppl.diagnostics.arviz_lines import from_datasets
    >>> table = summary(from_datasets({"posterior": data}, {}), show=False)
    >>> bool(0.7 < table["ess_group"]["x"] / table["ess_bulk"]["x"] < 1.3)
    True
    """
    groups = datasets_of(data)
    from fhl_ppl.diagnostics.annotate import group_of_chains
    from fhl_ppl.diagnostics.checks import findings, notes
    from fhl_ppl.diagnostics.table import select, summary_table, to_text

    if hdi_prob is not None and not 0 < hdi_prob < 1:
        raise ValueError(f"hdi_prob must be in (0, 1), got {hdi_prob}.")
    posterior = select(groups["posterior"], var_names)
    if posterior.sizes["draw"] < FEWEST_DRAWS:
        raise ValueError(
            f"data has {posterior.sizes['draw']} draws a chain; ESS and R-hat need at least "
            f"{FEWEST_DRAWS}: increase num_samples."
        )
    group = group_of_chains(posterior)
    table = summary_table(posterior, group, hdi_prob)
    found = findings(table, posterior, group, groups.get("sample_stats"))
    table.attrs["notes"] = [note for note in notes(posterior, group) if note not in found]
    if show:
        print(to_text(table))  # noqa: T201 - printing is what it is for
    for sentence in found:
        warnings.warn(sentence, UserWarning, stacklevel=2)
    return table


def moves(data: Any) -> DataFrame:
    """Tabulate the moves of a run: how often each was made, accepted, and how far it led.

    Parameters
    ----------
    data
        A finished `MCMC` of NumPyro or Pyro with the kernel `FHL`, or what `to_arviz` or ArviZ's
        own converter made of it.

    Returns
    -------
    pandas.DataFrame
        A row for each move that was made, "trajectory" and the jumps of docs/algorithm.md, section
        8, and one for "all"; over all chains and draws. In an iteration of jumps the particles that
        rest for others make a "rotation" themselves, unless they make a "renewal". The columns:

        share
            Of the draws.
        acceptance_rate
            Mean probability of acceptance. Low ones are in order for jumps: between distant modes
            one accepted in a thousand is worth having.
        n_steps
            Gradients for one move, on average; 1 for a jump, which needs only the energy.
        squared_jump
            Expected squared jump: the squared distance times the probability of acceptance, in the
            whitened space, on average. Independent draws of a Gaussian have twice the number of
            parameters.
        squared_jump_per_gradient
            The same divided by `n_steps`, by which warm-up chooses.

    Raises
    ------
    ImportError
        If ArviZ is not installed.
    TypeError
        If `data` is neither a run nor ArviZ's.
    ValueError
        If the draws do not say by which move they came, as those of another kernel.

    Examples
    --------
    >>> import arviz, numpy as np
    >>> statistics = {
    ...     "move": np.array([[0, 0, 0, 1]]),
    ...     "acceptance_rate": np.array([[0.9, 0.8, 1.0, 0.3]]),
    ...     "n_steps": np.array([[4, 4, 4, 1]]),
    ...     "squared_jump": np.array([[6.0, 8.0, 10.0, 3.0]]),
    ... }
    >>> from fhl_ppl.diagnostics.arviz_lines import from_arrays
    >>> groups = {"posterior": {"x": np.arange(4.0)[None]}, "sample_stats": statistics}
    >>> moves(from_arrays(groups, None, None, {}))[["share", "squared_jump_per_gradient"]]
                share  squared_jump_per_gradient
    trajectory   0.75                   2.000000
    renewal      0.25                   3.000000
    all          1.00                   2.076923
    """
    groups = datasets_of(data)
    from fhl_ppl.diagnostics.moves import moves_table

    return moves_table(groups.get("sample_stats"))


def modes(data: Any) -> DataFrame:
    """Tabulate the modes that warm-up has found: how much is in each, and how often it is entered.

    A mode is a component of the archive of warm-up (docs/algorithm.md, section 10): a place whose
    density the others cannot explain. A posterior with one mode has one row.

    Parameters
    ----------
    data
        A finished `MCMC` of NumPyro or Pyro with the kernel `FHL`, or what `to_arviz` made of it.

    Returns
    -------
    pandas.DataFrame
        A row for each, by its number in the statistic `mode`. The columns:

        weight, mcse
            Share of the draws in it, and its Monte Carlo error, with groups as the unit.
        crossings, per_chain
            How often chains entered it from another, all together and each on average.
        chains
            How many chains were in it.
        warmup_mass
            Its share of the mass as warm-up estimates it, from a Gaussian: off by a factor where
            the mode is no Gaussian.

    Raises
    ------
    ImportError
        If ArviZ is not installed.
    TypeError
        If `data` is neither a run nor ArviZ's.
    ValueError
        If the draws do not say in which mode they are, as those of another kernel.

    Examples
    --------
    >>> import numpy as np
    >>> from fhl_ppl.diagnostics.arviz_lines import from_arrays
    >>> statistics = {"mode": np.array([[0, 0, 1, 0], [0, 1, 1, 0]])}
    >>> groups = {"posterior": {"x": np.zeros((2, 4))}, "sample_stats": statistics}
    >>> modes(from_arrays(groups, None, None, {}))[["weight", "crossings", "chains"]]
          weight  crossings  chains
    mode
    0      0.625          2       2
    1      0.375          2       2
    """
    groups = datasets_of(data)
    from fhl_ppl.diagnostics.known_modes import known_modes_table

    return known_modes_table(groups.get("sample_stats"))


def mode_changes(data: Any, mode: str | Callable[[Dataset], Array] | Array) -> DataFrame:
    """Count how often each chain, that is each particle, changed its mode.

    What a mode is, only its user can say; a change is a draw in another mode than the draw before.
    Chains that never change tell nothing about the weights of the modes: these are then what the
    starting points made them. ESS and R-hat of the indicator, as `arviz.ess` has them, say how well
    the weights are known.

    Parameters
    ----------
    data
        A finished `MCMC` of NumPyro or Pyro, or what `to_arviz` or ArviZ's own converter made of
        it.
    mode
        In which mode each draw is: labels of any type [chain, draw]; a function that gives them for
        `data.posterior`, such as `lambda posterior: posterior["mu"] > 0`; or the name of a variable
        of the posterior that holds them.

    Returns
    -------
    pandas.DataFrame
        A row for each chain with the columns `group`, where chains have one; `modes`, the number of
        modes visited; and `changes`.

    Raises
    ------
    ImportError
        If ArviZ is not installed.
    TypeError
        If `data` is neither a run nor ArviZ's.
    ValueError
        If `mode` names no variable, or does not give one label for each draw, or the labels are
        numbers that are not whole, as those of a quantity are.

    Examples
    --------
    >>> import arviz, numpy as np
    >>> from fhl_ppl.diagnostics.arviz_lines import from_arrays
    >>> x = np.array([[-1.0, -2.0, 3.0, -2.0], [4.0, 2.0, 3.0, 3.0]])
    >>> data = from_arrays({"posterior": {"x": x}}, None, None, {})
    >>> mode_changes(data, lambda posterior: posterior["x"] > 0)
           modes  changes
    chain
    0          2        2
    1          1        0
    """
    posterior = datasets_of(data)["posterior"]
    from fhl_ppl.diagnostics.modes import mode_table

    return mode_table(posterior, mode)


def datasets_of(data: Any) -> dict[str, Any]:
    """All datasets by name, of a finished run or of what `to_arviz` made of it."""
    require("arviz", "arviz")
    from fhl_ppl.diagnostics.arviz_lines import datasets, is_data

    if not is_data(data):
        backend_of(data, "data", ", or what fhl_ppl.to_arviz made of one")
        data = to_arviz(data, log_likelihood=False)
    return datasets(data)


def _extract(mcmc: Any, **options: Any) -> "Run":
    """Hand over to the half of the package that `mcmc` comes from, and load no other."""
    if backend_of(mcmc) == "numpyro":
        from fhl_ppl.numpyro.extract import extract as from_numpyro

        return from_numpyro(mcmc, **options)
    from fhl_ppl.pyro.extract import extract as from_pyro

    return from_pyro(mcmc, **options)
