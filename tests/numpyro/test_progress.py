"""The text of the progress bar."""

from types import SimpleNamespace

import numpy as np

from tests.conftest import importorskip

importorskip("numpyro")

from fhl_ppl.numpyro.progress import Ticker


def state(**changes):
    values = {
        "n_steps": np.array([3, 3]),
        "step_size": np.array([0.5, 0.5]),
        "mean_accept_prob": np.array([0.7, 0.9]),
        "pulling_strength": np.array([0.0, 0.5]),
        "num_diverging": np.array([1, 2]),
    }
    return SimpleNamespace(**(values | changes))


def test_the_chains_together():
    said = Ticker()(state())
    assert said == "3 steps of size 5.00e-01. acc. prob=0.80. pull=0.25. 3 diverging"


def test_no_more_often_than_it_is_shown():
    times = iter([0.0, 0.0, 0.05, 0.2, 0.2])
    ticker = Ticker(lambda: next(times))
    first = ticker(state())
    assert ticker(state(n_steps=np.array([9, 9]))) == first
    assert ticker(state(n_steps=np.array([9, 9]))).startswith("9 steps")
