"""What agents are told of the conversations that the bot has: that the list they see is old, and how many there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from deskbell.contracts import BotEvent, Say, Turn
from deskbell.testing.desk import Desk, Line, Person
from deskbell.wire.events import bot_rooms_moved


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


@pytest_asyncio.fixture(loop_scope="session")
async def listening(desk: Desk) -> AsyncIterator[Line]:
    """An agent's socket; nothing that happened before is still to be told."""
    ana = await desk.agent("Ana")
    async with ana.line() as line:
        yield line


def counts(line: Line) -> list[int]:
    return [frame["bot"] for frame in line.frames if frame["type"] == "conversations"]


async def told(line: Line, *, after: int = 0) -> dict[str, Any]:
    return await line.find(lambda frame: frame["type"] == "conversations", after=after)


async def all_is_told(desk: Desk, line: Line) -> None:
    """Until agents have heard of all that happened so far."""
    quiet = 0
    while quiet < 2:
        heard = len(counts(line))
        await desk.application.edge.hub._tell_bot_rooms()
        await line.ask({"type": "ping"})
        quiet = quiet + 1 if len(counts(line)) == heard else 0


async def with_bot(person: Person) -> list[str]:
    """Which conversations the bot has, as an agent's list shows them."""
    found = (await person.get("/support/conversations", params={"owner": "bot", "limit": 100})).json()["items"]
    return [item["room"] for item in found]


async def test_agents_hear_when_the_bot_gets_and_loses_a_conversation(desk: Desk, listening: Line) -> None:
    """Opened, answered in, taken over, given back, asked out of, ended: each time the list is to be looked at again."""
    ana, maya = await desk.agent("Tom"), await desk.visitor("Maya")

    async def changes(count: int) -> None:
        nonlocal heard
        await listening.find(lambda f: f["type"] == "conversations" and f["bot"] == count, after=heard)
        heard = len(listening.frames)

    heard = len(listening.frames)
    room = await maya.conversation()
    before = len(await with_bot(ana)) - 1
    await changes(before + 1)
    assert room in await with_bot(ana)

    assert (await maya.post(f"/rooms/{room}/messages", {"content": "When does it arrive?"})).status_code == 201
    await changes(before + 1)

    assert (await ana.post(f"/rooms/{room}/take-over")).status_code == 200
    await changes(before)
    assert room not in await with_bot(ana)
    case = (await ana.get(f"/rooms/{room}")).json()["case"]
    assert (await ana.post(f"/cases/{case}/return", {"to": "bot"})).status_code == 200
    await changes(before + 1)
    assert (await maya.post(f"/rooms/{room}/escalate")).status_code in (200, 201)
    await changes(before)
    other = await maya.conversation(new=True)
    await changes(before + 1)
    assert (await maya.post(f"/rooms/{other}/end")).status_code == 200
    await changes(before)


async def test_what_was_taken_back_in_a_list_is_a_reason_to_look_again(desk: Desk, listening: Line) -> None:
    maya = await desk.visitor("Maya")
    room = await maya.conversation()
    async with maya.line() as writing:
        said = (await writing.says(room, "My password is hunter2"))["id"]
        await all_is_told(desk, listening)
        heard = len(listening.frames)
        assert (await writing.ask({"type": "delete", "message": said}))["type"] == "ack"
        await told(listening, after=heard)


async def test_what_a_visitor_writes_is_told_before_the_bot_has_answered(desk: Desk, listening: Line) -> None:
    """And to agents alone."""
    thought, over = asyncio.Event(), asyncio.Event()

    async def thinks(turn: Turn) -> AsyncIterator[BotEvent]:
        try:
            await thought.wait()
        finally:
            over.set()
        yield Say(f"About {turn.text}")

    maya = await desk.visitor()
    room = await maya.conversation()
    desk.bot.script = thinks
    try:
        async with maya.line() as writing:
            await all_is_told(desk, listening)
            heard = len(listening.frames)
            await writing.says(room, "When does it arrive?")
            await told(listening, after=heard)
            assert counts(writing) == [] and not over.is_set()
    finally:
        thought.set()
        desk.bot.script = None


async def test_the_cost_does_not_grow_with_what_is_said(desk: Desk, listening: Line) -> None:
    """Whatever moves, in however many conversations: agents hear of it once a second."""
    maya = await desk.visitor()
    await maya.conversation()
    hub = desk.application.edge.hub
    await all_is_told(desk, listening)
    before, began = len(counts(listening)), asyncio.get_running_loop().time()
    for _ in range(50):
        hub.on_events([bot_rooms_moved(desk.tenant)] * 20)
        await asyncio.sleep(0.01)
    seconds = asyncio.get_running_loop().time() - began
    await listening.ask({"type": "ping"})
    assert len(counts(listening)) - before <= seconds + 1


async def test_what_the_bot_has_no_part_in_is_nothing_to_look_at(desk: Desk, listening: Line) -> None:
    """Groups of members, a person's own conversation, another tenant's visitors."""
    ana, maya, tom = await desk.agent("Ana"), await desk.visitor("Maya"), await desk.member("Tom")
    room = await maya.conversation()
    assert (await ana.post(f"/rooms/{room}/take-over")).status_code == 200
    await all_is_told(desk, listening)
    heard = len(listening.frames)
    group = await tom.group(ana)
    assert (await tom.post(f"/rooms/{group}/messages", {"content": "Lunch?"})).status_code == 201
    assert (await maya.post(f"/rooms/{room}/messages", {"content": "Hello?"})).status_code == 201
    # What was said last in the case is told once a second, too: then the other would have been told.
    await listening.find(
        lambda f: f["type"] == "case" and (f["case"]["last"] or {}).get("text") == "Hello?", after=heard
    )
    assert [frame for frame in listening.frames[heard:] if frame["type"] == "conversations"] == []
    assert not desk.application.edge.hub._bot_rooms._moved
