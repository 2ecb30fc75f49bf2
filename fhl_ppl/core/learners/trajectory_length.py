"""How far to integrate: T by the widest direction of the whitened posterior (section 7)."""

from dataclasses import dataclass
from math import inf
from typing import Any

from array_api_compat import device

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.homes import as_usual_mode, home_of
from fhl_ppl.core.learners import windows
from fhl_ppl.core.learners.learner import Given, Learnt, Seen, Steady, Window, homes_of
from fhl_ppl.core.moments import principal_scale, widest_in_halves
from fhl_ppl.core.moments.principal_scale import PrincipalScale
from fhl_ppl.core.moments.widest_in_halves import CheckedScale
from fhl_ppl.core.plan import Kind, Plan
from fhl_ppl.core.sequences import van_der_corput
from fhl_ppl.core.state import State

Array = Any

JITTER = 0.4
"""j: T is spread over (1 - j, 1 + j) times its value, against periodic orbits, and so that some are
short: those are accepted where the posterior is narrow. With 1.6 and 0.25 half of six runs of
radon_mn had an R-hat above 1.05, with 1.4 and 0.5 none; nes2000 pays 8%. 0.4 is between them."""
EARLY_STEPS = 4
"""Cap on L in the first iteration of warm-up."""
EARLY_GROWTH = 0.05
"""Steps by which the cap grows in each iteration of warm-up. Where a metric is stale a trajectory
reaches the cap, and few steps teach the next metric as much as many."""
SEARCHING_LENGTH = 0.6
"""Factor on T until the last window ends: what the windows are for, moments, needs more points
rather than points far apart."""


@dataclass(frozen=True)
class TrajectoryLength(Steady):
    """Follows the widest direction; T is a multiple of the standard deviation there.

    Attributes
    ----------
    given
        T, where it is not to be learnt.
    num_steps
        L, where that is given.
    max_num_steps
        Cap on L where it is not given.
    stages
        What L has to be a multiple of, unless it is 1.
    num_warmup
        Iterations of the warm-up, in which the cap is lower at first.
    kinds
        Kinds of trajectories to choose from, each with a cap of its own. Empty: there is one.
    in_halves
        Whether halves of the particles check each other, as is needed in many dimensions.
    search_ends
        The iteration with which the last window ends.
    """

    given: float | None
    num_steps: int | None
    max_num_steps: int
    stages: int
    num_warmup: int
    kinds: tuple[Kind, ...]
    in_halves: bool
    search_ends: int

    @classmethod
    def of(cls, plan: Plan) -> "TrajectoryLength":
        """Take from the plan what concerns T and L."""
        return cls(
            plan.trajectory_length,
            plan.num_steps,
            plan.max_num_steps,
            plan.splitting.stages,
            plan.num_warmup,
            plan.kinds,
            plan.low_rank,
            windows.search_ends(plan.window_ends),
        )

    @property
    def _scales(self) -> Any:
        """What follows the direction: a module with `restart`, `update` and `sigma_max`."""
        return widest_in_halves if self.in_halves else principal_scale

    def start(self, state: State, given: Given) -> PrincipalScale | CheckedScale:
        """Begin with unit scale."""
        return self._scales.restart(state.position, given.metric)

    def observe(
        self, own: PrincipalScale | CheckedScale, seen: Seen, learnt: Learnt
    ) -> PrincipalScale | CheckedScale:
        """Take one step of the power iteration."""
        # A metric of low rank needs the direction for the fitted Gaussian too.
        if not self.in_halves and (self.num_steps is not None or self.given is not None):
            return own
        return self._scales.update(own, seen.within.position, learnt["metric"])

    def renew(
        self, own: PrincipalScale | CheckedScale, window: Window, before: Learnt, renewed: Learnt
    ) -> PrincipalScale | CheckedScale:
        """Start anew in the whitened space of the new metric."""
        homes, state = homes_of(renewed), window.gathered
        if homes is not None:
            home = home_of(homes, state.position, window.control)
            state = as_usual_mode(homes, home, state, window.control)
        return self._scales.restart(state.position, renewed["metric"])

    def length(self, own: PrincipalScale | CheckedScale) -> Array:
        """T before the jitter, a scalar."""
        scale = self._scales.sigma_max(own)
        if self.given is None:
            return self._scales.LENGTH_FACTOR * scale
        return array_namespace(scale).full_like(scale, self.given)

    def steps(
        self,
        own: PrincipalScale | CheckedScale,
        step_size: Array,
        kind: Array | None,
        iteration: Array,
        most: Array | float = inf,
    ) -> tuple[Array, Array]:
        """eta and L for iteration number `iteration`.

        Parameters
        ----------
        own
            What is known of the widest direction.
        step_size
            The longest eta, a scalar, or one for each kind.
        kind
            Which kind of trajectory it is, one-hot [..., kind], if there are several.
        iteration
            A scalar; or an array, for several iterations of one tuning.
        most
            A further bound on L, where that is not given.

        Returns
        -------
        Scalars; arrays if `iteration` is one. Steps a little shorter than they may be reach T with
        a whole number of them.
        """
        xp = array_namespace(step_size)
        if self.num_steps is not None:
            return step_size, xp.full_like(step_size, self.num_steps)
        cap: Any = self.max_num_steps
        if kind is not None:
            caps = of_kinds(self.kinds, "max_num_steps", step_size)
            step_size = xp.sum(xp.where(kind, step_size, 0 * step_size), axis=-1)
            cap = xp.sum(xp.where(kind, caps, 0 * caps), axis=-1)
        length = self.length(own)
        if self.given is None:
            length = jittered(length, iteration)
            if not self.kinds:
                searching = iteration < xp.full_like(length, self.search_ends)
                length = xp.where(searching, SEARCHING_LENGTH * length, length)
        cap = steps_cap(iteration, self.num_warmup, cap, step_size)
        cap = xp.minimum(cap, xp.zeros_like(cap) + most)
        num_steps = steps_for(length, step_size, cap, self.stages)
        return xp.minimum(step_size, length / num_steps), num_steps

    def longest(self, own: PrincipalScale | CheckedScale) -> Array:
        """The longest T that an iteration may have."""
        return longest(self.length(own))


