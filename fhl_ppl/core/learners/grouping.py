"""Places grouped into the components of a mixture, at the end of a window (section 10).

A place whose density the components cannot explain begins a new one; then places are given to
components and these fitted to them, in turns; and a component that the others explain is given up.
"""

from collections.abc import Callable
from math import log, pi, sqrt
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, eye, numbered
from fhl_ppl.core.control import Control
from fhl_ppl.core.metrics.dense import eigen, power
from fhl_ppl.core.metrics.dense_fit import from_scores
from fhl_ppl.core.mixture import IGNORED, UNUSED, Mixture, in_use, log_parts, log_sum
from fhl_ppl.core.moments.welford import Welford
from fhl_ppl.core.search.ends import DRAWS

Array = Any

UNEXPLAINED = 16.0
"""By how much the log density of a place has to exceed what the components explain, for it to begin
one; a component goes where half of that is not lacking. Two Gaussians 5.7 standard deviations apart
lack 16 half-way, and trajectories still cross between them."""
NESTED = log(4)
"""How much narrower, in the mean of the logarithms over all axes, one has to be for another not to
be looked at by its centre only: a spike within a wide mode."""
NEGLIGIBLE = 20.0
"""log of the ratio of masses below which a component is given up."""
WIDER = 0.5
"""How much more variance than was seen, times the root of the dimension, as for the renewal."""
ROUNDS = 3
"""How often places are given to components, and these fitted to them, at the end of a window."""
FEW = 10.0
"""With so many places for each dimension their spread counts for half, and their gradients for
half; with fewer the gradients, which tell the precision of a Gaussian before it is explored."""

AT_LEAST = float(DRAWS)
"""So many of the earlier places of what a search has seen count at any rate: as many as it saw."""


class Components(NamedTuple):
    """What has been seen of each mode.

    Attributes
    ----------
    fitted
        A Gaussian for each; in place of the log weight stands the log mass, log of the integral of
        exp(-U), and `UNUSED` where a slot is free.
    count
        Places that the moments are of, shape [component].
    mean, scatter
        Of positions and of gradients: shapes [2, component, dim] and [2, component, dim, dim].
    energy
        Mean energy, shape [component].
    is_valley
        1 where a search has seen that it is another than others, shape [component].
    """

    fitted: Mixture
    count: Array
    mean: Array
    scatter: Array
    energy: Array
    is_valley: Array


def are_valleys(components: Components) -> Array:
    """Which a search has seen to be another than others, shape [component]."""
    return in_use(components.fitted.log_weight) & (components.is_valley > 0)


def has_valleys(components: Components) -> Array:
    """Whether there is more than one that a search has seen, a boolean scalar."""
    valleys = are_valleys(components)
    return array_namespace(valleys).sum(valleys * 1) > 1


class Places(NamedTuple):
    """Positions and gradients [2, place, dim], energies, and 1 where taken, both [place]."""

    places: Array
    energy: Array
    taken: Array


def group(
    seen: Places, apart: Places, before: Components, within: Array, control: Control
) -> tuple[Components, Array]:
    """Components of what was seen `before` and of a window's places, and the covariance in them.

    Parameters
    ----------
    seen
        The places.
    apart
        Steps in place of them, for the first guess at the covariance.
    before
        What was seen before this window.
    within
        Covariance within the components so far, shape [dim, dim].
    control
        Loops and branches.
    """
    xp = array_namespace(seen.energy)
    dim = seen.places.shape[2]
    bound = UNEXPLAINED + dim**2 / (2 * xp.clip(xp.sum(seen.taken), 1.0, None))
    slots = before.count.shape[0]
    is_new = 1 - xp.any(in_use(before.fitted.log_weight)) * 1

    def regroup(turn, value):
        components, within = value
        number_of_turn = xp.zeros_like(before.count[0]) + turn
        first = number_of_turn < 0
        lacks = xp.where(number_of_turn == 0, bound, xp.inf)
        roots = _roots(within)
        weighed = seen._replace(taken=seen.taken * _weighs(seen, before, roots))
        components = _as_long_as_any(
            slots, lambda found: _begin(found, roots, weighed, lacks), components, control
        )
        looked = control.cond(first, lambda both: both[0], lambda both: both[1], (apart, weighed))
        components = _refit(components, before, roots, looked, first, bound, control)
        components = _as_long_as_any(
            slots - 1, lambda found: _simplify(found, bound / 2), components, control
        )
        root = components.fitted.root[0, :, :]
        within = xp.where(first, root @ xp.matrix_transpose(root), within)
        found = control.cond(
            first, lambda both: both[0], lambda both: both[1], (before, components)
        )
        return found, within

    found, within = control.fori_loop(-is_new, ROUNDS, regroup, (before, within))
    log_mass = found.fitted.log_weight
    log_mass = xp.where(log_mass < xp.max(log_mass) - NEGLIGIBLE, UNUSED, log_mass)
    share = xp.where(in_use(log_mass), found.count, xp.zeros_like(found.count))
    total = xp.sum(share)
    root = (
        found.fitted.root
        * xp.sqrt(share / xp.where(total > 0, total, 1 + 0 * total))[:, None, None]
    )
    pooled = xp.sum(root @ xp.matrix_transpose(root), axis=0)
    found = found._replace(fitted=found.fitted._replace(log_weight=log_mass))
    return found, xp.where(total > 0, pooled, within)


