"""JAX has to be told of several devices before it starts, or `parallel` would run sequentially."""

import os

os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
)
