"""Advance N particles: draws -> tune -> transition -> update. All of the algorithm is `core`'s."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fhl_ppl.core.adaptation import warmup
from fhl_ppl.core.adaptation.plan import Plan
from fhl_ppl.core.adaptation.settled import Settled, settled
from fhl_ppl.core.adaptation.tuning import tune
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.low_rank import LowRankMetric
from fhl_ppl.core.metric import reported
from fhl_ppl.core.random_force import RandomForce
from fhl_ppl.core.state import Draws, Info, State
from fhl_ppl.core.transition import Tuning, iterate
from fhl_ppl.pyro.batching.potential import BatchedPotential
from fhl_ppl.pyro.run.arrays import TensorArrays, arrays_for, on_host
from fhl_ppl.pyro.run.randomness import Randomness
from fhl_ppl.pyro.run.tunings import Tunings, unless_zero

Array = Any


class Iteration(NamedTuple):
    """What one iteration led to; shapes as in `fhl_ppl.core.state`."""

    state: State
    info: Info
    tuning: Tuning


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
    arrays : TensorArrays, optional
        What to compute on. Default: chosen for the dtype and device of `position`.

    Attributes
    ----------
    iteration : int
        Iterations done.
    state : State
    adaptation : Adaptation
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
        arrays: TensorArrays | None = None,
    ) -> None:
        self.potential = potential
        self.arrays = arrays_for(position) if arrays is None else arrays
        self.plan = plan
        self.iteration = 0
        self.settings = {"group_size": group_size, "coupling": coupling, "adjusted": adjusted}
        self._coupling = COUPLINGS[coupling]
        self._adjusted = adjusted
        self._draw = Randomness(position, self.arrays)
        array = self.arrays.array
        self._force = self._random_force() if potential.is_random else self._evaluate
        self.state = State(array(position), *self._force(array(position)))
        self.groups = make_groups(len(position), group_size, self.state.position)
        metric = torch.as_tensor(inverse_mass_matrix, dtype=position.dtype, device=position.device)
        self.adaptation = warmup.start(self.plan, self.state, step_size, array(metric))
        self._tunings: Tunings | None = None

    def advance(self) -> Iteration:
        """Run one iteration."""
        # Particles far out overflow, which is what their rejection is made of.
        with torch.no_grad(), np.errstate(all="ignore"):
            draws = self._draw()
            tuning = self._tune(draws)
            self.state, info = iterate(
                self.state,
                draws,
                tuning,
                self.groups,
                self._coupling,
                self._force,
                PYTHON,
                self._adjusted,
            )
            if self.iteration < self.plan.num_warmup:
                self.adaptation = warmup.update(
                    self.plan,
                    self.adaptation,
                    self.groups,
                    self.iteration,
                    draws,
                    self.state,
                    info,
                    PYTHON,
                )
        self.iteration += 1
        return Iteration(self.state, info, tuning)

    def inverse_mass_matrix(self) -> np.ndarray | LowRankMetric:
        """Return M^-1 as it is now, [D] or [D, D], or its parts if it is of low rank."""
        return on_host(reported(self.adaptation.metric))

    def settled(self) -> Settled:
        """Return what warm-up has settled on, as NumPy arrays."""
        return Settled(*map(np.asarray, on_host(settled(self.plan, self.adaptation))))

    def state_dict(self) -> dict[str, Any]:
        """Return all that the rest of the run depends on, as plain values and tensors."""
        saved = self.arrays.saved
        result = {
            "iteration": self.iteration,
            "particles": _to_dict(self.state, saved),
            "adaptation": _to_dict(self.adaptation, saved),
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
            If something in it has another shape than here.
        """
        self.iteration = state_dict["iteration"]
        self.state = _from_dict(self.state, state_dict["particles"], self.arrays)
        self.adaptation = _from_dict(self.adaptation, state_dict["adaptation"], self.arrays)
        self._draw.load_state_dict(state_dict)
        if self.potential.is_random:
            for (_, put), state in zip(self._noise_sources(), state_dict["noise"], strict=True):
                put(state)
        self._tunings = None

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
        tensors = self.potential.energy_and_gradient(self.arrays.tensor(position))
        return self.arrays.array(tensors[0]), self.arrays.array(tensors[1])

    def _random_force(self) -> RandomForce:
        tensor, array = self.arrays.tensor, self.arrays.array

        def draw(position: Array, _: int, energy: Array | None) -> tuple[Array, Array]:
            known = None if energy is None else tensor(energy)
            values, gradients = self.potential.draw(tensor(position), known)
            return array(values), array(gradients)

        def energies(position: Array) -> Array:
            return array(self.potential.energy(tensor(position)))

        return RandomForce(draw, None if self.potential.noisy_gradient else energies)

    def _tune(self, draws: Draws) -> Tuning:
        if self.iteration < self.plan.num_warmup:
            tuning = tune(self.plan, self.adaptation, self.groups, self.iteration, draws)
            # The numbers that the host needs, to count the steps and to know what comes.
            tuning = tuning._replace(num_steps=int(tuning.num_steps))
            if tuning.jump is not None:
                jump = tuning.jump._replace(happens=int(tuning.jump.happens))
                tuning = tuning._replace(jump=jump)
            if tuning.pulling_strength is not None:
                tuning = tuning._replace(pulling_strength=unless_zero(tuning.pulling_strength))
            return tuning
        if self._tunings is None:
            self._tunings = Tunings(self.plan, self.adaptation, self.groups, self.arrays)
        return self._tunings.of(self.iteration, self._draw)


def _to_dict(values: Any, saved: Callable[[Array], Any]) -> dict[str, Any]:
    """Turn nested named tuples into nested dicts."""
    return {
        name: _to_dict(value, saved) if isinstance(value, tuple) else saved(value)
        for name, value in values._asdict().items()
    }


def _from_dict(like: Any, saved: dict[str, Any], arrays: TensorArrays) -> Any:
    """Undo `_to_dict`, checking names and shapes against `like`."""
    if set(saved) != set(like._fields):
        raise ValueError(f"a state needs the entries {list(like._fields)}, got {list(saved)}")
    result = {}
    for name, value in like._asdict().items():
        if isinstance(value, tuple):
            result[name] = _from_dict(value, saved[name], arrays)
            continue
        got = tuple(torch.as_tensor(saved[name]).shape)
        if got != tuple(value.shape):
            raise ValueError(
                f"the state is of another run: its {name} has shape {got}, and this run's "
                f"{tuple(value.shape)}; use the same model, num_chains, group_size and metric"
            )
        result[name] = arrays.loaded(saved[name], value)
    return type(like)(**result)
