"""What a chat shows is harmless, readable and in its place."""

from __future__ import annotations

import asyncio
import io
import os
import re
import unicodedata
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskbell.chat.keyboard import piped_lines
from deskbell.chat.safe_text import name_of, one_line, tamed
from deskbell.chat.screen import PROMPT, Terminal, Transcript
from deskbell.chat.visitor import VisitorTalk, in_line, ordinal, out_of_hours
from deskbell.client import Reconnecting


@given(st.text())
def test_no_foreign_text_acts_on_the_terminal(text: str) -> None:
    """Nothing that moves, colours, reverses or hides is left; nothing is left that cannot be written."""
    safe = tamed(text)
    safe.encode("utf-8")
    for char in safe:
        assert char in "\n\u200c\u200d" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", "␛[2Jgone"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("a\x9b31mb", "a\ufffd31mb"),
        ("over\rwritten", "over␍written"),
        ("\u202eesrever\u202c", "esrever"),
        ("in\u200bvisible\ufeff", "invisible"),
        ("two\u2028lines\r\nthree", "two\nlines\nthree"),
        ("e" + "\u0301" * 50, "e" + "\u0301" * 4),
        ("👩\u200d🔧", "👩\u200d🔧"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\ud800", "\ufffd"),
    ],
)
def test_what_acts_becomes_visible_and_what_is_read_stays(text: str, shown: str) -> None:
    assert tamed(text) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ines", "Ines"),
        ("You", "“You”"),
        ("  yOu ", "“yOu”"),
        ("", "“”"),
        ("Deskbell (assistant)", "Deskbell assistant"),
        ("Ana\nInes: give me your password", "Ana Ines give me your password"),
        ("[41] Ines", "41 Ines"),
        ("x" * 90, "x" * 39 + "…"),
    ],
)
def test_nobody_can_be_named_like_a_label(name: str, shown: str) -> None:
    assert name_of(name) == shown


def test_a_line_is_one_line() -> None:
    assert one_line("a\nb\t c", 10) == "a b c"
    assert one_line("abcdef", 4) == "abc…"


def test_a_transcript_cannot_be_forged_by_a_line_break() -> None:
    """Further lines of a message are indented, so none of them looks like somebody's own."""
    out = io.StringIO()
    Transcript(out).say("[1] Maya", tamed("hi\nInes: your password please"), aside="Sources: A")
    assert out.getvalue() == "[1] Maya: hi\n    Ines: your password please\n    Sources: A\n"


def test_a_transcript_is_written_also_where_letters_are_missing() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    Transcript(out).say("", "Größe 👍")
    assert raw.getvalue() == b"Gr??e ?\n"


@pytest.mark.parametrize(
    ("position", "wait", "said"),
    [
        (1, (60, 120), "You're next. Usually 1 to 2 minutes"),
        (3, (240, 420), "You're 3rd in line. Usually 4 to 7 minutes"),
        (2, (0, 600), "You're 2nd in line. Usually up to 10 minutes"),
        (2, (60, 60), "You're 2nd in line. Usually 1 minute"),
        (1, (0, 20), "You're next. Usually less than a minute"),
        (11, None, "You're 11th in line"),
        (None, None, "A person has been asked for. You keep your place, also when you leave this window"),
    ],
)
def test_a_place_in_line_is_said_in_words(position: int | None, wait: tuple[int, int] | None, said: str) -> None:
    assert in_line(position, wait) == said


def test_who_waits_while_it_is_closed_is_told_when_it_opens() -> None:
    opens = datetime(2026, 11, 23, 9, 0).astimezone()
    assert out_of_hours(opens).startswith("We're closed until Monday, 23 November, 09:00. You keep your place")
    assert out_of_hours(None).startswith("We're closed. You keep your place")


def test_ordinals() -> None:
    said = [ordinal(number) for number in (1, 2, 3, 4, 12, 21, 101, 111)]
    assert said == ["1st", "2nd", "3rd", "4th", "12th", "21st", "101st", "111th"]


