"""Scikit-learn's digits from noise and from data, at two noise levels."""

from benchmarks.energies.model import DIGITS
from benchmarks.energies.starts import compare
from benchmarks.paper.tables import Result

LEVELS = (0.5, 0.3)


def run(seeds: list[int], quick: bool) -> Result:
    """A table and a picture for each level."""
    return compare("digits", DIGITS, LEVELS, seeds, quick)