def _roots(covariance: Array) -> tuple[Array, Array, Array]:
    """L, L^-1 and log det L."""
    xp = array_namespace(covariance)
    scale = xp.sqrt(xp.linalg.diagonal(covariance))
    spectrum = eigen(covariance / scale[:, None] / scale)
    least = xp.finfo(scale.dtype).eps * spectrum[0][-1]
    values = xp.where(spectrum[0] > least, spectrum[0], least)
    return (
        scale[:, None] * power((values, spectrum[1]), 0.5),
        power((values, spectrum[1]), -0.5) / scale,
        xp.sum(xp.log(values)) / 2 + xp.sum(xp.log(scale)),
    )


def _weighs(seen: Places, before: Components, roots: Any) -> Array:
    """1 for places that may be of a mode of some mass, beside what was seen before; 0 for others.

    Those on a way down would stretch a component over the modes that they lead to.
    """
    xp = array_namespace(seen.energy)
    dim = seen.places.shape[2]
    mass = dim * (1 + log(2 * pi)) / 2 + roots[2] - seen.energy
    return xp.astype(mass > xp.max(before.fitted.log_weight) + log(IGNORED), mass.dtype)


def _as_long_as_any(
    most: int, change: Callable, components: Components, control: Control
) -> Components:
    """Let components be begun or given up, one at a time, until none is: mostly at once."""
    xp = array_namespace(components.count)

    def go_on(components: Components) -> tuple[Components, Array]:
        changed = change(components)
        used, before = (in_use(each.fitted.log_weight) for each in (changed, components))
        return changed, xp.any(used != before)

    def once_more(_: Any, value: tuple[Components, Array]) -> tuple[Components, Array]:
        return control.cond(value[1], lambda value: go_on(value[0]), lambda value: value, value)

    begun = components, numbered(components.count)[0] == 0
    return control.fori_loop(0, most, once_more, begun)[0]


def _begin(components: Components, roots: Any, seen: Places, bound: Array) -> Components:
    """Begin a component at the lowest place that nothing explains, if there is one."""
    xp = array_namespace(seen.energy)
    dim = seen.places.shape[2]
    fitted = components.fitted
    lacking = -seen.energy - log_sum(log_parts(fitted, seen.places[0, :, :]))
    energy = xp.where((seen.taken > 0) & (lacking > bound), seen.energy, xp.inf)
    lowest, least = xp.argmin(energy), xp.min(energy)
    here = ~in_use(fitted.log_weight)
    here = here & (xp.cumulative_sum(xp.astype(here, seen.energy.dtype)) == 1) & (least < xp.inf)
    place = xp.take(seen.places, lowest[None], axis=1)[:, 0, :]
    # One Newton step, no longer than to where a Gaussian's mass is.
    # Sums: of products of a matrix and a vector XLA makes programs that take longer to compile.
    force = xp.sum(place[1, :, None] * roots[0], axis=0)
    gain = xp.sum(force * force)
    step = xp.minimum(1 + 0 * gain, sqrt(dim) / xp.sqrt(gain + 1e-30))
    centre = place[0, :] - step * xp.sum(roots[0] * force, axis=1)
    mass = xp.minimum(gain, 0 * gain + dim) / 2 + roots[2] + dim * log(2 * pi) / 2 - least
    return components._replace(
        is_valley=xp.where(here, xp.zeros_like(mass), components.is_valley),
        fitted=Mixture(
            xp.where(here, mass, fitted.log_weight),
            xp.where(here[:, None], centre, fitted.centre),
            xp.where(here[:, None, None], roots[0], fitted.root),
            xp.where(here[:, None, None], roots[1], fitted.inverse_root),
            xp.where(here, roots[2], fitted.log_volume),
        ),
    )


