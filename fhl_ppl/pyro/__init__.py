"""Follow Hamiltonian Leader for Pyro."""

from fhl_ppl._extras import require

require("pyro", "torch", "pyro")

from fhl_ppl.pyro.kernel import FHL
from fhl_ppl.pyro.mcmc import MCMC

__all__ = ["FHL", "MCMC"]
