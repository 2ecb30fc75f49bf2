"""Which ends of descents are finds, and which are in one valley."""

from math import inf, log, pi
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, numbered
from fhl_ppl.core.control import Control
from fhl_ppl.core.mixture import IGNORED, UNUSED, Mixture, in_use, log_parts, log_sum
from fhl_ppl.core.search.ends import Ends, log_mean
from fhl_ppl.core.target import Target, state_at

Array = Any

REACH = 16.0
"""Square of the distance up to which what is no find belongs to one, in units of dim."""
NEAR = 4.0
"""Square of the distance below which two ends are in one valley without being asked: there is none
between Gaussians of one width so near."""
BETWEEN = (0.5, 0.21, 0.67)
"""Where on the way from one end to another is looked for what parts them, until it is seen. Not all
are multiples of something, as modes on a grid have others in the middle."""
BARRIER = 1.0
"""What parts valleys is so much above the higher of the two. Between equal Gaussians 2.8 standard
deviations apart."""

WORTH_TELLING = 0.01
"""Mass, relative to the largest, from which finds count where it is guessed how many are missed."""
SURELY = 3.0
"""How many times more are missed than what was seen ahead has found, if that is told."""
BESIDE = 0.05
"""Mass, relative to that of all finds, from which what lies about them counts. All that begin in a
spike of .03 and weight .3 at the centre of a Gaussian stay in it: 3000 effective draws, R-hat
1.001, and nothing of the other .7."""


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


def finds_of(ends: Ends) -> Finds:
    """What is found."""
    centre, lowest, valley, is_gaussian = ends.centre, ends.lowest, ends.valley, ends.is_gaussian
    xp, dim = array_namespace(centre), centre.shape[1]
    is_known = has_gaussian(ends, valley)
    # What has not arrived, or is no Gaussian, may lie lower, and is not passed over for a find.
    others = xp.min(xp.where(is_known, xp.full_like(lowest, inf), lowest))
    is_find = is_gaussian & (xp.min(xp.where(is_gaussian, lowest, inf)) < others + dim / 2)
    guess = log_mean(ends.log_weight)
    nothing = xp.full_like(guess, -inf)
    mass = xp.where(is_find, guess, nothing)
    least = xp.max(mass) + log(IGNORED)
    mass = xp.where(mass > least, mass, nothing)
    # Beyond a wall all draws may weigh nothing. The end itself is one more.
    at_end = ends.log_volume - lowest
    weighs = xp.isfinite(at_end) & (xp.where(guess > at_end, guess, at_end) > least)
    is_near = squares(centre, centre, ends.whitening) < REACH * dim
    is_same = xp.where(valley >= 0, valley[:, None] == valley, is_near)
    is_same = xp.isfinite(mass)[:, None] & is_same
    is_other = ~is_find & weighs & ~xp.any(is_same, axis=0)
    return Finds(mass, is_other, is_same)


def has_gaussian(ends: Ends, valley: Array) -> Array:
    """Whether an end in each of some valleys, [some], is a Gaussian's."""
    xp = array_namespace(valley)
    return xp.any(ends.is_gaussian[:, None] & (ends.valley[:, None] == valley), axis=0)


def are_explained(ends: Ends, known: Ends) -> Array:
    """Which ends, [new], are in a valley with a Gaussian's end that is known and not far above."""
    xp, dim = array_namespace(ends.lowest), ends.centre.shape[1]
    same = known.is_gaussian[:, None] & (known.valley[:, None] == ends.valley)
    return xp.any(same & (known.lowest[:, None] < ends.lowest + dim / 2), axis=0)


def modes_of(ends: Ends, finds: Finds) -> Mixture:
    """The heaviest find of each valley, with log masses in place of log weights."""
    xp, mass = array_namespace(finds.mass), finds.mass
    same = ends.valley[:, None] == ends.valley
    heavier = (mass[:, None] > mass) | ((mass[:, None] == mass) & _earlier(mass))
    stands = xp.isfinite(mass) & ~xp.any(same & heavier, axis=0)
    log_mass = mass + ends.centre.shape[1] * log(2 * pi) / 2
    log_mass = xp.where(stands, log_mass, xp.full_like(mass, UNUSED))
    return Mixture(log_mass, ends.centre, ends.root, ends.whitening, ends.log_volume)


def is_beside(modes: Mixture, wide: Mixture, ends: Ends, places: Array, log_volume: float) -> Array:
    """Whether there is mass beside the finds, where descents began, a boolean scalar.

    It is told by what is `wide` around one, and by the energies at
    `places`, shape [place, dim], which are uniform over a box, as far as the Gaussians of the finds
    do not explain them.
    """
    xp, begun = array_namespace(places), ends.begun
    parts = log_parts(modes, places)
    known = log_sum(xp.where(in_use(modes.log_weight), parts, xp.full_like(parts, UNUSED)))
    tells = xp.isfinite(begun)
    more = tells & (-begun > known)
    left = xp.where(more, -begun + xp.log1p(-xp.exp(xp.where(more, known + begun, -1.0))), UNUSED)
    number = xp.sum(xp.astype(tells, begun.dtype))
    largest = xp.max(left)
    total = largest + xp.log(xp.sum(xp.exp(left - largest)) / number) + log_volume
    in_box = (number > 0) & (largest > UNUSED)
    least = log_sum(modes.log_weight[None, :])[0] + log(BESIDE)
    return (in_box & (total > least)) | (xp.max(wide.log_weight) > least)


