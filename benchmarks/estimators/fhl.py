"""FHL and `fhl_ppl.log_evidence`, which compares its draws with Gaussians."""

import fhl_ppl
from benchmarks.estimators.draws import runner
from benchmarks.estimators.interface import Found
from benchmarks.evidence import NUM_PROPOSALS
from fhl_ppl.numpyro import FHL


def build(target):
    run = runner(FHL(target.model), "n_steps")

    def one(seed):
        mcmc, gradients = run(seed)
        found = fhl_ppl.log_evidence(mcmc, num_proposals=NUM_PROPOSALS, seed=seed)
        # As its documentation has it.
        energies = 3 * NUM_PROPOSALS
        return Found(found.value, found.error, len(found.warnings) > 0, gradients + energies)

    return one


ESTIMATORS = {"fhl": build}
