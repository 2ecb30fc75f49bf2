"""What a find is the spike of: mass around it that its Gaussian does not explain (section 10).

Who begins in a spike within a wide mode does not leave it. Draws of Gaussians that are wider by a
power of two tell what lies around, and the best of these stands for it in the archive.
"""

from math import log, pi
from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.control import Control
from fhl_ppl.core.mixture import UNUSED, Mixture, in_use
from fhl_ppl.core.search.ends import MISSING, STEEP, log_mean
from fhl_ppl.core.target import Target, state_at

Array = Any

SCALES = (4.0, 8.0, 16.0, 32.0)
"""How much wider it is looked. What is less wide trajectories reach."""


def around(
    target: Target, modes: Mixture, lowest: Array, noise: Array, control: Control
) -> Mixture:
    """A wide Gaussian about the heaviest of some modes, with a log mass in place of a log weight.

    It is none if its energies are those of a Gaussian that has this minimum: BFGS may not have seen
    how wide it is.

    Parameters
    ----------
    target
        What is evaluated.
    modes
        With log masses, [place].
    lowest
        Energies at their centres, shape [place].
    noise
        Standard normal, shape [draw, dim], which takes an evaluation at each of `SCALES`.
    control
        Loops.
    """
    xp, dim = array_namespace(noise), noise.shape[1]
    heaviest = xp.reshape(xp.argmax(modes.log_weight), (1,))
    mode = Mixture(*(xp.take(part, heaviest, axis=0) for part in modes))
    height = mode.log_weight - mode.log_volume - dim * log(2 * pi) / 2
    square = xp.sum(noise**2, axis=1)
    least = xp.take(lowest, heaviest) + STEEP * dim / 2

    def weighed(scale: Array) -> Array:
        draw = mode.centre + scale * (noise @ mode.root[0, :, :])
        energy = state_at(target, draw).potential_energy
        known = height - scale**2 * square / 2
        more = xp.isfinite(energy) & (-energy > known)
        left = xp.log1p(-xp.exp(xp.where(more, known + energy, -1.0))) - energy
        weight = xp.where(more, left + square / 2, xp.full_like(left, -MISSING))
        mass = log_mean(weight[None, :])[0]
        share = xp.exp(weight - mass) / weight.shape[0]
        high = xp.sum(share * xp.where(more, energy, 0 * energy)) > least[0]
        return xp.where(high, mass + dim * xp.log(scale), -MISSING + 0 * mass)

    scales = xp.stack([xp.ones_like(square[0]) * scale for scale in SCALES])
    mass = control.map(weighed, scales) + mode.log_volume + dim * log(2 * pi) / 2
    best = xp.reshape(xp.argmax(mass), (1,))
    scale, mass = xp.take(scales, best), xp.take(mass, best)
    return Mixture(
        xp.where(in_use(mode.log_weight) & in_use(mass), mass, xp.full_like(mass, UNUSED)),
        mode.centre,
        scale[:, None, None] * mode.root,
        mode.inverse_root / scale[:, None, None],
        mode.log_volume + dim * xp.log(scale),
    )
