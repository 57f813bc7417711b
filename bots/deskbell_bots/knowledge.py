"""Answers from a folder of Markdown pages, or the admission that they hold none.

:class:`Knowledge` cuts pages into passages at their headings and answers a question with the
passage that covers it best, and its source. It writes no sentence of its own. It promises

- to say :class:`Unknown` rather than show the passage that happens to share a word with the question;
- to need nothing but the folder: no network, no model, no package beyond the standard library;
- to be fast enough to be called from an event loop: a few hundred passages are asked in about a millisecond.

A page may say in a comment how else people ask for a section; it is read, and not shown::

    ## Check the configuration before you start
    <!-- asked: validate my settings; is my yaml correct -->

How sure it must be is measured against the folder itself: each heading is asked as a question
when the folder is loaded, and how well headings find their own passages is the unit of ``score``.

Conversation, memory and hand-over are the bot's. :func:`small_talk` tells a greeting, thanks and the
wish for a person from a question, since these three need no knowledge.
"""

from __future__ import annotations

import math
import posixpath
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

MAX_SHOWN = 900  # characters of a passage that are shown; the rest is behind its link

# How often a word counts by where it stands, and how quickly saying it again stops to count more.
TITLE, HEADING, ASKED, BODY, CODE = 2.5, 4.0, 2.0, 1.0, 0.5
SATURATION, LENGTH_PULL = 1.4, 0.6
# What a word is worth that is not literally the one asked for.
SYNONYM, ONLY_SYNONYM, TYPO = 0.6, 0.8, 0.75  # the second where the pages never say the word itself
# What is added when words stand side by side as asked, and when the heading says little else than the question.
BIGRAM, FIT = 0.25, 0.25
# A word that elsewhere on the page is asked for is half there. A soft word weighs this much of an ordinary one.
ELSEWHERE, SOFT = 0.5, 0.4
TABLE = 0.8  # a table is for looking things up; who asks is better answered by prose, if there is some

# Chosen on the first half of tests/unit/data/knowledge_questions.yaml; the other half is the proof.
ADMIT = 0.57  # the least certainty that is an answer
SURE = 1.0  # a question of a single word needs this much, unless something is called by that word
ABOUT, COVERED = 0.625, 0.375  # what certainty is made of: how much the passage is about it, how much of it is there


# What it gives back.


@dataclass(frozen=True)
class Source:
    """Where an answer stands. ``path`` is relative to the folder; ``heading`` is the way to it, from the page's title."""

    title: str
    path: str
    anchor: str
    heading: str

    @property
    def link(self) -> str:
        """Path and anchor, as a link from the folder's root."""
        return f"{self.path}#{self.anchor}" if self.anchor else self.path


@dataclass(frozen=True)
class Answer:
    """A passage, ready to show. ``score``: 1 is as sure as a heading asked word by word; more is possible."""

    text: str
    source: Source
    score: float
    alternatives: list[Source] = field(default_factory=list)


@dataclass(frozen=True)
class Unknown:
    """The folder does not cover the question. ``nearest`` may be offered as guesses, never as an answer."""

    score: float = 0.0
    nearest: list[Source] = field(default_factory=list)


# Words.