def number_missed(ends: Ends, finds: Finds) -> Array:
    """How many valleys that weigh something no descent led to, at the least, as an expectation.

    Chao (2005), from how many they led to once and twice.
    """
    xp, valley = array_namespace(finds.mass), ends.valley
    weighs = finds.mass > xp.max(finds.mass) + log(WORTH_TELLING)
    stands = weighs & in_use(modes_of(ends, finds).log_weight)
    # What was begun where something had been seen has no energy of a beginning.
    at_random = xp.isfinite(ends.begun)[:, None]
    here = (valley[:, None] == valley) & (valley >= 0) & at_random
    times = xp.sum(xp.astype(here, valley.dtype), axis=0)
    never, once, twice = (xp.sum(xp.astype(stands & (times == k), valley.dtype)) for k in range(3))
    guess = (once * once - once) / (2 * (twice + 1))
    # What was seen ahead is not missed. The guess is about as far off as it is large.
    return xp.where(guess > SURELY * never, guess - never, xp.zeros_like(guess))


def number_at_last(ends: Ends, finds: Finds, size: int) -> Array:
    """How many modes the last turn of `size` descents was the first to come to, but for one.

    A search that found several until it had to end has missed about as many. Of 96 with four
    particles on an eggbox 25 lack some of 18 modes, which with this and Chao's guess 20 tell, and
    of the others 23; of 24 with 16 particles, where none lacks any, two.
    """
    xp, valley = array_namespace(ends.valley), ends.valley
    number = numbered(valley)
    last = xp.max(xp.where(xp.isfinite(ends.lowest), number, -1 + 0 * number)) // size
    # The second is begun wherever something was seen along an axis, and does not tell of others.
    is_new = in_use(modes_of(ends, finds).log_weight) & (valley >= last * size) & (last > 1)
    count = xp.sum(xp.astype(is_new, valley.dtype)) - 1
    return xp.where(count > 0, count, 0 * count)


def _earlier(like: Array) -> Array:
    """Whether [one, other] one stands before the other."""
    number = numbered(like)
    return number[:, None] < number


def valleys_of(
    target: Target, known: Ends, ends: Ends, first: Any, control: Control
) -> tuple[Array, Array]:
    """Tell in which valleys new ends are.

    They are in that of an earlier one if it is near, or nothing on the straight way between parts
    them; BFGS may take a valley for much narrower than it is, and distances do not tell.

    Parameters
    ----------
    target
        What is asked between two.
    known
        All ends, the new ones among them.
    ends
        The new ones, [new].
    first
        Number of the first of them among all.
    control
        Loops.

    Returns
    -------
    The valleys of the new ones, [new], and evaluations, a scalar.
    """
    xp, valley = array_namespace(known.valley), known.valley
    number = first + numbered(ends.lowest)
    apart = squares(known.centre, ends.centre, known.whitening)
    back = xp.matrix_transpose(squares(ends.centre, known.centre, ends.whitening))
    farther = xp.where(apart > back, apart, back)
    nearest = xp.argmin(xp.where(valley[:, None] >= 0, farther, inf), axis=0)
    is_near = xp.any((farther < NEAR) & (valley[:, None] >= 0), axis=0) & ends.has_arrived
    of_new = xp.where(is_near, xp.take(valley, nearest), -1 + 0 * number)

    def compare(place: Any, value: tuple[Array, Array]) -> Any:
        of_new, evaluations = value
        here = numbered(valley) == place
        begins = (number == place) & ends.has_arrived & (of_new < 0)
        of_new = xp.where(begins, number, of_new)
        is_first = xp.any(here & (valley == place)) | xp.any(begins)
        is_asked = is_first & ends.has_arrived & (of_new < 0) & (number > place)
        other = xp.sum(xp.where(here[:, None], known.centre, 0 * known.centre), axis=0)
        height = xp.max(xp.where(here, known.lowest, -inf))

        def ask(value: tuple[Array, Array]) -> tuple[Array, Array]:
            of_new, evaluations = value
            same = is_asked
            for share in BETWEEN:
                evaluations = evaluations + xp.sum(xp.astype(same, evaluations.dtype))
                same = same & ~_is_parted(target, share, other, height, ends)
            return xp.where(same, place + 0 * number, of_new), evaluations

        return control.cond(xp.any(is_asked), ask, lambda value: value, (of_new, evaluations))

    return control.fori_loop(0, valley.shape[0], compare, (of_new, 0 * xp.sum(number)))


def _is_parted(target: Target, share: float, other: Array, height: Array, ends: Ends) -> Array:
    """Whether it is higher at some share of the way from a place, [dim], to ends, [place]."""
    xp = array_namespace(other)
    higher = xp.where(ends.lowest > height, ends.lowest, height + 0 * ends.lowest)
    between = state_at(target, other + share * (ends.centre - other)).potential_energy
    return ~(between < higher + BARRIER)


def are_at(ends: Ends, exists: Array, place: Array) -> Array:
    """Which places, shape [place, dim], are near one of the ends that exist."""
    near = squares(ends.centre, place, ends.whitening) < NEAR
    return array_namespace(place).any(near & exists[:, None], axis=0)


def squares(centre: Array, other: Array, whitening: Array) -> Array:
    """Squares of distances in units of each centre's own Gaussian, [centre, other]."""
    xp = array_namespace(centre)
    apart = other[None, :, :] - centre[:, None, :]
    return xp.sum((apart @ whitening) ** 2, axis=2)
