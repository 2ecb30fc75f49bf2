"""JAX has to be told of several devices before it starts, or `parallel` would run sequentially."""

import os

import pytest

os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
)


@pytest.fixture(autouse=True, scope="module")
def _forget_compiled_code():
    """Every compiled function keeps memory maps, of which a process may have so many."""
    yield
    import jax

    jax.clear_caches()
