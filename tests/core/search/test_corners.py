"""What a search sees at the fourth corners of modes that it has found."""

from itertools import product

import numpy as np
import pytest

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.search import corners as corners_module
from fhl_ppl.core.search import turns
from fhl_ppl.core.search.ahead import no_look
from fhl_ppl.core.search.bounds import TURNS, bounds_of
from fhl_ppl.core.search.ends import DRAWS, ends_of, no_ends, with_draws
from fhl_ppl.core.search.finds import finds_of, number_missed
from fhl_ppl.core.target import Plain
from tests.core.search.searched import descended, known, searched
from tests.hills import Hills

ROWS, DIM = 8, 3
SIDES = 8.0 * np.array([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8], [0.0, -0.8, 0.6]])
CUBE = np.array(list(product([0.0, 1.0], repeat=3))) @ SIDES + 1.0


def search_of_signs(seed=0, number=5, dim=8, warmup=1000):
    """What is found of the modes of so many independent signs, along no axes of the coordinates."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((dim, dim)))[0][:number]
    signs = np.array(list(product([-1.0, 1.0], repeat=number)))
    hills = Hills(4 * signs @ axes, np.zeros(len(signs)))
    position = rng.uniform(-2, 2, (4, dim))
    enough = bounds_of(warmup, 4).enough
    return searched(hills, position, seed=seed, turns=TURNS, enough=enough)


def signs_found(seed=0):
    """How many modes of five signs are found."""
    return len(known(search_of_signs(seed)))


@pytest.mark.parametrize("seed", range(3))
def test_a_search_that_found_modes_until_it_had_to_end_tells(seed):
    """After half as many evaluations some of 32 are missing, and of eight none was long ago."""
    cut_short = search_of_signs(seed, warmup=500)
    assert len(known(cut_short)) < 32
    assert cut_short.missed >= 1
    assert search_of_signs(seed, number=3).missed == 0


def test_a_grid_of_modes_is_found():
    """Of 32 two at the most are missed, in four searches of some 1600 evaluations."""
    assert min(signs_found(seed) for seed in range(4)) >= 30


def test_the_check_notices_that_no_corners_are_looked_at(monkeypatch):
    monkeypatch.setattr(
        turns, "corners", lambda target, ends, newest, shake, control: no_look(shake)
    )
    assert signs_found() < 30


def missed_of(at_random, ahead):
    """What is guessed to be missed where valleys were come to so often, and some others ahead."""
    rows = [valley for valley, times in enumerate(at_random) for _ in range(times)]
    valley = np.array(rows + [len(at_random) + k for k in range(ahead)], dtype=float)
    begin = np.stack([10 * valley, 0 * valley], axis=1)
    ends = ends_of(descended(Hills(begin, 0 * valley), begin + 0.1))
    first = np.array([np.flatnonzero(valley == each)[0] for each in valley], dtype=float)
    begun = np.where(np.arange(len(valley)) < len(rows), 0.0, np.inf)
    ends = ends._replace(
        valley=first,
        begun=begun,
        is_gaussian=np.ones(len(valley), bool),
        log_weight=np.zeros((len(valley), DRAWS)),
    )
    return number_missed(ends, finds_of(ends))


def test_what_was_seen_ahead_is_not_missed():
    """Chao's guess from five valleys come to once is 5 * 4 / 2, and is about as uncertain."""
    assert missed_of([1, 1, 1, 1, 1], ahead=0) == 10
    assert missed_of([1, 1, 1, 1, 1], ahead=3) == 7
    assert missed_of([1, 1, 1, 1, 1], ahead=4) == 0
    assert missed_of([2, 2, 2, 3], ahead=0) == 0


def ahead_of(target, begin, newest=0, turns=2):
    """What is seen after descents from these places, [row, dim]."""
    rng = np.random.default_rng(0)
    position = np.concatenate([begin, np.repeat(begin[:1], ROWS - len(begin), axis=0)])
    noise = rng.standard_normal((DRAWS, ROWS, position.shape[1]))
    with np.errstate(all="ignore"):
        ends = ends_of(descended(target, position + 0.3 * rng.standard_normal(position.shape)))
        nearest = np.linalg.norm(ends.centre[:, None] - ends.centre, axis=2) < 1
        ends = with_draws(Plain(target), ends, noise, ends.has_arrived, PYTHON)
        ends = ends._replace(valley=nearest.argmax(axis=0).astype(float))
        rest = no_ends(ends, turns - 1)
        rest = rest._replace(valley=rest.valley * 0 - 1)
        ends = type(ends)(*(np.concatenate(parts) for parts in zip(ends, rest, strict=True)))
        shake = rng.uniform(-1, 1, position.shape)
        return corners_module.corners(Plain(target), ends, newest, shake, PYTHON)


