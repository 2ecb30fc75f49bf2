"""Ranks of the truth among the draws, and whether they are uniform."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random
from numpyro.infer.util import log_density, potential_energy

from benchmarks.calibration.models import CASES, Case, prior_draw
from benchmarks.calibration.settings import CHAINS, DRAWS, KEPT, WARMUP
from benchmarks.calibration.uniform import joined
from benchmarks.repeated import Repeated
from fhl_ppl import Until
from fhl_ppl.numpyro import FHL

Array = Any
Places = dict[str, Array]

UNTIL = Until(ess=400, draws=4000)
"""A run stopped by it has other numbers of draws, of which as many are ranked."""


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
    "no charts": lambda case, data: {"charts": False},
    "temperatures": lambda case, data: {"temperatures": 3},
    "until": lambda case, data: {},
}
"""Arguments of `FHL` for a model and its data; runs of "until" are stopped by `UNTIL`."""


def rank(case: Case, setting: str, kernel: type, key: Array) -> Places:
    """Draw a truth and data, run, and rank the truth."""
    key_truth, key_run, key_tie = random.split(key, 3)
    truth, data = prior_draw(case.model, key_truth)
    made = kernel(case.model, **SETTINGS[setting](case, data))
    kwargs = {"batch": 20} if setting == "minibatch" else {}
    state = made.init(random.split(key_run, CHAINS), WARMUP, None, (data,), kwargs)

    def step(_: Any, state: Any) -> Any:
        return made.sample(state, (data,), kwargs)

    def stretch(state: Any, _: Any) -> tuple[Any, Any]:
        state = lax.fori_loop(0, DRAWS // KEPT, step, state)
        return state, state.z

    state = lax.fori_loop(0, WARMUP, step, state)
    _, kept = lax.scan(stretch, state, length=KEPT)
    sites = jax.vmap(jax.vmap(made.postprocess_fn((data,), kwargs)))(kept)
    sites = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), sites)
    return placed(case, truth, data, sites, key_tie)


def placed(case: Case, truth: Any, data: Array, sites: Any, key: Array) -> Places:
    """Where the truth is among the draws, sites [draw, ...]; among equals it has any place."""

    def measures(sites: dict[str, Array]) -> dict[str, Array]:
        # The density of the data sees what each parameter by itself does not.
        density = log_density(case.model, (data,), {}, sites)[0]
        return case.quantities(sites) | {"log density": density}

    sites = {name: sites[name] for name in truth}
    found, true = jax.vmap(measures)(sites), measures(truth)
    ties = {name: random.fold_in(key, i) for i, name in enumerate(found)}
    return {name: _place(found[name], true[name], ties[name]) for name in found}


def _place(draws: Array, truth: Array, key: Array) -> Array:
    below, equal = (draws < truth).sum(), (draws == truth).sum()
    return (below + random.uniform(key) * (equal + 1)) / (len(draws) + 1)


def in_loops(case: Case, setting: str, kernel: type) -> Callable[[Array], Places]:
    """The same of a run that `UNTIL` ends: by the host, on compiled blocks."""
    again = Repeated(lambda data: (kernel(case.model), (data,)), CHAINS, WARMUP, 50)
    truths, place = jax.jit(partial(prior_draw, case.model)), jax.jit(partial(placed, case))

    def one(key: Array) -> Places:
        key_truth, key_run, key_tie = random.split(key, 3)
        truth, data = truths(key_truth)
        again.start(key_run, data)
        _, draws = again.until(UNTIL)

        def spread(draws: np.ndarray) -> np.ndarray:
            ends = np.arange(1, KEPT + 1) * draws.shape[1] // KEPT - 1
            return draws[:, ends].reshape(-1, *draws.shape[2:])

        return place(truth, data, jax.tree.map(spread, draws), key_tie)

    return one


def each_rank(
    name: str, setting: str, numbers: Iterable[int], seed: int = 0, kernel: type = FHL
) -> Iterator[dict[str, float]]:
    """Places in (0, 1) of each quantity of a case, in the replications of these numbers."""
    if setting == "until":
        one = in_loops(CASES[name], setting, kernel)
    else:
        one = jax.jit(partial(rank, CASES[name], setting, kernel))
    for number in numbers:
        found = one(random.fold_in(random.PRNGKey(seed), number))
        yield {name: float(place) for name, place in found.items()}


def ranks(
    name: str, setting: str, replications: int, seed: int = 0, kernel: type = FHL
) -> dict[str, np.ndarray]:
    """Places in (0, 1) of each quantity of a case, uniform if the sampler is right."""
    return joined(each_rank(name, setting, range(replications), seed, kernel))
