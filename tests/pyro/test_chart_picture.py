"""The chart of a Pyro run is drawn, or it is said why there is none."""

import pytest

from tests.conftest import importorskip

torch = importorskip("torch")
pyro = importorskip("pyro")
importorskip("arviz")
importorskip("matplotlib").use("Agg")

import pyro.distributions as dist

from fhl_ppl import plots
from fhl_ppl.pyro import FHL, MCMC
from tests.chart_picture import check_picture


def funnel():
    log_scale = pyro.sample("log_scale", dist.Normal(0.0, 2.0))
    with pyro.plate("children", 4):
        pyro.sample("x", dist.Normal(0.0, log_scale.exp()))


def drawn(cls=MCMC, **settings):
    pyro.set_rng_seed(0)
    mcmc = cls(FHL(funnel, **settings), num_samples=150, warmup_steps=300, num_chains=8)
    mcmc.run()
    return mcmc


def test_a_funnel_is_straight_in_the_chart(monkeypatch):
    check_picture(drawn(), monkeypatch)


def test_a_run_without_a_chart_has_no_picture():
    with pytest.raises(ValueError, match="no chart to draw"):
        plots.chart(drawn(charts=False))


def test_a_run_of_pyros_own_mcmc_has_none():
    pyro.set_rng_seed(0)
    mcmc = pyro.infer.MCMC(FHL(funnel), num_samples=10, warmup_steps=10)
    mcmc.run()
    with pytest.raises(ValueError, match=r"run with fhl_ppl\.pyro\.MCMC"):
        plots.chart(mcmc)
