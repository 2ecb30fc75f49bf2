"""Follow Hamiltonian Leader for NumPyro."""

from fhl_ppl._extras import require

require("numpyro", "jax", "numpyro")

from fhl_ppl.numpyro.kernel import FHL
from fhl_ppl.numpyro.state import FHLState

__all__ = ["FHL", "FHLState"]
