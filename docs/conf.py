"""The manual as a site: ``sphinx-build -W -b html docs build/manual``.

Each page stays plain Markdown that reads well where the source is shown. What a site needs besides is
added here while it is built, so that no list has to be kept twice: the navigation is the list of links
in ``README.md``, section by section; the page of changes is ``CHANGELOG.md``; the other words for a
question, which the assistant looks for in ``<!-- asked: … -->``, are the search's keywords.

Everything the pages load is among the files that are built: no font, script or picture of another host.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from deskbell.version import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parent
CHANGES = "reference/changes"

project = "Deskbell"
release = version = __version__
copyright = "the Deskbell project, Apache-2.0"
root_doc = "README"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns: list[str] = []
nitpicky = True
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"Deskbell {__version__}"
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_theme_options = {"navigation_with_keys": True}

_LINK = re.compile(r"^- \[[^\]]+\]\(([^)#\s]+)\.md\)", re.MULTILINE)
_ASKED = re.compile(r"^<!--\s*asked:(.*?)-->\n?", re.MULTILINE | re.DOTALL)
_TOCTREE = "\n```{{toctree}}\n:hidden:\n{options}\n{entries}\n```\n"


def navigation(readme: str) -> str:
    """The toctrees of the site: one for each section of ``README.md`` that lists pages."""
    made = []
    for section in re.split(r"^## ", readme, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        if pages := _LINK.findall(body):
            made.append(_TOCTREE.format(options=f":caption: {heading.strip()}\n", entries="\n".join(pages)))
    return "".join(made)


def prepared(name: str, text: str) -> str:
    """The source of a page as the site wants it."""
    if name == CHANGES:
        text = (DOCS.parent / "CHANGELOG.md").read_text("utf-8").replace("](docs/", "](../")
    asked = ", ".join(dict.fromkeys(re.findall(r"[\w-]+", " ".join(_ASKED.findall(text)))))
    text = _ASKED.sub("", text)
    if name == root_doc:
        text += navigation(text)
    if name == "decisions/README":
        text += _TOCTREE.format(options=":glob:\n", entries="[0-9]*")
    if asked:
        text = f"---\nmyst:\n  html_meta:\n    keywords: {json.dumps(asked, ensure_ascii=False)}\n---\n\n{text}"
    return text


def _read(app: Sphinx, name: str, source: list[str]) -> None:
    source[0] = prepared(name, source[0])


def _give_the_folder_a_front_page(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        shutil.copy(Path(app.outdir) / f"{root_doc}.html", Path(app.outdir) / "index.html")


def setup(app: Sphinx) -> None:
    app.connect("source-read", _read)
    app.connect("build-finished", _give_the_folder_a_front_page)
