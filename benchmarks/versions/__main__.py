"""Compare two commits on the posteriors: `python -m benchmarks.versions OLD [NEW]`.

NEW is the working tree if it is left out. For each posterior, with 4 chains of 1000 + 1000: the
lowest ESS of x and x^2 for 1000 gradients with those of warm-up, and the share that these are, both
the median over `--seeds`; and the highest R-hat and |z| of all seeds. Last come the geometric mean
of the ratios, and the median over the posteriors of what warm-up takes.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import geometric_mean, median

from benchmarks import checkouts, posteriors

SCRIPT = Path(__file__).parent / "seeds.py"


def rows(root: Path, name: str, seeds: Sequence[int]) -> list[dict]:
    """What the seeds gave on one posterior."""
    return [json.loads(line) for line in checkouts.run(root, SCRIPT, name, *seeds).splitlines()]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old")
    parser.add_argument("new", nargs="?")
    parser.add_argument("--posteriors", nargs="*", default=[], help="parts of their names")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3])
    options = parser.parse_args(arguments)
    names = posteriors.select(options.posteriors)
    print("| posterior | ESS / 1000 | ratio | warm-up's share | a chain's iteration | R-hat | z |")
    print("|---|---|---|---|---|---|---|")
    ratios, shares = [], []
    with checkouts.checkout(options.old) as old, checkouts.checkout(options.new) as new:
        for name in names:
            sides = [rows(root, name, options.seeds) for root in (old, new)]
            ess = [median(row["ess"] for row in side) for side in sides]
            share = [median(row["warmup"] / row["all"] for row in side) for side in sides]
            each = [median(row["warmup"] / row["chains"] / 1000 for row in side) for side in sides]
            worst = [[max(row[k] for row in side) for side in sides] for k in ("rhat", "z")]
            ratios.append(ess[1] / ess[0])
            shares.append(share)
            cells = [
                name,
                f"{ess[0]:.3g} → {ess[1]:.3g}",
                f"{ratios[-1]:.2f}",
                f"{share[0]:.0%} → {share[1]:.0%}",
                f"{each[0]:.1f} → {each[1]:.1f}",
                f"{worst[0][0]:.3f} → {worst[0][1]:.3f}",
                f"{worst[1][0]:.1f} → {worst[1][1]:.1f}",
            ]
            print("|", " | ".join(cells), "|", flush=True)
    old_share, new_share = (median(side) for side in zip(*shares, strict=True))
    print(f"geometric mean of the ratios: {geometric_mean(ratios):.2f}, lowest {min(ratios):.2f}")
    print(f"warm-up's share, median: {old_share:.0%} → {new_share:.0%}")


if __name__ == "__main__":
    main()
