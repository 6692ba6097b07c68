"""The documentation site: `python -m sphinx docs build/docs`, which scripts/check runs."""

from importlib.metadata import version as installed
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

project = "m2fp-streamer"
copyright = "the m2fp-streamer authors"  # noqa: A001  (Sphinx's own name)
version = release = installed("m2fp-streamer")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = project
exclude_patterns = ["figures"]
default_role = "code"
"""Docstrings are written as Markdown is: `name` is code."""
autodoc_member_order = "groupwise"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
add_module_names = False
myst_heading_anchors = 3


def read_sections(
    app: Sphinx, what: str, name: str, documented: object, options: dict[str, Any], lines: list[str]
) -> None:
    """Reads `Args:`, `Returns:` and `Raises:`. Sphinx's own extension would take what stands before a colon in the
    docstring of a field for the field's type."""
    if what not in ("attribute", "property", "data"):
        lines[:] = GoogleDocstring(lines, Config(), app, what, name, documented, options).lines()


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", read_sections)
