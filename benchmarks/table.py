"""Runs as one table in Markdown: the median of the seeds, their worst for |z| and R-hat.

Ratios are made from the medians, posterior by posterior.
"""

from statistics import geometric_mean, median

RIVALS = {
    "NUTS": ("numpyro_nuts",),
    "best NUTS": ("numpyro_nuts", "numpyro_nuts_sequential", "numpyro_nuts_dense"),
    "best BlackJAX": "blackjax_",
    "best nutpie": "nutpie",
    "best peer": "",
}
"""What is divided by: the best of these on the posterior, named in full or by how they begin."""

TRUSTED = {"z": 6.0, "rhat": 1.05}
"""A rival beyond these has not sampled the posterior, and its speed does not count as best."""

RATES = ("per gradient", "per gradient, drawing", "per second", "per second, drawing")

RATIOS = (*RATES, "gradients to low error")
"""All of them so that more is better: the last stands for its inverse."""

HEADINGS = (
    *("sampler", "seeds", "chains", "min ESS", "gradients", "ESS/1000 gradients", "drawing alone"),
    *("ESS/s", "drawing alone", "max abs z", "max R-hat", "divergent"),
    *("compile s", "process s", "error low after"),
)


def is_rival(sampler, rivals):
    return sampler.startswith(rivals) if isinstance(rivals, str) else sampler in rivals


def clock(run):
    """A GPU's work takes no CPU time, and a CPU's is measured best by it."""
    return "wall" if run["platform"] == "gpu" else "cpu"


def speeds(run):
    """Effective draws per gradient and per second, with the warm-up counted and without.

    A sampler that calls the density from another language has no seconds that say much.
    """
    gradients, clocked = run["gradients"], clock(run)
    costs = [gradients["warmup"] + gradients["draws"], gradients["draws"]]
    if run.get("timed", True):
        seconds = {part: run["seconds"][part][clocked] for part in ("warmup", "draws")}
        costs += [seconds["warmup"] + seconds["draws"], seconds["draws"]]
    return {rate: run["ess"] / cost for rate, cost in zip(RATES, costs, strict=False)}


def summarise(runs):
    """One row of figures from the runs of a sampler on a posterior."""
    row = {"failed": [run["failed"] for run in runs if "failed" in run]}
    runs = [run for run in runs if "failed" not in run]
    if row["failed"] or not runs:
        return row
    row |= {"seeds": len(runs), "chains": runs[0]["chains"]}
    for part in ("compile", "process"):
        row[part] = median(run["seconds"][part][clock(run)] for run in runs)
    row["gradients"] = median(sum(run["gradients"].values()) for run in runs)
    row["divergent"] = median(run["divergent"] for run in runs)
    if "ess" in runs[0]:
        row["ess"] = median(run["ess"] for run in runs)
        row |= {key: max(run[key] for run in runs) for key in TRUSTED}
        row |= {rate: median(speeds(run)[rate] for run in runs) for rate in speeds(runs[0])}
    else:
        # A run whose error stayed high counts as the longest.
        settled = [run["low_error"] or float("inf") for run in runs]
        row["error"] = median(settled)
        row["gradients to low error"] = 1 / row["error"]
        row["followed"] = min(run["followed"] for run in runs)
    return row


def trusted(row):
    return all(row[key] < limit for key, limit in TRUSTED.items() if key in row)


def best(rows, rivals, rate, chains):
    """The highest rate of the rivals that sampled the posterior; None if none did.

    More chains make more of a second, so times are compared among equals.
    """
    equals = {
        name: row
        for name, row in rows.items()
        if rate in row and trusted(row) and ("second" not in rate or row["chains"] == chains)
    }
    return max((row[rate] for name, row in equals.items() if is_rival(name, rivals)), default=None)


def number(value):
    if value is None:
        return ""
    return f"{value:.3g}" if value < 1e5 else f"{value:.2e}"


def cells(name, row):
    if row["failed"]:
        return [name, *[""] * (len(HEADINGS) - 2), "; ".join(sorted(set(row["failed"])))]
    shown = [
        *(
            name,
            str(row["seeds"]),
            str(row["chains"]),
            number(row.get("ess")),
            f"{row['gradients']:.0f}",
        ),
        *(
            number(row[rate] * scale if rate in row else None)
            for rate, scale in zip(RATES, (1000, 1000, 1, 1), strict=True)
        ),
        number(row.get("z")),
        f"{row['rhat']:.3f}" if "rhat" in row else "",
        f"{row['divergent']:.0f}",
        *(number(row["compile"]), number(row["process"])),
    ]
    if "error" not in row:
        return [*shown, ""]
    settled = row["error"] < float("inf")
    return [*shown, f"{row['error']:.0f}" if settled else f"not within {row['followed']:.0f}"]


def markdown(headings, rows):
    lines = [headings, ["---"] * len(headings), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def ratios(rows, sampler):
    """Each rate of the sampler over the best of each kind of rival, None without one."""
    own = rows.get(sampler, {})
    # Our other settings are no peers.
    rows = {name: row for name, row in rows.items() if not name.startswith("fhl")}
    for rate in RATIOS:
        for rivals in RIVALS.values():
            rival = best(rows, rivals, rate, own.get("chains"))
            yield own[rate] / rival if rival and rate in own else None


def ratio_table(groups, sampler):
    found = {posterior: list(ratios(rows, sampler)) for posterior, rows in groups.items()}
    found = {posterior: row for posterior, row in found.items() if any(row)}
    if not found:
        return []
    means = []
    for column in zip(*found.values(), strict=True):
        there = [ratio for ratio in column if ratio]
        # A ratio of 0 has no place in the mean, and must not go unseen.
        means.append(
            f"{geometric_mean(there):.2f} ({len(there)} of {len(column)})" if there else ""
        )
    rows = [[posterior, *map(number, row)] for posterior, row in found.items()]
    headings = ["posterior", *(f"{rate}: {rival}" for rate in RATIOS for rival in RIVALS)]
    title = f"## {sampler} over its rivals: min ESS, and how few gradients bring the error down"
    return [title, "", *markdown(headings, [*rows, ["geometric mean", *means]]), ""]


def grouped(runs):
    """Rows by protocol and platform, posterior and sampler."""
    groups = {}
    for run in runs:
        kind = groups.setdefault((run["protocol"], run["platform"]), {})
        kind.setdefault(run["posterior"], {}).setdefault(run["sampler"], []).append(run)
    return {
        kind: {
            posterior: {name: summarise(found) for name, found in samplers.items()}
            for posterior, samplers in posteriors.items()
        }
        for kind, posteriors in groups.items()
    }


def provenance(runs):
    """Sentences on what the figures were made with."""
    runs = [run for run in runs if "failed" not in run]
    if not runs:
        return []
    found = sorted(
        {f"{name} {version}" for run in runs for name, version in run["versions"].items()}
    )
    sources = sorted({run["source"] for run in runs})
    devices = sorted({run["device"] for run in runs})
    return [f"{', '.join(found)}; commit {', '.join(sources)}; {', '.join(devices)}.", ""]


def table(runs, sampler="fhl"):
    """All runs, and the ratios of one sampler to its rivals."""
    text = []
    for (protocol, platform), groups in grouped(runs).items():
        text += [f"# Protocol {protocol}, {platform}", "", *provenance(runs)]
        for posterior, rows in groups.items():
            text += [f"## {posterior}", ""]
            text += [*markdown(HEADINGS, [cells(*item) for item in rows.items()]), ""]
        text += ratio_table(groups, sampler)
    return "\n".join(text)
