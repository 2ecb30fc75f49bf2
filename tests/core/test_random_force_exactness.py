"""Random forces leave the target invariant; noise that is used twice, or not alike, does not.

See `tests.core.invariance`: exact draws are moved a few times, and every moment is compared with
what it was.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import norm

from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.iteration import Tuning
from fhl_ppl.core.learners import move_shares as moves
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.moves.move import FittedGaussian
from fhl_ppl.core.target import RandomForce
from fhl_ppl.core.trajectory.reference import Reference
from fhl_ppl.core.trajectory.splitting import LEAPFROG, TWO_STAGE
from tests.core.invariance import (
    FALSE_ALARM_RATE,
    METRICS,
    MIN_ACCEPTANCE,
    NUM_MOMENTS,
    follow,
)
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

    def draw(position, number, energy):
        energy, gradient = target.potential_and_gradient(position)
        return energy, gradient + NOISE * rng.standard_normal(position.shape)

    return RandomForce(draw)


def minibatch(target, rng):
    """Energy and gradient of a batch: noise of a law that depends on the position."""

    def draw(position, number, energy):
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
Z_THRESHOLD = float(norm.isf(FALSE_ALARM_RATE / (NUM_MOMENTS * (len(GRID) + 1)) / 2))
"""Bonferroni's threshold for |z|: a correct library fails anywhere in this file, `slow` included,
with a probability of at most `FALSE_ALARM_RATE`, were the seeds drawn anew."""


def run(case, seed, num_steps=2, step_size=0.25, **settings):
    target = TARGETS[case.target]
    rng = np.random.default_rng(1000 + seed)
    metric = make_metric(METRICS["diag"])
    off = np.array([0.6, -0.5, 0.4])
    reference = None if case.integrator == "leapfrog" else Reference(target.mean - off, 0.8)
    splitting = TWO_STAGE if case.integrator == "split, two stages" else LEAPFROG
    pool = FittedGaussian(
        target.mean + off, make_metric(1.3 * METRICS["dense"]), off, np.asarray(1.0)
    )
    weight = np.array([0.4] + [0.6 / len(JUMPS)] * len(JUMPS))
    mixture = moves.start(np.array(1.0))._replace(weight=weight)

    def make_tuning(iteration, draws, groups):
        hop = None
        if case.integrator == "split and jumps":
            hop = moves.tune_jump(mixture, pool, np.asarray(iteration + 1), draws.strength)
        return Tuning(step_size, num_steps, 1.0, metric, reference, jump=hop, splitting=splitting)

    return follow(
        target,
        "2",
        make_tuning,
        seed,
        case.coupling,
        evaluate=NOISES[case.noise](target, rng),
        **{"iterations": 6, **settings},
    )


def assert_invariant(outcome):
    assert outcome.acceptance > MIN_ACCEPTANCE / 2, "nothing moved, so nothing was tested"
    assert outcome.worst < Z_THRESHOLD, outcome


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
    assert_invariant(run(case, seed))


# Wrong ways to begin a trajectory.


def left_over(self, state):
    """What the iteration before has left, with its noise."""
    return state.potential_energy, state.gradient


def anew_after_rejection(self, state):
    """Left over where the last proposal was accepted: the noise tells of it."""
    _, fresh = self.draw(state.position, 0, None)
    before = BEFORE.get("gradient", fresh)
    accepted = np.any(state.gradient != before, axis=1)
    BEFORE["gradient"] = state.gradient
    return state.potential_energy, np.where(accepted[:, None], state.gradient, fresh)


BEFORE: dict[str, np.ndarray] = {}


def without_noise(self, state):
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
    ("case", "name", "wrong"),
    [
        pytest.param(BATCH, "begin", left_over, id="batch-left-over"),
        pytest.param(BATCH._replace(coupling="joint"), "begin", left_over, id="joint-left-over"),
        pytest.param(PLAIN, "begin", anew_after_rejection, id="anew-after-rejection"),
        pytest.param(PLAIN, "begin", without_noise, id="noise-at-the-end-only"),
        pytest.param(BATCH, "begin", without_noise, id="batch-at-the-end-only"),
        pytest.param(BATCH, "energy_at", batch_in_the_test, id="batch-in-the-test"),
    ],
)
def test_a_wrong_use_of_noise_is_caught(case, name, wrong, monkeypatch):
    BEFORE.clear()
    monkeypatch.setattr(RandomForce, name, wrong)
    outcome = run(case, 1, **LONG)
    with pytest.raises(AssertionError, match=r"Outcome\("):
        assert_invariant(outcome)
    assert outcome.acceptance > MIN_ACCEPTANCE / 2


def test_additive_noise_left_over_is_harmless(monkeypatch):
    # Of one law everywhere, it can be seen as a part of the state that each iteration exchanges.
    monkeypatch.setattr(RandomForce, "begin", left_over)
    assert_invariant(run(PLAIN, 1, **LONG))


def test_counts_the_evaluation_at_the_start():
    target, numbers = TARGETS["gaussian"], []

    def draw(position, number, energy):
        numbers.append(number)
        return target.potential_and_gradient(position)

    follow(
        target,
        "2",
        lambda *_: Tuning(0.1, 3, 1.0, make_metric(METRICS["diag"])),
        0,
        evaluate=RandomForce(draw),
        iterations=2,
        num_groups=1,
    )
    # The start of the run, and L + 1 in each iteration.
    assert numbers == [0, *range(4), *range(4)]
