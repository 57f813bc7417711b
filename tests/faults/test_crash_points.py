"""A process that dies at the worst moment: what was acknowledged is there, and nothing is there twice.

A real server, run from this file in a process of its own, kills itself at one of the four points between
taking a message and having told everybody. It is started again on the same store, and every sender
sends again what they sent, as clients do.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from deskbell.app import Application
from deskbell.ids import RoomId
from deskbell.model.records import Actor
from deskbell.testing.desk import PASSWORD, Line, _quick_hasher, settings_for
from deskbell.testing.office import Office
from deskbell.testing.ports import free_port

PATIENCE_S = 30.0
POINTS = ("before_commit", "after_commit", "after_ack", "after_publish")


class Process:
    """A server in a process of its own."""

    def __init__(self, url: str, log: Path, *, crash_at: str = "") -> None:
        self.port = free_port()
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, __file__, url, str(self.port)],
                env={**os.environ, "DESKBELL_CRASH_AT": crash_at},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.url = f"http://127.0.0.1:{self.port}"

    async def ready(self) -> None:
        async with asyncio.timeout(PATIENCE_S), httpx.AsyncClient(trust_env=False) as http:
            while True:
                assert self._process.poll() is None, self.log.read_text()[-3000:]
                with contextlib.suppress(httpx.TransportError):
                    await http.get(self.url + "/")
                    return
                await asyncio.sleep(0.03)

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            while self._process.poll() is None:
                await asyncio.sleep(0.01)
        return int(self._process.returncode)

    async def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        await self.ended()

    async def login(self, email: str) -> str:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=PATIENCE_S) as http:
            answer = await http.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            return str(answer.json()["access_token"])


@asynccontextmanager
async def serving(url: str, log: Path, *, crash_at: str = "") -> AsyncIterator[Process]:
    process = Process(url, log, crash_at=crash_at)
    try:
        await process.ready()
        yield process
    finally:
        await process.stop()


async def _two_people_in_a_room(url: str) -> tuple[RoomId, dict[str, Actor]]:
    async with Office.open(url) as office:
        people: dict[str, Actor] = {}
        for name in ("ana", "tom"):
            person = people[f"{name}@example.org"] = await office.person(name)
            await office.db.execute(
                "UPDATE users SET email = $2, password_hash = $3 WHERE id = $1",
                person.id, f"{name}@example.org", _quick_hasher.hash(PASSWORD),
            )  # fmt: skip
        room = await office.room(*people.values())
    return room, people


class Sender:
    """Somebody who sends, several at a time, and remembers what was asked and what was answered."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent: dict[str, str] = {}
        self.acked: dict[str, dict[str, Any]] = {}
        self._numbers = itertools.count(1)

    async def send_until_cut_off(self, line: Line, room: RoomId) -> None:
        async def one_after_the_other() -> None:
            while True:
                client_id = f"{self.name} {next(self._numbers)}"
                self.sent[client_id] = f"text of {client_id}"
                await self._send(line, room, client_id)

        await asyncio.gather(*(one_after_the_other() for _ in range(4)), return_exceptions=True)

    async def _send(self, line: Line, room: RoomId, client_id: str) -> None:
        reply = await line.ask({"type": "send", "room": room, "content": self.sent[client_id], "client_id": client_id})
        assert reply["type"] == "ack", reply
        self.acked[client_id] = reply

    async def send_all_again(self, line: Line, room: RoomId) -> dict[str, dict[str, Any]]:
        before, self.acked = self.acked, {}
        await asyncio.gather(*(self._send(line, room, client_id) for client_id in self.sent))
        return before


async def _stored(url: str, room: RoomId) -> dict[str, dict[str, Any]]:
    """The messages of a room by client id, read from the store itself."""
    async with Office.open(url) as office:
        found = await office.db.fetch("SELECT id, seq, client_id, content FROM messages WHERE room_id = $1", room)
        tip = await office.tip(room)
    assert len({row["client_id"] for row in found}) == len(found)
    assert sorted(row["seq"] for row in found) == list(range(tip - len(found) + 1, tip + 1)), "a number is missing"
    return {row["client_id"]: dict(row.items()) for row in found}


