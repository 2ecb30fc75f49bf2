"""Iterations in which everybody makes the same jump."""

import numpy as np

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.iteration import Tuning, iterate
from fhl_ppl.core.metrics import draw_momentum, velocity
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.moves.move import FittedGaussian
from fhl_ppl.core.state import State
from fhl_ppl.core.target import Plain
from tests.invariance.exact_draws import METRICS
from tests.invariance.jumping import NAMES, make_modes, only

CENTRE = np.array([0.4, -1.1, 2.0])
TURN = 0.35
UNIT = make_metric(np.ones(3))


def make_choice(name, num_particles, turn=TURN, metric="dense", centre=CENTRE):
    """Every particle makes the jump `name`."""
    fitted = FittedGaussian(centre, make_metric(METRICS[metric]), np.eye(3)[0], np.asarray(2.0))
    homes = make_modes(centre, covariance_of(METRICS[metric]))
    return only(name, num_particles, np.asarray(turn), fitted, homes)


def go(state, draws, choice, group_size, evaluate, direction=None, names=NAMES):
    """One iteration of jumps, those called `names` being on offer."""
    groups = make_groups(len(state.position), group_size, like=state.position)
    tuning = Tuning(0.1, 1, None, UNIT, direction=direction, jump=choice)
    with np.errstate(all="ignore"):
        return iterate(
            state,
            draws,
            tuning,
            groups,
            COUPLINGS["alternate"],
            Plain(evaluate),
            PYTHON,
            names=names,
        )


def propose(name, position, draws, group_size=4, **settings):
    """Where the jump leads to, were everything accepted."""
    state = State(position, (position**2).sum(axis=1) / 2, position)
    choice = make_choice(name, len(position), **settings)
    seen = []

    def watched(q):
        seen.append(q)
        return np.zeros(len(q)), q

    go(state, draws, choice, group_size, watched)
    (proposal,) = seen
    return proposal


def normal(metric, noise):
    """Draws of N(0, M^-1) from standard normal `noise`."""
    return velocity(metric, draw_momentum(metric, noise))


def covariance_of(metric):
    return metric if metric.ndim == 2 else np.diag(metric)
