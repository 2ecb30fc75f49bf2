"""Follow Hamiltonian Leader for NumPyro."""

from fhl_ppl._extras import require

require("numpyro", "jax", "numpyro")

from fhl_ppl.numpyro.kernel import FHL

__all__ = ["FHL"]
