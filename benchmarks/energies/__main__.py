"""Every table and picture of docs/energies.md.

    python -m benchmarks.energies [--only digits] [--seeds 5] [--first 0] [--quick] [--out DIR]

writes `results.json`, `results.md` and pictures, as `python -m benchmarks.paper` does. The network
is trained with a fixed seed, in a minute or two, by the first command that needs it; on another
number of cores it rounds otherwise, and becomes another one. `--first` is the first seed, for more
beside earlier ones. `--quick` is to see that all of it works: its figures mean nothing.
"""

from benchmarks.paper.__main__ import main

EXPERIMENTS = {
    "compositions": "two densities, with known truth",
    "digits": "from noise and from data",
    "mnist": "the same of 28 x 28 pixels",
    "labels": "image and label in one state",
    "conditions": "of a class, of half an image, of one class and not another",
    "inpainting": "two digits whose sum is known, half of them or more missing",
}
"""Module of this package, and what it is about."""

if __name__ == "__main__":
    main(package="energies", experiments=EXPERIMENTS, description=__doc__)
