import os
import random
import sys
from importlib import import_module
from types import ModuleType

import numpy as np
import pytest
from hypothesis import settings

SEED = 20240521

# Which half of the package an optional dependency belongs to; the others belong to both.
BACKEND_OF = {"jax": "numpyro", "numpyro": "numpyro", "torch": "pyro", "pyro": "pyro"}

# No deadline: the first call of a jitted function compiles. Derandomised: failures repeat.
settings.register_profile("fhl", deadline=None, derandomize=True)
settings.load_profile("fhl")


def importorskip(name: str) -> ModuleType:
    """Import an optional dependency; if it is missing, skip, or fail under FHL_REQUIRE_ALL=1.

    A run that is meant to cover everything must not turn green by skipping. A dependency of a
    backend that FHL_BACKENDS leaves out is still skipped.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != name.partition(".")[0]:
            raise
        chosen = os.environ.get("FHL_BACKENDS", "numpyro pyro").split()
        wanted = BACKEND_OF.get(name.partition(".")[0]) in {None, *chosen}
        if os.environ.get("FHL_REQUIRE_ALL") == "1" and wanted:
            pytest.fail(f"{name} is missing and FHL_REQUIRE_ALL=1 forbids to skip", pytrace=False)
        pytest.skip(f"{name} is not installed", allow_module_level=True)


@pytest.fixture(autouse=True)
def _fixed_seeds() -> None:
    """Start every test from the same global random state, whatever ran before it."""
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - SciPy and ArviZ draw from the global generator
    # A test process must not load a backend that its tests do not use.
    if torch := sys.modules.get("torch"):
        torch.manual_seed(SEED)
    if pyro := sys.modules.get("pyro"):
        pyro.clear_param_store()


@pytest.fixture
def rng() -> np.random.Generator:
    """NumPy random generator with a fixed seed."""
    return np.random.default_rng(SEED)
