"""Room for another compiled program.

Every program that JAX has compiled keeps memory maps, and JAX keeps programs after all who use them
are gone. Linux gives a process a fixed number of maps; beyond it the compiler fails, and the
process with it. Some forty runs of `MCMC`, each a new object, get there, twice as many of NUTS.
"""

import gc
import warnings
from pathlib import Path

import jax

MAPS = Path("/proc/self/maps")
MOST = Path("/proc/sys/vm/max_map_count")
SHARE = 0.5
"""Of what is allowed, that may be in use when another run begins: a large model takes a tenth."""


def make_room() -> None:
    """Forget compiled programs if there is little room for another.

    What is used again is compiled again. Does nothing where the system does not say how many maps
    there are.

    Warns
    -----
    UserWarning
        If programs were forgotten.
    """
    if not (MAPS.exists() and MOST.exists()):
        return
    used, most = MAPS.read_bytes().count(b"\n"), int(MOST.read_text())
    if used < SHARE * most:
        return
    jax.clear_caches()
    gc.collect()
    left = MAPS.read_bytes().count(b"\n")
    warnings.warn(
        f"Compiled programs held {used} of the {most} memory maps of this process, and JAX crashes "
        f"when there are none. They were forgotten (`jax.clear_caches()`; {left} are left), and "
        "what is used again is compiled again. To compile less, reuse an `MCMC` object: "
        "`mcmc.run(key, other_data)` of the same shape compiles nothing.",
        UserWarning,
        stacklevel=2,
    )
