"""Temperatures in Pyro: the prior is found, what does not go together refused, all is told."""

import re

import numpy as np
import pyro
import pyro.distributions as dist
import pyro.infer
import pytest
import torch
from pyro.infer.autoguide.initialization import init_to_value
from torch.distributions import biject_to, constraints

import fhl_ppl
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.sampler import make_sampler
from fhl_ppl.core.stacked import stack
from fhl_ppl.core.state import Draws
from fhl_ppl.core.target import Plain
from fhl_ppl.core.tempering import step as tempering
from fhl_ppl.core.tempering.path import Path
from fhl_ppl.options import Options
from fhl_ppl.pyro import FHL, MCMC
from fhl_ppl.pyro.model.prior import prior_potential
from fhl_ppl.pyro.run.randomness import Randomness
from tests.conftest import importorskip
from tests.loops import draw
from tests.tempered import evidence_of_two_signs

SIZE = torch.tensor(4.0)


def two_signs(size=None):
    """A number of which data tell the size and not the sign, and how large the error is."""
    x = pyro.sample("x", dist.Normal(torch.tensor(0.5), 3.0))
    error = pyro.sample("error", dist.Exponential(torch.tensor(4.0)))
    if size is not None:
        pyro.sample("size", dist.Normal(x.abs(), 0.2 + error), obs=size)
        pyro.factor("more", -x.abs())


SUPPORTS = {"x": constraints.real, "error": constraints.positive}


def potential(sites):
    return (sites["x"] ** 2).sum() / 2


def test_the_reference_is_the_prior_with_its_jacobians():
    transforms = {name: biject_to(support).inv for name, support in SUPPORTS.items()}
    prior = prior_potential(two_signs, (SIZE,), {}, transforms, None)
    for x, log_error in ((0.0, 0.0), (1.0, 3.0), (-2.0, -5.0)):
        z = {"x": torch.tensor(x), "error": torch.tensor(log_error)}
        error = z["error"].exp()
        alone = dist.Normal(0.5, 3.0).log_prob(z["x"]) + dist.Exponential(4.0).log_prob(error)
        torch.testing.assert_close(prior(z), -alone - log_error)


def mixed():
    """A latent number whose place depends on a coin, and data that depend on both."""
    coin = pyro.sample("coin", dist.Bernoulli(0.3), infer={"enumerate": "parallel"})
    x = pyro.sample("x", dist.Normal(2.0 * coin, 1.0))
    pyro.sample("y", dist.Normal(x + coin, 1.0), obs=torch.tensor(0.5))


def test_of_discrete_sites_the_prior_is_summed():
    prior = prior_potential(mixed, (), {}, {"x": biject_to(constraints.real).inv}, 0)
    x = torch.tensor(0.7)
    density = 0.7 * dist.Normal(0.0, 1.0).log_prob(x).exp()
    density += 0.3 * dist.Normal(2.0, 1.0).log_prob(x).exp()
    torch.testing.assert_close(prior({"x": x}), -density.log())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"temperatures": 1}, "temperatures must be at least 2, or None for none, got 1"),
        ({"model": None, "potential_fn": potential}, "needs a reference_fn with a potential_fn"),
        ({"temperatures": None, "reference_fn": potential}, "give both or neither"),
        ({"adjusted": False}, "temperatures=3 and adjusted=False contradict"),
        ({"minibatch": True}, "temperatures=3 and minibatch=True do not go together"),
        (
            {"gradient_fn": lambda sites: sites, "noisy_gradient": True},
            "temperatures=3 and noisy_gradient=True do not go together",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(settings, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        FHL(**{"model": two_signs, "temperatures": 3, **settings})


def flat():
    pyro.sample("x", dist.ImproperUniform(constraints.real, (), ()))
    pyro.factor("f", torch.tensor(-1.0))


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        (
            {
                "model": flat,
                "init_strategy": init_to_value(values={"x": torch.zeros(())}),
                "max_plate_nesting": 0,
            },
            "that of 'x' is improper",
        ),
        ({"model": mixed, "reference_fn": lambda sites: sites["x"].log()}, "must be finite where"),
        (
            {"model": mixed, "reference_fn": lambda sites: sites["x"].expand(2)},
            "reference_fn of one particle must be a scalar tensor",
        ),
    ],
)
def test_what_is_no_reference_is_refused(kernel, said):
    start = {"x": torch.tensor(-1.0)}
    mcmc = MCMC(FHL(**kernel, temperatures=3), 2, 2, initial_params=start, disable_progbar=True)
    with pytest.raises(ValueError, match=said):
        mcmc.run()


