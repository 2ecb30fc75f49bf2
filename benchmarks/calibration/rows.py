"""Rows of the table: a case with a setting, whose ranks are in a file."""

import json
from pathlib import Path

Row = tuple[str, str]

AT_ONCE = 10
"""Replications after which ranks are written."""


def file_of(out: Path, row: Row) -> Path:
    return out / f"{'-'.join(row).replace(' ', '-')}.json"


def known(out: Path, row: Row) -> list[dict[str, float]]:
    """Places of the replications that are done."""
    file = file_of(out, row)
    return json.loads(file.read_text()) if file.exists() else []


def run(out: Path, row: Row, number: int) -> Row:
    """Do what there is to do of a row, up to a number of replications."""
    setting, case = row
    found = known(out, row)
    numbers = range(len(found), number)
    if setting == "pyro":
        from benchmarks.calibration import in_pyro

        places = in_pyro.each_rank(case, numbers)
    else:
        import jax

        from benchmarks.calibration.ranks import each_rank

        jax.config.update("jax_enable_x64", True)
        places = each_rank(case, setting, numbers)
    for one in places:
        found.append(one)
        if len(found) % AT_ONCE == 0 or len(found) == number:
            file_of(out, row).write_text(json.dumps(found))
    return row