_STOP = frozenset(
    """
    a an the this that these those it its itself i me my mine myself we us our ours you your yours he him his she her they
    them their there here is am are was were be been being isn aren wasn weren do does did doing don doesn didn done
    have has had having haven hasn can could may might must shall should will would cannot won wouldn couldn shouldn
    ll ve re d s t m and or but if then else than as of at by for from in into on onto to with about over under up out
    off so too very just only also any some each every both such no not nor now when where why how what which who whom
    whose while because until again please tell explain describe show know want need like would get gets got getting
    wanna gonna lets let hi hello hey ok okay thanks thank one ones thing things something anything way ways
    whats hows wheres im ive id dont cant doesnt isnt happens happen happened mean means meaning actually exactly really
    use used using possible between difference differ
    today tomorrow yesterday go goes going went gone long someone somebody anyone anybody list lists else say says
    """.split()
)
_WORD = re.compile(r"[^\W_]+(?:[_'’][^\W_]+)*")
_CAMEL = re.compile(r"\b[A-Z]?[a-z]+(?:[A-Z][a-z]+)+\b")
_VOWEL = re.compile(r"[aeiouy]")
# Longest first. With the suffix goes what makes `configure` and `configuration` two words.
# Forms that no suffix explains.
_FORMS = {
    form: word
    for word, forms in {
        "find": "found", "send": "sent", "write": "wrote written", "keep": "kept", "lose": "lost", "take": "took taken",
        "hold": "held", "leave": "left", "build": "built", "come": "came", "give": "gave given", "say": "said",
        "see": "saw seen", "run": "ran", "begin": "began begun", "choose": "chose chosen", "make": "made",
        "speak": "spoke spoken", "forget": "forgot forgotten", "hide": "hid hidden", "know": "knew known",
    }.items()
    for form in forms.split()
}  # fmt: skip
_SUFFIXES = ("ators", "ator", "ations", "ation", "ating", "ated", "ates", "ate", "ions", "ion", "ing", "ed", "ly")
_LEAST = {"ing": 3, "ed": 3, "ly": 3, "ions": 5, "ion": 5}  # letters that must be left; 4 for the others


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """The part of an English word that its forms share. Not a word itself: ``configuration`` is ``configur``."""
    if len(word) < 3 or not word.isascii() or not word.isalpha():
        return word
    word = _FORMS.get(word, word)
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith("s") and len(word) > 3 and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for suffix in _SUFFIXES:
        rest = word[: -len(suffix)]
        if word.endswith(suffix) and len(rest) >= _LEAST.get(suffix, 4) and _VOWEL.search(rest):
            word = rest
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]  # stopped, stop
            break
    if len(word) > 3 and word[-1] == "e":
        word = word[:-1]
    if len(word) > 2 and word[-1] == "y":
        word = word[:-1] + "i"
    return word


def words(text: str) -> list[str]:
    """The words of a text, lower case. ``owner_version`` is one word, and so is ``hand-over``, as ``handover``."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    text = re.sub(r"(?<=[a-z]{2})-(?=[a-z]{2})", "", text)
    found = []
    for word in _WORD.findall(text):
        base = word.split("'")[0]
        if len(base) > 1:
            found.append(base)
    return found


_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = {
    frozenset((a, b))
    for y, row in enumerate(_KEYS)
    for x, a in enumerate(row)
    for v, w in ((y, x + 1), (y + 1, x), (y + 1, x - 1))
    if v < len(_KEYS) and 0 <= w < len(_KEYS[v])
    for b in _KEYS[v][w]
} | {frozenset(pair) for pair in ("ae", "ai", "ei", "ou", "eo", "iy", "sz", "cs", "ck")}  # mistyped, or misheard


def _slips_between(left: str, right: str, limit: int) -> int:
    """How many slips lie between two words (a letter more, less, mistaken, or two swapped); ``limit + 1`` if more.

    A letter is mistaken for one beside it on the keyboard or one that sounds alike; another one makes
    another word, such as `taxes` and `takes`.
    """
    none = limit + 1
    if abs(len(left) - len(right)) > limit:
        return none
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        after = [i]
        for j, b in enumerate(right, 1):
            wrong = 0 if a == b else 1 if frozenset((a, b)) in _BESIDE else 2
            cost = min(row[j] + 1, after[j - 1] + 1, row[j - 1] + wrong)
            if before and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            after.append(cost)
        if min(after) > limit:
            return none
        before, row = row, after
    return min(row[-1], none)


def _swapped(left: str, right: str) -> bool:
    """Whether two neighbouring letters changed places, the slip that even short words suffer."""
    if len(left) != len(right):
        return False
    off = [i for i, (a, b) in enumerate(zip(left, right, strict=True)) if a != b]
    return (
        len(off) == 2 and off[1] == off[0] + 1 and left[off[0]] == right[off[1]] and left[off[1]] == right[off[0]]
    )


def _trigrams(word: str) -> set[str]:
    edged = f"^{word}$"
    return {edged[i : i + 3] for i in range(len(edged) - 2)}


def _synonyms(lines: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        group = set(words(line.partition("#")[0]))
        for word in group:
            found[word] |= group - {word}
    return found


# Pages.

_HEADING = re.compile(r"(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_COMMENT = re.compile(r"<!--\s*(asked:)?(.*?)-->\s*")
_ITEM = re.compile(r"(?:[-*+]|\d+[.)])[ \t]")


@dataclass(frozen=True)
class _Block:
    """A paragraph, a code block, a row of a table or an item of a list: what is shown whole or not at all."""

    text: str
    kind: Literal["text", "code", "row", "item"]
    head: str = ""  # of a row: the table's two head lines


@dataclass
class _Passage:
    source: Source
    above: str  # the title and headings above its own
    own: str  # its own heading
    blocks: list[_Block]
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
    kept = re.sub(r"[^\w\- ]", "", _plain(heading).lower().strip())
    return kept.replace(" ", "-")


def _plain(markdown: str) -> str:
    """Markdown's inline marks taken off."""
    return re.sub(r"[`*]|(?<!\w)_|_(?!\w)", "", _LINK.sub(r"\2", markdown))


