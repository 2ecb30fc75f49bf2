"""Follow Hamiltonian Leader for NumPyro."""

from fhl_ppl._extras import require

require("numpyro", "jax", "numpyro")
