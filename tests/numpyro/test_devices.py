"""Particles on four devices: the draws of one, and nothing said between them after warm-up."""

import re
import shutil
from functools import partial

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
from fhl_ppl.core.charts.chart import is_moving
from fhl_ppl.core.moments import across_chains
from fhl_ppl.numpyro import FHL
from fhl_ppl.numpyro.blocks import NumpyroSampling
from tests.numpyro.models import CHEAP

COLLECTIVES = r"(all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter)\("


def mesh(devices):
    return Mesh(np.array(jax.devices()[:devices]), ("particle",))


def potential(z):
    return 0.5 * (z["x"] ** 2 * jnp.arange(1.0, 4.0)).sum()


def begun(devices, num_warmup=0, chains=16, **settings):
    """A kernel with the state of its particles."""
    kernel = FHL(potential_fn=potential, mesh=mesh(devices), **settings)
    return kernel, started(kernel, num_warmup, random.normal(random.PRNGKey(1), (chains, 3)))


def started(kernel, num_warmup, places):
    keys = random.split(random.PRNGKey(0), len(places))
    return kernel.init(keys, num_warmup, {"x": places})


def lowered(kernel, state, steps):
    run = jax.jit(
        lambda state: lax.fori_loop(0, steps, lambda _, s: kernel.sample(s, (), {}), state)
    )
    return jax.jit(run).lower(state)


def loop(kernel, state, steps):
    return lowered(kernel, state, steps).compile()


@pytest.fixture(autouse=True)
def _four_devices():
    if jax.device_count() < 4:
        pytest.skip("less than four devices")


def test_four_devices_draw_what_one_does():
    with jax.enable_x64(True):
        found = []
        for devices in (1, 4):
            kernel, state = begun(devices, step_size=0.5, adapt_step_size=False, jumps=False)
            end = loop(kernel, state, 50)(state)
            assert len(end.z["x"].sharding.device_set) == devices
            found.append(np.asarray(end.z["x"]))
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-10)


