"""The estimators of log Z that are compared, by name."""

from importlib import import_module

MODULES = {
    "fhl": "fhl",
    **dict.fromkeys(("nested", "nested_long"), "nested"),
    **dict.fromkeys(("harmonic_fhl", "harmonic_nuts"), "harmonic_mean"),
}
"""File of each estimator, which alone loads its library."""


def load(name):
    return import_module(f"benchmarks.estimators.{MODULES[name]}").ESTIMATORS[name]
