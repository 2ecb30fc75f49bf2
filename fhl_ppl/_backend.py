"""Which half of the package an object of a user belongs to, without loading the other."""

from typing import Any


def backend_of(mcmc: Any, name: str = "mcmc", otherwise: str = "") -> str:
    """Return "numpyro" or "pyro".

    Parameters
    ----------
    mcmc
    name
        Of the argument that it is.
    otherwise
        What else that may be.

    Raises
    ------
    TypeError
        If it is no `MCMC` of either.

    Examples
    --------
    >>> backend_of(3)
    Traceback (most recent call last):
        ...
    TypeError: mcmc must be a numpyro.infer.MCMC, a pyro.infer.MCMC or ..., got int.
    """
    origins = {
        cls.__module__.removeprefix("fhl_ppl.").partition(".")[0] for cls in type(mcmc).__mro__
    }
    if "numpyro" in origins and hasattr(mcmc, "get_extra_fields"):
        return "numpyro"
    if "pyro" in origins and hasattr(mcmc, "diagnostics"):
        return "pyro"
    raise TypeError(
        f"{name} must be a numpyro.infer.MCMC, a pyro.infer.MCMC or a fhl_ppl.pyro.MCMC"
        f"{otherwise}, got {type(mcmc).__name__}."
    )
