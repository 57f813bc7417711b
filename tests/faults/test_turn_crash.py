"""A process that dies in the middle of a turn: the visitor is answered once, by whoever comes after.

A real server, run from this file in a process of its own, is killed while its bot writes, kills itself just before or
just after the answer is committed, or does so in every attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from deskbell.actions import turns, voices
from deskbell.app import Application
from deskbell.contracts import BotEvent, Say, SetState, TextDelta, Turn
from deskbell.store import crashpoints
from deskbell.testing.desk import SITE_KEY, Line, ScriptedBot, _BotPlugin, settings_for
from deskbell.testing.ports import free_port

PATIENCE_S = 30.0
QUESTION = "Where is my parcel?"
ANSWER = f"You said: {QUESTION}"


class Process:
    """A server in a process of its own, whose bot dies as it is told."""

    def __init__(self, url: str, log: Path, dies: str) -> None:
        self.port, self._log = free_port(), log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, __file__, url, str(self.port), dies], stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        self.url = f"http://127.0.0.1:{self.port}"

    async def ready(self) -> None:
        async with asyncio.timeout(PATIENCE_S), httpx.AsyncClient(trust_env=False) as http:
            while True:
                assert self._process.poll() is None, self._log.read_text()[-3000:]
                with contextlib.suppress(httpx.TransportError):
                    await http.get(self.url + "/")
                    return
                await asyncio.sleep(0.03)

    def kill(self) -> None:
        self._process.kill()

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            while self._process.poll() is None:
                await asyncio.sleep(0.01)
        return int(self._process.returncode)

    async def stop(self) -> None:
        if self._process.poll() is None:
            self.kill()
        await self.ended()


@asynccontextmanager
async def serving(url: str, log: Path, dies: str = "never") -> AsyncIterator[Process]:
    process = Process(url, log, dies)
    try:
        await process.ready()
        yield process
    finally:
        await process.stop()


async def a_visitor(process: Process) -> tuple[str, str]:
    """A token and the id of a conversation."""
    async with httpx.AsyncClient(base_url=f"{process.url}/api/v1", trust_env=False, timeout=PATIENCE_S) as http:
        token = str((await http.post("/auth/visitors", json={"site_key": SITE_KEY})).json()["access_token"])
        headers = {"Authorization": f"Bearer {token}"}
        room = (await http.post("/support/conversations", json={}, headers=headers)).json()["id"]
    return token, str(room)


@pytest.mark.parametrize("dies", ["while_it_writes", "before_commit", "after_commit"])
async def test_a_turn_whose_process_died_is_answered_once(database_url: str, tmp_path: Path, dies: str) -> None:
    async with serving(database_url, tmp_path / "log", dies) as first:
        token, room = await a_visitor(first)
        line = await Line.open(first.url, token)
        await line.subscribe(room)
        await line.says(room, QUESTION)
        if dies == "while_it_writes":
            await line.wait("delta", patience_s=PATIENCE_S)
            first.kill()
        assert await first.ended() == -signal.SIGKILL
        assert ANSWER not in line.heard(room)
        await line.close()
    async with serving(database_url, tmp_path / "log") as second:
        line = await Line.open(second.url, token)
        known = (await line.subscribe(room))["messages"]
        if dies != "after_commit":
            assert ANSWER not in [message["content"] for message in known]
            await line.hears(room, ANSWER, patience_s=PATIENCE_S)
        # The next turn knows what the one before noted, once.
        await line.says(room, "And?")
        await line.hears(room, "You said: And?", patience_s=PATIENCE_S)
        texts = [message["content"] for message in known if message["kind"] == "text"] + line.heard(room)
        assert texts == [QUESTION, ANSWER, "And?", "You said: And?"]
        await line.close()


async def test_a_turn_that_kills_every_process_that_takes_it_ends_in_a_person(sqlite_url: str, tmp_path: Path) -> None:
    token = room = ""
    for attempt in (1, 2):
        async with serving(sqlite_url, tmp_path / "log", "before_commit") as process:
            if attempt == 1:
                token, room = await a_visitor(process)
                line = await Line.open(process.url, token)
                await line.says(room, QUESTION)
                await line.close()
            assert await process.ended() == -signal.SIGKILL
    async with serving(sqlite_url, tmp_path / "log", "before_commit") as process:
        line = await Line.open(process.url, token)
        known = (await line.subscribe(room))["messages"]
        assert [message["content"] for message in known] == [QUESTION]
        await line.hears(room, voices.APOLOGY, patience_s=PATIENCE_S)
        assert (await line.wait("case", status="waiting", patience_s=PATIENCE_S))["position"] == 1
        await line.close()


# the process


async def _serve(url: str, port: int, dies: str) -> None:
    bot = ScriptedBot()

    async def script(turn: Turn) -> AsyncIterator[BotEvent]:
        yield SetState({"count": turn.state.get("count", 0) + 1})
        if dies == "while_it_writes":
            yield TextDelta("I will ")
            await asyncio.sleep(60)
        elif dies != "never":
            # The next commit is the answer's.
            crashpoints._name, crashpoints._left = dies, 1
        yield Say(f"You said: {turn.text}")

    bot.script = script
    turns.LEASE_SPARE_S = 0.5  # so that nobody waits for long
    settings = settings_for(url, turns={"deadline_s": 1.5})
    application = await Application.open(settings, plugins={"scripted_bot": _BotPlugin(bot)})
    await application.server(host="127.0.0.1", port=port).serve()


if __name__ == "__main__":
    os.environ.pop("DESKBELL_CRASH_AT", None)
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
