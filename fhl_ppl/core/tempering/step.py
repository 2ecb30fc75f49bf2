"""An iteration of all temperatures: each moves by itself, then neighbours swap (section 13).

Replicas are private: those of particle n at all temperatures swap among themselves only. Groups,
leaders, jumps and all that warm-up learns are of one temperature.
"""

from typing import Any, NamedTuple

from fhl_ppl.core import sampler as one_temperature
from fhl_ppl.core import warmup
from fhl_ppl.core.arrays import array_namespace, numbered
from fhl_ppl.core.control import Control
from fhl_ppl.core.groups import Groups
from fhl_ppl.core.homes import home_of
from fhl_ppl.core.learners.learner import Learnt, homes_of
from fhl_ppl.core.sampler import Sampler
from fhl_ppl.core.search import Found
from fhl_ppl.core.stacked import at, each_array
from fhl_ppl.core.state import Draws, State
from fhl_ppl.core.statistics import ACCEPTED, TENSION, read
from fhl_ppl.core.tempering import ladder as rungs
from fhl_ppl.core.tempering import travels as trips
from fhl_ppl.core.tempering.ladder import Ladder
from fhl_ppl.core.tempering.path import Parts, Path, Tempered
from fhl_ppl.core.tempering.swap import decide, swapped
from fhl_ppl.core.tempering.travels import Travels

Array = Any


HELD_WINDOWS = 2
"""Windows at the start of warm-up without swaps."""


class Replicas(NamedTuple):
    """All temperatures between two iterations; the first is the target's.

    Attributes
    ----------
    particles, learnt
        As of a run without temperatures, with a leading axis: leaves [temperature, ...].
    ladder
        The inverse temperatures.
    travels
        Where replicas come from.
    """

    particles: State
    learnt: Learnt
    ladder: Ladder
    travels: Travels


def start(
    sampler: Sampler, position: Array, step_size: Any, metric: Array, path: Path, control: Control
) -> Replicas:
    """Begin at positions [temperature, particle, dim], as `warmup.start`."""
    ladder = rungs.start(position.shape[0], position)
    particles = _state(position, _parts(path, position), ladder.beta)

    def begin(state: State) -> Learnt:
        return warmup.start(sampler, state, step_size, metric)

    learnt = control.map(begin, particles)
    return Replicas(particles, learnt, ladder, trips.start(particles.potential_energy))


def remember(replicas: Replicas, found: Found) -> Replicas:
    """Know at the target what a search of it has found; where that starts is `start`'s business."""
    known = warmup.remember(at(replicas.learnt, 0), found)

    def put(own: Array, all_of_them: Array) -> Array:
        return array_namespace(own).concat([own[None, ...], all_of_them[1:, ...]], axis=0)

    return replicas._replace(learnt=each_array(put, known, replicas.learnt))


def step(
    sampler: Sampler,
    groups: Groups,
    replicas: Replicas,
    iteration: Array,
    draws: Draws,
    uniform: Array,
    path: Path,
    control: Control,
) -> tuple[Replicas, dict[str, Array]]:
    """Run iteration number `iteration` (from 0) at all temperatures.

    Leaves the product of the tempered targets over particles and temperatures as it is, once
    warm-up is over: so do the iterations of each, and the swaps.

    Parameters
    ----------
    sampler, groups, iteration, control
        As of `core.sampler.step`, alike for all temperatures.
    replicas
        Where they are, and what is known.
    draws
        All randomness but that of the swaps, leaves [temperature, ...].
    uniform
        That of the swaps, on [0, 1), shape [temperature - 1, particle].
    path
        From the reference to the target.

    Returns
    -------
    The replicas after it, and the statistics of the draws at the target by name; beside them,
    whether its proposal was `accepted`, [particle], and the `tension` V of all replicas of a
    particle, [particle, temperature]. `n_steps` counts all evaluations of the force for a draw:
    those of all temperatures, and one of each after it, by which the swaps are tested.
    """

    def move(level: Any) -> tuple[State, Learnt, dict[str, Array]]:
        beta, state, learnt, own_draws = level
        state, learnt, info, tuning = one_temperature.step(
            sampler, groups, state, learnt, iteration, own_draws, Tempered(path, beta), control
        )
        told = read(state, info, tuning) | {ACCEPTED: info.accepted}
        return state, learnt, {name: _as_array(told[name], state) for name in told}

    ladder = replicas.ladder
    moved, learnt, told = control.map(
        move, (ladder.beta, replicas.particles, replicas.learnt, draws)
    )
    parts = _parts(path, moved.position)
    # In the first windows steps tell how wide a mode is (section 10): they must not be swaps.
    swaps = decide(ladder.beta, parts.tension, uniform, iteration)
    is_later = iteration >= sum(sampler.window_ends[:HELD_WINDOWS][-1:])
    swaps = swaps._replace(happens=swaps.happens & is_later)
    position = swapped(swaps.happens, moved.position)
    parts = Parts(*(swapped(swaps.happens, part) for part in parts))
    travels = trips.go_on(replicas.travels, swaps.happens)
    ladder = rungs.observe(ladder, swaps)
    ladder, travels, learnt = control.cond(
        iteration < sampler.num_warmup,
        lambda known: _learn(sampler, iteration, position, known, control),
        lambda known: known,
        (ladder, travels, learnt),
    )
    particles = _state(position, parts, ladder.beta)
    after = Replicas(particles, learnt, ladder, travels)
    told = _of_the_draws(told, at(moved, 0), at(particles, 0), replicas.learnt, control)
    told[TENSION] = array_namespace(position).matrix_transpose(parts.tension)
    return after, told


