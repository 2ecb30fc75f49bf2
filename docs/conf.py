"""How Sphinx makes the site: `make docs`, and with the examples run, `make gallery`."""

import os
import sys
from pathlib import Path
from typing import Any

from sphinx.addnodes import pending_xref
from sphinx_gallery.utils import scale_image

import fhl_ppl

# Where Sphinx-Gallery finds `one_by_one`.
sys.path.append(str(Path(__file__).parent))

# Sphinx-Gallery asks whether `fhl_ppl` has the names of its adapters, too, and takes nothing but an
# AttributeError for a no.
del fhl_ppl.__getattr__

project = "fhl_ppl"
author = "The fhl_ppl developers"
copyright = "The fhl_ppl developers"
version = release = fhl_ppl.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
# The theme's own underlines imports, as if they were links.
pygments_dark_style = "github-dark"
html_title = f"fhl_ppl {version}"

# The anchors of headings are those of GitHub, where the same pages are read.
myst_heading_anchors = 3

# `fhl_ppl.name` in a docstring leads to its entry where it has one.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_use_rtype = False

# Examples are run by `make gallery` alone, which also stores their pictures: without them pages and
# thumbnails show what is stored.
PICTURES = Path(__file__).parent / "images/gallery"
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r".*",
    "plot_gallery": "False",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_signature": False,
    "capture_repr": (),
    "reset_modules": ("matplotlib", "one_by_one.forget"),
    "write_computation_times": False,
    "default_thumb_file": str(PICTURES / "two_modes.png"),
}
# The build needs no network. FHL_DOCS_ONLINE=1 has names of other libraries lead to their pages.
intersphinx_mapping = (
    {
        "python": ("https://docs.python.org/3", None),
        "arviz": ("https://python.arviz.org/en/stable", None),
        "numpyro": ("https://num.pyro.ai/en/stable", None),
        "pyro": ("https://docs.pyro.ai/en/stable", None),
    }
    if os.environ.get("FHL_DOCS_ONLINE") == "1"
    else {}
)


def leave_short_names(app: Any, doctree: Any) -> None:
    """Take links from names without a module: `run` may be that of any class."""
    for node in list(doctree.findall(pending_xref)):
        if node["reftype"] == "obj" and not node["reftarget"].startswith("fhl_ppl."):
            node.replace_self(node.children)


def is_run(name: str) -> bool:
    """Whether Sphinx-Gallery has run an example, now or before."""
    return (Path(__file__).parent / f"gallery/images/sphx_glr_{name}_001.png").exists()


def make_thumbnails(app: Any) -> None:
    """Make those of examples that were not run of their stored pictures."""
    thumbnails = Path(__file__).parent / "gallery/images/thumb"
    for picture in PICTURES.glob("*.png"):
        if not is_run(picture.stem):
            thumbnail = thumbnails / f"sphx_glr_{picture.stem}_thumb.png"
            scale_image(str(picture), str(thumbnail), 400, 280)


def show_stored_picture(app: Any, docname: str, source: list[str]) -> None:
    """Put the stored picture of an example that was not run above its code."""
    folder, _, name = docname.rpartition("/")
    picture = PICTURES / f"{name}.png"
    if folder == "gallery" and picture.exists() and not is_run(name):
        head, code, rest = source[0].partition(".. code-block:: Python")
        shown = f".. image:: /images/gallery/{name}.png\n   :alt: what the example draws\n\n"
        source[0] = head + shown + code + rest


def setup(app: Any) -> None:
    """Called by Sphinx."""
    # After Sphinx-Gallery, which listens with the default priority of 500.
    app.connect("builder-inited", make_thumbnails, priority=600)
    app.connect("source-read", show_stored_picture)
    app.connect("doctree-read", leave_short_names)
