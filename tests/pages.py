"""The Python code of the guide, to be run as it is printed.

A fence that says ``python`` is run; no other may hold Python. Code belongs to the backend that it
names, and if it names none, to that of the code before it on the page, NumPyro at first. It is run
with few iterations in place of those that are printed, and a page of the how-to guides where the
quickstart of the backend has left off.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GUIDE = sorted([*DOCS.glob("quickstart-*.md"), *DOCS.glob("how-to/*.md"), DOCS / "energies.md"])
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ITERATIONS = re.compile(r"\b(num_warmup|warmup_steps|num_samples|draws)=[\d_]+")
NAMED = {"numpyro": r"\b(numpyro|jax|jnp)\b", "pyro": r"\b(pyro|torch)\b"}


def blocks(text):
    """Backend and code of each fence that says python."""
    backend = "numpyro"
    for language, code in FENCE.findall(text):
        if language == "python":
            named = [each for each, pattern in NAMED.items() if re.search(pattern, code)]
            assert len(named) <= 1, f"two backends in one block:\n{code}"
            (backend,) = named or [backend]
            yield backend, code


def code_of(page, backend):
    """All code of a page for a backend, with few iterations; empty if there is none."""
    parts = [code for owner, code in blocks(page.read_text()) if owner == backend]
    return ITERATIONS.sub(r"\1=20", "\n".join(parts))


def run(page, backend, names):
    """Run the code of a page in a copy of `names`, and return what it has defined besides."""
    names = dict(names)
    exec(compile(code_of(page, backend), str(page.relative_to(ROOT)), "exec"), names)
    return names


def quickstart(backend):
    """What the quickstart defines."""
    return run(ROOT / f"docs/quickstart-{backend}.md", backend, {"__name__": "guide"})


def with_code(backend):
    """Pages of the guide, beside the quickstarts, that have code for a backend."""
    pages = [page for page in GUIDE if not page.stem.startswith("quickstart")]
    return [page for page in pages if code_of(page, backend)]
