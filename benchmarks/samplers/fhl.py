"""The kernel of this package, run like one of NumPyro's."""

from benchmarks.samplers.numpyro_kernels import entry
from fhl_ppl.numpyro import FHL


def steps(state):
    return state.n_steps


SAMPLERS = {
    "fhl": entry(FHL, steps),
    "fhl_no_charts": entry(FHL, steps, charts=False),
    "fhl_no_search": entry(FHL, steps, search=False),
}
