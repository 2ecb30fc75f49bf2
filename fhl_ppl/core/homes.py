"""Which mode each particle is in, and trajectories that know it (section 10).

The space is divided among the components of the mixture. A trajectory may turn about the centre of
the component that it begins in, and go by how wide that is, if it is refused where it ends in
another: within a part the move is what it would be if there were no other, and the way back is made
in the same part.
"""

from math import log
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.control import Control
from fhl_ppl.core.metrics import AnyMetric, MetricAtHome
from fhl_ppl.core.mixture import Mixture, in_use, log_parts
from fhl_ppl.core.state import State

Array = Any

ALIKE = 1.5
"""Up to how many times as wide as others, or as narrow, one counts as of the usual width: moments
are of a few hundred correlated places. With the widths of all taken as they are, two modes that
mirror each other had a fifth less effective draws for a gradient."""


class Homes(NamedTuple):
    """The parts that the space is divided in.

    Attributes
    ----------
    mixture
        What divides it.
    means
        Means of the positions and of the gradients seen in each part, [2, component, dim].
    scales
        How many times as wide as usual each is along each axis, shape [component, dim].
    heaviest
        Number of the component of most weight, a scalar.
    others
        How many components there are besides one, a scalar.
    """

    mixture: Mixture
    means: Array
    scales: Array
    heaviest: Array
    others: Array


def make_homes(mixture: Mixture, means: Array, within: Array, is_mode: Array) -> Homes:
    """Divide the space among the components of a mixture with these means [2, component, dim].

    `within`, shape [dim, dim], is the covariance within a component of the usual width, which those
    are taken for that are not known to be modes, [component]: a slice of a hierarchy is as wide as
    the archive has cut it.
    """
    xp = array_namespace(mixture.centre)
    used = xp.astype(in_use(mixture.log_weight), mixture.centre.dtype)
    others = xp.clip(xp.sum(used) - 1, 0.0, None)
    scales = xp.sqrt(xp.sum(mixture.root**2, axis=2) / xp.linalg.diagonal(within))
    is_unlike = xp.isfinite(scales) & (scales > 0) & is_mode[:, None] & (others > 0)
    log_scales = xp.log(xp.where(is_unlike, scales, xp.ones_like(scales)))
    scales = xp.where(xp.abs(log_scales) > log(ALIKE), scales, xp.ones_like(scales))
    return Homes(mixture, means, scales, xp.argmax(mixture.log_weight), others)


def home_of(homes: Homes, position: Array, control: Control) -> Array:
    """Number of the component that each particle is in, shape [particle]."""
    xp = array_namespace(position)
    return control.cond(
        homes.others > 0,
        lambda value: xp.argmax(log_parts(homes.mixture, value), axis=1),
        lambda value: xp.argmax(0 * value[:, :1], axis=1),
        position,
    )


def turning_point(homes: Homes, home: Array, centre: Array) -> Array:
    """What each particle turns about: the centre of its component, or `centre` if there is one.

    Shape [particle, dim].
    """
    xp = array_namespace(centre)
    return xp.where(homes.others > 0, xp.take(homes.mixture.centre, home, axis=0), centre)


def as_one_mode(homes: Homes | None, home: Array, state: State, control: Control) -> State:
    """Lay all components on top of the heaviest: what is left is what differs within a mode.

    `home`, shape [particle], tells which component each is in. Gradients are shifted with the
    positions, so that a linear relation between them stays as it is.
    """
    if homes is None:
        return state

    def shifted(value):
        xp = array_namespace(value.position)
        away = homes.means - xp.take(homes.means, homes.heaviest[None], axis=1)
        away = xp.take(away, xp.astype(home, xp.int32), axis=1)
        return value._replace(
            position=value.position - away[0, :, :], gradient=value.gradient - away[1, :, :]
        )

    return control.cond(homes.others > 0, shifted, lambda value: value, state)


def as_usual_mode(homes: Homes | None, home: Array, state: State, control: Control) -> State:
    """Lay all components on top of the heaviest, and make them as wide as usual.

    Gradients are stretched as much as positions are drawn together: energies stay.
    """
    if homes is None:
        return state

    def widened(state: State) -> State:
        xp = array_namespace(state.position)
        state = as_one_mode(homes, home, state, control)
        mean = xp.take(homes.means, homes.heaviest[None], axis=1)
        scale = _scale(homes, home)
        # So that what is as wide as usual stays what it is to the bit.
        away, by = state.position - mean[0, :, :], state.gradient - mean[1, :, :]
        return state._replace(
            position=state.position + (1 / scale - 1) * away,
            gradient=state.gradient + (scale - 1) * by,
        )

    return control.cond(homes.others > 0, widened, lambda state: state, state)


def metric_at(homes: Homes | None, home: Array, metric: AnyMetric) -> AnyMetric | MetricAtHome:
    """What each particle goes by: the metric in the units of its component."""
    return metric if homes is None else MetricAtHome(metric, _scale(homes, home))


def _scale(homes: Homes, home: Array) -> Array:
    xp = array_namespace(homes.scales)
    return xp.take(homes.scales, xp.astype(home, xp.int32), axis=0)


def follow(centre: Array, before: Homes | None, after: Homes | None) -> Array:
    """Carry a place [dim] of states laid upon one another over to a renewed division.

    It moves from the component that was the heaviest to the one that is.
    """
    if before is None or after is None:
        return centre
    xp = array_namespace(centre)
    means = after.means[0, :, :]
    now, then = (xp.take(means, homes.heaviest[None], axis=0)[0, :] for homes in (after, before))
    apart = now - then
    return xp.where((before.others > 0) | (after.others > 0), centre + apart, centre)
