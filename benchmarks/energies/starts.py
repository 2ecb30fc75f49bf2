"""Images without a condition, from noise and from data: whether chains agree, and on what.

Every method starts once from N(1/2, 1) and once from training images with noise, and has to come
to the same; the second half of its evaluations is looked at.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.energies import measures
from benchmarks.energies.chains import ADAPTIVE, NAMES, RECORDS, Target, sampler
from benchmarks.energies.data import noisy
from benchmarks.energies.look import Look, alone, quality
from benchmarks.energies.model import Model, judge, trained
from benchmarks.energies.pictures import rows
from benchmarks.paper.tables import Result, Table

CHAINS, BUDGET = 40, 6000
METHODS = ("LMC", "HMC", "U-LMC", "U-HMC", "FHL joint", "U-FHL")
STARTS = ("noise", "data")
OTHER = 500
"""Between the seeds of chains from either start."""


@cache
def target(model: Model, s: float, quick: bool) -> Target:
    """The energy of images at a noise level; it starts from data."""
    unconditional = trained(model, quick).unconditional(s)
    return Target(
        lambda q: unconditional({"image": q}),
        partial(from_data, model, s),
        reference=noise_energy,
    )


def from_data(model: Model, s: float, key, chains: int):
    which, noise = jax.random.split(key)
    images = jnp.asarray(model.data().images, jnp.float32)
    chosen = jax.random.choice(which, images, (chains,))
    return chosen + s * jax.random.normal(noise, chosen.shape)


def from_noise(key, shape):
    return 0.5 + jax.random.normal(key, shape)


def noise_energy(q):
    """Of the law of starts from noise, N(1/2, 1): the reference of temperatures."""
    return jnp.sum((q - 0.5) ** 2) / 2


def from_both(on: Target, method: str, s: float, seeds: list[int], chains: int, budget: int, **of):
    """Positions [record, chain, dim] of each seed, by start; what to call the method."""
    run, found, label = sampler(on, method, s, chains, **of), {start: [] for start in STARTS}, ""
    for seed in seeds:
        keys = jax.random.split(jax.random.key(seed))
        data = on.start(keys[1], chains)
        starts = from_noise(keys[0], data.shape), data
        for k, (start, position) in enumerate(zip(STARTS, starts, strict=True)):
            # With the same random numbers chains would meet, wherever they come from.
            positions, warm = run(position, budget, seed + OTHER * k)
            label = "" if warm is None else f" (warm-up {warm:.0f})"
            found[start].append(positions)
    return found, NAMES.get(method, method) + label


def watched(look: Look, positions: np.ndarray) -> np.ndarray:
    """Energy and class probabilities of the second half, [record, chain, 1 + label]."""
    energies, classes, _ = look(positions[RECORDS // 2 :])
    return np.concatenate([energies[..., None], classes], -1)


def row(look: Look, found: dict[str, list[np.ndarray]]) -> dict[str, list[float]]:
    """Of positions [record, chain, pixel] of each seed, by start."""
    columns: dict[str, list[float]] = {}
    for noise, data in zip(*(found[start] for start in STARTS), strict=True):
        seen = [watched(look, positions) for positions in (noise, data)]
        both = np.concatenate(seen, 1)
        means = [one.mean((0, 1)) for one in seen]
        figures = {
            "R-hat of U": measures.rhat(both[..., :1]),
            "R-hat of classes": measures.rhat(both[..., 1:]),
            "shares apart": float(abs(means[0][1:] - means[1][1:]).max()),
            "least share": float(means[0][1:].min()),
        }
        half = noise[RECORDS // 2 :].reshape(-1, look.model.dim)
        for name, value in (figures | quality(look, half)).items():
            columns.setdefault(name, []).append(value)
    return columns


def references(look: Look, seeds: list[int]) -> list[dict]:
    """The same of images of the data with noise: what it is where nothing is wrong."""
    data = look.model.data()
    training = [quality(look, noisy(data.images, look.s, seed)) for seed in seeds]
    held_out = alone(look, noisy(data.held_out, look.s, 7))
    return [
        {"method": "training images with noise"}
        | {name: [one[name] for one in training] for name in training[0]},
        {"method": "held-out images with noise"}
        | {name: [value] for name, value in held_out.items()},
    ]


def compare(name: str, model: Model, levels, seeds: list[int], quick: bool) -> Result:
    """A table and a picture for each noise level."""
    chains, budget = (8, 8 * RECORDS) if quick else (CHAINS, BUDGET)
    tables, pictures = [], {}
    for s in levels:
        look, on = Look(model, s, quick), target(model, s, quick)
        table, images = [], {}
        for method in (*METHODS, *ADAPTIVE):
            found, label = from_both(on, method, s, seeds, chains, budget)
            table.append({"method": label} | row(look, found))
            images[NAMES.get(method, method)] = look(found["noise"][0][-1])[2]
            print(label, {k: np.round(v, 3) for k, v in table[-1].items() if k != "method"})
        table += references(look, seeds)
        images["data"] = look(noisy(model.data().held_out, s, 7))[2]
        caption = f"noise {s:g}, {chains} chains from either start, T = {budget}"
        caption += f"; the judge has {judge(model, s)[1]:.3f} of held-out images right"
        tables.append(Table(caption, table))
        pictures[f"energies_{name}_{s:g}"] = rows(images)
    return Result(tables, pictures)
