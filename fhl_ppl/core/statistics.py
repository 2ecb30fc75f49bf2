"""What is told of every draw: one list, from which fields, records, names and docstrings derive.

A new statistic is an entry here, and a field of what computes it. Both adapters then collect it,
`to_arviz` hands it on, and the docstrings explain it.
"""

from typing import Any, NamedTuple

Array = Any


class Statistic(NamedTuple):
    """A statistic.

    Attributes
    ----------
    name
        Field of NumPyro's state, entry of Pyro's diagnostics.
    meaning
        One sentence for the docstrings.
    of, field
        Where an iteration has it: in its "state", "info" or "tuning", under this name, which is by
        default that of the statistic.
    dtype
        None is that of the positions.
    per
        "particle", or "iteration" for one number that holds for all particles.
    arviz
        ArviZ's name, by default the same.
    """

    name: str
    meaning: str
    of: str = "info"
    field: str | None = None
    dtype: type | str | None = None
    per: str = "particle"
    arviz: str | None = None


STATISTICS = (
    Statistic("potential_energy", "U of the draw; ArviZ's lp is -U.", of="state", arviz="lp"),
    Statistic("energy", "Hamiltonian U + K at the end of the iteration; for the E-BFMI."),
    Statistic(
        "accept_prob",
        "Acceptance probability of the iteration's proposal.",
        arviz="acceptance_rate",
    ),
    Statistic(
        "diverging",
        "Whether the proposal was non-finite or its energy error above 1000. A wall, where the "
        "potential is infinite, is none.",
        dtype=bool,
    ),
    Statistic(
        "n_steps",
        "Leapfrog steps of the iteration: one gradient a particle each. With a random force the "
        "gradient at the start counts too; a jump is 1.",
        field="num_steps",
        dtype=int,
        per="iteration",
    ),
    Statistic(
        "step_size", "Leapfrog step eta, in the whitened space.", of="tuning", per="iteration"
    ),
    Statistic("pulling_strength", "lambda of the particle's group."),
    Statistic("is_leader", "Whether the particle led its group in the iteration.", dtype=bool),
    Statistic(
        "move",
        "What the particle did: 0 for a trajectory, k for number k of the jumps, counted from 1; "
        "in ArviZ an index into the attribute `moves`.",
        dtype="int8",
    ),
    Statistic(
        "mode",
        "Which of the modes known from warm-up the draw is in: a row of `fhl_ppl.modes`.",
        dtype="int8",
    ),
    Statistic(
        "squared_jump",
        "Expected squared jump in the whitened space: the squared distance of the proposal times "
        "the probability that it was accepted.",
    ),
)
"""All statistics of an iteration, in the order in which they are reported."""

GROUP = "group"
"""Reported with them, though it is the same for all iterations: the index of a particle's group."""

ACCEPTED = "accepted"
"""Of an iteration at several temperatures, with its statistics: whether the proposal was."""

TENSION = "tension"
"""The same: V = U - U_ref of the replicas of each particle, minus the log likelihood of a model, by
falling inverse temperature, [particle, temperature]. Kept of every draw."""

MEANINGS = {
    **{statistic.name: statistic.meaning for statistic in STATISTICS},
    GROUP: "Index of the particle's group.",
}
"""What is reported of a draw, by name."""

ARVIZ_NAMES = {statistic.name: statistic.arviz or statistic.name for statistic in STATISTICS}
"""ArviZ's names; lp is the negative of the potential energy."""


def read(state: Any, info: Any, tuning: Any) -> dict[str, Array]:
    """The statistics of one iteration by name, each [particle] or a scalar, as `per` says.

    Parameters
    ----------
    state
        Where it ended.
    info, tuning
        What happened in it, and how it was tuned.
    """
    seen = {"state": state, "info": info, "tuning": tuning}
    return {
        statistic.name: getattr(seen[statistic.of], statistic.field or statistic.name)
        for statistic in STATISTICS
    }
