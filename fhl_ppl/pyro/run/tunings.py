"""The tunings of the sampling phase, worked out for many iterations at a time.

They depend on chance and the number of the iteration alone; of one iteration of few particles
they would take a good part of the time.
"""

from typing import Any

import numpy as np
from array_api_compat import device
from torch import Tensor

from fhl_ppl.core.adaptation import moves, strength
from fhl_ppl.core.adaptation.plan import Adaptation, Plan
from fhl_ppl.core.adaptation.tuning import tune_steps
from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.groups import Groups, first_of_group
from fhl_ppl.core.jump import JumpTuning
from fhl_ppl.core.transition import Tuning
from fhl_ppl.pyro.run.arrays import TensorArrays, on_host
from fhl_ppl.pyro.run.randomness import Randomness

Array = Any


class Tunings:
    """Hands out the tuning of every iteration.

    What the host has to know, how many steps to take and of which kind, is settled on the host, so
    that it need not wait for a device.

    Parameters
    ----------
    plan : Plan
    adaptation : Adaptation
        As the warm-up left it.
    groups : Groups
    arrays : TensorArrays
        What `adaptation` and `groups` consist of.
    """

    def __init__(
        self,
        plan: Plan,
        adaptation: Adaptation,
        groups: Groups,
        arrays: TensorArrays,
    ) -> None:
        self._plan = plan
        self._adaptation = adaptation
        self._groups = groups
        self._arrays = arrays
        self._on_host = adaptation._replace(
            step=on_host(adaptation.step),
            scale=on_host(adaptation.scale),
            moves=on_host(adaptation.moves),
            mixture=on_host(adaptation.mixture),
        )
        self._block: Any = None
        self._tunings: list[Tuning] = []

    def of(self, iteration: int, draw: Randomness) -> Tuning:
        """Return the tuning of iteration number `iteration`, which `draw` was called for last."""
        if self._block is not draw.block:
            self._block = draw.block
            self._tunings = self._work_out(iteration - draw.used + 1, draw.block.strength)
        return self._tunings[draw.used - 1]

    def _work_out(self, first: int, uniform: Tensor) -> list[Tuning]:
        """Return the tunings from iteration number `first` on; `uniform` is [iteration, particle].

        Those of the warm-up, whose draws may be of the same block, are not asked for.
        """
        iterations = np.maximum(0, first + np.arange(len(uniform)))
        columns = tune_steps(self._plan, self._on_host, iterations)
        step_size, num_steps = (np.full(len(iterations), column) for column in columns)
        seen = first_of_group(self._groups, self._arrays.array(uniform.T.contiguous()))
        seen = array_namespace(seen).matrix_transpose(seen)
        pulls = self._pulls(seen, step_size, num_steps)
        jumps = self._jumps(self._arrays.array(uniform), iterations)
        metric = self._adaptation.metric
        fitted = self._plan.estimate_centre is not None
        reference = self._adaptation.reference if fitted else None
        return [
            Tuning(eta, int(count), pull, metric, reference, splitting=self._plan.splitting)
            if jump is None
            else Tuning(eta, 1, None, metric, jump=jump)
            for eta, count, pull, jump in zip(
                step_size.tolist(), num_steps.tolist(), pulls, jumps, strict=True
            )
        ]

    def _pulls(
        self, uniform: Array, step_size: np.ndarray, num_steps: np.ndarray
    ) -> list[Array | None]:
        """Return lambda, [particle], of every iteration; None if it is known to be 0 for all."""
        fixed, mixture = self._plan.pulling_strength, self._on_host.mixture
        if fixed == 0 or (fixed is None and not (mixture.weight[mixture.kappa > 0] > 0).any()):
            return [None] * len(uniform)
        xp = array_namespace(uniform)
        if fixed is not None:
            return [xp.full_like(uniform[0, :], fixed)] * len(uniform)

        def of_each(column: np.ndarray) -> Array:
            value = xp.asarray(column, dtype=uniform.dtype, device=device(uniform))
            return xp.reshape(value[:, None] + xp.zeros_like(uniform), (-1,))

        values = strength.strength_for(
            self._adaptation.mixture,
            strength.choose(self._adaptation.mixture, xp.reshape(uniform, (-1,))),
            of_each(step_size),
            of_each(num_steps),
        )
        return [unless_zero(row) for row in xp.reshape(values, uniform.shape)]

    def _jumps(self, uniform: Array, iterations: np.ndarray) -> list[JumpTuning | None]:
        """Return what settles the jumps, of every iteration; None in those of trajectories."""
        weights = self._on_host.moves
        happens = moves.jumps_at(weights, iterations)
        if not happens.any():
            return [None] * len(uniform)
        xp, learnt = array_namespace(uniform), self._adaptation
        flat = xp.reshape(uniform, (-1,))
        near, far = (
            xp.reshape(choose(learnt.moves, flat), (*uniform.shape, -1))
            for choose in (moves.choose, moves.choose_far)
        )
        log_tilt = moves.log_tilt(learnt.moves)
        turn = moves.turn_at(weights, iterations).tolist()
        return [
            JumpTuning(1, near[k, :, :], far[k, :, :], log_tilt, turn[k], learnt.pool)
            if happens[k]
            else None
            for k in range(len(iterations))
        ]


def unless_zero(values: Array) -> Array | None:
    """Return values on the host if any differs from 0; others without a look, which would wait."""
    return values if not isinstance(values, np.ndarray) or values.any() else None
