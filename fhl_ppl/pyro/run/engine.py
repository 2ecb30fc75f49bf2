"""Advance N particles: draws -> tune -> transition -> update. All of the algorithm is `core`'s."""

from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fhl_ppl.core import warmup
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.groups import Groups, make_groups
from fhl_ppl.core.learners.chart import Place, for_users
from fhl_ppl.core.metrics import LowRankMetric, reported
from fhl_ppl.core.plan import Plan
from fhl_ppl.core.report import Report, report
from fhl_ppl.core.sampler import make_sampler, step
from fhl_ppl.core.search import Found, search
from fhl_ppl.core.search.bounds import Bounds
from fhl_ppl.core.statistics import read
from fhl_ppl.core.target import Plain, RandomForce, state_at
from fhl_ppl.pyro.batching.potential import BatchedPotential
from fhl_ppl.pyro.batching.selfcheck import different_energies
from fhl_ppl.pyro.run.arrays import TensorArrays, arrays_for, on_host
from fhl_ppl.pyro.run.randomness import Randomness, draw_of_search
from fhl_ppl.pyro.run.tunings import Tunings

Array = Any


class Iteration(NamedTuple):
    """What one iteration led to.

    Attributes
    ----------
    position
        Of the particles in the coordinates of the model, [N, D].
    accepted
        Whether their proposals were, [N].
    statistics
        As `fhl_ppl.core.statistics.read` has them.
    """

    position: Array
    accepted: Array
    statistics: dict[str, Array]


class Engine:
    """The particles of a run with all that moves them.

    Parameters
    ----------
    potential : BatchedPotential
    position : Tensor [N, D]
        Starting positions, all of finite potential.
    plan : Plan
    group_size, coupling, adjusted
        As in `fhl_ppl.pyro.FHL`.
    step_size : float
    inverse_mass_matrix : numpy.ndarray [D] or [D, D]
        To start from.
    search_within : tuple
        Of a search for better starts, how far from 0 places may be, and its bounds; None for no
        search.
    arrays : TensorArrays, optional
        What to compute on. Default: chosen for the dtype and device of `position`.

    Attributes
    ----------
    iteration : int
        Iterations done.
    state : State
    learnt : dict
        What warm-up has learnt.
    settings : dict
        What a state has to have in common with the engine that loads it.
    """

    def __init__(
        self,
        potential: BatchedPotential,
        position: Tensor,
        plan: Plan,
        *,
        group_size: int,
        coupling: str,
        adjusted: bool,
        step_size: float,
        inverse_mass_matrix: np.ndarray,
        search_within: tuple[float, Bounds | None] = (0.0, None),
        arrays: TensorArrays | None = None,
    ) -> None:
        self.potential = potential
        self.arrays = arrays_for(position) if arrays is None else arrays
        self.sampler = make_sampler(plan, coupling, adjusted)
        self.iteration = 0
        self.settings: dict[str, Any] = {
            "group_size": group_size,
            "coupling": coupling,
            "adjusted": adjusted,
        }
        self._target = self._random_force() if potential.is_random else Plain(self._evaluate)
        metric = torch.as_tensor(inverse_mass_matrix, dtype=position.dtype, device=position.device)
        self._search_within = search_within
        self._given = step_size, self.arrays.array(metric)
        self._begin(position, *self._given)

    def _begin(self, position: Tensor, step_size: float, metric: Array) -> None:
        """Evaluate the target where particles start, and know nothing yet."""
        self._draw = Randomness(position, self.arrays)
        self._tune = Tunings(self._draw, self.arrays)
        self.state = state_at(self._target, self.arrays.array(position))
        self.groups = self._groups(len(position))
        self.learnt = warmup.start(self.sampler, self.state, step_size, metric)

    def _look_around(self) -> int:
        """Begin at better starts, if there are; gradients of each particle that it took."""
        position = self.state.position
        radius, bounds = self._search_within
        assert bounds is not None, "It is to be searched."
        drawn = draw_of_search(self.arrays.tensor(position), bounds.turns)
        noise, uniform = map(self.arrays.array, drawn)
        found = search(self._target, position, radius, noise, uniform, bounds, PYTHON)
        self._begin_at(found)
        return ceil(float(found.evaluations) / len(position))

    def _begin_at(self, found: Found) -> None:
        """Begin once more, where a search has found starts, and know what it has found."""
        self.state = state_at(self._target, found.starts)
        self.learnt = warmup.start(self.sampler, self.state, *self._given)
        self.learnt = warmup.remember(self.learnt, found)

    def _groups(self, num_particles: int) -> Groups:
        return make_groups(num_particles, self.settings["group_size"], self.state.position)

    def advance(self) -> Iteration:
        """Run one iteration."""
        # Particles far out overflow, which is what their rejection is made of.
        with torch.no_grad(), np.errstate(all="ignore"):
            # Not before: a state that is loaded has its particles where they are.
            looks = self.iteration == 0 and self._search_within[1] is not None
            spent = self._look_around() if looks else 0
            done = self._advance()
        done.statistics["n_steps"] = done.statistics["n_steps"] + spent
        self.iteration += 1
        return done

    def _advance(self) -> Iteration:
        self.state, self.learnt, info, tuning = step(
            self.sampler,
            self.groups,
            self.state,
            self.learnt,
            self.iteration,
            self._draw(),
            self._target,
            PYTHON,
            self._tune,
        )
        users = self.users_place
        return Iteration(users.position, info.accepted, read(users, info, tuning))

    @property
    def users_place(self) -> Place:
        """The particles in the coordinates of the model, whatever the chart they move in."""
        return for_users(self.learnt, self.state, PYTHON)

    def inverse_mass_matrix(self) -> np.ndarray | LowRankMetric:
        """Return M^-1 as it is now, [D] or [D, D], or its parts if it is of low rank."""
        return on_host(reported(self.learnt["metric"]))

    def report(self) -> Report:
        """Return what warm-up has settled on, as NumPy arrays."""
        return Report(*map(np.asarray, on_host(report(self.sampler, self.learnt))))

    def tempering(self) -> dict[str, Any]:
        """Return what is told of temperatures; nothing, as there is one."""
        return {}

    def _known(self) -> dict[str, Any]:
        """All that changes, named tuples and dicts of arrays."""
        return {"particles": self.state, "learnt": self.learnt}

    def _set_known(self, known: dict[str, Any]) -> None:
        self.state, self.learnt = known["particles"], known["learnt"]
        self._tune.forget()

    def state_dict(self) -> dict[str, Any]:
        """Return all that the rest of the run depends on, as plain values and tensors."""
        saved = self.arrays.saved
        result = {
            "iteration": self.iteration,
            **{name: _to_dict(value, saved) for name, value in self._known().items()},
            **self._draw.state_dict(),
        }
        if self.potential.is_random:
            result["noise"] = [get() for get, _ in self._noise_sources()]
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken.

        Parameters
        ----------
        state_dict : dict
            From an engine for the same particles, sites and settings.

        Raises
        ------
        ValueError
            If something in it has another shape than here, or its particles other energies, as
            they have with other data.
        """
        self.iteration = state_dict["iteration"]
        self._set_known(
            {
                name: _from_dict(value, state_dict[name], self.arrays)
                for name, value in self._known().items()
            }
        )
        self._draw.load_state_dict(state_dict)
        if self.potential.is_random:
            for (_, put), state in zip(self._noise_sources(), state_dict["noise"], strict=True):
                put(state)
        self._check_energies()

    def _check_energies(self) -> None:
        """Insist that the energies are of this run's target; with stale ones nothing would move."""
        tensor, state = self.arrays.tensor, self.users_place
        saved, position = tensor(state.potential_energy), tensor(state.position)
        if self.potential.is_random:
            found = self.potential.energy(position)
        else:
            found, _ = self.potential.energy_and_gradient(position)
        differs = different_energies(found, saved)
        if differs.any():
            number = int(differs.nonzero()[0])
            raise ValueError(
                "the state is from other data, or another model: the potential energy of particle "
                f"{number} was {saved[number].item():.10g} there and is {found[number].item():.10g}"
                " here; run with the model and arguments that it was saved with, or start afresh"
            )

    def _noise_sources(self) -> list[tuple[Callable[[], Tensor], Callable[[Tensor], None]]]:
        """Return how to read and set the global generators that a random force may draw from."""
        sources = [(torch.get_rng_state, torch.set_rng_state)]
        where = self.potential.layout.device
        if where.type == "cuda":
            cuda = torch.cuda
            sources.append(
                (partial(cuda.get_rng_state, where), partial(cuda.set_rng_state, device=where))
            )
        return sources

    def _evaluate(self, position: Array) -> tuple[Array, Array]:
        return evaluated(self.potential, position, self.arrays)

    def _random_force(self) -> RandomForce:
        tensor, array = self.arrays.tensor, self.arrays.array

        def draw(position: Array, number: int, known: Array, is_start: bool) -> tuple[Array, Array]:
            energy = tensor(known) if is_start else None
            values, gradients = self.potential.draw(tensor(position), energy)
            return array(values), array(gradients)

        def energies(position: Array) -> Array:
            return array(self.potential.energy(tensor(position)))

        return RandomForce(draw, None if self.potential.noisy_gradient else energies)


