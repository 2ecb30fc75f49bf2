"""What the archive knows, in the coordinates of another chart (sections 10 and 11).

Places go over exactly, with their gradients. Components that the window has places of are begun
anew from those: in a funnel they were slices of what the chart makes one mode. The others, that
nobody was in or that a search has seen to be valleys, are kept, as they look near their mean.
"""

from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.charts.change import Slopes, all_moved, slopes
from fhl_ppl.core.charts.chart import Chart
from fhl_ppl.core.charts.rows import moments
from fhl_ppl.core.control import Control
from fhl_ppl.core.homes import make_homes
from fhl_ppl.core.learners.archive import Archive, mixture_of, start
from fhl_ppl.core.learners.grouping import Components
from fhl_ppl.core.metrics import dense_fit
from fhl_ppl.core.mixture import Mixture, in_use, log_parts
from fhl_ppl.core.state import State

Array = Any


def carried(archive: Archive, old: Chart, new: Chart, control: Control) -> Archive:
    """Take the archive along, before it is renewed."""
    xp = array_namespace(archive.taken)
    dim = archive.places.shape[3]
    rows = State(
        *(
            xp.reshape(part, shape)
            for part, shape in (
                (archive.places[0, ...], (-1, dim)),
                (archive.energy, (-1,)),
                (archive.places[1, ...], (-1, dim)),
            )
        )
    )
    taken = xp.reshape(archive.taken, (-1,))
    components = archive.components
    order = xp.cumulative_sum(xp.ones_like(components.count)) - 1
    label = xp.argmax(log_parts(components.fitted, rows.position), axis=1)
    seen = xp.sum(xp.where(order[:, None] == label, taken, 0 * taken), axis=1)
    mean = components.mean
    means = State(mean[0, ...], components.energy, mean[1, ...])
    rows, there = all_moved(old, new, (rows, means))
    sound = xp.isfinite(rows.potential_energy) & xp.all(
        xp.isfinite(rows.position) & xp.isfinite(rows.gradient), axis=1
    )
    taken = xp.where(sound, taken, 0 * taken)
    rows = State(
        *(
            xp.where(sound if part.ndim == 1 else sound[:, None], part, xp.zeros_like(part))
            for part in rows
        )
    )
    positions, forces = moments(rows.position, taken), moments(rows.gradient, taken)
    near = slopes(old, new, means, there, control)
    kept = _kept(components, near, (seen > 0) & (components.is_valley == 0))
    # Nothing is laid on one another yet: what follows a mode's mean begins at that of all places.
    pooled = 0 * kept.mean + xp.stack([positions.mean, forces.mean])[:, None, :]
    within = dense_fit.from_scores(positions, forces).inverse_mass_matrix
    homes = make_homes(mixture_of(kept), pooled, within, kept.count < 0)
    return Archive(
        xp.reshape(xp.stack([rows.position, rows.gradient]), archive.places.shape),
        xp.reshape(rows.potential_energy, archive.energy.shape),
        xp.reshape(taken, archive.taken.shape),
        kept,
        within,
        homes._replace(others=0 * homes.others),
        archive.missed,
    )


def _kept(components: Components, near: Slopes, begins_anew: Array) -> Components:
    xp = array_namespace(components.count)
    fitted, mean = components.fitted, components.mean
    there, matrix, back = near.state, near.matrix, near.back
    off = (fitted.centre - mean[0, ...])[:, :, None]
    forward = xp.matrix_transpose(back)
    positions, gradients = components.scatter[0, ...], components.scatter[1, ...]
    found = Components(
        fitted._replace(
            centre=there.position + (matrix @ off)[:, :, 0],
            root=matrix @ fitted.root,
            inverse_root=fitted.inverse_root @ back,
            log_volume=fitted.log_volume + there.potential_energy - components.energy,
        ),
        components.count,
        xp.stack([there.position, there.gradient]),
        xp.stack([matrix @ positions @ xp.matrix_transpose(matrix), forward @ gradients @ back]),
        there.potential_energy,
        components.is_valley,
    )
    nothing = start(mean[0, ...], mean.shape[1]).components
    sound = in_use(fitted.log_weight) & ~begins_anew
    sound = sound & xp.all(xp.isfinite(found.fitted.root), axis=(1, 2))
    sound = sound & xp.all(xp.isfinite(found.scatter), axis=(0, 2, 3))
    return _each(sound, found, nothing)


def _each(which: Array, one: Any, other: Any) -> Any:
    """Components of `one` where `which`, else of `other`."""
    xp = array_namespace(which)
    chosen = xp.where(which[:, None], one.mean, other.mean)
    return Components(
        Mixture(
            *(
                xp.where(xp.reshape(which, which.shape + (1,) * (a.ndim - 1)), a, b)
                for a, b in zip(one.fitted, other.fitted, strict=True)
            )
        ),
        xp.where(which, one.count, other.count),
        chosen,
        xp.where(which[:, None, None], one.scatter, other.scatter),
        xp.where(which, one.energy, other.energy),
        xp.where(which, one.is_valley, other.is_valley),
    )