def _sections(lines: Iterable[str]) -> Iterator[tuple[int, str, list[str]]]:
    """Level, heading and lines of each section. What stands before the first heading has level 0."""
    level, heading, kept, fence = 0, "", [], ""
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


def _blocks(lines: Sequence[str]) -> list[_Block]:
    found: list[_Block] = []
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
                found.append(_Block("\n".join(kept), "code"))
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
        found.append(_Block("\n".join([*kept, fence]), "code"))
    else:
        close()
    return found


def _split(text: str) -> Iterator[_Block]:
    """A stretch without empty lines, as the blocks it is made of."""
    lines = text.split("\n")
    if len(lines) > 2 and lines[0].lstrip().startswith("|") and set(lines[1]) <= set("|-: \t"):
        head = "\n".join(lines[:2])
        for line in lines[2:]:
            yield _Block(line, "row", head)
    elif _ITEM.match(lines[0]):
        item: list[str] = []
        for line in lines:
            if _ITEM.match(line) and item:
                yield _Block("\n".join(item), "item")
                item = []
            item.append(line)
        yield _Block("\n".join(item), "item")
    else:
        yield _Block(text, "text")


def _joined(blocks: Sequence[_Block]) -> str:
    """Blocks as Markdown again."""
    lines: list[str] = []
    before: _Block | None = None
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
    kept, asked = [], []
    for line in lines:
        if comment := _COMMENT.fullmatch(line):
            asked += comment[2].split(";") if comment[1] else []
        else:
            kept.append(line)
    return kept, asked


def _is_contents(blocks: Sequence[_Block]) -> bool:
    """Whether a section only points elsewhere: a table of contents matches everything and answers nothing."""
    text = "\n".join(block.text for block in blocks)
    linked = sum(len(found[2]) for found in _LINK.finditer(text))
    return linked > 0.6 * len(re.sub(r"[\W_]", "", _plain(text)) or "-")


def _passages(path: str, text: str) -> Iterator[_Passage]:
    text = text.replace("\r\n", "\n")
    if text.startswith("---\n") and (end := text.find("\n---\n", 4)) >= 0:
        text = text[end + 5 :]  # front matter
    above: dict[int, str] = {}
    seen: Counter[str] = Counter()
    title = ""
    for level, marked, lines in _sections(text.split("\n")):
        heading = _plain(marked)
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
        yield _Passage(source, " ".join(way[:-1]), way[-1], blocks, asked)


