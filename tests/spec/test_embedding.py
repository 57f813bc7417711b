"""What the manual shows to those who write clients is run: what a reader copies works."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from deskbell.client import Client
from deskbell.testing.desk import PASSWORD, SITE_KEY, SITE_SECRET, Desk, Person

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATIENCE_S = 15


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


def blocks(page: str, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall((HOWTO / page).read_text("utf-8")) if kind == language]


def example(page: str, name: str) -> Any:
    """A Python block of a page, as the module its first line names."""
    [source] = [body for body in blocks(page, "python") if body.startswith(f"# {name}.py\n")]
    module = ModuleType(name)
    exec(compile(source, f"{page}:{name}.py", "exec"), module.__dict__)
    return module


def test_each_block_of_python_has_its_test_here() -> None:
    shown = [body.partition("\n")[0] for page in ("embed-a-client.md", "write-your-own-client.md") for body in
             blocks(page, "python")]  # fmt: skip
    assert shown == ["# ask.py", "# helper.py", "# identity.py", "# room_client.py"]


async def test_a_program_asks_and_is_answered(desk: Desk) -> None:
    desk.bot.answers("Like this.")
    async with asyncio.timeout(PATIENCE_S):
        answer = await example("embed-a-client.md", "ask").ask(desk.url, SITE_KEY, "How do I write a bot?")

    assert answer == "Like this."


async def test_a_program_greets_who_waits_and_who_comes_later(desk: Desk) -> None:
    early, late, kim = await desk.visitor("Early"), await desk.visitor("Late"), await desk.agent("Kim")
    rooms = [await early.conversation(), await late.conversation()]
    await early.post(f"/rooms/{rooms[0]}/escalate")
    helper = example("embed-a-client.md", "helper")
    running = asyncio.create_task(helper.greet_whoever_waits(desk.url, kim.email, PASSWORD))
    try:
        async with early.line() as line, late.line() as other:
            await line.subscribe(rooms[0])
            await line.hears(rooms[0], "Hello! A colleague is on the way.")
            await other.subscribe(rooms[1])
            await late.post(f"/rooms/{rooms[1]}/escalate")
            await other.hears(rooms[1], "Hello! A colleague is on the way.")
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_signed_identity_names_the_visitor(desk: Desk) -> None:
    identity = example("embed-a-client.md", "identity").identity_of("customer-7", "Ines", SITE_SECRET)
    async with Client.visitor(desk.url, SITE_KEY, identity) as client:
        async with asyncio.timeout(PATIENCE_S):
            await client.ready()
        assert client.user is not None and client.user.name == "Ines"


async def test_the_shown_requests_and_frames_are_understood(desk: Desk) -> None:
    """With the reader's own ids in their places."""
    [line_of_shell] = blocks("embed-a-client.md", "sh")
    words = shlex.split(line_of_shell)
    address = next(word for word in words if word.startswith("http"))
    body = words[words.index("-d") + 1].replace("demo-site", SITE_KEY)
    session = (await desk.http.post(address.partition("/api/v1")[2], json=json.loads(body))).json()
    maya = Person(desk, session)
    room = await maya.conversation()
    frames = [
        json.loads(body.replace('"ROOM"', json.dumps(room)).replace('"TOKEN"', json.dumps(maya.token)))
        for body in blocks("embed-a-client.md", "json")
    ]
    assert [frame["type"] for frame in frames] == ["subscribe", "send", "refresh"]
    async with maya.line() as line:
        replies = [(await line.ask(frame))["type"] for frame in frames]

    assert replies == ["subscribed", "ack", "ok"]


# The client of the page "write your own client".


@asynccontextmanager
async def own_client(desk: Desk, person: Person, room: str) -> AsyncIterator[Any]:
    async def token() -> str:
        return person.token

    made = example("write-your-own-client.md", "room_client")
    client = made.RoomClient(f"{desk.url.replace('http', 'ws')}/api/v1/ws", token, room)
    client.ending = asyncio.create_task(client.run())
    try:
        await desk.until(lambda: client.position is not None)
        yield client
    finally:
        client.ending.cancel()
        await asyncio.wait([client.ending])


