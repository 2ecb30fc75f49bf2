"""A move that makes the offers of another function."""

from collections.abc import Callable
from typing import NamedTuple

from fhl_ppl.core.moves.move import Move, Offer, Scene


class Broken(NamedTuple):
    """Takes the place of a move; what is not broken is the move's.

    Attributes
    ----------
    move
        The right one.
    offers
        (right move, scene) -> what is offered in place of it.
    """

    move: Move
    offers: Callable[[Move, Scene], Offer]

    @property
    def partners(self) -> int:
        return self.move.partners

    @property
    def uniforms(self) -> int:
        return self.move.uniforms

    @property
    def between_modes(self) -> bool:
        return self.move.between_modes

    def offer(self, scene: Scene) -> Offer:
        return self.offers(self.move, scene)


def uncorrected(move: Move, scene: Scene) -> Offer:
    """The test is on the posterior alone, as if the proposal were symmetric."""
    offer = move.offer(scene)
    return offer._replace(log_correction=0 * offer.log_correction)


def one_way(move: Move, scene: Scene) -> Offer:
    """All followers toss one coin: given it, no one's jump is symmetric."""
    return move.offer(scene._replace(noise=abs(scene.noise)))


def among_moving(move: Move, scene: Scene) -> Offer:
    """The difference is of two followers, who move in the same iteration."""
    return move.offer(scene._replace(is_scout=~scene.is_scout))
