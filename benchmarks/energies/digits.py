"""Digits without a condition, from noise and from data: whether chains agree, and on what.

One energy, at two noise levels. Every method starts once from N(1/2, 1) and once from training
images with noise, and has to come to the same; the second half of its evaluations is looked at.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.energies import measures, model
from benchmarks.energies.chains import NAMES, RECORDS, Adaptive, Target, fixed
from benchmarks.energies.pictures import rows
from benchmarks.paper.measures import sliced_w2
from benchmarks.paper.tables import Result, Table

LEVELS = (0.5, 0.3)
CHAINS, BUDGET = 40, 6000
METHODS = ("LMC", "HMC", "U-LMC", "U-HMC", "FHL joint", "U-FHL")
STARTS = ("noise", "data")
OTHER = 500
"""Between the seeds of chains from either start."""


@cache
def target(s: float, quick: bool) -> Target:
    """The energy of images at a noise level; it starts from data."""
    unconditional = model.unconditional(model.trained(quick), s)
    return Target(lambda q: unconditional({"image": q}), partial(from_data, s))


def from_data(s, key, chains):
    (images, _), _ = model.data()
    which, noise = jax.random.split(key)
    chosen = jax.random.choice(which, jnp.asarray(images, jnp.float32), (chains,))
    return chosen + s * jax.random.normal(noise, chosen.shape)


def from_noise(key, chains):
    return 0.5 + jax.random.normal(key, (chains, model.DIM))


class Look:
    """What is looked at, at one noise level: energy, class, and the image behind the noise."""

    def __init__(self, s: float, quick: bool):
        self.s, self.parameters = s, model.trained(quick)

        @jax.jit
        def look(x):
            def marginal(x):
                energies = model.per_label(self.parameters, x, s)
                return jnp.sum(-jax.nn.logsumexp(-energies, -1)), energies

            gradient, energies = jax.grad(marginal, has_aux=True)(x)
            classes = jax.nn.softmax(-energies)
            return -jax.nn.logsumexp(-energies, -1), classes, x - s**2 * gradient

        self._look = look

    def __call__(self, positions):
        """Energies [...], class probabilities [..., label], denoised images [..., 64]."""
        found = self._look(jnp.asarray(positions.reshape(-1, model.DIM), jnp.float32))
        shape = positions.shape[:-1]
        return tuple(np.asarray(one, float).reshape(shape + one.shape[1:]) for one in found)


def quality(look: Look, images: np.ndarray) -> dict[str, float]:
    """Of images with the noise of the level, beside as many held-out ones."""
    _, (held_out, _) = model.data()
    real = model.noisy(held_out, look.s, 7)
    which = np.random.default_rng(0).permutation(len(images))[: len(real)]
    images = images[which]
    density, coverage = measures.density_and_coverage(look(real)[2], look(images)[2])
    return {
        "sliced W2": sliced_w2(images, real[: len(images)]),
        "density": density,
        "coverage": coverage,
    } | alone(look, images)


def alone(look: Look, images: np.ndarray) -> dict[str, float]:
    """What needs no others beside it."""
    (training, _), _ = model.data()
    energies, classes, clean = look(images)
    judge, _ = model.judge(look.s)
    return {
        "mean U": float(energies.mean()),
        "to training": measures.nearest(clean, training),
        "second classifier": float(np.mean(judge.predict(images) == classes.argmax(1))),
    }


def reference(look: Look, seed: int) -> dict[str, float]:
    """The same of training images with noise: what it is where nothing is wrong."""
    (training, _), _ = model.data()
    return quality(look, model.noisy(training, look.s, seed))


def watched(look: Look, positions: np.ndarray) -> np.ndarray:
    """Energy and class probabilities of the second half, [record, chain, 1 + label]."""
    energies, classes, _ = look(positions[RECORDS // 2 :])
    return np.concatenate([energies[..., None], classes], -1)


def row(look: Look, found: dict[str, list[np.ndarray]]) -> dict[str, list[float]]:
    """Of positions [record, chain, 64] of each seed, by start."""
    columns: dict[str, list[float]] = {}
    for noise, data in zip(*(found[start] for start in STARTS), strict=True):
        seen = [watched(look, positions) for positions in (noise, data)]
        both = np.concatenate(seen, 1)
        energy = both[..., :1]
        means = [one.mean((0, 1)) for one in seen]
        figures = {
            "R-hat of U": measures.rhat(energy),
            "R-hat of classes": measures.rhat(both[..., 1:]),
            "shares apart": float(abs(means[0][1:] - means[1][1:]).max()),
            "least share": float(means[0][1:].min()),
        }
        half = noise[RECORDS // 2 :].reshape(-1, model.DIM)
        for name, value in (figures | quality(look, half)).items():
            columns.setdefault(name, []).append(value)
    return columns


def run(seeds: list[int], quick: bool) -> Result:
    """A table and a picture for each level."""
    chains, budget = (8, 8 * RECORDS) if quick else (CHAINS, BUDGET)
    tables, pictures = [], {}
    for s in LEVELS:
        look, on = Look(s, quick), target(s, quick)
        table, images = [], {}
        for name in (*METHODS, "NUTS", "FHL as shipped"):
            found, note = {start: [] for start in STARTS}, ""
            adaptive = None if name in METHODS else Adaptive(on, name, chains)
            for seed in seeds:
                keys = jax.random.split(jax.random.key(seed))
                starts = from_noise(keys[0], chains), from_data(s, keys[1], chains)
                for k, (start, position) in enumerate(zip(STARTS, starts, strict=True)):
                    # With the same random numbers chains would meet, wherever they come from.
                    own = seed + OTHER * k
                    if adaptive is None:
                        positions = fixed(on, name, s, position, budget, own)
                    else:
                        positions, warm = adaptive.run(position, budget, own)
                        note = f" (warm-up {warm:.0f})"
                    found[start].append(positions)
            label = NAMES.get(name, name)
            table.append({"method": label + note} | row(look, found))
            images[label] = look(found["noise"][0][-1])[2]
            print(label, {k: np.round(v, 3) for k, v in table[-1].items() if k != "method"})
        references = [reference(look, seed) for seed in seeds]
        table.append({"method": "training images with noise"})
        table[-1] |= {name: [one[name] for one in references] for name in references[0]}
        others = model.noisy(model.data()[1][0], s, 7)
        table.append({"method": "held-out images with noise"})
        table[-1] |= {name: [value] for name, value in alone(look, others).items()}
        images["data"] = look(others)[2]
        caption = f"noise {s:g}, {chains} chains from either start, T = {budget}"
        caption += f"; the judge has {model.judge(s)[1]:.3f} of held-out images right"
        tables.append(Table(caption, table))
        pictures[f"energies_digits_{s:g}"] = rows(images)
    return Result(tables, pictures)
