"""Wrong draws from a mixture."""

from fhl_ppl.core.mixture import log_parts, log_sum
from fhl_ppl.core.moves.mixture_renewal import renew
from fhl_ppl.core.moves.move import Offer
from tests.invariance.mutants.broken import uncorrected


def of_one_mode(move, scene):
    """The mixture is taken for its first component."""
    position, _ = move.offer(scene)
    parts = [log_parts(scene.homes.mixture, q)[:, 0] for q in (scene.position, position)]
    return Offer(position, parts[0] - parts[1])


def still_learning(move, scene):
    """The mixture follows what it moves: for each particle it has been shifted towards it."""
    mixture = scene.homes.mixture
    shift = 0.5 * (scene.position - mixture.centre[0, :])
    position, _ = renew(mixture, scene.position - shift, scene.noise, scene.extra[:, 0])
    densities = [log_sum(log_parts(mixture, q)) for q in (scene.position - shift, position)]
    return Offer(position + shift, densities[0] - densities[1])


MUTANTS = {
    "uncorrected": uncorrected,
    "of one mode": of_one_mode,
    "still learning": still_learning,
}
