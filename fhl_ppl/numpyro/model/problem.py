"""What is sampled: a model or a potential, where it starts, and the force that moves particles."""

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

import jax
from jax import random
from jax.flatten_util import ravel_pytree
from numpyro import handlers
from numpyro.infer.util import constrain_fn
from numpyro.util import identity

from fhl_ppl.arguments import check_reference, check_target, truth
from fhl_ppl.core.target import Plain, Target
from fhl_ppl.core.tempering.path import Path
from fhl_ppl.numpyro.model import minibatch as batches
from fhl_ppl.numpyro.model import potential, prior, starts
from fhl_ppl.numpyro.model.minibatch import Args, Kwargs
from fhl_ppl.numpyro.model.reading import radius_of

Array = Any


class Problem:
    """The arguments of `FHL` that say what to sample by which force; its docstring explains them.

    Raises
    ------
    TypeError, ValueError
        If one is of the wrong kind, or two contradict each other.
    """

    def __init__(
        self,
        model: Callable[..., Any] | None,
        potential_fn: Callable[[Any], Array] | None,
        *,
        gradient_fn: Callable[..., Any] | None,
        noisy_gradient: bool,
        minibatch: bool,
        anchor: Any,
        init_strategy: Callable[..., Any],
        forward_mode: bool,
        evaluation: potential.Evaluation,
        temperatures: int | None = None,
        reference_fn: Callable[[Any], Array] | None = None,
    ) -> None:
        check_target(model, potential_fn, gradient_fn, noisy_gradient, minibatch, anchor)
        check_reference(
            temperatures,
            reference_fn,
            model is not None,
            minibatch,
            "lambda z: 0.5 * jnp.sum((z / 10) ** 2)",
        )
        if not callable(init_strategy):
            raise TypeError(
                f"init_strategy must be callable, such as init_to_median, got {init_strategy!r}."
            )
        truth("forward_mode_differentiation", forward_mode)
        if minibatch and forward_mode:
            raise ValueError(
                "minibatch=True differentiates in reverse; leave out "
                "forward_mode_differentiation=True."
            )
        potential.check_evaluation(evaluation)
        self._subsampling_model = model if minibatch else None
        self.model = batches.with_all_rows(model) if minibatch and model else model
        self.gradient_fn = gradient_fn
        self._potential_fn = potential_fn
        self._noisy_gradient = noisy_gradient
        self._anchor = anchor
        self._init_strategy = init_strategy
        self._forward_mode = forward_mode
        self._evaluation = evaluation
        self._is_tempered = temperatures is not None
        self._reference_fn = reference_fn
        self._forget()

    def _forget(self) -> None:
        self._potential_fn_generator: Callable[..., Any] | None = None
        self._postprocess_fn: Callable[..., Any] | None = None
        self._plates: dict[str, tuple[int, int]] = {}
        self.unravel: Callable[[Array], Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what `start` sets: functions in it cannot be pickled."""
        problem = object.__new__(type(self))
        problem.__dict__.update(self.__dict__)
        problem._forget()
        return problem.__dict__

    @property
    def trusts_gradient(self) -> bool:
        """Whether the force is the gradient of the potential, be it of a batch."""
        return self.gradient_fn is None

    @property
    def start_radius(self) -> float | None:
        """Within what of 0 particles start; None if they start elsewhere, as at an anchor."""
        if self.model is None or self._subsampling_model is not None:
            return None
        return radius_of(self._init_strategy)

    @property
    def batch_shares(self) -> tuple[float, ...]:
        """Share of its rows that each plate draws; empty without minibatches."""
        return batches.shares(self._plates)

    def wrapped(self, wrapper: Callable[..., Any]) -> "Problem":
        """The same of `wrapper(model)`.

        Raises
        ------
        ValueError
            If there is no model, or the force is random.
        """
        if self._noisy_gradient or self._subsampling_model is not None:
            raise ValueError(
                "noisy_gradient=True and minibatch=True have no meaning in a block of Gibbs; leave "
                "them out."
            )
        if self.model is None:
            raise ValueError("FHL as a block of another kernel needs a model, not a potential_fn.")
        if self._is_tempered:
            raise ValueError(
                "temperatures has no meaning in a block of Gibbs, as the other blocks have one "
                "value for all replicas; leave it out."
            )
        problem = copy(self)
        problem.model = wrapper(self.model)
        problem._forget()
        return problem

    def start(
        self,
        keys: Array,
        init_params: Any,
        model_args: Args,
        model_kwargs: Kwargs,
        init_strategy: Callable[..., Any] | None = None,
        may_guess: bool = False,
    ) -> Any:
        """Unconstrained sites of every particle, leaves [particle, ...]; `keys` [particle].

        `init_strategy` is by default the one that was asked for. If it `may_guess`, what comes may
        be no start.

        Raises
        ------
        ValueError
            If no start is found, or what was given does not fit.
        """
        if self._subsampling_model is not None:
            self._plates = batches.subsampled_plates(
                self._subsampling_model, keys[0], model_args, model_kwargs
            )
        if self.model is None:
            z = starts.needed(init_params)
        else:
            z, self._potential_fn_generator, self._postprocess_fn = starts.from_model(
                keys,
                self.model,
                model_args,
                model_kwargs,
                init_params,
                may_guess,
                init_strategy=init_strategy or self._init_strategy,
                forward_mode_differentiation=self._forward_mode,
                validate_grad=self.trusts_gradient,
            )
        first = jax.tree.map(lambda leaf: leaf[0], z)
        _, self.unravel = ravel_pytree(first)
        if self.model is None:
            # That of a model is made by NumPyro, and tracing a model may take long.
            potential.check_potential(self._potential(model_args, model_kwargs), first)
        if self.gradient_fn is not None:
            noise = (keys[0],) if self._noisy_gradient else ()
            potential.check_gradient_fn(self.gradient_fn, first, *noise)
            if noise and not isinstance(keys, jax.core.Tracer):
                potential.check_noise(self.gradient_fn, first, random.split(keys[0], 8))
        if self._reference_fn is not None:
            potential.check_potential(self._reference_fn, first, "reference_fn")
        elif self._is_tempered:
            prior.check_prior(self.model, first, model_args, model_kwargs)
        return z

    def find_anchor(
        self, start: Any, model_args: Args, model_kwargs: Kwargs
    ) -> batches.Anchor | None:
        """What batches are compared at, from one particle's pytree; None without minibatches."""
        if self._subsampling_model is None:
            return None
        given = self._anchor is not None
        if given:
            start = starts.as_anchor(self._anchor, start)
        return batches.find_anchor(self._potential(model_args, model_kwargs), start, given)

    def force(
        self, model_args: Args, model_kwargs: Kwargs, keys: Array, anchor: batches.Anchor | None
    ) -> Target:
        """What `core` moves particles by; noise comes from `keys` [particle]."""
        unravel = self.unravel
        assert unravel is not None, "`start` comes first."
        potential_fn = self._potential(model_args, model_kwargs)
        if anchor is not None:
            of_batch = batches.controlled(potential_fn, self._plates, anchor, unravel)
            return potential.batch_force(potential_fn, of_batch, unravel, keys, self._evaluation)
        if self._noisy_gradient:
            assert self.gradient_fn is not None
            return potential.noisy_force(
                potential_fn, self.gradient_fn, unravel, keys, self._evaluation
            )
        return potential.potential_and_gradient(
            potential_fn, self.gradient_fn, unravel, self._forward_mode, self._evaluation
        )

    def path(self, model_args: Args, model_kwargs: Kwargs) -> Path:
        """From the reference to what is sampled."""
        target = self.force(model_args, model_kwargs, None, None)
        assert isinstance(target, Plain), "What is random has been refused."
        assert self.unravel is not None, "`start` comes first."
        reference_fn = self._reference_fn
        if reference_fn is None:
            reference_fn = prior.prior_potential(self.model, model_args, model_kwargs)
        reference = potential.potential_and_gradient(
            reference_fn, None, self.unravel, self._forward_mode, self._evaluation
        )
        return Path(target, reference)

    def energy(self, model_args: Args, model_kwargs: Kwargs) -> Callable[[Array], Array]:
        """The potential energy alone, of all rows: [particle, dim] to [particle]."""
        assert self.unravel is not None, "`start` comes first."
        return potential.energies(
            self._potential(model_args, model_kwargs), self.unravel, self._evaluation
        )

    def postprocess_fn(self, model_args: Args, model_kwargs: Kwargs) -> Callable[..., Any]:
        """Map from unconstrained to constrained sites, with the deterministic ones."""
        if self.model is None:
            return identity
        if self._postprocess_fn is None:
            # Of a kernel that was unpickled and has not run since.
            seeded = handlers.seed(self.model, random.key(0))
            return partial(
                constrain_fn, seeded, model_args, model_kwargs, return_deterministic=True
            )
        return self._postprocess_fn(*model_args, **model_kwargs)

    def _potential(self, model_args: Args, model_kwargs: Kwargs) -> Callable[..., Any]:
        if self._potential_fn is not None:
            return self._potential_fn
        assert self._potential_fn_generator is not None
        return self._potential_fn_generator(*model_args, **model_kwargs)