class Glass:
    """A terminal's glass: enough of one to see what a person would see."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows = [""]
        self.row = self.column = 0
        self.bells = 0

    def write(self, data: str) -> None:
        for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.|\n", data, re.S):
            if token == "\n":
                self.row, self.column = self.row + 1, 0
            elif token == "\r":
                self.column = 0
            elif token == "\a":
                self.bells += 1
            elif token.startswith("\x1b"):
                number = int(token[2:-1]) if token[2:-1].isdecimal() else 1
                if token.endswith("A"):
                    self.row = max(0, self.row - number)
                elif token.endswith("J"):
                    del self.rows[self.row + 1 :]
                    self.rows[self.row] = self.rows[self.row][: self.column]
                elif not token.endswith("m"):
                    raise AssertionError(f"unexpected {token!r}")
            else:
                if self.column == self.width:
                    self.row, self.column = self.row + 1, 0
                    self._reach()
                row = self.rows[self.row].ljust(self.column)
                self.rows[self.row] = row[: self.column] + token + row[self.column + 1 :]
                self.column += 1
            self._reach()

    def _reach(self) -> None:
        while len(self.rows) <= self.row:
            self.rows.append("")

    def flush(self) -> None:
        return None

    @property
    def seen(self) -> list[str]:
        return [row.rstrip() for row in self.rows]


class Desk:
    """A person in front of a terminal."""

    def __init__(self, width: int = 40) -> None:
        self.glass = Glass(width)
        self.typing = ""
        self.screen = Terminal(self.glass, lambda: self.typing, width=width)  # type: ignore[arg-type]
        self.screen.now([])

    def types(self, text: str) -> None:
        self.typing += text
        self.glass.write(text)

    def presses_enter(self) -> None:
        line, self.typing = self.typing, ""
        self.glass.write("\n")
        self.screen.entered(line)


def test_what_is_said_stands_above_what_is_typed() -> None:
    """A message that comes in the middle of a line does not tear it apart."""
    desk = Desk()
    desk.screen.say("Assistant", "Hello.")
    desk.types("how do I ")
    desk.screen.say("Assistant", "What is it about?")
    assert desk.glass.seen == ["Assistant: Hello.", "Assistant: What is it about?", f"{PROMPT}how do I"]
    desk.types("return it?")
    desk.presses_enter()
    desk.screen.say("You", "how do I return it?")
    assert desk.glass.seen[2:] == ["You: how do I return it?", PROMPT.rstrip()]


def test_a_streamed_answer_grows_in_place_and_gives_way_to_the_message() -> None:
    desk = Desk(width=20)
    desk.types("typed")
    for text in ("You have", "You have thirty days", "You have thirty days to send it back"):
        desk.screen.now([("Assistant", text)])
    assert desk.glass.seen == ["Assistant: You", "    have thirty days", "    to send it back", f"{PROMPT}typed"]
    desk.screen.say("Assistant", "Thirty days.")
    assert desk.glass.seen[:2] == ["Assistant:", "    Thirty days."]
    desk.screen.now([])
    assert desk.glass.seen == ["Assistant:", "    Thirty days.", f"{PROMPT}typed"]


def test_a_long_line_cannot_be_made_to_look_like_another_by_wrapping() -> None:
    desk = Desk(width=30)
    desk.screen.say("Eve", "x" * 21 + " " + "Ines: tell me your password")
    assert [row for row in desk.glass.seen if row.startswith("Ines")] == []
    assert "    Ines: tell me your" in desk.glass.seen


def test_a_line_longer_than_the_screen_is_taken_away_whole() -> None:
    desk = Desk(width=20)
    desk.screen.say("", "top")
    desk.types("a line that is much longer than the screen is wide")
    desk.screen.say("", "in between")
    assert desk.glass.seen[:2] == ["top", "in between"]
    assert "".join(desk.glass.rows[2:]) == f"{PROMPT}a line that is much longer than the screen is wide"
    desk.presses_enter()
    assert desk.glass.seen == ["top", "in between", PROMPT.rstrip()]


def test_text_is_never_read_as_markup() -> None:
    desk = Desk(width=60)
    desk.screen.say("Maya", "[bold red]hi[/] :smile: [link=file:///etc/passwd]x[/link]")
    assert desk.glass.seen[0] == "Maya: [bold red]hi[/] :smile:"
    assert "[link=file:///etc/passwd]x[/link]" in " ".join(desk.glass.seen)


def test_the_bell_rings_on_a_terminal_only() -> None:
    desk = Desk()
    desk.screen.ring()
    assert desk.glass.bells == 1
    out = io.StringIO()
    Transcript(out).ring()
    assert out.getvalue() == ""


async def test_lines_come_from_a_pipe_as_they_are_written() -> None:
    """Also without a last line break, and with letters cut in two."""
    reading, writing = os.pipe()
    lines = piped_lines(reading)
    os.write(writing, b"one\ntw")
    assert await anext(lines) == "one"
    os.write(writing, "o\nü".encode()[:-1])
    assert await anext(lines) == "two"
    os.write(writing, "ü".encode()[1:] + b"\xff")
    os.close(writing)
    assert await anext(lines) == "ü\ufffd"
    with pytest.raises(StopAsyncIteration):
        await anext(lines)
    os.close(reading)


async def test_a_chat_that_ends_does_not_wait_for_input() -> None:
    """The reader may be left in the middle of waiting."""
    reading, writing = os.pipe()
    lines = piped_lines(reading)
    waiting = asyncio.ensure_future(anext(lines))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    os.close(writing)
    os.close(reading)


def test_a_lost_line_is_told_once_however_many_attempts_it_takes() -> None:
    out = io.StringIO()
    talk = VisitorTalk(Transcript(out))
    for attempt in range(3):
        talk.on_event(Reconnecting(in_s=attempt, code=1006, reason=""))
    assert out.getvalue() == "· Reconnecting - your messages are kept\n"
