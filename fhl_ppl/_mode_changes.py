"""`fhl_ppl.mode_changes`: how often each chain went from one mode to another."""

from collections.abc import Callable
from typing import Any

from fhl_ppl._to_arviz import groups_of

Array = Any
Dataset = Any
DataFrame = Any


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
        If `mode` names no variable, or does not give one label for each draw.

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
    posterior = groups_of(data)["posterior"]
    from fhl_ppl.diagnostics.modes import mode_table

    return mode_table(posterior, mode)
