"""With the same random numbers and potential the kernel does what `core` does on NumPy."""

import numpy as np
import pytest
import torch

from fhl_ppl.core.metrics import reported
from fhl_ppl.core.state import Draws
from fhl_ppl.core.trajectory.splitting import LEAPFROG, TWO_STAGE
from fhl_ppl.options import Options
from fhl_ppl.pyro import FHL, MCMC
from fhl_ppl.pyro.run import engine
from fhl_ppl.pyro.run.arrays import NumpyArrays, TensorArrays
from fhl_ppl.pyro.run.randomness import Randomness
from tests.loops import draw
from tests.runs import Run

NUM_PARTICLES, DIM, GROUP_SIZE = 10, 4, 4
NUM_WARMUP, NUM_SAMPLES = 50, 10
TOLERANCE = 1e-10

COUPLED = np.eye(DIM) + 0.4
STARTS = np.random.default_rng(0).normal(size=(NUM_PARTICLES, DIM))


@pytest.fixture(autouse=True, scope="module")
def _float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def recorded():
    """The random numbers of every iteration, as NumPy arrays."""
    rng = np.random.default_rng(1)
    return [draw(rng, NUM_PARTICLES, DIM) for _ in range(NUM_WARMUP + NUM_SAMPLES)]


def potential_fn(sites):
    """A skewed density, for Torch: sites a [1] and b [3] are one vector."""
    q = torch.cat([sites["a"], sites["b"]])
    return q @ torch.as_tensor(COUPLED) @ q / 2 + (q.exp() - q).sum()


def potential_and_gradient(q):
    """The same, by hand, for NumPy."""
    linear = q @ COUPLED
    return (q * linear).sum(1) / 2 + (np.exp(q) - q).sum(1), linear + np.exp(q) - 1


class Replayed(Run):
    """What `core` does on NumPy arrays, with draws that are given."""

    def draw(self):
        return self.rng[self.iteration]


def reference(recorded, options, coupling):
    """A run of all iterations."""
    run = Replayed(
        options.plan(NUM_WARMUP, DIM),
        potential_and_gradient,
        STARTS,
        recorded,
        group_size=GROUP_SIZE,
        coupling=coupling,
        step_size=options.step_size,
        number=int,
    )
    return run.go(NUM_WARMUP + NUM_SAMPLES)


@pytest.mark.parametrize("dense_mass", [None, "low_rank"])
@pytest.mark.parametrize("strength", [None, 0.0, 0.03])
@pytest.mark.parametrize("arrays", [NumpyArrays, TensorArrays])
@pytest.mark.parametrize("coupling", ["alternate", "joint"])
def test_kernel_equals_core(recorded, monkeypatch, coupling, arrays, strength, dense_mass):
    columns = zip(*recorded, strict=True)
    block = Draws(*(torch.as_tensor(np.stack(rows)) for rows in columns))
    monkeypatch.setattr(Randomness, "_new_block", lambda self: block)
    monkeypatch.setattr(engine, "arrays_for", lambda like: arrays())
    positions = []

    def hook(kernel, sites, stage, i):
        positions.append(torch.cat([sites["a"], sites["b"]], 1))

    # Not the default target: near the largest stable step size rounding errors are amplified.
    settings = {
        "coupling": coupling,
        "pulling_strength": strength,
        "target_accept_prob": 0.95,
        "dense_mass": dense_mass,
        # Core's positions would be those of a chart.
        "charts": False,
    }
    starts = torch.as_tensor(STARTS)
    mcmc = MCMC(
        FHL(potential_fn=potential_fn, **settings),
        num_samples=NUM_SAMPLES,
        warmup_steps=NUM_WARMUP,
        initial_params={"a": starts[:, :1], "b": starts[:, 1:]},
        num_chains=NUM_PARTICLES,
        hook_fn=hook,
        disable_progbar=True,
    )
    mcmc.run()

    core = reference(recorded, Options(**settings), coupling)
    expected, splittings = np.array(core.positions), {each.splitting for each in core.tunings}
    num_steps = [int(tuning.num_steps) for tuning in core.tunings]
    assert 2 < max(num_steps) < 100
    # All moved, and the metric is no longer the one that they started with.
    assert (expected[-1] != expected[0]).all()
    learnt = reported(core.learnt["metric"])
    if dense_mass is None:
        assert np.abs(learnt - np.eye(DIM)).max() > 0.1
        assert splittings == {LEAPFROG}
    else:
        assert np.abs(learnt.scale - 1).max() > 0.05
        assert splittings == {TWO_STAGE}
    np.testing.assert_allclose(torch.stack(positions), expected, rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(mcmc.diagnostics()["n_steps"][0], num_steps[NUM_WARMUP:])
