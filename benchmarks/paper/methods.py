"""FHL and the paper's baselines as settings of one kernel, and the grids they are tuned on."""

from itertools import product
from typing import NamedTuple


class Method(NamedTuple):
    """How `fhl_ppl.core.iteration.iterate` is called.

    Attributes
    ----------
    group_size
        1 is HMC: no pull, every particle has its own test.
    coupling
        "joint" is the paper's. Of no meaning for a group of one.
    adjusted
        Whether there is a Metropolis test.
    one_step
        Trajectories of one step: Langevin. With the paper's eta its step is sqrt(2 eta).
    blind
        Whether the gradient is replaced by zero: with one step a random walk.
    """

    group_size: int = 1
    coupling: str = "joint"
    adjusted: bool = True
    one_step: bool = False
    blind: bool = False


METHODS = {
    "random walk": Method(one_step=True, blind=True),
    "LMC": Method(one_step=True),
    "HMC": Method(),
    "U-LMC": Method(one_step=True, adjusted=False),
    "U-HMC": Method(adjusted=False),
    "FHL joint": Method(group_size=4),
    "U-FHL": Method(group_size=4, adjusted=False),
    "FHL alternate": Method(group_size=4, coupling="alternate"),
}
"""The paper's LMC (MALA), HMC, FHL ("joint") and their forms without a test; our coupling; and the
random walk, without which no gradient can be said to have helped."""


class Setting(NamedTuple):
    """eta, L and lambda."""

    step_size: float
    num_steps: int
    strength: float

    def __str__(self):
        text = f"η {self.step_size:.3g}, L {self.num_steps}"
        return text + (f", λ {self.strength:.3g}" if self.strength else "")


TUNED = ("LMC", "HMC", "FHL joint", "U-FHL", "FHL alternate")
"""Those that are worth tuning where runs are dear."""


PAPER_STEPS = (0.0002, 0.0005, 0.002, 0.005)
PAPER_LENGTHS = (4, 8, 16)
PAPER_STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""The paper does not tell its lambda; these leave none of its orders of magnitude out."""


def paper_grid(method: Method, steps=PAPER_STEPS, lengths=PAPER_LENGTHS) -> list[Setting]:
    """The paper's settings, in leapfrog steps."""
    if method.one_step:
        return [Setting((2 * eta) ** 0.5, 1, 0.0) for eta in steps]
    strengths = PAPER_STRENGTHS if method.group_size > 1 else (0.0,)
    return [Setting(*values) for values in product(steps, lengths, strengths)]


def wide_grid(method: Method, steps, lengths=(1, 2, 4, 8), pulls=(0.25, 1.0, 2.5)) -> list[Setting]:
    """Other steps; `pulls` are kappa = lambda (eta L)^2, which has no units."""
    if method.one_step:
        lengths = (1,)
    pulls = pulls if method.group_size > 1 else (0.0,)
    return [
        Setting(eta, length, kappa / (eta * length) ** 2)
        for eta, length, kappa in product(steps, lengths, pulls)
    ]
