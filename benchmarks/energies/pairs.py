"""Two digits side by side whose labels add up to a number, and exact draws of what is missing.

    U(left, right) = -log sum_{a + b = total} exp(-U(left, a) - U(right, b)),

so that neither image can change its class alone. Without the sum both would be independent, and
pairs of independent draws whose labels happen to add up are exact draws with it.
"""

from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.energies import measures
from benchmarks.energies.chains import RECORDS, Target, fixed
from benchmarks.energies.data import noisy
from benchmarks.energies.halves import KNOWN, completed, given, in_doubt, shares_given
from benchmarks.energies.model import DIGITS, LABELS, trained
from benchmarks.energies.starts import noise_energy
from fhl_ppl.energies import energy

LONG = 60_000
"""Evaluations of each chain of which exact draws are made."""


class Pair(NamedTuple):
    """What is known: the sum, and the first pixels of either image, which may be none."""

    total: int
    left: np.ndarray
    right: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """Of the left image, those that leave a label for the right one."""
        return np.arange(max(0, self.total - LABELS + 1), min(self.total, LABELS - 1) + 1)

    @property
    def names(self) -> list[str]:
        """Of all answers."""
        return [f"{a} + {self.total - a}" for a in self.labels]

    def whole(self, q) -> tuple[np.ndarray, np.ndarray]:
        """Both images [..., 64] of what was missing, q [..., dim]."""
        cut = DIGITS.dim - len(self.left)
        return completed(q[..., :cut], self.left), completed(q[..., cut:], self.right)


class Inpainting:
    """What is missing of a pair as a target, and what is looked at of it."""

    def __init__(self, pair: Pair, s: float, quick: bool):
        self.pair, self.s, self.quick = pair, s, quick
        sides = [given(known, s, quick) for known in (pair.left, pair.right)]
        self.sides, cut = sides, DIGITS.dim - len(pair.left)
        known = [jnp.asarray(one, jnp.float32) for one in (pair.left, pair.right)]
        network, labels = trained(DIGITS, quick).at_noise(s), jnp.asarray(pair.labels)

        def answers(left, right):
            """Energies [batch, answer]."""
            return network(left)[:, labels] + network(right)[:, pair.total - labels]

        joint = energy(lambda a, b: -jax.nn.logsumexp(-answers(a, b), -1), "left", "right")

        def potential(q):
            images = jnp.concatenate([known[0], q[:cut]]), jnp.concatenate([known[1], q[cut:]])
            return joint(dict(zip(("left", "right"), images, strict=True)))

        def start(key, chains):
            keys = jax.random.split(key)
            both = [side.start(own, chains) for side, own in zip(sides, keys, strict=True)]
            return jnp.concatenate(both, 1)

        self.target = Target(potential, start, reference=noise_energy)

        @jax.jit
        def look(left, right):
            def total(both):
                energies = answers(*both)
                return -jnp.sum(jax.nn.logsumexp(-energies, -1)), energies

            gradients, energies = jax.grad(total, has_aux=True)((left, right))
            clean = [
                x - s**2 * gradient for x, gradient in zip((left, right), gradients, strict=True)
            ]
            return -jax.nn.logsumexp(-energies, -1), jax.nn.softmax(-energies), *clean

        self._look = look

    def __call__(self, q: np.ndarray):
        """Energies [...], probabilities of answers [..., answer], both images behind the noise."""
        flat = self.pair.whole(np.asarray(q, np.float32).reshape(-1, q.shape[-1]))
        found = [np.asarray(one, float) for one in self._look(*flat)]
        return tuple(one.reshape(*q.shape[:-1], *one.shape[1:]) for one in found)

    @cached_property
    def alone(self) -> list[tuple[np.ndarray, np.ndarray, float]]:
        """Of either side without the other, by long chains of HMC from data.

        What was missing [draw, pixel], label probabilities [draw, label] and their R-hat.
        """
        found, network = [], trained(DIGITS, self.quick).at_noise(self.s)
        budget = 8 * RECORDS if self.quick else LONG
        for k, (side, known) in enumerate(
            zip(self.sides, (self.pair.left, self.pair.right), strict=True)
        ):
            start = side.start(jax.random.key(77 + k), 40)
            positions = fixed(side, "HMC", self.s, start, budget, 77 + k)[RECORDS // 2 :]
            images = jnp.asarray(completed(positions, known), jnp.float32)
            chances = np.asarray(jax.nn.softmax(-jax.jit(network)(images.reshape(-1, DIGITS.dim))))
            by_chain = chances.reshape(*positions.shape[:2], LABELS)
            found.append(
                (positions.reshape(-1, positions.shape[-1]), chances, measures.rhat(by_chain))
            )
        return found

    @cached_property
    def shares(self) -> np.ndarray:
        """Of each answer, the right ones: the product of those of either side, over all."""
        left, right = (chances.mean(0) for _, chances, _ in self.alone)
        product = left[self.pair.labels] * right[self.pair.total - self.pair.labels]
        return product / product.sum()

    def exact(self, count: int, seed: int) -> np.ndarray:
        """Draws [draw, dim] by rejection."""
        rng, kept = np.random.default_rng(seed), []
        while sum(map(len, kept)) < count:
            sides, labels = [], []
            for positions, chances, _ in self.alone:
                which = rng.integers(len(positions), size=4 * count)
                below = chances[which].cumsum(1) < rng.random((len(which), 1))
                sides.append(positions[which])
                labels.append(np.minimum(below.sum(1), LABELS - 1))
            kept.append(np.concatenate(sides, 1)[sum(labels) == self.pair.total])
        return np.concatenate(kept)[:count]


def both_halves(s: float) -> Pair:
    """Lower halves of both missing: held-out images and a sum that leave two answers nearest even.

    By the likelihoods of training images, among the twenty uppers that are most in doubt, and sums
    that a tenth of their pairs have.
    """
    uppers = noisy(DIGITS.data().held_out, s, 11)[:, :KNOWN]
    shares = np.array([shares_given(upper, s) for upper in uppers])
    doubtful = np.argsort(-np.sort(shares)[:, -2])[:20]
    best, most = None, 0.0
    for i in doubtful:
        for j in doubtful[doubtful != i]:
            product = np.outer(shares[i], shares[j])[:, ::-1]
            for total in range(1, 2 * LABELS - 2):
                answers = np.diagonal(product, LABELS - 1 - total)
                if answers.sum() < 0.1:
                    continue
                second = np.sort(answers)[-2] / answers.sum()
                if second > most:
                    best, most = Pair(total, uppers[i], uppers[j]), second
    return best


def three_quarters(s: float) -> Pair:
    """The upper half of one image known, in doubt between two labels, and the sum of the two."""
    upper = noisy(DIGITS.data().held_out, s, 11)[in_doubt(s), :KNOWN]
    likely = np.argsort(shares_given(upper, s))[-2:]
    return Pair(int(likely.sum()), upper, upper[:0])
