"""Particles on two devices: the draws of one, and nothing said between them after warm-up."""

import re

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
importorskip("numpyro")

import jax.numpy as jnp
from jax import lax, random
from jax.sharding import Mesh
from numpyro.infer import MCMC

import fhl_ppl
from fhl_ppl.numpyro import FHL

COLLECTIVES = r"(all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter)\("


def mesh(devices):
    return Mesh(np.array(jax.devices()[:devices]), ("particle",))


def potential(z):
    return 0.5 * (z["x"] ** 2 * jnp.arange(1.0, 4.0)).sum()


def begun(devices, num_warmup=0, chains=16, **settings):
    """A kernel with the state of its particles."""
    kernel = FHL(potential_fn=potential, mesh=mesh(devices), **settings)
    start = {"x": random.normal(random.PRNGKey(1), (chains, 3))}
    return kernel, kernel.init(random.split(random.PRNGKey(0), chains), num_warmup, start)


def loop(kernel, state, steps):
    run = jax.jit(
        lambda state: lax.fori_loop(0, steps, lambda _, s: kernel.sample(s, (), {}), state)
    )
    return jax.jit(run).lower(state).compile()


@pytest.fixture(autouse=True)
def _two_devices():
    if jax.device_count() < 2:
        pytest.skip("one device")


def test_two_devices_draw_what_one_does():
    with jax.enable_x64(True):
        found = []
        for devices in (1, 2):
            kernel, state = begun(devices, step_size=0.5, adapt_step_size=False, jumps=False)
            end = loop(kernel, state, 50)(state)
            assert len(end.z["x"].sharding.device_set) == devices
            found.append(np.asarray(end.z["x"]))
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-10)


@pytest.fixture(scope="module")
def on_two():
    return loop(*begun(2, num_warmup=20), 50)


def flops(compiled):
    """Of one device, for an iteration."""
    found = compiled.cost_analysis()
    return (found[0] if isinstance(found, list) else found)["flops"]


@pytest.mark.slow
def test_twice_the_particles_on_two_devices_are_the_same_work_for_each(on_two):
    alone = flops(loop(*begun(1, num_warmup=20, chains=8, charts=False), 50))
    assert flops(on_two) < alone / 0.9


def test_devices_say_nothing_after_warm_up(on_two):
    text = on_two.as_text()
    places = [line for line in text.splitlines() if re.search(COLLECTIVES, line)]
    # Warm-up is the only branch of the loop that may be left out.
    assert places
    assert all("cond/branch_1_fun" in place for place in places)


def test_a_model_is_run_on_two_devices():
    kernel = FHL(potential_fn=potential, mesh=jax.make_mesh((2,), ("x",)), jumps=False)
    mcmc = MCMC(
        kernel,
        num_warmup=50,
        num_samples=50,
        num_chains=16,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(random.key(0), init_params={"x": jnp.zeros((16, 3))})
    assert mcmc.get_samples(group_by_chain=True)["x"].shape == (16, 50, 3)
    assert len(mcmc.last_state.z["x"].sharding.device_set) == 2


def test_moments_are_taken_up_on_the_devices():
    mcmc = MCMC(
        FHL(potential_fn=potential, mesh=mesh(2), jumps=False),
        num_warmup=50,
        num_samples=100,
        num_chains=16,
        chain_method="vectorized",
        progress_bar=False,
    )
    start = {"x": random.normal(random.PRNGKey(1), (16, 3))}
    found = fhl_ppl.stream(mcmc, random.key(0), init_params=start, block=50)
    assert len(mcmc.last_state.z["x"].sharding.device_set) == 2
    # Four groups: an error has three degrees of freedom, and 20 of its own say next to nothing.
    assert (np.abs(found.mean["x"]) < 20 * found.mcse["x"]).all()
    np.testing.assert_allclose(found.sd["x"], np.arange(1.0, 4) ** -0.5, rtol=0.25)


@pytest.mark.parametrize("chains", [8, 12, 18])
def test_groups_stay_whole(chains):
    kernel = FHL(potential_fn=potential, mesh=mesh(2))
    keys = random.split(random.PRNGKey(0), chains)
    start = {"x": jnp.zeros((chains, 3))}
    if chains % 8:
        with pytest.raises(ValueError, match=f"num_chains must be a multiple of 8.*got {chains}"):
            kernel.init(keys, 0, start)
    else:
        kernel.init(keys, 0, start)


def test_other_chain_methods_are_refused():
    kernel = FHL(potential_fn=potential, mesh=mesh(2))
    with pytest.raises(ValueError, match='chain_method="vectorized"'):
        kernel.init(random.PRNGKey(0), 0, {"x": jnp.zeros(3)})


def test_a_list_of_devices_is_refused():
    with pytest.raises(TypeError, match=r"mesh must be a jax\.sharding\.Mesh"):
        FHL(potential_fn=potential, mesh=jax.devices())
