"""Run settings with the package that is on the path, and write what each recorded.

    python benchmarks/same_draws/recorder.py BACKEND DIRECTORY [PART ...]

Run by path: the commit under study need not have this file. A setting that fails, as a commit may
not know of it yet, leaves a text; one that is there already is left as it is.
"""

import runpy
import sys
import warnings
from pathlib import Path

import numpy as np

import fhl_ppl


def main(backend, directory, *parts):
    assert Path(fhl_ppl.__file__).is_relative_to(Path.cwd()), f"{fhl_ppl.__file__} is another's"
    settings = runpy.run_path(str(Path(__file__).with_name(f"{backend}_settings.py")))["SETTINGS"]
    warnings.simplefilter("ignore")
    for name, record in settings.items():
        if parts and not any(part in name for part in parts):
            continue
        file, failure = (Path(directory, f"{name}.{end}") for end in ("npz", "txt"))
        failure.unlink(missing_ok=True)
        if file.exists():
            continue
        try:
            np.savez(file, **record())
        except Exception as error:
            failure.write_text(f"{type(error).__name__}: {str(error).splitlines()[0]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
