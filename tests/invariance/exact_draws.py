"""Do exact draws stay exact draws? The check that wrong variants of the algorithm have to fail.

Start many groups at independent draws of the target, move all of them a few times, and compare
every moment with what it was. Groups are independent, so the change of a moment summed over them
is nearly normal with mean 0; z is that sum over its standard error.
"""

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.stats import norm

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import Groups, make_groups
from fhl_ppl.core.iteration import Tuning, iterate
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.target import Plain, state_at
from tests.loops import draw
from tests.targets import FORCES, TARGETS, Target, with_force

ITERATIONS = 3
"""Transitions between the two looks at the moments."""
NUM_STEPS = 4
LARGEST_STEP_SIZE = 0.6
MIN_ACCEPTANCE = 0.02
"""The step size is made small enough for it: where nothing moves nothing is tested. It is low
because the wrong variants show best where the moves are long."""


class Case(NamedTuple):
    """A cell of the grid; the fields are keys of the tables that hold what they stand for."""

    coupling: str
    grouping: str
    strength: float
    force: str
    metric: str
    target: str


GROUPINGS = {
    "2": (2, 2),
    "4": (4, 4),
    "8": (8, 8),
    "5 as 3+2": (5, 4),
    "7 as 3+2+2": (7, 3),
}
"""Particles of a run, and the group size asked for."""

METRICS = {
    "diag": np.array([0.5, 1.0, 1.6]),
    "dense": np.array([[0.5, 0.3, -0.2], [0.3, 1.0, 0.1], [-0.2, 0.1, 1.6]]),
}


GRID = [
    Case(*cell)
    for cell in product(COUPLINGS, GROUPINGS, (0.0, 1.0, 10.0), FORCES, METRICS, TARGETS)
]

NUM_MOMENTS = 35
"""Moments compared in each case."""
FALSE_ALARM_RATE = 1e-3
"""Probability that a correct library fails anywhere in the grid, were its seeds drawn anew."""


def z_threshold(num_cases):
    """Bonferroni's threshold for |z|.

    A correct library then fails in any of the cases with a probability of at most
    `FALSE_ALARM_RATE`, were the seeds drawn anew.
    """
    return float(norm.isf(FALSE_ALARM_RATE / (NUM_MOMENTS * num_cases) / 2))


class Outcome(NamedTuple):
    """z of every moment, by name, and the share of proposals accepted."""

    z: dict[str, float]
    acceptance: float

    @property
    def worst(self) -> float:
        return max(abs(z) for z in self.z.values())


def assert_invariant(outcome: Outcome, threshold: float) -> None:
    """Nothing has changed that was looked at."""
    assert outcome.acceptance > MIN_ACCEPTANCE / 2, "nothing moved, so nothing was tested"
    assert outcome.worst < threshold, outcome


def assert_caught(outcome: Outcome, threshold: float) -> None:
    """`assert_invariant` fails, and not because nothing has moved."""
    with pytest.raises(AssertionError, match=r"Outcome\("):
        assert_invariant(outcome, threshold)


def marked(grid: list, is_quick: Callable) -> list:
    """(seed, case) of all cells of a grid; those that are not quick are `slow`."""
    return [
        pytest.param(
            seed,
            case,
            id="-".join(map(str, case)),
            marks=() if is_quick(case) else pytest.mark.slow,
        )
        for seed, case in enumerate(grid)
    ]


def place(values: Any, value: Any) -> int:
    """Number of a value among others, from 0."""
    return list(values).index(value)


def tile(groups: Groups, copies: int) -> Groups:
    """Lay `copies` runs, each partitioned as `groups`, side by side."""
    num_particles, num_groups = len(groups.group), len(groups.size)

    def shifted(values, shift):
        return (np.arange(copies)[:, None] * shift + values).reshape(-1)

    return Groups(
        members=shifted(groups.members, num_particles),
        present=np.tile(groups.present, (copies, 1)),
        size=np.tile(groups.size, copies),
        group=shifted(groups.group, num_groups),
        seat=shifted(groups.seat, len(groups.members)),
        seats=groups.seats,
    )


