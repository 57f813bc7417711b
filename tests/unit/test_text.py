"""Words are found as a reader finds them, whatever hides them from a rule."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskbell import Phrases, normalise, words


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Casino", "casino"),
        ("ＣＡＳＩＮＯ", "casino"),
        ("ⓒⓐⓢⓘⓝⓞ", "casino"),
        ("𝐂𝐚𝐬𝐢𝐧𝐨", "casino"),
        ("ca\u200bsi\u200dno", "casino"),
        ("ca\u00adsi\u2060no\ufeff", "casino"),
        ("\u202ecasino\u202c", "casino"),
        ("cas\u034fino\ufe0f", "casino"),
        ("cas\U000e0069ino", "casino"),
        ("oﬃce", "office"),
        ("e\u200b\u0301te", "éte"),
        ("J\u030c", "ǰ"),
        ("\u3164x", "x"),
    ],
)
def test_what_a_reader_cannot_see_or_tell_apart_is_undone(written: str, read: str) -> None:
    assert normalise(written) == read


@given(st.text())
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFKC", once)


def test_a_word_keeps_the_marks_that_belong_to_it() -> None:
    """Hindi vowels are marks; a word cut at them would be another word."""
    assert words("क्या है?") == ["क्या", "है"]
    assert words("Don't snake_case, ok") == ["don", "t", "snake", "case", "ok"]


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("ass", "a class act", False),
        ("ass", "you ass.", True),
        ("buy now", "BUY — now!", True),
        ("buy now", "buy it now", False),
        ("Straße", "in der STRASSE", False),
        ("straße", "Straße 5", True),
        ("don't", "i don’t", True),
        ("赌场", "去赌场吧", True),
        ("çağ", "orta çağda", False),
        ("casino", "去casino吧", True),
    ],
)
def test_phrases_are_found_whole(phrase: str, text: str, found: bool) -> None:
    assert (Phrases([phrase]).find(normalise(text)) == phrase) is found


def test_the_longest_phrase_that_begins_at_a_word_is_found() -> None:
    assert Phrases(["legal", "legal action"]).find("take legal action") == "legal action"


def test_the_phrase_that_stands_first_is_found_whatever_its_script() -> None:
    assert Phrases(["casino", "赌场"]).find("赌场 casino") == "赌场"


def test_a_phrase_without_a_word_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no word in '!!!'"):
        Phrases(["fine", "!!!"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("No Casino here.", "No ****** here."),
        ("ＣＡＳＩＮＯ!", "******!"),
        ("ca\u200bsino", "*******"),
        ("Café casino, Ünder", "Café ******, Ünder"),
        ("İ casino İ", "İ ****** İ"),
        ("ﬁ casino", "ﬁ ******"),
        ("buy, now", "***, ***"),
        ("去赌场吧", "去**吧"),
        ("casinos", "casinos"),
        ("\u1100\u1161\u11a8 casino", "*** ******"),
        ("", ""),
    ],
)
def test_masking_hides_the_phrase_and_keeps_all_else_as_it_was_written(text: str, shown: str) -> None:
    assert Phrases(["casino", "buy now", "赌场", "각"]).masked(text) == shown


@given(st.text(alphabet="casino\u200bＣＡé ́ﬁ赌场!ŀÅ가ᄀ\u1161\u11a8", max_size=40))
def test_after_masking_nothing_is_left_to_find(text: str) -> None:
    phrases = Phrases(["casino", "赌场", "가"])
    masked = phrases.masked(text)
    assert phrases.find(normalise(masked)) is None
    if phrases.find(normalise(text)) is None:
        assert masked == text


def test_an_exception_is_passed_over_also_where_a_phrase_is_a_part_of_it() -> None:
    phrases = Phrases(["casino", "royale"], besides=["Casino Royale"])

    assert phrases.find("i saw casino royale") is None
    assert phrases.find("casino royale in a casino") == "casino"
    assert phrases.masked("Casino Royale, a casino") == "Casino Royale, a ******"
