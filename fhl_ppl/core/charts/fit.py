"""A chart from draws and gradients, and whether it is worth having (section 11)."""

from math import log
from typing import Any, NamedTuple

from array_api_compat import device

from fhl_ppl.core.metrics import dense_fit as metric
from fhl_ppl.core.moments.welford import Welford
from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.charts import hierarchy, least_squares, tails
from fhl_ppl.core.charts.chart import Chart
from fhl_ppl.core.charts.conditional import Conditional
from fhl_ppl.core.charts.drivers import first_largest, scores
from fhl_ppl.core.charts.hierarchy import Hierarchy
from fhl_ppl.core.control import Control

Array = Any

CANDIDATES = 3 + hierarchy.DRIVERS
"""Charts that are tried at each renewal, the identity among them."""
GOOD = 0.02
"""A loss with which there is nothing left to gain."""
MARGIN = 0.8
"""What a loss has to fall by for a richer chart."""
EXPONENT = 2.0
"""A precision goes with this power of a scale: where the search for slopes starts."""


def renew(previous: Chart, position: Array, gradient: Array, seen: Array, half: Array, control: Control) -> tuple[Chart, Array]:
    """The best of the identity, the previous chart, and what was fitted to draws; and the losses of all.

    Parameters
    ----------
    previous
        What was fitted to earlier draws, so that these can judge it.
    position, gradient
        Draws and the gradients of U there, in the user's coordinates, shape [row, dim].
    seen
        Weight of each row, shape [row].
    half
        1 for rows of one half of the particles, 0 for those of the other, shape [row].
    control
        Loops.

    Returns
    -------
    A chart, and the losses of the identity, of the previous chart, of hierarchies with 1, 2, ... drivers, and of the best of
    these with straightened tails, shape [CANDIDATES].
    """
    xp = array_namespace(position)
    halves = seen * half, seen * (1 - half)
    unchanged = charts.identity(position)
    # Fitted to all rows, to one half, to the other.
    best = (unchanged, unchanged, unchanged)
    loss = held_out_loss(best[1:], position, gradient, halves)
    known = _Known(best, best, loss, loss, xp.stack([0 * position[0, :]] * hierarchy.DRIVERS))
    losses = [loss]
    known = _better((previous, previous, previous), known, position, gradient, halves)
    losses.append(known.loss)
    known = known._replace(loss=losses[0], latest=(unchanged, unchanged, unchanged))
    for number in range(1, 1 + hierarchy.DRIVERS):

        def with_drivers(known: _Known, number: int = number) -> _Known:
            row = _next_driver(known.latest[0], known.drivers, position, gradient, seen)
            place = xp.cumulative_sum(xp.ones_like(known.drivers), axis=0)
            drivers = xp.where(place == number, row, known.drivers)
            fitted = fit(drivers, number, position, gradient, (seen, *halves), control)
            latest = tuple(Chart(one, unchanged.tails) for one in fitted)
            return _better(latest, known._replace(drivers=drivers), position, gradient, halves)

        # One driver that is no good leaves little hope for two.
        worth_it = (known.lowest > GOOD) & ((known.loss < MARGIN * losses[0]) | (number == 1))
        known = control.cond(worth_it, with_drivers, lambda same: same, known)
        losses.append(known.loss)

    def with_tails(known: _Known) -> _Known:
        straight = []
        for one, rows in zip(known.best, (seen, *halves), strict=True):
            bare = one._replace(tails=unchanged.tails)
            y = charts.to_coordinates(bare, position)
            g = charts.pull_back(bare, y, gradient)
            straight.append(bare._replace(tails=tails.fit(y, g, rows)))
        return _better(tuple(straight), known, position, gradient, halves)

    known = control.cond(known.lowest > GOOD, with_tails, lambda same: same, known)
    return known.best[0], xp.stack([*losses, known.loss])


class _Known(NamedTuple):
    """The best charts so far and the latest, each fitted to all rows and to the halves."""

    best: tuple[Chart, Chart, Chart]
    latest: tuple[Chart, Chart, Chart]
    lowest: Array
    loss: Array
    drivers: Array


def _better(new: Any, known: _Known, position: Array, gradient: Array, halves: tuple[Array, Array]) -> _Known:
    """The new charts become the best if their loss is clearly the lowest."""
    loss = held_out_loss(new[1:], position, gradient, halves)
    wins = loss < MARGIN * known.lowest
    best, lowest = select(wins, (new, (loss,)), (known.best, (known.lowest,)))
    return known._replace(best=best, latest=new, lowest=lowest[0], loss=loss)


