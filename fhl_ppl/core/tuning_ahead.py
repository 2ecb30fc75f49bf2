"""Tunings of the sampling phase, worked out for many iterations at a time (section 7).

They depend on chance and the number of the iteration alone; of one iteration of few particles
they would take a good part of the time, and on a device the host would wait for each.
"""

from typing import Any

import numpy as np
from array_api_compat import device

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.groups import Groups, first_of_group
from fhl_ppl.core.iteration import Tuning
from fhl_ppl.core.learners.learner import Learnt, homes_of
from fhl_ppl.core.learners.pull import choose as choose_pull
from fhl_ppl.core.learners.pull import strength_for
from fhl_ppl.core.moves.choice import (
    Choice,
    choose,
    choose_far,
    jumps_at,
    log_tilt,
    turn_at,
)
from fhl_ppl.core.sampler import Sampler
from fhl_ppl.core.tuning import tune_kind, tune_steps

Array = Any


def tune_ahead(
    sampler: Sampler,
    learnt: Learnt,
    on_host: Learnt,
    groups: Groups,
    iterations: np.ndarray,
    uniform: Array,
) -> list[Tuning]:
    """Settle iterations after the warm-up, as `tuning.tune` does one by one.

    Parameters
    ----------
    sampler, groups
        What is fixed.
    learnt, on_host
        What warm-up left, and the same in NumPy: what the host has to know, how many steps to take
        and of which kind, is settled there.
    iterations
        Their numbers, shape [iteration].
    uniform
        `Draws.strength` of each, shape [iteration, particle].

    Returns
    -------
    Tunings with numbers of the host, for a `Control` of plain Python. Jumps are not measured along
    any direction.
    """
    kind = tune_kind(sampler, on_host, iterations)
    columns = tune_steps(sampler, on_host, iterations, kind)
    step_size, num_steps = (np.full(len(iterations), column) for column in columns)
    strengths = _strengths(sampler, learnt, on_host, groups, step_size, num_steps, uniform)
    choices = _choices(sampler, learnt, on_host, iterations, uniform)
    metric = learnt["metric"]
    fits_reference = sampler.learners["reference"].estimate_centre is not None
    reference = learnt["reference"].reference if fits_reference else None
    homes = homes_of(learnt)
    return [
        Tuning(
            eta,
            int(count),
            strength,
            metric,
            reference,
            splitting=sampler.splitting,
            homes=homes,
        )
        if choice is None
        else Tuning(eta, 1, None, metric, jump=choice, homes=homes)
        for eta, count, strength, choice in zip(
            step_size.tolist(), num_steps.tolist(), strengths, choices, strict=True
        )
    ]


def unless_zero(values: Array) -> Array | None:
    """Return values on the host if any differs from 0; others without a look, which would wait."""
    return values if not isinstance(values, np.ndarray) or values.any() else None


def _strengths(
    sampler: Sampler,
    learnt: Learnt,
    on_host: Learnt,
    groups: Groups,
    step_size: np.ndarray,
    num_steps: np.ndarray,
    uniform: Array,
) -> list[Array | None]:
    """lambda, [particle], of every iteration; None if it is known to be 0 for all."""
    xp = array_namespace(uniform)
    given, mixture = sampler.learners["pull"].given, on_host["pull"]
    if given == 0 or (given is None and not (mixture.weight[mixture.kappa > 0] > 0).any()):
        return [None] * uniform.shape[0]
    if given is not None:
        return [xp.full_like(uniform[0, :], given)] * uniform.shape[0]
    seen = xp.matrix_transpose(first_of_group(groups, xp.matrix_transpose(uniform)))

    def of_each(column: np.ndarray) -> Array:
        value = xp.asarray(column, dtype=uniform.dtype, device=device(uniform))
        return xp.reshape(value[:, None] + xp.zeros_like(uniform), (-1,))

    values = strength_for(
        learnt["pull"],
        choose_pull(learnt["pull"], xp.reshape(seen, (-1,))),
        of_each(step_size),
        of_each(num_steps),
    )
    rows = xp.reshape(values, uniform.shape)
    return [unless_zero(rows[k, :]) for k in range(uniform.shape[0])]


def _choices(
    sampler: Sampler, learnt: Learnt, on_host: Learnt, iterations: np.ndarray, uniform: Array
) -> list[Choice | None]:
    """What settles the jumps, of every iteration; None in those of trajectories."""
    happens = jumps_at(on_host["move_shares"].kinds, iterations)
    if not sampler.jumps or not happens.any():
        return [None] * len(iterations)
    xp, names, jumps = array_namespace(uniform), sampler.jumps, learnt["move_shares"].jumps
    flat = xp.reshape(uniform, (-1,))
    near = xp.reshape(choose(jumps, flat), (*uniform.shape, -1))
    far = xp.reshape(choose_far(names, jumps, flat), (*uniform.shape, -1))
    tilt = log_tilt(names, jumps)
    turn = turn_at(on_host["move_shares"].jumps, iterations).tolist()
    return [
        Choice(
            1,
            near[k, :, :],
            far[k, :, :],
            tilt,
            turn[k],
            learnt["fitted_gaussian"],
            homes_of(learnt),
        )
        if happens[k]
        else None
        for k in range(len(iterations))
    ]
