"""Lines from standard input, without stopping the event loop, from a terminal, a pipe or a file."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator

from deskbell.chat.screen import PROMPT

try:
    import readline
except ImportError:  # Windows; then there is plain input without editing
    readline = None  # type: ignore[assignment]
try:
    import termios
except ImportError:
    termios = None  # type: ignore[assignment]

_CHUNK_BYTES = 65_536


def typed() -> str:
    """What stands at the prompt at this moment."""
    return readline.get_line_buffer() if readline is not None else ""


async def piped_lines(descriptor: int = 0) -> AsyncIterator[str]:
    """Lines of a pipe or file, each asked for before the next is read; then it ends."""

    def read() -> Iterator[str]:
        # Not sys.stdin: a thread that waits in its buffer stops the interpreter from ending.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        rest = ""
        while chunk := os.read(descriptor, _CHUNK_BYTES):
            *whole, rest = (rest + decoder.decode(chunk)).split("\n")
            yield from whole
        if rest:
            yield rest

    lines = read()
    async for line in _from_thread(lambda: next(lines, None)):
        yield line


async def typed_lines() -> AsyncIterator[str]:
    """Lines of a terminal, with editing and recall; ends at Ctrl-D."""

    def ask() -> str | None:
        try:
            # Begins the row anew: the screen may have drawn the prompt already.
            return input(f"\001\r\x1b[K\002{PROMPT}")
        except (EOFError, KeyboardInterrupt):
            return None

    async for line in _from_thread(ask):
        yield line


@contextlib.contextmanager
def terminal_kept() -> Iterator[None]:
    """Leave the terminal as it was found, also when the prompt is abandoned in the middle of a line."""
    if termios is None or not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin.fileno())
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)


async def _from_thread(get: Callable[[], str | None]) -> AsyncIterator[str]:
    """What ``get`` gives, called in a daemon thread, until it gives ``None``. One line is asked for at a time."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    wanted = threading.Semaphore(0)
    over = False

    def work() -> None:
        while True:
            wanted.acquire()
            if over:
                return
            line = get()
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(lines.put_nowait, line)
            if line is None:
                return

    threading.Thread(target=work, name="deskbell.keyboard", daemon=True).start()
    try:
        while True:
            wanted.release()
            line = await lines.get()
            if line is None:
                return
            yield line
    finally:
        over = True
        wanted.release()
