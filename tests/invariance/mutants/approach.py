"""Wrong approaches."""

from fhl_ppl.core.moves.approach import SHIFT, SPREAD
from fhl_ppl.core.moves.move import Offer


def _log_scale(scene):
    return SPREAD * scene.noise[:, 0] - SHIFT


def without_the_volume(move, scene):
    """That the line shrinks in every dimension is left out."""
    closer, correction = move.offer(scene)
    return Offer(closer, correction - scene.position.shape[1] * _log_scale(scene))


def without_the_way_back(move, scene):
    """As if z and 1 / z were as likely."""
    closer, _ = move.offer(scene)
    return Offer(closer, scene.position.shape[1] * _log_scale(scene))


MUTANTS = {
    "without the volume": without_the_volume,
    "without the way back": without_the_way_back,
}