def _refit(
    components: Components,
    before: Components,
    roots: Any,
    seen: Places,
    first: Array,
    bound: Array,
    control: Control,
) -> Components:
    """Give each place to a component, and fit that to what it got; if `first`, all to one.

    Where no slot is free for what no component explains, it is left out: given to one it would
    stretch that over several modes.
    """
    xp = array_namespace(seen.energy)
    slots, dim = components.fitted.centre.shape
    order = numbered(before.count)
    parts = log_parts(components.fitted, seen.places[0, :, :])
    label = xp.astype(xp.argmax(parts, axis=1), order.dtype)
    label = xp.where(first, 0 * label, label)
    lacking = -seen.energy - log_sum(parts)
    is_full = xp.all(in_use(components.fitted.log_weight))
    taken = xp.where(is_full & ~first & (lacking > bound), 0 * seen.taken, seen.taken)
    member = xp.where(order[:, None] == label, taken, 0 * taken)
    count = xp.sum(member, axis=1)
    some = xp.clip(count, 1.0, None)
    # What is older counts for what this window lacks of it.
    old = before.count
    kept = xp.clip(old - count, 0.0, None)
    # A few places in one tail of a mode would make it many times as wide.
    least = xp.where(before.is_valley > 0, xp.clip(old, 0.0, AT_LEAST), 0 * old)
    kept = xp.where(kept > least, kept, least)
    total = count + kept
    share = kept / xp.clip(total, 1.0, None)

    mean = member @ seen.places / some[:, None]
    centred = seen.places[:, None, :, :] - mean[:, :, None, :]
    scatter = xp.matrix_transpose(member[:, :, None] * centred) @ centred
    away = before.mean - mean
    mean = mean + share[:, None] * away
    scatter = (
        scatter
        + (kept / xp.clip(old, 1.0, None))[:, None, None] * before.scatter
        + (share * count)[:, None, None] * away[..., :, None] * away[..., None, :]
    )
    energy = member @ seen.energy / some
    energy = energy + share * (before.energy - energy)

    root, inverse_root, _ = roots

    def fit(k, fitted):
        # One row, and not a scalar: with that Torch keeps the axis.
        row = xp.astype(0 * order[:1] + k, xp.int32)

        def empty(fitted):
            return fitted._replace(log_weight=xp.where(order == k, UNUSED, fitted.log_weight))

        return control.cond(
            xp.take(total, row)[0] > 0, lambda fitted: fit_one(k, row, fitted), empty, fitted
        )

    def fit_one(k, row, fitted):
        def of_this(values):
            return xp.take(values, row, axis=0)[0, ...]

        number, here = of_this(total), order == k
        at, by = of_this(mean[0, :, :]), of_this(mean[1, :, :])
        spread, forces = (of_this(scatter[i, :, :, :]) for i in (0, 1))
        # In the coordinates in which the covariance within the components is the identity.
        spread = inverse_root @ spread @ xp.matrix_transpose(inverse_root)
        forces = xp.matrix_transpose(root) @ forces @ root
        by = xp.sum(by[:, None] * root, axis=0)
        matrix = control.cond(
            number > 1,
            lambda both: from_scores(*both).inverse_mass_matrix,
            lambda both: eye(at),
            (Welford(number, at, spread), Welford(number, by, forces)),
        )
        matrix = xp.where(xp.all(xp.isfinite(matrix)), matrix, eye(at))
        newton = xp.sum(matrix * by, axis=1)
        newton = newton / xp.clip(xp.sqrt(xp.sum(newton * by)), 1.0, None)
        much = xp.where(first, 0 * number, number / (number + FEW * dim))
        matrix = (1 - much) * matrix + much * spread / xp.clip(number - 1, 1.0, None)
        matrix = root @ matrix @ xp.matrix_transpose(root)
        wider = xp.where(first, 1 + 0 * number, 1 + WIDER / sqrt(dim))
        there = _roots(wider * matrix)
        log_volume = there[2]
        centre = at - (1 - much) * xp.sum(root * newton, axis=1)
        # The mean over the places of -U - log N(q; c, S), by their moments.
        off = xp.sum(there[1] * (at - centre), axis=1)
        square = xp.sum((there[1] @ of_this(scatter[0, :, :, :])) * there[1])
        square = square / number + xp.sum(off * off)
        mass = square / 2 + log_volume + dim * log(2 * pi) / 2 - of_this(energy)
        used = in_use(fitted.log_weight)
        return Mixture(
            xp.where(here & used, mass, fitted.log_weight),
            xp.where(here[:, None], centre, fitted.centre),
            xp.where(here[:, None, None], there[0], fitted.root),
            xp.where(here[:, None, None], there[1], fitted.inverse_root),
            xp.where(here, log_volume, fitted.log_volume),
        )

    fitted = control.fori_loop(0, slots, fit, components.fitted)
    return Components(fitted, total, mean, scatter, energy, components.is_valley)


def _simplify(components: Components, bound: Array) -> Components:
    """Give up the component that the others explain best, if they do."""
    xp = array_namespace(bound)
    fitted = components.fitted
    parts = log_parts(fitted, fitted.centre)
    order = numbered(components.count)
    own = order[:, None] == order
    # [of, by]: a spike at the centre of something wide explains its centre and no more.
    wider = (fitted.log_volume[:, None] - fitted.log_volume) / fitted.centre.shape[1]
    wider = xp.where(in_use(fitted.log_weight)[:, None] & (wider > NESTED), wider, 0 * wider)
    explained = parts - fitted.centre.shape[1] * (xp.exp(2 * wider) - 1) / 2
    # What a search has seen is part of another only if it has seen that too: a component of places
    # in the tails of several modes may be wide enough to explain all of these.
    counts = (components.is_valley[:, None] == 0) | (components.is_valley > 0)
    others = log_sum(xp.where(own | ~counts, UNUSED, explained))
    height = xp.max(xp.where(own, parts, UNUSED), axis=1)
    lacking = xp.where(in_use(fitted.log_weight), height - others, xp.inf)
    gone = (order == xp.argmin(lacking)) & (lacking < bound)
    return components._replace(
        fitted=fitted._replace(log_weight=xp.where(gone, UNUSED, fitted.log_weight)),
        count=xp.where(gone, 0 * order, components.count),
    )
