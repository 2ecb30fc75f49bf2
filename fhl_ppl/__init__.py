"""Follow Hamiltonian Leader: gradient- and energy-guided MCMC kernels for NumPyro and Pyro."""

from fhl_ppl._mode_changes import mode_changes
from fhl_ppl._moves import moves
from fhl_ppl._summary import summary
from fhl_ppl._to_arviz import to_arviz
from fhl_ppl._version import __version__

__all__ = ["__version__", "mode_changes", "moves", "summary", "to_arviz"]
