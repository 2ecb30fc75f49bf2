"""Wrong rotations about the scouts' mean."""

from tests.invariance.mutants.broken import uncorrected


def about_all(move, scene):
    """The mean takes in the followers."""
    return move.offer(scene._replace(is_scout=scene.is_scout | True))


MUTANTS = {"uncorrected": uncorrected, "about all": about_all}
