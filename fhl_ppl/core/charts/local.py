"""Children that have a driver each, beside one in common: local scales (section 11).

    x_j = c_j + b_j (m_j(u, v_j) + exp(s_j(u, v_j)) y_j)  for children,     x_i = y_i  else,

u being a coordinate that is a driver of all, and v_j another that child j has to itself, as z_j has
its lambda_j in the horseshoe's z_j lambda_j tau. No driver is a child, so that one step undoes it.
"""

from typing import Any, NamedTuple

from array_api_compat import device

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.charts import conditional, hierarchy
from fhl_ppl.core.charts.conditional import Conditional, Drivers

Array = Any


class Local(NamedTuple):
    """A map y -> x; see the module.

    Attributes
    ----------
    centre, unit
        c and b, shape [dim]: drivers are measured in these too.
    common
        1 at the driver of all, or all 0, shape [dim].
    own
        Row j has 1 at the driver of child j, or is 0, shape [dim, dim].
    is_child
        Shape [dim].
    weights
        Of the children's locations and scales.
    """

    centre: Array
    unit: Array
    common: Array
    own: Array
    is_child: Array
    weights: Conditional


def identity(like: Array) -> Local:
    """The map that changes nothing, for positions shaped as the rows of `like` [row, dim]."""
    xp = array_namespace(like)
    nothing = xp.zeros_like(like[0, :])
    none = xp.zeros((like.shape[1],) * 2, dtype=like.dtype, device=device(like))
    weights = hierarchy.no_weights(nothing, 2)
    return Local(nothing, nothing + 1, nothing, none, nothing, weights)


def drivers(local: Local, position: Array) -> Drivers:
    """u [row, 1] and v [row, dim]."""
    measured = (position - local.centre) / local.unit
    own = measured @ array_namespace(position).matrix_transpose(local.own)
    return (measured @ local.common)[:, None], own


def to_position(local: Local, coordinates: Array) -> tuple[Array, Array]:
    """x from y, and the logarithms of dx_i/dy_i, which add up to log|det|; all [particle, dim]."""
    xp = array_namespace(coordinates)
    parts = conditional.evaluate(local.weights, drivers(local, coordinates))
    moved = parts.location + parts.scale * coordinates
    position = xp.where(local.is_child > 0, local.centre + local.unit * moved, coordinates)
    log_slope = parts.log_scale + xp.log(local.unit)
    return position, xp.where(local.is_child > 0, log_slope, 0 * log_slope)


def to_coordinates(local: Local, position: Array) -> Array:
    """y [particle, dim] from x [particle, dim]."""
    xp = array_namespace(position)
    parts = conditional.evaluate(local.weights, drivers(local, position))
    measured = (position - local.centre) / local.unit
    moved = (measured - parts.location) / parts.scale
    return xp.where(local.is_child > 0, moved, position)


def pull_back(local: Local, coordinates: Array, gradient: Array) -> Array:
    """Gradient by y of U(x(y)) - log|det Dx/Dy|, from that of U by x; all [particle, dim]."""
    xp = array_namespace(coordinates)
    measured = gradient * local.unit
    scale, on_drivers = _forces_on_drivers(local, coordinates, measured)
    return xp.where(local.is_child > 0, scale * measured, gradient) + on_drivers


def push_forward(local: Local, coordinates: Array, gradient: Array) -> Array:
    """Undo `pull_back`."""
    xp = array_namespace(coordinates)
    parts = conditional.evaluate(local.weights, drivers(local, coordinates))
    measured = gradient / parts.scale
    _, on_drivers = _forces_on_drivers(local, coordinates, measured)
    return xp.where(local.is_child > 0, measured / local.unit, gradient - on_drivers)


def _forces_on_drivers(local: Local, coordinates: Array, measured: Array) -> tuple[Array, Array]:
    """exp(s), and what the forces on children do to their drivers; both [particle, dim]."""
    xp = array_namespace(coordinates)
    given = drivers(local, coordinates)
    parts = conditional.evaluate(local.weights, given)
    of_common, of_own = (
        xp.where(
            local.is_child > 0,
            conditional.force_on_driver(local.weights, parts, given, i, coordinates, measured),
            0 * measured,
        )
        for i in range(2)
    )
    result = xp.sum(of_common, axis=1)[:, None] * local.common + of_own @ local.own
    return parts.scale, result / local.unit
