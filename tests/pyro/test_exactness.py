"""A few iterations from exact draws leave every moment as it was, whatever the force."""

import numpy as np
import pytest
import torch

from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.couplings.alternate import Alternate, choose_scouts
from fhl_ppl.core.couplings.joint import Joint
from fhl_ppl.core.couplings.roles import Roles
from fhl_ppl.core.leader import find_leader
from fhl_ppl.options import Options
from fhl_ppl.pyro.batching.potential import BatchedPotential
from fhl_ppl.pyro.model.layout import SiteLayout
from fhl_ppl.pyro.run.engine import Engine

NUM_GROUPS = 100_000
NUM_CHUNKS = 20
"""Runs to divide the groups among, so that their arrays fit into the cache."""
NUM_ITERATIONS = 3
THRESHOLD = 5.0
"""Largest |z| to pass. Of the 396 numbers below one exceeds it by chance once in 4000 suites."""

SHAPES = torch.tensor([2.0, 5.0], dtype=torch.float64)
GRADIENTS = {"right": 1.0, "zero": 0.0, "reversed": -1.0}


def potential_fn(sites):
    """The logarithms of two Gamma variables: skewed, with moments in closed form."""
    q = sites["q"]
    return (q.exp() - SHAPES * q).sum()


def z_scores(coupling, group_size, strength, factor, adjusted=True):
    """|z| of the change of each moment over a few iterations that start at exact draws."""
    generator = torch.Generator().manual_seed(11)
    torch.manual_seed(12)

    def gradient_fn(sites):
        return {"q": factor * (sites["q"].exp() - SHAPES)}

    potential = BatchedPotential(
        potential_fn,
        SiteLayout({"q": SHAPES}),
        gradient_fn=None if factor == 1.0 else gradient_fn,
    )
    changes = []
    for _ in range(NUM_CHUNKS):
        shapes = SHAPES.expand(group_size * NUM_GROUPS // NUM_CHUNKS, 2)
        position = torch._standard_gamma(shapes, generator=generator).log()
        engine = Engine(
            potential,
            position,
            Options(pulling_strength=strength, num_steps=3, adapt_step_size=False).plan(0, 2),
            group_size=group_size,
            coupling="joint" if isinstance(coupling, Joint) else "alternate",
            adjusted=adjusted,
            step_size=0.3 if factor == 1.0 else 0.15,
            inverse_mass_matrix=np.array([[1.0, 0.2], [0.2, 0.5]]),
        )
        engine.sampler = engine.sampler._replace(coupling=coupling)
        for _ in range(NUM_ITERATIONS):
            told = engine.advance().statistics
        assert told["accept_prob"].mean() > 0.05
        after = torch.as_tensor(engine.state.position)
        changes.append(moments(after, group_size) - moments(position, group_size))
    change = torch.cat(changes).numpy()
    return np.abs(change.mean(0)) / (change.std(0) / np.sqrt(NUM_GROUPS))


def moments(position, group_size):
    """Statistics of each group, [group, statistic]: means of powers, and what ties particles."""
    seats = position.unflatten(0, (-1, group_size))
    gamma = seats.exp()
    energy = (gamma - SHAPES * seats).sum(-1)
    means = [value.mean(1) for value in (seats, seats**2, gamma, seats.prod(-1, keepdim=True))]
    ties = [seats[:, 0] * seats[:, 1], energy.amin(1, True), energy.var(1, keepdim=True)]
    return torch.cat([*means, *ties], dim=1)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("strength", [0.0, 1.0, 10.0])
@pytest.mark.parametrize("group_size", [2, 4])
@pytest.mark.parametrize("coupling", ["alternate", "joint"])
def test_moments_stay(coupling, group_size, strength, gradient):
    z = z_scores(COUPLINGS[coupling], group_size, strength, GRADIENTS[gradient])
    assert z.max() < THRESHOLD


class EachAlone(Joint):
    """Wrong: particles that depend on each other's moves are tested one by one."""

    def log_accept_ratio(self, groups, energy_change, draws):
        return -energy_change, draws.accept


class MovingLeader(Alternate):
    """Wrong: the leader is chosen among all, and moves with them."""

    def roles(self, groups, state, draws):
        anyone = draws.role >= 0
        leader = find_leader(groups, state.position, state.potential_energy, anyone)
        return Roles(leader, ~choose_scouts(groups, draws.role) & ~leader.is_leader)


@pytest.mark.parametrize("wrong", [EachAlone(), MovingLeader()])
def test_the_check_finds_wrong_couplings(wrong):
    assert z_scores(wrong, 4, 10.0, 1.0).max() > 2 * THRESHOLD


def test_the_check_finds_a_missing_metropolis_test():
    z = z_scores(COUPLINGS["alternate"], 4, 1.0, 1.0, adjusted=False)
    assert z.max() > 2 * THRESHOLD
