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

from fhl_ppl.core.arrays import array_namespace, eye, numbered
from fhl_ppl.core.control import Control
from fhl_ppl.core.homes import Homes, make_homes
from fhl_ppl.core.learners import windows
from fhl_ppl.core.learners.grouping import Components, Places, are_valleys, group
from fhl_ppl.core.learners.learner import Given, Learnt, Seen, Steady, Window
from fhl_ppl.core.metropolis import is_finite
from fhl_ppl.core.mixture import IGNORED, UNUSED, Mixture, in_use
from fhl_ppl.core.plan import Plan
from fhl_ppl.core.search import Found
from fhl_ppl.core.search.ends import DRAWS
from fhl_ppl.core.state import State

Array = Any

COMPONENTS = 32
"""Components that there is room for: four labels have 24 orders, five signs 32 ways."""
FEWER, LARGE = 12, 64
"""Of more than LARGE dimensions: each has some eight matrices of them."""
PLACES = 256
"""How many places of a window are kept, about; as many of each particle."""
WITNESSES = 1024
"""Of more particles than so many, one in two, in three and so on keeps its places: memory then does
not grow with them. Four places of each, and the 24 arrays of their shape that grouping takes, would
be 4 GB for 10^5 particles in 100 dimensions, whose state is 77 MB."""
GOLDEN = (sqrt(5) - 1) / 2
HEAVY = 0.01
"""Mass, relative to the largest, from which modes may have units of their own, if there are two of
it: what a search took for a valley in the tail of a bent one weighs next to nothing."""
LEAST = 0.05
"""Weight in G that every other component gets at least."""


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
    missed
        How many modes a search before warm-up has missed at the least, as it guesses, a scalar.
    """

    places: Array
    energy: Array
    taken: Array
    components: Components
    within: Array
    homes: Homes
    missed: Array


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
        self, own: Archive | NoArchive, window: Window, before: Learnt, renewed: Learnt
    ) -> Archive | NoArchive:
        """Group what was kept."""
        return own if isinstance(own, NoArchive) else renew(own, window.control)


def start(position: Array, components: int | None = None) -> Archive:
    """Nothing seen; positions [particle, dim] give the shapes."""
    xp = array_namespace(position)
    if components is None:
        components = COMPONENTS if position.shape[1] <= LARGE else FEWER
    position = _of_witnesses(position)
    parts = max(4, PLACES // position.shape[0])
    row = 0 * position[0, :]
    identity = eye(row)

    def repeat(value, *counts):
        for count in reversed(counts):
            value = xp.stack([value] * count)
        return value

    zeros, eyes = repeat(xp.sum(row), components), repeat(identity, components)
    nothing = Mixture(zeros + UNUSED, repeat(row, components), eyes, eyes, zeros)
    return Archive(
        repeat(0 * position, 2, parts),
        repeat(0 * position[:, 0], parts),
        repeat(0 * position[:, 0], parts),
        Components(
            nothing,
            zeros,
            repeat(row, 2, components),
            repeat(0 * identity, 2, components),
            zeros,
            zeros,
        ),
        identity,
        make_homes(nothing, repeat(row, 2, components), identity, zeros > 0),
        0 * zeros[0],
    )


def with_finds(archive: Archive, found: Found) -> Archive:
    """Begin with what a search has found: the heaviest modes, as if draws of each had been seen.

    Moves are made from it from the first window's end on: before, particles still come down.
    """
    modes, blank = found.modes, archive.components
    xp = array_namespace(modes.log_weight)
    slot, places = numbered(blank.count), modes.log_weight.shape[0]
    row = xp.astype(xp.where(slot < places, slot, 0 * slot), xp.int32)
    heaviest = xp.take(xp.argsort(-modes.log_weight), row)
    taken = Mixture(*(xp.take(part, heaviest, axis=0) for part in modes))
    used = in_use(taken.log_weight) & (slot < places)

    def of_used(new: Array, old: Array) -> Array:
        return xp.where(xp.reshape(used, (-1,) + (1,) * (old.ndim - 1)), new, old)

    covariance, precision = (
        root @ xp.matrix_transpose(root) for root in (taken.root, taken.inverse_root)
    )
    dim = covariance.shape[1]
    # Of a Gaussian of this mass.
    energy = dim * (1 + log(2 * pi)) / 2 + taken.log_volume - taken.log_weight
    scatter = [
        of_used((DRAWS - 1) * part, blank.scatter[0, ...]) for part in (covariance, precision)
    ]
    components = Components(
        Mixture(*map(of_used, taken, blank.fitted)),
        of_used(DRAWS + 0 * slot, blank.count),
        xp.stack([of_used(taken.centre, blank.mean[0, ...]), blank.mean[1, ...]]),
        xp.stack(scatter),
        of_used(energy, blank.energy),
        xp.astype(used, energy.dtype),
    )
    number = xp.sum(xp.astype(used, energy.dtype))
    within = xp.sum(of_used(covariance, 0 * covariance), axis=0) / xp.clip(number, 1.0, None)
    within = xp.where(number > 0, within, archive.within)
    return archive._replace(components=components, within=within, missed=found.missed)


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
    seen = Places(
        xp.reshape(archive.places, (2, size, dim)), xp.reshape(archive.energy, (size,)), taken
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
    found, within = group(seen, apart, archive.components, archive.within, control)
    mass = found.fitted.log_weight
    is_mode = are_valleys(found) & (mass > xp.max(mass) + log(HEAVY))
    is_mode = is_mode & (xp.sum(is_mode * 1) > 1)
    homes = make_homes(mixture_of(found), found.mean, within, is_mode)
    return archive._replace(taken=0 * archive.taken, components=found, within=within, homes=homes)


def _of_witnesses(rows: Array) -> Array:
    """Of [particle, ...] those of the particles that keep their places."""
    stride = -(-rows.shape[0] // WITNESSES)
    if stride == 1:
        return rows
    # A place in each stretch that never has the same remainder: starts may alternate.
    places = [k * stride + int(stride * (k * GOLDEN % 1)) for k in range(rows.shape[0] // stride)]
    xp = array_namespace(rows)
    return xp.take(rows, xp.asarray(places, device=device(rows)), axis=0)
