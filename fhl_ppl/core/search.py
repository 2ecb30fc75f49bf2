"""Where to start: minima that descents from many places have found (section 10, search).

Particles that start in one valley see no other, and what leads them is the first of them that is
low. So before warm-up more places than there are particles are descended from. A minimum is a find
if the Gaussian around it is about what the target is there; what it weighs is told by a few draws
of that Gaussian. With one find particles start at such draws. With several who came to one stays
at its start, and who came to what weighs nothing starts at a draw, first of what nobody came to.
Who came to where the target is no Gaussian and may weigh something stays too. Where there are
several, it is looked for more, and warm-up begins with an archive of all.
"""

from math import inf, log
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, eye, numbered
from fhl_ppl.core.control import Control
from fhl_ppl.core.descent import Descent, descend
from fhl_ppl.core.mixture import IGNORED
from fhl_ppl.core.target import Target, state_at

Array = Any

PLACES = 8
"""Descents of a round, if particles are not more. Of a mode that a quarter of them lead to, one in
ten searches misses it."""
CROWD = 64
"""Of more particles each is left where it is: they see what a search would."""
ROUNDS = 8
"""At the most. Another is made where the last found something beside what was known before."""
DRAWS = 8
"""Of the Gaussian around each end."""
SHARE = 0.2
"""Of a gradient of each particle in each iteration of the warm-up, what descents may cost."""
MOST = 100
"""Evaluations of a descent at the most. Lotka-Volterra's take 50 to 90."""
LEAST = 16
"""With fewer none arrives, and none is begun."""
FLAT, STEEP = 0.2, 4.0
"""How far the energies of draws may lie above the minimum, in units of dim / 2: 1 in a Gaussian. It
is less where BFGS has not seen how wide the valley is, and more where the target is no Gaussian: in
the neck of a funnel, 40."""
SPREAD = 3.0
"""How far the log weights of draws may differ, as a standard deviation. Those of posteriors that
are about a Gaussian, up to 25 dimensions, differ by 0.3 to 2.7; of a horseshoe's 82, by 5.8 where
one was taken for a find, and all began there: R-hat 1.04, and 2.3 effective draws for 1000
gradients in place of 28."""

MISSING = 1e30
"""Energy of a draw that has none."""
REACH = 16.0
"""Square of the distance up to which what is no find belongs to one, in units of dim."""


class Found(NamedTuple):
    """What a search has found.

    Attributes
    ----------
    starts
        Where to start, shape [particle, dim]; where particles would have, if nothing was found.
    evaluations
        How often energy and gradient were evaluated, a scalar.
    draws
        Of the Gaussian around each end, positions and gradients [2, draw, place, dim].
    energy
        There, shape [draw, place].
    is_known
        1 for draws of finds, where there is more than one, shape [draw, place].
    """

    starts: Array
    evaluations: Array
    draws: Array
    energy: Array
    is_known: Array


class Ends(NamedTuple):
    """Of descents, with draws of the Gaussians around them.

    Attributes
    ----------
    centre
        Shape [place, dim].
    lowest
        Energies there, shape [place].
    has_arrived
        Whether they are minima, shape [place].
    whitening
        To units in which the Gaussian is a standard one, shape [place, dim, dim].
    log_volume
        Of the Gaussian's standard deviations, shape [place].
    draws
        Positions and gradients, shape [place, draw, 2, dim].
    energy
        There, shape [place, draw].
    log_weight
        What each draw stands for, shape [place, draw].
    """

    centre: Array
    lowest: Array
    has_arrived: Array
    whitening: Array
    log_volume: Array
    draws: Array
    energy: Array
    log_weight: Array


class Finds(NamedTuple):
    """Which ends are finds.

    Attributes
    ----------
    mass
        log of what each weighs, shape [place]; -inf for what is no find.
    is_other
        Whether it is no find, belongs to none and may weigh something, shape [place].
    is_same
        Whether a place belongs to a find, shape [find, place].
    """

    mass: Array
    is_other: Array
    is_same: Array


