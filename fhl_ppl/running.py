"""`run`: draw in blocks until it is enough."""

from collections.abc import Callable, Mapping
from typing import Any

from fhl_ppl._backend import backend_of
from fhl_ppl._extras import require
from fhl_ppl.runs.blocks import Sampling, Status, run_in_blocks
from fhl_ppl.runs.progress import Line
from fhl_ppl.runs.until import Until


def run(
    mcmc: Any,
    *args: Any,
    until: Until | None = None,
    callback: Callable[[Status], Any] | None = None,
    block: int | None = None,
    progress: bool | None = None,
    **kwargs: Any,
) -> Status:
    """Run `mcmc` in blocks, until the draws are good or have cost enough.

    Afterwards `mcmc` holds all draws as after its own `run`, and everything that reads a finished
    run works on it. Warm-up has the length that `mcmc` was made with; how much is drawn after it is
    up to `until`. NumPyro compiles one loop for all blocks if their length divides warm-up and
    draws, which is chosen so where it can be.

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
    progress : bool, optional
        Whether to write a line on how the run stands, what is missing and for which scalar.
        Default: where there is a terminal.

    Returns
    -------
    Status
        Draws, gradients, seconds, the worst scalars, and in `stopped` what ended the run.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it should be.
    KeyboardInterrupt
        If it comes in warm-up. After it, the first Ctrl-C ends the run when the block is done (in
        Pyro: the iteration), and keeps all draws; a second one at once, and keeps the blocks
        before.

    Notes
    -----
    Draws are, bit for bit, those of `mcmc.run` with the same seed in Pyro. NumPyro runs warm-up and
    draws in one compiled loop, here in several; both are compiled from the same code, but where the
    compiler takes other decisions, numbers are rounded in other ways. `mcmc.num_samples` is, in
    NumPyro, set to what was drawn; of draws that are thinned, as many iterations.

    Examples
    --------
    With ``mcmc = MCMC(FHL(model), ...)`` of either library::

        status = fhl_ppl.run(mcmc, key, data, until=fhl_ppl.Until(ess=400, r_hat=1.01))
        status.draws, status.stopped          # such as (350, 'target')
        fhl_ppl.summary(mcmc)
    """
    if not (callback is None or callable(callback)):
        raise TypeError(f"callback must be a function of the status, or None, got {callback!r}")
    if block is not None and (isinstance(block, bool) or not isinstance(block, int) or block < 1):
        raise ValueError(f"block must be a whole number of iterations from 1, got {block!r}")
    if not (until is None or isinstance(until, Until)):
        raise TypeError(f"until must be a fhl_ppl.Until or None, got {until!r}")
    if until is not None and until.looks_at_draws:
        require("arviz", "arviz")
    sampling = _sampling(mcmc, args, kwargs)
    until = Until(draws=sampling.num_draws) if until is None else until
    return run_in_blocks(sampling, until, callback, block, Line(progress))


def _sampling(mcmc: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sampling:
    """Hand over to the half of the package that `mcmc` comes from, and load no other."""
    if backend_of(mcmc) == "numpyro":
        from fhl_ppl.numpyro.blocks import NumpyroSampling

        return NumpyroSampling(mcmc, args, kwargs)
    from fhl_ppl.pyro.blocks import PyroSampling

    return PyroSampling(mcmc, args, kwargs)
