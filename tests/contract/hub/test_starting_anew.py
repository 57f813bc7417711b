"""Whose position means nothing any more is told to start anew."""

from __future__ import annotations

import asyncio

import pytest

from deskbell.hub import healing
from deskbell.ids import RoomId

from .exchange import Exchange, room_of_two


async def test_a_position_from_another_life_of_the_room_is_reset(on_sqlite: Exchange) -> None:
    _ana, tom, room = await room_of_two(on_sqlite)
    tip = await on_sqlite.office.tip(room)
    epoch = f"1.{on_sqlite.office.db.incarnation}"
    for since, told in ((tip, "1.restored"), (tip + 1, epoch), (tip + 1, None)):
        line = await on_sqlite.listener(tom, room, since=since, epoch=told)
        assert line.frames == [{"type": "reset", "ref": "r", "room": room, "epoch": epoch}]
        assert line.connection.rooms == {}


async def test_who_is_a_thousand_changes_behind_resumes_and_who_is_further_starts_anew(on_sqlite: Exchange) -> None:
    ana, tom, room = await room_of_two(on_sqlite)
    since = await on_sqlite.office.tip(room)
    for _ in range(2):
        await asyncio.gather(*(on_sqlite.office.desk.sends(ana, room, f"{n}") for n in range(500)))
    near = on_sqlite.connect(tom)
    near.room(room).position = near.room(room).begun_at = since
    await on_sqlite.subscribe(near, room, since=since)
    await on_sqlite.level(near, room)
    assert len(near.room(room).new) == 1000

    await on_sqlite.office.desk.sends(ana, room, "one more")
    far = await on_sqlite.listener(tom, room, since=since)
    assert [frame["type"] for frame in far.frames] == ["reset"]


async def test_a_restored_store_is_found_out_by_its_tip(on_sqlite: Exchange) -> None:
    """The store has less than was told: everybody starts anew instead of waiting for numbers to come again."""
    ana, tom, room = await room_of_two(on_sqlite)
    for n in range(5):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    line = await on_sqlite.listener(tom, room)
    await _restore(on_sqlite, room, to=await on_sqlite.office.tip(room) - 3)

    await on_sqlite.hub.check_tips()
    assert [frame["type"] for frame in line.frames] == ["subscribed", "reset"]
    assert line.connection.rooms == {}


async def test_a_restored_store_is_found_out_by_a_heal(on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healing, "REORDER_S", 0.5)  # the hole is looked at after the store was restored
    ana, tom, room = await room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    on_sqlite.lose(await on_sqlite.office.tip(room) + 1)
    for n in range(5):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    await _restore(on_sqlite, room, to=await on_sqlite.office.tip(room) - 3)
    await on_sqlite.until(lambda: line.of("reset"), "a reset")


async def test_a_restored_store_is_found_out_by_who_is_catching_up(on_sqlite: Exchange) -> None:
    """Nobody is live yet, and the events were of a life of the store that is over: an end, not an endless loop."""
    ana, tom, room = await room_of_two(on_sqlite)
    line = on_sqlite.connect(tom)
    line.gate.clear()
    joining = asyncio.create_task(on_sqlite.subscribe(line, room))
    await on_sqlite.until(lambda: on_sqlite.hub.reads == 1, "the first page")
    await asyncio.sleep(0.05)
    for n in range(5):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    await _restore(on_sqlite, room, to=await on_sqlite.office.tip(room) - 3)
    line.gate.set()
    await joining
    assert line.frames[-1]["type"] == "reset"


async def test_another_epoch_in_the_tips_resets_the_room(on_sqlite: Exchange) -> None:
    _ana, tom, room = await room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    on_sqlite.hub.on_tips([(on_sqlite.office.tenant, room, await on_sqlite.office.tip(room), 2)])
    assert line.frames[-1] == {"type": "reset", "room": room, "epoch": f"2.{on_sqlite.office.db.incarnation}"}


async def _restore(exchange: Exchange, room: RoomId, *, to: int) -> None:
    await exchange.office.db.execute("DELETE FROM messages WHERE room_id = $1 AND seq > $2", room, to)
    await exchange.office.db.execute("UPDATE rooms SET seq = $2 WHERE id = $1", room, to)
