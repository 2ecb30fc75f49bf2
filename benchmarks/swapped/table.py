"""One line for each run of FHL, beside that of NUTS on the same model."""

import numpy as np

from benchmarks import measures
from benchmarks.posteriors import Reference

COLUMNS = (
    *("model", "chains", "max abs z", "of", "R-hat", "divergent", "1000 gradients", "lowest ESS"),
    *("ESS / 1000 gradients", "CPU s", "rung"),
)


def table(runs):
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for nuts in runs:
        for run in runs:
            if nuts["kernel"] == "NUTS" and run["kernel"] == "FHL" and label(run) == label(nuts):
                lines.append(row(nuts, run))
    versions = {k: v for run in runs for k, v in run.get("versions", {}).items()}
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    sources = ", ".join(sorted({run["source"] for run in runs}))
    return "\n".join([*lines, "", *warned(runs), "", f"{told}; {sources}", ""])


def warned(runs):
    """Who raised which warning."""
    heard = {}
    for run in runs:
        for text in run.get("warnings", ()):
            heard.setdefault(text, {})[f"{run['kernel']}, {label(run)}"] = None
    return [f"- {text}: {'; '.join(who)}" for text, who in heard.items()] or ["No warnings."]


def label(run):
    return f"{run['backend']} {run['model']}"


def row(nuts, fhl):
    cells = [label(fhl), both(nuts["chains"], fhl["chains"])]
    failed = [run for run in (nuts, fhl) if "failed" in run]
    if failed:
        told = "; ".join(f"{run['kernel']}: {run['failed']}" for run in failed)
        return "| " + " | ".join([*cells, told, *[""] * (len(COLUMNS) - 3)]) + " |"
    found = compare(read(nuts), read(fhl))
    pairs = [
        both(*(f"{value:.3f}" for value in found["rhat"])),
        both(nuts["divergent"], fhl["divergent"]),
        both(*(f"{run['gradients'] / 1000:.1f}" for run in (nuts, fhl))),
        both(*(f"{value:.0f}" for value in found["ess"])),
        both(
            *(
                f"{1000 * value / run['gradients']:.3g}"
                for value, run in zip(found["ess"], (nuts, fhl), strict=True)
            )
        ),
        both(*(f"{run['seconds']:.0f}" for run in (nuts, fhl))),
    ]
    cells += [f"{found['z']:.1f}", str(found["means"]), *pairs, fhl["rung"]]
    return "| " + " | ".join(cells) + " |"


def both(nuts, fhl):
    return f"{nuts} / {fhl}"


def read(run):
    """Draws [chain, draw, scalar]; one chain in two halves, which R-hat can be computed of."""
    with np.load(run["draws"]) as file:
        sites = [file[name].astype(float) for name in sorted(file)]
    draws = np.concatenate([site.reshape(*site.shape[:2], -1) for site in sites], -1)
    return draws.reshape(2, -1, draws.shape[-1]) if len(draws) == 1 else draws


def compare(nuts, fhl):
    """|z| of means of x and x^2 of one against the other; R-hat and ESS of both."""
    # Such as the corner of a Cholesky factor.
    moves = (np.ptp(nuts, (0, 1)) > 0) | (np.ptp(fhl, (0, 1)) > 0)
    nuts, fhl = nuts[..., moves], fhl[..., moves]

    def reference(draws):
        figures = measures.moments(draws)
        names = [str(i) for i in range(draws.shape[-1])]
        return Reference(names, *(figures[key] for key in Reference._fields[1:]))

    of_nuts, of_fhl = measures.judge(nuts, reference(fhl)), measures.judge(fhl, reference(nuts))
    found = {key: (of_nuts[key], of_fhl[key]) for key in ("rhat", "ess")}
    return found | {"z": of_fhl["z"], "means": 2 * int(moves.sum())}
