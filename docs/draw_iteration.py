"""Draw one iteration of a group, for docs/algorithm.md: `python docs/draw_iteration.py`."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.state import Draws, State
from fhl_ppl.core.target import Plain
from fhl_ppl.core.trajectory.leapfrog import PhasePoint, elastic_leapfrog

PICTURE = Path(__file__).parent / "images/algorithm_iteration.png"
STEP_SIZE, NUM_STEPS, STRENGTH = 0.1, 14, 1.5
START = np.array([[-0.6, -0.3], [1.9, -1.1], [2.3, 1.5], [-2.6, 1.3]])
MOMENTUM = np.array([[0.9, 0.7], [-0.3, -1.0], [0.6, 0.5], [0.4, 1.0]])
SCOUTS_FIRST = np.array([0.1, 0.2, 0.8, 0.9])
WIDTHS = np.array([1.6, 0.9])
SCOUT, FOLLOWER = "tab:blue", "tab:orange"


def energy_and_gradient(q):
    return 0.5 * ((q / WIDTHS) ** 2).sum(axis=1), q / WIDTHS**2


def path(start, pull):
    """Where the particles are after each step, [step, particle, 2]."""
    target, metric = Plain(energy_and_gradient), make_metric(np.eye(2))
    ends = [
        elastic_leapfrog(start, np.array(STEP_SIZE), steps, metric, target, pull, PYTHON)
        for steps in range(1, NUM_STEPS + 1)
    ]
    return np.array([start.position, *(end.position for end in ends)])


def main():
    coupling, groups = COUPLINGS["alternate"], make_groups(4, 4, like=START)
    state = State(START, *energy_and_gradient(START))
    nothing = np.zeros(4)
    draws = Draws(noise=START, role=SCOUTS_FIRST, accept=nothing, strength=nothing, extra=nothing)
    roles = coupling.roles(groups, state, draws)
    start = PhasePoint(START, MOMENTUM, *state[1:])
    alone = path(start, None)
    pulled = path(start, lambda q, u: coupling.pull(groups, roles, np.array([STRENGTH]), q, u))

    fig, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
    x, y = np.meshgrid(np.linspace(-4.2, 4.2, 90), np.linspace(-2.4, 2.4, 60))
    height = energy_and_gradient(np.stack([x, y], axis=-1).reshape(-1, 2))[0].reshape(x.shape)
    ax.contour(x, y, height, [0.5, 1, 2, 3, 4, 5], colors="0.85", linewidths=0.8, zorder=0)
    for i, follows in enumerate(roles.is_pulled):
        colour = FOLLOWER if follows else SCOUT
        ax.plot(*pulled[:, i].T, ".-", color=colour, markersize=4)
        ax.plot(*pulled[-1, i], "s", color=colour, markersize=7)
        mark, size = ("*", 15) if roles.leader.is_leader[i] else ("o", 8)
        ax.plot(*START[i], mark, color=colour, markersize=size)
        if follows:
            ax.plot(*alone[:, i].T, ":", color="0.4")
    for mark, colour, label in (
        ("*", SCOUT, "leader: the scout of lower energy, as it stood"),
        ("o", SCOUT, "scout: no pull"),
        ("o", FOLLOWER, "follower: pulled to the leader"),
        ("s", "0.6", "what is proposed, each with its own test"),
    ):
        ax.plot([], [], mark, color=colour, label=label, markersize=10 if mark == "*" else 7)
    ax.plot([], [], ":", color="0.4", label="where it would go without a pull")
    fig.legend(loc="outside lower center", ncols=2, fontsize="small", frameon=False)
    ax.set(xticks=[], yticks=[], aspect="equal")
    fig.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
