"""MNIST from noise and from data, at two noise levels: `digits` with twelve times the pixels."""

from benchmarks.energies.model import MNIST
from benchmarks.energies.starts import compare
from benchmarks.paper.tables import Result

LEVELS = (1.0, 0.5)


def run(seeds: list[int], quick: bool) -> Result:
    """A table and a picture for each level."""
    return compare("mnist", MNIST, LEVELS, seeds, quick)
