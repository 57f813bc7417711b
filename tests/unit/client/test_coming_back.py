"""A connection that is lost comes back, and one that is over says why."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from deskbell.client import Closed, ConnectionOver, Event, EventsLost, Live, Notebook, Reconnecting
from deskbell.errors import Unauthenticated

from .scripted import ROOM, ManualClock, ScriptedDesk, until, visitor


@pytest.mark.parametrize("code", [1001, 1011, 1012, 4001, 4002, 4008, 4010, 4012, 4013])
async def test_below_4500_the_client_comes_back(desk: ScriptedDesk, code: int) -> None:
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.close(code, "for now")
        await until(lambda: len(desk.peers) == 2 and view.live)
        assert desk.peer.of("subscribe")[0]["rooms"] == [{"id": ROOM, "epoch": "e1", "since": view.position}]
        assert [(e.code, e.reason) for e in seen.of(Reconnecting)] == [(code, "for now")]
        assert [event.again for event in seen.of(Live)] == [False, True]


@pytest.mark.parametrize("code", [4500, 4501, 4502, 4503, 4504, 4509, 4999])
async def test_from_4500_on_it_is_over_and_says_why(desk: ScriptedDesk, code: int) -> None:
    async with visitor(desk) as (client, seen):
        await client.subscribe(ROOM)
        desk.answer = lambda peer, frame: True
        waiting = asyncio.ensure_future(client.escalate(ROOM))
        await until(lambda: desk.peer.of("escalate"))
        desk.peer.say({"type": "error", "code": "revoked", "message": "You were logged out.", "temporary": False})
        desk.peer.close(code)
        with pytest.raises(ConnectionOver, match="You were logged out") as over:
            await waiting
        assert over.value.close_code == code
        with pytest.raises(ConnectionOver):
            await client.send(ROOM, "hello?")
        assert client.state == "closed" and seen[-1] == Closed(code, over.value)
        assert seen.of(Reconnecting) == [] and len(desk.peers) == 1


async def test_an_expired_token_is_renewed_before_coming_back(desk: ScriptedDesk, tmp_path: Path) -> None:
    """The refresh token is used once; its successor is kept."""
    async with visitor(desk, store=tmp_path / "me.jsonl") as (client, seen):
        await client.ready()
        desk.peer.close(4004)
        await until(lambda: len(desk.peers) == 2 and client.state == "live")
        assert [(path, body, auth) for _, path, body, auth in desk.calls[1:]] == [
            ("/auth/refresh", {"refresh_token": "refresh-1"}, ""),
            ("/ws-tickets", {}, "Bearer access-2"),
        ]
        assert seen.of(Reconnecting)[0].in_s == 0
    kept = Notebook(tmp_path / "me.jsonl")
    assert kept.refresh_token == "refresh-2"
    kept.close()


async def test_without_a_way_to_a_new_token_expiry_is_the_end(desk: ScriptedDesk) -> None:
    async with visitor(desk, refresh=None) as (client, seen):
        await client.ready()
        desk.peer.close(4004)
        await until(lambda: client.state == "closed")
        assert "Log in again" in str(seen.of(Closed)[0].error)


async def test_a_refresh_token_that_is_refused_is_the_end(desk: ScriptedDesk) -> None:
    desk.replies["POST", "/auth/refresh"] = (401, {"error": {"code": "revoked", "message": "Used twice."}})
    async with visitor(desk, token=None) as (client, seen):
        with pytest.raises(Unauthenticated, match="Used twice"):
            await client.ready()
        assert [type(event).__name__ for event in seen] == ["Connecting", "Closed"]


async def test_an_open_socket_is_given_the_new_token_in_time(desk: ScriptedDesk) -> None:
    clock = ManualClock()
    desk.heartbeat_ms = 10_000_000
    async with visitor(desk, clock=clock) as (client, _):
        await client.ready()
        await until(lambda: clock.sleeping >= 2)
        clock.advance(721)  # four fifths of a quarter of an hour
        await until(lambda: desk.peer.of("refresh"))
        assert desk.peer.of("refresh")[0]["token"] == "access-2"


async def test_a_rest_call_renews_an_expired_token_once(desk: ScriptedDesk) -> None:
    def me() -> tuple[int, Any]:
        if desk.calls[-1][3] == "Bearer access-1":
            return 401, {"error": {"code": "token_expired", "message": "Expired."}}
        return 200, {"name": "Ana"}

    desk.replies["GET", "/me"] = (200, me)
    async with visitor(desk) as (client, _):
        await client.ready()
        answers = await asyncio.gather(client.rest("GET", "/me"), client.rest("GET", "/me"))
        assert answers == [{"name": "Ana"}] * 2
        assert sum(path == "/auth/refresh" for _, path, _, _ in desk.calls) == 1


async def test_pauses_grow_with_full_jitter_up_to_half_a_minute(desk: ScriptedDesk) -> None:
    """Each pause is a random part of a growing whole, so that many clients do not come back as one."""
    clock = ManualClock()
    desk.replies["POST", "/ws-tickets"] = (500, b"<html>bad gateway</html>")
    chances = itertools.cycle([1.0, 0.5])
    async with visitor(desk, clock=clock, jitter=lambda: next(chances)) as (_, seen):
        for number in range(1, 10):
            await until(lambda number=number: len(seen.of(Reconnecting)) == number)
            await until(lambda: clock.sleeping)
            clock.advance(31)
        pauses = [event.in_s for event in seen.of(Reconnecting)]
        assert pauses == [1, 1, 4, 4, 16, 15, 30, 15, 30]


async def test_a_drained_server_is_left_when_it_said(desk: ScriptedDesk) -> None:
    """Not at once and not by a pause of one's own: the server has spread its clients over time."""
    clock = ManualClock()
    async with visitor(desk, clock=clock, jitter=lambda: 1.0) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.say({"type": "drain", "reconnect_in_ms": 5_000})
        desk.post("still here")
        await until(lambda: seen.new == ["still here"])
        sleepers = clock.sleeping
        clock.advance(2)
        desk.peer.close(4001)
        await until(lambda: seen.of(Reconnecting))
        assert seen.of(Reconnecting)[0].in_s == pytest.approx(3)
        assert sleepers and len(desk.peers) == 1
        await until(lambda: clock.sleeping)
        clock.advance(3)
        await until(lambda: len(desk.peers) == 2 and view.live)


