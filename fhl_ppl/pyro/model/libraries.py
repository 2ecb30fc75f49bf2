"""Where code is that is not the user's."""

import contextlib
from pathlib import Path

import pyro
import torch

LIBRARIES = (
    *(str(Path(file).parent) for file in (torch.__file__, pyro.__file__)),
    str(Path(__file__).parents[2]),
    contextlib.__file__,
)
"""Folders and files."""
