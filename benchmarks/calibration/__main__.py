"""Simulation-based calibration of FHL: `python -m benchmarks.calibration [--out FOLDER]`.

For each replication parameters are drawn from the prior and data from the model, the posterior is
sampled (8 chains, 400 + 400), and the truth is ranked among 104 draws (Talts et al. 2018). The
default kernel gets `--replications`, the other settings `--others`, and "pyro", which is the
default kernel of the other library, `--pyro`. The table has the number of quantities, the lowest
p-value of Kolmogorov and Smirnov's test, and that times the number of all tests: below .05 the
sampler or the case is wrong. In `--out` are the ranks, written as they come, so that the command
given again goes on (also with more replications), and a picture of each case: the ranks'
distribution function less the diagonal, in the band that 95% of uniform ones stay in everywhere.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.calibration.rows import file_of, known, run
from benchmarks.calibration.uniform import GRID, band, joined, p_values

CASES = ("conjugate", "logistic", "simplex", "correlation", "mixture", "hierarchy", "centred")
OTHERS = {
    "joint": ("mixture", "hierarchy"),
    "noisy": ("conjugate", "logistic"),
    "zero": ("conjugate", "simplex"),
    "minibatch": ("logistic",),
    "no charts": ("hierarchy", "centred"),
    "temperatures": ("conjugate", "mixture"),
    "until": ("conjugate", "mixture", "hierarchy"),
    "pyro": ("conjugate", "hierarchy"),
}
"""On which cases the settings that are no defaults are tried."""
ROWS = [*(("default", case) for case in CASES), *((s, case) for s in OTHERS for case in OTHERS[s])]


def draw(places: dict[str, np.ndarray], title: str, path: Path) -> None:
    """Save a picture of all quantities of a case."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    fig, ax = plt.subplots(figsize=(4, 2), layout="constrained")
    for name, values in places.items():
        (line,) = ax.plot(GRID, (values <= GRID[:, None]).mean(-1) - GRID, lw=1, label=name)
        line.set_alpha(0.8)
    far = band(len(values))
    ax.fill_between(GRID, -far, far, color="0.9", zorder=0)
    ax.set(title=title, xlabel="rank of the truth", ylabel="share below, less rank")
    if len(places) < 7:
        ax.legend(fontsize="x-small", ncols=2)
    fig.savefig(path, dpi=100)
    plt.close(fig)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, and print the table."""
    settings = list(dict.fromkeys(setting for setting, _ in ROWS))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", nargs="*", default=settings, choices=settings)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=CASES)
    parser.add_argument("--replications", type=int, default=500)
    parser.add_argument("--others", type=int, default=200)
    parser.add_argument("--pyro", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1, help="processes, of a row each")
    parser.add_argument("--out", type=Path, default=Path("out/calibration"))
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = [row for row in ROWS if row[0] in options.settings and row[1] in options.cases]
    numbers = {"default": options.replications, "pyro": options.pyro}
    tasks = [(row, numbers.get(row[0], options.others)) for row in rows]
    # Each in a process of its own: what one has compiled is of no use to the next.
    with ProcessPoolExecutor(options.jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        done = [pool.submit(run, options.out, *task) for task in tasks]
        for row in (each.result() for each in as_completed(done)):
            picture = file_of(options.out, row).with_suffix(".png")
            draw(joined(known(options.out, row)), ", ".join(row), picture)
    found = [(row, joined(known(options.out, row))) for row in rows]
    values = [p_values(places) for _, places in found]
    tests = sum(map(len, values))
    print("| setting | case | replications | quantities | lowest p | times all tests |")
    print("|---|---|---|---|---|---|")
    for (row, places), each in zip(found, values, strict=True):
        lowest, number = min(each.values()), len(next(iter(places.values())))
        cells = (*row, number, len(each), f"{lowest:.2g}", f"{min(1, tests * lowest):.2g}")
        print("|", " | ".join(map(str, cells)), "|")


if __name__ == "__main__":
    main()
