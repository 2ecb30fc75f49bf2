"""One iteration of jumps: one energy a particle, no trajectory (section 8).

As in the alternate coupling a random half of each group are scouts. Followers jump by what the
scouts are where they were before the iteration; scouts turn about the centre of the fitted
Gaussian, which depends on nobody. So every particle has its own test, and it is exact.
"""

from collections.abc import Callable
from math import pi, sqrt
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.couplings.alternate import choose_scouts
from fhl_ppl.core.groups import Groups, group_sum, spread
from fhl_ppl.core.jumps import JUMPS
from fhl_ppl.core.jumps.approach import approach, is_far
from fhl_ppl.core.jumps.difference import partner_difference
from fhl_ppl.core.jumps.rotation import rotate
from fhl_ppl.core.leader import Leader, find_leader
from fhl_ppl.core.metric import AnyMetric
from fhl_ppl.core.metropolis import is_finite, settle
from fhl_ppl.core.random_force import RandomForce
from fhl_ppl.core.state import Draws, Info, State

Array = Any


class Pool(NamedTuple):
    """The Gaussian fitted to the positions that all particles were seen at, frozen in sampling.

    Attributes
    ----------
    centre
        Shape [dim].
    metric
        M^-1 is the covariance, a little widened.
    direction
        Where the positions are widest in the whitened space of the trajectories' metric, a unit
        vector [dim]: there the jumps are needed most.
    variance
        Their variance along it.
    """

    centre: Array
    metric: AnyMetric
    direction: Array
    variance: Array


class JumpTuning(NamedTuple):
    """What settles a jump; none of it may depend on the current state.

    Attributes
    ----------
    happens
        1 in an iteration of jumps, 0 in one of trajectories.
    chosen
        One-hot in the order of `JUMPS`, shape [particle, jump].
    chosen_far
        The same for followers far above their leader (`jumps.approach.is_far`).
    log_tilt
        log of the probability of each jump far above the leader, over that near it, shape [jump].
    turn
        In [0, 1): how far to rotate, a scalar.
    pool
        What to turn about.
    """

    happens: Array
    chosen: Array
    chosen_far: Array
    log_tilt: Array
    turn: Array
    pool: Pool


def jump(
    state: State,
    draws: Draws,
    tuning: JumpTuning,
    groups: Groups,
    potential_and_gradient: Callable[[Array], tuple[Array, Array]] | RandomForce,
    metric: AnyMetric,
    direction: Array | None,
) -> tuple[State, Info]:
    """Let every particle jump once. Leaves the product of p(q) over the particles invariant.

    Parameters and results as those of `transition`; `metric` and `direction` measure the jumps.
    """
    xp = array_namespace(state.position)
    dim = state.position.shape[1]
    pool, position = tuning.pool, state.position
    is_scout = choose_scouts(groups, draws.role)
    leader = find_leader(groups, position, state.potential_energy, is_scout)

    def far_above(energy):
        return ~is_scout & is_far(energy, leader.potential_energy, dim)

    began_far = far_above(state.potential_energy)
    chosen = xp.where(began_far[:, None], tuning.chosen_far, tuning.chosen)

    def follows(name):
        return chosen[:, JUMPS.index(name)] & ~is_scout

    about_mean = follows("mean rotation")
    mean = _weighted_mean(groups, state, leader, is_scout)
    centre = xp.where(about_mean[:, None], mean, pool.centre)
    # About partners, where no Gaussian is centred, half turns pay: they lead to the other side.
    right = xp.full_like(state.potential_energy, pi / 2)
    angle = xp.where(about_mean, 2 * right, right) * tuning.turn
    renewed = chosen[:, JUMPS.index("renewal")]
    angle = xp.where(renewed, right, angle)
    proposal, correction = rotate(pool.metric, centre, angle, position, draws.noise)

    shifted, leaping = follows("difference"), follows("leap")
    # 2.38 / sqrt(2 d) of a difference is the best random walk on a Gaussian (ter Braak 2006).
    gamma = xp.where(leaping, xp.ones_like(correction), 2.38 / sqrt(2 * dim))
    # One sign for all would tie the followers together: given it, no follower's jump is symmetric.
    gamma = gamma * xp.sign(draws.noise[:, 0])
    apart = partner_difference(groups, is_scout, draws.role, position)
    shifted = shifted | leaping
    proposal = xp.where(shifted[:, None], position + gamma[:, None] * apart, proposal)
    correction = xp.where(shifted, xp.zeros_like(correction), correction)

    approaching = follows("approach")
    closer, shrinkage = approach(leader.position, position, draws.noise[:, 0])
    proposal = xp.where(approaching[:, None], closer, proposal)
    correction = xp.where(approaching, shrinkage, correction)

    end = State(proposal, *potential_and_gradient(proposal))
    log_ratio = state.potential_energy - end.potential_energy + correction
    finite = is_finite(*end, log_ratio)
    # Far above the leader other jumps are chosen than near it, also for the way back.
    tilt = xp.sum(xp.where(chosen, tuning.log_tilt, 0 * correction[:, None]), axis=1)
    ends_far = far_above(end.potential_energy)
    tilted = xp.where(began_far, log_ratio - tilt, log_ratio + tilt)
    log_ratio = xp.where(began_far == ends_far, log_ratio, tilted)
    log_ratio = xp.where(finite, log_ratio, -xp.inf)
    moved, verdict = settle(state, end, log_ratio, draws.accept, metric, direction)
    # That of a momentum W' xi, whatever the metric.
    kinetic = xp.vecdot(draws.noise, draws.noise) / 2
    nothing = xp.zeros_like(kinetic)
    info = Info(
        accept_prob=verdict.accept_prob,
        accepted=verdict.accepted,
        # A jump into the void tells nothing about an integrator; a potential that fails does.
        diverging=~finite,
        is_lost=~finite,
        energy=moved.potential_energy + kinetic,
        is_leader=leader.is_leader,
        is_pulled=nothing > 0,
        pulling_strength=nothing,
        is_free=nothing > 0,
        squared_jump=verdict.squared_jump,
        principal_jump=verdict.principal_jump,
        num_steps=xp.ones_like(nothing[0]),
        move=_move(chosen, is_scout & ~renewed),
    )
    return moved, info


def _move(chosen: Array, turns: Array) -> Array:
    """Number of the jump in `JUMPS`, counted from 1, shape [particle].

    Scouts only turn about the centre, whatever their followers do (`turns`).
    """
    xp = array_namespace(chosen)
    number = 1 + xp.argmax(xp.astype(chosen, xp.int8), axis=1)
    number = xp.where(turns, xp.full_like(number, 1 + JUMPS.index("rotation")), number)
    return xp.astype(number, xp.int8)


def _weighted_mean(groups: Groups, state: State, leader: Leader, is_scout: Array) -> Array:
    """sum_j w_j q_j over the scouts with w_j ~ exp(-U_j), shape [particle, dim]."""
    xp = array_namespace(state.position)
    weight = xp.exp(leader.potential_energy - state.potential_energy)
    weight = xp.where(is_scout, weight, xp.zeros_like(weight))
    total = group_sum(groups, weight)
    summed = group_sum(groups, weight[:, None] * state.position)
    return spread(groups, summed / total[:, None])
