"""Follow Hamiltonian Leader for Pyro."""

from fhl_ppl._extras import require

require("pyro", "torch", "pyro")
