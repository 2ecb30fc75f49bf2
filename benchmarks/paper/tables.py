"""Figures of several seeds to Markdown: mean and standard deviation in every cell."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Table(NamedTuple):
    """A caption and rows: by column a text, or a figure for every seed (None: not reached)."""

    caption: str
    rows: list[dict[str, Any]]

    def markdown(self) -> str:
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        lines = [f"**{self.caption}**", ""]
        lines += ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
        lines += [
            # Of an R-hat the third decimal is what is asked for.
            "| "
            + " | ".join(
                cell(row.get(name, ""), 3 if name.startswith("R-hat") else None) for name in columns
            )
            + " |"
            for row in self.rows
        ]
        return "\n".join(lines) + "\n"


class Result(NamedTuple):
    """What an experiment hands back: tables, pictures by file name."""

    tables: list[Table]
    pictures: dict[str, Any]


def cell(value: str | Sequence[float | None], digits: int | None = None) -> str:
    """Text, or mean ± sd over seeds, to three figures or so many decimals.

    >>> cell([1.0, 2.0, 3.0]), cell([10, None, 12]), cell([None, None])
    ('2.00 ± 1.00', '11.0 ± 1.4 (2 of 3)', 'not reached')
    >>> cell([1.004, 1.006], 3)
    '1.005 ± 0.001'
    """
    if isinstance(value, str):
        return value
    reached = [one for one in value if one is not None]
    if not reached:
        return "not reached"
    mean = float(np.mean(reached))
    if digits is None:
        digits = 0 if abs(mean) >= 100 else 1 if abs(mean) >= 10 else 2 if abs(mean) >= 1 else 3
    text = f"{mean:.{digits}f}"
    if len(reached) > 1:
        text += f" ± {np.std(reached, ddof=1):.{digits}f}"
    return text + (f" ({len(reached)} of {len(value)})" if len(reached) < len(value) else "")
