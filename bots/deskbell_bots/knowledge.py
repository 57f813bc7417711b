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

Conversation, memory and hand-over are the bot's. A greeting, thanks and the wish for a person are told from
a question by :func:`small_talk`; they need no knowledge.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from deskbell_bots.english import (
    CAMEL,
    SOFT_WORDS,
    STOP_WORDS,
    SYNONYM_LINES,
    slips_between,
    stem,
    swapped,
    synonyms,
    trigrams,
    words,
)
from deskbell_bots.pages import LINK, Block, Passage, Source, joined, passages, plain
from deskbell_bots.small_talk import small_talk

__all__ = ["Answer", "Knowledge", "Source", "Unknown", "small_talk"]

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
HOWTO = 1.15  # for pages in the folder `howto`, when the question is how to do something
TABLE = 0.8  # a table is for looking things up; who asks is better answered by prose, if there is some

# Chosen on the first half of tests/unit/data/knowledge_questions.yaml; the other half is the proof.
_SOFT_STEMS = frozenset(stem(word) for word in SOFT_WORDS)

ADMIT = 0.64  # the least certainty that is an answer
SURE = 0.92  # a question of a single word needs this much, unless something is called by that word
ABOUT, COVERED = 0.625, 0.375  # what certainty is made of: how much the passage is about it, how much of it is there


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


_STEPS = re.compile(r"how (?:do|can|could|should|would|must) (?:i|we|my)\b|how to\b|where do (?:i|we)\b|can (?:i|my)\b")


@dataclass(frozen=True)
class _Concept:
    """One thing a question is about: the terms that stand for it, each with its worth, and its weight."""

    terms: Mapping[str, float]
    weight: float
    soft: bool = False


