"""Wrong mirrors, as they stand in the move's file of `tests.invariance.mutants`."""


def stretched(move, scene):
    """Twice as far on the other side, without the volume that it takes."""
    offer = move.offer(scene)
    return offer._replace(position=2 * offer.position - scene.fitted.centre)


MUTANTS = {"stretched": stretched}
