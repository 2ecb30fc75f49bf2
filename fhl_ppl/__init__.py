"""Follow Hamiltonian Leader: gradient- and energy-guided MCMC kernels for NumPyro and Pyro."""

from fhl_ppl._version import __version__
from fhl_ppl.evidence import log_evidence
from fhl_ppl.results import mode_changes, modes, moves, summary, to_arviz
from fhl_ppl.running import open_store, run, stream
from fhl_ppl.runs.until import Until

_OF_A_BACKEND = ("FHL", "MCMC")


def __getattr__(name: str) -> None:
    if name in _OF_A_BACKEND:
        # An AttributeError would be replaced by a text that does not say where to look.
        raise ImportError(
            f"fhl_ppl has no {name} of its own, as it loads no backend. Import it from the one "
            f"that your model is written for: from fhl_ppl.numpyro import FHL, or "
            "from fhl_ppl.pyro import FHL, MCMC."
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Until",
    "__version__",
    "log_evidence",
    "mode_changes",
    "modes",
    "moves",
    "open_store",
    "run",
    "stream",
    "summary",
    "to_arviz",
]
