"""torchebm's samplers through the same energy as ours, where torchebm is installed.

Its model asks ours for energies and gradients, so that there is no second copy of a density. T is
counted in leapfrog steps, as for us, though its HMC takes two gradients for one and an energy at
either end of a trajectory.
"""

from importlib.metadata import version
from importlib.util import find_spec

import jax
import numpy as np

from benchmarks.paper.compare import TUNING_SEEDS, Contest
from benchmarks.paper.run import Course

LENGTH = 4


def courses(contest: Contest, steps: tuple[float, ...], seeds: list[int]) -> dict[str, list]:
    """Langevin and HMC, at the step that is best by two other seeds; none without torchebm."""
    if not find_spec("torchebm"):
        return {}
    found = {}
    for name in ("Langevin", "HMC"):

        def run(step, seed, name=name):
            return course(contest, name, step, seed)

        def cost(step, run=run):
            # A step that is too long for its Langevin leaves no number.
            values = [contest.cost(run(step, seed), seed) for seed in TUNING_SEEDS]
            return np.mean(values) if np.all(np.isfinite(values)) else np.inf

        best = min(steps, key=cost)
        label = f"{name} of torchebm {version('torchebm')}"
        found[label] = [run(best, seed) for seed in seeds]
    return found


def course(contest: Contest, name: str, step: float, seed: int) -> Course:
    """Particles in the end; steps are those of leapfrog, for Langevin too."""
    import torch
    from torchebm.samplers import HamiltonianMonteCarlo, LangevinDynamics

    model = bridge(contest.problem)
    begin, _ = jax.random.split(jax.random.key(seed))
    start = torch.from_numpy(np.array(contest.problem.start(begin, contest.particles)))
    if name == "Langevin":
        sampler, steps = LangevinDynamics(model, step_size=step**2 / 2), contest.budget
    else:
        sampler = HamiltonianMonteCarlo(model, step_size=step, n_leapfrog_steps=LENGTH)
        steps = contest.budget // LENGTH
    generator = torch.Generator().manual_seed(seed)
    last = sampler.sample(x=start, n_steps=steps, generator=generator)
    energy = model(last).numpy()
    return Course(last.numpy(), energy, np.array([contest.budget]), np.array([]), np.nan)


def bridge(problem):
    """The problem's energy, a JAX function, as a model of torchebm."""
    import torch
    from torchebm.core import BaseModel

    evaluate = jax.jit(problem.evaluate())

    class Bridge(BaseModel):
        def forward(self, x):
            return torch.from_numpy(np.array(evaluate(x.numpy())[0]))

        def gradient(self, x, model_kwargs=None):
            return torch.from_numpy(np.array(evaluate(x.numpy())[1]))

    return Bridge()
