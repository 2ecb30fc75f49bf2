"""Write the golden file: `python -m tests.golden.generate` from the root of the repository.

NumPy in float64 is the reference. To be run, and looked into, whenever the algorithm changes.
"""

import numpy as np

from fhl_ppl.core.control import PYTHON
from tests.golden.scenarios import FILE, NUM_WARMUP, SCENARIOS, STEPWISE, make_inputs


def generate():
    """Inputs and outputs of all scenarios by the key that they are stored under."""
    inputs = make_inputs()
    arrays = {f"inputs/{name}": value for name, value in inputs.items()}
    # The overflow of far-off proposals is meant.
    with np.errstate(over="ignore", invalid="ignore"):
        for scenario, run in SCENARIOS.items():
            outputs = run(inputs, PYTHON)
            arrays |= {f"{scenario}/{name}": np.asarray(value) for name, value in outputs.items()}
        for scenario, run in STEPWISE.items():
            path = [run.start(inputs)]
            for iteration in range(NUM_WARMUP):
                path.append(run.iterate(inputs, iteration, path[-1], PYTHON))
            arrays[f"{scenario}/path"] = np.stack(path)
    return arrays


if __name__ == "__main__":
    np.savez_compressed(FILE, **generate())
