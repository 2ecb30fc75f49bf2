"""What would stretch a component of the archive over several modes, and does not."""

import numpy as np

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.learners import archive, grouping
from fhl_ppl.core.mixture import in_use
from fhl_ppl.core.state import State
from tests.core.learners.test_archive import APART, DIM, ENDS, TWO, Modes, found_in

THREE = Modes([0.4, 0.3, 0.3], [1.0, 1.0, 1.0], [0 * APART, 2 * APART, -2 * APART])


def widest_of_two_components_for_three_modes():
    own = archive.start(np.zeros((6, DIM)), components=2)
    rng = np.random.default_rng(2)
    with np.errstate(all="ignore"):
        for k in range(ENDS[0]):
            own = archive.observe(own, k, ENDS, THREE.state(rng, [0, 0, 1, 1, 2, 2]), PYTHON)
        own = archive.renew(own, PYTHON)
    return np.sqrt(np.max(own.components.fitted.root[:2] ** 2))


def test_what_there_is_no_room_for_does_not_stretch_a_component():
    assert widest_of_two_components_for_three_modes() < 3


def test_the_check_notices_that_nothing_is_left_out(monkeypatch):
    refit = grouping._refit

    def of_all(*given):
        *others, _, control = given
        return refit(*others, np.inf, control)

    monkeypatch.setattr(grouping, "_refit", of_all)
    assert widest_of_two_components_for_three_modes() > 3


def widest_with_particles_on_their_way_down():
    """Two modes are known, and two of four particles come down, to one or the other."""
    rng = np.random.default_rng(3)
    own = archive.start(np.zeros((4, DIM)))
    own = archive.with_finds(own, found_in(TWO))
    with np.errstate(all="ignore"):
        for k in range(ENDS[0]):
            there = TWO.state(rng, np.array([0, 1, 0, 1])).position
            above = np.array([0, 0, 1, 1])[:, None] * np.sign(np.arange(DIM) - 2.5) * 2.6
            own = archive.observe(own, k, ENDS, TWO.at(there + above), PYTHON)
        own = archive.renew(own, PYTHON)
    fitted = own.components.fitted
    roots = fitted.root[in_use(fitted.log_weight)]
    return max(np.linalg.eigvalsh(root @ root.T).max() for root in roots)


def test_who_is_on_the_way_down_does_not_stretch_a_component():
    assert widest_with_particles_on_their_way_down() < 4


def test_the_check_notices_that_all_places_count(monkeypatch):
    monkeypatch.setattr(grouping, "IGNORED", 1e-300)
    assert widest_with_particles_on_their_way_down() > 4


def width_with_places_in_one_tail():
    """Of one of two known modes, of which eight places are seen in a tail that is exponential."""
    rng = np.random.default_rng(4)
    own = archive.start(np.zeros((1, DIM)))
    own = archive.with_finds(own, found_in(TWO))
    with np.errstate(all="ignore"):
        for k in range(ENDS[0]):
            place = rng.standard_normal((1, DIM))
            tail = place[:, 1] = rng.uniform(2, 3, 1)
            energy = np.sum(place**2, axis=1) / 2 - tail**2 / 2 + tail + np.exp(-tail)
            slope = place.copy()
            slope[:, 1] = 1 - np.exp(-tail)
            own = archive.observe(own, k, ENDS, State(place, energy, slope), PYTHON)
        own = archive.renew(own, PYTHON)
    return np.sqrt(np.sum(own.components.fitted.root[0, 1] ** 2))


def test_places_in_one_tail_do_not_stretch_what_a_search_has_seen():
    assert width_with_places_in_one_tail() < 2.5


def test_the_check_notices_that_what_the_search_saw_is_forgotten(monkeypatch):
    monkeypatch.setattr(grouping, "AT_LEAST", 0.0)
    assert width_with_places_in_one_tail() > 3


def number_beside_a_wide_one(is_valley):
    """How many of two modes are kept beside a component that is wide enough for both."""
    own = archive.with_finds(archive.start(np.zeros((4, DIM))), found_in(TWO))
    known = own.components
    wide, volume = 6 * np.eye(DIM), DIM * np.log(6)
    fitted = known.fitted
    for part, value in zip(fitted, (20.0, APART / 2, wide, wide / 36, volume), strict=True):
        part[2] = value
    known.is_valley[:2] = is_valley
    known = grouping._simplify(known._replace(fitted=fitted), np.asarray(8.0))
    known = grouping._simplify(known, np.asarray(8.0))
    return in_use(known.fitted.log_weight[:2]).sum()


def test_what_a_search_has_seen_is_no_part_of_what_was_only_seen_in_warm_up():
    assert number_beside_a_wide_one(1) == 2


def test_what_was_only_seen_in_warm_up_may_be():
    assert number_beside_a_wide_one(0) == 0