def _parts(path: Path, position: Array) -> Parts:
    """Evaluate at all temperatures at once, [temperature, particle, dim]."""
    xp = array_namespace(position)
    shape = tuple(position.shape)
    flat = path.parts(xp.reshape(position, (shape[0] * shape[1], shape[2])))
    return Parts(*(xp.reshape(part, (*shape[:2], *part.shape[1:])) for part in flat))


def _state(position: Array, parts: Parts, beta: Array) -> State:
    return State(position, *parts.at(beta[:, None] + 0 * position[:, :, 0]))


def _learn(
    sampler: Sampler,
    iteration: Array,
    position: Array,
    known: tuple[Ladder, Travels, Learnt],
    control: Control,
) -> tuple[Ladder, Travels, Learnt]:
    """Renew the ladder with all windows but the last, in which all else is fitted to it."""
    ladder, travels, learnt = known

    def renewed(known: Any) -> Any:
        ladder, learnt = known
        return rungs.renew(ladder), _without_energies(sampler, position, learnt, control)

    ladder, learnt = control.cond(
        _ends(iteration, sampler.window_ends[:-1]), renewed, lambda known: known, (ladder, learnt)
    )
    ladder = control.cond(
        _ends(iteration, (sampler.num_warmup,)), rungs.reset, lambda known: known, ladder
    )
    # Travels count from the first draw on.
    return ladder, trips.start(travels.came_from), learnt


def _ends(iteration: Array, ends: tuple[int, ...]) -> Array:
    # With a number that no iteration has: of an empty sum nothing could be traced.
    return sum((iteration + 1 == end) * 1 for end in (*ends, -1)) > 0


def _without_energies(
    sampler: Sampler, position: Array, learnt: Learnt, control: Control
) -> Learnt:
    """Empty the archives of temperatures that have changed: their energies are of the old ones."""
    archive = sampler.learners["archive"]

    def empty(place: Array) -> Any:
        return archive.start(State(place, place[:, 0], place), None)

    fresh = control.map(empty, position)
    is_target = numbered(position[:, 0, 0]) == 0

    def choose(before: Array, after: Array) -> Array:
        xp = array_namespace(before)
        keeps = xp.reshape(is_target, (-1,) + (1,) * (before.ndim - 1))
        return xp.where(keeps, before, xp.astype(after, before.dtype))

    return {**learnt, "archive": each_array(choose, learnt["archive"], fresh)}


def _of_the_draws(
    told: dict[str, Array], moved: State, after: State, learnt: Learnt, control: Control
) -> dict[str, Array]:
    """Statistics of the draws at the target, [particle], which swaps may have changed."""
    xp = array_namespace(after.position)
    temperatures = told["n_steps"].shape[0]
    draws: dict[str, Array] = at(told, 0)
    draws["n_steps"] = xp.sum(told["n_steps"], axis=0) + temperatures
    draws["potential_energy"] = after.potential_energy
    draws["energy"] = draws["energy"] + (after.potential_energy - moved.potential_energy)
    homes = homes_of(at(learnt, 0))
    if homes is not None:
        mode = home_of(homes, after.position, control)
        draws["mode"] = xp.astype(mode, draws["mode"].dtype)
    return draws


def _as_array(value: Any, state: State) -> Array:
    """A number of an iteration as an array of no axes, to be stacked."""
    return value if hasattr(value, "ndim") else 0 * state.potential_energy[0] + value
