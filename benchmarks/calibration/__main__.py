"""Simulation-based calibration of FHL: `python -m benchmarks.calibration [--out FOLDER]`.

For each replication parameters are drawn from the prior and data from the model, the posterior is
sampled (8 chains, 400 + 400), and the truth is ranked among 104 draws (Talts et al. 2018). The
default kernel gets `--replications`, the other settings `--others`, and "pyro", which is the
default kernel of the other library, `--pyro`. The table has the number of quantities, the lowest
p-value of Kolmogorov and Smirnov's test, and that times the number of all tests: below .05 the
sampler or the case is wrong. In `--out` are the ranks, written as they come, so that the command
given again goes on (also with more replications), and pictures: each quantity's distribution
function of ranks less the diagonal, in the band that 95% of uniform ones stay in everywhere.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.calibration.rows import Row, known, run
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
ACROSS = 4
"""Panels of a picture side by side."""
ROWS = [*(("default", case) for case in CASES), *((s, case) for s in OTHERS for case in OTHERS[s])]


def draw(found: list[tuple[Row, dict[str, np.ndarray]]], path: Path) -> None:
    """Save a picture with a panel for each row, and in it a line for each quantity."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    tall = -(-len(found) // ACROSS)
    shape = {"figsize": (8, 1.7 * tall), "layout": "constrained", "squeeze": False}
    fig, axes = plt.subplots(tall, ACROSS, sharex=True, sharey=True, **shape)
    for ax in axes.flat[len(found) :]:
        ax.set_axis_off()
    for ax, (row, places) in zip(axes.flat, found, strict=False):
        for values in places.values():
            ax.plot(GRID, (values <= GRID[:, None]).mean(-1) - GRID, lw=0.8, alpha=0.8)
        far = band(len(values))
        ax.fill_between(GRID, -far, far, color="0.9", zorder=0)
        ax.set_title(", ".join(row), fontsize="small")
    fig.supxlabel("rank of the truth", fontsize="small")
    fig.supylabel("share below, less rank", fontsize="small")
    fig.savefig(path, dpi=90)
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
        for each in done:
            each.result()
    found = [(row, joined(known(options.out, row))) for row in rows]
    pictures = {"default": True, "others": False}
    for name, is_default in pictures.items():
        if shown := [each for each in found if (each[0][0] == "default") == is_default]:
            draw(shown, options.out / f"{name}.png")
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
