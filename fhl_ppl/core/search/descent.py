"""Descents to minima of the energy, side by side: BFGS with steps that are halved (section 10).

Nocedal and Wright (2006), chapter 6. What it knows of the second derivatives at its end makes the
Gaussian that a search for starts compares minima by.
"""

from math import inf
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, eye
from fhl_ppl.core.control import Control
from fhl_ppl.core.stacked import stack
from fhl_ppl.core.state import State
from fhl_ppl.core.target import Target, state_at

Array = Any

ENOUGH = 0.2
"""One that lately fell by less, and expects to fall by less, is near: energies of draws go up and
down by more. If no step gains anything more it has arrived."""
SURE = 1e-4
"""One that is near and expects to fall by less looks beyond. Had it only to be near, what is amiss
along one axis would hide a tail along another: of 3931 descents on an eggbox, whose edges are in
such tails, 40 ended in one without SURE and BEYOND, at 16.4 evaluations each, and none with them,
at 17.6."""
BEYOND = 2.0
"""So many standard deviations, as far as these are known: where it is lower there, one goes on. A
tail exp(-|x|), on which BFGS knows of no width, promises as little as a minimum does, but around
that it is higher by 2."""
LATELY = 64.0
"""Of what was gained half is forgotten at each step. That it lately fell is taken for granted at
the start, by so many times ENOUGH: seven steps have to be tried."""
SUFFICIENT = 1e-4
"""Share of what its slope promises that a step has to gain."""
CURVED = 1e-6
"""Cosine of a step and the change of the gradient from which on it tells the curvature."""
PATIENCE = 10
"""Steps in a row that gain nothing, each at most half of the one before, after which one stops."""


class Descent(NamedTuple):
    """Where descents have come to.

    Attributes
    ----------
    state
        The lowest places.
    inverse_hessian
        What is known of it there, shape [place, dim, dim].
    has_arrived
        Whether that is a minimum, as far as is known, shape [place].
    evaluations
        Of energy and gradient, of each, shape [place].
    begun
        Energies where they began, shape [place].
    """

    state: State
    inverse_hessian: Array
    has_arrived: Array
    evaluations: Array
    begun: Array


class _Path(NamedTuple):
    """A descent on its way; `step` is the length of the next step, 1 for all that BFGS asks.

    Who `is_sure` to have arrived looks beyond with that step.
    """

    found: Descent
    step: Array
    is_sure: Array
    lately: Array
    is_scaled: Array
    failures: Array