def places_of(num_particles: int) -> int:
    """How many places are descended from in a round."""
    return max(PLACES, num_particles)


def evaluations_of(num_warmup: int, num_particles: int) -> int:
    """How many evaluations a descent may take; 0 for no search.

    >>> evaluations_of(1000, 4), evaluations_of(300, 4), evaluations_of(50, 4)
    (100, 30, 0)
    """
    most = min(MOST, int(SHARE * num_warmup * num_particles / places_of(num_particles)))
    return most if most >= LEAST and num_particles <= CROWD else 0


def search(
    target: Target,
    position: Array,
    radius: float,
    noise: Array,
    uniform: Array,
    most: int,
    control: Control,
) -> Found:
    """Find better starts for particles.

    Parameters
    ----------
    target
        What is descended.
    position
        Where particles would start, shape [particle, dim].
    radius
        How far from 0 other places may be, in each dimension.
    noise
        Standard normal, shape [DRAWS, place, dim], of as many rounds, `ROUNDS` or fewer, as there
        may be, of as many places as `places_of` says.
    uniform
        In (0, 1), shape [place, dim + DRAWS].
    most
        Evaluations of a descent, see `evaluations_of`.
    control
        Loops.
    """
    xp = array_namespace(position)
    num_particles, dim = position.shape
    size = places_of(num_particles)
    elsewhere = radius * (2 * uniform[num_particles:, :dim] - 1)
    places = xp.concat([position, elsewhere], axis=0)
    place = numbered(places[:, 0])
    rounds = places.shape[0] // size

    def look(number: Any) -> tuple[Ends, Array]:
        rows = xp.astype(place[:size] + size * number, xp.int32)
        descent = descend(target, xp.take(places, rows, axis=0), most, control)
        ends = _ends(target, descent, xp.take(noise, rows, axis=1), control)
        return ends, xp.sum(descent.evaluations) + noise.shape[0] * size

    def at_these(here: Array, new: Array, old: Array) -> Array:
        return xp.where(xp.reshape(here, (-1,) + (1,) * (old.ndim - 1)), new, old)

    def put(number: Any, ends: Ends, more: Ends) -> Ends:
        row = xp.astype(place - size * number, xp.int32)
        here = (row >= 0) & (row < size)
        row = xp.where(here, row, 0 * row)
        return Ends(
            *(
                at_these(here, xp.take(new, row, axis=0), old)
                for old, new in zip(ends, more, strict=True)
            )
        )

    def look_more(number: Any, value: tuple[Ends, Array, Array, Array]) -> Any:
        def again(value: tuple[Ends, Array, Array, Array]) -> Any:
            ends, before, spent, _ = value
            more, cost = look(number)
            ends = put(number, ends, more)
            different = _different(_finds(ends))
            goes_on = (different > before) & (spent + 2 * cost < most * size)
            return ends, different, spent + cost, goes_on

        return control.cond(value[3], again, lambda value: value, value)

    first, cost = look(0)
    nothing = Ends(*(xp.concat([part] * rounds, axis=0) for part in first))
    nothing = nothing._replace(
        lowest=nothing.lowest + inf, has_arrived=nothing.has_arrived & (place < 0)
    )
    ends = put(0, nothing, first)
    different = _different(_finds(ends))
    goes_on = (different > 1) & (2 * cost < most * size)
    value = ends, different, cost, goes_on
    ends, different, evaluations, _ = control.fori_loop(1, rounds, look_more, value)
    finds = _finds(ends)
    starts = _starts(ends, finds, position, uniform[:, dim:], control)
    is_known = xp.isfinite(finds.mass)[:, None] & (ends.energy < MISSING) & (different > 1)
    return Found(
        starts,
        evaluations,
        xp.permute_dims(ends.draws, (2, 1, 0, 3)),
        xp.matrix_transpose(ends.energy),
        xp.matrix_transpose(xp.astype(is_known, ends.energy.dtype)),
    )