# Questions.


@dataclass(frozen=True)
class _Concept:
    """One thing a question is about: the terms that stand for it, each with its worth, and its weight."""

    terms: Mapping[str, float]
    weight: float
    soft: bool = False


class Knowledge:
    """A folder of pages that can be asked. Immutable once loaded, so it may be shared between threads."""

    def __init__(
        self,
        passages: Sequence[_Passage],
        synonyms: Mapping[str, set[str]],
        soft: Iterable[str] = (),
        link_base: str | None = "",
    ) -> None:
        self._passages = list(passages)
        self._synonyms: dict[str, set[str]] = defaultdict(set)
        for word, others in synonyms.items():
            self._synonyms[stem(word)] |= {stem(other) for other in others} - {stem(word)}
        self._soft = {stem(word) for word in soft}
        self._link_base = link_base
        # Words as they are written, to find slips against.
        self._vocabulary = set(synonyms)
        self._names: set[str] = set()  # terms that are no words of the language: owner_version, TextDelta, 4008
        self._pages: dict[str, set[str]] = defaultdict(set)
        self._index()
        self._unit = 1.0
        self._unit = self._calibrated()

    @classmethod
    def load(
        cls, folder: Path, *, skip: Collection[str] = (), link_base: str | None = ""
    ) -> Knowledge:
        """Read every ``*.md`` file below ``folder``, and its ``synonyms.txt`` if there is one.

        Args:
            folder: Where the pages are. Read once; a later change needs another load.
            skip: Folders directly below it that are left out, such as ``decisions``.
            link_base: Put in front of the links in answers, which else begin at ``folder``;
                ``None`` shows links between pages as plain words.
        Raises:
            OSError: The folder or a page cannot be read.
            UnicodeDecodeError: A page is not UTF-8.
        """
        if not folder.is_dir():
            raise NotADirectoryError(f"no folder of pages at {folder}")
        lines = Path(__file__).with_name("synonyms.txt").read_text("utf-8").splitlines()
        if (own := folder / "synonyms.txt").is_file():
            lines += own.read_text("utf-8").splitlines()
        passages: list[_Passage] = []
        for file in sorted(folder.rglob("*.md")):
            inside = file.relative_to(folder)
            if inside.parts[0] not in skip:
                passages += _passages(inside.as_posix(), file.read_text("utf-8"))
        soft = words(Path(__file__).with_name("soft_words.txt").read_text("utf-8"))
        return cls(passages, _synonyms(lines), soft, link_base)

    def __len__(self) -> int:
        """How many passages there are."""
        return len(self._passages)

    @property
    def sources(self) -> list[Source]:
        """Every passage's source, in the order of files and headings."""
        return [passage.source for passage in self._passages]

    def ask(self, question: str) -> Answer | Unknown:
        """The passage that answers ``question``, or :class:`Unknown`. Any text may be asked, also an empty one."""
        concepts = self._concepts(question[:1000])
        ranked = self._ranked(concepts, question)
        sources = [passage.source for score, passage in ranked if score >= 0.7 * ranked[0][0]]
        for score, passage in ranked[:4]:
            if score < ADMIT:
                break
            if score >= SURE or self._asks(concepts, passage):
                near = [source for source in sources if source != passage.source]
                return Answer(self._shown(passage, concepts), passage.source, score, near[:3])
        return Unknown(ranked[0][0] if ranked else 0.0, sources[:3])

    def _asks(self, concepts: Sequence[_Concept], passage: _Passage) -> bool:
        """Whether it is a question about the passage. A single word is one only if the passage is called so, or if
        the word is a name such as ``client_id``: `life` occurs in many pages, and none is about it."""
        firm = [concept for concept in concepts if not concept.soft] or concepts
        if len(firm) > 1:
            return True
        literal = {term for term, worth in firm[0].terms.items() if worth == 1.0}
        names = [*passage.names, *passage.phrases]
        called = max((self._fit(name, firm[0].terms.keys()) for name in names), default=0.0)
        return called >= 0.5 or passage.first in literal or bool(self._names & literal)

    def _fit(self, heading: set[str], terms: Collection[str]) -> float:
        """How much of a heading is in ``terms``."""
        return self._mass(heading & set(terms)) / self._mass(heading) if heading else 0.0

    # Reading.

    def _index(self) -> None:
        lengths = []
        counts: list[dict[str, float]] = []
        spoken: set[str] = set()
        spelled: set[str] = set()
        for passage in self._passages:
            found: dict[str, float] = defaultdict(float)
            body = [(BODY if block.kind != "code" else CODE, block.text) for block in passage.blocks]
            asked = [(ASKED, question) for question in passage.asked]
            for worth, text in [(TITLE, passage.above), (HEADING, passage.own), *asked, *body]:
                terms = self._terms(text if worth in (TITLE, HEADING) else _plain(text))
                if worth == HEADING:
                    parts = re.split(r"[,:;()]|\band\b", text)
                    passage.names = [part for part in (set(self._terms(part)) for part in parts) if part]
                    passage.first = stem(words(text)[0]) if words(text) else ""
                if worth == ASKED:
                    passage.phrases.append(set(terms))
                (spelled if worth == CODE else spoken).update(terms)
                self._pages[passage.source.path].update(terms)
                for term in terms:
                    found[term] += worth
                if worth != CODE:
                    passage.pairs |= set(zip(terms, terms[1:], strict=False))
            counts.append(found)
            lengths.append(sum(found.values()))
        self._names |= spelled - spoken
        mean = sum(lengths) / len(lengths) if lengths else 1.0
        documents = Counter(term for found in counts for term in found)
        total = len(counts)
        self._idf = {term: math.log(1 + (total - n + 0.5) / (n + 0.5)) for term, n in documents.items()}
        self._rarest = max(self._idf.values(), default=1.0)
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for at, (found, length) in enumerate(zip(counts, lengths, strict=True)):
            pull = 1 - LENGTH_PULL + LENGTH_PULL * length / mean
            for term, often in found.items():
                worth = often * (SATURATION + 1) / (often + SATURATION * pull) / (SATURATION + 1)
                self._passages[at].terms[term] = worth  # 0..1: how much the passage is about the term
                self._postings[term].append((at, worth))
        self._by_trigram: dict[str, set[str]] = defaultdict(set)
        for word in self._vocabulary:
            for trigram in _trigrams(word):
                self._by_trigram[trigram].add(word)

    def _terms(self, text: str) -> list[str]:
        """The stems of a page's text, without stop words; parts of a name stand beside it."""
        found = []
        self._names |= {stem(name.lower()) for name in _CAMEL.findall(text)}
        text = _CAMEL.sub(lambda name: f"{name[0]} {re.sub('(?<=[a-z])(?=[A-Z])', ' ', name[0])}", text)
        for word in words(text):
            if word in _STOP:
                continue
            for part in (word, *(word.split("_") if "_" in word else ())):
                if part not in _STOP:
                    self._vocabulary.add(part)
                    if "_" in part or (part.isdigit() and len(part) > 2 and part is word):
                        self._names.add(part)
                    found.append(stem(part))
        return found

    def _calibrated(self) -> float:
        """What headings score on their own passages, in the middle: the unit of every later score."""
        own = []
        for passage in self._passages:
            concepts = self._concepts(passage.own)
            if concepts:
                own.append(self._worth(concepts, passage))
        own.sort()
        return own[len(own) // 2] if own and own[len(own) // 2] > 0 else 1.0

    # Asking.

    def _concepts(self, question: str) -> list[_Concept]:
        found: dict[str, _Concept] = {}
        asked = words(question)
        for at, word in enumerate(asked):
            joined = self._joined_with(word, asked[at + 1 : at + 2])
            if word in _STOP or (not self._knows(word) and any(_swapped(word, stop) for stop in _STOP)):
                continue  # hwo, teh
            term = stem(word)
            if term not in found:
                found[term] = self._concept(word, term, joined or self._joined_with(*asked[max(at - 1, 0) : at], [word]))
        return list(found.values())

    def _knows(self, word: str) -> bool:
        return word in self._vocabulary or stem(word) in self._idf

    def _joined_with(self, left: str, right: Sequence[str] = ()) -> str:
        """``hand over`` as ``handover``, where the pages know that word."""
        return next((stem(left + word) for word in right if left + word in self._vocabulary), "")

    def _concept(self, word: str, term: str, joined: str) -> _Concept:
        terms = {known: 1.0 for known in (term, joined) if known in self._idf}
        weight = self._idf.get(term, self._rarest)
        others = self._synonyms.get(term, set()) | self._synonyms.get(joined, set())
        if not terms and not others and (meant := self._slip(word) or self._slip(term)):
            term = stem(meant)
            if term in self._idf:
                terms[term] = TYPO
                weight = self._idf[term]
            others = self._synonyms.get(term, set())
        worth = SYNONYM if terms else ONLY_SYNONYM
        for other in others:
            if other in self._idf:
                terms.setdefault(other, worth)
        if term not in self._idf and terms:
            weight = min(weight, max(self._idf[other] for other in terms))
        if stem(word) in self._soft:
            return _Concept(terms, weight * SOFT, soft=True)
        return _Concept(terms, weight)

    def _slip(self, word: str) -> str:
        """The word of the pages that ``word`` was most likely meant to be; empty when there is none."""
        if len(word) < 4 or not word.isalpha():
            return ""
        mine = _trigrams(word)
        shared = Counter(other for trigram in mine for other in self._by_trigram.get(trigram, ()))
        limit = 0 if len(word) < 5 else 1 if len(word) < 9 else 2
        likely: list[tuple[int, float, str]] = []
        for other, common in shared.items():
            if other == word or len(other) < 4:
                continue
            # Another last letter is another form or another word (printer, printed), seldom a slip.
            edges = other[0] == word[0] and (other[-1] == word[-1] or len(other) != len(word))
            slips = 1 if _swapped(word, other) else _slips_between(word, other, limit) if edges else limit + 1
            if slips <= max(limit, _swapped(word, other)):
                likely.append((slips, -common / (len(mine) + len(other)), other))
        return min(likely)[2] if likely else ""

    def _mass(self, terms: Iterable[str]) -> float:
        return sum(self._idf[term] for term in terms)

    def _worth(self, concepts: Sequence[_Concept], passage: _Passage) -> float:
        """How much of what the question is about, the passage is about; 0..1."""
        total = sum(concept.weight for concept in concepts)
        reached = sum(
            concept.weight * max((worth * passage.terms.get(term, 0.0) for term, worth in concept.terms.items()), default=0)
            for concept in concepts
        )
        return reached / total if total else 0.0

    def _ranked(self, concepts: Sequence[_Concept], question: str = "") -> list[tuple[float, _Passage]]:
        """Certainty and passage, best first, of all passages that share anything with the question."""
        total = sum(concept.weight for concept in concepts)
        if not total:
            return []
        reached: dict[int, float] = defaultdict(float)
        covered: dict[int, float] = defaultdict(float)
        for concept in concepts:
            best: dict[int, tuple[float, float]] = {}
            for term, worth in concept.terms.items():
                for at, about in self._postings[term]:
                    if worth * about > best.get(at, (0.0, 0.0))[0]:
                        best[at] = (worth * about, worth)
            for at, (about, worth) in best.items():
                reached[at] += concept.weight * about
                covered[at] += concept.weight * worth
        asked = [stem(word) for word in words(question) if word not in _STOP]
        pairs = set(zip(asked, asked[1:], strict=False))
        by_name = any(self._names & concept.terms.keys() for concept in concepts)
        meant = {term for concept in concepts for term in concept.terms}
        found = []
        for at, sum_ in reached.items():
            passage = self._passages[at]
            bonus = BIGRAM * len(pairs & passage.pairs) / len(pairs) if pairs else 0.0
            bonus += FIT * self._fit(set().union(*passage.names), meant)
            about = sum_ / total * (1 + bonus * covered[at] / total) / self._unit
            page = self._pages[passage.source.path]
            on_page = sum(c.weight * max((w for t, w in c.terms.items() if t in page), default=0.0) for c in concepts)
            there = covered[at] + ELSEWHERE * max(on_page - covered[at], 0.0)
            certainty = (ABOUT * about + COVERED * there / total) * (TABLE if passage.is_table and not by_name else 1.0)
            found.append((certainty, passage))
        found.sort(key=lambda item: -item[0])
        return found

    # Showing.

    def _shown(self, passage: _Passage, concepts: Sequence[_Concept]) -> str:
        """The passage under its heading, cut to what fits around the blocks that matter to the question."""
        blocks = passage.blocks
        whole = _joined(blocks)
        if len(whole) > MAX_SHOWN:
            blocks = self._chosen(passage, concepts)
            whole = _joined(blocks)
        text = f"**{passage.source.heading.rpartition(' › ')[2]}**\n\n{self._linked(whole, passage.source.path)}"
        if len(blocks) < len(passage.blocks):
            text += f"\n\n{self._more(passage.source)}"
        return text

    def _chosen(self, passage: _Passage, concepts: Sequence[_Concept]) -> list[_Block]:
        def worth(block: _Block) -> float:
            terms = {stem(word) for word in words(_plain(block.text)) if word not in _STOP}
            return sum(
                concept.weight * max((worth for term, worth in concept.terms.items() if term in terms), default=0.0)
                for concept in concepts
            )

        blocks = passage.blocks
        worths = [worth(block) for block in blocks]
        # The first block introduces; then the most telling one and what follows it, in the order of the page.
        first = max(range(len(blocks)), key=lambda at: (worths[at], -at))
        order = [0, first, *range(first + 1, len(blocks)), *range(1, first)]
        if blocks[first].kind == "row":
            # Of a table, the rows that speak of the question; the rest only if none does.
            rows = [at for at in range(len(blocks)) if worths[at] >= 0.5 * worths[first] > 0]
            order = [*([0] if blocks[0].kind == "text" else []), first, *rows] if rows else order
        chosen: set[int] = set()
        for at in dict.fromkeys(order):
            size = len(_joined([blocks[other] for other in sorted({*chosen, at})]))
            if chosen and size > MAX_SHOWN:
                break
            chosen.add(at)
        return [blocks[at] for at in sorted(chosen)]

    def _more(self, source: Source) -> str:
        if self._link_base is None:
            return f"More under “{source.heading}”."
        return f"More: [{source.heading}]({self._link_base}{source.link})"

    def _linked(self, text: str, path: str) -> str:
        """Links between pages, made to begin at the folder instead of at the page they stand in."""

        def replaced(found: re.Match[str]) -> str:
            picture, label, target = found.groups()
            if re.match(r"[a-z][a-z0-9+.-]*:|//|/", target, re.IGNORECASE):
                return found[0]
            if self._link_base is None:
                return label
            page, _, anchor = target.partition("#")
            page = posixpath.normpath(posixpath.join(posixpath.dirname(path), page)) if page else path
            return f"{picture}[{label}]({self._link_base}{page}{'#' + anchor if anchor else ''})"

        parts = re.split(r"(^ {0,3}```.*?^ {0,3}```[ \t]*$|`[^`\n]+`)", text, flags=re.MULTILINE | re.DOTALL)
        return "".join(part if at % 2 else _LINK.sub(replaced, part) for at, part in enumerate(parts))


# Small talk.

_GREETING = frozenset("hi hello hey hiya howdy greetings morning afternoon evening day moin yo there good".split())
_GREETING_SURE = frozenset("hi hello hey hiya howdy greetings morning afternoon evening moin yo".split())
_THANKS = frozenset("thanks thank thx ty cheers appreciated appreciate".split())
_POLITE = frozenset(
    """you so much very a lot many for your the help that this it was is great perfect nice good ok okay bot assistant
    again all everyone team dear there really i and bye goodbye helpful helped helping works worked now""".split()
)
_PERSON = frozenset(
    "human humans person people agent agents representative rep operator someone somebody staff colleague employee".split()
)
_WISH = frozenset(
    """i d m id im a an the to with can could may might would will you me my please pls plz want wanna need like love talk
    talking speak speaking chat chatting connect transfer escalate get give put pass bring through real live actual
    human person support service customer now right instead rather just let is there any are available some one of your
    hi hello hey how do we us be this not bot asap immediately contact reach call ask for urgent urgently help from
    thanks thank ok okay yes no finally being""".split()
)
_ASKING = re.compile(
    r"\b(?:i (?:really |just )?(?:want|need|would like|d like|wanna|have)|(?:can|could|may) i(?: please)?|let me|i must)"
    r"(?: to)? (?:(?:please |finally )?(?:talk|speak|chat) (?:to|with) |(?:get|have|see|reach) )?"
    r"(?:a |an |the |some |your )?(?:real |live |actual |human )*"
    r"(?:human being|human|person|agent|representative|operator|someone|somebody)\b"
    r"|\b(?:get|give|connect|transfer|put|pass|bring|hand) me (?:\w+ ){0,2}?(?:to |with )?(?:a |an |the )?(?:real |live |actual )*"
    r"(?:human|person|agent|representative|operator|someone|somebody)\b"
)
_GOES_ON = re.compile(r"\s*(?:$|[.,;:!?]|(?:about|now|please|who|because|asap|instead|right|and|here|today|as|real)\b)")
_REFUSED = re.compile(r"\b(?:don'?t|do not|no need|not|never|without|rather not)\b(?:\s+\w+){0,6}\s*$")


def small_talk(text: str) -> Literal["greeting", "thanks", "human"] | None:
    """What a message is when it is no question: a greeting, thanks, or the wish to talk to a person.

    ``None`` for everything else, also for a question that begins with a greeting or is *about*
    agents and people: a message counts only when it says nothing beside.
    """
    flat = " ".join(unicodedata.normalize("NFKC", text[:500]).lower().replace("’", "'").split())
    said = [word.split("'")[0] for word in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", flat)]
    if not said:
        return None
    if _wants_person(flat, said):
        return "human"
    if len(said) > 10 or "?" in flat:
        return None
    bag = set(said)
    if bag & _THANKS and bag <= _THANKS | _POLITE | _GREETING:
        return None if re.search(r"\bno thank", flat) else "thanks"
    if bag & _GREETING_SURE and bag <= _GREETING | {"to", "you", "all", "everyone", "team", "bot", "assistant", "dear", "again"}:
        return "greeting"
    return None


def _wants_person(flat: str, said: Sequence[str]) -> bool:
    spaced = re.sub(r"'", " ", flat)
    for found in _ASKING.finditer(spaced):
        if _GOES_ON.match(spaced, found.end()) and not _REFUSED.search(spaced[: found.start()]):
            return True
    if re.search(r"\b(?:don'?t|not|never|no)\b(?! a bot\b| the bot\b| bot\b)", flat):
        return False
    bag = set(said)
    return len(said) <= 14 and bool(bag & _PERSON) and bag <= _PERSON | _WISH