async def test_a_drained_server_that_forgets_to_close_is_left_too(desk: ScriptedDesk) -> None:
    clock = ManualClock()
    async with visitor(desk, clock=clock) as (client, seen):
        await client.ready()
        before = clock.sleeping
        desk.peer.say({"type": "drain", "reconnect_in_ms": 5_000})
        await until(lambda: clock.sleeping > before)
        clock.advance(5)
        await until(lambda: len(desk.peers) == 2 and client.state == "live")
        assert seen.of(Reconnecting)[0].in_s == 0


async def test_the_servers_ping_is_answered(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, _):
        await client.ready()
        desk.peer.say({"type": "ping"})
        await until(lambda: desk.peer.of("pong"))


async def test_a_silent_line_is_asked_then_left(desk: ScriptedDesk) -> None:
    """After 1.5 heartbeats of silence the client pings; an answer keeps the line, after 2 it is left."""
    clock = ManualClock()
    desk.heartbeat_ms = 30_000
    async with visitor(desk, clock=clock, refresh=None) as (client, seen):
        await client.ready()
        for pings in (1, 2):
            await until(lambda: clock.sleeping)
            clock.advance(45)
            await until(lambda pings=pings: len(desk.peer.of("ping")) == pings)
            heard_at = clock.now_s
            await until(
                lambda heard_at=heard_at: client._link.line is not None and client._link.line.heard_at == heard_at
            )
            clock.advance(15)  # the answer has reset the count: this is no reason to leave
            await until(lambda: clock.sleeping)
            assert len(desk.peers) == 1
            clock.advance(-15)
        desk.answer = lambda peer, frame: True
        clock.advance(45)
        await until(lambda: len(desk.peer.of("ping")) == 3)
        await until(lambda: clock.sleeping)
        clock.advance(15)
        await until(lambda: len(desk.peers) == 2 and client.state == "live")
        assert [event.code for event in seen.of(Reconnecting)] == [1006]


async def test_closing_is_no_error_and_ends_the_iteration(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        events = client.events()
        await client.subscribe(ROOM)
    told = [event async for event in events]
    assert told[-1] == Closed(1000, None) == seen[-1]
    assert not any(task.get_name().startswith("deskbell.client") for task in asyncio.all_tasks())


async def test_who_reads_events_too_slowly_is_told_so(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, _):
        events = client.events(limit=3)
        view = await client.subscribe(ROOM)
        for number in range(5):
            desk.post(str(number))
        await until(lambda: view.position == desk.seq)
        with pytest.raises(EventsLost):
            _ = [event async for event in events]
        assert len(view.messages) == 5


async def test_a_handler_that_fails_does_not_take_the_client_down(desk: ScriptedDesk) -> None:
    def fail(event: Event) -> None:
        raise ValueError(event)

    async with visitor(desk, on_event=fail) as (client, _):
        view = await client.subscribe(ROOM)
        desk.post("hello")
        await until(lambda: view.position == desk.seq)
