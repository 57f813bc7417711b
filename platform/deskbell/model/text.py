"""Text as a reader would understand it, for rules that look for words.

:func:`normalise` undoes what hides a word from a rule and not from a reader: width and font
variants, case, characters that cannot be seen, writing direction marks. :class:`Phrases` looks for
whole words in such text. Both take time linear in the length of the text, whatever it holds, so they
may be used on what strangers write.

Letters of another script that merely look alike, digits in place of letters and letters apart by
spaces are left alone: undoing them makes words out of innocent text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

# Soft hyphen, grapheme joiner, Hangul fillers, Mongolian selectors, zero-width and direction marks, invisible
# operators, variation selectors, byte order mark, annotation marks, tags.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]+"
)
# Written without spaces between words: "whole words" means nothing there, so such phrases are found anywhere.
_THERE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED = re.compile(f"[{_THERE}]")


def normalise(text: str) -> str:
    """``text`` in NFKC and lower case, without zero-width and direction control characters.

    For comparing only, never for showing. Doing it twice changes nothing more.
    """
    if text.isascii():
        return text.lower()
    # Removed first, so that what they kept apart is composed; NFKC makes none. Lower case may compose where upper case
    # could not (J with a caron), hence twice.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).lower())


@lru_cache(maxsize=1)
def _word() -> re.Pattern[str]:
    """A word: letters, digits and the marks that belong to them. ``re`` counts no combining mark as a letter.

    Where a script without spaces begins, another word begins.
    """
    marks = [chr(code) for code in range(0x300, 0x1E950) if unicodedata.category(chr(code))[0] == "M"]
    ranges: list[list[str]] = []
    for mark in marks:
        if ranges and ord(mark) == ord(ranges[-1][1]) + 1:
            ranges[-1][1] = mark
        else:
            ranges.append([mark, mark])
    mark = f"[{''.join(f'{first}-{last}' for first, last in ranges)}]"
    return re.compile(f"(?:[^\\W_{_THERE}]|(?![{_THERE}]){mark})+|(?:(?=[{_THERE}])(?:[^\\W_]|{mark}))+")


def excerpt(text: str, most: int) -> str:
    """The beginning of a text as one line of at most ``most`` characters; an ellipsis says that it went on."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def words(text: str) -> list[str]:
    """The words of a text, normalised, in order: letters and digits with their marks; all else only separates them."""
    return _word().findall(normalise(text))


def word_spans(text: str) -> list[tuple[str, int, int]]:
    """The words of a text, normalised, each with where it stands in ``text``: begin and end, in code points."""
    plain, begins, ends = _aligned(text)
    return [(found.group(), begins[found.start()], ends[found.end() - 1]) for found in _word().finditer(plain)]


def is_unspaced(word: str) -> bool:
    """Whether a word is of a script written without spaces between words."""
    return _UNSPACED.match(word) is not None


class Phrases:
    """Words and phrases to look for, whole: ``ass`` is not found in ``class``.

    Case, width and invisible characters do not matter, nor what stands between the words of a
    phrase. Scripts written without spaces (Chinese, Japanese, Thai …) are searched letter by
    letter. Of phrases that begin at the same word the longest is found. What ``besides`` names is
    passed over, also where a phrase is a part of it. Time is linear in the text.

    Raises:
        ValueError: A phrase has no word in it.
    """

    def __init__(self, phrases: Iterable[str], *, besides: Iterable[str] = ()) -> None:
        # First word of a phrase -> all the words of each such phrase, the longest first.
        self._spaced: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        unspaced: dict[str, str] = {}
        for phrase in phrases:
            found = tuple(words(phrase))
            if not found:
                raise ValueError(f"there is no word in {phrase!r}")
            if _UNSPACED.search(phrase):
                unspaced["".join(found)] = phrase
            else:
                self._spaced.setdefault(found[0], []).append((found, phrase))
        for same_start in self._spaced.values():
            same_start.sort(key=lambda item: -len(item[0]))
        self._named = unspaced
        longest_first = sorted(unspaced, key=len, reverse=True)
        self._unspaced = re.compile("|".join(map(re.escape, longest_first))) if unspaced else None
        besides = tuple(besides)
        self._besides = Phrases(besides) if besides else None

    def __bool__(self) -> bool:
        return bool(self._spaced or self._named)

    def find(self, normalised: str) -> str | None:
        """The first phrase, as it was given, that stands in a normalised text; None when there is none."""
        first = min(self._spans(normalised), default=None)
        return first[2] if first else None

    def masked(self, text: str, mask: str = "*") -> str:
        """``text`` with every letter of each phrase replaced by ``mask``; the same text when none is in it.

        What stands around a phrase, and between its words, is kept as it was written.
        """
        normalised = normalise(text)
        if next(self._spans(normalised), None) is None:
            return text
        plain, begins, ends = _aligned(text)
        pieces: list[str] = []
        done = 0
        for begin, end, _ in sorted(self._spans(plain)):
            for word in _word().finditer(plain, begin, end):
                first, last = max(begins[word.start()], done), ends[word.end() - 1]
                if first < last:
                    pieces += [text[done:first], mask * (last - first)]
                    done = last
        return "".join(pieces) + text[done:]

    def _spans(self, normalised: str) -> Iterator[tuple[int, int, str]]:
        """Begin, end and phrase of each match; those of the two kinds of scripts follow one another."""
        passed_over = bytearray(len(normalised) if self._besides else 0)
        if self._besides is not None:
            for begin, end, _ in self._besides._spans(normalised):
                passed_over[begin:end] = b"\1" * (end - begin)
        if self._spaced:
            found = list(_word().finditer(normalised))
            said = [word.group() for word in found]
            at = 0
            while at < len(said):
                for phrase, given in self._spaced.get(said[at], ()):
                    if phrase == tuple(said[at : at + len(phrase)]):
                        begin, end = found[at].start(), found[at + len(phrase) - 1].end()
                        if 1 not in passed_over[begin:end]:
                            yield begin, end, given
                            at += len(phrase) - 1
                            break
                at += 1
        if self._unspaced is not None:
            for match in self._unspaced.finditer(normalised):
                if 1 not in passed_over[match.start() : match.end()]:
                    yield match.start(), match.end(), self._named[match.group()]


def _aligned(text: str) -> tuple[str, list[int], list[int]]:
    """``text`` normalised, and for each of its characters where in ``text`` it came from: begin and end.

    Normalising is not letter by letter: marks compose with the letter before them, one sign may
    become several letters. So it is done cluster by cluster, a letter with all that hangs on it.
    """
    lower = text.lower()
    if len(lower) == len(text) and lower == normalise(text):
        return lower, list(range(len(text))), list(range(1, len(text) + 1))
    plain: list[str] = []
    begins: list[int] = []
    ends: list[int] = []
    begin = 0
    while begin < len(text):
        end = begin + 1
        while end < len(text) and _hangs_on(text[end]):
            end += 1
        letters = normalise(text[begin:end])
        plain.append(letters)
        begins += [begin] * len(letters)
        ends += [end] * len(letters)
        begin = end
    return "".join(plain), begins, ends


def _hangs_on(character: str) -> bool:
    """Whether a character belongs to the one before it: marks, the later parts of a Hangul syllable, the unseen."""
    return (
        unicodedata.combining(character) != 0
        or unicodedata.category(character)[0] == "M"
        or "\u1160" <= character <= "\u11ff"
        or _INVISIBLE.match(character) is not None
    )
