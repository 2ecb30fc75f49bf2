"""Samplers of torchebm and ebmkit through the same energy as ours, where they are installed.

Both ask ours for energies and gradients, so that there is no second copy of a density. T is counted
in leapfrog steps, as for us, though torchebm's HMC takes two gradients for one, and what is kept
between two iterations of ours is evaluated anew in theirs.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.metadata import version
from importlib.util import find_spec

import jax
import numpy as np

from benchmarks.energies.chains import TEMPERATURES
from benchmarks.paper.compare import TUNING_SEEDS, Contest
from benchmarks.paper.run import Course

LENGTH = 4
LADDER = tuple(2.0**k for k in range(TEMPERATURES))
"""Temperatures: ebmkit's default, with as many as ours."""


def courses(contest: Contest, steps: tuple[float, ...], seeds: list[int]) -> dict[str, list]:
    """Of each sampler, at the step that is best by two other seeds; none without libraries."""
    found = {}
    for name, sample in samplers(contest):
        run = partial(course, contest, sample)

        def cost(step, run=run):
            # A step that is too long for Langevin leaves no number.
            values = [contest.cost(run(step, seed), seed) for seed in TUNING_SEEDS]
            return np.mean(values) if np.all(np.isfinite(values)) else np.inf

        best = min(steps, key=cost)
        found[name] = [run(best, seed) for seed in seeds]
    return found


def samplers(contest: Contest) -> Iterator[tuple[str, Callable]]:
    """Name and (step, start, seed) -> positions after the budget."""
    for library, its in (("torchebm", of_torchebm), ("ebmkit", of_ebmkit)):
        if find_spec({"ebmkit": "ebm"}.get(library, library)):
            for name, sample in its(contest).items():
                yield f"{name} of {library} {version(library)}", sample


def course(contest: Contest, sample: Callable, step: float, seed: int) -> Course:
    """Particles in the end."""
    import torch

    begin, _ = jax.random.split(jax.random.key(seed))
    start = torch.from_numpy(np.array(contest.problem.start(begin, contest.particles)))
    last = sample(step, start, seed)
    energy = bridge(contest)(last).numpy()
    return Course(last.numpy(), energy, np.array([contest.budget]), np.array([]), np.nan)


def of_torchebm(contest: Contest) -> dict[str, Callable]:
    """Steps are those of leapfrog, for Langevin too."""
    import torch
    from torchebm.core import BaseModel
    from torchebm.samplers import HamiltonianMonteCarlo, LangevinDynamics

    class Model(BaseModel):
        def forward(self, x):
            return bridge(contest)(x)

    def langevin(step, start, seed):
        sampler, generator = LangevinDynamics(Model(), step_size=step**2 / 2), torch.Generator()
        return sampler.sample(
            x=start, n_steps=contest.budget, generator=generator.manual_seed(seed)
        )

    def hmc(step, start, seed):
        sampler = HamiltonianMonteCarlo(Model(), step_size=step, n_leapfrog_steps=LENGTH)
        return sampler.sample(
            x=start,
            n_steps=contest.budget // LENGTH,
            generator=torch.Generator().manual_seed(seed),
        )

    return {"Langevin": langevin, "HMC": hmc}


def of_ebmkit(contest: Contest) -> dict[str, Callable]:
    """As above; it draws from Torch's own generator."""
    import ebm
    import torch

    def run(make, each, step, start, seed):
        torch.manual_seed(seed)
        return make(step).sample(bridge(contest), start, steps=contest.budget // each)

    def hmc(step):
        return ebm.HMC(step_size=step, leapfrog_steps=LENGTH)

    return {
        "Langevin": partial(run, lambda step: ebm.LangevinDynamics(step_size=step**2 / 2), 1),
        "MALA": partial(run, lambda step: ebm.MALA(step_size=step**2 / 2), 1),
        "HMC": partial(run, hmc, LENGTH),
        f"HMC with {TEMPERATURES} temperatures": partial(
            run,
            lambda step: ebm.ParallelTempering(hmc(step), temperatures=LADDER),
            # Of each a trajectory, and an energy for the swap.
            TEMPERATURES * (LENGTH + 1),
        ),
    }


def bridge(contest: Contest) -> Callable:
    """Our energy, a JAX function, as one of Torch's: [particle, dim] -> [particle]."""
    import torch

    class Ours(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            energy, gradient = (
                torch.from_numpy(np.array(one))
                for one in _evaluate(contest.problem)(x.detach().numpy())
            )
            context.save_for_backward(gradient)
            return energy

        @staticmethod
        def backward(context, upstream):
            (gradient,) = context.saved_tensors
            return upstream[:, None] * gradient

    return Ours.apply


@cache
def _evaluate(problem):
    return jax.jit(problem.evaluate())