def make(num_samples, warmup_steps, mcmc=MCMC, num_chains=8):
    """A run to be, of chains that all start at one sign."""
    start = init_to_value(values={"x": SIZE, "error": torch.tensor(0.2)})
    kernel = FHL(two_signs, temperatures=4, init_strategy=start)
    pyro.set_rng_seed(0)
    return mcmc(kernel, num_samples, warmup_steps, num_chains=num_chains, disable_progbar=True)


def run(*args, **settings):
    made = make(*args, **settings)
    made.run(SIZE)
    return made


def test_a_run_finds_the_other_sign_and_tells_of_the_ladder():
    importorskip("arviz")
    mcmc = run(150, 100)
    right = mcmc.get_samples()["x"] > 0
    # The prior leans to one side: the odds are about exp(4 / 9) at a size of 4.
    assert 0.4 < right.double().mean() < 0.85
    assert mcmc.diagnostics()["evaluation"]["rung"] == "fx"
    found, truth = fhl_ppl.log_evidence(mcmc), evidence_of_two_signs()
    for value, error in (found.by_bridge, found.by_stones):
        assert abs(value - truth) < 4 * error < 0.5
    statistics = fhl_ppl.to_arviz(mcmc).sample_stats
    attributes = statistics.attrs
    assert attributes["temperatures"] == 4
    beta = np.array(attributes["inverse_temperatures"])
    assert beta[0] == 1
    assert beta[-1] == 0
    rejections = attributes["swap_rejections"]
    assert len(rejections) == 3
    np.testing.assert_allclose(attributes["communication_barrier"], np.sum(rejections))
    assert np.shape(attributes["round_trips"]) == (8,)
    assert np.sum(attributes["round_trips"]) > 0
    # At least a step at each temperature, and the evaluation by which swaps are tested.
    assert (statistics["n_steps"].values >= 8).all()
    assert statistics["tension"].shape == (8, 150, 4)
    # Of the draws themselves it is minus what data and factor say of them.
    draws = mcmc.get_samples(group_by_chain=True)
    x, error = draws["x"], draws["error"]
    said = dist.Normal(x.abs(), 0.2 + error).log_prob(SIZE) - x.abs()
    np.testing.assert_allclose(statistics["tension"][..., 0], -said, rtol=1e-3, atol=1e-4)


def test_a_run_goes_on_from_its_state_and_from_a_store(tmp_path):
    importorskip("zarr")
    whole = run(14, 10)
    first = run(4, 10)
    second = make(10, 10)
    second.load_state_dict(first.state_dict())
    second.run(SIZE)
    in_blocks = make(14, 10)
    until = fhl_ppl.Until(draws=4), fhl_ppl.Until(draws=14)
    for each in until:
        fhl_ppl.run(in_blocks, SIZE, until=each, block=4, store=tmp_path / "store")
    for found, begin in ((second, 4), (in_blocks, 0)):
        np.testing.assert_array_equal(
            found.get_samples(group_by_chain=True)["x"],
            whole.get_samples(group_by_chain=True)["x"][:, begin:],
        )
        np.testing.assert_array_equal(
            found.diagnostics()["tension"], whole.diagnostics()["tension"][:, begin:]
        )
    stored = fhl_ppl.open_store(tmp_path / "store")["sample_stats"]
    np.testing.assert_array_equal(stored["tension"], whole.diagnostics()["tension"])


