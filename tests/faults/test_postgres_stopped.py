"""PostgreSQL goes away under load and comes back: refused honestly meanwhile, nothing lost, nobody cut off."""

from __future__ import annotations

import asyncio

import pytest

from deskbell.errors import DeskbellError, Unavailable
from deskbell.store.migrate import migrate
from deskbell.store.posting import Posted
from deskbell.testing.desk import Desk
from deskbell.testing.office import Office
from deskbell.testing.sender import Sender
from deskbell.testing.servers import PostgresServer

PATIENCE_S = 40.0
SENDERS = 6


async def test_postgresql_stopped_and_started_under_load(own_postgres_server: PostgresServer) -> None:
    """Sends are refused with a hint when to try again; no acknowledgement is lost; it heals by itself."""
    url = own_postgres_server.create_database("deskbell")
    async with Desk.open(url) as desk, asyncio.timeout(90):
        ana, tom = await desk.member("Ana"), await desk.member("Tom")
        room = await ana.group(tom)
        speaking, listening = await ana.connect(), await tom.connect()
        await listening.subscribe(room)
        senders = [Sender(f"{n}", speaking, room) for n in range(SENDERS)]
        over = asyncio.Event()
        sending = [asyncio.create_task(sender.run(over)) for sender in senders]

        def acked() -> int:
            return sum(len(sender.acked) for sender in senders)

        await desk.until(lambda: acked() >= 50, patience_s=PATIENCE_S)
        await asyncio.to_thread(own_postgres_server.stop, "immediate")
        await desk.until(lambda: all(sender.refused for sender in senders), patience_s=PATIENCE_S)
        at_most = acked()
        # The sockets are there, and alive.
        assert speaking.closed is None and listening.closed is None
        assert (await listening.ask({"type": "ping"}))["type"] == "pong"
        edit = await ana.call("PATCH", f"/rooms/{room}", json={"name": "while it is away"})
        assert (edit.status_code, edit.json()["error"]["code"]) == (503, "unavailable"), edit.text
        await asyncio.sleep(1.0)
        assert acked() == at_most, "acknowledged though nothing could be stored"

        await asyncio.to_thread(own_postgres_server.start)
        await desk.until(lambda: acked() >= at_most + 50, patience_s=PATIENCE_S)
        over.set()
        await asyncio.gather(*sending)
        assert (await ana.call("PATCH", f"/rooms/{room}", json={"name": "back again"})).status_code == 200

        refused = [reply for sender in senders for reply in sender.refused]
        assert {reply["code"] for reply in refused} <= {"unavailable", "unknown_outcome"}
        assert all(reply["temporary"] and reply["retry_after_ms"] > 0 for reply in refused)
        assert "unavailable" in {reply["code"] for reply in refused}
        assert speaking.closed is None and listening.closed is None

        # What was acknowledged is there, once, under the id and number that were told.
        rows = await desk.application.ports.db.fetch("SELECT id, seq, client_id FROM messages WHERE room_id = $1", room)
        stored = {row["client_id"]: (row["id"], row["seq"]) for row in rows}
        assert len(stored) == len(rows)
        assert stored == {
            client_id: (ack["id"], ack["seq"]) for sender in senders for client_id, ack in sender.acked.items()
        }
        # And who listened has heard all of it, each once, in order, without connecting anew.
        last = max(seq for _, seq in stored.values())

        def heard() -> list[int]:
            """The births of messages in the order they were told, alone or in a page."""
            found = [
                [frame["message"]] if frame["type"] == "message" else frame["messages"]
                for frame in listening.frames
                if frame["type"] in ("message", "changes")
            ]
            return [message["seq"] for messages in found for message in messages]

        await desk.until(lambda: last in heard(), patience_s=PATIENCE_S)
        assert heard() == sorted(seq for _, seq in stored.values())


async def test_what_was_being_written_when_it_stopped_is_refused_and_not_there(
    own_postgres_server: PostgresServer,
) -> None:
    """Between the room's lock and the commit: no acknowledgement is made up for it, and a retry stores it once."""
    url = own_postgres_server.create_database("deskbell")
    await migrate(url)
    async with Office.open(url) as office, asyncio.timeout(60):
        ana = await office.person("Ana")
        room = await office.room(ana)
        locked = asyncio.Event()

        async def lock_the_room() -> None:
            async with office.db.transaction() as tx:
                await tx.fetch("SELECT 1 FROM rooms WHERE id = $1 FOR UPDATE", room)
                locked.set()
                await tx.fetch("SELECT pg_sleep(30)")

        locking = asyncio.create_task(lock_the_room())
        await locked.wait()
        caught = office.desk.post(ana, room, "caught in it", client_id="caught")
        await asyncio.sleep(0.1)
        await asyncio.to_thread(own_postgres_server.stop, "immediate")
        await asyncio.gather(locking, return_exceptions=True)
        outcomes = [await caught, await office.desk.post(ana, room, "while it is away", client_id="away")]
        assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
        assert all(isinstance(outcome, DeskbellError) and outcome.retry_after_ms for outcome in outcomes)
        with pytest.raises(Unavailable):
            async with office.desk.journal.change(office.tenant, room):
                pass

        await asyncio.to_thread(own_postgres_server.start)
        assert await office.texts(room) == []
        again = [
            await office.desk.post(ana, room, "caught in it", client_id="caught"),
            await office.desk.post(ana, room, "while it is away", client_id="away"),
        ]
        assert all(isinstance(outcome, Posted) and not outcome.duplicate for outcome in again)
        assert await office.texts(room) == ["caught in it", "while it is away"]
