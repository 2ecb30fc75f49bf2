"""Have each example of the gallery begin as it does in a process of its own.

`make gallery` runs all of them in one process, where the double precision that one asks for would
be the next one's, too: it would draw other data than its script does.
"""

from typing import Any

import jax
import pyro
import torch


def forget(gallery_conf: dict[str, Any], name: str) -> None:
    """Called by Sphinx-Gallery before each example."""
    jax.config.update("jax_enable_x64", False)
    torch.set_default_dtype(torch.float32)
    pyro.clear_param_store()
