"""On a GPU: everything is there, nothing goes to the host in the loop, and the draws are a CPU's.

`make test-gpu` runs these. FHL_PLATFORM=cpu tries the tests themselves where there is no GPU.
"""

import os

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
importorskip("numpyro")

import jax.numpy as jnp
from jax import lax, random

import fhl_ppl
from fhl_ppl.numpyro import FHL

pytestmark = pytest.mark.gpu

PLATFORM = os.environ.get("FHL_PLATFORM", "gpu")
CHAINS, DIM = 64, 5


@pytest.fixture(scope="module")
def device():
    try:
        return jax.devices(PLATFORM)[0]
    except RuntimeError:
        pytest.skip(f"JAX finds no {PLATFORM}")


def potential(z):
    return 0.5 * (z["x"] ** 2 * jnp.arange(1.0, DIM + 1)).sum()


def begun(device, num_warmup=0, **settings):
    kernel = FHL(potential_fn=potential, charts=False, **settings)
    with jax.default_device(device):
        start = {"x": random.normal(random.PRNGKey(1), (CHAINS, DIM))}
        keys = random.split(random.PRNGKey(0), CHAINS)
        return kernel, kernel.init(keys, num_warmup, start)


def loop(kernel, state, steps):
    def run(state):
        return lax.fori_loop(0, steps, lambda _, s: kernel.sample(s, (), {}), state)

    return jax.jit(run).lower(state).compile()


def test_all_is_on_the_device_and_the_loop_tells_the_host_nothing(device):
    # The ends of windows are worked out on the host, by choice.
    kernel, state = begun(device)
    run = loop(kernel, state, 100)
    with jax.transfer_guard("disallow"):
        end = jax.block_until_ready(run(state))
    assert {where for leaf in jax.tree.leaves(end) for where in leaf.devices()} == {device}


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_draws_are_those_of_a_cpu(device, precision):
    """A fixed tuning; in single precision chaos makes of rounding more than that after a while."""
    steps, error = {"float32": (3, 1e-3), "float64": (50, 1e-7)}[precision]
    with jax.enable_x64(precision == "float64"), jax.default_matmul_precision("float32"):
        ends = []
        for where in (device, jax.devices("cpu")[0]):
            kernel, state = begun(where, step_size=0.5, adapt_step_size=False, jumps=False)
            ends.append(loop(kernel, state, steps)(state).z["x"])
        assert all(end.dtype == precision for end in ends)
        np.testing.assert_allclose(*map(np.asarray, ends), rtol=0, atol=error)


def test_moments_are_right(device):
    from numpyro.infer import MCMC

    with jax.default_device(device):
        mcmc = MCMC(
            FHL(potential_fn=potential, charts=False),
            num_warmup=200,
            num_samples=100,
            num_chains=1024,
            chain_method="vectorized",
        )
        start = {"x": random.normal(random.PRNGKey(1), (1024, DIM))}
        found = fhl_ppl.stream(mcmc, random.PRNGKey(2), init_params=start, progress=False)
    assert np.abs(found.mean["x"] / found.mcse["x"]).max() < 5
    np.testing.assert_allclose(found.sd["x"], np.arange(1.0, DIM + 1) ** -0.5, rtol=0.05)


@pytest.mark.parametrize("temperatures", [None, 3])
def test_what_follows_a_run_goes_on_from_there(device, tmp_path, temperatures):
    """Reports, evidence, a store, a resumed run: of a model, with replicas too."""
    for library in ("arviz", "zarr"):
        importorskip(library)
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import MCMC

    data = jnp.array([1.0, 2.0, 3.0, 2.0])

    def model(data):
        mean = numpyro.sample("mean", dist.Normal(0, 3))
        with numpyro.plate("rows", 4):
            numpyro.sample("y", dist.Normal(mean, 1.0), obs=data)

    def made():
        kernel = FHL(model, temperatures=temperatures)
        sizes = {"num_warmup": 200, "num_samples": 100, "num_chains": 16}
        return MCMC(kernel, **sizes, chain_method="vectorized", progress_bar=False)

    with jax.default_device(device):
        mcmc = made()
        mcmc.run(random.key(0), data)
        assert mcmc.get_samples()["mean"].devices() == {device}
        assert list(fhl_ppl.summary(mcmc).index) == ["mean"]
        # y is N(0, 1 + 9 J) with J all 1.
        covariance = np.eye(4) + 9.0
        fit = data @ np.linalg.solve(covariance, data)
        fit = fit + np.linalg.slogdet(2 * np.pi * covariance)[1]
        found = fhl_ppl.log_evidence(mcmc)
        assert abs(found.value + fit / 2) < 5 * found.error

        store = tmp_path / "run.zarr"
        for draws in (20, 40):
            status = fhl_ppl.run(
                made(),
                random.key(1),
                data,
                store=store,
                until=fhl_ppl.Until(draws=draws),
                progress=False,
            )
            assert status.draws == draws
