"""How well a text fits what somebody looks for, and where: rank and snippet.

Both follow from the text itself and its age alone. Nothing is taken from other messages, such as how
often a word is used elsewhere: a rank must not tell of what its reader may not see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2

from deskbell.model.search_query import Term, Wanted, bare, signs_or_word
from deskbell.model.text import is_unspaced, word_spans

SNIPPET_CHARACTERS = 160
MAX_MARKS = 20
LOOKED_AT = 20_000
"""Code points of a text that rank and snippet look at."""

_DAY_US = 86_400_000_000
_FADES_DAYS = 30.0
_OF_AGE = 0.35
UNIT = 1_000_000
"""A rank of 1."""

Alike = Mapping[str, frozenset[str]]
"""What else a wanted word is found as: other forms of it, or what was meant instead of a typing error."""


@dataclass(frozen=True)
class Match:
    """Where a text fits: ``(begin, end)`` in code points, in order; ``weight`` from 0 to 1."""

    spans: tuple[tuple[int, int], ...]
    weight: float


@dataclass(frozen=True)
class Cut:
    """A piece of a text. ``marks`` are ``(start, length)`` within it, in code points."""

    text: str
    marks: tuple[tuple[int, int], ...]
    begins_later: bool
    ends_earlier: bool


def _pieces(text: str) -> list[tuple[str, int, int]]:
    pieces: list[tuple[str, int, int]] = []
    for word, begin, end in word_spans(text[:LOOKED_AT]):
        signs = signs_or_word(word)
        if is_unspaced(word) and len(signs) == end - begin:
            pieces += [(sign, begin + n, begin + n + 1) for n, sign in enumerate(signs)]
        elif is_unspaced(word):
            pieces += [(sign, begin, end) for sign in signs]
        else:
            pieces.append((bare(signs[0]), begin, end))
    return pieces


def _worth(said: str, wanted: str, unfinished: bool, alike: Alike) -> float:
    """How well one word fits: 1 exactly, less by what is missing, 0 not at all."""
    plain = bare(wanted)
    if said == plain:
        return 1.0
    if unfinished and said.startswith(plain):
        return 0.6 + 0.4 * len(plain) / len(said)
    return 0.5 if said in alike.get(wanted, ()) else 0.0


def match(text: str, wanted: Wanted, alike: Alike | None = None) -> Match:
    """Where and how well a text fits. It is not decided here whether it was found."""
    pieces = _pieces(text)
    alike = alike or {}
    spans: set[tuple[int, int]] = set()
    worths = [_of_term(pieces, term, alike, spans) for term in wanted.terms]
    if not spans:
        return Match((), 0.0)
    mean = sum(worths) / len(worths)
    ordered = sorted(spans)
    # Words that stand together are more likely meant together; short texts are more about what they say.
    apart = (ordered[-1][1] - ordered[0][0]) if len(wanted.terms) > 1 else 0
    together = 1 / (1 + log2(1 + apart / 80))
    brief = 1 / (1 + log2(1 + len(text) / 400))
    return Match(tuple(ordered), mean * (0.7 + 0.15 * together + 0.15 * brief))


def _of_term(pieces: Sequence[tuple[str, int, int]], term: Term, alike: Alike, spans: set[tuple[int, int]]) -> float:
    best, last = 0.0, len(term.words) - 1
    for at in range(len(pieces) - last):
        worth = 1.0
        for n, word in enumerate(term.words):
            worth = min(worth, _worth(pieces[at + n][0], word, term.unfinished and n == last, alike))
            if not worth:
                break
        if worth:
            best = max(best, worth)
            if len(spans) < MAX_MARKS * 10:
                spans.update(pieces[at + n][1:] for n in range(last + 1))
    return best


def rank(weight: float, age_us: int) -> int:
    """A rank from 0 to :data:`UNIT`: how well a text fits, and how new it is."""
    fresh = 1 / (1 + max(age_us, 0) / _DAY_US / _FADES_DAYS)
    return round(UNIT * ((1 - _OF_AGE) * weight + _OF_AGE * fresh))


def snippet(text: str, found: Match) -> Cut:
    """The piece of a text with most of what fits; its beginning where nothing is marked."""
    spans = [span for span in found.spans if span[1] <= len(text)]
    if not spans:
        begin = 0
    else:
        room = SNIPPET_CHARACTERS * 3 // 4
        first = max(
            range(len(spans)),
            key=lambda n: (sum(1 for span in spans[n:] if span[1] <= spans[n][0] + room), -n),
        )
        begin = max(0, spans[first][0] - SNIPPET_CHARACTERS // 4)
        begin = max(0, min(begin, len(text) - SNIPPET_CHARACTERS))
    end = min(len(text), begin + SNIPPET_CHARACTERS)
    begin, end = _at_words(text, begin, end, spans)
    inside: list[tuple[int, int]] = []
    for b, e in spans:
        if b < end and e > begin:
            # Signs next to each other are one mark.
            joins = bool(inside) and inside[-1][1] >= b
            inside[-1:] = [(inside[-1][0], max(inside[-1][1], e))] if joins else [*inside[-1:], (max(b, begin), e)]
    inside = [(b, min(e, end)) for b, e in inside]
    marks = tuple((b - begin, e - b) for b, e in inside[:MAX_MARKS])
    return Cut(text[begin:end], marks, begin > 0, end < len(text))


def _at_words(text: str, begin: int, end: int, spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Move the ends of a cut inwards to where a word begins or ends, if that is near and cuts nothing marked."""
    if begin:
        near = next((n for n in range(begin, min(begin + 20, end)) if text[n - 1].isspace()), begin)
        if all(span[0] >= near or span[1] <= begin for span in spans):
            begin = near
    if end < len(text):
        near = next((n for n in range(end, max(end - 20, begin), -1) if text[n].isspace()), end)
        if all(span[1] <= near or span[0] >= end for span in spans):
            end = near
    return begin, end


def distance_at_most(one: str, other: str, limit: int) -> bool:
    """Whether ``limit`` slips make ``one`` of ``other``: a letter wrong, missing, too many, or two swapped."""
    if abs(len(one) - len(other)) > limit:
        return False
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        following = [i]
        for j, right in enumerate(other, 1):
            cost = min(row[j] + 1, following[-1] + 1, row[j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                cost = min(cost, before[j - 2] + 1)
            following.append(cost)
        if min(following) > limit:
            return False
        before, row = row, following
    return row[-1] <= limit


def slips_forgiven(word: str) -> int:
    """How many slips a word of this length may have and still be recognised."""
    return 0 if len(word) < 4 or word.isdecimal() else 1 if len(word) < 8 else 2
