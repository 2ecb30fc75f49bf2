"""ESS and R-hat over groups: right for dependent particles, as usual for independent ones."""

import numpy as np
import pytest

from fhl_ppl.diagnostics import group_units
from tests.conftest import importorskip
from tests.diagnostics.particles import autoregressive, copies, correlated

arviz = importorskip("arviz")

GROUP = np.repeat([0, 1], 4)


def interleaved(draws, particles):
    """String the particles of each group together into one chain: the mistake to be exposed."""
    groups = draws.reshape(-1, particles, draws.shape[1])
    return groups.swapaxes(1, 2).reshape(len(groups), -1)


def check_error_of_a_mean(rng, transform):
    """The variance of the mean, over many runs, is mcse_group squared, whatever the draws."""
    group = np.array([0, 0, 0, 0, 1, 1, 1])
    runs = [transform(correlated(rng, group, 300, slow=0.3, shared=0.6)) for _ in range(400)]
    found = np.array([group_units.mcse_group(run, group) for run in runs])
    means = np.array([run.mean() for run in runs])
    # 400 runs give the variance to 7 % (one standard deviation), and tails add to that.
    np.testing.assert_allclose(means.var(), np.mean(found**2), rtol=0.25)


@pytest.mark.parametrize("transform", [np.exp, lambda x: np.where(x > 1.5, 1.0, 0.0)])
def test_mcse_group_is_of_the_draws_themselves(rng, transform):
    check_error_of_a_mean(rng, transform)


def test_of_ranks_it_would_be_another(rng, monkeypatch):
    """Broken on purpose: the error by `ess_group`."""
    by_ranks = lambda x, group: x.std() / np.sqrt(group_units.ess_group(x, group))  # noqa: E731
    monkeypatch.setattr(group_units, "mcse_group", by_ranks)
    with pytest.raises(AssertionError):
        check_error_of_a_mean(rng, np.exp)


def check_monte_carlo_error(rng):
    """The variance of the overall mean, over many runs, is var(x) / ess_group."""
    group = np.array([0, 0, 0, 0, 1, 1, 1])
    runs = [correlated(rng, group, num_draws=300, slow=0.3, shared=0.6) for _ in range(400)]
    ess = np.array([group_units.ess_group(run, group) for run in runs])
    # 400 runs give the variance to 7 % (one standard deviation).
    means = np.array([run.mean() for run in runs])
    np.testing.assert_allclose(means.var(), 1 / np.median(ess), rtol=0.25)


def test_ess_group_gives_the_monte_carlo_error(rng):
    check_monte_carlo_error(rng)


def test_the_check_fails_if_particles_count_as_groups(rng, monkeypatch):
    """Broken on purpose: every particle its own group, which is the usual ESS."""
    right = group_units.group_series
    monkeypatch.setattr(
        group_units, "group_series", lambda draws, group: right(draws, np.arange(len(group)))
    )
    with pytest.raises(AssertionError):
        check_monte_carlo_error(rng)


def test_particles_that_always_agree_count_once(rng):
    one = autoregressive(rng, (4, 4000), slow=0.5)
    draws = copies(one, 4)
    # An autoregressive series with coefficient a has (1 - a) / (1 + a) effective draws for each.
    truth = one.size / 3
    np.testing.assert_allclose(
        group_units.ess_group(draws, np.repeat(np.arange(4), 4)), truth, rtol=0.15
    )
    assert arviz.ess(draws) > 3 * truth


def test_interleaving_inflates_the_ess(rng):
    """Independent but slow particles: stringing them together hides how slow they are."""
    draws = autoregressive(rng, (8, 1000), slow=0.95)
    truth = draws.size * 0.05 / 1.95
    np.testing.assert_allclose(group_units.ess_group(draws, GROUP), truth, rtol=0.5)
    assert arviz.ess(interleaved(draws, 4)) > 5 * truth


def test_independent_particles_have_the_usual_ess(rng):
    draws = autoregressive(rng, (8, 2000, 20), slow=0.3)
    usual = np.array([arviz.ess(draws[..., k]) for k in range(20)])
    ratio = group_units.ess_group(draws, GROUP) / usual
    np.testing.assert_allclose(ratio.mean(), 1, atol=0.1)
    np.testing.assert_allclose(group_units.variance_inflation(draws, GROUP), 1, atol=0.2)


