"""Examining a plugin in a child process, which is ended when the plugin will not end it.

A plugin that hangs or takes its process down loses one check by it; the rest is looked at by another child.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import msgspec

from deskbell.testing.conformance.child import Line, Order
from deskbell.testing.conformance.report import CHECKS, WHOLE, Report, Result
from deskbell.testing.conformance.source import Found, find

PATIENCE_S = 15.0
TURN_S = 5.0
MAX_CHILDREN = 6
_EXITS_S = 5.0
_ENDS_S = 8.0  # to stop what is at work, and to close the loop
_CHECK_S = 180.0  # no check is at work for so long unless it hangs where the child itself does not see it
_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)


def check(
    target: str,
    *,
    settings: Mapping[str, Any] | None = None,
    patience_s: float = PATIENCE_S,
    turn_s: float = TURN_S,
    told: Callable[[Result], None] | None = None,
) -> list[Report]:
    """Examine the plugins at ``target``; a report for each.

    Args:
        target: A folder, a Python file, a module, or the name of an installed plugin.
        settings: Plugin's name -> its settings; what is missing has its default.
        patience_s: How long one call may keep everything waiting before it is taken for hung, seconds.
        turn_s: How long a bot may take for a turn, seconds.
        told: Called with each result as it is found.
    Raises:
        NoPlugin: There is no plugin at ``target``.
    """
    return [
        Report(found.name, _examined(found, (settings or {}).get(found.name) or {}, patience_s, turn_s, told))
        for found in find(target)
    ]


def _examined(
    found: Found, settings: Mapping[str, Any], patience_s: float, turn_s: float, told: Callable[[Result], None] | None
) -> list[Result]:
    results: list[Result] = []

    def note(result: Result) -> None:
        results.append(result)
        if told is not None:
            told(result)

    for _ in range(MAX_CHILDREN):
        done = tuple(dict.fromkeys((result.check, result.subject) for result in results))
        order = Order(found.name, found.reference, found.paths, dict(settings), patience_s, turn_s, done)
        last = _Run(order).follow(note)
        if last is None:
            break
        note(last)
        if last.check == "answers":
            says = "it does not answer"
            rest = [name for name in CHECKS if name not in WHOLE and (name, last.subject) not in done]
            for name in rest:
                if name != "answers":
                    note(Result(name, last.subject, "skipped", says))
        if last.check in WHOLE:
            break
    return sorted(results, key=_in_order)


def _in_order(result: Result) -> tuple[int, str, int]:
    names = list(CHECKS)
    at = names.index(result.check)
    part = 0 if at < names.index("answers") else 2 if result.check in WHOLE else 1
    return part, result.subject, at


class _Run:
    """One child process."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._current = ("import", "")
        self._threads: tuple[str, ...] | None = None
        self._told: set[tuple[str, str]] = set()

    def follow(self, note: Callable[[Result], None]) -> Result | None:
        """Hand on what it finds. The result of the check that it did not survive; None: it ended by itself."""
        reader, writer = os.pipe()
        with tempfile.TemporaryFile() as stack, tempfile.TemporaryFile() as words:
            command = [sys.executable, "-X", "utf8", "-m", "deskbell.testing.conformance"]
            arguments = [msgspec.json.encode(self._order).decode(), str(writer), str(stack.fileno())]
            child = subprocess.Popen(
                [*command, *arguments],
                pass_fds=(writer, stack.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                start_new_session=True,
            )
            os.close(writer)
            try:
                with os.fdopen(reader, "rb") as lines:
                    hung = not self._heard(lines, note)
                if not hung:
                    hung = not _ended(child)
            finally:
                _end(child)
            return self._verdict(child.returncode, hung, stack, words, note)

    def _heard(self, lines: IO[bytes], note: Callable[[Result], None]) -> bool:
        """Whether it told all it had to tell, or ended; False: it fell silent."""
        import selectors

        pending = b""
        with selectors.DefaultSelector() as selector:
            selector.register(lines, selectors.EVENT_READ)
            while selector.select(_ENDS_S if self._current[0] == "unload" else _CHECK_S + self._order.patience_s):
                piece = os.read(lines.fileno(), 65_536)
                if not piece:
                    return True
                *whole, pending = (pending + piece).split(b"\n")
                for text in whole:
                    self._take(msgspec.json.decode(text, type=Line), note)
                if self._threads is not None:
                    return True
        return False

    def _take(self, line: Line, note: Callable[[Result], None]) -> None:
        if line.begins is not None:
            self._current = line.begins
        if line.result is not None:
            self._told.add((line.result.check, line.result.subject))
            note(line.result)
        if line.threads is not None:
            self._threads = line.threads

    def _verdict(
        self, status: int, hung: bool, stack: IO[bytes], words: IO[bytes], note: Callable[[Result], None]
    ) -> Result | None:
        check_, subject = self._current
        if ("unload", "") in self._told or (self._threads is not None and check_ != "unload"):
            return None
        if check_ == "unload" and (hung or self._threads is not None):
            named = f": {', '.join(self._threads)}" if self._threads else ""
            kept = f"keeps its process from ending, by a thread of its own{named}"
            note(Result("unload", "", "failed", kept) if hung else Result("unload", "", "passed"))
            return None
        where = _innermost(_read(stack), self._order)
        if where or _read(stack):
            says = f"hung: nothing else got its turn for {self._order.patience_s:g} s"
        elif hung:
            says = "hung"
        elif status < 0:
            says = f"took its process down with {signal.Signals(-status).name}"
        else:
            last = next((line for line in reversed(_read(words).splitlines()) if line.strip()), "")
            says = f"ended its process with status {status}" + (f": {last.strip()}" if last else "")
        return Result(check_, subject, "failed", says, where)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _innermost(stack: str, order: Order) -> str:
    """The plugin's innermost line in what the fault handler wrote, most recent call first."""
    top = order.reference.partition(":")[0].partition(".")[0]
    for filename, line, name in _FRAME.findall(stack):
        path = Path(filename)
        if path.stem == top or top in path.parts:
            return f"{path.name}:{line}" + (f" in {name}" if name != "<module>" else "")
    return ""


def _ended(child: subprocess.Popen[bytes]) -> bool:
    try:
        child.wait(_EXITS_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(child: subprocess.Popen[bytes]) -> None:
    """End it, and whatever it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
