"""Simulation-based calibration of FHL: `python -m benchmarks.calibration [--out FOLDER]`.

For each replication parameters are drawn from the prior and data from the model, the posterior is
sampled (8 chains, 400 + 400), and the truth is ranked among 104 draws (Talts et al. 2018). The
default kernel gets `--replications`, the other settings 200. The table has the number of
quantities, the lowest p-value of Kolmogorov and Smirnov's test, and that times the number of all
tests: below .05 the sampler or the case is wrong. `--out` gets a picture of each case: the ranks'
distribution function less the diagonal, in the band that 95% of uniform ones stay in everywhere.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from benchmarks.calibration.models import CASES
from benchmarks.calibration.ranks import SETTINGS, p_values, ranks

OTHERS = {
    "joint": ("hierarchy", "mixture"),
    "noisy": ("conjugate", "logistic"),
    "zero": ("conjugate", "simplex"),
    "minibatch": ("logistic",),
    "charts": ("centred", "hierarchy"),
}
"""On which cases the settings that are no defaults are tried."""
GRID = np.linspace(0, 1, 101)


def band(replications: int, share: float = 0.95) -> float:
    """How far the empirical distribution function of uniform numbers strays at most, at a share."""
    uniform = np.random.default_rng(0).uniform(size=(2000, replications))
    below = (uniform[:, None, :] <= GRID[:, None]).mean(-1)
    return float(np.quantile(np.abs(below - GRID).max(1), share))


def draw(places: dict[str, np.ndarray], title: str, path: Path) -> None:
    """Save a picture of all quantities of a case."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    fig, ax = plt.subplots(figsize=(5, 2.5), layout="constrained")
    for name, values in places.items():
        (line,) = ax.plot(GRID, (values <= GRID[:, None]).mean(-1) - GRID, lw=1, label=name)
        line.set_alpha(0.8)
    far = band(len(values))
    ax.fill_between(GRID, -far, far, color="0.9", zorder=0)
    ax.set(title=title, xlabel="rank of the truth", ylabel="share below, less rank")
    if len(places) < 7:
        ax.legend(fontsize="x-small", ncols=2)
    fig.savefig(path, dpi=120)
    plt.close(fig)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", nargs="*", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=CASES)
    parser.add_argument("--replications", type=int, default=500)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    rows = [("default", case) for case in CASES]
    rows += [(setting, case) for setting, cases in OTHERS.items() for case in cases]
    rows = [row for row in rows if row[0] in options.settings and row[1] in options.cases]
    found = []
    for setting, case in rows:
        number = options.replications if setting == "default" else min(200, options.replications)
        places = ranks(case, setting, number)
        found.append((setting, case, number, p_values(places)))
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            draw(places, f"{case}, {setting}", options.out / f"{setting}-{case}.png")
    tests = sum(len(each) for *_, each in found)
    print("| setting | case | replications | quantities | lowest p | times all tests |")
    print("|---|---|---|---|---|---|")
    for setting, case, number, each in found:
        lowest = min(each.values())
        cells = (setting, case, number, len(each), f"{lowest:.2g}", f"{min(1, tests * lowest):.2g}")
        print("|", " | ".join(map(str, cells)), "|")


if __name__ == "__main__":
    main()
