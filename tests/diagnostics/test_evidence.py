"""The evidence of draws: right to within its error, or with a warning."""

import functools

import numpy as np
import pytest
from scipy.special import logsumexp

from fhl_ppl.diagnostics import evidence, mixture_fit
from fhl_ppl.diagnostics.density import Density, check_kernel, check_sites
from fhl_ppl.diagnostics.evidence import estimate
from fhl_ppl.options import Options

CHAINS, DRAWS = 8, 400
LOG_2_PI = np.log(2 * np.pi)


def of(draws, potential, energy=None, label=None, seed=0):
    """Estimate from draws [chain, draw, dim] and a potential [place, dim] to [place]."""
    there = potential(draws.reshape(-1, draws.shape[-1])) if energy is None else energy
    label = np.zeros(draws.shape[:2], int) if label is None else label
    group = np.arange(len(draws)) // 4
    return estimate(
        Density(draws, potential), there.reshape(draws.shape[:2]), label, group, 1000, seed
    )


def gaussian(q):
    return np.sum(q**2, axis=1) / 2


def logistic(q):
    """A uniform density on (0, 1), by its logit and with the Jacobian."""
    return np.sum(q + 2 * np.log1p(np.exp(-q)), axis=1)


def two_modes(q, weight=0.3, apart=20.0):
    """The second is `apart` away, of the same shape."""
    away = q - apart * np.eye(q.shape[1])[0]
    return -np.logaddexp(np.log1p(-weight) - gaussian(q), np.log(weight) - gaussian(away))


def spike_in_slab(q, sd=0.1):
    spike = np.log(0.9) - gaussian(q / sd) - q.shape[1] * np.log(sd)
    return -np.logaddexp(spike, np.log(0.1) - gaussian(q))


def z_of(draw, potential, truth, runs=20):
    """(estimate - truth) / error of runs with draws of their own, and how many of these warn."""
    found = []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        found.append(of(draw(rng), potential, seed=1000 + seed))
    return (
        np.array([(each.value - truth) / each.error for each in found]),
        sum(len(each.warnings) > 0 for each in found),
    )


@pytest.mark.parametrize(
    ("draw", "potential", "truth"),
    [
        (lambda rng: rng.normal(size=(CHAINS, DRAWS, 10)), gaussian, 5 * LOG_2_PI),
        (lambda rng: rng.logistic(size=(CHAINS, DRAWS, 3)), logistic, 0.0),
    ],
)
def test_it_is_right_to_within_its_error(draw, potential, truth):
    # Of 20 runs the mean has an error of .25 and the standard deviation one of .16: with
    # these bounds there is less than one false alarm in 1000.
    z, warned = z_of(draw, potential, truth)
    assert abs(z.mean()) < 0.9
    assert 0.4 < z.std() < 1.9
    assert warned <= 1


def test_halves_that_are_not_kept_apart_are_noticed(monkeypatch):
    half = evidence._half

    def mutant(density, energy, label, group, here, *others):
        # G is fitted to the draws that it is compared with.
        both = density._replace(position=np.tile(density.position[:, here], (1, 2, 1)))
        energy, label = (np.tile(values[:, here], (1, 2)) for values in (energy, label))
        return half(both, energy, label, group, np.arange(2 * here.sum()) < here.sum(), *others)

    monkeypatch.setattr(evidence, "_half", mutant)
    draws = functools.partial(np.random.Generator.normal, size=(CHAINS, DRAWS, 10))
    z, _ = z_of(draws, gaussian, 5 * LOG_2_PI)
    assert abs(z.mean()) > 0.9


def test_without_the_jacobian_the_model_is_not_that_of_the_run(rng):
    draws = rng.logistic(size=(CHAINS, DRAWS, 3))
    energy = logistic(draws.reshape(-1, 3))
    with pytest.raises(ValueError, match="differ by"):
        of(draws, lambda q: np.zeros(len(q)), energy)


def test_chains_that_never_cross_do_no_harm_and_are_told(rng):
    # Half of the chains in a mode of weight .3.
    draws = rng.normal(size=(CHAINS, DRAWS, 4))
    draws[::2, :, 0] += 20
    found = of(draws, two_modes)
    assert abs(found.value - 2 * LOG_2_PI) < 4 * found.error < 0.1


