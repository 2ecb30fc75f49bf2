"""Posteriors with known moments: data and reference figures, by name (see SOURCES.md).

The models are in modules of their own, so that reading these loads no backend.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

HERE = Path(__file__).parent

NAMES = sorted(path.stem for path in (HERE / "data").glob("*.npz"))


class Reference(NamedTuple):
    """Moments of the scalars `names`, with their Monte Carlo errors.

    "theta[1]" is the first element of the site theta, however many axes it has.
    """

    names: list[str]
    mean: np.ndarray
    m2: np.ndarray
    sd_m2: np.ndarray
    mcse_mean: np.ndarray
    mcse_m2: np.ndarray


def select(parts):
    """Names that contain one of the parts; all of them without parts."""
    for part in parts:
        if not any(part in name for name in NAMES):
            raise SystemExit(f"no posterior is called {part!r}: {', '.join(NAMES)}")
    return [name for name in NAMES if not parts or any(part in name for part in parts)]


def load(name):
    """Data, by name, and Reference."""
    with np.load(HERE / "data" / f"{name}.npz") as file:
        data = dict(file)
    figures = json.loads((HERE / "reference" / f"{name}.json").read_text())
    moments = {key: np.array(figures[key], float) for key in Reference._fields if key != "names"}
    return data, Reference(figures["names"], **moments)


def site(scalar):
    """The site that a scalar belongs to."""
    return scalar.partition("[")[0]


def gather(sites, names):
    """Draws [chain, draw, scalar] from sites [chain, draw, ...]."""
    columns = []
    for name in names:
        values = np.asarray(sites[site(name)], float)
        index = int(name[:-1].partition("[")[2]) - 1 if name.endswith("]") else 0
        columns.append(values.reshape(*values.shape[:2], -1)[:, :, index])
    return np.stack(columns, -1)