def evaluated(
    potential: BatchedPotential, position: Array, arrays: TensorArrays
) -> tuple[Array, Array]:
    """Energies and gradients of arrays."""
    energy, gradient = potential.energy_and_gradient(arrays.tensor(position))
    return arrays.array(energy), arrays.array(gradient)


def _to_dict(values: Any, saved: Callable[[Array], Any]) -> dict[str, Any]:
    """Turn nested named tuples into nested dicts."""
    return {
        name: _to_dict(value, saved) if isinstance(value, tuple | dict) else saved(value)
        for name, value in _by_name(values).items()
    }


def _from_dict(like: Any, saved: dict[str, Any], arrays: TensorArrays) -> Any:
    """Undo `_to_dict`, checking names and shapes against `like`."""
    named = _by_name(like)
    if set(saved) != set(named):
        raise ValueError(f"a state needs the entries {list(named)}, got {list(saved)}")
    result = {}
    for name, value in named.items():
        if isinstance(value, tuple | dict):
            result[name] = _from_dict(value, saved[name], arrays)
            continue
        got = tuple(torch.as_tensor(saved[name]).shape)
        if got != tuple(value.shape):
            raise ValueError(
                f"the state is of another run: its {name} has shape {got}, and this run's "
                f"{tuple(value.shape)}; use the same model, num_chains, group_size and metric"
            )
        result[name] = arrays.loaded(saved[name], value)
    return result if isinstance(like, dict) else type(like)(**result)


def _by_name(values: Any) -> dict[str, Any]:
    return values if isinstance(values, dict) else values._asdict()
