"""Images on a condition: of a class, of two, of one and not another, and half of an image given."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.energies import measures, model
from benchmarks.energies.chains import NAMES, RECORDS, Adaptive, Target, fixed
from benchmarks.energies.digits import OTHER, Look, from_data, from_noise
from benchmarks.energies.pictures import rows
from benchmarks.paper.tables import Result, Table
from fhl_ppl.energies import energy

LEVEL = 0.3
CHAINS, BUDGET = 40, 6000
METHODS = ("HMC", "U-FHL")
KNOWN = 32
"""Pixels of the upper half."""
SHOWN = 5
"""Of the held-out images, the one that is completed."""


def conditions(quick: bool) -> dict[str, Target]:
    """By name, what is sampled, from noise or from data of any class."""
    parameters, data = model.trained(quick), partial(from_data, LEVEL)
    network = model.at_noise(parameters, LEVEL)
    three, eight = (model.of_class(parameters, LEVEL, label) for label in (3, 8))

    def not_eight(x):
        """-log(1 - p(8 | x)): unlike a quotient it takes no density away from afar."""
        logits = -network(x)
        others = jax.nn.logsumexp(logits.at[:, 8].set(-jnp.inf), -1)
        return jax.nn.logsumexp(logits, -1) - others

    composed = {
        "a three": three,
        "three and eight": 0.5 * three + 0.5 * eight,
        "three and not eight": three + 5 * energy(not_eight, "image"),
    }
    targets = {
        name: Target(lambda q, one=one: one({"image": q}), data) for name, one in composed.items()
    }
    upper, marginal = jnp.asarray(given_half(), jnp.float32), model.unconditional(parameters, LEVEL)
    targets["lower half"] = Target(
        lambda q: marginal({"image": jnp.concatenate([upper, q])}),
        lambda key, n: data(key, n)[:, KNOWN:],
    )
    return targets


def given_half() -> np.ndarray:
    """The upper half of a held-out image, with noise."""
    return model.noisy(model.data()[1][0], LEVEL, 11)[SHOWN, :KNOWN]


def whole(name: str, positions: np.ndarray) -> np.ndarray:
    """Images of draws, [..., 64]."""
    if name != "lower half":
        return positions
    upper = np.broadcast_to(given_half(), (*positions.shape[:-1], KNOWN))
    return np.concatenate([upper, positions], -1)


def run(seeds: list[int], quick: bool) -> Result:
    """R-hat over starts, and what the second classifier says of the images."""
    chains, budget = (8, 8 * RECORDS) if quick else (CHAINS, BUDGET)
    seeds, look, pictures, tables = seeds[:2], Look(LEVEL, quick), {}, []
    (training, _), _ = model.data()
    for name, on in conditions(quick).items():
        table, images = [], {}
        for method in (*METHODS, "FHL as shipped"):
            adaptive = None if method in METHODS else Adaptive(on, method, chains)
            columns: dict[str, list] = {}
            for seed in seeds:
                keys = jax.random.split(jax.random.key(seed))
                dim = on.start(keys[1], chains).shape[1]
                found = []
                starts = from_noise(keys[0], chains)[:, :dim], on.start(keys[1], chains)
                for own, begin in zip((seed, seed + OTHER), starts, strict=True):
                    if adaptive is None:
                        found.append(fixed(on, method, LEVEL, begin, budget, own))
                    else:
                        found.append(adaptive.run(begin, budget, own)[0])
                both = np.concatenate([one[RECORDS // 2 :] for one in found], 1)
                energies = np.asarray(jax.vmap(jax.vmap(on.potential))(jnp.asarray(both)))
                noisy = whole(name, both)
                judged = model.judge(LEVEL)[0].predict(noisy.reshape(-1, model.DIM))
                shares = np.bincount(judged, minlength=10) / len(judged)
                common = np.argsort(-shares)[:2]
                clean = look(noisy[::10])[2].reshape(-1, model.DIM)
                figures = {
                    "R-hat of U": measures.rhat(energies[..., None]),
                    "mean U": float(energies.mean()),
                    "judged 3": float(shares[3]),
                    "judged 8": float(shares[8]),
                    "to training": measures.nearest(clean, training),
                    "sd of a pixel": float(clean.std(0).mean()),
                }
                for column, value in figures.items():
                    columns.setdefault(column, []).append(value)
            most = ", ".join(f"{digit}: {shares[digit]:.2f}" for digit in common)
            label = NAMES.get(method, method)
            table.append({"method": label} | columns | {"judged most, last seed": most})
            images[label] = look(whole(name, found[0][-1]))[2]
        tables.append(Table(f"{name}, noise {LEVEL:g}, T = {budget}", table))
        pictures["energies_" + name.replace(" ", "_")] = rows(images, mark=name)
        print(tables[-1].markdown(), flush=True)
    return Result(tables, pictures)