@pytest.mark.parametrize("point", POINTS)
async def test_what_was_acknowledged_survives_and_a_retry_stores_nothing_twice(
    database_url: str, tmp_path: Path, point: str
) -> None:
    room, people = await _two_people_in_a_room(database_url)
    senders = {email: Sender(email.split("@")[0]) for email in people}
    heard: list[dict[str, Any]] = []
    async with serving(database_url, tmp_path / "log", crash_at=f"{point}:12") as first:
        tokens = {email: await first.login(email) for email in people}
        listening = await Line.open(first.url, tokens["tom@example.org"])
        await listening.subscribe(room)
        lines = {email: await Line.open(first.url, token) for email, token in tokens.items()}
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(senders[email].send_until_cut_off(line, room) for email, line in lines.items()))
        assert await first.ended() == -signal.SIGKILL
        heard = [frame["message"] for frame in listening.frames if frame["type"] == "message"]
        for line in (*lines.values(), listening):
            await line.close()

    stored = await _stored(database_url, room)
    sent = {client_id: text for sender in senders.values() for client_id, text in sender.sent.items()}
    acked = {client_id: ack for sender in senders.values() for client_id, ack in sender.acked.items()}
    assert acked, "nothing was acknowledged before the crash"
    for client_id, ack in acked.items():
        assert (stored[client_id]["id"], stored[client_id]["seq"]) == (ack["id"], ack["seq"])
    for message in heard:
        assert stored[message["client_id"]]["id"] == message["id"], "told of what is not there"
    if point == "before_commit":
        assert sent.keys() - stored.keys(), "the last batch should not have been stored"
    if point == "after_commit":
        assert stored.keys() - acked.keys(), "the last batch should have been stored, and nobody told"

    async with serving(database_url, tmp_path / "log") as second:
        for email, token in tokens.items():
            line = await Line.open(second.url, token)
            async with asyncio.timeout(PATIENCE_S):
                before = await senders[email].send_all_again(line, room)
            now = senders[email].acked
            for client_id, ack in now.items():
                assert bool(ack.get("duplicate")) == (client_id in stored)
                if client_id in stored:
                    assert ack["id"] == stored[client_id]["id"]
            assert all(now[client_id]["id"] == ack["id"] for client_id, ack in before.items())
            await line.close()
        # Who listened goes on from the last thing they heard, and misses nothing.
        line = await Line.open(second.url, tokens["tom@example.org"])
        since = max((message["seq"] for message in heard), default=3)
        await line.subscribe(room, since=since)
        wanted = {text for client_id, text in sent.items() if client_id not in {m["client_id"] for m in heard}}
        async with asyncio.timeout(PATIENCE_S):
            while True:
                pages = [frame for frame in line.frames if frame["type"] in ("subscribed", "changes")]
                if not pages[-1]["more"]:
                    break
                await asyncio.sleep(0.01)
        assert wanted <= {message["content"] for page in pages for message in page["messages"]}
        await line.close()

    after = await _stored(database_url, room)
    assert {client_id: row["content"] for client_id, row in after.items()} == sent


@pytest.mark.parametrize(("point", "name"), [("before_commit", "old"), ("after_commit", "new")])
async def test_a_change_is_whole_or_has_not_happened(database_url: str, tmp_path: Path, point: str, name: str) -> None:
    """A room renamed while the process dies has one name or the other, and its number goes with it."""
    room, _ = await _two_people_in_a_room(database_url)
    async with Office.open(database_url) as office:
        await office.db.execute("UPDATE rooms SET name = 'old' WHERE id = $1", room)
        tip = await office.tip(room)
    async with serving(database_url, tmp_path / "log", crash_at=point) as first:
        token = await first.login("ana@example.org")
        async with httpx.AsyncClient(base_url=first.url, trust_env=False, timeout=PATIENCE_S) as http:
            with pytest.raises(httpx.TransportError):
                await http.patch(
                    f"/api/v1/rooms/{room}", json={"name": "new"}, headers={"Authorization": f"Bearer {token}"}
                )
        assert await first.ended() == -signal.SIGKILL
    async with Office.open(database_url) as office:
        row = await office.db.fetchrow("SELECT name, seq, changed_seq FROM rooms WHERE id = $1", room)
        assert row is not None
        changed = int(name == "new")
        assert (row["name"], row["seq"], row["changed_seq"]) == (name, tip + changed, tip + 1 if changed else 1)


async def _serve(url: str, port: int) -> None:
    application = await Application.open(settings_for(url))
    await application.server(host="127.0.0.1", port=port).serve()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))
