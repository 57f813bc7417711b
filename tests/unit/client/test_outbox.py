"""What was said or asked is done once, over any number of sockets, and over a kill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deskbell.client import (
    Client,
    ConnectionOver,
    Delayed,
    Event,
    MessageChanged,
    MessageNew,
    Notebook,
    NotSent,
    Place,
    RoomLoaded,
    Sent,
)
from deskbell.errors import Blocked, RateLimited, Refused

from .scripted import ANA, ROOM, ManualClock, Peer, ScriptedDesk, until, visitor


async def test_a_message_said_while_away_is_sent_when_back(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        await client.ready()
        desk.welcomes = False
        desk.peer.cut()
        await until(lambda: len(desk.peers) == 2)
        sending = asyncio.create_task(client.send(ROOM, "are you there?"))
        await until(lambda: client.unsent())
        assert desk.peer.heard == []
        desk.welcomes = True
        desk.welcome(desk.peer)
        ack = await sending
        assert seen.of(Sent)[0].ack == ack
        assert [m["content"] for m in desk.messages.values()] == ["are you there?"]
        assert client.unsent() == []


async def test_a_lost_ack_does_not_say_it_twice(desk: ScriptedDesk) -> None:
    """The same client_id goes out again and the stored message comes back."""

    def lose_the_ack(peer: Peer, frame: dict[str, Any]) -> bool:
        if frame["type"] != "send":
            return False
        desk.by_client_id[frame["client_id"]] = desk.post(frame["content"], ANA, frame["client_id"])["id"]
        peer.cut()
        desk.answer = lambda peer, frame: False
        return True

    async with visitor(desk) as (client, _):
        await client.ready()
        desk.answer = lose_the_ack
        ack = await client.send(ROOM, "once")
        assert ack.duplicate and ack.message is not None and ack.message.content == "once"
        assert len(desk.messages) == 1
        sent = [peer.of("send")[0] for peer in desk.peers]
        assert sent[0]["client_id"] == sent[1]["client_id"]


async def test_other_requests_are_repeated_in_their_order(desk: ScriptedDesk) -> None:
    message = desk.post("typo", ANA)
    async with visitor(desk) as (client, _):
        await client.ready()
        desk.answer = lambda peer, frame: frame["type"] in ("edit", "react")  # no reply, and then a cut
        edits = asyncio.gather(client.edit(message["id"], "first"), client.edit(message["id"], "second"))
        await until(lambda: len(desk.peer.of("edit")) == 2)
        desk.answer = lambda peer, frame: False
        desk.peer.cut()
        await edits
        assert message["content"] == "second"


async def test_a_request_nobody_waits_for_is_not_repeated(desk: ScriptedDesk) -> None:
    message = desk.post("typo", ANA)
    async with visitor(desk) as (client, _):
        await client.ready()
        desk.answer = lambda peer, frame: frame["type"] == "edit"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.edit(message["id"], "changed my mind"), 0.05)
        desk.answer = lambda peer, frame: False
        desk.peer.cut()
        await until(lambda: len(desk.peers) == 2 and client.state == "live")
        await client.react(message["id"], "👍")
        assert desk.peer.of("edit") == [] and message["content"] == "typo"


def refuses(
    code: str, temporary: bool = False, times: int = 1, **fields: Any
) -> Callable[[Peer, dict[str, Any]], bool]:
    left = [times]

    def answer(peer: Peer, frame: dict[str, Any]) -> bool:
        if frame["type"] != "send" or left[0] == 0:
            return False
        left[0] -= 1
        peer.say({"type": "error", "ref": frame["ref"], "code": code, "message": f"It is {code}.",
                  "temporary": temporary, **fields})  # fmt: skip
        return True

    return answer


async def test_a_refusal_comes_back_by_its_class(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        desk.answer = refuses("blocked", details={"filter": "words"})
        with pytest.raises(Blocked, match="It is blocked") as refused:
            await client.send(ROOM, "rude")
        assert refused.value.details == {"filter": "words"}
        [event] = seen.of(NotSent)
        assert event.content == "rude" and client.unsent() == []
        desk.answer = refuses("plugin_says_no")
        with pytest.raises(Refused) as unknown:
            await client.send(ROOM, "odd")
        assert unknown.value.code == "plugin_says_no"


async def test_a_passing_refusal_is_waited_out_and_nothing_overtakes(desk: ScriptedDesk) -> None:
    """The message goes out again under its client_id when the server said; the next one waits for it."""
    clock = ManualClock()
    async with visitor(desk, clock=clock) as (client, seen):
        await client.ready()
        desk.answer = refuses("rate_limited", temporary=True, retry_after_ms=2_000)
        first = asyncio.create_task(client.send(ROOM, "first"))
        await until(lambda: seen.of(Delayed))
        assert seen.of(Delayed)[0].in_s == pytest.approx(2.0)
        assert isinstance(seen.of(Delayed)[0].error, RateLimited)
        second = asyncio.create_task(client.send(ROOM, "second"))
        await until(lambda: len(client.unsent(ROOM)) == 2)
        clock.advance(1.9)
        await asyncio.sleep(0.02)
        assert len(desk.peer.of("send")) == 1
        clock.advance(0.2)
        await asyncio.gather(first, second)
        assert [frame["content"] for frame in desk.peer.of("send")] == ["first", "first", "second"]
        assert len({frame["client_id"] for frame in desk.peer.of("send")}) == 2


async def test_who_has_no_patience_gets_the_passing_refusal(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, _):
        desk.answer = refuses("rate_limited", temporary=True, retry_after_ms=7)
        with pytest.raises(RateLimited) as refused:
            await client.send(ROOM, "now or never", patient=False)
        assert refused.value.retry_after_ms == 7
        assert client.unsent() == []


async def test_a_held_message_is_done_without_a_number(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, _):
        desk.answer = lambda peer, frame: (
            frame["type"] == "send"
            and (peer.say({"type": "ack", "ref": frame["ref"], "room": ROOM, "id": "m", "held": True}) or True)
        )
        ack = await client.send(ROOM, "hm")
        assert ack.held and ack.seq is None


async def test_the_outbox_outlives_the_process(desk: ScriptedDesk, tmp_path: Path) -> None:
    """What was said and not answered is sent by the next process, under the same client_id."""
    desk.answer = lambda peer, frame: frame["type"] == "send"
    async with visitor(desk, store=tmp_path / "me.jsonl") as (client, _):
        await client.ready()
        sending = asyncio.create_task(client.send(ROOM, "remember me"))
        await until(lambda: desk.peer.of("send"))
        frame = desk.peer.of("send")[0]
    with pytest.raises(ConnectionOver):
        await sending
    desk.answer = lambda peer, frame: False
    async with visitor(desk, store=tmp_path / "me.jsonl") as (client, seen):
        await until(lambda: seen.of(Sent))
        assert desk.peer.of("send")[0]["client_id"] == frame["client_id"]
        assert [m["content"] for m in desk.messages.values()] == ["remember me"]
    async with visitor(desk, store=tmp_path / "me.jsonl") as (client, seen):
        await client.ready()
        assert client.unsent() == []


async def test_a_restarted_process_goes_on_where_it_was(desk: ScriptedDesk, tmp_path: Path) -> None:
    """No hole and no repeat, also when the end came in the middle of a page."""
    store = tmp_path / "me.jsonl"
    desk.post("before")
    async with visitor(desk, store=store) as (client, seen):
        await client.subscribe(ROOM)
        desk.post("seen")
        await until(lambda: seen.new == ["seen"])
    for number in range(4):
        desk.post(str(number))

    class Killed(BaseException):
        """Not an error that anybody handles."""

    told: list[str] = []

    def handle_two(event: Event) -> None:
        if isinstance(event, MessageNew):
            if len(told) == 2:
                raise Killed
            told.append(event.message.content)

    client = Client(desk.url, token="access-1", store=store, on_event=handle_two, jitter=lambda: 0.0)
    async with client:
        waiting = asyncio.ensure_future(client.subscribe(ROOM))
        assert client._running is not None
        await asyncio.wait([client._running])
        assert isinstance(client._running.exception(), Killed)
    with pytest.raises(ConnectionOver):
        await waiting
    assert told == ["0", "1"]
    async with visitor(desk, store=store) as (client, seen):
        view = await client.subscribe(ROOM)
        assert seen.new == ["2", "3"]
        assert view.position == desk.seq
        assert seen.of(RoomLoaded) == []


async def test_what_was_told_before_a_kill_and_changed_since_is_not_new_again(
    desk: ScriptedDesk, tmp_path: Path
) -> None:
    """The process ended between two pages; the notebook knows what the first had told."""
    early = desk.post("early")
    desk.post("late")
    desk.change(early, content="early, edited")
    notebook = Notebook(tmp_path / "me.jsonl")
    notebook.set_place(ROOM, Place("e1", position=early["seq"], settled=early["seq"] - 1, told={early["seq"]}))
    notebook.close()
    async with visitor(desk, store=tmp_path / "me.jsonl") as (client, seen):
        await client.subscribe(ROOM)
        assert seen.new == ["late"]
        assert [event.message.content for event in seen.of(MessageChanged)] == ["early, edited"]
