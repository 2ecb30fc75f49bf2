"""Where descents ended, and the Gaussians around these places, by a few draws of each."""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, eye
from fhl_ppl.core.control import Control
from fhl_ppl.core.search.descent import Descent
from fhl_ppl.core.target import Target, state_at

Array = Any

DRAWS = 8
"""Of the Gaussian around each end."""
FLAT, STEEP = 0.2, 4.0
"""How far the energies of draws may lie above the minimum, in units of dim / 2: 1 in a Gaussian. It
is less where BFGS has not seen how wide the valley is, and more where the target is no Gaussian: in
the neck of a funnel, 40."""
SPREAD = 3.0
"""How far the log weights of draws may differ, as a standard deviation. Those of posteriors that
are about a Gaussian, up to 25 dimensions, differ by 0.3 to 2.7; of a horseshoe's 82, by 5.8 where
one was taken for a find, and all began there: R-hat 1.04, and 2.3 effective draws for 1000
gradients in place of 28."""
PROBE = 0.01
"""How far the force is looked at around an end, in standard deviations along each axis, where the
target is far narrower there than BFGS has seen."""
MISSING = 1e30
"""Energy of a draw that has none."""


class Ends(NamedTuple):
    """Of descents, with draws of the Gaussians around them, where these were asked for.

    Attributes
    ----------
    centre
        Shape [place, dim].
    lowest
        Energies there, shape [place].
    has_arrived
        Whether they are minima, shape [place].
    valley
        Number of the first end in the same valley, shape [place]; -1 of what has not arrived.
    is_gaussian
        Whether the target is about the Gaussian around it, shape [place]; not without draws.
    root, whitening
        Of the covariance around it, and its inverse, to units in which the Gaussian is a standard
        one, shape [place, dim, dim].
    log_volume
        Of the Gaussian's standard deviations, shape [place].
    draws
        Positions and gradients, shape [place, draw, 2, dim].
    energy
        There, shape [place, draw].
    log_weight
        What each draw stands for, shape [place, draw].
    begun
        Energies where the descents began, shape [place].
    """

    centre: Array
    lowest: Array
    has_arrived: Array
    valley: Array
    is_gaussian: Array
    root: Array
    whitening: Array
    log_volume: Array
    draws: Array
    energy: Array
    log_weight: Array
    begun: Array


def ends_of(descent: Descent) -> Ends:
    """The ends of descents before anything is drawn."""
    centre, lowest = descent.state.position, descent.state.potential_energy
    xp = array_namespace(centre)
    root, whitening, log_volume = roots_of(descent.inverse_hessian)
    nothing = xp.stack([0 * lowest] * DRAWS, axis=1)
    return Ends(
        centre,
        lowest,
        descent.has_arrived,
        -1 + 0 * lowest,
        descent.has_arrived & ~descent.has_arrived,
        root,
        whitening,
        log_volume,
        xp.stack([xp.stack([0 * centre] * 2, axis=1)] * DRAWS, axis=1),
        nothing + MISSING,
        nothing - MISSING,
        descent.begun,
    )


def no_ends(like: Ends, turns: int) -> Ends:
    """Of so many times as many places, none of which has been descended from."""
    xp = array_namespace(like.centre)
    ends = Ends(*(xp.concat([part] * turns, axis=0) for part in like))
    nowhere, none = ends.lowest + xp.inf, ends.lowest < -xp.inf
    return ends._replace(lowest=nowhere, has_arrived=none, is_gaussian=none, begun=nowhere)


def with_draws(target: Target, ends: Ends, noise: Array, is_asked: Array, control: Control) -> Ends:
    """Draw around the ends that are asked for, [place].

    `noise` is standard normal, shape [draw, place, dim].
    """
    centre, lowest = ends.centre, ends.lowest
    xp, dim = array_namespace(centre), centre.shape[1]

    def drawn(standard: Array) -> tuple[Array, Array]:
        draw = centre + (ends.root @ standard[:, :, None])[:, :, 0]
        _, energy, gradient = state_at(target, draw)
        sound = xp.isfinite(energy) & xp.all(xp.isfinite(gradient), axis=1) & is_asked
        energy = xp.where(sound, energy, xp.full_like(energy, MISSING))
        gradient = xp.where(sound[:, None], gradient, 0 * draw)
        return xp.stack([draw, gradient], axis=1), energy

    draws, energy = control.map(drawn, noise)
    log_weight = ends.log_volume + xp.sum(noise**2, axis=2) / 2 - energy
    above = xp.mean(energy, axis=0) - lowest
    is_gaussian = is_asked & ends.has_arrived & (xp.std(log_weight, axis=0) < SPREAD)
    is_gaussian = is_gaussian & (above > FLAT * dim / 2) & (above < STEEP * dim / 2)
    return ends._replace(
        is_gaussian=is_gaussian,
        draws=xp.permute_dims(draws, (1, 0, 2, 3)),
        energy=xp.matrix_transpose(energy),
        log_weight=xp.matrix_transpose(log_weight),
    )


def log_mean(log_weight: Array) -> Array:
    """log of the mean of exp over draws, [place, draw] to [place]."""
    xp = array_namespace(log_weight)
    largest = xp.max(log_weight, axis=1)
    return largest + xp.log(xp.mean(xp.exp(log_weight - largest[:, None]), axis=1))


def is_steep(ends: Ends) -> Array:
    """Which minima the target is far narrower around than was thought, of those with draws."""
    xp, dim = array_namespace(ends.centre), ends.centre.shape[1]
    above = xp.mean(ends.energy, axis=1) - ends.lowest
    return ends.has_arrived & ~ends.is_gaussian & (above > STEEP * dim / 2)


def sharpened(target: Target, ends: Ends, noise: Array, is_asked: Array, control: Control) -> Ends:
    """Look at the second derivatives around the ends that are asked for, and draw once more.

    A descent that comes straight down into a spike has learnt its surroundings, and one that begins
    near a minimum too little. It takes an evaluation for each dimension, and the draws.
    """
    centre = ends.centre
    xp = array_namespace(centre)
    _, _, begin = state_at(target, centre)
    step = PROBE * xp.sqrt(xp.sum(ends.root**2, axis=2))

    def change(axis: Array) -> Array:
        _, _, gradient = state_at(target, centre + step * axis)
        return (gradient - begin) / xp.sum(step * axis, axis=1)[:, None]

    second = xp.permute_dims(control.map(change, eye(centre)), (1, 0, 2))
    whitening, root, log_volume = roots_of((second + xp.matrix_transpose(second)) / 2)
    sharp = ends._replace(root=root, whitening=whitening, log_volume=-log_volume)
    sharp = with_draws(target, sharp, noise, is_asked, control)

    def better(new: Array, old: Array) -> Array:
        which = xp.reshape(sharp.is_gaussian, (-1,) + (1,) * (old.ndim - 1))
        return xp.where(which, new, old)

    return Ends(*map(better, sharp, ends))


def roots_of(covariance: Array) -> tuple[Array, Array, Array]:
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
