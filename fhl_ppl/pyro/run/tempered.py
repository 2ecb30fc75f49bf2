"""The same at several temperatures: each particle has a replica at every one (section 13)."""

from typing import Any

from torch import Tensor

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.search import Found
from fhl_ppl.core.stacked import at, each_array
from fhl_ppl.core.state import Draws
from fhl_ppl.core.statistics import ACCEPTED
from fhl_ppl.core.target import Plain
from fhl_ppl.core.tempering.path import Path
from fhl_ppl.core.tempering.step import Replicas, remember, start, step
from fhl_ppl.diagnostics.run import tempering
from fhl_ppl.pyro.batching.potential import BatchedPotential
from fhl_ppl.pyro.run.arrays import on_host
from fhl_ppl.pyro.run.engine import Engine, Iteration, evaluated
from fhl_ppl.pyro.run.randomness import Randomness

Array = Any


class TemperedEngine(Engine):
    """Replicas of the particles of a run, of which `state` and `learnt` are the posterior's.

    Parameters
    ----------
    potential, reference : BatchedPotential
        Where the path leads, and of a proper density, where it begins.
    position : Tensor [temperature * N, D]
        Starts of the replicas, those of a temperature in a row.
    *rest, **settings
        As of `Engine`.
    temperatures : int

    Attributes
    ----------
    replicas : Replicas
        All temperatures.
    """

    def __init__(
        self,
        potential: BatchedPotential,
        reference: BatchedPotential,
        position: Tensor,
        *rest: Any,
        temperatures: int,
        **settings: Any,
    ) -> None:
        self._reference = reference
        self._temperatures = temperatures
        super().__init__(potential, position, *rest, **settings)

    def _begin(self, position: Tensor, step_size: float, metric: Array) -> None:
        self.settings = {**self.settings, "temperatures": self._temperatures}
        self._draw = Randomness(position, self.arrays, more=1)
        reference = Plain(lambda q: evaluated(self._reference, q, self.arrays))
        self._path = Path(self._target, reference)
        begin = self._of_replicas(self.arrays.array(position))
        self._hold(self._started(begin, step_size, metric))
        self.groups = self._groups(begin.shape[1])

    def _started(self, begin: Array, step_size: float, metric: Array) -> Replicas:
        # In the type of the positions, as what is learnt is stacked and keeps its type.
        eta = 0 * begin[0, 0, 0] + step_size
        return start(self.sampler, begin, eta, metric, self._path, PYTHON)

    def _begin_at(self, found: Found) -> None:
        begin = self.replicas.particles.position
        begin = array_namespace(begin).concat([found.starts[None, ...], begin[1:, ...]], axis=0)
        self._hold(remember(self._started(begin, *self._given), found))

    def _advance(self) -> Iteration:
        draws, uniform = self._of_all(self._draw())
        replicas, told = step(
            self.sampler,
            self.groups,
            self.replicas,
            self.iteration,
            draws,
            uniform,
            self._path,
            PYTHON,
        )
        self._hold(replicas)
        accepted = told.pop(ACCEPTED)
        return Iteration(self.state.position, accepted, told)

    def tempering(self) -> dict[str, Any]:
        """Return the ladder and the round trips, as `to_arviz` has them."""
        replicas = on_host(self.replicas)
        return tempering(replicas.ladder, replicas.travels.round_trips)

    def _hold(self, replicas: Replicas) -> None:
        self.replicas = replicas
        self.state, self.learnt = at(replicas.particles, 0), at(replicas.learnt, 0)

    def _known(self) -> dict[str, Any]:
        return {"replicas": self.replicas}

    def _set_known(self, known: dict[str, Any]) -> None:
        self._hold(known["replicas"])

    def _of_replicas(self, values: Array) -> Array:
        """Of [temperature * N, ...] make [temperature, N, ...]."""
        return values.reshape(self._temperatures, -1, *values.shape[1:])

    def _of_all(self, draws: Draws) -> tuple[Draws, Array]:
        """Draws of each temperature, and what swaps are tested by, which the last numbers are."""
        draws = each_array(self._of_replicas, draws)
        assert draws.extra is not None, "More was asked for."
        return draws._replace(extra=draws.extra[..., :-1]), draws.extra[1:, :, -1]
