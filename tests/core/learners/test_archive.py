"""The archive: modes are found, none is forgotten, and one mode is one."""

import numpy as np
import pytest

from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.homes import ALIKE, as_one_mode, as_usual_mode, home_of, metric_at
from fhl_ppl.core.learners import archive, grouping
from fhl_ppl.core.learners.carried import carried
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.mixture import Mixture, in_use, log_parts, log_sum
from fhl_ppl.core.search import Found
from fhl_ppl.core.state import State

DIM = 6
ENDS = (10, 26, 52)
APART = np.array([9.0, 0, 0, 0, 0, 0])


class Modes:
    """Gaussians of several weights, scales and centres: exact draws, energies and gradients."""

    def __init__(self, weight, scale, centre):
        self.weight, self.scale, self.centre = map(np.asarray, (weight, scale, centre))

    def state(self, rng, modes):
        noise = rng.standard_normal((len(modes), DIM))
        return self.at(self.centre[modes] + self.scale[modes][:, None] * noise)

    def at(self, position):
        away = position[:, None, :] - self.centre
        density = np.log(self.weight) - DIM * np.log(self.scale)
        parts = density - np.sum(away**2, axis=2) / (2 * self.scale**2)
        share = np.exp(parts - np.logaddexp.reduce(parts, axis=1)[:, None])
        gradient = np.sum((share / self.scale**2)[:, :, None] * away, axis=1)
        return State(position, -np.logaddexp.reduce(parts, axis=1), gradient)


TWO = Modes([0.9, 0.1], [1.0, 0.5], [0 * APART, APART])


def seen(target, where, seed=0, particles=4, found=None):
    """The archive after as many windows as `where` has entries, and all along particles there."""
    rng = np.random.default_rng(seed)
    own = archive.start(np.zeros((particles, DIM)))
    own = own if found is None else archive.with_finds(own, found)
    stages, begin = [], 0
    with np.errstate(all="ignore"):
        for end, modes in zip(ENDS, where, strict=False):
            for k in range(begin, end):
                own = archive.observe(own, k, ENDS, target.state(rng, modes), PYTHON)
            own, begin = archive.renew(own, PYTHON), end
            stages.append(own)
    return stages


def found_in(target):
    """What a search finds that has found all modes."""
    scale = target.scale[:, None, None] * np.eye(DIM)
    mass = np.log(target.weight) + DIM * np.log(2 * np.pi) / 2
    volume = DIM * np.log(target.scale)
    modes = Mixture(mass, target.centre, scale, np.linalg.inv(scale), volume)
    return Found(target.centre, 0, modes, 1.0)


def known_of(target, searched=True):
    """The modes of two that are known in the end, and the covariance within them."""
    found = found_in(target) if searched else None
    own = seen(target, [np.array([0, 1, 0, 1])] * 3, found=found)[-1]
    return own.homes, own.within


def masses(own):
    log_mass = own.components.fitted.log_weight
    found = np.flatnonzero(in_use(log_mass))
    share = np.exp(log_mass[found] - log_sum(log_mass[found]))
    return found[np.argsort(-share)], np.sort(share)[::-1]


def test_two_modes_are_found_in_the_first_window_and_weighed():
    (own,) = seen(TWO, [np.array([0, 1, 0, 1])])
    found, share = masses(own)
    np.testing.assert_allclose(share, [0.9, 0.1], atol=0.05)
    centre = own.components.fitted.centre[found]
    np.testing.assert_allclose(centre, TWO.centre, atol=0.2)
    spread = np.linalg.norm(own.components.fitted.root[found], axis=(1, 2)) / DIM**0.5
    wider = (1 + grouping.WIDER / DIM**0.5) ** 0.5
    np.testing.assert_allclose(spread, TWO.scale * wider, rtol=0.15)


def test_a_mode_that_was_left_stays():
    *_, own = seen(TWO, [np.array([0, 1, 0, 1]), np.zeros(4, int), np.zeros(4, int)])
    np.testing.assert_allclose(masses(own)[1], [0.9, 0.1], atol=0.05)
    # G visits it, at least as often as it may.
    log_weight = own.homes.mixture.log_weight
    assert np.exp(log_weight[in_use(log_weight)]).min() >= archive.LEAST / (1 + archive.LEAST)


