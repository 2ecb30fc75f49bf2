"""Compare the draws of two commits: `python -m benchmarks.same_draws OLD [NEW]`.

NEW is the working tree if it is left out. Every setting is run in both, and the table says whether
all that it recorded is identical, or where it first differs and by how much; draws are chaotic, so
that a difference of rounding in one iteration is one of order 1 some dozens later. The settings are
those of the present files, run by path with either commit's package, and use its public interface
alone. `--only PART ...` picks settings by parts of their names. What a commit drew is kept in
out/same_draws and not drawn again. The exit status is 1 if anything differs.

XLA compiles with few optimisations: that takes a sixth of the time, and there is less fusing of
operations, by which equal programs come to differ in the last bit.
"""

import argparse
import hashlib
import os
import shutil
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import checkouts
from benchmarks.same_draws.comparison import compare, read

HERE = Path(__file__).parent
KEPT = checkouts.ROOT / "out" / "same_draws"
BACKENDS = ("core", "numpyro", "pyro")
LIBRARIES = ("numpy", "jax", "jaxlib", "numpyro", "torch", "pyro-ppl")
QUICK_TO_COMPILE = (
    "--xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0 "
    "--xla_llvm_disable_expensive_passes=true"
)


def circumstances(backend: str, environment: dict[str, str]) -> str:
    """A digest of what draws depend on besides the commit."""
    parts = [(HERE / name).read_text() for name in ("recorder.py", f"{backend}_settings.py")]
    for library in LIBRARIES:
        try:
            parts.append(version(library))
        except PackageNotFoundError:
            parts.append("none")
    parts += [f"{environment}", os.environ.get("OPENBLAS_CORETYPE", "")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old")
    parser.add_argument("new", nargs="?")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--only", nargs="+", default=(), metavar="PART")
    given = parser.parse_args(arguments)
    environment = {"XLA_FLAGS": f"{checkouts.ONE_THREAD['XLA_FLAGS']} {QUICK_TO_COMPILE}"}
    names = [checkouts.named(revision) for revision in (given.old, given.new)]
    print(" beside ".join(names), "\n\n| backend | setting | recorded |\n|---|---|---|")
    is_same = True
    with checkouts.checkout(given.old) as old, checkouts.checkout(given.new) as new:
        for backend in given.backends:
            sides = []
            for name, root in zip(names, (old, new), strict=True):
                directory = KEPT / name / f"{backend}-{circumstances(backend, environment)}"
                if root == checkouts.ROOT:
                    shutil.rmtree(directory, ignore_errors=True)
                directory.mkdir(parents=True, exist_ok=True)
                script = HERE / "recorder.py"
                checkouts.run(root, script, backend, directory, *given.only, **environment)
                sides.append(read(directory))
            for setting in sorted(sides[0].keys() | sides[1].keys()):
                if given.only and not any(part in setting for part in given.only):
                    continue
                result = compare(*(side.get(setting) for side in sides))
                is_same &= result == "identical"
                print(f"| {backend} | {setting} | {result} |", flush=True)
    return 0 if is_same else 1


if __name__ == "__main__":
    raise SystemExit(main())
