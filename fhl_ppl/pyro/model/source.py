"""What is sampled, as it was asked for: a model or a potential, and where its particles start."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pyro
from torch import Tensor

from fhl_ppl.pyro.model.minibatch import (
    Minibatch,
    Plates,
    find_minibatch,
    subsampled_plates,
    with_all_rows,
)
from fhl_ppl.pyro.model.one_particle import PotentialFn
from fhl_ppl.pyro.model.prior import PRIOR, REFERENCE, with_reference
from fhl_ppl.pyro.model.problem import Problem, problem_from_model, problem_from_potential
from fhl_ppl.pyro.model.starts import as_anchor, tried


class Source:
    """The arguments of `FHL` that say what to sample; its docstring explains them.

    Parameters
    ----------
    model, potential_fn, minibatch, anchor, reference_fn, transforms
        As of `FHL`, and checked by it.
    max_plate_nesting, init_strategy
        The same; of a model only.
    differentiable
        Whether a start needs a finite gradient too.
    temperatures
        Replicas of each particle; 1 without.

    Attributes
    ----------
    model
        All rows of it: what reads the model, such as `fhl_ppl.to_arviz`, is to see these.
    potential_fn
        As given.
    """

    def __init__(
        self,
        model: Callable[..., Any] | None,
        potential_fn: PotentialFn | None,
        *,
        minibatch: bool,
        anchor: Mapping[str, Tensor] | None,
        reference_fn: PotentialFn | None,
        transforms: Mapping[str, Any] | None,
        max_plate_nesting: int | None,
        init_strategy: Callable[..., Any],
        differentiable: bool,
        temperatures: int,
    ) -> None:
        self.model = with_all_rows(model) if minibatch and model else model
        self.potential_fn = potential_fn
        self._subsampling_model = model if minibatch else None
        self._anchor = anchor
        self._reference_fn = reference_fn
        self._transforms = transforms
        self._max_plate_nesting = max_plate_nesting
        self._init_strategy = init_strategy
        self._differentiable = differentiable
        self._temperatures = temperatures

    @property
    def draws_minibatches(self) -> bool:
        """Whether the force is that of some rows of the data."""
        return self._subsampling_model is not None

    @property
    def end(self) -> str:
        """What messages call the end of the path that temperatures lead along."""
        return PRIOR if self._reference_fn is None else REFERENCE

    def prepare(
        self,
        num_particles: int,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        initial_params: Mapping[str, Tensor] | None,
    ) -> tuple[Problem, Minibatch | None]:
        """Find a start for each of `num_particles` particles, and what batches are compared at.

        Raises
        ------
        ValueError
            If a particle cannot start, or what was given does not fit.
        NotImplementedError
            If a plate subsamples that must not.
        """
        # Replicas start where their chain does if that is given, and else each by itself.
        num_starts = num_particles * (self._temperatures if initial_params is None else 1)
        minibatch = None
        if self.model is not None:
            plates = self._subsampled_plates(args, kwargs)
            problem = problem_from_model(
                self.model,
                args,
                kwargs,
                num_particles=num_starts,
                transforms=self._transforms,
                max_plate_nesting=self._max_plate_nesting,
                init_strategy=self._init_strategy,
                initial_params=initial_params,
                differentiable=self._differentiable,
            )
            if plates:
                minibatch = self._find_minibatch(problem, plates)
                if initial_params is None:
                    # Far out a batch tells so little that the way in would take most of warm-up.
                    position = minibatch.anchor.expand_as(problem.position).clone()
                    problem = problem._replace(position=position)
        else:
            if initial_params is None:
                raise ValueError(
                    "initial_params must be given with potential_fn: pass them to MCMC, with a "
                    "leading axis of chains if there are several"
                )
            assert self.potential_fn is not None
            problem = problem_from_potential(
                self.potential_fn,
                initial_params,
                num_particles=num_particles,
                transforms=self._transforms,
                differentiable=self._differentiable,
            )
        if self._temperatures > 1:
            problem = with_reference(
                *(problem, self._reference_fn, self.model, args, kwargs, self._max_plate_nesting)
            )
            if initial_params is not None:
                position = problem.position.repeat(self._temperatures, 1)
                problem = problem._replace(position=position)
        return problem, minibatch

    def _subsampled_plates(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Plates:
        if self._subsampling_model is None:
            return {}
        with pyro.validation_enabled(False):
            return tried(partial(subsampled_plates, self._subsampling_model, args, kwargs))

    def _find_minibatch(self, problem: Problem, plates: Plates) -> Minibatch:
        """Find the anchor, from where the first particle starts."""
        start, given = problem.position[0], self._anchor is not None
        if given:
            start = as_anchor(self._anchor, problem.layout)
        with pyro.validation_enabled(False):
            return find_minibatch(problem.potential_fn, problem.layout, plates, start, given)
