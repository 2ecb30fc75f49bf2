"""Ranks of the truth among the draws, and whether they are uniform."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random
from numpyro.infer.util import log_density, potential_energy
from scipy.stats import kstest

from benchmarks.calibration.models import CASES, Case, prior_draw
from fhl_ppl.numpyro import FHL

Array = Any

CHAINS, WARMUP, DRAWS = 8, 400, 400
KEPT = 13
"""Draws of each chain that are ranked: far enough apart to be nearly independent."""


def noisy(case: Case, data: Array) -> dict[str, Any]:
    """A force with noise of half its usual size."""

    def gradient_fn(z: Any, key: Array) -> Any:
        force = jax.grad(lambda z: potential_energy(case.model, (data,), {}, z))(z)
        keys = random.split(key, len(force))
        return {
            name: one + 0.5 * random.normal(each, one.shape)
            for each, (name, one) in zip(keys, force.items(), strict=True)
        }

    return {"gradient_fn": gradient_fn, "noisy_gradient": True}


def zero(case: Case, data: Array) -> dict[str, Any]:
    """No force."""
    return {"gradient_fn": lambda z: jax.tree.map(jnp.zeros_like, z)}


SETTINGS: dict[str, Callable[[Case, Array], dict[str, Any]]] = {
    "default": lambda case, data: {},
    "joint": lambda case, data: {"coupling": "joint"},
    "noisy": noisy,
    "zero": zero,
    "minibatch": lambda case, data: {"minibatch": True},
    "charts": lambda case, data: {"charts": True},
}
"""Arguments of `FHL` for a model and its data."""


def rank(case: Case, setting: str, kernel: type, key: Array) -> dict[str, Array]:
    """Draw a truth and data, run, and rank the truth; among equals it has any place."""
    key_truth, key_run, key_tie = random.split(key, 3)
    truth, data = prior_draw(case.model, key_truth)
    made = kernel(case.model, **SETTINGS[setting](case, data))
    kwargs = {"batch": 20} if setting == "minibatch" else {}
    state = made.init(random.split(key_run, CHAINS), WARMUP, None, (data,), kwargs)

    def step(state: Any, _: Any) -> tuple[Any, Any]:
        state = made.sample(state, (data,), kwargs)
        return state, state.z

    def stretch(state: Any, _: Any) -> tuple[Any, Any]:
        state = lax.fori_loop(0, DRAWS // KEPT, lambda _, one: step(one, None)[0], state)
        return state, state.z

    state = lax.fori_loop(0, WARMUP, lambda _, one: step(one, None)[0], state)
    _, kept = lax.scan(stretch, state, length=KEPT)
    kept = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), kept)
    constrain = made.postprocess_fn((data,), kwargs)
    kept = jax.vmap(lambda z: jax.tree.map(lambda leaf: leaf[0], constrain(_one(z))))(kept)
    kept = {name: kept[name] for name in truth}

    def measures(sites: dict[str, Array]) -> dict[str, Array]:
        # The density of the data sees what each parameter by itself does not.
        density = log_density(case.model, (data,), {}, sites)[0]
        return case.quantities(sites) | {"log density": density}

    found, true = jax.vmap(measures)(kept), measures(truth)
    ties = {name: random.fold_in(key_tie, i) for i, name in enumerate(found)}
    return {name: _place(found[name], true[name], ties[name]) for name in found}


def _one(z: Any) -> Any:
    """A batch of one particle: what vectorized chains hand over to be constrained."""
    return jax.tree.map(lambda leaf: leaf[None], z)


def _place(draws: Array, truth: Array, key: Array) -> Array:
    below, equal = (draws < truth).sum(), (draws == truth).sum()
    return (below + random.uniform(key) * (equal + 1)) / (len(draws) + 1)


def ranks(
    name: str, setting: str, replications: int, seed: int = 0, kernel: type = FHL
) -> dict[str, np.ndarray]:
    """Places in (0, 1) of each quantity of a case, uniform if the sampler is right."""
    run = jax.jit(partial(lax.map, partial(rank, CASES[name], setting, kernel)))
    return jax.tree.map(np.asarray, run(random.split(random.PRNGKey(seed), replications)))


def p_values(places: dict[str, np.ndarray]) -> dict[str, float]:
    """Of Kolmogorov and Smirnov's test of each quantity."""
    return {name: float(kstest(values, "uniform").pvalue) for name, values in places.items()}