@pytest.mark.parametrize("seed", range(5))
def test_a_particle_that_changes_its_mode_in_the_first_window_hides_none(seed):
    rng = np.random.default_rng(seed)
    own = archive.start(np.zeros((4, DIM)))
    with np.errstate(all="ignore"):
        for k in range(ENDS[0]):
            modes = np.array([0, int(k < 5), 0, int(k < 3)])
            own = archive.observe(own, k, ENDS, TWO.state(rng, modes), PYTHON)
        own = archive.renew(own, PYTHON)
    assert len(masses(own)[0]) == 2


def test_an_archive_that_forgets_what_is_empty_is_noticed(monkeypatch):
    refit = grouping._refit

    def forgetful(components, before, *rest):
        nothing = before._replace(count=0 * before.count)
        return refit(components, nothing, *rest)

    monkeypatch.setattr(grouping, "_refit", forgetful)
    *_, own = seen(TWO, [np.array([0, 1, 0, 1]), np.zeros(4, int)])
    assert len(masses(own)[0]) == 1


@pytest.mark.parametrize("seed", range(10))
def test_one_mode_is_one_however_its_scales_differ(seed):
    one = Modes([1.0], [1.0], [0 * APART])
    stretch = 10.0 ** np.linspace(-2, 2, DIM)
    rng = np.random.default_rng(seed)
    own = archive.start(np.zeros((4, DIM)))
    with np.errstate(all="ignore"):
        for k in range(ENDS[0]):
            state = one.state(rng, np.zeros(4, int))
            wide = State(state.position * stretch, state.potential_energy, state.gradient / stretch)
            own = archive.observe(own, k, ENDS, wide, PYTHON)
        own = archive.renew(own, PYTHON)
    assert len(masses(own)[0]) == 1


def test_a_place_on_the_way_is_no_mode():
    # Four chains come down from far away, each along a line of its own.
    one = Modes([1.0], [1.0], [0 * APART])
    rng = np.random.default_rng(0)
    starts = 30 * rng.standard_normal((4, DIM))
    own = archive.start(starts)
    with np.errstate(all="ignore"):
        for k in range(ENDS[1]):
            place = starts * 0.8**k + rng.standard_normal((4, DIM)) * (k > 10)
            own = archive.observe(own, k, ENDS, one.at(place), PYTHON)
            own = archive.renew(own, PYTHON) if k + 1 in ENDS else own
    assert len(masses(own)[0]) == 1


def test_states_are_laid_upon_the_heaviest_mode(rng):
    (own,) = seen(TWO, [np.array([0, 1, 0, 1])])
    state = TWO.state(rng, np.arange(1000) % 2)
    home = home_of(own.homes, state.position, PYTHON)
    together = as_one_mode(own.homes, home, state, PYTHON)
    np.testing.assert_allclose(together.position.mean(axis=0), 0, atol=0.3)
    np.testing.assert_array_equal(together.position[::2], state.position[::2])


def test_modes_of_other_widths_are_made_as_wide_as_usual(rng):
    unlike = Modes([0.5, 0.5], [1.0, 0.1], [0 * APART, APART])
    homes, within = known_of(unlike)
    state = unlike.state(rng, np.arange(2000) % 2)
    home = home_of(homes, state.position, PYTHON)
    alike = as_usual_mode(homes, home, state, PYTHON)
    sds = [alike.position[k::2].std(axis=0) for k in (0, 1)]
    assert np.abs(np.log(sds[0] / sds[1])).max() < 1.2 * np.log(ALIKE)
    # A trajectory sees what is estimated from these.
    metric = metric_at(homes, home, make_metric(within))
    middle = homes.means[0, homes.heaviest]
    apart = as_one_mode(homes, home, state, PYTHON).position - middle
    square = np.sum(metric.common.whiten(alike.position - middle) ** 2, axis=1)
    np.testing.assert_allclose(np.sum(apart * metric.weigh(apart), axis=1), square)


