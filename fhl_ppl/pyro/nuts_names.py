"""What scripts for ``pyro.infer.NUTS`` read off their kernel, under the names it has there."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from pyro.infer.mcmc.mcmc_kernel import MCMCKernel

from fhl_ppl.core.metrics import LowRankMetric
from fhl_ppl.options import Options
from fhl_ppl.pyro.model.problem import Problem
from fhl_ppl.pyro.model.source import Source
from fhl_ppl.pyro.run.chains import Chains


class MassMatrix(NamedTuple):
    """Stand-in for the adapter of Pyro's kernels.

    Attributes
    ----------
    inverse_mass_matrix : dict
        From the tuple of all sites, in the order of the model, to M^-1: a tensor [D] or [D, D], or
        a `fhl_ppl.core.metrics.LowRankMetric`.
    """

    inverse_mass_matrix: dict[tuple[str, ...], Any]


class NutsNames(MCMCKernel):
    """A kernel that can be asked as `pyro.infer.NUTS` can, once it has been set up."""

    _options: Options
    _problem: Problem | None
    _chains: Chains | None
    _source: Source

    @property
    def potential_fn(self) -> Callable[..., Any] | None:
        """The potential energy of one particle, of the dict of its unconstrained sites.

        As given, or of the model that was set up; None before that.
        """
        if self._problem is None or self._source.potential_fn is not None:
            return self._source.potential_fn
        return self._problem.potential_fn

    @property
    def step_size(self) -> float:
        """Step size eta of the most frequent trajectories; before a run that to start from."""
        if self._chains is None:
            return float(self._options.step_size)
        return float(self._chains.engine.report().step_size)

    @property
    def trajectory_length(self) -> float | None:
        """T of the trajectories, before its jitter; before a run that which was asked for."""
        if self._chains is None:
            return self._options.trajectory_length
        return float(self._chains.engine.report().trajectory_length)

    @property
    def num_steps(self) -> int | None:
        """Steps that make up `trajectory_length`; before a run those that were asked for."""
        if self._options.num_steps is not None or self._chains is None:
            return self._options.num_steps
        length = self.trajectory_length
        assert length is not None
        return max(1, round(length / self.step_size))

    @property
    def mass_matrix_adapter(self) -> MassMatrix:
        """What was learnt of the mass matrix, and no more."""
        return MassMatrix(self.inverse_mass_matrix)

    @property
    def inverse_mass_matrix(self) -> dict[tuple[str, ...], Any]:
        """M^-1 as in `MassMatrix`; empty before a run."""
        if self._problem is None or self._chains is None:
            return {}
        found = self._chains.engine.inverse_mass_matrix()
        matrix = found if isinstance(found, LowRankMetric) else torch.as_tensor(found)
        return {tuple(self._problem.layout.shapes): matrix}

    def clear_cache(self) -> None:
        """Do nothing: there is no cache of energies that a change from outside makes stale."""
