"""Noisy gradients, minibatches and models without a gradient, from the call to the posterior."""

import pickle

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
numpyro = importorskip("numpyro")

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import random
from numpyro.diagnostics import effective_sample_size
from numpyro.infer import MCMC

from fhl_ppl.core.target import RandomForce
from fhl_ppl.numpyro import FHL
from fhl_ppl.numpyro.model import minibatch, potential

Z = 5.0
"""Threshold for |z| of 4 moments with an estimated standard error: a correct library fails in one
of 100,000 runs, were the seeds drawn anew."""

ROWS, BATCH = 400, 20
rng = np.random.default_rng(1)
X = jnp.asarray(rng.normal(size=(ROWS, 2)) * [1.0, 3.0] + [0.5, 0.0], jnp.float32)
Y = jnp.asarray(X @ np.array([0.5, -0.2]) + rng.normal(size=ROWS), jnp.float32)
PRECISION = np.asarray(X.T @ X) + np.eye(2)
MEAN = np.linalg.solve(PRECISION, np.asarray(X.T @ Y))
SD = np.sqrt(np.diag(np.linalg.inv(PRECISION)))


def regression(x, y, batch=None):
    b = numpyro.sample("b", dist.Normal().expand([2]).to_event(1))
    with numpyro.plate("rows", len(y), subsample_size=batch) as index:
        numpyro.sample("y", dist.Normal(x[index] @ b, 1.0), obs=y[index])


def by_subsample(x, y, batch=None):
    """The same in NumPyro's other style."""
    b = numpyro.sample("b", dist.Normal().expand([2]).to_event(1))
    with numpyro.plate("rows", len(y), subsample_size=batch):
        some, outcome = numpyro.subsample(x, event_dim=1), numpyro.subsample(y, event_dim=0)
        numpyro.sample("y", dist.Normal(some @ b, 1.0), obs=outcome)


