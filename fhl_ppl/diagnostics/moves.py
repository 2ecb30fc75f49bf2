"""What each kind of move did, from the statistics of the draws."""

from typing import Any

import numpy as np

from fhl_ppl.core.moves import MOVES

Dataset = Any
DataFrame = Any

NEEDED = ("move", "acceptance_rate", "n_steps", "squared_jump")


def moves_table(sample_stats: Dataset | None) -> DataFrame:
    """Tabulate them; see `fhl_ppl.moves`."""
    import pandas as pd

    missing = [name for name in NEEDED if sample_stats is None or name not in sample_stats]
    if sample_stats is None or missing:
        raise ValueError(
            f"data has no statistic {missing[0]!r}, so there is no telling its moves; it needs a "
            "run with the kernel FHL that collected its default fields."
        )
    move, accepted, num_steps, jump = (sample_stats[name].values.ravel() for name in NEEDED)
    # Names come with the data, which an earlier version may have written.
    names = sample_stats.attrs.get("moves", ", ".join(MOVES)).split(", ")
    chosen = {names[code]: move == code for code in np.unique(move)}
    chosen["all"] = np.ones(len(move), dtype=bool)
    rows = {
        name: {
            "share": mask.mean(),
            "acceptance_rate": accepted[mask].mean(dtype=float),
            "n_steps": num_steps[mask].mean(),
            "squared_jump": jump[mask].mean(dtype=float),
        }
        for name, mask in chosen.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table["squared_jump_per_gradient"] = table["squared_jump"] / table["n_steps"]
    return table