def of_kinds(kinds: tuple[Kind, ...], name: str, like: Array) -> Array:
    """One field of all kinds, shape [kind]."""
    values = [getattr(kind, name) for kind in kinds]
    return array_namespace(like).asarray(values, dtype=like.dtype, device=device(like))


def jittered(length: Array, iteration: Array) -> Array:
    """(1 - j + 2 j h) T for the iteration at hand."""
    return (1 - JITTER + 2 * JITTER * van_der_corput(iteration, length)) * length


def steps_for(length: Array, step_size: Array, cap: Array, stages: int = 1) -> Array:
    """L = ceil(T / eta), at least 1 and at most `cap`, as a floating-point scalar.

    Above 1 it is rounded up to a multiple of `stages`, and the cap down.
    """
    xp = array_namespace(length)
    steps = xp.ceil(length / step_size)
    cap = stages * xp.floor(cap / stages)
    if stages > 1:
        steps = xp.where(steps > 1, stages * xp.ceil(steps / stages), steps)
    return xp.maximum(xp.minimum(steps, cap), xp.ones_like(steps))


def longest(length: Array) -> Array:
    """The longest T that `jittered` makes of a `length`."""
    return (1 + JITTER) * length


def share_beyond(bound: Array, length: Array) -> Array:
    """Share of the T that `jittered` makes of a `length` which are longer than `bound`."""
    xp = array_namespace(length)
    return xp.clip((longest(length) - bound) / (2 * JITTER * length), 0.0, 1.0)


def steps_cap(iteration: Array, num_warmup: int, max_num_steps: int, like: Array) -> Array:
    """Most steps allowed in an iteration: few while the metric is young.

    A long trajectory in a poor metric is dear and teaches little more than a short one; measured,
    nine tenths of all gradients went into the first sixty iterations without this cap.
    """
    xp = array_namespace(like)
    young = xp.zeros_like(like) + EARLY_STEPS + EARLY_GROWTH * iteration
    cap = xp.where(iteration < xp.full_like(like, num_warmup), young, xp.full_like(like, xp.inf))
    return xp.minimum(cap, xp.zeros_like(like) + max_num_steps)
