"""A table of all public functions that take an `MCMC`, or what was made of one."""

import matplotlib as mpl

import fhl_ppl
from fhl_ppl import plots
from tests.bad_input import assert_refused

mpl.use("Agg")

DRAWS = {
    "summary": lambda mcmc: fhl_ppl.summary(mcmc, show=False),
    "to_arviz": fhl_ppl.to_arviz,
    "mode_changes": lambda mcmc: fhl_ppl.mode_changes(mcmc, lambda posterior: posterior["mu"] > 0),
}
"""Those that need draws, of any kernel."""

OURS = {
    "modes": fhl_ppl.modes,
    "moves": fhl_ppl.moves,
    "log_evidence": lambda mcmc: fhl_ppl.log_evidence(mcmc, num_proposals=100),
    "leaders": plots.leaders,
    "chart": plots.chart,
    "plots.modes": plots.modes,
}
"""Those that need draws of `FHL`."""

WARM_UP = {"warmup": plots.warmup, "energies": plots.energies, "gradients": plots.gradients}
"""Those that need a warm-up of `FHL`."""

READERS = DRAWS | OURS | WARM_UP

NO_MCMC = (None, 3, "posterior.nc", {"mu": [0.0]}, object())


def assert_all_refuse(mcmc, said):
    for read in READERS.values():
        assert_refused(lambda read=read: read(mcmc), said)


def assert_read_as_of_another_kernel(mcmc):
    for read in DRAWS.values():
        read(mcmc)
    for read in OURS.values():
        assert_refused(lambda read=read: read(mcmc), "the kernel FHL")
    for read in WARM_UP.values():
        assert_refused(lambda read=read: read(mcmc), "data has no warm-up to draw")
    for run in (fhl_ppl.run, fhl_ppl.stream):
        assert_refused(lambda run=run: run(mcmc), "to run in blocks, got")
