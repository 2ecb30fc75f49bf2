"""The plan of a warm-up."""

from fhl_ppl.core.learners.windows import window_ends
from fhl_ppl.core.metrics import dense_fit as metric
from fhl_ppl.core.plan import Plan


def make_plan(num_warmup, **changes):
    """Everything on and nothing given, but for the `changes`."""
    plan = Plan(
        num_warmup=num_warmup,
        window_ends=window_ends(num_warmup),
        target_accept_prob=0.85,
        adapt_step_size=True,
        estimate_metric=metric.from_scores,
        estimate_centre=metric.centre_from_scores,
        dense=True,
        trajectory_length=None,
        num_steps=None,
        max_num_steps=64,
        pulling_strength=None,
        jumps=True,
        trusts_gradient=True,
    )
    return plan._replace(**changes)