def fit(drivers: Array, number: int, position: Array, gradient: Array, weights: tuple[Array, Array, Array], control: Control) -> tuple[Hierarchy, ...]:
    """Charts whose drivers are the coordinates that `drivers` [K, dim] picks, `number` of them.

    One is fitted to rows weighted by each of `weights` [row]. Axes, and which start is best, are
    settled by the first, for all.
    """
    xp = array_namespace(position)
    seen = weights[0]
    is_driver = xp.sum(drivers, axis=0) > 0
    centre = _mean(position, seen)
    scale = xp.sqrt(_mean((position - centre) ** 2, seen))
    scale = xp.where(is_driver, scale, xp.ones_like(scale))
    u = ((position - centre) / scale) @ xp.matrix_transpose(drivers)
    mixing, unmixing, shift, wide = _axes(u, drivers, number, position - centre, gradient, seen)
    centre = centre + shift
    picks = drivers[:number, :]
    # Drivers come first, whatever their place among the user's coordinates.
    unmixing = xp.concat([picks / scale, unmixing], axis=0)
    mixing = xp.concat([xp.matrix_transpose(picks * scale), mixing], axis=1)
    place = xp.cumulative_sum(xp.ones_like(scale)) - 1
    is_child = xp.astype(place >= number, scale.dtype)
    first = xp.stack([xp.astype((place == k) & (k < number), scale.dtype) for k in range(drivers.shape[0])])

    w, h = (position - centre) @ xp.matrix_transpose(unmixing), gradient @ mixing
    starts = _starts(u, wide, drivers @ scale, number, w, seen)
    plain = hierarchy.no_weights(0 * centre, drivers.shape[0])
    numbers = xp.cumulative_sum(xp.ones_like(starts[:, 0, 0, 0])) - 1

    def try_one(i: Any, value: tuple[Array, Conditional, Array]) -> tuple[Array, Conditional, Array]:
        start, best, lowest = value
        chosen = xp.sum(xp.where((numbers == i)[:, None, None, None], starts, 0 * starts), axis=0)
        given = plain._replace(precision=chosen)
        found, loss = least_squares.fit(given, u, w, h, seen, control)
        better = loss < lowest
        start, best = select(better, (chosen, found), (start, best))
        return start, best, xp.where(better, loss, lowest)

    nothing = plain.precision, plain, xp.full_like(centre, xp.inf)
    start, best, _ = control.fori_loop(0, starts.shape[0], try_one, nothing)
    of_halves = [
        least_squares.fit(plain._replace(precision=start), u, w, h, rows, control)[0]
        for rows in weights[1:]
    ]
    return tuple(
        Hierarchy(centre, mixing, unmixing, first, is_child, each) for each in (best, *of_halves)
    )


def _starts(u: Array, wide: Array, spread: Array, number: int, like: Array, seen: Array) -> Array:
    """Factors to begin with, shape [start, 2, 1 + K, dim].

    One is as wide as the children are on average at every draw, `wide` [row] in squares; the other has the
    slopes that a precision has in a scale, up or down, or those of the first.
    """
    xp = array_namespace(u)
    level = -xp.log(wide)
    mean = _mean(level[:, None], seen)[0]
    slopes = _regression(u, (level - mean)[:, None], seen)[:, 0]
    ones = xp.ones_like(like[0, :])
    flat = [mean * ones - log(2)] + [0 * ones] * u.shape[1]
    starts = [[mean * ones - log(2)] + [slopes[k] * ones for k in range(u.shape[1])]]
    for k in range(number):
        for sign in (-1.0, 1.0):
            row = list(flat)
            row[1 + k] = sign * EXPONENT * spread[k] * ones
            starts.append(row)
    return xp.stack([xp.stack([xp.stack(flat if i else row), xp.stack(row)]) for i, row in enumerate(starts)])


def held_out_loss(candidates: tuple[Chart, ...], position: Array, gradient: Array, halves: tuple[Array, Array]) -> Array:
    """Fisher divergence from the best Gaussian, each chart fitted on one half and judged by the other."""
    xp = array_namespace(position)
    losses = []
    for chart, fitted, judged in zip(candidates, halves, halves[::-1], strict=True):
        y = charts.to_coordinates(chart, position)
        g = charts.pull_back(chart, y, gradient)
        r = _gaussian_residual(y, g, fitted)
        each = xp.log1p(xp.mean(r**2, axis=1))
        losses.append(_mean(xp.where(xp.isfinite(each), each, xp.full_like(each, 100.0))[:, None], judged)[0])
    return (losses[0] + losses[1]) / 2


def _gaussian_residual(position: Array, gradient: Array, seen: Array) -> Array:
    white = metric.from_scores(_moments(position, seen), _moments(gradient, seen))
    centre = _mean(position, seen) - white.velocity(_mean(gradient, seen)[None, :])[0, :]
    return white.whiten(white.velocity(gradient) - (position - centre))