def run(kernel, *args, num_samples=400, **start):
    mcmc = MCMC(
        kernel,
        num_warmup=200,
        num_samples=num_samples,
        num_chains=16,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(random.key(0), *args, extra_fields=("n_steps", "potential_energy"), **start)
    return mcmc


def assert_moments(draws, mean, sd):
    """Compare mean and variance of draws [chain, draw, 2]."""
    standard = (draws - mean) / sd
    for values, truth in ((standard, 0.0), (standard**2, 1.0)):
        error = np.sqrt(values.var((0, 1)) / effective_sample_size(values))
        z = (values.mean((0, 1)) - truth) / error
        assert np.abs(z).max() < Z, z


def quadratic(q):
    return jnp.sum((q - 3.0) ** 2) / 2


def noisy(q, rng_key):
    return q - 3.0 + 2.0 * random.normal(rng_key, q.shape)


def test_noisy_gradients_give_the_right_moments():
    kernel = FHL(potential_fn=quadratic, gradient_fn=noisy, noisy_gradient=True)
    mcmc = run(kernel, init_params=jnp.zeros((16, 2)))
    assert_moments(np.asarray(mcmc.get_samples(group_by_chain=True)), 3.0, 1.0)


def test_one_gradient_more_than_steps():
    kernel = FHL(
        potential_fn=quadratic, gradient_fn=noisy, noisy_gradient=True, num_steps=3, jumps=False
    )
    mcmc = run(kernel, num_samples=5, init_params=jnp.zeros((16, 2)))
    np.testing.assert_array_equal(mcmc.get_extra_fields()["n_steps"], 4)


def test_noise_is_fresh_and_looks_at_no_state():
    def gradient(q, key):
        return random.normal(key, q.shape)

    keys = random.split(random.key(0), 3)
    force = potential.noisy_force(quadratic, gradient, lambda q: q, keys, "vmap")

    def drawn(force, value, number):
        return np.asarray(force.evaluate(jnp.full((3, 2), value), number, jnp.zeros(3), False)[1])

    draws = [drawn(force, 1.0, k) for k in range(3)]
    assert len(np.unique(draws)) == 3 * 3 * 2
    np.testing.assert_array_equal(drawn(force, 0.0, 1), draws[1])
    mapped = potential.noisy_force(quadratic, gradient, lambda q: q, keys, "map")
    np.testing.assert_array_equal(drawn(mapped, 0.0, 1), draws[1])


@pytest.mark.parametrize("model", [regression, by_subsample])
def test_minibatches_give_the_posterior_of_all_rows(model):
    mcmc = run(FHL(model, minibatch=True), X, Y, BATCH)
    draws = mcmc.get_samples(group_by_chain=True)["b"]
    assert_moments(np.asarray(draws), MEAN, SD)
    # The energies that are kept are those of all rows.
    state = mcmc.last_state
    everything = jax.vmap(
        lambda b: numpyro.infer.util.potential_energy(model, (X, Y), {}, {"b": b})
    )
    np.testing.assert_allclose(state.potential_energy, everything(state.z["b"]), rtol=1e-5)
    assert state.anchor.position == pytest.approx(MEAN, abs=0.1 * SD.min())


def test_minibatches_in_chains_one_after_the_other():
    kernel = FHL(regression, minibatch=True, num_steps=1, jumps=False)
    mcmc = MCMC(
        kernel,
        num_warmup=150,
        num_samples=300,
        num_chains=2,
        chain_method="sequential",
        progress_bar=False,
    )
    mcmc.run(random.key(0), X, Y, BATCH)
    draws = np.asarray(mcmc.get_samples(group_by_chain=True)["b"])
    assert (draws[0, -1] != draws[1, -1]).all()
    assert_moments(draws, MEAN, SD)


def test_any_anchor_will_do():
    kernel = FHL(regression, minibatch=True, anchor={"b": MEAN + 2 * SD})
    draws = run(kernel, X, Y, BATCH).get_samples(group_by_chain=True)["b"]
    assert_moments(np.asarray(draws), MEAN, SD)


def test_minibatch_energy_in_the_test_would_be_caught(monkeypatch):
    # A batch of 5 rows, so that its energy is far off, and chains still move; no jumps, which have
    # all rows' energy; and a step that is not shrunk until nothing is off.
    monkeypatch.setattr(RandomForce, "energy", lambda self, q, energy: energy)
    kernel = FHL(regression, minibatch=True, jumps=False, adapt_step_size=False)
    draws = run(kernel, X, Y, 5, num_samples=800).get_samples(group_by_chain=True)["b"]
    with pytest.raises(AssertionError):
        assert_moments(np.asarray(draws), MEAN, SD)


def test_all_rows_of_a_plate_are_drawn_alike():
    rows = minibatch.draw_rows({"a": (5, 20_000), "b": (3, 20_000)}, random.key(0))
    for name, size in (("a", 5), ("b", 3)):
        count = np.bincount(rows[name], minlength=size)
        assert len(count) == size
        # Five standard errors for each of eight: a false alarm in at most one of 200,000 seeds.
        np.testing.assert_allclose(count, 20_000 / size, atol=5 * (20_000 / size) ** 0.5)


def test_the_control_variate_is_unbiased_and_the_gradient_of_its_energy():
    def energy(b):
        return numpyro.infer.util.potential_energy(
            minibatch.with_all_rows(regression), (X, Y, BATCH), {}, {"b": b}
        )

    plates = minibatch.subsampled_plates(regression, random.key(0), (X, Y, BATCH), {})
    assert plates == {"rows": (ROWS, BATCH)}
    anchor = minibatch.find_anchor(energy, jnp.asarray(MEAN + SD, jnp.float32), given=True)
    draw = minibatch.controlled(energy, plates, anchor, lambda b: b)
    q = jnp.asarray(MEAN - SD, jnp.float32)
    keys = random.split(random.key(1), 4000)
    energies, gradients = jax.vmap(draw, (None, 0))(q, keys)
    for drawn, exact in ((energies, energy(q)), (gradients, jax.grad(energy)(q))):
        error = np.std(drawn, axis=0) / np.sqrt(len(keys))
        assert np.all(np.abs(np.mean(drawn, axis=0) - exact) < Z * error)
    slope = jax.grad(lambda q: draw(q, keys[0])[0])(q)
    np.testing.assert_allclose(slope, gradients[0], rtol=1e-3, atol=0.05)


def test_a_minibatch_kernel_can_be_pickled_and_shows_all_rows():
    kernel = pickle.loads(pickle.dumps(FHL(regression, minibatch=True)))
    trace = numpyro.handlers.trace(numpyro.handlers.seed(kernel.model, 0))
    assert trace.get_trace(X, Y, BATCH)["y"]["value"].shape == (ROWS,)


def test_a_simulator_without_gradient():
    # Counts in steps of .1, from Python: piecewise constant, and nothing to differentiate.
    def simulate(x):
        return np.floor(10 * np.asarray(x, np.float32)) / 10

    def model(observed):
        x = numpyro.sample("x", dist.Normal().expand([2]).to_event(1))
        shape = jax.ShapeDtypeStruct((2,), jnp.float32)
        simulated = jax.pure_callback(simulate, shape, x, vmap_method="sequential")
        numpyro.sample("y", dist.Normal(simulated, 1.0).to_event(1), obs=observed)

    kernel = FHL(model, gradient_fn=lambda z: jax.tree.map(jnp.zeros_like, z))
    draws = run(kernel, jnp.array([1.0, -1.0])).get_samples(group_by_chain=True)["x"]
    x = np.linspace(-6, 6, 120_001)
    for k, observed in enumerate((1.0, -1.0)):
        weight = np.exp(-(x**2) / 2 - (simulate(x) - observed) ** 2 / 2)
        weight /= weight.sum()
        mean = weight @ x
        sd = np.sqrt(weight @ (x - mean) ** 2)
        assert_moments(np.asarray(draws)[..., k : k + 1], mean, sd)


def local_latent():
    with numpyro.plate("rows", 10, subsample_size=5):
        numpyro.sample("z", dist.Normal())


def local_discrete():
    with numpyro.plate("rows", 10, subsample_size=5):
        k = numpyro.sample("k", dist.Bernoulli(0.5), infer={"enumerate": "parallel"})
        numpyro.sample("y", dist.Normal(k), obs=0.0)


@pytest.mark.parametrize(
    ("settings", "args", "message"),
    [
        ({"model": local_latent, "minibatch": True}, (), "'z' lies within plate 'rows'"),
        ({"model": local_discrete, "minibatch": True}, (), "'k' lies within plate 'rows'"),
        ({"model": regression, "minibatch": True}, (X, Y), "needs a plate that subsamples"),
        (
            {"model": regression, "minibatch": True, "anchor": {"b": jnp.zeros(3)}},
            (X, Y, BATCH),
            "anchor must hold one unconstrained value",
        ),
        ({"model": regression}, (X, Y, BATCH), "minibatch=True"),
    ],
)
def test_refusals_of_a_run(settings, args, message):
    with pytest.raises(ValueError, match=message):
        run(FHL(**settings), *args)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": regression, "noisy_gradient": True}, "needs a gradient_fn"),
        ({"model": regression, "anchor": {}}, "minibatch=True only"),
        ({"model": regression, "gradient_fn": noisy, "minibatch": True}, "leave gradient_fn out"),
        ({"potential_fn": quadratic, "minibatch": True}, "needs a model"),
        (
            {"model": regression, "minibatch": True, "forward_mode_differentiation": True},
            "forward_mode_differentiation",
        ),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(ValueError, match=message):
        FHL(**settings)


def test_a_noisy_gradient_takes_a_key():
    kernel = FHL(potential_fn=quadratic, gradient_fn=lambda q: q, noisy_gradient=True)
    with pytest.raises(TypeError, match=r"gradient_fn\(params, rng_key\)"):
        run(kernel, init_params=jnp.zeros((16, 2)))


@pytest.mark.parametrize("force", [lambda q, key: q, lambda q, key: q + np.ones(2)])
def test_noise_that_particles_share_is_refused(force):
    kernel = FHL(potential_fn=quadratic, gradient_fn=force, noisy_gradient=True)
    with pytest.raises(ValueError, match="the same for 8 different keys"):
        run(kernel, init_params=jnp.zeros((16, 2)))
