"""Advance N particles: draws -> tune -> transition -> update. All of the algorithm is `core`'s."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from array_api_compat import device
from torch import Tensor

from fhl_ppl.core.adaptation import strength, warmup
from fhl_ppl.core.adaptation.moves import jumps_at
from fhl_ppl.core.adaptation.settled import Settled, settled
from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import Groups, first_of_group, make_groups
from fhl_ppl.core.low_rank import LowRankMetric
from fhl_ppl.core.metric import AnyMetric, reported
from fhl_ppl.core.random_force import RandomForce
from fhl_ppl.core.state import Draws, Info, State
from fhl_ppl.core.transition import Tuning, iterate
from fhl_ppl.pyro.arrays import TensorArrays, arrays_for
from fhl_ppl.pyro.potential import BatchedPotential
from fhl_ppl.pyro.randomness import Randomness

Array = Any

_BLOCK = 256


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
    plan : warmup.Plan
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
    adaptation : warmup.Adaptation
    settings : dict
        What a state has to have in common with the engine that loads it.
    """

    def __init__(
        self,
        potential: BatchedPotential,
        position: Tensor,
        plan: warmup.Plan,
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
        self.iteration = 0
        self.settings = {"group_size": group_size, "coupling": coupling, "adjusted": adjusted}
        self._coupling = COUPLINGS[coupling]
        self._adjusted = adjusted
        self._draw = Randomness(position)
        array = self.arrays.array
        self._force = self._random_force() if potential.is_random else self._evaluate
        self.state = State(array(position), *self._force(array(position)))
        self.groups = make_groups(len(position), group_size, self.state.position)
        metric = torch.as_tensor(inverse_mass_matrix, dtype=position.dtype, device=position.device)
        self.adaptation = warmup.start(plan, self.state, step_size, array(metric))
        self.plan = plan._replace(
            estimate_metric=_nan_on_failure(plan.estimate_metric, self.adaptation.metric)
        )
        self._frozen: _Frozen | None = None

    def advance(self) -> Iteration:
        """Run one iteration."""
        # Particles far out overflow, which is what their rejection is made of.
        with torch.no_grad(), np.errstate(all="ignore"):
            draws = Draws(*(self.arrays.array(tensor) for tensor in self._draw()))
            tuning = self._tune(draws)
            self.state, info = iterate(
                self.state,
                draws,
                tuning,
                self.groups,
                self._coupling,
                self._force,
                _fori_loop,
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
                    _fori_loop,
                )
        self.iteration += 1
        return Iteration(self.state, info, tuning)

    def inverse_mass_matrix(self) -> np.ndarray | LowRankMetric:
        """Return M^-1 as it is now, [D] or [D, D], or its parts if it is of low rank."""
        found = reported(self.adaptation.metric)
        return _map(_to_numpy, found) if isinstance(found, LowRankMetric) else _to_numpy(found)

    def settled(self) -> Settled:
        """Return what warm-up has settled on, as NumPy arrays."""
        return _map(np.asarray, _map(_to_numpy, settled(self.plan, self.adaptation)))

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
        self._frozen = None

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
            tuning = warmup.tune(self.plan, self.adaptation, self.groups, self.iteration, draws)
            # The numbers that the host needs, to count the steps and to know what comes.
            tuning = tuning._replace(num_steps=int(tuning.num_steps))
            if tuning.jump is not None:
                jump = tuning.jump._replace(happens=int(tuning.jump.happens))
                tuning = tuning._replace(jump=jump)
            if tuning.pulling_strength is not None:
                tuning = tuning._replace(pulling_strength=_unless_zero(tuning.pulling_strength))
            return tuning
        return self._tune_frozen(draws)

    def _tune_frozen(self, draws: Draws) -> Tuning:
        if self._frozen is None:
            self._frozen = _Frozen(self.plan, self.adaptation)
        plan, frozen = self.plan, self._frozen
        step_size, num_steps, jumps = frozen.steps(self.iteration)
        metric = self.adaptation.metric
        if jumps:
            jump = warmup.tune_jump(self.adaptation, self.groups, self.iteration, draws)
            return Tuning(step_size, 1, None, metric, jump=jump._replace(happens=1))
        pull = None
        if plan.pulling_strength is not None:
            pull = warmup.tune_pull(plan, self.adaptation, self.groups, draws, step_size, num_steps)
        elif frozen.pulls:
            pull = frozen.pull(self.iteration, self._draw, self.groups, self.arrays)
        reference = None if plan.estimate_centre is None else self.adaptation.reference
        return Tuning(step_size, num_steps, pull, metric, reference)


class _Frozen:
    """What is settled after warm-up, on the host, so that it need not wait for the device.

    What depends on chance and the number of the iteration alone is worked out for many iterations
    at a time.
    """

    def __init__(self, plan: warmup.Plan, adaptation: warmup.Adaptation) -> None:
        self._plan = plan
        self._mixture = adaptation.mixture
        self._strengths_of: Draws | None = None
        self._strengths: list[Array | None] = []
        self._adaptation = adaptation._replace(
            step=_map(_to_numpy, adaptation.step),
            scale=_map(_to_numpy, adaptation.scale),
            moves=_map(_to_numpy, adaptation.moves),
        )
        self._block = -1
        self._steps: list[tuple[float, int, bool]] = []
        mixture = _map(_to_numpy, adaptation.mixture)
        self.pulls = (
            plan.pulling_strength != 0
            if plan.pulling_strength is not None
            else bool((mixture.weight[mixture.kappa > 0] > 0).any())
        )

    def steps(self, iteration: int) -> tuple[float, int, bool]:
        """Return eta, L and whether to jump instead, worked out for many iterations at a time."""
        block, index = divmod(iteration, _BLOCK)
        if block != self._block:
            iterations = block * _BLOCK + np.arange(_BLOCK)
            step_size, num_steps = warmup.tune_steps(self._plan, self._adaptation, iterations)
            columns = (
                step_size,
                num_steps.astype(int),
                jumps_at(self._adaptation.moves, iterations),
            )
            rows = (np.broadcast_to(column, _BLOCK).tolist() for column in columns)
            self._steps = list(zip(*rows, strict=True))
            self._block = block
        return self._steps[index]

    def pull(
        self, iteration: int, draw: Randomness, groups: Groups, arrays: TensorArrays
    ) -> Array | None:
        """Return lambda, [particle], of the iteration that `draw` was called for last.

        None if it is known to be 0 for all.
        """
        if self._strengths_of is not draw.block:
            self._strengths_of = draw.block
            # [particle, iteration]
            uniform = first_of_group(groups, arrays.array(draw.block.strength.T.contiguous()))
            first = iteration - draw.used + 1
            length = uniform.shape[1]
            # Iterations of the warm-up, whose draws were of the same block, are not asked for.
            steps = [self.steps(max(0, first + k))[:2] for k in range(length)] * len(uniform)
            xp = array_namespace(uniform)
            steps = xp.asarray(steps, dtype=uniform.dtype, device=device(uniform))
            values = strength.strength_for(
                self._mixture,
                strength.choose(self._mixture, xp.reshape(uniform, (-1,))),
                steps[:, 0],
                steps[:, 1],
            )
            values = xp.reshape(values, uniform.shape)
            self._strengths = [_unless_zero(values[:, k]) for k in range(length)]
        return self._strengths[draw.used - 1]


def _unless_zero(values: Array) -> Array | None:
    """Return values on the host if any differs from 0; others without a look, which would wait."""
    return values if not isinstance(values, np.ndarray) or values.any() else None


def _fori_loop(lower: int, upper: int, body: Callable[[int, Any], Any], value: Any) -> Any:
    for index in range(lower, upper):
        value = body(index, value)
    return value


def _nan_on_failure(
    estimate: Callable[..., AnyMetric] | None, like: AnyMetric
) -> Callable[..., AnyMetric] | None:
    """Let a factorisation that fails give NaN in the form of `like`, as `core` expects."""
    if estimate is None:
        return None

    def forgiving(positions: Any, gradients: Any) -> AnyMetric:
        try:
            return estimate(positions, gradients)
        except (np.linalg.LinAlgError, torch.linalg.LinAlgError):
            return _map(lambda part: part * float("nan"), like)

    return forgiving


def _to_numpy(array: Array) -> Array:
    return array.cpu().numpy() if isinstance(array, Tensor) else array


def _map(function: Callable[[Array], Any], values: Any) -> Any:
    return type(values)(*(function(value) for value in values))


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
