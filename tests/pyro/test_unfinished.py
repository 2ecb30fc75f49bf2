"""What reads a run is handed one without draws, or of another kernel."""

import pytest

from tests.conftest import importorskip

torch = importorskip("torch")
pyro = importorskip("pyro")
importorskip("arviz")
importorskip("zarr")

import pyro.distributions as dist
from pyro.infer import MCMC as PyroMCMC
from pyro.infer import NUTS

import fhl_ppl
from fhl_ppl.pyro import FHL, MCMC
from tests.bad_input import assert_refused
from tests.readers import assert_all_refuse, assert_read_as_of_another_kernel

DATA = torch.tensor([1.0, 2.0, 3.0])


def model(y=None):
    mu = pyro.sample("mu", dist.Normal(0.0, 10.0))
    with pyro.plate("rows", 3):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def without_sites(y):
    pyro.sample("y", dist.Normal(torch.zeros(3), 1.0).to_event(1), obs=y)


def make(of=model, num_samples=10, **settings):
    return MCMC(
        FHL(of), num_samples, warmup_steps=10, num_chains=4, disable_progbar=True, **settings
    )


def theirs(kernel):
    return PyroMCMC(kernel(model), 10, warmup_steps=10, disable_progbar=True)


def ran(mcmc):
    mcmc.run(DATA)
    return mcmc


def streamed(tmp_path):
    mcmc = make()
    fhl_ppl.stream(mcmc, DATA, progress=False)
    return mcmc


def stored(tmp_path):
    mcmc = make()
    fhl_ppl.run(mcmc, DATA, store=tmp_path / "run", keep_draws=False, progress=False)
    return mcmc


def interrupted(tmp_path):
    def interrupt(kernel, samples, stage, i):
        raise KeyboardInterrupt

    mcmc = make(hook_fn=interrupt)
    with pytest.raises(KeyboardInterrupt):
        mcmc.run(DATA)
    return mcmc


UNFINISHED = {
    "before": (lambda tmp_path: make(), "mcmc holds no draws; call mcmc.run"),
    "before, in Pyro's MCMC": (lambda tmp_path: theirs(FHL), "mcmc holds no draws; call mcmc.run"),
    "before, of NUTS": (lambda tmp_path: theirs(NUTS), "mcmc holds no draws; call mcmc.run"),
    "streamed": (streamed, "fhl_ppl.stream keeps none"),
    "stored": (stored, "in its store (fhl_ppl.open_store)"),
    "interrupted": (interrupted, "the run was interrupted before the first"),
    "without samples": (lambda tmp_path: ran(make(num_samples=0)), "num_samples is 0"),
    "without sites": (lambda tmp_path: ran(make(without_sites)), "no continuous latent site"),
}


@pytest.mark.filterwarnings("ignore:.*the draws are of no sites")
@pytest.mark.parametrize(("unfinished", "said"), UNFINISHED.values(), ids=UNFINISHED.keys())
def test_a_run_without_draws_says_why(unfinished, said, tmp_path):
    assert_all_refuse(unfinished(tmp_path), said)


def test_a_summary_of_no_samples():
    mcmc = ran(make(num_samples=0))
    with pytest.raises(RuntimeError, match="num_samples is 0; make it larger"):
        mcmc.summary()


def test_without_the_check_they_say_less(monkeypatch):
    """Breaks the code on purpose."""
    monkeypatch.setattr("fhl_ppl.pyro.extract.check_finished", lambda mcmc: None)
    with pytest.raises(IndexError):
        fhl_ppl.to_arviz(ran(make(num_samples=0)))


@pytest.mark.filterwarnings("ignore")
def test_a_run_of_nuts():
    assert_read_as_of_another_kernel(ran(theirs(NUTS)))


def test_blocks_need_our_mcmc():
    for run in (fhl_ppl.run, fhl_ppl.stream):
        assert_refused(lambda run=run: run(theirs(FHL), DATA), "fhl_ppl.pyro.MCMC to run in blocks")
