"""What NumPy computes, JAX and Torch compute too."""

import numpy as np
import pytest

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.stacked import each_array, stack
from fhl_ppl.core.tempering import ladder as rungs
from fhl_ppl.core.tempering import step as tempering
from fhl_ppl.core.tempering import travels as trips
from fhl_ppl.core.tempering.swap import decide, swapped
from tests.conftest import importorskip
from tests.loops import draw
from tests.plans import make_sampler
from tests.tempered import exact_draws, path

TEMPERATURES, PARTICLES = 4, 6


def swap_and_learn(tension, uniform, iteration):
    """A swap and what is learnt from it."""
    ladder = rungs.start(TEMPERATURES, tension)
    swaps = decide(ladder.beta, tension, uniform, iteration)
    moved = swapped(swaps.happens, tension[..., None])
    ladder = rungs.observe(rungs.observe(ladder, swaps), swaps._replace(is_due=1 - swaps.is_due))
    travels = trips.go_on(trips.start(tension), swaps.happens)
    return moved, rungs.renew(ladder).beta, travels


@pytest.mark.parametrize("library", ["jax", "torch"])
@pytest.mark.parametrize("iteration", [0, 1])
def test_swaps_and_ladder(library, iteration):
    rng = np.random.default_rng(0)
    given = rng.normal(size=(TEMPERATURES, PARTICLES)), rng.random((TEMPERATURES - 1, PARTICLES))
    expected = swap_and_learn(*given, iteration)
    if library == "jax":
        jax = importorskip("jax")
        with jax.enable_x64(True):
            found = jax.jit(swap_and_learn)(*map(jax.numpy.asarray, given), iteration)
    else:
        torch = importorskip("torch")
        found = swap_and_learn(*map(torch.as_tensor, given), iteration)
    each_array(np.testing.assert_allclose, each_array(np.asarray, found), expected)


def run(convert):
    """A warm-up with swaps and two draws after it."""
    rng = np.random.default_rng(1)
    sampler = make_sampler(12, jumps=())
    start = convert(exact_draws(rng, np.ones(TEMPERATURES), PARTICLES))
    replicas = tempering.start(
        sampler, start, convert(np.float64(1.0)), convert(np.eye(1)), path(), PYTHON
    )
    for iteration in range(14):
        draws = stack([draw(rng, PARTICLES, 1) for _ in range(TEMPERATURES)])
        uniform = convert(rng.random((TEMPERATURES - 1, PARTICLES)))
        replicas, told = tempering.step(
            sampler,
            make_groups(PARTICLES, 4, start),
            replicas,
            iteration,
            each_array(convert, draws),
            uniform,
            path(),
            PYTHON,
        )
    return replicas.particles, told["n_steps"]


def test_iterations_in_torch():
    torch = importorskip("torch")
    found, expected = run(torch.as_tensor), run(np.asarray)
    each_array(
        lambda one, other: np.testing.assert_allclose(np.asarray(one), other, rtol=1e-6),
        found,
        expected,
    )
