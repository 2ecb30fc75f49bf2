"""What is looked at of images at a noise level: energies, classes, the image behind the noise."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.energies import measures
from benchmarks.energies.data import noisy
from benchmarks.energies.model import Model, judge, trained
from benchmarks.paper.measures import sliced_w2


class Look:
    """Energy, class probabilities and denoised image of each of many."""

    def __init__(self, model: Model, s: float, quick: bool):
        self.model, self.s = model, s
        energies_of = trained(model, quick).at_noise(s)

        @jax.jit
        def look(x):
            def marginal(x):
                energies = energies_of(x)
                return jnp.sum(-jax.nn.logsumexp(-energies, -1)), energies

            gradient, energies = jax.grad(marginal, has_aux=True)(x)
            classes = jax.nn.softmax(-energies)
            return -jax.nn.logsumexp(-energies, -1), classes, x - s**2 * gradient

        self._look = look

    def __call__(self, positions):
        """Energies [...], class probabilities [..., label], denoised images [..., pixel]."""
        found = self._look(jnp.asarray(positions.reshape(-1, self.model.dim), jnp.float32))
        shape = positions.shape[:-1]
        return tuple(np.asarray(one, float).reshape(shape + one.shape[1:]) for one in found)


def quality(look: Look, images: np.ndarray) -> dict[str, float]:
    """Of images with the noise of the level, beside as many held-out ones."""
    real = noisy(look.model.data().held_out, look.s, 7)
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
    energies, classes, clean = look(images)
    second, _ = judge(look.model, look.s)
    return {
        "mean U": float(energies.mean()),
        "to training": measures.nearest(clean, look.model.data().images),
        "second classifier": float(np.mean(second.predict(images) == classes.argmax(1))),
    }
