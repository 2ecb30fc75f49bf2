"""JAX has to be told of several devices before it starts, or `parallel` would run sequentially."""

import gc
import os
from pathlib import Path

import pytest

os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
)

MAPS = Path("/proc/self/maps")
MANY = 20_000
"""Of memory maps, of which Linux lets a process have 65,530."""


@pytest.fixture(autouse=True)
def _forget_compiled_code():
    """Every compiled function keeps memory maps; beyond what is allowed the process ends."""
    yield
    if not MAPS.exists() or MAPS.read_bytes().count(b"\n") > MANY:
        import jax

        jax.clear_caches()
        gc.collect()
