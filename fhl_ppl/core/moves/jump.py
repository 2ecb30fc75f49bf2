"""One iteration of jumps, but for the evaluation of what is offered (section 8).

As in the alternate coupling a random half of each group are scouts. Followers jump by what the
scouts are where they were before the iteration; scouts turn about the centre of the fitted
Gaussian, or draw from it, which depends on nobody. So every particle has its own test.
"""

from typing import Any, NamedTuple

from array_api_compat import device

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.control import Control
from fhl_ppl.core.couplings.alternate import Alternate
from fhl_ppl.core.couplings.roles import Roles
from fhl_ppl.core.groups import Groups
from fhl_ppl.core.metrics import draw_momentum, velocity
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.moves.approach import is_far
from fhl_ppl.core.moves.choice import Choice
from fhl_ppl.core.moves.move import Offer, Scene
from fhl_ppl.core.state import Draws, State

Array = Any


class Jump(NamedTuple):
    """Where every particle would jump.

    Attributes
    ----------
    offer
        The proposals, and what corrects their test.
    made
        Which of the jumps on offer it is, one-hot, shape [particle, jump].
    tilt
        log of the probability of that jump far above the leader, over that near it, [particle].
    began_far
        Whether the particle is far above its leader, shape [particle].
    """

    offer: Offer
    made: Array
    tilt: Array
    began_far: Array


def roles_in_jumps(groups: Groups, state: State, draws: Draws) -> Roles:
    """Scouts rest and lead, whatever the coupling of the trajectories is."""
    return Alternate().roles(groups, state, draws)


def no_jump(names: tuple[str, ...], state: State) -> Jump:
    """Stay: what an iteration of trajectories has in the place of jumps."""
    xp = array_namespace(state.position)
    nothing = xp.zeros_like(state.potential_energy)
    nobody = nothing > 0
    stay = Offer(state.position, nothing)
    return Jump(stay, xp.stack([nobody] * len(names), axis=1), nothing, nobody)


def offer_jumps(
    names: tuple[str, ...],
    state: State,
    draws: Draws,
    choice: Choice,
    groups: Groups,
    roles: Roles,
    control: Control,
) -> Jump:
    """Make every particle the offer of the jump that it drew; `names` are those on offer."""
    xp = array_namespace(state.position)
    metric = choice.fitted.metric
    began_far = far_above(roles, state.potential_energy, state.position.shape[1])
    scene = Scene(
        groups,
        state.position,
        state.potential_energy,
        ~roles.is_pulled,
        roles.leader,
        draws.role,
        draws.noise,
        draws.extra,
        choice.turn,
        choice.fitted,
        velocity(metric, draw_momentum(metric, draws.noise)),
        choice.homes,
    )
    drawn = xp.where(began_far[:, None], choice.chosen_far, choice.chosen)
    made = _made(names, drawn, roles.is_pulled)
    offers = _offers(names, scene, control)
    position, correction = offers[0]
    for k in range(1, len(names)):
        position = xp.where(made[:, k][:, None], offers[k].position, position)
        correction = xp.where(made[:, k], offers[k].log_correction, correction)
    tilt = xp.sum(xp.where(made, choice.log_tilt, 0 * correction[:, None]), axis=1)
    return Jump(Offer(position, correction), made, tilt, began_far)


def _offers(names: tuple[str, ...], scene: Scene, control: Control) -> list[Offer]:
    """What each jump offers; where one mode is known nothing is worked out for those between."""
    offers = {name: JUMPS[name].offer(scene) for name in names if not JUMPS[name].between_modes}
    between = [name for name in names if JUMPS[name].between_modes]
    if between:
        assert scene.homes is not None
        stay = Offer(scene.position, 0 * scene.potential_energy)
        found = control.cond(
            scene.homes.others > 0,
            lambda _: [JUMPS[name].offer(scene) for name in between],
            lambda _: [stay] * len(between),
            scene.position,
        )
        offers |= dict(zip(between, found, strict=True))
    return [offers[name] for name in names]


def log_ratio_of_jumps(jump: Jump, roles: Roles, state: State, end: State) -> Array:
    """log a of every particle, before what is not finite is refused, shape [particle].

    Far above the leader other jumps are chosen than near it, also for the way back.
    """
    xp = array_namespace(state.position)
    log_ratio = state.potential_energy - end.potential_energy + jump.offer.log_correction
    ends_far = far_above(roles, end.potential_energy, state.position.shape[1])
    tilted = xp.where(jump.began_far, log_ratio - jump.tilt, log_ratio + jump.tilt)
    return xp.where(jump.began_far == ends_far, log_ratio, tilted)


def far_above(roles: Roles, energy: Array, dim: int) -> Array:
    """Which followers are far above their leader, shape [particle]."""
    return roles.is_pulled & is_far(energy, roles.leader.potential_energy, dim)


def move_codes(made: Array) -> Array:
    """Number of each particle's jump among those on offer, counted from 1, in 8 bits."""
    xp = array_namespace(made)
    return xp.astype(1 + xp.argmax(xp.astype(made, xp.int8), axis=1), xp.int8)


def _made(names: tuple[str, ...], drawn: Array, is_follower: Array) -> Array:
    """Scouts cannot make what needs partners; they rotate in its place, whoever their group is."""
    xp = array_namespace(drawn)

    def those(flags):
        return xp.asarray(flags, device=device(drawn))

    has_partners = those([JUMPS[name].partners > 0 for name in names])
    made = drawn & (is_follower[:, None] | ~has_partners)
    others = ~xp.any(made, axis=1, keepdims=True)
    return made | (others & those([name == "rotation" for name in names]))
