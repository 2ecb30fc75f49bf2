"""Follow Hamiltonian Leader: gradient- and energy-guided MCMC kernels for NumPyro and Pyro."""

from fhl_ppl._version import __version__
from fhl_ppl.results import mode_changes, moves, summary, to_arviz

__all__ = ["__version__", "mode_changes", "moves", "summary", "to_arviz"]
