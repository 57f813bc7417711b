"""English words as people write them, for matching questions with pages.

Forms of a word share a :func:`stem`; a mistyped word can be traced to the one that was meant. Three
lists stand beside this module as plain text: `stop_words.txt` (say nothing of a subject), `soft_words.txt`
(a question may have one too many of these without being about something else) and `synonyms.txt`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path


def _listed(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")


STOP_WORDS = frozenset(_listed("stop_words.txt").split())
SOFT_WORDS = frozenset(_listed("soft_words.txt").split())
SYNONYM_LINES = tuple(_listed("synonyms.txt").splitlines())

CAMEL = re.compile(r"\b[A-Z]?[a-z]+(?:[A-Z][a-z]+)+\b")
_WORD = re.compile(r"[^\W_]+(?:[_'’][^\W_]+)*")
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


def slips_between(left: str, right: str, limit: int) -> int:
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


def swapped(left: str, right: str) -> bool:
    """Whether two neighbouring letters changed places, the slip that even short words suffer."""
    if len(left) != len(right):
        return False
    off = [i for i, (a, b) in enumerate(zip(left, right, strict=True)) if a != b]
    return len(off) == 2 and off[1] == off[0] + 1 and left[off[0]] == right[off[1]] and left[off[1]] == right[off[0]]


def trigrams(word: str) -> set[str]:
    edged = f"^{word}$"
    return {edged[i : i + 3] for i in range(len(edged) - 2)}


def synonyms(lines: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        group = set(words(line.partition("#")[0]))
        for word in group:
            found[word] |= group - {word}
    return found
