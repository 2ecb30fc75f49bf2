"""Which mode each particle is in, and trajectories that know it (section 10).

The space is divided among the components of the mixture. A trajectory may turn about the centre of
the component that it begins in, if it is refused where it ends in another: within a part the move
is what it would be if there were no other, and the way back is made in the same part.
"""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.control import Control
from fhl_ppl.core.mixture import Mixture, in_use, log_parts
from fhl_ppl.core.state import State

Array = Any


class Homes(NamedTuple):
    """The parts that the space is divided in.

    Attributes
    ----------
    mixture
        What divides it.
    means
        Means of the positions and of the gradients seen in each part, [2, component, dim].
    heaviest
        Number of the component of most weight, a scalar.
    others
        How many components there are besides one, a scalar.
    """

    mixture: Mixture
    means: Array
    heaviest: Array
    others: Array


def make_homes(mixture: Mixture, means: Array) -> Homes:
    """Divide the space among the components of a mixture with these means [2, component, dim]."""
    xp = array_namespace(mixture.centre)
    used = xp.astype(in_use(mixture.log_weight), mixture.centre.dtype)
    others = xp.clip(xp.sum(used) - 1, 0.0, None)
    return Homes(mixture, means, xp.argmax(mixture.log_weight), others)


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