def test_a_wrong_weight_of_a_mode_is_told(rng):
    # Chains cross all the time, but not as the weights would have it.
    draws = rng.normal(size=(CHAINS, DRAWS, 4))
    draws[..., 0] += 20 * (rng.random((CHAINS, DRAWS)) < 0.5)
    found = of(draws, two_modes)
    assert any("weight of" in each for each in found.warnings)
    assert abs(found.value - 2 * LOG_2_PI) < 4 * found.error < 0.1


def test_a_spike_that_no_chain_found_is_told(rng):
    found = of(rng.normal(size=(CHAINS, DRAWS, 10)), spike_in_slab)
    assert abs(found.value - (5 * LOG_2_PI + np.log(0.1))) < 0.1
    assert any("narrow mode" in each for each in found.warnings)


def test_a_mode_that_no_chain_is_in_is_told(rng):
    # Six modes on a ring; the chains are in three of them.
    angle = np.pi / 3 * np.arange(6)
    centre = 10 * np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def six_modes(q):
        return -logsumexp([-gaussian(q - each) for each in centre], axis=0)

    draws = rng.normal(size=(CHAINS, DRAWS, 2)) + centre[rng.integers(6, size=(CHAINS, DRAWS))]
    assert not of(draws, six_modes).warnings
    found = of(draws - 2 * np.where(draws @ [[1.0], [2.0]] > 0, draws, 0.0), six_modes)
    assert any("no chain is in" in each for each in found.warnings)


def test_a_spike_that_was_found_is_right(rng):
    draws = rng.normal(size=(CHAINS, DRAWS, 10))
    draws[rng.random((CHAINS, DRAWS)) < 0.9] *= 0.1
    found = of(draws, spike_in_slab)
    assert abs(found.value - 5 * LOG_2_PI) < 4 * found.error < 0.1
    assert not found.warnings


def test_a_mode_of_one_half_of_the_run_is_told(rng):
    draws = rng.normal(size=(CHAINS, DRAWS, 4))
    draws[:, DRAWS // 2 :, 0] += 20
    assert of(draws, two_modes).warnings


def test_g_has_a_component_for_each_mode(rng):
    centre = np.arange(20)[rng.integers(20, size=4000)]
    draws = rng.normal(size=(4000, 2)) + 20.0 * np.stack([centre // 5, centre % 5], axis=1)
    fitted = mixture_fit.fit(draws, np.zeros(4000))
    assert len(np.unique(fitted.part)) == 20


def test_a_gaussian_is_not_divided(rng):
    fitted = mixture_fit.fit(rng.normal(size=(2000, 5)), np.zeros(2000))
    assert len(fitted.part) == 1


def test_proposals_are_drawn_from_the_density_that_is_told(rng):
    # Of the weights 1 / G over a Gaussian that is known, the mean is 1.
    fitted = mixture_fit.fit(
        rng.normal(size=(3000, 2)) * (1 + 4 * (rng.random((3000, 1)) < 0.3)), np.zeros(3000)
    )
    q = mixture_fit.sample(fitted, 20_000, rng)
    ratio = np.exp(-gaussian(q) - LOG_2_PI - mixture_fit.log_density(fitted, q))
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / np.sqrt(len(q)) < 0.1


def test_too_few_draws_are_refused(rng):
    with pytest.raises(ValueError, match="increase num_samples"):
        of(rng.normal(size=(4, 6, 2)), gaussian)


@pytest.mark.parametrize(
    ("options", "minibatch", "says"),
    [
        (None, False, "kernel FHL"),
        (Options(adjusted=False), False, "adjusted=True"),
        (Options(noisy_gradient=True, trusts_gradient=False), False, "random force"),
        (Options(), True, "random force"),
    ],
)
def test_runs_without_an_evidence_are_refused(options, minibatch, says):
    with pytest.raises(ValueError, match=says):
        check_kernel(options, minibatch)


def test_sites_are_named():
    with pytest.raises(ValueError, match=r"\['x'\] were not kept"):
        check_sites(["x"], [])
    with pytest.raises(ValueError, match=r"\['y'\] is improper"):
        check_sites([], ["y"])
    check_sites([], [])
