"""`fhl_ppl.moves`: which moves a run made, and what each was worth."""

from typing import Any

from fhl_ppl._to_arviz import groups_of

DataFrame = Any


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
    groups = groups_of(data)
    from fhl_ppl.diagnostics.moves import moves_table

    return moves_table(groups.get("sample_stats"))
