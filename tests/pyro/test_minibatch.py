"""Minibatches in Pyro, from the call to the posterior."""

import pickle

import numpy as np
import pytest

from tests.conftest import importorskip

torch = importorskip("torch")
pyro = importorskip("pyro")

import pyro.distributions as dist
from pyro import poutine
from pyro.ops.stats import effective_sample_size

from fhl_ppl.pyro import FHL, MCMC
from fhl_ppl.pyro.model.minibatch import controlled, find_minibatch, subsampled_plates
from fhl_ppl.pyro.run.engine import RandomForce

Z = 5.0
"""Threshold for |z| of 4 moments with an estimated standard error: a correct library fails in one
of 100,000 runs, were the seeds drawn anew."""

ROWS, BATCH = 400, 20
rng = np.random.default_rng(1)
X = torch.tensor(rng.normal(size=(ROWS, 2)) * [1.0, 3.0] + [0.5, 0.0])
Y = X @ torch.tensor([0.5, -0.2], dtype=X.dtype) + torch.tensor(rng.normal(size=ROWS))
PRECISION = (X.T @ X + torch.eye(2, dtype=X.dtype)).numpy()
MEAN = np.linalg.solve(PRECISION, (X.T @ Y).numpy())
SD = np.sqrt(np.diag(np.linalg.inv(PRECISION)))
ANCHOR = {"b": torch.tensor(MEAN + 2 * SD)}


def regression(x, y, batch=None):
    b = pyro.sample("b", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
    with pyro.plate("rows", len(y), subsample_size=batch) as index:
        pyro.sample("y", dist.Normal(x[index] @ b, 1.0), obs=y[index])


def run(batch=BATCH, num_samples=150, warmup_steps=100, **settings):
    pyro.set_rng_seed(0)
    kernel = FHL(regression, minibatch=True, max_num_steps=3, **settings)
    mcmc = MCMC(kernel, num_samples, warmup_steps, num_chains=16, disable_progbar=True)
    mcmc.run(X, Y, batch)
    return mcmc.get_samples(group_by_chain=True)["b"]


def test_chains_in_processes_of_their_own(monkeypatch):
    # Each with private companions, and batches of its own.
    monkeypatch.setattr("pyro.infer.mcmc.api.mp.cpu_count", lambda: 3)
    pyro.set_rng_seed(0)
    kernel = FHL(regression, minibatch=True, num_steps=1)
    mcmc = pyro.infer.MCMC(kernel, 100, 50, num_chains=2, mp_context="fork", disable_progbar=True)
    mcmc.run(X, Y, BATCH)
    draws = mcmc.get_samples(group_by_chain=True)["b"]
    assert (draws[0, -1] != draws[1, -1]).all()
    assert_moments(draws)


def assert_moments(draws):
    standard = (draws.numpy() - MEAN) / SD
    for values, truth in ((standard, 0.0), (standard**2, 1.0)):
        size = effective_sample_size(torch.tensor(values), 0, 1).numpy()
        error = np.sqrt(values.var((0, 1)) / size)
        z = (values.mean((0, 1)) - truth) / error
        assert np.abs(z).max() < Z, z


@pytest.mark.parametrize("settings", [{}, {"anchor": ANCHOR}], ids=["found", "given"])
def test_gives_the_posterior_of_all_rows(settings):
    assert_moments(run(**settings))


def test_the_energy_of_a_batch_in_the_test_would_be_caught(monkeypatch):
    monkeypatch.setattr(RandomForce, "energy", lambda self, q, energy: energy)
    with pytest.raises(AssertionError):
        # Smaller batches hardly move; of these four seeds had a |z| of 6 to 12.
        assert_moments(run(5, 400, 150, anchor=ANCHOR))


def test_counts_the_gradient_at_the_start():
    kernel = FHL(regression, minibatch=True, num_steps=3, jumps=False)
    mcmc = MCMC(kernel, 3, 5, num_chains=4, disable_progbar=True)
    mcmc.run(X, Y, BATCH)
    assert (mcmc.diagnostics()["n_steps"] == 4).all()


def test_the_control_variate_is_unbiased_and_the_gradient_of_its_energy():
    kernel = FHL(regression, minibatch=True)
    problem = kernel.prepare(4, 10, (X, Y, BATCH), {}, None)
    # Without initial_params all start at the mode.
    np.testing.assert_allclose(problem.position, np.tile(MEAN, (4, 1)), atol=0.01 * SD.min())
    layout, potential_fn = problem.layout, problem.potential_fn
    plates = subsampled_plates(regression, (X, Y, BATCH), {})
    assert plates == {"rows": (ROWS, BATCH)}
    found = find_minibatch(potential_fn, layout, plates, torch.tensor(MEAN + SD), given=True)
    quantity = controlled(potential_fn, layout, found)
    q = torch.tensor(MEAN - SD)
    torch.manual_seed(0)
    drawn = [quantity.plain(q.clone()) for _ in range(400)]
    exact = potential_fn(layout.unflatten(q.requires_grad_(True)))
    (slope,) = torch.autograd.grad(exact, q)
    for values, truth in ((drawn_of(drawn, 0), exact.detach()), (drawn_of(drawn, 1), slope)):
        error = values.std(0) / len(drawn) ** 0.5
        assert ((values.mean(0) - truth).abs() < Z * error).all()


def drawn_of(drawn, index):
    return torch.stack([outputs[index] for outputs in drawn])


def test_a_kernel_can_be_pickled_and_shows_all_rows():
    kernel = pickle.loads(pickle.dumps(FHL(regression, minibatch=True)))
    trace = poutine.trace(kernel.model).get_trace(X, Y, BATCH)
    assert trace.nodes["y"]["value"].shape == (ROWS,)
    # What lets it take all rows is gone again.
    trace = poutine.trace(regression).get_trace(X, Y, BATCH)
    assert trace.nodes["y"]["value"].shape == (BATCH,)


def local_latent(*args):
    with pyro.plate("rows", 10, subsample_size=5):
        pyro.sample("z", dist.Normal(0.0, 1.0))


def discrete(*args):
    k = pyro.sample("k", dist.Bernoulli(0.5), infer={"enumerate": "parallel"})
    with pyro.plate("rows", 10, subsample_size=5):
        pyro.sample("y", dist.Normal(k, 1.0), obs=torch.zeros(5))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"model": local_latent, "minibatch": True}, NotImplementedError, "'z' lies within plate"),
        ({"model": discrete, "minibatch": True}, NotImplementedError, "'k' is discrete"),
        ({"model": regression, "minibatch": True}, ValueError, "needs a plate that subsamples"),
        (
            {"model": regression, "minibatch": True, "anchor": {"b": torch.zeros(3)}},
            ValueError,
            "anchor",
        ),
        ({"model": regression, "minibatch": True, "gradient_fn": dict}, ValueError, "gradient_fn"),
        ({"model": regression, "anchor": ANCHOR}, ValueError, "minibatch=True only"),
        ({"model": regression, "noisy_gradient": True}, ValueError, "needs a gradient_fn"),
    ],
)
def test_refusals(settings, error, message):
    batch = BATCH if "anchor" in settings else None
    with pytest.raises(error, match=message):
        FHL(**settings).prepare(4, 10, (X, Y, batch), {}, None)
