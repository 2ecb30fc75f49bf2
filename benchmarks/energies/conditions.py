"""Images on a condition: of a class, of two, of one and not another, and half of an image given."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.energies import measures
from benchmarks.energies.chains import ADAPTIVE, NAMES, RECORDS, Target
from benchmarks.energies.data import noisy
from benchmarks.energies.halves import KNOWN, completed, drawn, given, in_doubt
from benchmarks.energies.look import Look
from benchmarks.energies.model import DIGITS, judge, trained
from benchmarks.energies.pictures import rows
from benchmarks.energies.starts import METHODS, STARTS, from_both, from_data, noise_energy
from benchmarks.paper.tables import Result, Table
from fhl_ppl.energies import energy

LEVEL = 0.3
CHAINS, BUDGET = 40, 6000


class Condition(NamedTuple):
    """What is sampled, from data of any class; the known half, if any; the class, if it is one."""

    target: Target
    upper: np.ndarray | None = None
    label: int | None = None


def conditions(quick: bool) -> dict[str, Condition]:
    """By name."""
    learnt, data = trained(DIGITS, quick), partial(from_data, DIGITS, LEVEL)
    network = learnt.at_noise(LEVEL)
    three, eight = (learnt.of_class(LEVEL, label) for label in (3, 8))

    def not_eight(x):
        """-log(1 - p(8 | x)): unlike a quotient it takes no density away from afar."""
        logits = -network(x)
        others = jax.nn.logsumexp(logits.at[:, 8].set(-jnp.inf), -1)
        return jax.nn.logsumexp(logits, -1) - others

    def sampled(one):
        return Target(lambda q: one({"image": q}), data, reference=noise_energy)

    clear, doubtful = noisy(DIGITS.data().held_out, LEVEL, 11)[[5, in_doubt(LEVEL)], :KNOWN]
    return {
        "three": Condition(sampled(three), label=3),
        "three and eight": Condition(sampled(0.5 * three + 0.5 * eight)),
        "three and not eight": Condition(sampled(three + 5 * energy(not_eight, "image")), label=3),
        "lower half": Condition(given(clear, LEVEL, quick), clear),
        "lower half in doubt": Condition(given(doubtful, LEVEL, quick), doubtful),
    }


def figures(look: Look, condition: Condition, halves: list[np.ndarray]) -> dict[str, float]:
    """Of the second halves of chains, from noise and from data, [record, chain, dim] each."""
    both = np.concatenate(halves, 1)
    energies = np.asarray(jax.jit(jax.vmap(jax.vmap(condition.target.potential)))(both))
    images = completed(both, condition.upper)
    second, _ = judge(DIGITS, LEVEL)
    chances = second.predict_proba(images.reshape(-1, DIGITS.dim))
    chances = chances.reshape(*images.shape[:2], -1)
    chains = halves[0].shape[1]
    shares = [one.mean((0, 1)) for one in (chances[:, :chains], chances[:, chains:])]
    return {
        "R-hat of U": measures.rhat(energies[..., None]),
        "R-hat of judged": measures.rhat(chances),
        "judged apart": float(abs(shares[0] - shares[1]).max()),
        "mean U": float(energies.mean()),
    } | of_images(look, condition, images.reshape(-1, DIGITS.dim), chances.mean((0, 1)))


def of_images(look: Look, condition: Condition, images, shares) -> dict[str, float]:
    """What the second classifier says of images [image, pixel], and how much they differ."""
    data, likely = DIGITS.data(), np.argsort(-shares)[:3]
    clean = look(images)[2]
    found = {
        "judged": ", ".join(f"{k}: {shares[k]:.2f}" for k in likely),
        "sd of a pixel": float(np.sqrt(clean.var(0).mean())),
        "to training": measures.nearest(clean, data.images),
    }
    if condition.label is not None:
        real = look(noisy(data.images[data.labels == condition.label], LEVEL, 7))[2]
        which = np.random.default_rng(0).permutation(len(clean))[: len(real)]
        density, coverage = measures.density_and_coverage(real, clean[which])
        found |= {"density": density, "coverage": coverage}
    return found


def reference(look: Look, condition: Condition) -> dict:
    """The same of held-out images of the class, or of lower halves as the data have them."""
    data = DIGITS.data()
    if condition.upper is None:
        name = "held-out images"
        images = noisy(data.held_out[data.held_out_labels == condition.label], LEVEL, 8)
    else:
        name, images = "training images by likelihood", drawn(condition.upper, LEVEL, 2000)
    shares = judge(DIGITS, LEVEL)[0].predict_proba(images).mean(0)
    found = of_images(look, condition, images, shares)
    return {"method": name} | {column: [value] for column, value in found.items()}


def run(seeds: list[int], quick: bool) -> Result:
    """A table and a picture for each condition."""
    chains, budget = (8, 8 * RECORDS) if quick else (CHAINS, BUDGET)
    look, pictures, tables = Look(DIGITS, LEVEL, quick), {}, []
    for name, condition in conditions(quick).items():
        table, images, on = [], {}, condition.target
        for method in (*METHODS, *ADAPTIVE):
            found, label = from_both(on, method, LEVEL, seeds, chains, budget)
            columns: dict[str, list] = {}
            for both in zip(*(found[start] for start in STARTS), strict=True):
                halves = [one[RECORDS // 2 :] for one in both]
                for column, value in figures(look, condition, halves).items():
                    columns.setdefault(column, []).append(value)
            last = found["noise"][0][-1]
            images[NAMES.get(method, method)] = look(completed(last, condition.upper))[2]
            table.append({"method": label} | columns)
        if condition.upper is not None or condition.label is not None:
            table.append(reference(look, condition))
        for one in table:
            # A text for each seed, which is no figure.
            one["judged"] = "; ".join(one["judged"])
        tables.append(Table(f"{name}, noise {LEVEL:g}, T = {budget}", table))
        pictures["energies_" + name.replace(" ", "_")] = rows(images, mark=name)
        print(tables[-1].markdown(), flush=True)
    return Result(tables, pictures)
