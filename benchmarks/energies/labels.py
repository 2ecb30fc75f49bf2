"""Image and label in one state: whether chains visit all classes, with the right shares.

The state is an image of 64 pixels and a code of its label in R^10 (`fhl_ppl.energies.labelled`).
All chains start from noughts, and once from data. The shares have to be those of long chains on
images alone, whose label is summed out; and given an image, those of the classifier, exactly.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.energies import measures
from benchmarks.energies.chains import ADAPTIVE, NAMES, RECORDS, Target, fixed, sampler
from benchmarks.energies.data import noisy
from benchmarks.energies.look import Look
from benchmarks.energies.model import DIGITS, LABELS, trained
from benchmarks.energies.pictures import rows
from benchmarks.energies.starts import METHODS, OTHER, from_data, noise_energy, target
from benchmarks.paper.tables import Result, Table

LEVEL = 0.5
CHAINS, BUDGET, LONG = 40, 6000, 5


@cache
def joint(quick: bool):
    return trained(DIGITS, quick).with_label(LEVEL)


def parts(q):
    """Image and code."""
    return q[..., : DIGITS.dim], q[..., DIGITS.dim :]


def start(which, key, chains):
    """Images with noise and codes of their labels: of all classes, or of noughts alone."""
    images, labels = DIGITS.data()[:2]
    if which == "noughts":
        images, labels = images[labels == 0], labels[labels == 0]
    one, two, three = jax.random.split(key, 3)
    chosen = jax.random.randint(one, (chains,), 0, len(images))
    image = jnp.asarray(images, jnp.float32)[chosen]
    image = image + LEVEL * jax.random.normal(two, image.shape)
    code = jax.nn.one_hot(jnp.asarray(labels)[chosen], LABELS)
    return jnp.concatenate([image, code + 0.5 * jax.random.normal(three, code.shape)], 1)


@cache
def on_both(quick: bool) -> Target:
    energy = joint(quick)

    def potential(q):
        image, code = parts(q)
        return energy({"image": image, "code": code})

    def reference(q):
        image, code = parts(q)
        return noise_energy(image) + jnp.sum(code**2) / 2

    return Target(potential, partial(start, "data"), reference=reference)


def labels_of(quick: bool, positions: np.ndarray, seed: int):
    """A label for each draw and its probabilities, [record, chain] and [record, chain, label]."""
    flat = jnp.asarray(positions.reshape(-1, positions.shape[-1]), jnp.float32)
    chances = np.asarray(joint(quick).label_probabilities(*parts(flat)), float)
    uniform = np.random.default_rng(seed).random((len(flat), 1))
    drawn = np.minimum((chances.cumsum(1) < uniform).sum(1), LABELS - 1)
    return drawn.reshape(positions.shape[:2]), chances.reshape(*positions.shape[:2], -1)


def long_shares(quick: bool, chains: int, budget: int) -> np.ndarray:
    """Of long HMC chains on images alone, from data."""
    position = from_data(DIGITS, LEVEL, jax.random.key(77), chains)
    found = fixed(target(DIGITS, LEVEL, quick), "HMC", LEVEL, position, budget, 77)
    return Look(DIGITS, LEVEL, quick)(found[RECORDS // 2 :])[1].mean((0, 1))


def given_an_image(quick: bool, seeds: list[int], chains: int) -> list[dict]:
    """FHL on the code alone, for images that are in doubt: shares and those of the classifier."""
    network = trained(DIGITS, quick).at_noise(LEVEL)
    some = jnp.asarray(noisy(DIGITS.data().images, LEVEL, 3), jnp.float32)
    chances = np.asarray(jax.nn.softmax(-network(some)))
    # The one whose two likeliest classes are nearest to even.
    two = np.sort(chances, 1)[:, -2:]
    image = some[int(np.argmin(abs(two[:, 1] - 0.55) + abs(two[:, 0] - 0.35)))]
    energy = joint(quick)
    on_code = Target(
        lambda code: energy({"image": image, "code": code}),
        lambda key, n: jnp.eye(LABELS)[jnp.zeros(n, int)] + jax.random.normal(key, (n, 10)),
    )
    shipped = sampler(on_code, "FHL as shipped", LEVEL, chains)
    apart, right = [], np.asarray(jax.nn.softmax(-network(image[None])))[0]
    for seed in seeds:
        begin = on_code.start(jax.random.key(seed), chains)
        codes = shipped(begin, BUDGET if not quick else 800, seed)[0][RECORDS // 2 :]
        flat = jnp.asarray(codes.reshape(-1, LABELS), jnp.float32)
        same = jnp.broadcast_to(image, (len(flat), DIGITS.dim))
        found = np.asarray(energy.label_probabilities(same, flat)).mean(0)
        apart.append(float(abs(found - right).max()))
    text = ", ".join(f"{k}: {right[k]:.2f}" for k in np.argsort(-right)[:3])
    return [{"classifier": text, "shares apart, at most": apart}]


def run(seeds: list[int], quick: bool) -> Result:
    """Chains from noughts and from data, and labels of an image."""
    chains, budget = (8, 8 * RECORDS) if quick else (CHAINS, BUDGET)
    on, images = on_both(quick), {}
    right = long_shares(quick, chains, (1 if quick else LONG) * budget)
    table = []
    for name in (*METHODS, *ADAPTIVE):
        run_from = sampler(on, name, LEVEL, chains)
        columns: dict[str, list] = {}
        for seed in seeds:
            seen = {}
            for which, own in (("noughts", seed), ("data", seed + OTHER)):
                begin = start(which, jax.random.key(own), chains)
                seen[which], _ = run_from(begin, budget, own)
            if seed == seeds[0]:
                images[NAMES.get(name, name)] = parts(seen["noughts"][-1])[0]
            halves = [one[RECORDS // 2 :] for one in seen.values()]
            drawn, chances = labels_of(quick, halves[0], seed)
            both = np.concatenate([chances, labels_of(quick, halves[1], seed)[1]], 1)
            visited = [len(set(chain)) for chain in drawn.T]
            figures = {
                "classes a chain": float(np.mean(visited)),
                "fewest": float(min(visited)),
                "shares off, at most": float(abs(chances.mean((0, 1)) - right).max()),
                "R-hat of classes": measures.rhat(both),
            }
            for column, value in figures.items():
                columns.setdefault(column, []).append(value)
        table.append({"method": NAMES.get(name, name)} | columns)
        print(table[-1], flush=True)
    long = ", ".join(f"{share:.3f}" for share in right)
    label = f"noise {LEVEL:g}, {chains} chains from noughts, T = {budget}; right shares: {long}"
    tables = [Table(label, table), Table("label of an image", given_an_image(quick, seeds, chains))]
    look = Look(DIGITS, LEVEL, quick)
    pictures = rows({name: look(image)[2] for name, image in images.items()})
    return Result(tables, {"energies_labels": pictures})