def make_runs(grouping: str, num_groups: int) -> Groups:
    """At least `num_groups` groups, in runs of the kind that `grouping` names."""
    run = make_groups(*GROUPINGS[grouping], like=np.zeros(1))
    return tile(run, -(-num_groups // len(run.size)))


def moments(target: Target, group: np.ndarray, position: np.ndarray) -> dict[str, np.ndarray]:
    """Sums over the members and over the pairs of members of each group, by name.

    The pairs show a coupling that ties the members of a group together. The first member also
    counts alone: what depends on the order of the members may cancel in the sums.
    """
    q = (position - target.mean) / np.sqrt(np.diag(target.covariance))
    # Any fixed shift will do; with this one the products have small variances.
    u = target.potential_and_gradient(position)[0] - target.mean_energy
    starts = np.flatnonzero(np.diff(group, prepend=-1))

    def total(values):
        return np.add.reduceat(values, starts)

    first_q, first_u, dim = q[starts], u[starts], target.dim
    q_total = [total(q[:, a]) for a in range(dim)]
    u_total = total(u)
    sums = {"U": u_total, "U^2": total(u**2), "U_i U_j": u_total**2 - total(u**2)}
    sums["U_1"] = first_u
    sums["U_1 U_j"] = first_u * (u_total - first_u)
    for a in range(dim):
        sums[f"q{a}"] = q_total[a]
        sums[f"q{a}^3"] = total(q[:, a] ** 3)
        sums[f"q{a}_1"] = first_q[:, a]
        sums[f"q{a}_1^2"] = first_q[:, a] ** 2
        sums[f"q{a}_1 U_j"] = first_q[:, a] * (u_total - first_u)
        sums[f"q{a}_i U_j"] = q_total[a] * u_total - total(q[:, a] * u)
        for b in range(a, dim):
            within = total(q[:, a] * q[:, b])
            sums[f"q{a} q{b}"] = within
            sums[f"q{a}_i q{b}_j"] = q_total[a] * q_total[b] - within
    return sums


def run(
    case: Case,
    num_groups: int,
    seed: int,
    *,
    coupling: Any = None,
    step: Callable = iterate,
    adjusted: bool = True,
) -> Outcome:
    """Carry out the check; `coupling` and `step` stand in for the real ones."""
    real = COUPLINGS[case.coupling]
    step_size = LARGEST_STEP_SIZE
    while _run(case, 1000, 0, step_size, real, iterate, True).acceptance < MIN_ACCEPTANCE:
        step_size *= 0.7
    return _run(case, num_groups, seed, step_size, coupling or real, step, adjusted)


def _run(case, num_groups, seed, step_size, coupling, step, adjusted) -> Outcome:
    rng = np.random.default_rng(seed)
    target = TARGETS[case.target]
    groups = make_runs(case.grouping, num_groups)
    plain = Plain(with_force(target, FORCES[case.force]))
    tuning = Tuning(step_size, NUM_STEPS, case.strength, make_metric(METRICS[case.metric]))

    start = target.sample(rng, len(groups.group))
    state = state_at(plain, start)
    accepted = []
    # Far out energies overflow, which is the algorithm's business, not a reason to warn.
    with np.errstate(all="ignore"):
        for _ in range(ITERATIONS):
            state, info = step(
                state,
                draw(rng, *start.shape),
                tuning,
                groups,
                coupling,
                plain,
                PYTHON,
                adjusted=adjusted,
            )
            accepted.append(np.mean(info.accepted))
    return compare(target, groups, start, state.position, float(np.mean(accepted)))


def follow(
    target: Target,
    grouping: str,
    make_tuning: Callable,
    seed: int,
    coupling: str = "alternate",
    *,
    force: Any = None,
    step: Callable = iterate,
    iterations: int = ITERATIONS,
    num_groups: int = 60_000,
) -> Outcome:
    """Move exact draws of `target` by the tunings, iteration by iteration.

    Parameters
    ----------
    make_tuning
        (iteration, draws, groups) -> Tuning.
    force
        A target of core, by default with the energy and the gradient of `target`.
    step
        Stands in for `iterate`.
    """
    force = Plain(target.potential_and_gradient) if force is None else force
    rng = np.random.default_rng(seed)
    groups = make_runs(grouping, num_groups)
    start = target.sample(rng, len(groups.group))
    state = state_at(force, start)
    accepted = []
    # Far out energies overflow, which is the algorithm's business, not a reason to warn.
    with np.errstate(all="ignore"):
        for iteration in range(iterations):
            draws = draw(rng, *start.shape)
            tuning = make_tuning(iteration, draws, groups)
            state, info = step(
                state,
                draws,
                tuning,
                groups,
                COUPLINGS[coupling],
                force,
                PYTHON,
                names=tuple(JUMPS),
            )
            accepted.append(np.mean(info.accepted))
    return compare(target, groups, start, state.position, float(np.min(accepted)))


def compare(
    target: Target, groups: Groups, start: np.ndarray, end: np.ndarray, acceptance: float
) -> Outcome:
    """z of the change of every moment."""
    before = moments(target, groups.group, start)
    after = moments(target, groups.group, end)
    assert len(before) == NUM_MOMENTS
    z = {}
    for name, old in before.items():
        change = after[name] - old
        z[name] = float(change.sum() / (np.sqrt(np.sum(change**2)) + np.finfo(float).tiny))
    return Outcome(z, acceptance)