def _ends(target: Target, descent: Descent, noise: Array, control: Control) -> Ends:
    centre, lowest = descent.state.position, descent.state.potential_energy
    xp = array_namespace(centre)
    root, whitening, log_volume = _roots(descent.inverse_hessian)

    def drawn(standard: Array) -> tuple[Array, Array]:
        draw = centre + (root @ standard[:, :, None])[:, :, 0]
        _, energy, gradient = state_at(target, draw)
        sound = xp.isfinite(energy) & xp.all(xp.isfinite(gradient), axis=1)
        energy = xp.where(sound, energy, xp.full_like(energy, MISSING))
        gradient = xp.where(sound[:, None], gradient, 0 * draw)
        return xp.stack([draw, gradient], axis=1), energy

    draws, energy = control.map(drawn, noise)
    log_weight = log_volume + xp.sum(noise**2, axis=2) / 2 - energy
    return Ends(
        centre,
        lowest,
        descent.has_arrived,
        whitening,
        log_volume,
        xp.permute_dims(draws, (1, 0, 2, 3)),
        xp.matrix_transpose(energy),
        xp.matrix_transpose(log_weight),
    )


def _finds(ends: Ends) -> Finds:
    centre, lowest, has_arrived, whitening, log_volume, _, energy, log_weight = ends
    xp = array_namespace(centre)
    dim, above = centre.shape[1], xp.mean(energy, axis=1) - lowest
    is_find = has_arrived & (xp.std(log_weight, axis=1) < SPREAD)
    is_find = is_find & (above > FLAT * dim / 2) & (above < STEEP * dim / 2)
    # What has not arrived, or is no Gaussian, may lie lower, and is not passed over for a find.
    others = xp.min(xp.where(is_find, xp.full_like(lowest, inf), lowest))
    is_find = is_find & (xp.min(xp.where(is_find, lowest, inf)) < others + dim / 2)
    largest = xp.max(log_weight, axis=1)
    guess = largest + xp.log(xp.mean(xp.exp(log_weight - largest[:, None]), axis=1))
    nothing = xp.full_like(guess, -inf)
    mass = xp.where(is_find, guess, nothing)
    least = xp.max(mass) + log(IGNORED)
    mass = xp.where(mass > least, mass, nothing)
    # Beyond a wall all draws may weigh nothing. The end itself is one more.
    at_end = log_volume - lowest
    weighs = xp.isfinite(at_end) & (xp.where(guess > at_end, guess, at_end) > least)
    # [find, place]
    apart = centre[None, :, :] - centre[:, None, :]
    square = xp.sum((apart @ whitening) ** 2, axis=2)
    is_same = xp.isfinite(mass)[:, None] & (square < REACH * dim)
    is_other = ~is_find & weighs & ~xp.any(is_same, axis=0)
    return Finds(mass, is_other, is_same)


def _different(finds: Finds) -> Array:
    """How many finds there are that do not belong to an earlier one."""
    xp = array_namespace(finds.mass)
    number = numbered(finds.mass)
    earlier = number[:, None] < number[None, :]
    is_first = xp.isfinite(finds.mass) & ~xp.any(finds.is_same & earlier, axis=0)
    return xp.sum(xp.astype(is_first, finds.mass.dtype))


def _roots(covariance: Array) -> tuple[Array, Array, Array]:
    """Square roots S of covariances, their inverses, and log|det S|."""
    xp = array_namespace(covariance)
    # Of numbers near overflow PyTorch finds no eigenvalues, and raises.
    sound = xp.all(xp.abs(covariance) < 1e30, axis=(1, 2), keepdims=True)
    values, vectors = xp.linalg.eigh(xp.where(sound, covariance, eye(covariance)))
    # Rounding may have made them negative.
    least = 1e-30 + 0 * values
    widths = xp.sqrt(xp.where(values > least, values, least))[:, None, :]
    back = xp.matrix_transpose(vectors)
    return (
        (vectors * widths) @ back,
        (vectors / widths) @ back,
        xp.sum(xp.log(widths[:, 0, :]), axis=1),
    )


