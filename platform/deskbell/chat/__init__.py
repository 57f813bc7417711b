"""Talking in a terminal: as a visitor with the assistant, or as an agent with who waits.

:func:`run` is the body of ``deskbell chat``. On a terminal it draws colours and a prompt; with a pipe,
or ``plain``, lines go in and a transcript comes out. With ``state`` a chat that is killed and started
again goes on: nothing is missed, nothing shown twice, and what was not sent yet is sent.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from os import PathLike
from typing import IO

from deskbell.chat import keyboard
from deskbell.chat.agent import AgentTalk
from deskbell.chat.screen import Screen, Terminal, Transcript
from deskbell.chat.talk import Talk
from deskbell.chat.visitor import VisitorTalk
from deskbell.client import Client, InUse

__all__ = ["run"]

LINGER_S = 20.0


async def run(
    url: str,
    *,
    site_key: str = "demo-site",
    name: str = "",
    identity: str | None = None,
    email: str | None = None,
    password: str | None = None,
    state: str | PathLike[str] | None = None,
    plain: bool = False,
    linger_s: float = LINGER_S,
    lines: AsyncIterator[str] | None = None,
    out: IO[str] | None = None,
) -> int:
    """Chat until the input ends, ``/quit``, or the server says that it is over; the exit status.

    Args:
        email: Log in with it and ``password``, and answer as an agent; else talk as a visitor of the
            site, under ``name`` or as whom the site's signed ``identity`` says.
        state: The file that keeps the user over restarts.
        plain: A transcript without colours and control codes, also on a terminal.
        linger_s: How long to wait, after the last line of a pipe, for what is sent and answered.
        lines, out: Instead of standard input and output.
    """
    out = out or sys.stdout
    typing = lines is None and sys.stdin.isatty()
    screen: Screen = Terminal(out, keyboard.typed) if typing and not plain and out.isatty() else Transcript(out)
    talk: Talk = VisitorTalk(screen) if email is None else AgentTalk(screen)
    try:
        if email is None:
            client = Client.visitor(url, site_key, identity, state, name, on_event=talk.on_event)
        else:
            client = Client.login(url, email, password or "", state, on_event=talk.on_event)
    except (ValueError, InUse) as error:
        talk.quietly(str(error))
        return 2
    if lines is None:
        lines = keyboard.typed_lines() if screen.echoes else keyboard.piped_lines(sys.stdin.fileno())
    talk.client = client
    with keyboard.terminal_kept():
        async with client:
            return await talk.run(lines, linger_s)
