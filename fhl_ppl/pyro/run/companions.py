"""Private companions, whose draws nobody gets: what they cost is said."""

import logging
from functools import cache


@cache
def say_what_they_cost(group_size: int) -> None:
    """Say it once a process, in the log, which no filter of warnings turns into an error."""
    logging.getLogger("fhl_ppl").warning(
        "FHL: each chain is a group of %d particles of its own and reports one of them, so a step "
        "costs %d gradients and gives one draw. With fhl_ppl.pyro.MCMC(..., num_chains=%d) the "
        "chains are the particles: for as many gradients each is reported.",
        group_size,
        group_size,
        group_size,
    )
