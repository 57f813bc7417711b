"""The Markdown of the project leads where it says, also where no site is built from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deskbell_bots.pages import slug

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
FENCED = re.compile(r"^([ \t]*)(`{3,})[^`\n]*\n.*?^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


def prose(page: Path) -> str:
    """A page without its blocks of code, inline code and comments."""
    text = FENCED.sub("", page.read_text("utf-8"))
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def links(page: Path) -> list[str]:
    return [link for link in LINK.findall(re.sub(r"`[^`\n]*`", "", prose(page))) if not re.match(r"\w+:", link)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    lost = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        headings = {slug(heading) for heading in HEADING.findall(prose(target))} if anchor and target.is_file() else ()
        if not target.exists() or (anchor and anchor not in headings):
            lost.append(link)
    assert lost == []


def test_the_lists_of_the_manual_name_every_page_once() -> None:
    """Its front page is also the site's navigation. Decisions are found by their numbers."""
    listed = [(DOCS / link).resolve() for link in links(DOCS / "README.md")]
    pages = {page for page in DOCS.rglob("*.md") if not re.match(r"\d{4}-", page.name)} - {DOCS / "README.md"}
    missing = sorted(page.relative_to(DOCS).as_posix() for page in pages - set(listed))
    assert missing == [], "put links to these into docs/README.md, under the heading where readers will look"
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_page_begins_with_its_title_and_has_no_other(page: Path) -> None:
    titles = [line for line in prose(page).splitlines() if line.startswith("# ")]
    assert len(titles) == 1
    assert prose(page).startswith(titles[0])


def test_decisions_are_numbered_without_a_hole_or_a_double() -> None:
    records = sorted(page.name for page in (DOCS / "decisions").glob("[0-9]*.md"))
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))
    for name in records:
        title = (DOCS / "decisions" / name).read_text("utf-8").splitlines()[0]
        assert title.startswith(f"# {int(name[:4])}. "), name
