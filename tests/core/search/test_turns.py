"""How long a search goes on, and what it costs."""

import numpy as np
import pytest

from fhl_ppl.core.mixture import in_use
from fhl_ppl.core.search.bounds import TURNS, bounds_of, places_of
from fhl_ppl.core.search.ends import DRAWS
from tests.core.search.searched import GAUSSIAN, eggbox, found, known, searched
from tests.hills import Hills

TWELVE = Hills(
    1.9 * np.stack(np.meshgrid([-6, -2, 2, 6], [-4, 0, 4]), -1).reshape(12, 2), [0.0] * 12
)


def known_valleys(turns, **bounds):
    position = np.random.default_rng(3).uniform(-12, 12, (4, 2))
    all_found = searched(TWELVE, position, seed=4, turns=turns, radius=12.0, **bounds)
    apart = np.linalg.norm(known(all_found)[:, None] - TWELVE.centres, axis=2)
    return len(set(apart.argmin(axis=1)[apart.min(axis=1) < 1])), all_found.evaluations


def test_where_there_are_several_it_looks_for_more():
    """No longer than it may, if a turn costs what others did."""
    one, cost = known_valleys(1)
    more, whole_cost = known_valleys(TURNS)
    assert one < more
    assert more >= 10
    assert 2 * cost < whole_cost <= 1.1 * 100 * places_of(4)
    assert known_valleys(TURNS, enough=1.8 * cost)[1] < 2.2 * cost


def test_from_as_many_places_as_are_asked_for():
    assert bounds_of(1000, 4, places=100).turns == 13
    assert known_valleys(13, enough=np.inf)[0] == 12
    # Also where there seems to be one valley.
    position = np.random.default_rng(0).uniform(-2, 2, (4, 3))
    once = searched(GAUSSIAN, position)
    often = searched(GAUSSIAN, position, turns=13, enough=np.inf)
    assert often.evaluations > 5 * once.evaluations


def test_how_many_were_missed_is_guessed():
    """Of twelve valleys that as many places lead to each."""
    position = np.random.default_rng(3).uniform(-12, 12, (4, 2))

    def missed(turns):
        runs = (
            searched(TWELVE, position, seed=seed, turns=turns, radius=12.0, enough=np.inf)
            for seed in range(10)
        )
        return np.mean([each.missed for each in runs])

    # After eight descents some half are, and Chao's estimate is a lower bound with an sd of 2 for
    # the mean of ten runs; after 128 one in 60,000 valleys is.
    assert missed(1) > 2
    assert missed(16) < 0.1


def test_draws_are_made_where_a_valley_has_none():
    first = searched(TWELVE, np.random.default_rng(3).uniform(-12, 12, (4, 2)), radius=12.0)
    cost = first.evaluations / places_of(4) - DRAWS
    turns = 40
    position = np.random.default_rng(3).uniform(-12, 12, (4, 2))
    all_found = searched(TWELVE, position, turns=turns, radius=12.0, enough=np.inf)
    each = all_found.evaluations / (turns * places_of(4))
    # Without draws, but for at most twelve and those of the first turn.
    assert each < cost + 2


def test_where_there_is_one_it_looks_no_more():
    position = np.random.default_rng(0).uniform(-2, 2, (4, 3))
    once, often = (searched(GAUSSIAN, position, turns=turns) for turns in (1, TURNS))
    assert often.evaluations == pytest.approx(once.evaluations, abs=100)
    assert not len(known(often))


def test_the_archive_gets_numbers_only():
    """Also of places without draws, whose mass is none."""
    position = np.random.default_rng(3).uniform(-12, 12, (4, 2))
    modes = searched(TWELVE, position, turns=TURNS, radius=12.0, enough=1e5).modes
    assert not in_use(modes.log_weight).all()
    assert np.isfinite(modes.log_weight).all()


def test_what_it_may_cost():
    assert bounds_of(1000, 4).most * places_of(4) == 0.2 * 1000 * 4
    assert bounds_of(1000, 4).enough == 0.4 * 1000 * 4
    assert bounds_of(300, 4).most * places_of(4) <= 0.2 * 300 * 4
    assert bounds_of(100, 4) is None
    assert bounds_of(1000, 64) is not None
    assert bounds_of(1000, 65) is None
    assert bounds_of(1000, 65, places=100).turns == 2
    assert bounds_of(0, 4, places=100) is None


def test_what_it_cost_is_told():
    calls = []

    def target(position):
        calls.append(len(position))
        return GAUSSIAN(position)

    position = np.random.default_rng(0).uniform(-2, 2, (4, 3))
    _, evaluations = found(target, position)
    # A place that has arrived is evaluated with the others, for nothing.
    assert evaluations <= sum(calls) <= 2 * evaluations
    assert evaluations >= DRAWS * places_of(4)


@pytest.mark.parametrize("seed", range(6))
def test_all_of_an_eggbox_is_found(seed):
    """All eighteen modes, by sixteen particles."""
    position = np.random.default_rng(seed).uniform(-2, 2, (16, 2))
    most, turns, enough = bounds_of(1000, 16)
    modes = known(searched(eggbox, position, most, seed + 100, turns, enough))
    at = np.round(10 / (1 + np.exp(-modes))).astype(int)
    assert len(at) == len(np.unique(at, axis=0)) == 18
    assert np.isin(at % 4, (0, 2)).all()
