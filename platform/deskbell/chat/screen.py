"""Where a chat is shown: a plain transcript, or a terminal with a prompt below what was said.

Both take lines that stay (:meth:`Screen.say`) and a few that do not (:meth:`Screen.now`: what the
assistant is writing, who is typing). A plain transcript shows only what stays, one flushed line at a time,
without any control code, so a pipe or a test can read it. The terminal redraws the passing lines and
the half-typed input in place.

Text from others is tamed by the caller (:mod:`deskbell.chat.safe_text`) and never read as markup.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import IO, Protocol

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

PROMPT = "› "
INDENT = "    "


class Screen(Protocol):
    """What a chat needs of a place to be shown."""

    echoes: bool
    """Whether what the user types is seen anyway, before it is sent."""

    def say(self, label: str, text: str, *, style: str = "", aside: str = "") -> None:
        """Show something that stays: who, what, and a quiet addition. Further lines are indented."""

    def now(self, lines: Sequence[tuple[str, str]]) -> None:
        """Show, in place of what was shown so before, what is going on: pairs of label and text."""

    def entered(self, line: str) -> None:
        """The user has ended a line."""

    def ring(self) -> None:
        """Draw attention."""


class Transcript:
    """Plain lines."""

    echoes = False

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def say(self, label: str, text: str, *, style: str = "", aside: str = "") -> None:
        first, *rest = text.split("\n")
        parts = [f"{label}: {first}" if label else first, *(INDENT + line for line in rest)]
        if aside:
            parts += [INDENT + line for line in aside.split("\n")]
        encoding = getattr(self._out, "encoding", None) or "utf-8"
        for part in parts:
            # A line that this terminal cannot write is better shown with gaps than not at all.
            self._out.write(part.encode(encoding, "replace").decode(encoding) + "\n")
        self._out.flush()

    def now(self, lines: Sequence[tuple[str, str]]) -> None:
        return None

    def entered(self, line: str) -> None:
        return None

    def ring(self) -> None:
        return None


class Terminal:
    """A terminal. ``typed`` is what stands at the prompt at this moment; rows are counted from it."""

    echoes = True

    def __init__(self, out: IO[str], typed: Callable[[], str], *, width: int | None = None) -> None:
        self._out = out
        self._typed = typed
        self._console = Console(
            file=out, force_terminal=True, highlight=False, markup=False, emoji=False, width=width, legacy_windows=False
        )
        self._passing: list[tuple[str, str]] = []
        self._rows = 0
        self._prompted = False

    def say(self, label: str, text: str, *, style: str = "", aside: str = "") -> None:
        self._erase()
        for row in self._rows_of(_styled(label, text, style, aside)):
            self._console.print(row)
        self._draw()

    def now(self, lines: Sequence[tuple[str, str]]) -> None:
        if list(lines) != self._passing or not self._prompted:
            self._erase()
            self._passing = list(lines)
            self._draw()

    def entered(self, line: str) -> None:
        # Enter has moved the cursor below the line; take it and what passes above it away.
        rows = self._rows + self._input_rows(line)
        self._out.write(f"\r\x1b[{rows}A\x1b[J")
        self._rows, self._prompted = 0, False
        self._draw()

    def ring(self) -> None:
        self._out.write("\a")
        self._out.flush()

    def _input_rows(self, line: str) -> int:
        return max(1, math.ceil(cell_len(PROMPT + line) / self._console.width))

    def _erase(self) -> None:
        if self._prompted:
            up = self._rows + self._input_rows(self._typed()) - 1
            self._out.write(("\r" if up == 0 else f"\r\x1b[{up}A") + "\x1b[J")
            self._rows, self._prompted = 0, False

    def _draw(self) -> None:
        self._rows = 0
        room = max(1, self._console.height - 4)
        rows = [row for label, text in self._passing for row in self._rows_of(_styled(label, text, "dim", ""))][-room:]
        for row in rows:
            self._console.print(row)
        self._rows = len(rows)
        self._out.write(PROMPT + self._typed())
        self._out.flush()
        self._prompted = True

    def _rows_of(self, text: Text) -> list[Text]:
        """Rows that fit, all but the first indented: what wraps must not look like a line of its own."""
        first, *rest = text.wrap(self._console, max(1, self._console.width - len(INDENT)))
        return [first, *(Text(INDENT).append_text(row) for row in rest)]


def _styled(label: str, text: str, style: str, aside: str) -> Text:
    whole = Text()
    if label:
        whole.append(f"{label}: ", style=f"bold {style}".strip())
    whole.append(text, style="" if label and style != "dim" else style)
    if aside:
        whole.append("\n" + aside, style="dim")
    return whole
