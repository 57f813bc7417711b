"""Markdown pages, cut into passages at their headings.

A passage is what stands under one heading, in blocks: a paragraph, a code block, a row of a table,
an item of a list. Blocks are never cut. What it is for is :mod:`deskbell_bots.knowledge`'s business.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Source:
    """Where a passage stands. ``path`` is relative to the folder; ``heading`` is the way from the page's title."""

    title: str
    path: str
    anchor: str
    heading: str

    @property
    def link(self) -> str:
        """Path and anchor, as a link from the folder's root."""
        return f"{self.path}#{self.anchor}" if self.anchor else self.path


_HEADING = re.compile(r"(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_COMMENT = re.compile(r"<!--\s*(asked:)?(.*?)-->\s*")
_ITEM = re.compile(r"(?:[-*+]|\d+[.)])[ \t]")


@dataclass(frozen=True)
class Block:
    """A paragraph, a code block, a row of a table or an item of a list: what is shown whole or not at all."""

    text: str
    kind: Literal["text", "code", "row", "item"]
    head: str = ""  # of a row: the table's two head lines


@dataclass
class Passage:
    source: Source
    above: str  # the title and headings above its own
    own: str  # its own heading
    blocks: list[Block]
    asked: list[str]  # other ways to ask for it, from the page's own comments
    terms: dict[str, float] = field(default_factory=dict)
    names: list[set[str]] = field(default_factory=list)  # the terms of its own heading, part by part
    phrases: list[set[str]] = field(default_factory=list)  # the terms of each other way to ask for it
    first: str = ""  # the heading's first word, as a term
    pairs: set[tuple[str, str]] = field(default_factory=set)

    @property
    def is_table(self) -> bool:
        return sum(len(block.text) for block in self.blocks if block.kind != "row") < 0.5 * sum(
            len(block.text) for block in self.blocks
        )


def slug(heading: str) -> str:
    """The anchor that the usual Markdown renderers give to a heading."""
    kept = re.sub(r"[^\w\- ]", "", plain(heading).lower().strip())
    return kept.replace(" ", "-")


def plain(markdown: str) -> str:
    """Markdown's inline marks taken off."""
    return re.sub(r"[`*]|(?<!\w)_|_(?!\w)", "", LINK.sub(r"\2", markdown))


def _sections(lines: Iterable[str]) -> Iterator[tuple[int, str, list[str]]]:
    """Level, heading and lines of each section. What stands before the first heading has level 0."""
    level, heading, fence = 0, "", ""
    kept: list[str] = []
    for line in lines:
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
        elif not fence and (found := _HEADING.match(line)):
            yield level, heading, kept
            level, heading, kept = len(found[1]), found[2], []
            continue
        kept.append(line)
    yield level, heading, kept


def _blocks(lines: Sequence[str]) -> list[Block]:
    found: list[Block] = []
    kept: list[str] = []
    fence = ""

    def close() -> None:
        text = "\n".join(kept).strip("\n")
        if text.strip():
            found.extend(_split(text))
        kept.clear()

    for line in lines:
        mark = _FENCE.match(line)
        if fence:
            kept.append(line)
            if mark and mark[1].startswith(fence):
                found.append(Block("\n".join(kept), "code"))
                kept.clear()
                fence = ""
        elif mark:
            close()
            fence = mark[1]
            kept.append(line)
        elif line.strip():
            kept.append(line)
        else:
            close()
    if fence:  # never closed: the rest of the section is code
        found.append(Block("\n".join([*kept, fence]), "code"))
    else:
        close()
    return found


def _split(text: str) -> Iterator[Block]:
    """A stretch without empty lines, as the blocks it is made of."""
    lines = text.split("\n")
    if len(lines) > 2 and lines[0].lstrip().startswith("|") and set(lines[1]) <= set("|-: \t"):
        head = "\n".join(lines[:2])
        for line in lines[2:]:
            yield Block(line, "row", head)
    elif _ITEM.match(lines[0]):
        item: list[str] = []
        for line in lines:
            if _ITEM.match(line) and item:
                yield Block("\n".join(item), "item")
                item = []
            item.append(line)
        yield Block("\n".join(item), "item")
    else:
        yield Block(text, "text")


def joined(blocks: Sequence[Block]) -> str:
    """Blocks as Markdown again."""
    lines: list[str] = []
    before: Block | None = None
    for block in blocks:
        together = before is not None and before.kind == block.kind and block.kind in ("row", "item")
        if together and before is not None and before.head == block.head:
            lines.append(block.text)
        else:
            if lines:
                lines.append("")
            lines.extend([block.head, block.text] if block.head else [block.text])
        before = block
    return "\n".join(lines)


def _without_comments(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """A section without its one-line comments, and what the comments that begin with `asked:` say."""
    kept: list[str] = []
    asked: list[str] = []
    fenced = False
    for line in lines:
        fenced ^= _FENCE.match(line) is not None
        if not fenced and (comment := _COMMENT.fullmatch(line)):
            asked += comment[2].split(";") if comment[1] else []
        else:
            kept.append(line)
    return kept, asked


def _is_contents(blocks: Sequence[Block]) -> bool:
    """Whether a section only points elsewhere: a table of contents matches everything and answers nothing."""
    text = "\n".join(block.text for block in blocks)
    linked = sum(len(found[2]) for found in LINK.finditer(text))
    return linked > 0.6 * len(re.sub(r"[\W_]", "", plain(text)) or "-")


def passages(path: str, text: str) -> Iterator[Passage]:
    text = text.replace("\r\n", "\n")
    if text.startswith("---\n") and (end := text.find("\n---\n", 4)) >= 0:
        text = text[end + 5 :]  # front matter
    above: dict[int, str] = {}
    seen: Counter[str] = Counter()
    title = ""
    for level, marked, lines in _sections(text.split("\n")):
        heading = plain(marked)
        anchor = slug(heading)
        if level:
            above = {at: name for at, name in above.items() if at < level} | {level: heading}
            title = title or heading
            seen[anchor] += 1
            if seen[anchor] > 1:
                anchor = f"{anchor}-{seen[anchor] - 1}"
        lines, asked = _without_comments(lines)
        blocks = _blocks(lines)
        if not blocks or _is_contents(blocks):
            continue
        way = [above[at] for at in sorted(above)] or [Path(path).stem.replace("-", " ")]
        source = Source(title or way[0], path, anchor if level > 1 else "", " › ".join(way))
        # The lead of a page has no heading but the page's own.
        yield Passage(source, " ".join(way[:-1]), way[-1], blocks, asked)
