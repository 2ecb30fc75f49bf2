"""Runs of the sampler in NumPy, that keep what they go through."""

import numpy as np

from fhl_ppl.core import warmup
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.sampler import make_sampler, step
from fhl_ppl.core.target import Plain, state_at
from tests.loops import draw
from tests.plans import make_plan
from tests.targets import FORCES, TARGETS, with_force


class Run:
    """Particles on their way, from `position` [particle, dim].

    `evaluate` gives U and g, `number` makes of a Python integer the number of the iteration that
    the sampler is told. The lists have an entry for every iteration: how it was tuned, what
    happened, where it led, and what was known before it.
    """

    def __init__(
        self,
        plan,
        evaluate,
        position,
        rng,
        *,
        group_size=4,
        coupling="alternate",
        step_size=1.0,
        number=np.asarray,
    ):
        self.rng, self.number, self.iteration = rng, number, 0
        self.sampler = make_sampler(plan, coupling)
        self.target = Plain(evaluate)
        self.groups = make_groups(len(position), group_size, like=position)
        self.state = state_at(self.target, position)
        inverse = (np.eye if plan.dense else np.ones)(position.shape[1], dtype=position.dtype)
        first = np.asarray(step_size, position.dtype)
        self.learnt = warmup.start(self.sampler, self.state, first, inverse)
        self.tunings, self.infos, self.positions, self.known = [], [], [], []

    def go(self, iterations):
        """Run so many iterations."""
        for _ in range(iterations):
            self.known.append(self.learnt)
            with np.errstate(all="ignore"):
                self.state, self.learnt, info, tuning = step(
                    self.sampler,
                    self.groups,
                    self.state,
                    self.learnt,
                    self.number(self.iteration),
                    self.draw(),
                    self.target,
                    PYTHON,
                )
            self.tunings.append(tuning)
            self.infos.append(info)
            self.positions.append(self.state.position)
            self.iteration += 1
        return self

    def draw(self):
        """The randomness of an iteration, in the precision of the run."""
        draws = draw(self.rng, *self.state.position.shape)
        dtype = self.state.position.dtype
        return type(draws)(*(None if part is None else part.astype(dtype) for part in draws))


def paper_plan(num_warmup, **changes):
    """Of trajectories with leapfrog steps alone."""
    paper = {"target_accept_prob": 0.8, "estimate_centre": None, "jumps": ()}
    return make_plan(num_warmup, **{**paper, **changes})


def run_from_afar(plan, coupling="alternate", force="right", step_size=1.0):
    """Eight particles in groups of 4, that begin outside of a Gaussian."""
    rng = np.random.default_rng(6)
    evaluate = with_force(TARGETS["gaussian"], FORCES[force])
    position = 3 * rng.standard_normal((8, 3))
    return Run(plan, evaluate, position, rng, coupling=coupling, step_size=step_size)


def leaves(tree):
    """All arrays of nested tuples and dicts, in their order."""
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    if isinstance(tree, tuple):
        return [leaf for part in tree for leaf in leaves(part)]
    return [] if tree is None else [tree]
