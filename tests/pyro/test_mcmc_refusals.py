"""What `fhl_ppl.pyro.MCMC` refuses: arguments, kernels, and results that are not there."""

import pytest
from pyro.infer import NUTS

from fhl_ppl.pyro import FHL
from tests.pyro.many_chains import DATA, made
from tests.pyro.small import model


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_samples": -1}, "num_samples must be at least 0, got -1"),
        ({"warmup_steps": -5}, "warmup_steps must be at least 0, got -5"),
        ({"num_chains": 0}, "num_chains must be at least 1, got 0"),
        ({"chain_method": "parallel"}, "must be \"vectorized\", got 'parallel'; .*pyro.infer.MCMC"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        made(**options)


def test_other_kernels_and_processes_are_for_pyros_own_class():
    with pytest.raises(TypeError, match=r"must be an fhl_ppl\.pyro\.FHL, got NUTS"):
        made(NUTS(model))
    with pytest.warns(UserWarning, match="mp_context='spawn' has no effect"):
        made(mp_context="spawn")


@pytest.mark.parametrize("method", ["get_samples", "diagnostics", "summary", "state_dict"])
def test_results_before_a_run_are_refused(method):
    with pytest.raises(RuntimeError, match=f"run must be called before {method}"):
        getattr(made(), method)()


def test_two_runs_are_never_mixed():
    mcmc = made(FHL(model), num_samples=4)
    mcmc.run(DATA)
    with pytest.raises(TypeError):
        mcmc.run()
    with pytest.raises(RuntimeError, match="run must be called before get_samples"):
        mcmc.get_samples()

    def hook(kernel, sites, stage, i):
        raise KeyboardInterrupt

    mcmc._hook = hook
    with pytest.raises(KeyboardInterrupt):
        mcmc.run(DATA)
    for wanted in (mcmc.get_samples, mcmc.diagnostics, mcmc.summary):
        with pytest.raises(RuntimeError, match="interrupted before the first"):
            wanted()
