"""Core in NumPy: the scenarios of the golden files, as the commit at hand computes them."""

from tests.golden.generate import generate

SETTINGS = {scenario: lambda arrays=arrays: arrays for scenario, arrays in generate().items()}
