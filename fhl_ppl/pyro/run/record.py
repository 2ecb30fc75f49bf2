"""What is kept of every iteration of the sampling phase, and handed out by `diagnostics()`."""

from typing import Any

import numpy as np
import torch

from fhl_ppl.pyro.run.arrays import TensorArrays, on_host
from fhl_ppl.pyro.run.engine import Iteration

Array = Any


class Record:
    """Statistics of every draw.

    Nothing is moved to the host before it is asked for.

    Parameters
    ----------
    arrays : TensorArrays
        What the iterations are computed on.
    group : array [N]
        Group of each particle.
    num_reported : int
        The first so many particles are reported.
    """

    def __init__(self, arrays: TensorArrays, group: Array, num_reported: int) -> None:
        self._arrays = arrays
        self._reported = slice(0, num_reported)
        self._group = group
        self._per_particle: list[dict[str, Array]] = []
        self._per_iteration: list[tuple[int, Array]] = []
        self._accepted: list[Array] = []

    def add(self, iteration: Iteration) -> None:
        """Keep the statistics of `iteration`."""
        state, info, tuning = iteration
        self._per_particle.append(
            {
                "potential_energy": state.potential_energy,
                "energy": info.energy,
                "accept_prob": info.accept_prob,
                "diverging": info.diverging,
                "pulling_strength": info.pulling_strength,
                "is_leader": info.is_leader,
                "move": info.move,
                "squared_jump": info.squared_jump,
            }
        )
        self._per_iteration.append((info.num_steps, tuning.step_size))
        self._accepted.append(info.accepted)

    def __len__(self) -> int:
        return len(self._accepted)

    def statistics(self) -> dict[str, np.ndarray]:
        """Return the statistics of the reported particles, each [particle, draw].

        Under the names of the fields of NumPyro's state: potential_energy, energy, accept_prob,
        diverging, n_steps, step_size, pulling_strength, is_leader, move, squared_jump, group.
        """
        shape = (self._reported.stop, len(self))
        if not len(self):
            return {}
        result = {
            name: self._stacked([row[name] for row in self._per_particle])
            for name in self._per_particle[0]
        }
        num_steps = np.array([int(num_steps) for num_steps, _ in self._per_iteration])
        step_size = np.array([float(step_size) for _, step_size in self._per_iteration])
        group = on_host(self._group)[self._reported, None]
        result["n_steps"] = np.broadcast_to(num_steps, shape).copy()
        result["step_size"] = np.broadcast_to(step_size, shape).copy()
        result["group"] = np.broadcast_to(group, shape).copy()
        return result

    def acceptance_rate(self) -> np.ndarray:
        """Return the share of accepted proposals, for each reported particle."""
        if not len(self):
            return np.full(self._reported.stop, np.nan)
        return self._stacked(self._accepted).mean(axis=1)

    def _stacked(self, rows: list[Array]) -> np.ndarray:
        columns = [self._arrays.tensor(row)[self._reported] for row in rows]
        return torch.stack(columns, dim=1).cpu().numpy()
