"""What somebody looks for, understood: words, phrases, what is not wanted, and a word not yet finished.

- Words are all wanted, in any order.
- ``"in quotes"`` are wanted in this order, next to each other. A quote that is not closed ends with the text.
- ``-word`` and ``-"some words"`` are not wanted.
- The last word may be unfinished, unless a space, or anything else, follows it.

Nothing else means anything: no text is a mistake, and none reaches a database as part of its language.
Words are compared without case, width and accents. Scripts written without spaces (Chinese, Japanese,
Thai …) are compared sign by sign, each run of signs as a phrase.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from deskbell.model.text import is_unspaced, words

MAX_WORDS = 20
UNFINISHED_FROM = 2
"""Letters that a last word must have to be taken for unfinished; a single one would find everything."""

_PARTS = re.compile(r'(?P<no>(?<!\S)-)?(?:"(?P<phrase>[^"]*)"?|(?P<plain>[^\s"]+))')
# Letters that are no letter with an accent, and that people type without it all the same.
_PLAIN = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"})


def bare(word: str) -> str:
    """A normalised word without its accents."""
    if word.isascii():
        return word
    apart = unicodedata.normalize("NFD", word)
    plain = "".join(sign for sign in apart if not "\u0300" <= sign <= "\u036f")
    return unicodedata.normalize("NFC", plain).translate(_PLAIN)


def signs_or_word(word: str) -> list[str]:
    """A word as it is looked for: itself, or its signs one by one."""
    return list(word) if is_unspaced(word) else [word]


@dataclass(frozen=True)
class Term:
    """Words next to each other, often a single one. ``unfinished``: the last may go on."""

    words: tuple[str, ...]
    unfinished: bool = False


@dataclass(frozen=True)
class Wanted:
    """``terms`` are all to be there, ``unwanted`` none. Without terms there is nothing to look for."""

    terms: tuple[Term, ...] = ()
    unwanted: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    @property
    def size(self) -> int:
        """How many words there are to look for."""
        return sum(len(term.words) for term in (*self.terms, *self.unwanted))


def understood(text: str) -> Wanted:
    """What a text asks for; see the module."""
    terms: list[Term] = []
    unwanted: list[Term] = []
    last_plain_end = -1
    for part in _PARTS.finditer(text):
        phrase = part["phrase"] is not None
        found = tuple(one for word in words(part["phrase"] or part["plain"] or "") for one in signs_or_word(word))
        if not any(sign.isalnum() for word in found for sign in word):
            continue  # marks alone are no word
        if part["no"]:
            unwanted.append(Term(found))
        else:
            terms.append(Term(found))
            last_plain_end = -1 if phrase else part.end()
    if terms and last_plain_end == len(text) and words(text[-1:]):
        last = terms[-1]
        if len(last.words[-1]) >= UNFINISHED_FROM:
            terms[-1] = Term(last.words, unfinished=True)
    return Wanted(tuple(dict.fromkeys(terms)), tuple(dict.fromkeys(unwanted)))