def test_the_fourth_corner_is_seen():
    ahead = ahead_of(Hills(CUBE[:4], np.zeros(4)), CUBE[:3])
    np.testing.assert_array_equal(ahead.exists, np.arange(ROWS) < 1)
    np.testing.assert_allclose(ahead.places[0], CUBE[3], atol=0.5)
    # Each of the three may be the one in between, and something parts the one that is seen.
    assert ahead.evaluations == 3 + 1


def test_of_many_corners_those_with_a_mode_are_taken():
    """Of five corners of a cube, no four of which are a face."""
    ahead = ahead_of(Hills(CUBE, np.zeros(8)), CUBE[[0, 1, 2, 4, 7]])
    apart = np.linalg.norm(ahead.places[ahead.exists][:, None] - CUBE, axis=2)
    assert (apart.min(axis=1) < 1).all()
    assert set(apart.argmin(axis=1)) == {3, 5, 6}


def test_what_is_known_is_not_looked_at():
    assert not ahead_of(Hills(CUBE[:4], np.zeros(4)), CUBE[:4]).exists.any()


def begun_beside_a_bent_corner():
    """A known mode is two and a half standard deviations from where the grid would have it."""
    centres = CUBE[:4] + 2.5 * np.array([[0.0, 0.0, 0.0]] * 3 + [[1.0, 0.0, 0.0]])
    ahead = ahead_of(Hills(centres, np.zeros(4)), centres)
    assert ahead.evaluations > 0
    return ahead.exists.any()


def test_it_is_not_begun_in_a_valley_that_is_known():
    assert not begun_beside_a_bent_corner()


def test_the_check_notices_that_nobody_asks_what_parts_them(monkeypatch):
    monkeypatch.setattr(corners_module, "BARRIER", -np.inf)
    assert begun_beside_a_bent_corner()


def test_of_three_one_is_new():
    hills = Hills(CUBE[:4], np.zeros(4))
    assert ahead_of(hills, CUBE[:3], newest=2).exists.any()
    assert ahead_of(hills, CUBE[:3], newest=3).evaluations == 0


def test_without_three_nothing_is_looked_at():
    assert ahead_of(Hills(CUBE[:4], np.zeros(4)), CUBE[:2]).evaluations == 0


def test_the_closest_are_looked_at_first(monkeypatch):
    """Of rectangles that have a side in common the smallest, if there is one look only."""
    monkeypatch.setattr(corners_module, "LOOK", 1)
    steps = 7.0 * np.array([[0, 0, 0], [3, 0, 0], [1, 0, 0], [0, 1, 0]])
    fourth = steps[3] + steps[[1, 2]]
    hills = Hills(np.concatenate([steps, fourth]), np.zeros(6))
    ahead = ahead_of(hills, steps)
    assert ahead.evaluations == 1 + 1
    np.testing.assert_allclose(ahead.places[0], fourth[1], atol=0.5)


def test_where_the_energy_is_no_number_there_is_nothing():
    hills = Hills(CUBE[:4], np.zeros(4))

    def walled(position):
        energy, gradient = hills(position)
        return np.where(np.linalg.norm(position - CUBE[3], axis=1) < 3, np.nan, energy), gradient

    ahead = ahead_of(walled, CUBE[:3])
    assert ahead.evaluations == 3
    assert not ahead.exists.any()


def test_it_is_not_begun_where_the_energy_is_high():
    ahead = ahead_of(Hills(CUBE[:3], np.zeros(3)), CUBE[:3])
    assert ahead.evaluations == 3
    assert not ahead.exists.any()


@pytest.mark.parametrize("number", [4, 11, 16])
def test_there_are_as_many_as_there_are_triples(number):
    """Each pair with each other mode as the one in between."""
    begin = np.random.default_rng(0).standard_normal((ROWS, DIM))
    with np.errstate(all="ignore"):
        ends = no_ends(ends_of(descended(Hills(CUBE, np.zeros(8)), begin)), 2)
    modes = type(ends)(*(of[:number] for of in ends))
    everywhere = np.ones(number, bool)
    seen = corners_module._corners(modes, everywhere, -1)
    assert len(seen.size) == number * (number - 1) * (number - 2) // 2
