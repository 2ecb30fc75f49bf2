"""JAX has to be told of several devices before it starts, or `parallel` would run sequentially."""

import os

import pytest

os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
)


@pytest.fixture(autouse=True, scope="session")
def _compile_once(tmp_path_factory):
    """What one test has compiled, the next need not, nor a test of another process."""
    import jax

    jax.config.update(
        "jax_compilation_cache_dir", str(tmp_path_factory.getbasetemp().parent / "compiled")
    )


@pytest.fixture(autouse=True, scope="module")
def _forget_compiled_code():
    """Every compiled function keeps memory maps, of which a process may have so many."""
    yield
    import jax

    jax.clear_caches()
