"""A map of single coordinates that takes the weight out of heavy tails (section 11).

t = centre + width sinh(y): a Cauchy variable becomes one whose density falls like exp(-|y|).
"""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace

Array = Any

WIDTHS = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
"""To choose from, in units of one over the gradient's root mean square, which no tail moves."""
GAIN = 0.5
"""A tail is straightened where that makes the loss smaller by this factor."""


class Tails(NamedTuple):
    """A map y -> t; see the module.

    Attributes
    ----------
    is_heavy
        1 for coordinates that are mapped, 0 for those left alone, shape [dim].
    centre, width
        Shape [dim].
    """

    is_heavy: Array
    centre: Array
    width: Array


def identity(like: Array) -> Tails:
    """The map that changes nothing, for rows as those of `like` [row, dim]."""
    xp = array_namespace(like)
    nothing = xp.zeros_like(like[0, :])
    return Tails(nothing, nothing, nothing + 1)


def to_position(tails: Tails, coordinates: Array) -> tuple[Array, Array]:
    """t and the logarithms of dt/dy, both [particle, dim]."""
    xp = array_namespace(coordinates)
    heavy = tails.is_heavy > 0
    # Elsewhere an overflow would do no good.
    y = xp.where(heavy, coordinates, xp.zeros_like(coordinates))
    sinh, cosh = hyperbolic(y)
    position = xp.where(heavy, tails.centre + tails.width * sinh, coordinates)
    return position, xp.where(heavy, xp.log(tails.width * cosh), xp.zeros_like(y))


def to_coordinates(tails: Tails, position: Array) -> Array:
    """y [particle, dim] from t [particle, dim]."""
    xp = array_namespace(position)
    return xp.where(tails.is_heavy > 0, xp.asinh((position - tails.centre) / tails.width), position)


def pull_back(tails: Tails, coordinates: Array, gradient: Array) -> Array:
    """Gradient by y of U(t(y)) - log|det Dt/Dy|, from that of U by t."""
    xp = array_namespace(coordinates)
    heavy = tails.is_heavy > 0
    y = xp.where(heavy, coordinates, xp.zeros_like(coordinates))
    sinh, cosh = hyperbolic(y)
    return xp.where(heavy, gradient * tails.width * cosh - sinh / cosh, gradient)


def push_forward(tails: Tails, coordinates: Array, gradient: Array) -> Array:
    """Undo `pull_back`."""
    xp = array_namespace(coordinates)
    heavy = tails.is_heavy > 0
    y = xp.where(heavy, coordinates, xp.zeros_like(coordinates))
    sinh, cosh = hyperbolic(y)
    return xp.where(heavy, (gradient + sinh / cosh) / (tails.width * cosh), gradient)


def hyperbolic(angle: Array) -> tuple[Array, Array]:
    """Sinh and cosh from one exponential: functions are what evaluation takes, and compiling."""
    grown = array_namespace(angle).exp(angle)
    return (grown - 1 / grown) / 2, (grown + 1 / grown) / 2


def fit(position: Array, gradient: Array, seen: Array) -> Tails:
    """The best width of each coordinate, and whether it is needed; `seen` [row] are weights."""
    xp = array_namespace(position)
    # Far out the gradient is small, so that tails have no say in where the middle is.
    weight = seen[:, None] * gradient**2
    centre = xp.sum(weight * position, axis=0) / xp.sum(weight, axis=0)
    unit = 1 / xp.sqrt(xp.sum(weight, axis=0) / xp.sum(seen))
    everywhere = xp.ones_like(centre)
    lowest = _loss(xp, position, gradient, seen)
    as_it_is, best = lowest, everywhere
    for factor in WIDTHS:
        tails = Tails(everywhere, centre, factor * unit)
        y = to_coordinates(tails, position)
        loss = _loss(xp, y, pull_back(tails, y, gradient), seen)
        better = loss < lowest
        best = xp.where(better, tails.width, best)
        lowest = xp.where(better, loss, lowest)
    heavy = (lowest < GAIN * as_it_is) & xp.isfinite(centre) & xp.isfinite(best)
    return Tails(
        xp.astype(heavy, centre.dtype),
        xp.where(heavy, centre, xp.zeros_like(centre)),
        xp.where(heavy, best, everywhere),
    )


def _loss(xp: Any, position: Array, gradient: Array, seen: Array) -> Array:
    """Robust Fisher divergence of each coordinate from the best Gaussian, shape [dim]."""
    total = xp.sum(seen)
    x = position - xp.sum(seen[:, None] * position, axis=0) / total
    g = gradient - xp.sum(seen[:, None] * gradient, axis=0) / total
    spread, force = (xp.sum(seen[:, None] * each**2, axis=0) / total for each in (x, g))
    root = (spread / force) ** 0.25
    return xp.sum(seen[:, None] * xp.log1p((root * g - x / root) ** 2), axis=0) / total
