"""`FHL` as a block of NumPyro's `Gibbs`: from exact draws of a joint target to exact draws."""

import pickle

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
numpyro = importorskip("numpyro")
gibbs = importorskip("numpyro.infer.gibbs")

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import random
from numpyro.infer import MCMC

from fhl_ppl.numpyro import FHL
from fhl_ppl.numpyro import block as block_module
from fhl_ppl.numpyro.block import Block, Traced

WEIGHT = np.array([0.5, 0.3, 0.2])
LOC = np.array([[-1.0, 0.0], [1.0, 1.0], [0.0, -1.0]])
SCALE = np.array([1.0, 0.5, 1.5])
CHAINS = 1024
SETTINGS = {
    "num_steps": 3,
    "step_size": 0.5,
    "pulling_strength": 0.5,
    "adapt_step_size": False,
    "adapt_mass_matrix": False,
}
Z_LIMIT = 5.0
"""Two-sided false-alarm rate 6e-7 a comparison, of which seven are made."""


def model():
    k = numpyro.sample("k", dist.Categorical(jnp.array(WEIGHT)))
    numpyro.sample("x", dist.Normal(jnp.array(LOC)[k], jnp.array(SCALE)[k]).to_event(1))


def composite(**settings):
    blocks = [(gibbs.DiscreteGibbs(model), ["k"]), (FHL(model, **(SETTINGS | settings)), None)]
    return gibbs.Gibbs(blocks)


def largest_z(rng, num_samples=15):
    """How far moments end up from those they begin with, in standard errors over the groups."""
    k = rng.choice(3, size=CHAINS, p=WEIGHT)
    x = LOC[k] + SCALE[k][:, None] * rng.normal(size=(CHAINS, 2))
    mcmc = MCMC(
        composite(),
        num_warmup=0,
        num_samples=num_samples,
        num_chains=CHAINS,
        chain_method=jax.vmap,
        progress_bar=False,
    )
    init_params = {"k": jnp.array(k), "x": jnp.array(x, jnp.float32)}
    mcmc.run(random.key(0), init_params=init_params)
    draws = mcmc.get_samples(group_by_chain=True)
    assert (np.diff(draws["k"], axis=1) != 0).mean() > 0.1
    assert (np.diff(draws["x"][..., 0], axis=1) != 0).mean() > 0.5
    k, x = np.asarray(draws["k"]), np.asarray(draws["x"])
    seen = [k == j for j in range(3)] + [x[..., d] ** power for power in (1, 2) for d in (0, 1)]
    first, second = WEIGHT @ LOC, WEIGHT @ (LOC**2 + SCALE[:, None] ** 2)
    scores = []
    for values, exact in zip(seen, (*WEIGHT, *first, *second), strict=True):
        of_groups = values.reshape(CHAINS // 4, -1).mean(axis=1)
        error = of_groups.std(ddof=1) / np.sqrt(len(of_groups))
        scores.append(abs(of_groups.mean() - exact) / error)
    return max(scores)


def test_the_joint_target_is_left_invariant(rng):
    assert largest_z(rng) < Z_LIMIT


def test_energies_of_old_values_are_seen(rng, monkeypatch):
    monkeypatch.setattr(Block, "refresh", lambda self, state, args, kwargs: state)
    assert largest_z(rng) > Z_LIMIT


def test_companions_with_stale_values_are_seen(rng, monkeypatch):
    """All particles of a group in the potential that the first chain's values make."""

    def of_first(problem, call, values, axes):
        stale = [jnp.repeat(leaf[::4], 4, axis=0) for leaf in values]
        return conditioned(problem, call, stale, axes)

    conditioned = block_module.conditioned
    # Chains side by side alone have other values.
    monkeypatch.setattr(
        block_module,
        "conditioned",
        lambda *given: of_first(*given) if 0 in given[3] else conditioned(*given),
    )
    assert largest_z(rng) > Z_LIMIT


def test_chains_side_by_side_make_groups_and_learn_together():
    mcmc = MCMC(
        composite(adapt_step_size=True, step_size=0.05),
        num_warmup=20,
        num_samples=5,
        num_chains=6,
        chain_method=jax.vmap,
        progress_bar=False,
    )
    mcmc.run(random.key(0))
    state = mcmc.last_state.block_states[1]
    np.testing.assert_array_equal(state.group, [0, 0, 0, 1, 1, 1])
    assert state.is_leader.reshape(2, 3).sum(axis=1).tolist() == [1, 1]
    for leaf in jax.tree.leaves(state.learnt):
        np.testing.assert_array_equal(leaf, np.broadcast_to(leaf[0], leaf.shape))
    assert state.step_size[0] > 0.06
    # The state is of the values that the other block ended with.
    k, x = mcmc.last_state.z["k"], mcmc.last_state.z["x"]
    log_density = dist.Normal(LOC[k], SCALE[k][:, None]).log_prob(x).sum(-1) + np.log(WEIGHT[k])
    np.testing.assert_allclose(-state.potential_energy, log_density, rtol=1e-4, atol=1e-4)


def test_a_chain_alone_runs():
    mcmc = MCMC(composite(), num_warmup=0, num_samples=20, progress_bar=False)
    mcmc.run(random.key(0))
    assert np.diff(mcmc.get_samples()["x"][:, 0]).any()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"minibatch": True}, "minibatch=True have no meaning in a block of Gibbs"),
        (
            {"gradient_fn": lambda z, key: z, "noisy_gradient": True},
            "noisy_gradient=True and minibatch=True have no meaning",
        ),
    ],
)
def test_random_forces_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        FHL(model, **settings).wrap_model(gibbs.conditioned)


def test_a_block_can_be_pickled_and_wrapped_again():
    block = pickle.loads(pickle.dumps(FHL(model).wrap_model(gibbs.conditioned)))
    assert block.wrap_model(lambda inner: inner).model is block.model


def test_only_what_is_traced_is_handed_from_chain_to_chain():
    def of_chain(value):
        call = Traced(((value, 3, "text"), {"fixed": jnp.ones(2)}))
        assert len(call.values) == 1
        args, kwargs = call.call([jnp.float32(7.0)])
        assert args[1:] == (3, "text")
        assert kwargs["fixed"].shape == (2,)
        return args[0]

    np.testing.assert_array_equal(jax.vmap(of_chain)(jnp.arange(3.0)), [7, 7, 7])
