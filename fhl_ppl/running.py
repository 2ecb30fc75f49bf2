"""`run` and `stream`: draw in blocks until it is enough, and keep the draws or their moments."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from numbers import Integral
from typing import Any

from fhl_ppl._backend import backend_of
from fhl_ppl._extras import require
from fhl_ppl.arguments import truth
from fhl_ppl.runs.blocks import (
    HASTY_BLOCK,
    LONGEST_BLOCK,
    Status,
    block_length,
    run_in_blocks,
)
from fhl_ppl.runs.former import Former
from fhl_ppl.runs.kept import Kept
from fhl_ppl.runs.lock import locked
from fhl_ppl.runs.progress import Line
from fhl_ppl.runs.sampling import Sampling
from fhl_ppl.runs.store import Store, whole
from fhl_ppl.runs.streamed import Streamed, Taken, partitions, starts_of_superchains
from fhl_ppl.runs.until import Until


def run(
    mcmc: Any,
    *args: Any,
    until: Until | None = None,
    callback: Callable[[Status], Any] | None = None,
    block: int | None = None,
    store: str | os.PathLike[str] | None = None,
    warm_start: str | os.PathLike[str] | None = None,
    early_warmup: bool = False,
    keep_draws: bool = True,
    progress: bool | None = None,
    **kwargs: Any,
) -> Status:
    """Run `mcmc` in blocks, until the draws are good or have cost enough.

    Afterwards `mcmc` holds all draws as after its own `run`, and everything that reads a finished
    run works on it. Warm-up has the length that `mcmc` was made with, or less with `early_warmup`;
    how much is drawn after it is up to `until`. NumPyro compiles one loop for all blocks if their
    length divides warm-up and draws, which is chosen so where it can be.

    Parameters
    ----------
    mcmc
        NumPyro's `MCMC` of a `fhl_ppl.numpyro.FHL`, or a `fhl_ppl.pyro.MCMC`.
    *args, **kwargs
        Of `mcmc.run`: NumPyro's key, the model's arguments.
    until : Until, optional
        When to stop. Default: after the draws that `mcmc` was made for.
    callback : callable, optional
        Called as ``callback(status)`` after every block, with `mcmc` holding all draws so far. What
        is true of what it returns stops the run.
    block : int, optional
        Iterations of a block. Default: 100 or so, more where very many draws are asked for.
    store : path, optional
        A directory to write draws, statistics and the state to, after every block. It is a Zarr
        group that `fhl_ppl.open_store`, or xarray's `open_datatree`, opens at any moment. If it is
        there already, the run goes on from where it ended, however that was, as if it had never
        been interrupted, and with the key or seed that it began with; if it was good enough,
        nothing more is drawn. So runs of several seeds need a path each. What deterministic sites
        compute is not compared, only their names, types and shapes. Names of sites have no "/" and
        are no coordinates' ("chain", "draw", "group"). Needs the extra "store".
    warm_start : path, optional
        The store of a former run of the same sites, maybe of other data or settings: chains start
        where its chains were, taken in turn if they are of another number, and warm-up with its
        metric. A run that goes on from a store of its own takes nothing from it.
    early_warmup : bool, default False
        Whether warm-up, whose length is then the most, may end as soon as a window of it confirms
        what the one before has learnt: halves of the particles agree on the mean, to .3 standard
        deviations, and with the window before, no particle is lost, and the metric is the same
        within a factor of 2 in variance. The step size then settles as usual, and all is frozen:
        draws are as exact. Not by default, since they are then not those of ``mcmc.run``, and
        a mode that would have been found later is not looked for. The full length is run where a
        chart is in use, where the metric is of low rank (above 256 dimensions), with
        ``jumps=False`` and with `temperatures`.
    keep_draws : bool, default True
        Whether the draws are kept in memory, too. Without, which a store is needed for, `mcmc`
        holds none, and memory does not grow.
    progress : bool, optional
        Whether to write a line on how the run stands, what is missing and for which scalar.
        Default: where there is a terminal.

    Returns
    -------
    Status
        Draws, gradients, seconds, the worst scalars, in `stopped` what ended the run, and in
        `warmup` how many iterations of warm-up there were.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it should be; if the store is of another model, of other data,
        settings or number of chains, or of another version, naming what differs; if it is damaged,
        or written by another run.
    OSError
        If the store cannot be written, as on a full disk: what was written before is whole.
    KeyboardInterrupt
        If it comes in warm-up. After it, the first Ctrl-C ends the run when the block is done (in
        Pyro: the iteration), and keeps all draws; a second one at once, and keeps the blocks
        before.

    Notes
    -----
    Draws are, bit for bit, those of `mcmc.run` with the same seed in Pyro. NumPyro runs warm-up and
    draws in one compiled loop, here in several that are compiled from the same code. The bits were
    the same in all that was tried but with a `chain_method` that is a callable, such as `jax.vmap`;
    a compiler is free to round any loop in another way. The same goes for a run that goes on from
    a store with blocks of another length.

    NumPyro's `mcmc.num_samples` is then the number that was drawn, which ArviZ reads. Of draws that
    are thinned, `until` counts those that are kept. Private companions are kept in memory alone,
    and not where there is a store. While a run writes to a store, another that is to is refused.

    Under `jax.distributed`, with a `mesh` over the devices of several processes that all call this
    alike, each has the draws of its own chains, and a store of its own at a path of its own.
    `until` asks for the draws of all; if one process stops, all do.

    Examples
    --------
    With ``mcmc = MCMC(FHL(model), ...)`` of either library::

        status = fhl_ppl.run(mcmc, key, data, until=fhl_ppl.Until(ess=400, r_hat=1.01))
        status.draws, status.stopped          # such as (350, 'target')
        fhl_ppl.summary(mcmc)
    """
    _check(until, callback, block)
    _check_path("store", store)
    _check_path("warm_start", warm_start)
    truth("early_warmup", early_warmup)
    if until is not None and until.looks_at_draws:
        require("arviz", "arviz")
    if store is None and not keep_draws:
        raise ValueError("keep_draws=False needs a store, or there would be no draws; give store=")
    if store is not None or warm_start is not None:
        require("store", "zarr", "xarray")
        require("arviz", "arviz")
    opened = None if store is None else Store(store)
    former = None if warm_start is None else Former.of(Store(warm_start))
    sampling = _sampling(mcmc, args, kwargs, former)
    if opened is not None:
        sampling.without_companions()
    until = Until(draws=sampling.num_draws) if until is None else until
    longest = HASTY_BLOCK if early_warmup else LONGEST_BLOCK
    length = block or _length_of_block(sampling, until, longest)
    line = Line(progress)
    with nullcontext() if store is None else locked(store):
        # What another run wrote until it was locked counts.
        opened = None if store is None else Store(store)
        kept = Kept(sampling, opened, length, keep_draws, early_warmup)
        return run_in_blocks(sampling, until, callback, length, kept, line, early_warmup)


def stream(
    mcmc: Any,
    *args: Any,
    superchains: int | None = None,
    sites: Sequence[str] | None = None,
    until: Until | None = None,
    callback: Callable[[Status], Any] | None = None,
    block: int | None = None,
    progress: bool | None = None,
    **kwargs: Any,
) -> Streamed:
    """Run `mcmc` without keeping draws, for very many chains: their moments, and how they agree.

    Memory does not grow with the number of draws: each chain has its position, and a running mean
    and a sum of squares for each of its scalars.

    Parameters
    ----------
    mcmc
        NumPyro's `MCMC` of a `fhl_ppl.numpyro.FHL` with ``chain_method="vectorized"``, or a
        `fhl_ppl.pyro.MCMC`.
    *args, **kwargs
        Of `mcmc.run`: NumPyro's key, the model's arguments.
    superchains : int, optional
        How many superchains to make of the chains, in order, each of as many whole groups. All
        chains of one start where its first would have. `r_hat_nested` then says whether so many
        draws were enough to forget the starts, also where they are too few for `r_hat`; warm-up is
        pooled, so it speaks of what warm-up has left to be forgotten. Default: every chain starts
        by itself, and `r_hat_nested` is with groups as the units.
    sites : sequence of str, optional
        Whose moments to take. Default: all, in NumPyro with deterministic ones.
    until : Until, optional
        When to stop. Default: after the draws that `mcmc` was made for. `ess` and `r_hat` are those
        of the table, of the sites themselves and not of their squares.
    callback, block, progress
        As in `run`; after a block `mcmc` holds no draws.

    Returns
    -------
    Streamed
        Mean, standard deviation, its Monte Carlo error, ESS and both R-hats by site, and the last
        draw of every chain, of which quantiles can be taken; ``.table()`` has a row for each
        scalar.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it should be; in NumPyro, if chains are not vectorized or draws
        are thinned.
    KeyboardInterrupt
        As in `run`.

    Notes
    -----
    The draws are those of `run`, to rounding. R-hat is neither split nor rank-normalised, for which
    draws would have to be kept; that all chains drift alike shows in `r_hat_nested` with
    superchains. Under `jax.distributed`, with a `mesh` over the devices of several processes that
    all call this alike, each has the moments of all chains, and of `last` those of its own.

    `mcmc` holds no draws afterwards; NumPyro's ``mcmc.last_state`` and Pyro's
    ``mcmc.state_dict()`` are there.

    Examples
    --------
    With ``mcmc = MCMC(FHL(model), num_chains=4096, chain_method="vectorized", ...)``::

        found = fhl_ppl.stream(mcmc, key, data, superchains=16)
        found.table()                                  # mean, sd, mcse, ess, r_hat, r_hat_nested
        numpy.quantile(found.last["x"], 0.9, axis=0)
    """
    _check(until, callback, block)
    sampling = _sampling(mcmc, args, kwargs, None)
    if superchains is not None:
        partitions(sampling.processes.gathered(sampling.group), superchains)
        former = starts_of_superchains(sampling.former(), superchains)
        sampling = _sampling(mcmc, args, kwargs, former)
    until = Until(draws=sampling.num_draws) if until is None else until
    length = block or _length_of_block(sampling, until, LONGEST_BLOCK)
    taken = Taken(sampling, superchains, sites)
    return taken.result(run_in_blocks(sampling, until, callback, length, taken, Line(progress)))


def open_store(path: str | os.PathLike[str]) -> Any:
    """Open what `run` has written, also while it goes on writing: ArviZ's data, read when needed.

    The draws that were safe when it was opened are there; for those since then, open it again.

    Parameters
    ----------
    path
        The `store` of `run`.

    Returns
    -------
    InferenceData (ArviZ 0.x) or DataTree (ArviZ 1.x)
        With the groups `posterior` and `sample_stats`, for `fhl_ppl.summary` and all of ArviZ.

    Raises
    ------
    ValueError
        If it is no store, one of no draws yet, or one that lacks files.
    """
    require("store", "zarr", "xarray")
    require("arviz", "arviz")
    from fhl_ppl.diagnostics.arviz_lines import from_zarr

    if not os.path.isdir(path):
        raise ValueError(f"there is no store at {str(path)!r}: no such directory")
    opened = Store(path)
    if not opened.draws:
        raise ValueError(f"the store {str(path)!r} has no draws yet")
    opened.check_draws()
    with whole(path, "draws"):
        return from_zarr(path)


def _length_of_block(sampling: Sampling, until: Until, longest: int) -> int:
    """Short where time or gradients count, whatever number of draws is asked for, too."""
    is_bounded = until.seconds is not None or until.gradients is not None
    num_draws = sampling.num_draws if is_bounded else until.draws or sampling.num_draws
    return block_length(sampling.warmup_steps, num_draws, longest)


def _check_path(name: str, path: Any) -> None:
    if not (path is None or isinstance(path, str | os.PathLike)):
        raise TypeError(f"{name} must be a path, or None, got {path!r}")


def _check(until: Any, callback: Any, block: Any) -> None:
    if not (callback is None or callable(callback)):
        raise TypeError(f"callback must be a function of the status, or None, got {callback!r}")
    is_whole = isinstance(block, Integral) and not isinstance(block, bool)
    if block is not None and not (is_whole and block >= 1):
        raise ValueError(f"block must be a whole number of iterations from 1, got {block!r}")
    if not (until is None or isinstance(until, Until)):
        raise TypeError(f"until must be a fhl_ppl.Until or None, got {until!r}")


def _sampling(
    mcmc: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], former: Former | None
) -> Sampling:
    """Hand over to the half of the package that `mcmc` comes from, and load no other."""
    if backend_of(mcmc) == "numpyro":
        from fhl_ppl.numpyro.blocks import NumpyroSampling

        return NumpyroSampling(mcmc, args, kwargs, former)
    from fhl_ppl.pyro.blocks import PyroSampling

    return PyroSampling(mcmc, args, kwargs, former)