def _starts(ends: Ends, finds: Finds, own: Array, uniform: Array, control: Control) -> Array:
    """A draw for each particle that does not stay: in turn of the find farthest from others'."""
    xp = array_namespace(own)
    mass, centre = finds.mass, ends.centre
    exists, draws = xp.isfinite(mass), ends.draws[:, :, 0, :]
    # Of the draws of a find, one by its weight: the largest of these. Of all draws likewise.
    order = ends.log_weight - xp.log(-xp.log(uniform))
    largest = xp.where(exists, xp.max(order, axis=1), xp.full_like(mass, -inf))
    first = xp.exp(xp.where(exists, largest - xp.max(largest), 0 * mass))
    place, draw, particle = numbered(mass), numbered(order[0, :]), numbered(own[:, 0])
    stays, has_one = _stay(finds, own.shape[0])

    def choose(number: Array, value: tuple[Array, Array, Array, Array]) -> Any:
        starts, turns, distance, left = value
        # At first none has a particle. One gets it by its mass: a chain that is reported alone is
        # such a first one, and of many chains not all shall be where the heaviest is.
        near = xp.where(xp.isfinite(distance), distance / (1 + distance), 1 + first)
        score = xp.where(exists, near - 2 * turns, xp.full_like(near, -inf))
        is_asked = xp.any((particle == number) & ~stays)
        chosen = (place == xp.argmax(score)) & is_asked
        of_chosen = xp.sum(xp.where(chosen[:, None], left, xp.zeros_like(left)), axis=0)
        pick = draw == xp.argmax(of_chosen)
        there = chosen[:, None] & pick
        start = xp.sum(xp.where(there[:, :, None], draws, 0 * draws), axis=(0, 1))
        is_left = xp.any(exists) & xp.isfinite(xp.max(of_chosen))
        here = ((particle == number) & is_left & ~stays)[:, None]
        apart = centre - xp.sum(xp.where(chosen[:, None], centre, 0 * centre), axis=0)
        whitening = xp.sum(
            xp.where(chosen[:, None, None], ends.whitening, 0 * ends.whitening), axis=0
        )
        by_each = xp.sum((ends.whitening @ apart[:, :, None])[:, :, 0] ** 2, axis=1)
        by_chosen = xp.sum((apart @ whitening) ** 2, axis=1)
        farther = xp.where(by_each > by_chosen, by_each, by_chosen)
        return (
            xp.where(here, start, starts),
            turns + xp.astype(chosen, turns.dtype),
            xp.where(is_asked & (farther < distance), farther, distance),
            xp.where(there, xp.full_like(left, -inf), left),
        )

    nobody = 0 * first
    begun = own, nobody, xp.where(has_one, nobody, nobody + inf), order
    return control.fori_loop(0, own.shape[0], choose, begun)[0]


def _stay(finds: Finds, num_particles: int) -> tuple[Array, Array]:
    """Who stays at its start, [particle], and which finds have a particle so, [place].

    Chains that begin at minima far apart would begin with a metric that fits none of them: of
    factor_sign, whose two are alike, three seeds took 39, 13 and 11 thousand gradients of warm-up,
    and 7 thousand if who came to one began from where it was.
    """
    xp = array_namespace(finds.mass)
    exists, is_same = xp.isfinite(finds.mass), finds.is_same
    several = xp.any(exists & exists[:, None] & ~is_same)
    stays = (finds.is_other | (several & exists))[:num_particles]
    # [particle, place]
    of_stayers = is_same[:num_particles, :] & stays[:, None]
    number = numbered(finds.mass)
    earlier = number[:num_particles, None] < number[None, :]
    is_second = stays & xp.any(of_stayers & earlier, axis=0)[:num_particles]
    # One of two in a valley makes room where nobody came to another.
    is_missing = several & xp.any(exists & ~xp.any(of_stayers, axis=0))
    last = xp.max(xp.where(is_second, number[:num_particles], -1 + 0 * number[:num_particles]))
    stays = stays & ~(is_missing & (number[:num_particles] == last))
    return stays, xp.any(is_same[:num_particles, :] & stays[:, None], axis=0)
