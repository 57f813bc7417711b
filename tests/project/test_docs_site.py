"""The manual as a site: it builds without a warning, needs no other host, and leaves no page out."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md"))

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sphinx") is None and "CI" not in os.environ,
    reason="the extra `docs` is not installed",
)


def build(docs: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """As ``docs/howto/build-the-manual.md`` says."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(docs), str(out)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("manual")
    done = build(DOCS, out)
    assert (done.returncode, done.stderr) == (0, "")
    return out


class Loaded(HTMLParser):
    """What a page makes its reader's browser fetch; links to be clicked are not among it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in ("src", "href", "srcset", "data", "poster", "action", "background"):
                self.addresses.append(value or "")
            elif name == "style":
                self.addresses += in_styles(value or "")


def in_styles(text: str) -> list[str]:
    return re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')\s]+)", text)


def in_scripts(text: str) -> list[str]:
    """Addresses in the code, not in its comments; the name of the language of pictures is not fetched."""
    code = re.sub(r"/\*.*?\*/|^\s*//[^\n]*", "", text, flags=re.DOTALL | re.MULTILINE)
    return [found for found in re.findall(r"(?:https?:)?//[\w.-]+\.\w+", code) if "www.w3.org" not in found]


def is_foreign(address: str) -> bool:
    return bool(re.match(r"(?:[a-z]+:)?//", address))


def test_reading_the_manual_asks_no_other_host(site: Path) -> None:
    foreign = []
    for path in site.rglob("*"):
        if path.suffix == ".html":
            found = Loaded(path.read_text("utf-8")).addresses
        elif path.suffix == ".css":
            found = in_styles(path.read_text("utf-8"))
        elif path.suffix == ".js" and path.name != "searchindex.js":
            found = in_scripts(path.read_text("utf-8"))
        else:
            continue
        foreign += [f"{path.relative_to(site)}: {address}" for address in found if is_foreign(address)]
    assert foreign == []


def test_what_would_be_fetched_from_elsewhere_is_found() -> None:
    page = Loaded('<script src="//cdn.example/x.js"></script><a href="https://a.example">a</a>')
    assert [is_foreign(address) for address in page.addresses] == [True]
    assert [is_foreign(a) for a in in_styles("@import 'https://fonts.example/x';a{b:url(x.png)}")] == [True, False]
    assert in_scripts("// https://a.example\nload('https://b.example/x')") == ["https://b.example"]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_in_the_site(site: Path, page: str) -> None:
    assert (site / f"{page}.html").is_file()


def test_the_front_page_leads_to_every_page_but_the_decisions(site: Path) -> None:
    """Those have a page of their own, which leads to each."""

    def led_to(page: str) -> set[str]:
        return {link.partition("#")[0] for link in Loaded((site / page).read_text("utf-8")).links}

    decisions = {page for page in PAGES if re.match(r"decisions/\d", page)}
    assert {f"{page}.html" for page in PAGES} - {f"{page}.html" for page in decisions} - {"README.html"} <= led_to(
        "index.html"
    )
    assert {f"{page.removeprefix('decisions/')}.html" for page in decisions} <= led_to("decisions/README.html")


def test_the_changes_are_those_of_the_changelog(site: Path) -> None:
    entry = re.search(r"^- (\w[\w ,]+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert entry is not None
    assert entry[1] in (site / "reference/changes.html").read_text("utf-8")


def test_the_search_finds_by_the_words_of_pages_and_by_other_words_for_them(site: Path) -> None:
    """The index is a file of the site: searching needs no server."""
    text = (site / "searchindex.js").read_text("utf-8")
    index: dict[str, Any] = json.loads(text.removeprefix("Search.setIndex(").rstrip().removesuffix(")"))

    def pages(word: str) -> set[str]:
        found = index["terms"].get(word, [])
        return {index["docnames"][number] for number in (found if isinstance(found, list) else [found])}

    assert "howto/write-a-bot" in pages("escal")  # as the stem of it
    assert "typo" not in re.sub(r"<!--.*?-->", "", (DOCS / "howto/talk-to-a-person.md").read_text("utf-8"))
    assert "howto/talk-to-a-person" in pages("typo")


def test_there_is_a_light_and_a_dark_face(site: Path) -> None:
    assert "theme-toggle" in (site / "index.html").read_text("utf-8")
    assert "prefers-color-scheme:dark" in (site / "_static/styles/furo.css").read_text("utf-8").replace(" ", "")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"explanation/plugins.md": "\n[gone](../howto/gone.md)\n"}, "gone.md"),
        ({"explanation/plugins.md": "\n[gone](../howto/deploy.md#gone)\n"}, "'howto/deploy': 'gone'"),
        ({"howto/unknown.md": "# A page nobody links\n"}, "unknown.md"),
    ],
    ids=["a link to no page", "a link to no heading", "a page without a link to it"],
)
def test_a_manual_that_leads_nowhere_is_not_built(tmp_path: Path, change: dict[str, str], complaint: str) -> None:
    docs = shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    for name, text in change.items():
        with (docs / name).open("a", encoding="utf-8") as page:
            page.write(text)

    done = build(docs, tmp_path / "out")

    assert done.returncode != 0
    assert complaint in done.stderr