@pytest.fixture
def float64():
    """Everywhere: what `jax.enable_x64` allows here the thread of a host's callback is not."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def funnel(z):
    scale, offsets = z["x"][0], z["x"][1:]
    return scale**2 / 18 + 0.5 * (offsets**2).sum() * jnp.exp(-scale) + 2 * scale


def warmed(devices):
    """10 draws after a warm-up with charts, compiled, and their end; None stands for no mesh."""
    kernel = FHL(potential_fn=funnel, mesh=devices and mesh(devices), jumps=False)
    state = started(kernel, 150, random.normal(random.PRNGKey(1), (16, 5)))
    compiled = loop(kernel, state, 160)
    return compiled, compiled(state)


def test_so_they_do_after_a_warm_up_with_a_chart(float64):
    (_, alone), (compiled, on_four) = warmed(None), warmed(4)
    assert is_moving(alone.learnt["chart"].chart)
    np.testing.assert_allclose(on_four.z["x"], alone.z["x"], rtol=0, atol=1e-4)
    assert in_warm_up(compiled)


def calls_a_host(devices):
    kernel = FHL(potential_fn=funnel, mesh=mesh(devices))
    state = started(kernel, 150, random.normal(random.PRNGKey(1), (16, 5)))
    return "callback" in lowered(kernel, state, 160).as_text()


def test_four_devices_call_no_host():
    assert not calls_a_host(4)


def test_one_does(float64):
    """Only so is the test before this one seen to look at what it is about."""
    assert calls_a_host(1)


@pytest.fixture(scope="module")
def on_four():
    return loop(*begun(4, num_warmup=20), 50)


def flops(compiled):
    """Of one device, for an iteration."""
    found = compiled.cost_analysis()
    return (found[0] if isinstance(found, list) else found)["flops"]


def test_four_times_the_particles_on_four_devices_are_the_same_work_for_each():
    """Counted is also what devices say at ends of windows, which does not grow with particles."""
    alone, on_four = (flops(loop(*begun(devices, chains=16 * devices), 50)) for devices in (1, 4))
    assert on_four < alone / 0.9


def collectives(compiled):
    """Where devices exchange something, each as the path of what it was compiled from.

    What has none of its own is where the conditional is that it belongs to.
    """
    text, places = compiled.as_text(), []
    for computation in text.split("\n\n"):
        name = re.escape(computation.split()[0]) if computation.strip() else ""
        caller = re.search(rf'branch_computations={{.*{name}[,}}].*op_name="([^"]*)"', text)
        for line in filter(partial(re.search, COLLECTIVES), computation.splitlines()):
            own = re.search(r'op_name="([^"]*)"', line) or caller
            places.append(own[1] if own else "?")
    return places


def test_devices_say_nothing_after_warm_up(on_four):
    assert in_warm_up(on_four)


def in_warm_up(compiled):
    """Whether all that devices exchange is; it is the only branch of a loop that may be left out.

    The other is taking a draw up, in which they exchange nothing.
    """
    places = collectives(compiled)
    return places and all("cond/branch_1_fun" in place for place in places)


def made(devices, num_warmup=0, num_samples=40, **settings):
    """A run of 16 chains, on the first device if there is no mesh."""
    spread = {"mesh": mesh(devices)} if devices else {}
    return MCMC(
        FHL(potential_fn=potential, **spread, **settings),
        num_warmup=num_warmup,
        num_samples=num_samples,
        num_chains=16,
        chain_method="vectorized",
        progress_bar=False,
    )


def start():
    return {"x": random.normal(random.PRNGKey(1), (16, 3))}


def test_nor_while_moments_are_taken_up():
    sampling = NumpyroSampling(made(4, **CHEAP), (random.key(0),), {"init_params": start()})
    moments = across_chains.empty(sampling.sites()["x"])
    fold = partial(sampling._folded, lambda own, sites: across_chains.update(own, sites["x"]))
    state, steps = sampling.state, jnp.zeros_like(sampling.state.n_steps)
    assert in_warm_up(jax.jit(fold).lower(10, state, moments, steps).compile())
    taken_up = jax.jit(across_chains.update).lower(moments, sampling.sites()["x"]).compile()
    assert not collectives(taken_up)


def test_a_model_is_run_on_four_devices():
    mcmc = made(4, num_warmup=50, num_samples=50, jumps=False)
    mcmc.run(random.key(0), init_params={"x": jnp.zeros((16, 3))})
    assert mcmc.get_samples(group_by_chain=True)["x"].shape == (16, 50, 3)
    assert len(mcmc.last_state.z["x"].sharding.device_set) == 4


FIXED = {**CHEAP, "step_size": 0.5, "adapt_step_size": False, "adapt_mass_matrix": False}


def test_a_stored_run_goes_on_with_fewer_devices(tmp_path):
    importorskip("zarr")
    importorskip("arviz")

    def keep_half(status):
        if status.draws == 20:
            for devices in (2, 0):
                shutil.copytree(tmp_path / "4", tmp_path / str(devices))

    with jax.enable_x64(True):
        draws = {}
        for devices in (4, 2, 0):
            mcmc = made(devices, **FIXED)
            fhl_ppl.run(
                mcmc,
                random.key(0),
                init_params=start(),
                store=tmp_path / str(devices),
                block=20,
                callback=keep_half if devices == 4 else None,
            )
            assert len(mcmc.last_state.z["x"].devices()) == max(1, devices)
            draws[devices] = np.asarray(mcmc.get_samples(group_by_chain=True)["x"])
    assert draws[4].shape == (16, 40, 3)
    for devices in (2, 0):
        np.testing.assert_allclose(draws[devices], draws[4], rtol=0, atol=1e-10)


def test_a_state_goes_on_with_fewer_devices():
    with jax.enable_x64(True):
        first = made(4, **FIXED)
        first.run(random.key(0), init_params=start())
        draws = []
        for devices in (2, 0):
            mcmc = made(devices, **FIXED)
            mcmc.post_warmup_state = first.last_state
            mcmc.run(random.key(1), init_params=start())
            assert len(mcmc.last_state.z["x"].devices()) == max(1, devices)
            draws.append(np.asarray(mcmc.get_samples(group_by_chain=True)["x"]))
        first.post_warmup_state = first.last_state
        first.run(random.key(1))
        expected = np.asarray(first.get_samples(group_by_chain=True)["x"])
    for each in draws:
        np.testing.assert_allclose(each, expected, rtol=0, atol=1e-10)


def test_moments_are_taken_up_on_the_devices():
    mcmc = made(4, num_warmup=50, num_samples=100, jumps=False)
    found = fhl_ppl.stream(mcmc, random.key(0), init_params=start(), block=50)
    assert len(mcmc.last_state.z["x"].sharding.device_set) == 4
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
