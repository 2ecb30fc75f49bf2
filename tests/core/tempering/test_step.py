"""All temperatures together: what is found, counted, frozen and private."""

import numpy as np

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.learners.windows import window_ends
from fhl_ppl.core.stacked import at, stack
from fhl_ppl.core.target import Plain
from fhl_ppl.core.tempering import step as tempering
from fhl_ppl.core.tempering import travels
from fhl_ppl.core.tempering.path import Path, Tempered
from tests.loops import draw
from tests.plans import make_sampler

CENTRE, SD, WIDE, WEIGHT = np.array([5.0, 0.0]), 0.5, 5.0, 0.3


def two_modes(seen=None):
    """A likelihood of two modes under a wide prior; the evaluations of rows are added to `seen`."""

    def target(q):
        if seen is not None:
            seen.append(len(q))
        right, left = q - CENTRE, q + CENTRE
        parts = np.stack(
            [
                np.log(WEIGHT) - (right**2).sum(axis=1) / (2 * SD**2),
                np.log(1 - WEIGHT) - (left**2).sum(axis=1) / (2 * SD**2),
            ]
        )
        total = np.logaddexp(*parts)
        share = np.exp(parts - total)[..., None]
        pull = (share[0] * right + share[1] * left) / SD**2
        return -total + (q**2).sum(axis=1) / (2 * WIDE**2), pull + q / WIDE**2

    return Path(Plain(target), Plain(lambda q: ((q**2).sum(axis=1) / (2 * WIDE**2), q / WIDE**2)))


def run(num_warmup, num_samples, temperatures=4, particles=8, seed=0, seen=None):
    """Replicas after each iteration, and what is told of it; all start in the left mode."""
    rng = np.random.default_rng(seed)
    path, sampler = two_modes(seen), make_sampler(num_warmup)
    groups = make_groups(particles, 4, np.zeros(1))
    start = rng.normal(-CENTRE, SD, (temperatures, particles, 2))
    replicas = tempering.start(sampler, start, np.float64(1.0), np.eye(2), path, PYTHON)
    after = []
    # Far out energies overflow, which is the algorithm's business, not a reason to warn.
    with np.errstate(all="ignore"):
        for iteration in range(num_warmup + num_samples):
            draws = stack([draw(rng, particles, 2) for _ in range(temperatures)])
            uniform = rng.random((temperatures - 1, particles))
            replicas, told = tempering.step(
                sampler, groups, replicas, iteration, draws, uniform, path, PYTHON
            )
            after.append((replicas, told))
    return after


def test_a_mode_where_nobody_started_is_found_and_weighed():
    after = run(120, 150)[120:]
    right = np.array([each.particles.position[0, :, 0] > 0 for each, _ in after])
    # Ten seeds had a mean of .300 and a standard deviation of .019.
    assert abs(right.mean() - WEIGHT) < 0.1
    last, told = after[-1]
    assert (last.travels.round_trips > 0).all()
    assert told["potential_energy"].shape == (8,)
    # Nothing is learnt any more.
    first = after[0][0]
    np.testing.assert_array_equal(first.ladder.beta, last.ladder.beta)
    np.testing.assert_array_equal(first.learnt["step_size"], last.learnt["step_size"])
    np.testing.assert_array_equal(last.ladder.tried, [75, 75, 75])


def test_nobody_swaps_in_the_first_windows(monkeypatch):
    swapped, go_on = [], travels.go_on

    def watched(own, happens):
        swapped.append(happens.any())
        return go_on(own, happens)

    monkeypatch.setattr(travels, "go_on", watched)
    run(80, 0)
    held = window_ends(80)[tempering.HELD_WINDOWS - 1]
    assert 0 < held < 40
    assert not any(swapped[:held])
    assert any(swapped[held : held + 4])


def test_energies_are_those_of_the_temperature_after_swaps_and_a_new_ladder():
    replicas, told = run(12, 3)[-1]
    for k, beta in enumerate(replicas.ladder.beta):
        state = at(replicas.particles, k)
        energy, gradient = Tempered(two_modes(), beta).evaluate(state.position, 0, None, False)
        np.testing.assert_allclose(state.potential_energy, energy, rtol=1e-10)
        np.testing.assert_allclose(state.gradient, gradient, rtol=1e-10)
    np.testing.assert_array_equal(told["potential_energy"], replicas.particles.potential_energy[0])


def test_all_evaluations_of_the_force_are_counted():
    seen = []
    after = run(0, 4, seen=seen)
    # The first is that of the starts.
    assert sum(seen[1:]) == 8 * sum(told["n_steps"] for _, told in after)


def test_the_ends_of_a_path_do_not_look_at_each_other():
    wall = Path(
        Plain(lambda q: (np.where(q[:, 0] > 0, np.inf, 1.0), np.full_like(q, np.nan))),
        Plain(lambda q: (q[:, 0] ** 2, 2 * q)),
    )
    parts = wall.parts(np.array([[1.0], [-1.0]]))
    with np.errstate(invalid="ignore"):
        energy, gradient = parts.at(np.float64(0.0))
        np.testing.assert_array_equal(energy, [1.0, 1.0])
        np.testing.assert_array_equal(gradient, [[2.0], [-2.0]])
        energy, _ = parts.at(np.float64(1.0))
    np.testing.assert_array_equal(energy, [np.inf, 1.0])