@pytest.mark.slow
def test_pyros_own_mcmc_has_a_ladder_for_each_chain():
    importorskip("arviz")
    mcmc = run(60, 40, mcmc=pyro.infer.MCMC, num_chains=2)
    statistics = fhl_ppl.to_arviz(mcmc).sample_stats
    assert len(statistics.attrs["inverse_temperatures"]) == 8
    assert len(statistics.attrs["swap_rejections"]) == 3
    assert statistics["tension"].shape == (2, 60, 4)


TEMPERATURES, PARTICLES, WARMUP, DRAWS = 3, 8, 40, 20
CENTRE = np.array([1.0, -1.0])


def narrow(sites):
    """Two ellipses of unlike axes, far apart."""
    x = sites["x"]
    right, left = x - torch.as_tensor(CENTRE), x + torch.as_tensor(CENTRE)
    parts = torch.stack([-(8 * right**2).sum(), -(4 * left**2 * torch.tensor([2.0, 1.0])).sum()])
    return -parts.logsumexp(0)


def narrow_by_hand(q):
    right, left, wide = q - CENTRE, q + CENTRE, np.array([8.0, 4.0])
    parts = np.stack([-(8 * right**2).sum(axis=1), -(wide * left**2).sum(axis=1)])
    total = np.logaddexp(*parts)
    share = np.exp(parts - total)[..., None]
    return -total, 2 * (share[0] * 8 * right + share[1] * wide * left)


def test_kernel_equals_core(monkeypatch):
    rng = np.random.default_rng(0)
    rows = [
        stack([draw(rng, PARTICLES, 2) for _ in range(TEMPERATURES)]) for _ in range(WARMUP + DRAWS)
    ]
    uniforms = rng.random((WARMUP + DRAWS, TEMPERATURES, PARTICLES, 1))
    starts = rng.normal(size=(PARTICLES, 2))
    sampler = make_sampler(Options(temperatures=TEMPERATURES).plan(WARMUP, 2))
    path = Path(Plain(narrow_by_hand), Plain(lambda q: ((q**2).sum(axis=1) / 8, q / 4)))
    replicas = tempering.start(
        sampler, np.stack([starts] * TEMPERATURES), np.float64(1.0), np.eye(2), path, PYTHON
    )
    groups, expected = make_groups(PARTICLES, 4, starts), []
    for iteration, (draws, uniform) in enumerate(zip(rows, uniforms, strict=True)):
        with np.errstate(all="ignore"):
            replicas, told = tempering.step(
                *(sampler, groups, replicas, iteration, draws, uniform[1:, :, 0], path, PYTHON)
            )
        expected.append((replicas.particles.position[0], told["tension"]))
    assert replicas.travels.round_trips.sum() > 0

    extra = np.concatenate([np.stack([each.extra for each in rows]), uniforms], axis=-1)
    columns = zip(*(each._replace(extra=None)[:4] for each in rows), strict=True)
    block = Draws(*map(np.stack, columns), extra)
    flat = [np.reshape(part, (len(part), -1, *part.shape[3:])) for part in block]
    monkeypatch.setattr(Randomness, "_new_block", lambda self: Draws(*map(torch.as_tensor, flat)))
    positions = []
    mcmc = MCMC(
        FHL(
            potential_fn=narrow,
            temperatures=TEMPERATURES,
            reference_fn=lambda sites: (sites["x"] ** 2).sum() / 8,
        ),
        DRAWS,
        WARMUP,
        initial_params={"x": torch.as_tensor(starts)},
        num_chains=PARTICLES,
        hook_fn=lambda kernel, sites, stage, i: positions.append(sites["x"]),
        disable_progbar=True,
    )
    mcmc.run()
    np.testing.assert_allclose(
        torch.stack(positions), np.array([each for each, _ in expected]), rtol=0, atol=1e-6
    )
    tension = np.stack([each for _, each in expected[WARMUP:]], axis=1)
    np.testing.assert_allclose(mcmc.diagnostics()["tension"], tension, rtol=1e-6, atol=1e-6)
