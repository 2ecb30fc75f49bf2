"""How Sphinx makes the site: `make docs`."""

import os
from typing import Any

from sphinx.addnodes import pending_xref

from fhl_ppl import __version__

project = "fhl_ppl"
author = "The fhl_ppl developers"
copyright = "The fhl_ppl developers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"fhl_ppl {__version__}"

# The anchors of headings are those of GitHub, where the same pages are read.
myst_heading_anchors = 3

# `fhl_ppl.name` in a docstring leads to its entry where it has one.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_use_rtype = False

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


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("doctree-read", leave_short_names)
