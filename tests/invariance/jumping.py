"""Iterations with jumps, made from what is wrong on purpose, and moves that are broken."""

from importlib import import_module
from importlib.util import find_spec

import numpy as np

from fhl_ppl.core.homes import make_homes
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.mixture import UNUSED, Mixture
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.moves.choice import Choice, choose_jumps
from fhl_ppl.core.moves.move import FittedGaussian
from fhl_ppl.core.trajectory.reference import Reference
from tests.invariance.exact_draws import METRICS, MIN_ACCEPTANCE

NAMES = tuple(JUMPS)
OFF = np.array([0.6, -0.5, 0.4])
"""From the mean to what is taken for it."""
LARGEST_STEP_SIZE = 0.6
TRAJECTORY_SHARE = 0.4
"""Iterations 1, 3 and 4 are then of jumps, 2 and 5 of trajectories."""


def make_reference(target):
    """Off in its centre, in its covariance (by the metric) and in its strength."""
    return Reference(target.mean - OFF, np.asarray(0.8))


def make_fitted(target, metric):
    """Off in its centre and in its covariance."""
    covariance = METRICS[metric] * 1.3
    return FittedGaussian(target.mean + OFF, make_metric(covariance), np.eye(3)[0], np.asarray(1.0))


def make_modes(mean, spread):
    """Two modes of a target that has one, and a third that is not in use; all are off."""
    root = np.linalg.cholesky([1.5 * spread, np.diag([2.0, 0.7, 1.5]), np.eye(3)])
    centre = np.stack([mean + OFF, mean - 1.5 * OFF, 0 * OFF])
    log_weight = np.array([np.log(0.65), np.log(0.35), UNUSED])
    mixture = Mixture(log_weight, centre, root, np.linalg.inv(root), np.log(np.linalg.det(root)))
    return make_homes(mixture, np.stack([centre, 0 * centre]), spread, log_weight > UNUSED)


def only(name, num_particles, turn, fitted, homes=None):
    """Everybody makes the same jump: its share of them is 1."""
    chosen = np.zeros((num_particles, len(NAMES)), dtype=bool)
    chosen[:, NAMES.index(name)] = True
    return Choice(1, chosen, chosen, np.zeros(len(NAMES)), turn, fitted, homes=homes)


def mixed(fitted, iteration, draws, homes):
    """All jumps, in equal shares, and trajectories, as after warm-up."""
    jumps = np.full(len(NAMES), (1 - TRAJECTORY_SHARE) / len(NAMES))
    kinds = np.array([TRAJECTORY_SHARE])
    number = np.asarray(iteration + 1)
    return choose_jumps(NAMES, kinds, jumps, fitted, number, draws.strength, homes)


def with_jumps(tuning, choice):
    """A trajectory's tuning, or that of jumps where the choice is for them."""
    num_steps = 1 if choice.happens else tuning.num_steps
    return tuning._replace(jump=choice, num_steps=num_steps, homes=choice.homes)


def with_step_size(go):
    """`go` with the largest step size of those at which something moves."""
    step_size = LARGEST_STEP_SIZE
    while go(step_size, 0, num_groups=500).acceptance < MIN_ACCEPTANCE:
        step_size *= 0.7
    return step_size


def mutants(name):
    """The broken twins of a move, by what is wrong with them; none if there are none.

    They stand in the file of `tests.invariance.mutants` that is called as that of the move, as
    functions that `broken.Broken` takes. Each has to be caught where it jumps from exact draws.
    """
    module = f"tests.invariance.mutants.{name.replace(' ', '_')}"
    return import_module(module).MUTANTS if find_spec(module) else {}