@pytest.mark.parametrize(
    ("weight", "sd", "searched"), [(0.5, 0.8, True), (0.5, 0.1, False), (0.001, 0.1, True)]
)
def test_what_is_nearly_as_wide_or_may_be_a_slice_or_a_tail_counts_as_equally_wide(
    weight, sd, searched
):
    homes, _ = known_of(Modes([1 - weight, weight], [1.0, sd], [0 * APART, APART]), searched)
    np.testing.assert_array_equal(homes.scales, 1)


def test_densities_of_the_mixture_add_up(rng):
    (own,) = seen(TWO, [np.array([0, 1, 0, 1])])
    mixture = own.homes.mixture
    # Drawn from a wide Gaussian, importance weights average to 1.
    scale, centre = 3.0, APART / 2
    draws = centre + scale * rng.standard_normal((400_000, DIM))
    wide = -np.sum((draws - centre) ** 2, axis=1) / (2 * scale**2) - DIM * np.log(
        scale * np.sqrt(2 * np.pi)
    )
    weight = np.exp(log_sum(log_parts(mixture, draws)) - wide)
    np.testing.assert_allclose(weight.mean(), 1, atol=5 * weight.std() / 400_000**0.5)


def test_memory_does_not_grow_with_the_particles_and_modes_are_found():
    """Of 5,000 particles every fifth is in the second mode: one in five is a witness, too."""
    modes = (np.arange(5000) % 5 == 4).astype(int)
    (own,) = seen(TWO, [modes], particles=5000)
    assert own.places.size <= 2 * 4 * archive.WITNESSES * DIM
    assert len(masses(own)[0]) == 2


def test_what_a_search_has_found_is_known_though_nobody_starts_there():
    begun = archive.with_finds(archive.start(np.zeros((4, DIM))), found_in(TWO))
    rng = np.random.default_rng(1)
    with np.errstate(all="ignore"):
        for k in range(ENDS[0]):
            begun = archive.observe(begun, k, ENDS, TWO.state(rng, [0] * 4), PYTHON)
        renewed = archive.renew(begun, PYTHON)
    for own in (begun, renewed):
        numbers, share = masses(own)
        assert len(numbers) == 2
        centres = own.components.fitted.centre[numbers]
        np.testing.assert_allclose(centres, [0 * APART, APART], atol=1.5)
        assert 0.02 < share[1] < 0.4
    assert begun.homes.others == 0
    assert renewed.homes.others == 1


SPIKE = Modes([0.3, 0.7], [0.05, 1.0], [0 * APART, 0 * APART])


def volumes_of_a_spike():
    """Of what is known of a spike at the centre of a wide mode, once draws of both were seen."""
    own = seen(SPIKE, [[0, 0, 1, 1]] * 2)[-1]
    return np.sort(own.components.fitted.log_volume[masses(own)[0]])


def test_a_spike_does_not_stand_for_what_it_is_the_centre_of():
    np.testing.assert_allclose(volumes_of_a_spike(), DIM * np.log([0.05, 1.0]), atol=2)


def test_the_check_notices_that_only_centres_are_compared(monkeypatch):
    monkeypatch.setattr(grouping, "NESTED", np.inf)
    assert len(volumes_of_a_spike()) == 1


def carried_with_draws_in_both(searched):
    """Components in use once the chart has changed, in whose window draws were in both modes."""
    own = archive.start(np.zeros((4, DIM)))
    own = archive.with_finds(own, found_in(TWO)) if searched else seen(TWO, [[0, 0, 1, 1]])[0]
    rng = np.random.default_rng(1)
    with np.errstate(all="ignore"):
        for k in range(ENDS[0]):
            own = archive.observe(own, k, ENDS, TWO.state(rng, [0, 0, 1, 1]), PYTHON)
    same = charts.identity(np.zeros((4, DIM)))
    return in_use(carried(own, same, same, PYTHON).components.fitted.log_weight).sum()


def test_valleys_that_a_search_has_seen_stay_when_the_chart_changes():
    """A Gaussian over two of them would explain either, and a mode be lost."""
    assert carried_with_draws_in_both(searched=True) == 2


def test_what_only_looked_like_modes_is_begun_anew():
    assert carried_with_draws_in_both(searched=False) == 0
