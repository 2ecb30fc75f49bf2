"""Run settings with the package that is on the path, and write what each recorded.

    python benchmarks/same_draws/recorder.py BACKEND DIRECTORY [PART ...]

Run by path: the commit under study need not have this file. A setting that fails, as a commit may
not know of it yet, leaves a text.
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
        if parts and not any(part in f"{backend} {name}" for part in parts):
            continue
        try:
            np.savez(Path(directory, f"{name}.npz"), **record())
        except Exception as error:
            Path(directory, f"{name}.txt").write_text(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
