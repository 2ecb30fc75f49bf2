"""The archive: places from all of warm-up, grouped into the components of a mixture (section 10).

Warm-up may leave a mode within a few iterations and never come back. So of every window some places
are kept, evenly, and at its end they are grouped: a place whose density the components cannot
explain begins a new one. A component, once found, is kept however empty it is. It is given up only
if the others explain it, or if its mass is negligible.
"""

from dataclasses import dataclass
from math import log, pi, sqrt
from typing import Any, NamedTuple

from array_api_compat import device

from fhl_ppl.core.arrays import array_namespace, numbered
from fhl_ppl.core.control import Control
from fhl_ppl.core.homes import Homes, make_homes
from fhl_ppl.core.learners import windows
from fhl_ppl.core.learners.learner import Given, Learnt, Seen, Steady
from fhl_ppl.core.metrics.dense import eigen, power
from fhl_ppl.core.metrics.dense_fit import from_scores
from fhl_ppl.core.metropolis import is_finite
from fhl_ppl.core.mixture import UNUSED, Mixture, in_use, log_parts, log_sum
from fhl_ppl.core.moments.welford import Welford
from fhl_ppl.core.plan import Plan
from fhl_ppl.core.state import State

Array = Any

COMPONENTS = 12
"""Components that there is room for: gmm3 has 6, one for each labelling."""
PLACES = 256
"""How many places of a window are kept, about; as many of each particle."""
WITNESSES = 1024
"""Of more particles than so many, one in two, in three and so on keeps its places: memory then does
not grow with them. Four places of each, and the 24 arrays of their shape that grouping takes, would
be 4 GB for 10^5 particles in 100 dimensions, whose state is 77 MB."""
GOLDEN = (sqrt(5) - 1) / 2
UNEXPLAINED = 16.0
"""By how much the log density of a place has to exceed what the components explain, for it to begin
one; a component goes where half of that is not lacking. Two Gaussians 5.7 standard deviations apart
lack 16 half-way, and trajectories still cross between them."""
NEGLIGIBLE = 20.0
"""log of the ratio of masses below which a component is given up."""
IGNORED = 1e-5
"""Mass, relative to the largest, below which a component is kept but not visited. That of a mode
that is no Gaussian and was left early may be estimated as a thousandth of what it is (phase_wrap:
exp(-10.4) for .027)."""
LEAST = 0.05
"""Weight in G that every other component gets at least."""
WIDER = 0.5
"""How much more variance than was seen, times the root of the dimension, as for the renewal."""
ROUNDS = 3
"""How often places are given to components, and these fitted to them, at the end of a window."""
FEW = 10.0
"""With so many places for each dimension their spread counts for half, and their gradients for
half; with fewer the gradients, which tell the precision of a Gaussian before it is explored."""


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
    """

    fitted: Mixture
    count: Array
    mean: Array
    scatter: Array
    energy: Array


class Archive(NamedTuple):
    """What the archive holds.

    Attributes
    ----------
    places
        Positions and gradients kept of this window, shape [2, part, particle, dim].
    energy
        Their energies, shape [part, particle].
    taken
        1 for places that have been kept, shape [part, particle].
    components
        What was seen before this window.
    within
        Covariance within the components, shape [dim, dim].
    homes
        What is made of the components for the next window.
    """

    places: Array
    energy: Array
    taken: Array
    components: Components
    within: Array
    homes: Homes


class NoArchive(NamedTuple):
    """What is kept where no move is made from it."""


@dataclass(frozen=True)
class ArchiveLearner(Steady):
    """Keeps places and groups them.

    Attributes
    ----------
    keeps
        Whether there are moves that are made from it.
    window_ends
        Over what the places are spread.
    """

    keeps: bool
    window_ends: tuple[int, ...]

    @classmethod
    def of(cls, plan: Plan) -> "ArchiveLearner":
        """Take from the plan whether it is asked for."""
        return cls("transport" in plan.jumps, plan.window_ends)

    def start(self, state: State, given: Given) -> Archive | NoArchive:
        """Begin with nothing."""
        return start(state.position) if self.keeps else NoArchive()

    def observe(self, own: Archive | NoArchive, seen: Seen, learnt: Learnt) -> Archive | NoArchive:
        """Keep where the particles are, if it is time."""
        if isinstance(own, NoArchive):
            return own
        return observe(own, seen.iteration, self.window_ends, seen.state, seen.control)

    def renew(
        self, own: Archive | NoArchive, seen: Seen, before: Learnt, renewed: Learnt
    ) -> Archive | NoArchive:
        """Group what was kept."""
        return own if isinstance(own, NoArchive) else renew(own, seen.control)


def start(position: Array, components: int = COMPONENTS) -> Archive:
    """Nothing seen; positions [particle, dim] give the shapes."""
    xp = array_namespace(position)
    position = _of_witnesses(position)
    parts = max(4, PLACES // position.shape[0])
    row = 0 * position[0, :]
    eye = _identity(row)

    def repeat(value, *counts):
        for count in reversed(counts):
            value = xp.stack([value] * count)
        return value

    zeros, eyes = repeat(xp.sum(row), components), repeat(eye, components)
    nothing = Mixture(zeros + UNUSED, repeat(row, components), eyes, eyes, zeros)
    return Archive(
        repeat(0 * position, 2, parts),
        repeat(0 * position[:, 0], parts),
        repeat(0 * position[:, 0], parts),
        Components(
            nothing, zeros, repeat(row, 2, components), repeat(0 * eye, 2, components), zeros
        ),
        eye,
        make_homes(nothing, repeat(row, 2, components)),
    )


def mixture_of(components: Components) -> Mixture:
    """G: the components by their masses, but for those that are `IGNORED`.

    None of the others has a weight below `LEAST`: the less is known of a mode, the more often it
    has to be tried.
    """
    fitted = components.fitted
    xp = array_namespace(fitted.log_weight)
    mass = fitted.log_weight
    used = in_use(mass) & (mass > xp.max(mass) + log(IGNORED))
    share = xp.exp(xp.where(used, mass - xp.max(mass), UNUSED))
    share = xp.where(
        used, xp.clip(share / xp.clip(xp.sum(share), 1.0, None), LEAST, None), 0 * share
    )
    share = share / xp.where(xp.any(used), xp.sum(share), 1.0)
    log_weight = xp.where(used, xp.log(xp.where(used, share, 1 + 0 * share)), UNUSED)
    return fitted._replace(log_weight=log_weight)


def observe(
    archive: Archive, iteration: Array, ends: tuple[int, ...], state: Any, control: Control
) -> Archive:
    """Keep the places of this iteration, if they are due."""
    xp = array_namespace(archive.taken)
    due, _ = windows.slot_due(iteration, ends, archive.taken.shape[0])
    state = State(*map(_of_witnesses, state))

    def keep(value):
        # The first that is free.
        filled = xp.sum(xp.max(value.taken, axis=1))
        here = numbered(value.taken[:, 0]) == filled
        # What overflows when it is squared would spoil all moments.
        finite = is_finite(*(part if part.ndim == 1 else xp.vecdot(part, part) for part in state))
        places = xp.where(finite[:, None], xp.stack([state.position, state.gradient]), 0.0)
        energy = xp.where(finite, state.potential_energy, 0.0)
        here = here[:, None]
        return value._replace(
            places=xp.where(here[:, :, None], places[:, None, :, :], value.places),
            energy=xp.where(here, energy, value.energy),
            taken=xp.where(here, xp.astype(finite, energy.dtype), value.taken),
        )

    return control.cond(due > 0, keep, lambda value: value, archive)


def renew(archive: Archive, control: Control) -> Archive:
    """Group the places of the window that ends."""
    xp = array_namespace(archive.taken)
    _, parts, particles, dim = archive.places.shape
    size = parts * particles
    taken = xp.reshape(archive.taken, (size,))
    seen = _Seen(
        xp.reshape(archive.places, (2, size, dim)),
        xp.reshape(archive.energy, (size,)),
        taken,
        UNEXPLAINED + dim**2 / (2 * xp.clip(xp.sum(taken), 1.0, None)),
    )
    # Before anything is known the steps of the particles stand for the spread of a mode: of a
    # particle that changes its mode all but one are within.
    both = archive.taken[1:, :] * archive.taken[:-1, :]
    steps = both[:, :, None] * (archive.places[:, 1:, :, :] - archive.places[:, :-1, :, :])
    none = 0 * archive.places[:, :1, :, :]
    apart = seen._replace(
        places=xp.reshape(xp.concat([none, steps], axis=1), (2, size, dim)),
        taken=xp.reshape(xp.concat([0 * archive.taken[:1, :], both]), (size,)),
    )
    before = archive.components
    slots = before.count.shape[0]
    is_new = 1 - xp.any(in_use(before.fitted.log_weight)) * 1

    def group(turn, value):
        components, within = value
        number_of_turn = xp.zeros_like(before.count[0]) + turn
        first = number_of_turn < 0
        news = seen._replace(bound=xp.where(number_of_turn == 0, seen.bound, xp.inf))
        roots = _roots(within)
        components = control.fori_loop(
            0, slots, lambda _, found: _begin(found, roots, news), components
        )
        looked = control.cond(first, lambda both: both[0], lambda both: both[1], (apart, seen))
        components = _refit(components, before, roots, looked, first, control)
        components = control.fori_loop(
            0, slots - 1, lambda _, found: _simplify(found, seen.bound / 2), components
        )
        root = components.fitted.root[0, :, :]
        within = xp.where(first, root @ xp.matrix_transpose(root), within)
        found = control.cond(
            first, lambda both: both[0], lambda both: both[1], (before, components)
        )
        return found, within

    found, within = control.fori_loop(-is_new, ROUNDS, group, (before, archive.within))
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
    return Archive(
        archive.places,
        archive.energy,
        0 * archive.taken,
        found,
        xp.where(total > 0, pooled, within),
        make_homes(mixture_of(found), found.mean),
    )


def _of_witnesses(rows: Array) -> Array:
    """Of [particle, ...] those of the particles that keep their places."""
    stride = -(-rows.shape[0] // WITNESSES)
    if stride == 1:
        return rows
    # A place in each stretch that never has the same remainder: starts may alternate.
    places = [k * stride + int(stride * (k * GOLDEN % 1)) for k in range(rows.shape[0] // stride)]
    xp = array_namespace(rows)
    return xp.take(rows, xp.asarray(places, device=device(rows)), axis=0)


class _Seen(NamedTuple):
    """Places [2, place, dim], energies and whether taken [place], and what is lacking at least."""

    places: Array
    energy: Array
    taken: Array
    bound: Array


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


def _begin(components: Components, roots: Any, seen: _Seen) -> Components:
    """Begin a component at the lowest place that nothing explains, if there is one."""
    xp = array_namespace(seen.energy)
    dim = seen.places.shape[2]
    fitted = components.fitted
    lacking = -seen.energy - log_sum(log_parts(fitted, seen.places[0, :, :]))
    energy = xp.where((seen.taken > 0) & (lacking > seen.bound), seen.energy, xp.inf)
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
        fitted=Mixture(
            xp.where(here, mass, fitted.log_weight),
            xp.where(here[:, None], centre, fitted.centre),
            xp.where(here[:, None, None], roots[0], fitted.root),
            xp.where(here[:, None, None], roots[1], fitted.inverse_root),
            xp.where(here, roots[2], fitted.log_volume),
        )
    )


def _refit(
    components: Components,
    before: Components,
    roots: Any,
    seen: _Seen,
    first: Array,
    control: Control,
) -> Components:
    """Give each place to a component, and fit that to what it got; if `first`, all to one."""
    xp = array_namespace(seen.energy)
    slots, dim = components.fitted.centre.shape
    order = numbered(before.count)
    parts = log_parts(components.fitted, seen.places[0, :, :])
    label = xp.astype(xp.argmax(parts, axis=1), order.dtype)
    label = xp.where(first, 0 * label, label)
    member = xp.where(order[:, None] == label, seen.taken, 0 * seen.taken)
    count = xp.sum(member, axis=1)
    some = xp.clip(count, 1.0, None)
    # What is older counts for what this window lacks of it.
    old = before.count
    kept = xp.clip(old - count, 0.0, None)
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

        def of_this(values):
            return xp.take(values, row, axis=0)[0, ...]

        number = of_this(total)
        here = (order == k) & (number > 0)
        at, by = of_this(mean[0, :, :]), of_this(mean[1, :, :])
        spread, forces = (of_this(scatter[i, :, :, :]) for i in (0, 1))
        # In the coordinates in which the covariance within the components is the identity.
        spread = inverse_root @ spread @ xp.matrix_transpose(inverse_root)
        forces = xp.matrix_transpose(root) @ forces @ root
        by = xp.sum(by[:, None] * root, axis=0)
        matrix = control.cond(
            number > 1,
            lambda both: from_scores(*both).inverse_mass_matrix,
            lambda both: _identity(at),
            (Welford(number, at, spread), Welford(number, by, forces)),
        )
        matrix = xp.where(xp.all(xp.isfinite(matrix)), matrix, _identity(at))
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
        square = square / xp.clip(number, 1.0, None) + xp.sum(off * off)
        mass = square / 2 + log_volume + dim * log(2 * pi) / 2 - of_this(energy)
        used = in_use(fitted.log_weight)
        mass = xp.where(number > 0, mass, UNUSED)
        return Mixture(
            xp.where((order == k) & used, mass, fitted.log_weight),
            xp.where(here[:, None], centre, fitted.centre),
            xp.where(here[:, None, None], there[0], fitted.root),
            xp.where(here[:, None, None], there[1], fitted.inverse_root),
            xp.where(here, log_volume, fitted.log_volume),
        )

    fitted = control.fori_loop(0, slots, fit, components.fitted)
    return Components(fitted, total, mean, scatter, energy)


def _simplify(components: Components, bound: Array) -> Components:
    """Give up the component that the others explain best, if they do."""
    xp = array_namespace(bound)
    fitted = components.fitted
    parts = log_parts(fitted, fitted.centre)
    order = numbered(components.count)
    own = order[:, None] == order
    others = log_sum(xp.where(own, UNUSED, parts))
    height = xp.max(xp.where(own, parts, UNUSED), axis=1)
    lacking = xp.where(in_use(fitted.log_weight), height - others, xp.inf)
    gone = (order == xp.argmin(lacking)) & (lacking < bound)
    return components._replace(
        fitted=fitted._replace(log_weight=xp.where(gone, UNUSED, fitted.log_weight)),
        count=xp.where(gone, 0 * order, components.count),
    )


def _identity(row: Array) -> Array:
    xp = array_namespace(row)
    return xp.eye(row.shape[0], dtype=row.dtype, device=device(row))
