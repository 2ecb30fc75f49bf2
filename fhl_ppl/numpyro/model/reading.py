"""A model read without being run, and where a search for starts would look first.

`initialize_model` runs a model one operation after the other, each compiled by itself, and then
compiles a search for starts, whose first guess nearly always is one. What it says of a model can be
had from shapes alone.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax import random
from numpyro.infer import init_to_uniform
from numpyro.infer.util import ModelInfo, initialize_model

from fhl_ppl.arguments import start_radius
from fhl_ppl.numpyro.control import once
from fhl_ppl.numpyro.model.minibatch import Args, Kwargs

Array = Any


def read(
    keys: Array,
    model: Callable[..., Any],
    model_args: Args,
    model_kwargs: Kwargs,
    init_strategy: Callable[..., Any],
) -> ModelInfo | None:
    """What `initialize_model` says, with shapes [particle, ...] in place of starts.

    None if it cannot be had without values: they are those of parameters that the model itself
    holds, or constraints are made of them.
    """
    found: list[ModelInfo] = []

    def keep(keys: Array) -> Any:
        info = initialize_model(
            keys,
            model,
            init_strategy=init_strategy,
            dynamic_args=True,
            model_args=model_args,
            model_kwargs=model_kwargs,
            # Not looked at, and so not to be worked out.
            validate_grad=False,
        )
        found.append(info)
        return info.param_info.z

    z = jax.eval_shape(keep, keys)
    info = found[0]
    if any(site["type"] in ("param", "mutable") for site in info.model_trace.values()):
        return None
    first = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), z)
    try:
        jax.eval_shape(info.postprocess_fn(*model_args, **model_kwargs), first)
    except jax.errors.UnexpectedTracerError:
        return None
    return info._replace(param_info=info.param_info._replace(z=z))


def radius_of(init_strategy: Callable[..., Any]) -> float | None:
    """Within what of 0 `init_to_uniform`, NumPyro's default, draws starts; None for any other."""
    return start_radius(init_strategy, init_to_uniform)


def first_guess(keys: Array, info: ModelInfo, init_strategy: Callable[..., Any]) -> Any:
    """Where a search by `init_to_uniform` looks first, leaves [particle, ...]."""
    radius = radius_of(init_strategy)
    assert radius is not None, "No other strategy is guessed."
    shapes = info.param_info.z

    def of_one(key: Array) -> Any:
        z = {}
        key, own = random.split(key)
        # In the order of the model, which keys are split in.
        for name in info.model_trace:
            if name in shapes:
                shape = shapes[name].shape[1:]
                z[name] = random.uniform(own, shape, minval=-radius, maxval=radius)
                key, own = random.split(key)
        return z

    return once(jax.vmap(of_one))(keys)