async def stored(person: Person, room: str) -> list[tuple[int, str]]:
    items = (await person.get(f"/rooms/{room}/messages", params={"limit": 100})).json()["messages"]
    return [(message["seq"], message["content"]) for message in items]


def shown(client: Any) -> list[tuple[int, str]]:
    return [(message["seq"], message["content"]) for message in client.shown()]


def cut(desk: Desk, person: Person, code: int) -> None:
    for connection in desk.application.edge.hub.connections_of(desk.tenant, person.id):
        connection.out.close(code, "for the test")


async def test_it_misses_nothing_and_repeats_nothing_over_breaks(desk: Desk) -> None:
    """Others write, edit and delete while it is away, and so does its own user."""
    tom, ana = await desk.member("Tom"), await desk.member("Ana")
    room = await tom.group(ana)
    async with ana.line() as line, own_client(desk, tom, room) as client:
        await line.subscribe(room)
        first = (await line.says(room, "first"))["id"]
        second = (await line.says(room, "second"))["id"]
        for number in range(50):  # more than a fresh beginning would show
            await line.says(room, f"long ago {number}")
        await client.send("mine")
        await desk.until(lambda: len(client.messages) == 53 and not client.outbox)
        for number in range(3):
            edge = desk.application.edge
            edge.draining = True  # so that it cannot come back before there is something to miss
            cut(desk, tom, 4002)
            await desk.until(lambda: not client.ready)
            await client.send(f"said while away {number}")
            await line.says(room, f"missed {number}")
            if number == 1:
                await line.ask({"type": "edit", "message": first, "content": "first, put better"})
                await line.ask({"type": "delete", "message": second})
            edge.draining = False
            await desk.until(lambda: client.ready and not client.outbox)
        expected = await stored(tom, room)
        await desk.until(lambda: shown(client) == expected)

    assert [text for _, text in expected].count("said while away 1") == 1
    assert len(expected) == 59 and (expected[0][0] >= 1) and "first, put better" in dict(expected).values()


async def test_it_asks_again_when_a_number_is_missing(desk: Desk) -> None:
    tom, ana = await desk.member("Tom"), await desk.member("Ana")
    room = await tom.group(ana)
    async with ana.line() as line, own_client(desk, tom, room) as client:
        await line.says(room, "one")
        await line.says(room, "two")
        await desk.until(lambda: len(client.messages) == 2)
        heard = client.hear

        async def deaf_to_tips(frame: dict[str, Any]) -> None:
            if frame["type"] != "tips":
                await heard(frame)

        client.hear = deaf_to_tips
        client.position -= 2  # as if both had never come
        client.messages.clear()
        await line.says(room, "three")
        await desk.until(lambda: [text for _, text in shown(client)] == ["one", "two", "three"])


async def test_it_finds_that_the_last_message_never_came(desk: Desk) -> None:
    tom = await desk.member("Tom")
    room = await tom.group()
    async with own_client(desk, tom, room) as client:
        await client.send("the last one")
        await desk.until(lambda: client.messages and not client.outbox)
        client.position -= 1
        client.messages.clear()
        await client.hear({"type": "tips", "rooms": {room: client.position + 1}})
        await desk.until(lambda: [text for _, text in shown(client)] == ["the last one"])


async def test_it_begins_anew_when_its_place_is_no_longer_good(desk: Desk) -> None:
    tom = await desk.member("Tom")
    room = await tom.group()
    async with own_client(desk, tom, room) as client:
        await client.send("still here")
        await desk.until(lambda: not client.outbox and client.messages)
        client.epoch, before = "another", client.position
        cut(desk, tom, 4002)
        await desk.until(lambda: not client.ready)
        await desk.until(lambda: client.position == before and client.epoch != "another")
        assert [text for _, text in shown(client)] == ["still here"]


async def test_what_is_refused_leaves_its_outbox_and_a_final_close_ends_it(desk: Desk) -> None:
    tom = await desk.member("Tom")
    room = await tom.group()
    async with own_client(desk, tom, room) as client:
        await client.send("")
        await desk.until(lambda: client.refused and not client.outbox)
        cut(desk, tom, 4503)
        assert await asyncio.wait_for(client.ending, PATIENCE_S) == 4503