class Knowledge:
    """A folder of pages that can be asked. Immutable once loaded, so it may be shared between threads."""

    def __init__(self, passages: Sequence[Passage], alike: Mapping[str, set[str]], link_base: str | None = "") -> None:
        self._passages = list(passages)
        self._synonyms: dict[str, set[str]] = defaultdict(set)
        for word, others in alike.items():
            self._synonyms[stem(word)] |= {stem(other) for other in others} - {stem(word)}
        self._link_base = link_base
        # Words as they are written, to find slips against.
        self._vocabulary = set(alike)
        self._names: set[str] = set()  # terms that are no words of the language: owner_version, TextDelta, 4008, fp16
        self._pages: dict[str, set[str]] = defaultdict(set)
        self._index()
        self._unit = 1.0
        self._unit = self._calibrated()

    @classmethod
    def load(cls, folder: Path, *, skip: Collection[str] = (), link_base: str | None = "") -> Knowledge:
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
        lines = list(SYNONYM_LINES)
        if (own := folder / "synonyms.txt").is_file():
            lines += own.read_text("utf-8").splitlines()
        found: list[Passage] = []
        for file in sorted(folder.rglob("*.md")):
            inside = file.relative_to(folder)
            if inside.parts[0] not in skip:
                found += passages(inside.as_posix(), file.read_text("utf-8"))
        return cls(found, synonyms(lines), link_base)

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
            if self._asks(concepts, passage, score):
                near = [source for source in sources if source != passage.source]
                return Answer(self._shown(passage, concepts), passage.source, score, near[:3])
        return Unknown(ranked[0][0] if ranked else 0.0, sources[:3])

    def _asks(self, concepts: Sequence[_Concept], passage: Passage, score: float) -> bool:
        """Whether it is a question about the passage at all.

        A single word is one only if the passage is called so, or if the word is a name such as
        ``client_id``: `life` occurs in many pages, and none is about it.
        """
        firm = [concept for concept in concepts if not concept.soft]
        if len(firm) > 1:
            return True
        asked = {term: worth for concept in firm or concepts for term, worth in concept.terms.items()}
        called = max((self._fit(name, asked) for name in [*passage.names, *passage.phrases]), default=0.0)
        if not firm:  # how about that?
            return len(concepts) > 1 and called >= 0.5
        literal = {term for term, worth in asked.items() if worth == 1.0}
        return score >= SURE or called >= 0.5 or passage.first in literal or bool(self._names & literal)

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
                terms = self._terms(text if worth in (TITLE, HEADING) else plain(text))
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
                    passage.pairs |= set(pairwise(terms))
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
            for trigram in trigrams(word):
                self._by_trigram[trigram].add(word)

    def _terms(self, text: str) -> list[str]:
        """The stems of a page's text, without stop words; parts of a name stand beside it."""
        found = []
        self._names |= {stem(name.lower()) for name in CAMEL.findall(text)}
        text = CAMEL.sub(lambda name: f"{name[0]} {re.sub('(?<=[a-z])(?=[A-Z])', ' ', name[0])}", text)
        for word in words(text):
            if word in STOP_WORDS:
                continue
            for part in (word, *(word.split("_") if "_" in word else ())):
                if part not in STOP_WORDS:
                    self._vocabulary.add(part)
                    if "_" in part or (len(part) > 2 and part is word and any(map(str.isdigit, part))):
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
            if word in STOP_WORDS or (not self._knows(word) and any(swapped(word, stop) for stop in STOP_WORDS)):
                continue  # hwo, teh
            # `hand over` is also `handover`, where the pages know that word.
            pairs = [word + after for after in asked[at + 1 : at + 2]]
            pairs += [before + word for before in asked[max(at - 1, 0) : at]]
            compound = next((stem(pair) for pair in pairs if pair in self._vocabulary), "")
            term = stem(word)
            if term not in found:
                found[term] = self._concept(word, term, compound)
        return list(found.values())

    def _knows(self, word: str) -> bool:
        return word in self._vocabulary or stem(word) in self._idf

    def _concept(self, word: str, term: str, compound: str) -> _Concept:
        terms = {known: 1.0 for known in (term, compound) if known in self._idf}
        weight = self._idf.get(term, self._rarest)
        others = self._synonyms.get(term, set()) | self._synonyms.get(compound, set())
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
        if stem(word) in _SOFT_STEMS:
            return _Concept(terms, weight * SOFT, soft=True)
        return _Concept(terms, weight)

    def _slip(self, word: str) -> str:
        """The word of the pages that ``word`` was most likely meant to be; empty when there is none."""
        if len(word) < 4 or not word.isalpha():
            return ""
        mine = trigrams(word)
        shared = Counter(other for trigram in mine for other in self._by_trigram.get(trigram, ()))
        limit = 0 if len(word) < 5 else 1 if len(word) < 9 else 2
        likely: list[tuple[int, float, str]] = []
        for other, common in shared.items():
            if other == word or len(other) < 4:
                continue
            # Another last letter is another form or another word (printer, printed), seldom a slip.
            edges = other[0] == word[0] and (other[-1] == word[-1] or len(other) != len(word))
            slips = 1 if swapped(word, other) else slips_between(word, other, limit) if edges else limit + 1
            if slips <= max(limit, swapped(word, other)):
                likely.append((slips, -common / (len(mine) + len(other)), other))
        return min(likely)[2] if likely else ""

    def _mass(self, terms: Iterable[str]) -> float:
        return sum(self._idf[term] for term in terms)

    def _worth(self, concepts: Sequence[_Concept], passage: Passage) -> float:
        """How much of what the question is about, the passage is about; 0..1."""

        def about(concept: _Concept) -> float:
            return max((worth * passage.terms.get(term, 0.0) for term, worth in concept.terms.items()), default=0.0)

        total = sum(concept.weight for concept in concepts)
        return sum(concept.weight * about(concept) for concept in concepts) / total if total else 0.0

    def _ranked(self, concepts: Sequence[_Concept], question: str = "") -> list[tuple[float, Passage]]:
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
        asked = [stem(word) for word in words(question) if word not in STOP_WORDS]
        pairs = set(pairwise(asked))
        wants_steps = _STEPS.match(question.strip().lower()) is not None
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
            if wants_steps and passage.source.path.startswith("howto/"):
                about *= HOWTO
            certainty = (ABOUT * about + COVERED * there / total) * (TABLE if passage.is_table and not by_name else 1.0)
            found.append((certainty, passage))
        found.sort(key=lambda item: -item[0])
        return found

    # Showing.

    def _shown(self, passage: Passage, concepts: Sequence[_Concept]) -> str:
        """The passage under its heading, cut to what fits around the blocks that matter to the question."""
        blocks = passage.blocks
        whole = joined(blocks)
        if len(whole) > MAX_SHOWN:
            blocks = self._chosen(passage, concepts)
            whole = joined(blocks)
        text = f"**{passage.source.heading.rpartition(' › ')[2]}**\n\n{self._linked(whole, passage.source.path)}"
        if len(blocks) < len(passage.blocks):
            text += f"\n\n{self._more(passage.source)}"
        return text

    def _chosen(self, passage: Passage, concepts: Sequence[_Concept]) -> list[Block]:
        def worth(block: Block) -> float:
            terms = {stem(word) for word in words(plain(block.text)) if word not in STOP_WORDS}
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
            size = len(joined([blocks[other] for other in sorted({*chosen, at})]))
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
        return "".join(part if at % 2 else LINK.sub(replaced, part) for at, part in enumerate(parts))
