"""Wrong ways to another mode."""

import numpy as np

from fhl_ppl.core.mixture import log_parts, log_sum
from fhl_ppl.core.moves.move import Offer
from tests.invariance.mutants.broken import uncorrected


def _volume(scene, correction):
    """log det L_l - log det L_k, known by where the particle comes from; of two modes."""
    mixture = scene.homes.mixture
    first = np.exp(log_parts(mixture, scene.position)[:, 0])
    share = first / np.exp(log_sum(log_parts(mixture, scene.position)))
    apart = mixture.log_volume[1] - mixture.log_volume[0]
    return np.where(scene.extra[:, 0] < share, apart, -apart)


def with_the_volume_inverted(move, scene):
    """As if the map shrank where it stretches."""
    position, correction = move.offer(scene)
    return Offer(position, correction - 2 * _volume(scene, correction))


def without_responsibilities(move, scene):
    """Which component a place was taken to be of is left out: the volume alone is in the test."""
    position, correction = move.offer(scene)
    return Offer(position, _volume(scene, correction))


MUTANTS = {
    "uncorrected": uncorrected,
    "with the volume inverted": with_the_volume_inverted,
    "without responsibilities": without_responsibilities,
}