def test_is_the_formula_of_the_docstring_for_equal_groups(rng):
    draws = correlated(rng, GROUP, num_draws=100, slow=0.0, shared=0.5)
    z, _ = group_units.group_series(draws, GROUP)
    means = z.reshape(2, 4, 100).mean(axis=1)
    expected = arviz.ess(means, method="mean") * z.var() / means.var()
    np.testing.assert_allclose(group_units.ess_group(draws, GROUP), expected)


def test_variance_inflation_is_the_number_of_particles_that_agree(rng):
    draws = copies(rng.normal(size=(2, 100)), 4)
    np.testing.assert_allclose(group_units.variance_inflation(draws, GROUP), 4)


@pytest.mark.parametrize("function", [group_units.ess_group, group_units.variance_inflation])
def test_depends_on_ranks_only(rng, function):
    draws = rng.normal(size=(8, 100))
    np.testing.assert_allclose(function(np.exp(3 * draws), GROUP), function(draws, GROUP))


def test_labels_and_order_of_groups_do_not_matter(rng):
    draws = rng.normal(size=(8, 100))
    for function in (group_units.ess_group, group_units.r_hat_group):
        np.testing.assert_allclose(
            function(draws[::-1], np.array([7, 7, 7, 7, 3, 3, 3, 3])), function(draws, GROUP)
        )


def test_keeps_the_shape_of_the_quantity(rng):
    draws = rng.normal(size=(8, 50, 2, 3))
    for function in (group_units.ess_group, group_units.r_hat_group):
        together = function(draws, GROUP)
        assert together.shape == (2, 3)
        np.testing.assert_allclose(together[1, 2], function(draws[:, :, 1, 2], GROUP))


def test_r_hat_group_of_groups_that_agree(rng):
    np.testing.assert_allclose(
        group_units.r_hat_group(rng.normal(size=(8, 1000)), GROUP), 1, atol=0.01
    )


@pytest.mark.parametrize("spoil", ["location", "spread"])
def test_r_hat_group_sees_groups_that_disagree(rng, spoil):
    draws = rng.normal(size=(8, 1000))
    if spoil == "location":
        draws[:4] += 1.0
    else:
        draws[:4] *= 3.0
    assert group_units.r_hat_group(draws, GROUP) > 1.1


def test_r_hat_of_a_single_group_compares_its_halves(rng):
    draws = rng.normal(size=(4, 1000))
    group = np.zeros(4, int)
    np.testing.assert_allclose(group_units.r_hat_group(draws, group), 1, atol=0.01)
    draws[:, 500:] += 1.0
    assert group_units.r_hat_group(draws, group) > 1.1


def test_a_single_group_of_particles_in_labellings_of_their_own_has_no_ess(rng):
    draws = 10.0 * np.arange(4)[:, None] + rng.normal(size=(4, 1000))
    assert arviz.rhat(draws) > 1.5
    assert group_units.ess_group(draws, np.zeros(4, int)) < 10


def test_particles_frozen_in_two_modes(rng):
    """Interleaved they look converged; as chains, or as groups that hold unlike shares, not."""
    modes = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    draws = 10.0 * modes[:, None] + rng.normal(size=(8, 1000))
    np.testing.assert_allclose(arviz.rhat(interleaved(draws, 4)), 1.0, atol=0.002)
    assert arviz.rhat(draws) > 1.5
    assert group_units.ess_group(draws, GROUP) < 30

    unlike = draws.copy()
    unlike[5] += 10.0
    assert group_units.r_hat_group(unlike, GROUP) > 1.1


def test_a_quantity_that_does_not_vary_has_no_diagnostics():
    draws = np.ones((8, 100))
    assert np.isnan(group_units.ess_group(draws, GROUP))
    assert np.isnan(group_units.r_hat_group(draws, GROUP))
    assert np.isnan(group_units.variance_inflation(draws, GROUP))
