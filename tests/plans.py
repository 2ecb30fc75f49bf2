"""The plan of a warm-up, and who carries it out."""

from fhl_ppl.core.learners.windows import window_ends
from fhl_ppl.core.metrics import dense_fit
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.plan import Plan
from fhl_ppl.core.sampler import make_sampler as make_sampler_of

WITHIN_MODES = tuple(name for name, move in JUMPS.items() if not move.between_modes)
"""Jumps that need no archive of modes."""


def make_plan(num_warmup, **changes):
    """Everything on and nothing given, but for the `changes`."""
    plan = Plan(
        num_warmup=num_warmup,
        window_ends=window_ends(num_warmup),
        target_accept_prob=0.85,
        adapt_step_size=True,
        estimate_metric=dense_fit.from_scores,
        estimate_centre=dense_fit.centre_from_scores,
        dense=True,
        trajectory_length=None,
        num_steps=None,
        max_num_steps=64,
        pulling_strength=None,
        jumps=tuple(JUMPS),
        trusts_gradient=True,
    )
    if not changes.get("dense", True):
        # An archive of modes is of matrices.
        plan = plan._replace(jumps=WITHIN_MODES)
    return plan._replace(**changes)


def make_sampler(num_warmup, coupling="alternate", adjusted=True, **changes):
    """A sampler by that plan."""
    return make_sampler_of(make_plan(num_warmup, **changes), coupling, adjusted)
