"""What a jump is: a proposal and what its test is corrected by, from what rests (section 8)."""

from typing import Any, NamedTuple, Protocol

from fhl_ppl.core.groups import Groups
from fhl_ppl.core.homes import Homes
from fhl_ppl.core.leader import Leader
from fhl_ppl.core.metrics import AnyMetric

Array = Any


class FittedGaussian(NamedTuple):
    """The Gaussian fitted to the positions that all particles were seen at, frozen in sampling.

    Attributes
    ----------
    centre
        Shape [dim].
    metric
        M^-1 is the covariance, a little widened.
    direction
        Where the positions are widest in the whitened space of the trajectories' metric, a unit
        vector [dim]: there the jumps are needed most.
    variance
        Their variance along it.
    """

    centre: Array
    metric: AnyMetric
    direction: Array
    variance: Array


class Scene(NamedTuple):
    """All that a move may look at.

    Scouts, a random half of each group, rest while followers look at them. What a scout does may
    depend on nobody.

    Attributes
    ----------
    groups
        Who belongs to which group.
    position, potential_energy
        q and U before the iteration, shape [particle, dim] and [particle].
    is_scout
        Shape [particle].
    leader
        The scout of lowest energy, as each particle sees it.
    role, noise
        Uniform numbers [particle], by which the scouts were chosen, and normal ones
        [particle, dim].
    extra
        Further uniform numbers [particle, uniforms], the move's own.
    turn
        In [0, 1), a scalar: how far to rotate in this iteration.
    fitted
        What warm-up has fitted.
    xi
        Draws from N(0, S), S the covariance of `fitted`, shape [particle, dim].
    homes
        The modes that are known; None if nobody keeps them.
    """

    groups: Groups
    position: Array
    potential_energy: Array
    is_scout: Array
    leader: Leader
    role: Array
    noise: Array
    extra: Array | None
    turn: Array
    fitted: FittedGaussian
    xi: Array
    homes: Homes | None


class Offer(NamedTuple):
    """Where particles might go.

    Attributes
    ----------
    position
        q', shape [particle, dim].
    log_correction
        log a - (U - U'), shape [particle]: of proposing the way back rather than there.
    """

    position: Array
    log_correction: Array


class Move(Protocol):
    """A jump. To add one, write its file and a line in `fhl_ppl.core.moves.JUMPS`.

    A move asks for no energy: the test evaluates U at what is offered, and adds the correction.

    Attributes
    ----------
    partners
        How many scouts it looks at, at the least. If any, only followers can make it: a scout that
        draws it rotates. It is not on offer in groups that have no room for so many.
    uniforms
        How many uniform numbers of its own a particle needs (`Scene.extra`).
    between_modes
        Whether it is made only while several modes are known.
    """

    partners: int
    uniforms: int
    between_modes: bool

    def offer(self, scene: Scene) -> Offer:
        """Make every particle an offer; only those that drew the move look at it."""
        ...
