"""Where to start: minima that descents from many places have found (section 10, search).

Particles that start in one valley see no other, and what leads them is the first of them that is
low. So before warm-up more places than there are particles are descended from. A minimum is a find
if the Gaussian around it is about what the target is there; what it weighs is told by a few draws
of that Gaussian. With one find particles start at such draws. With several who came to one stays
at its start, and who came to what weighs nothing starts at a draw, first of what nobody came to.
Who came to where the target is no Gaussian and may weigh something stays too.
"""

from math import inf, log
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, eye, numbered
from fhl_ppl.core.control import Control
from fhl_ppl.core.descent import Descent, descend
from fhl_ppl.core.learners.archive import IGNORED
from fhl_ppl.core.target import Target, state_at

Array = Any

PLACES = 8
"""Descents, if particles are not more. Of a mode that a quarter of them lead to, one in ten
searches misses it."""
CROWD = 64
"""Of more particles each is left where it is: they see what a search would."""
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

REACH = 16.0
"""Square of the distance up to which what is no find belongs to one, in units of dim."""


class Finds(NamedTuple):
    """Ends of descents with draws of the Gaussians around them.

    Attributes
    ----------
    centre
        Shape [place, dim].
    whitening
        To units in which the Gaussian is a standard one, shape [place, dim, dim].
    draws
        Shape [draw, place, dim].
    log_weight
        What each draw stands for, shape [draw, place].
    mass
        log of what each weighs, shape [place]; -inf for what is no find.
    is_other
        Whether it is no find, belongs to none and may weigh something, shape [place].
    is_same
        Whether a place belongs to a find, shape [find, place].
    """

    centre: Array
    whitening: Array
    draws: Array
    log_weight: Array
    mass: Array
    is_other: Array
    is_same: Array


def places_of(num_particles: int) -> int:
    """How many places are descended from."""
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
) -> tuple[Array, Array]:
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
        Standard normal, shape [DRAWS, place, dim], of as many places as `places_of` says.
    uniform
        In (0, 1), shape [place, dim + DRAWS].
    most
        Evaluations of a descent, see `evaluations_of`.
    control
        Loops.

    Returns
    -------
    Starts [particle, dim], what was given where nothing was found; and how often energy and
    gradient were evaluated, a scalar.
    """
    xp = array_namespace(position)
    num_particles, dim = position.shape
    elsewhere = radius * (2 * uniform[num_particles:, :dim] - 1)
    places = xp.concat([position, elsewhere], axis=0)
    descent = descend(target, places, most, control)
    finds = _finds(target, descent, noise, control)
    starts = _starts(finds, position, xp.matrix_transpose(uniform[:, dim:]), control)
    return starts, xp.sum(descent.evaluations) + noise.shape[0] * noise.shape[1]


def _finds(target: Target, descent: Descent, noise: Array, control: Control) -> Finds:
    centre, lowest = descent.state.position, descent.state.potential_energy
    xp = array_namespace(centre)
    root, whitening, log_volume = _roots(descent.inverse_hessian)

    def weighed(standard: Array) -> tuple[Array, Array]:
        draw = centre + (root @ standard[:, :, None])[:, :, 0]
        _, energy, gradient = state_at(target, draw)
        sound = xp.isfinite(energy) & xp.all(xp.isfinite(gradient), axis=1)
        return draw, xp.where(sound, energy, xp.full_like(energy, 1e30))

    draws, energies = control.map(weighed, noise)
    log_weight = log_volume + xp.sum(noise**2, axis=2) / 2 - energies
    dim, above = centre.shape[1], xp.mean(energies, axis=0) - lowest
    is_find = descent.has_arrived & (xp.std(log_weight, axis=0) < SPREAD)
    is_find = is_find & (above > FLAT * dim / 2) & (above < STEEP * dim / 2)
    # What has not arrived, or is no Gaussian, may lie lower, and is not passed over for a find.
    others = xp.min(xp.where(is_find, xp.full_like(lowest, inf), lowest))
    is_find = is_find & (xp.min(xp.where(is_find, lowest, inf)) < others + dim / 2)
    largest = xp.max(log_weight, axis=0)
    guess = largest + xp.log(xp.mean(xp.exp(log_weight - largest), axis=0))
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
    return Finds(centre, whitening, draws, log_weight, mass, is_other, is_same)


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


def _starts(finds: Finds, own: Array, uniform: Array, control: Control) -> Array:
    """A draw for each particle that does not stay: in turn of the find farthest from others'."""
    xp = array_namespace(own)
    mass, centre = finds.mass, finds.centre
    exists = xp.isfinite(mass)
    # Of the draws of a find, one by its weight: the largest of these. Of all draws likewise.
    order = finds.log_weight - xp.log(-xp.log(uniform))
    largest = xp.where(exists, xp.max(order, axis=0), xp.full_like(mass, -inf))
    first = xp.exp(xp.where(exists, largest - xp.max(largest), 0 * mass))
    place, draw, particle = numbered(mass), numbered(order[:, 0]), numbered(own[:, 0])
    stays, has_one = _stay(finds, own.shape[0])

    def choose(number: Array, value: tuple[Array, Array, Array, Array]) -> Any:
        starts, turns, distance, left = value
        # At first none has a particle. One gets it by its mass: a chain that is reported alone is
        # such a first one, and of many chains not all shall be where the heaviest is.
        near = xp.where(xp.isfinite(distance), distance / (1 + distance), 1 + first)
        score = xp.where(exists, near - 2 * turns, xp.full_like(near, -inf))
        is_asked = xp.any((particle == number) & ~stays)
        chosen = (place == xp.argmax(score)) & is_asked
        of_chosen = xp.sum(xp.where(chosen, left, xp.zeros_like(left)), axis=1)
        pick = draw == xp.argmax(of_chosen)
        there = pick[:, None] & chosen
        start = xp.sum(xp.where(there[:, :, None], finds.draws, 0 * finds.draws), axis=(0, 1))
        is_left = xp.any(exists) & xp.isfinite(xp.max(of_chosen))
        here = ((particle == number) & is_left & ~stays)[:, None]
        apart = centre - xp.sum(xp.where(chosen[:, None], centre, 0 * centre), axis=0)
        whitening = xp.sum(
            xp.where(chosen[:, None, None], finds.whitening, 0 * finds.whitening), axis=0
        )
        by_each = xp.sum((finds.whitening @ apart[:, :, None])[:, :, 0] ** 2, axis=1)
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
