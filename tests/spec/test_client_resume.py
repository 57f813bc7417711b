"""The client against the real server: followed over every break, said once, heard once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deskbell.client import (
    CaseChanged,
    Client,
    Event,
    MessageChanged,
    MessageNew,
    OwnCaseChanged,
    Reconnecting,
    RoomLoaded,
    Sent,
    Typing,
    Writing,
)
from deskbell.client.notebook import Notebook
from deskbell.errors import AlreadyClaimed, NotFound
from deskbell.testing.desk import PASSWORD, SITE_KEY, Desk

PATIENCE_S = 10


class Seen(list[Event]):
    def of(self, *kinds: type) -> list[Any]:
        return [event for event in self if isinstance(event, kinds)]

    def texts(self, kind: str) -> list[str]:
        return [e.message.content for e in self.of(MessageNew) if e.message.sender.kind == kind]


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.005)


@pytest.fixture
async def desk(sqlite_url: str) -> AsyncIterator[Desk]:
    async with Desk.open(sqlite_url) as desk:
        yield desk


@asynccontextmanager
async def visitor(desk: Desk, **kwargs: Any) -> AsyncIterator[tuple[Client, Seen]]:
    seen = Seen()
    async with Client.visitor(
        desk.url, SITE_KEY, name="Maya", on_event=seen.append, jitter=lambda: 0.0, **kwargs
    ) as client:
        yield client, seen


def cut(client: Client) -> None:
    """As a lost network does."""
    assert client._link.line is not None
    client._link.line.cut()


async def test_a_visitor_asks_and_hears_the_assistant(desk: Desk) -> None:
    desk.bot.streams("Returns ", "take ", "30 days.")
    async with visitor(desk) as (client, seen):
        room = await client.open_conversation()
        view = await client.subscribe(room.id)
        ack = await client.send(room.id, "How long do I have?")
        await until(lambda: seen.texts("bot") == ["Returns take 30 days."])
        assert ack.seq is not None and not ack.duplicate
        assert view.messages[ack.id].content == "How long do I have?"
        assert [e.text for e in seen.of(Writing)][:1] == ["Returns "]
        assert view.writing() == {}


async def test_what_happens_during_a_break_is_told_afterwards(desk: Desk) -> None:
    """New messages once and in order, changes as changes."""
    async with visitor(desk) as (client, seen):
        room = (await client.open_conversation()).id
        view = await client.subscribe(room)
        first = await client.send(room, "one")
        await until(lambda: len(seen.texts("bot")) == 1)
        agent = await desk.agent()
        await agent.post(f"/rooms/{room}/take-over")
        await until(
            lambda: view.state is not None and view.state.owner is not None and view.state.owner.kind == "agent"
        )
        for number in range(5):
            cut(client)
            for part in "ab":
                await agent.post(f"/rooms/{room}/messages", {"content": f"{number}{part}"})
            await client.edit(first.id, f"one, edited {number}")
        await until(lambda: len(seen.texts("agent")) == 10)
        assert seen.texts("agent") == [f"{number}{part}" for number in range(5) for part in "ab"]
        await until(lambda: view.messages[first.id].content == "one, edited 4")
        assert len(seen.of(Reconnecting)) == 5
        assert {e.message.id for e in seen.of(MessageChanged)} == {first.id}


async def test_a_message_is_stored_once_however_often_the_line_breaks(desk: Desk) -> None:
    async with visitor(desk) as (client, seen):
        room = (await client.open_conversation()).id
        await client.subscribe(room)

        async def break_the_line() -> None:
            for _ in range(15):
                await asyncio.sleep(0.02)
                if client._link.line is not None:
                    client._link.line.cut()

        breaking = asyncio.create_task(break_the_line())
        said = [f"word {number}" for number in range(30)]
        acks = await asyncio.gather(*(client.send(room, text) for text in said))
        await breaking
        assert len({ack.id for ack in acks}) == 30
        await until(lambda: len(seen.texts("visitor")) == 30)
        assert sorted(seen.texts("visitor")) == sorted(said)
        stored = await client.history(room, limit=100)
        assert sorted(m.content for m in stored.messages if m.sender.kind == "visitor") == sorted(said)


async def test_a_killed_client_goes_on_where_it_was(desk: Desk, tmp_path: Path) -> None:
    """The same visitor, the same room, no hole, no repeat; what was not sent is sent."""
    store = tmp_path / "maya.jsonl"
    async with visitor(desk, store=store) as (client, seen):
        room = (await client.open_conversation()).id
        await client.subscribe(room)
        await client.send(room, "before")
        await until(lambda: seen.texts("bot"))
        user = client.user
    notebook = Notebook(store)
    notebook.put_out({"type": "send", "room": room, "client_id": "c-unsent", "content": "while away"})
    notebook.close()
    agent = await desk.agent()
    await agent.post(f"/rooms/{room}/take-over")
    await agent.post(f"/rooms/{room}/messages", {"content": "I am here."})
    async with visitor(desk, store=store) as (client, seen):
        view = await client.subscribe(room)
        assert client.user == user
        await until(lambda: seen.of(Sent) and "while away" in seen.texts("visitor"))
        assert seen.texts("agent") == ["I am here."]
        assert seen.texts("visitor") == ["while away"] and seen.texts("bot") == []
        assert seen.of(RoomLoaded) == []
        assert view.live


async def test_a_restored_server_is_followed_afresh(desk: Desk) -> None:
    """Another epoch, another numbering: the room is loaded again and says so."""
    async with visitor(desk) as (client, seen):
        room = (await client.open_conversation()).id
        view = await client.subscribe(room)
        await client.send(room, "hello")
        await until(lambda: seen.texts("bot"))
        view.epoch = "another life"
        cut(client)
        await until(lambda: len(seen.of(RoomLoaded)) == 2)
        assert seen.of(RoomLoaded)[1].again and not seen.of(RoomLoaded)[1].gap
        assert [m.content for m in view.ordered()] == ["hello", "You said: hello"]


async def test_a_visitor_waits_and_an_agent_takes_the_case(desk: Desk) -> None:
    agents = [await desk.agent("Ines"), await desk.agent("Tom")]
    ringing = Seen()
    async with (
        visitor(desk) as (maya, seen),
        Client.login(desk.url, agents[0].email, PASSWORD, on_event=ringing.append) as ines,
        Client.login(desk.url, agents[1].email, PASSWORD) as tom,
    ):
        await asyncio.gather(ines.ready(), tom.ready())
        room = (await maya.open_conversation()).id
        view = await maya.subscribe(room)
        await maya.send(room, "It is broken.")
        await maya.escalate(room)
        await maya.escalate(room)
        await until(lambda: seen.of(OwnCaseChanged))
        assert seen.of(OwnCaseChanged)[0].position == 1
        await until(lambda: ringing.of(CaseChanged))
        [waiting] = await ines.cases_in("queue")
        assert waiting.room == room
        case = await ines.claim(waiting.id)
        assert case.status == "assigned"
        with pytest.raises(AlreadyClaimed):
            await tom.claim(waiting.id)
        behind = await ines.subscribe(room)
        assert "It is broken." in [m.content for m in behind.ordered()]
        ines.typing(room, True)
        await until(lambda: seen.of(Typing))
        await ines.note(room, "A regular.", "n-1")
        await ines.note(room, "A regular.", "n-1")
        notes = await ines.subscribe((await ines.backstage(room)).id)
        assert [m.content for m in notes.ordered()] == ["A regular."]
        await ines.send(room, "Hello, this is Ines.")
        await until(lambda: seen.texts("agent") == ["Hello, this is Ines."])
        assert "A regular." not in str(seen) and view.owner_version > 1
        await ines.resolve(case.id)
        await until(lambda: seen.of(OwnCaseChanged)[-1].status == "resolved")
        await maya.rate(room, 5, "Quick.")
        assert (await ines.case(case.id)).rating == 5
        with pytest.raises(NotFound):
            await maya.case(case.id)