def descend(
    target: Target, position: Array, is_asked: Array, most: int, control: Control
) -> Descent:
    """Descend from the places, [place, dim], that are asked for, [place].

    With `most` evaluations of each at the most, and half of them where none has arrived by then, as
    in a funnel, whose neck is far.
    """
    xp = array_namespace(position)
    none = 0 * position[:, 0]
    # No place has been evaluated yet: the first step is one of length 0, and is always taken.
    nowhere = State(position, none + inf, 0 * position)
    identities = stack([eye(position)] * position.shape[0])
    found = Descent(nowhere, identities, none > 0, none, none + inf)
    failures = xp.where(is_asked, none, none + PATIENCE)
    begun = _Path(found, none + 1, none > 0, none + LATELY * ENOUGH, none > 0, failures)

    def advance(number: Any, path: _Path) -> _Path:
        pays = (number < most // 2) | xp.any(path.found.has_arrived)
        goes_on = pays & xp.any(_goes_on(path))
        return control.cond(goes_on, lambda path: _step(target, path), _same, path)

    return control.fori_loop(0, most, advance, begun).found


def _step(target: Target, path: _Path) -> _Path:
    found, step, is_sure, lately, is_scaled, failures = path
    state, inverse_hessian, has_arrived, evaluations, begun = found
    position, energy, gradient = state
    xp = array_namespace(position)
    goes_on, is_first = _goes_on(path), ~xp.isfinite(energy)
    downhill = -_times(inverse_hessian, gradient)
    slope = step * xp.sum(downhill * gradient, axis=1)
    there = state_at(target, position + step[:, None] * downhill)
    new = there.potential_energy
    sound = xp.isfinite(new) & xp.all(xp.isfinite(there.gradient), axis=1)
    taken = goes_on & sound & (new <= energy + SUFFICIENT * slope)
    # From the minimum itself no way leads downhill.
    taken = taken & ~(is_sure & (new >= energy))
    gained = xp.where(is_first, 0 * lately, energy - new)

    def at_first(inverse_hessian: Array) -> Array:
        # A step of unit length at most.
        steep = xp.sqrt(xp.sum(there.gradient**2, axis=1))
        return inverse_hessian / xp.where(steep > 1, steep, 1 + 0 * steep)[:, None, None]

    moved, change = there.position - position, there.gradient - gradient
    curvature, size = xp.sum(moved * change, axis=1), xp.sum(change**2, axis=1)
    length = xp.sum(moved**2, axis=1)
    # Of steps on the spot squares have no digits left.
    limits = xp.finfo(size.dtype)
    least = limits.smallest_normal / limits.eps
    curved = taken & ~is_first & (size > least) & (length > least)
    curved = curved & (curvature > CURVED * xp.sqrt(size) * xp.sqrt(length))
    scaled = eye(position) * (curvature / size)[:, None, None]
    before = xp.where((curved & ~is_scaled)[:, None, None], scaled, inverse_hessian)
    before = xp.where((taken & is_first)[:, None, None], at_first(inverse_hessian), before)
    after = _updated(before, moved, change, curvature)
    inverse_hessian = xp.where(curved[:, None, None], after, before)
    state = State(
        *(
            xp.where(taken if old.ndim == 1 else taken[:, None], new, old)
            for new, old in zip(there, state, strict=True)
        )
    )
    lately = lately / 2 + xp.where(taken, gained, 0 * lately)
    is_scaled = is_scaled | curved
    expected = xp.sum(state.gradient * _times(inverse_hessian, state.gradient), axis=1) / 2
    failures = xp.where(taken, 0 * failures, failures + 1)
    is_near = goes_on & is_scaled & (lately < ENOUGH) & (expected < ENOUGH)
    arrives = is_near & ~taken & (is_sure | (failures >= PATIENCE))
    is_sure = is_near & (expected < SURE) & ~arrives
    # In standard deviations a step of length 1 is as long as the root of what it expects twice.
    beyond = BEYOND / xp.sqrt(2 * xp.where(expected > least, expected, least + 0 * expected))
    # Where the parabola through what is known has its minimum.
    shorter = -slope / (2 * (new - energy - slope))
    shorter = xp.where(sound & (shorter > 0.1), shorter, 0.1 + 0 * shorter)
    shorter = xp.where(shorter < 0.5, shorter, 0.5 + 0 * shorter)
    following = xp.where(taken, 1 + 0 * step, step * shorter)
    return _Path(
        Descent(
            state,
            inverse_hessian,
            has_arrived | arrives,
            evaluations + xp.astype(goes_on, evaluations.dtype),
            xp.where(is_first & goes_on, new, begun),
        ),
        xp.where(is_sure, beyond, following),
        is_sure,
        lately,
        is_scaled,
        failures,
    )


def _goes_on(path: _Path) -> Array:
    return ~path.found.has_arrived & (path.failures < PATIENCE)


def _updated(inverse_hessian: Array, moved: Array, change: Array, curvature: Array) -> Array:
    """BFGS: the nearest that takes `change` of the gradient to `moved`."""
    taken_to = _times(inverse_hessian, change)
    xp = array_namespace(change)
    # Not over its square, which underflows where a quadratic is at its end.
    weight = (1 + xp.sum(change * taken_to, axis=1) / curvature) / curvature
    cross = taken_to[:, :, None] * moved[:, None, :] / curvature[:, None, None]
    square = weight[:, None, None] * moved[:, :, None] * moved[:, None, :]
    return inverse_hessian + square - cross - xp.matrix_transpose(cross)


def _times(matrices: Array, vectors: Array) -> Array:
    return (matrices @ vectors[:, :, None])[:, :, 0]


def _same(path: _Path) -> _Path:
    return path
