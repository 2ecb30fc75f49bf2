"""Random forces leave the target invariant; noise that is used twice, or not alike, does not.

See `tests.invariance.exact_draws`: exact draws are moved a few times, and every moment is compared
with what it was.
"""

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest

from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.iteration import Tuning, iterate
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.target import RandomForce
from fhl_ppl.core.trajectory.splitting import LEAPFROG, TWO_STAGE
from tests.invariance.exact_draws import (
    METRICS,
    assert_caught,
    assert_invariant,
    follow,
    z_threshold,
)
from tests.invariance.jumping import make_fitted, make_modes, make_reference, mixed, with_jumps
from tests.targets import TARGETS

NOISE = 6.0
"""Standard deviation of additive noise, several times the gradient."""
BATCHES = np.array([-1.0, 3.0]), np.array([0.75, 0.25])
"""How far off the energy of a batch is, in units of `deviation`, and how often: 0 on average."""


class Case(NamedTuple):
    """Which noise, and what it drives."""

    coupling: str
    noise: str
    integrator: str
    target: str


def additive(target, rng):
    """The true energy, beside a gradient with noise of one law everywhere."""

    def draw(position, number, known, is_start):
        energy, gradient = target.potential_and_gradient(position)
        return energy, gradient + NOISE * rng.standard_normal(position.shape)

    return RandomForce(draw)


def minibatch(target, rng):
    """Energy and gradient of a batch: noise of a law that depends on the position."""

    def draw(position, number, known, is_start):
        energy, gradient = target.potential_and_gradient(position)
        off = rng.choice(BATCHES[0], len(position), p=BATCHES[1])
        centred = position - target.mean
        deviation = np.sum(centred**2, axis=1) / 2 + 2 * centred[:, 0]
        slope = centred + 2 * np.eye(target.dim)[0]
        return energy + off * deviation, gradient + off[:, None] * slope

    return RandomForce(draw, lambda position: target.potential_and_gradient(position)[0])


NOISES = {"additive": additive, "minibatch": minibatch}
INTEGRATORS = ("leapfrog", "split", "split and jumps", "split, two stages")
GRID = [Case(*cell) for cell in product(COUPLINGS, NOISES, INTEGRATORS, TARGETS)]
Z_THRESHOLD = z_threshold(len(GRID) + 1)


def run(case, seed, num_steps=2, step_size=0.25, **settings):
    target = TARGETS[case.target]
    rng = np.random.default_rng(1000 + seed)
    metric = make_metric(METRICS["diag"])
    reference = None if case.integrator == "leapfrog" else make_reference(target)
    splitting = TWO_STAGE if case.integrator == "split, two stages" else LEAPFROG
    tuning = Tuning(step_size, num_steps, 1.0, metric, reference, splitting=splitting)
    fitted = make_fitted(target, "dense")
    homes = make_modes(target.mean, target.covariance)

    def make_tuning(iteration, draws, groups):
        if case.integrator == "split and jumps":
            return with_jumps(tuning, mixed(fitted, iteration, draws, homes))
        return tuning

    return follow(
        target,
        "2",
        make_tuning,
        seed,
        case.coupling,
        force=NOISES[case.noise](target, rng),
        **{"iterations": 6, **settings},
    )


@pytest.mark.parametrize(
    ("seed", "case"),
    [
        pytest.param(
            seed,
            case,
            id="-".join(case),
            marks=() if case.target == "skewed" else pytest.mark.slow,
        )
        for seed, case in enumerate(GRID)
    ],
)
def test_exact_draws_stay_exact_under_a_random_force(seed, case):
    assert_invariant(run(case, seed), Z_THRESHOLD)


# Wrong ways to begin a trajectory.


class Beginning(NamedTuple):
    """A random force, but for what a trajectory from `state` begins with."""

    force: RandomForce
    state: Any
    begin: Callable

    is_random = True

    def evaluate(self, position, number, known, is_start):
        if is_start:
            return self.begin(self.force, self.state)
        return self.force.evaluate(position, number, known, is_start)

    def energy(self, position, energy):
        return self.force.energy(position, energy)


def beginning(begin):
    """`iterate` with such a force."""

    def step(state, draws, tuning, groups, coupling, force, *rest, **more):
        force = Beginning(force, state, begin)
        return iterate(state, draws, tuning, groups, coupling, force, *rest, **more)

    return step


def left_over(force, state):
    """What the iteration before has left, with its noise."""
    return state.potential_energy, state.gradient


def anew_after_rejection(force, state):
    """Left over where the last proposal was accepted: the noise tells of it."""
    _, fresh = force.draw(state.position, 0, state.potential_energy, True)
    before = BEFORE.get("gradient", fresh)
    accepted = np.any(state.gradient != before, axis=1)
    BEFORE["gradient"] = state.gradient
    return state.potential_energy, np.where(accepted[:, None], state.gradient, fresh)


BEFORE: dict[str, np.ndarray] = {}


def without_noise(force, state):
    """The noise is at the end only."""
    target = TARGETS["gaussian"]
    return state.potential_energy, target.potential_and_gradient(state.position)[1]


def batch_in_the_test(self, position, energy):
    """The energy of the last batch stands in for the true one."""
    return energy


PLAIN = Case("alternate", "additive", "leapfrog", "gaussian")
BATCH = PLAIN._replace(noise="minibatch")
LONG = {"num_steps": 1, "step_size": 0.4, "iterations": 8, "num_groups": 150_000}
"""One long step: what is wrong with its first kick shows most."""


@pytest.mark.parametrize(
    ("case", "begin"),
    [
        pytest.param(BATCH, left_over, id="batch-left-over"),
        pytest.param(BATCH._replace(coupling="joint"), left_over, id="joint-left-over"),
        pytest.param(PLAIN, anew_after_rejection, id="anew-after-rejection"),
        pytest.param(PLAIN, without_noise, id="noise-at-the-end-only"),
        pytest.param(BATCH, without_noise, id="batch-at-the-end-only"),
    ],
)
def test_a_wrong_beginning_is_caught(case, begin):
    BEFORE.clear()
    assert_caught(run(case, 1, step=beginning(begin), **LONG), Z_THRESHOLD)


def test_the_energy_of_a_batch_in_the_test_is_caught(monkeypatch):
    monkeypatch.setattr(RandomForce, "energy", batch_in_the_test)
    assert_caught(run(BATCH, 1, **LONG), Z_THRESHOLD)


def test_additive_noise_left_over_is_harmless():
    # Of one law everywhere, it can be seen as a part of the state that each iteration exchanges.
    assert_invariant(run(PLAIN, 1, step=beginning(left_over), **LONG), Z_THRESHOLD)


def test_counts_the_evaluation_at_the_start():
    target, numbers = TARGETS["gaussian"], []

    def draw(position, number, known, is_start):
        numbers.append(number)
        return target.potential_and_gradient(position)

    follow(
        target,
        "2",
        lambda *_: Tuning(0.1, 3, 1.0, make_metric(METRICS["diag"])),
        0,
        force=RandomForce(draw),
        iterations=2,
        num_groups=1,
    )
    # The start of the run, and L + 1 in each iteration.
    assert numbers == [0, *range(4), *range(4)]
