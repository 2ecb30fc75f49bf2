"""Write the outputs anew: `python -m tests.golden.generate` from the root of the repository.

NumPy in float64 is the reference, at the inputs that are stored: random numbers and a matrix of
orthonormal directions, which are as good as any. To be run, and looked into, whenever the algorithm
changes; it prints what comes out in other bits than were stored, and under which names arrays are
stored now whose bits are the same.
"""

import numpy as np

from fhl_ppl.core.control import PYTHON
from tests.golden.files import DATA, load, path, save
from tests.golden.scenarios import NUM_WARMUP, SCENARIOS, STEPWISE


def outputs(scenario, inputs):
    """What is stored of a scenario, by name."""
    # The overflow of far-off proposals is meant.
    with np.errstate(over="ignore", invalid="ignore"):
        if scenario in SCENARIOS:
            found = SCENARIOS[scenario](inputs, PYTHON)
            return {name: np.asarray(value) for name, value in found.items()}
        warm_up = STEPWISE[scenario]
        steps = [warm_up.start(inputs)]
        for iteration in range(NUM_WARMUP):
            steps.append(warm_up.iterate(inputs, iteration, steps[-1], PYTHON))
    return {name: np.stack([step[name] for step in steps]) for name in steps[0]}


def generate():
    """Outputs of all scenarios, by scenario and name."""
    inputs = load("inputs")
    return {scenario: outputs(scenario, inputs) for scenario in [*SCENARIOS, *STEPWISE]}


def changes(old, new):
    """Lines on what is stored otherwise than before."""
    gone = sorted(old.keys() - new.keys())
    for name, value in new.items():
        if name in old:
            if not _same(old[name], value):
                yield f"{name}: other bits"
            continue
        twins = [other for other in gone if _same(old[other], value)]
        yield f"{name}: new" + (f", the bits of {' or '.join(twins)}" if twins else "")
    for name in gone:
        yield f"{name}: gone"


def _same(a, b):
    return (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())


def main():
    made = generate()
    for file in DATA.glob("*.npz"):
        if file not in {path(scenario) for scenario in [*made, "inputs"]}:
            print(f"{file.stem}: gone")
            file.unlink()
    for scenario, arrays in made.items():
        for line in changes(load(scenario) if path(scenario).exists() else {}, arrays):
            print(f"{scenario}: {line}")
        save(scenario, arrays)


if __name__ == "__main__":
    main()
