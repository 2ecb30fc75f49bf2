"""A map of single coordinates that makes lopsided ones even (section 11).

    t = centre + unit sinh(power (asinh(y) + tilt))

(Jones and Pewsey 2009): far out t goes like |y|^power, with a factor exp(power tilt) on one side
and exp(-power tilt) on the other. Logarithms of what may be about 0 are so: an exponential tail on
the left, and to the right less than a Gaussian's.
"""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, eye
from fhl_ppl.core.charts.gauss_newton import minimise
from fhl_ppl.core.charts.rows import HALVES, Rows, exchanged, gaussian, mean, transposed
from fhl_ppl.core.charts.tails import hyperbolic
from fhl_ppl.core.control import Control
from fhl_ppl.core.stacked import at, each_array, stack

Array = Any

GAIN = 0.6
"""A coordinate is bent where that makes its loss on held-out draws smaller by this factor."""
STEPS = 8
"""Gauss-Newton steps. More, and from tilts of -1 and 1, found nothing better for trunc_hier."""
RIDGE = 2.0
"""Draws that a map which bends nothing counts for."""
LARGEST = (3.0, 2.0, 2.0, 0.7)
"""Bounds of centre and log unit from the best Gaussian's, of the tilt, and of the log power."""
STEP = 1e-4
"""For derivatives by differences."""


class Skew(NamedTuple):
    """A map y -> t; see the module.

    Attributes
    ----------
    is_bent
        1 for coordinates that are mapped, 0 for those left alone, shape [dim].
    centre, unit, tilt, power
        Shape [dim].
    """

    is_bent: Array
    centre: Array
    unit: Array
    tilt: Array
    power: Array


def identity(like: Array) -> Skew:
    """The map that changes nothing, for rows as those of `like` [row, dim]."""
    nothing = array_namespace(like).zeros_like(like[0, :])
    return Skew(nothing, nothing, nothing + 1, nothing, nothing + 1)


def to_position(skew: Skew, coordinates: Array) -> tuple[Array, Array]:
    """t and the logarithms of dt/dy, both [particle, dim]."""
    xp = array_namespace(coordinates)
    bent = skew.is_bent > 0
    angle = skew.power * (xp.asinh(coordinates) + skew.tilt)
    sinh, cosh = hyperbolic(angle)
    position = xp.where(bent, skew.centre + skew.unit * sinh, coordinates)
    log_slope = xp.log(skew.unit * skew.power * cosh / xp.sqrt(1 + coordinates**2))
    return position, xp.where(bent, log_slope, xp.zeros_like(angle))


def to_coordinates(skew: Skew, position: Array) -> Array:
    """y [particle, dim] from t [particle, dim]."""
    xp = array_namespace(position)
    angle = xp.asinh((position - skew.centre) / skew.unit)
    return xp.where(skew.is_bent > 0, xp.sinh(angle / skew.power - skew.tilt), position)


def pull_back(skew: Skew, coordinates: Array, gradient: Array) -> Array:
    """Gradient by y of U(t(y)) - log|det Dt/Dy|, from that of U by t."""
    slope, of_volume = _slopes(skew, coordinates)
    xp = array_namespace(coordinates)
    return xp.where(skew.is_bent > 0, gradient * slope - of_volume, gradient)


def push_forward(skew: Skew, coordinates: Array, gradient: Array) -> Array:
    """Undo `pull_back`."""
    slope, of_volume = _slopes(skew, coordinates)
    xp = array_namespace(coordinates)
    return xp.where(skew.is_bent > 0, (gradient + of_volume) / slope, gradient)


def _slopes(skew: Skew, coordinates: Array) -> tuple[Array, Array]:
    """dt/dy, and the derivative of its logarithm."""
    xp = array_namespace(coordinates)
    angle = skew.power * (xp.asinh(coordinates) + skew.tilt)
    inverse = skew.power / xp.sqrt(1 + coordinates**2)
    sinh, cosh = hyperbolic(angle)
    return skew.unit * cosh * inverse, sinh / cosh * inverse - coordinates / (1 + coordinates**2)


def fit(rows: Rows, control: Control) -> Skew:
    """Maps fitted to all rows, to one half, to the other, stacked.

    Positions and gradients are given in the coordinates that go with each, shape [3, row, dim]. A
    coordinate is bent if what is fitted to a half of the rows does the other good.
    """
    xp = array_namespace(rows.weights)
    fits = control.map(lambda each: _fit(each, control), rows)

    def judge(given: tuple[Skew, Rows, Array]) -> Array:
        fitted, (x, g, seen), judged = given
        y = to_coordinates(fitted, x)
        centre, unit = gaussian(x, g, seen)
        residuals = pull_back(fitted, y, g) - y, unit * g - (x - centre) / unit
        return xp.stack([mean(xp.log1p(r**2), judged) for r in residuals])

    halves = at((fits, rows), HALVES)
    losses = xp.sum(control.map(judge, (*halves, exchanged(rows.weights))), axis=0)
    after, before = losses[0, :], losses[1, :]
    bent = (after < GAIN * before) & xp.isfinite(before)
    plain = identity(rows.position[0, ...])
    return each_array(lambda found, other: xp.where(bent, found, other), fits, stack([plain] * 3))


def _fit(rows: Rows, control: Control) -> Skew:
    """The map that makes each coordinate's gradient by y about y; `rows` have one weight each."""
    position, gradient, seen = rows
    xp = array_namespace(position)
    centre, unit = gaussian(position, gradient, seen)
    x, g = transposed((position - centre) / unit), transposed(gradient * unit)

    def residual(weights: Array) -> Array:
        skew = Skew(*(part[:, None] for part in _skew_of(weights)))
        y = to_coordinates(skew, x)
        return pull_back(skew, y, g) - y

    def jacobian(weights: Array) -> Array:
        here = residual(weights)
        moves = STEP * eye(weights)
        columns = [(residual(weights + moves[i, :]) - here) / STEP for i in range(moves.shape[0])]
        return xp.stack(columns, axis=1)

    nothing = xp.stack([0 * centre] * len(LARGEST), axis=1)
    largest = xp.stack([0 * centre[0] + bound for bound in LARGEST])

    best, _ = minimise(residual, jacobian, nothing, nothing, seen, RIDGE, STEPS, control, largest)
    found = _skew_of(best)
    return found._replace(centre=centre + unit * found.centre, unit=unit * found.unit)


def _skew_of(weights: Array) -> Skew:
    """A map of all coordinates from weights [dim, 4]."""
    xp = array_namespace(weights)
    centre, log_unit, tilt, log_power = (weights[:, i] for i in range(len(LARGEST)))
    return Skew(xp.ones_like(tilt), centre, xp.exp(log_unit), tilt, xp.exp(log_power))