def _next_driver(chart: Chart, drivers: Array, position: Array, gradient: Array, seen: Array) -> Array:
    xp = array_namespace(position)
    y = charts.to_coordinates(chart, position)
    g = charts.pull_back(chart, y, gradient)
    white = metric.from_scores(_moments(y, seen), _moments(g, seen))
    w = white.whiten(y - _mean(y, seen))
    h = white.whiten(white.velocity(g - _mean(g, seen)))
    candidates = position - _mean(position, seen)
    candidates = candidates / xp.sqrt(_mean(candidates**2, seen))
    found = scores(candidates, h - w, w, seen)
    taken = xp.sum(drivers, axis=0) > 0
    return first_largest(xp.where(taken | ~xp.isfinite(found), xp.full_like(found, -xp.inf), found))


def _axes(u: Array, drivers: Array, number: int, position: Array, gradient: Array, seen: Array) -> tuple[Array, Array, Array, Array]:
    """Axes of the children, along which they are about independent given the drivers.

    Returns
    -------
    Mixing [dim, child] and unmixing [child, dim], a shift of the centre [dim], and how wide the children
    are at each draw, in squares [row].
    """
    xp = array_namespace(position)
    is_driver = xp.sum(drivers, axis=0) > 0
    is_child = ~is_driver
    zero = 0 * position[0, :]
    ones = xp.ones_like(zero)
    given = xp.concat([xp.ones_like(u[:, :1]), u], axis=1)
    # Where all children are narrow gradients are huge: a common scale for each draw.
    shift, wide = zero, xp.ones_like(seen)
    for _ in range(3):
        weights = _regression(given, position, seen / wide)
        shift = xp.where(is_child, weights[0, :], zero)
        along = xp.where(is_child, position - given @ weights, zero)
        force = gradient - given @ _regression(given, gradient, seen * wide)
        force = xp.where(is_child, force, zero)
        size = _mean(along**2 / wide[:, None], seen) / xp.where(is_child, _mean(force**2 * wide[:, None], seen), ones)
        size = xp.where(is_child, size**0.25, ones)
        wide = xp.sqrt(xp.sum((along / size) ** 2, axis=1) / xp.sum((force * size) ** 2, axis=1))
    root = xp.sqrt(wide)[:, None]
    along, force = along / root, force * root
    blocks = (is_child[:, None] & is_child) | (_eye(position) > 0)
    # Drivers stand by with unit variance, to be dropped below.
    stand_in = u @ drivers
    white = metric.from_scores(
        _moments(xp.where(is_child, along, stand_in), seen),
        _moments(xp.where(is_child, force, stand_in), seen),
        structure=blocks,
    )
    unmixing = white.whitener
    mixing = white.inverse_mass_matrix @ xp.matrix_transpose(unmixing)
    w, h = along @ xp.matrix_transpose(unmixing), force @ mixing
    # How the precision changes with the first driver: h - w = u B w, by least squares with a ridge.
    times = u[:, :1] * w * seen[:, None]
    eye = _eye(w)
    normal = xp.matrix_transpose(times) @ times + w.shape[1] * eye
    change = xp.linalg.solve(normal, xp.matrix_transpose(times) @ (h - w))
    change = (change + xp.matrix_transpose(change)) / 2
    change = xp.where(is_child[:, None] & is_child, change, 0 * change)
    # Eigenvalues below all others put the drivers first, to be left out.
    below = 2 * xp.sum(abs(change)) + 1
    _, vectors = metric.eigen(change - below * xp.where(is_driver, ones, zero) * eye)
    vectors = xp.where(is_child[:, None], vectors[:, number:], zero[:, None])
    return mixing @ vectors, xp.matrix_transpose(vectors) @ unmixing, shift, wide


def _regression(u: Array, values: Array, seen: Array) -> Array:
    """Coefficients [K, column] of `values` [row, column] on `u` [row, K]."""
    xp = array_namespace(values)
    weighted = xp.matrix_transpose(u * seen[:, None])
    normal = weighted @ u
    eye = xp.eye(normal.shape[0], dtype=normal.dtype, device=device(normal))
    return xp.linalg.solve(normal + 1e-6 * eye, weighted @ values)


def _mean(values: Array, seen: Array) -> Array:
    xp = array_namespace(values)
    return xp.sum(values * seen[:, None], axis=0) / xp.sum(seen)


def _moments(values: Array, seen: Array) -> Welford:
    xp = array_namespace(values)
    mean = _mean(values, seen)
    centred = (values - mean) * seen[:, None]
    return Welford(xp.sum(seen), mean, xp.matrix_transpose(centred) @ centred)


def _eye(like: Array) -> Array:
    xp = array_namespace(like)
    return xp.eye(like.shape[1], dtype=like.dtype, device=device(like))


def select(which: Array, new: Any, old: Any) -> Any:
    """`new` where `which`, a boolean scalar, else `old`: nested tuples of a kind."""
    if isinstance(new, tuple):
        parts = [select(which, a, b) for a, b in zip(new, old, strict=True)]
        return type(new)(*parts) if hasattr(new, "_fields") else tuple(parts)
    return array_namespace(new).where(which, new, old)
