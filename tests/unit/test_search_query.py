"""What a search asks for, how well a text fits it, and which piece of the text is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deskbell.model.search_match import UNIT, distance_at_most, match, rank, slips_forgiven, snippet
from deskbell.model.search_query import Term, Wanted, understood


def said(text: str) -> list[tuple[str, ...]]:
    return [term.words for term in understood(text).terms]


def test_words_are_all_wanted_and_the_last_may_be_unfinished() -> None:
    assert understood("reset passw") == Wanted((Term(("reset",)), Term(("passw",), unfinished=True)))
    assert understood("reset passw ") == Wanted((Term(("reset",)), Term(("passw",))))
    assert understood("reset p").terms[-1] == Term(("p",)), "a single letter would find everything"


def test_quotes_keep_words_together_and_need_not_be_closed() -> None:
    assert said('"reset my password" now') == [("reset", "my", "password"), ("now",)]
    assert said('now "reset my') == [("now",), ("reset", "my")]
    assert not understood('"reset my passw').terms[-1].unfinished


def test_a_minus_before_a_word_or_a_phrase_takes_it_away() -> None:
    wanted = understood('router -cable -"old box" wi-fi')
    assert wanted.terms == (Term(("router",)), Term(("wi", "fi"), unfinished=True))
    assert wanted.unwanted == (Term(("cable",)), Term(("old", "box")))


def test_what_joins_words_in_writing_is_a_phrase() -> None:
    assert said("mail@example.com ") == [("mail", "example", "com")]


def test_scripts_without_spaces_are_looked_for_sign_by_sign() -> None:
    assert said("iPhone東京") == [("iphone", "東", "京")]


def test_there_may_be_nothing_to_look_for() -> None:
    for text in ("", " ", "-", '"', '""', "-x", '-"a b"', "👍", "&|!():*", "NOT", "\u202e"):
        wanted = understood(text)
        assert bool(wanted) is (text == "NOT"), text


@given(st.text(max_size=300))
def test_no_text_is_a_mistake_and_words_hold_nothing_but_letters_digits_and_their_marks(text: str) -> None:
    wanted = understood(text)
    for term in (*wanted.terms, *wanted.unwanted):
        assert term.words
        for word in term.words:
            assert word and not set(word) & set("'\"\\&|!():*<>-^{}[]\x00 \n\t+.,;")
    shown = snippet(text, match(text, wanted))
    assert shown.text in text
    assert all(start >= 0 and length > 0 and start + length <= len(shown.text) for start, length in shown.marks)


def marked(text: str, query: str) -> list[str]:
    cut = snippet(text, match(text, understood(query)))
    return [cut.text[start : start + length] for start, length in cut.marks]


def test_what_fits_is_marked_as_it_was_written() -> None:
    assert marked("Please RESET my Pässwörd.", "reset passw") == ["RESET", "Pässwörd"]
    assert marked("reset. Reset my router", '"reset my"') == ["Reset", "my"]
    assert marked("私は東京タワーに", "東京") == ["東京"]
    assert marked("👍🏽 naïve cafe\u0301s", "naive cafés ") == ["naïve", "cafe\u0301s"]
    assert marked("nothing like it", "else") == []


def test_a_snippet_is_a_piece_of_the_text_around_most_of_what_fits() -> None:
    text = "word " * 200 + "the router is red, reset the router" + " word" * 200
    cut = snippet(text, match(text, understood("router reset")))
    assert len(cut.text) <= 160 and cut.begins_later and cut.ends_earlier
    assert [cut.text[start : start + length] for start, length in cut.marks] == ["router", "reset", "router"]
    short = snippet("the router", match("the router", understood("router")))
    assert (short.text, short.begins_later, short.ends_earlier) == ("the router", False, False)


def test_what_fits_better_and_what_is_newer_ranks_higher() -> None:
    def weight(text: str, query: str) -> float:
        return match(text, understood(query)).weight

    assert weight("reset", "reset") > weight("resetting", "reset") > 0
    assert weight("reset the router", "reset router") > weight("reset it" + " now" * 100 + " router", "reset router")
    day = 86_400_000_000
    assert UNIT >= rank(1.0, 0) > rank(1.0, 90 * day) > rank(0.2, 90 * day) > 0
    assert rank(1.0, -day) == rank(1.0, 0), "a clock that went back makes nothing better than new"


def test_a_slip_is_a_letter_wrong_missing_too_many_or_two_swapped() -> None:
    for slip in ("pasword", "passsword", "possword", "apssword"):
        assert distance_at_most("password", slip, 1), slip
    assert not distance_at_most("password", "pswrd", 2)
    assert [slips_forgiven(word) for word in ("the", "2026", "help", "password")] == [0, 0, 1, 2]


@given(st.text("abc", max_size=7), st.text("abc", max_size=7))
def test_slips_count_alike_from_both_ends(one: str, other: str) -> None:
    for limit in (0, 1, 2):
        assert distance_at_most(one, other, limit) is distance_at_most(other, one, limit)
    assert distance_at_most(one, other, 0) is (one == other)
