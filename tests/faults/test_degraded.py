"""The store is there and yet does not do what it is asked: it is full, crowded, or locked by somebody else.

Each cause is a real one on a real server, but for PostgreSQL's full disk: a trigger raises the error that
PostgreSQL raises then (53100). What is shown for all of them: sends are refused honestly, nothing is acknowledged
that is not stored, sockets stay, operators are told the cause, and it heals by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from deskbell.actions.operations import STORE_LACKS
from deskbell.store import postgres_backend
from deskbell.store.failures import Shortage
from deskbell.testing.desk import Desk
from deskbell.testing.sender import Sender
from deskbell.testing.servers import FAST_SETTINGS, PostgresServer

log = logging.getLogger(__name__)

PATIENCE_S = 40.0
SENDERS = 4
CROWD = 24
"""How many connections the crowded server takes."""


@pytest.fixture
def crowded_server() -> Iterator[PostgresServer]:
    settings = {"max_connections": f"{CROWD}", "superuser_reserved_connections": "0", "autovacuum": "off"}
    with PostgresServer({**FAST_SETTINGS, **settings}) as server:
        yield server


async def through(
    desk: Desk, trouble: AbstractAsyncContextManager[None], cause: Shortage, *, codes: frozenset[str] = frozenset()
) -> None:
    """People talk before, while and after something is the matter with the store; see the module for what must hold."""
    ana, tom = await desk.member("Ana"), await desk.member("Tom")
    admin = await desk.agent("Root", role="admin")
    room = await ana.group(tom)
    speaking, listening = await ana.connect(), await tom.connect()
    await listening.subscribe(room)
    senders = [Sender(f"{n}", speaking, room) for n in range(SENDERS)]
    over = asyncio.Event()
    sending = [asyncio.create_task(sender.run(over)) for sender in senders]

    def acked() -> int:
        return sum(len(sender.acked) for sender in senders)

    async def health() -> tuple[int, str]:
        answer = await admin.get("/health/ready")
        return answer.status_code, answer.text

    await desk.until(lambda: acked() >= 20, patience_s=PATIENCE_S)
    async with trouble:
        before = [len(sender.refused) for sender in senders]
        await desk.until(
            lambda: all(len(sender.refused) > n for sender, n in zip(senders, before, strict=True)),
            patience_s=PATIENCE_S,
        )
        at_most = acked()
        assert speaking.closed is None
        assert (await listening.ask({"type": "ping"}))["type"] == "pong"
        await asyncio.sleep(0.5)
        assert acked() == at_most, "acknowledged though nothing could be stored"
        status, told = await health()
        assert STORE_LACKS[cause] in told, f"{status}: {told}"
        public = await desk.http.get("/health/ready", headers={"X-Forwarded-For": "203.0.113.7"})
        assert STORE_LACKS[cause] not in public.text, "the cause is the operators' business"

    mended = asyncio.get_running_loop().time()
    await desk.until(lambda: acked() > at_most, patience_s=PATIENCE_S)
    healed_s = asyncio.get_running_loop().time() - mended
    await desk.until(lambda: acked() >= at_most + 20, patience_s=PATIENCE_S)
    over.set()
    await asyncio.gather(*sending)
    status, told = await health()
    assert status == 200
    assert cause == "locks" or STORE_LACKS[cause] not in told
    log.info("%s: first acknowledgement %.2f s after the cause was gone", cause, healed_s)

    refused = [reply for sender in senders for reply in sender.refused]
    assert {reply["code"] for reply in refused} <= {"unavailable", *codes}
    assert all(reply["temporary"] and reply["retry_after_ms"] > 0 for reply in refused)
    assert speaking.closed is None and listening.closed is None
    rows = await desk.application.ports.db.fetch("SELECT id, seq, client_id FROM messages WHERE room_id = $1", room)
    stored = {row["client_id"]: (row["id"], row["seq"]) for row in rows}
    assert len(stored) == len(rows)
    assert stored == {
        client_id: (ack["id"], ack["seq"]) for sender in senders for client_id, ack in sender.acked.items()
    }

    def learned() -> list[str]:
        """Told as they came, or, where the outcome of a commit was unknown, as what had been missing."""
        missing = [frame for frame in listening.frames if frame["type"] == "changes" and frame["room"] == room]
        healed = {message["content"] for frame in missing for message in frame["messages"] if message["kind"] == "text"}
        heard = listening.heard(room)
        return [*heard, *(healed - set(heard))]

    await desk.until(lambda: sorted(learned()) == sorted(stored), patience_s=PATIENCE_S)


# too many connections


async def test_a_database_that_lets_no_more_connections_in(crowded_server: PostgresServer) -> None:
    """Somebody else has taken all of them, and ours were ended: we wait for room, and find it."""
    url = crowded_server.create_database("deskbell")

    @asynccontextmanager
    async def a_crowd() -> AsyncIterator[None]:
        crowd = [await asyncpg.connect(url)]
        try:
            async with asyncio.timeout(PATIENCE_S):
                # Each of ours that ends makes room, which we are faster to take than it is to come back; or again.
                while await crowd[0].fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'deskbell'"
                ):
                    await crowd[0].execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'deskbell'"
                    )
                    while True:
                        try:
                            crowd.append(await asyncpg.connect(url))
                        except asyncpg.TooManyConnectionsError:
                            break
            yield
        finally:
            for connection in crowd:
                await connection.close()

    async with Desk.open(url, store={"pool_size": 4}) as desk, asyncio.timeout(90):
        await through(desk, a_crowd(), "connections", codes=frozenset({"unknown_outcome"}))


async def test_a_pool_that_somebody_never_gives_back(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All connections of this instance hang in something else; whoever needs one is told within the time allowed."""
    monkeypatch.setattr(postgres_backend, "ACQUIRE_TIMEOUT_S", 0.5)

    async with Desk.open(postgres_url, store={"pool_size": 2}) as desk, asyncio.timeout(90):
        db = desk.application.ports.db

        @asynccontextmanager
        async def hangers_on() -> AsyncIterator[None]:
            let_go, tasks = asyncio.Event(), []

            async def hang() -> None:
                async with db.transaction() as tx:
                    await tx.fetchval("SELECT 1")
                    await let_go.wait()

            tasks = [asyncio.create_task(hang()) for _ in range(2)]
            try:
                yield
            finally:
                let_go.set()
                await asyncio.gather(*tasks)

        await through(desk, hangers_on(), "pool")


# a server that answers nothing


@asynccontextmanager
async def standing_still(server: PostgresServer) -> AsyncIterator[None]:
    """Stopped as by SIGSTOP: the system takes connections in its name, and nobody reads what they say."""
    await asyncio.to_thread(server.pause)
    try:
        yield
    finally:
        await asyncio.to_thread(server.resume)


async def test_a_database_that_keeps_its_connections_and_answers_nothing(own_postgres_server: PostgresServer) -> None:
    url = own_postgres_server.create_database("deskbell")
    async with Desk.open(url) as desk, asyncio.timeout(90):
        await through(desk, standing_still(own_postgres_server), "silent", codes=frozenset({"unknown_outcome"}))


async def test_whoever_asks_a_silent_database_is_told_long_before_a_statement_may_time_out(
    own_postgres_server: PostgresServer,
) -> None:
    """The first within seconds, whatever they ask; from then on everybody at once, until it answers again."""
    url = own_postgres_server.create_database("deskbell")
    async with Desk.open(url) as desk, asyncio.timeout(90):
        ana = await desk.member("Ana")
        room = await ana.group(await desk.member("Tom"))
        async with standing_still(own_postgres_server):
            async with asyncio.timeout(9):  # a statement may take 10
                asked = await asyncio.gather(
                    ana.get("/rooms"),
                    ana.get(f"/rooms/{room}/messages"),
                    ana.post(f"/rooms/{room}/messages", {"content": "is anybody there?"}),
                    ana.call("PATCH", f"/rooms/{room}", json={"name": "anybody"}),
                    ana.get("/health/ready"),
                )
            assert [answer.status_code for answer in asked] == [503] * 5
            assert {answer.json()["error"]["code"] for answer in asked} <= {"unavailable", "unknown_outcome"}
            async with asyncio.timeout(1.5):  # it is known by now: nobody is made to wait
                assert (await ana.get("/rooms")).status_code == 503
                assert STORE_LACKS["silent"] in (await ana.get("/health/ready")).text
        while (await ana.get("/rooms")).status_code != 200:
            await asyncio.sleep(0.05)
        assert (await ana.get("/health/ready")).status_code == 200


# a full disk


@asynccontextmanager
async def full_file(desk: Desk) -> AsyncIterator[None]:
    """The SQLite file may not grow by a page: the error is the one SQLite raises when the disk has no more room."""
    writer = desk.application.ports.db._backend._writer

    def limit(raw: Any, pages: int) -> int:
        return int(raw.execute(f"PRAGMA max_page_count = {pages}").fetchone()[0])

    async with desk.application.ports.db._backend._write_lock:
        most = await writer.run(lambda raw: limit(raw, 0))
        await writer.run(lambda raw: limit(raw, raw.execute("PRAGMA page_count").fetchone()[0]))
    try:
        yield
    finally:
        async with desk.application.ports.db._backend._write_lock:
            await writer.run(lambda raw: limit(raw, most))


async def test_a_sqlite_file_that_cannot_grow(sqlite_url: str) -> None:
    async with Desk.open(sqlite_url) as desk, asyncio.timeout(90):
        await through(desk, full_file(desk), "disk")


async def test_a_postgresql_whose_disk_is_full(postgres_url: str) -> None:
    """By a trigger that raises what PostgreSQL raises then, class 53: a real full disk needs a disk of its own."""
    full = """
        CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER no_room BEFORE INSERT ON messages FOR EACH STATEMENT EXECUTE FUNCTION no_room();
    """

    @asynccontextmanager
    async def full_disk() -> AsyncIterator[None]:
        connection = await asyncpg.connect(postgres_url)
        try:
            await connection.execute(full)
            yield
            await connection.execute("DROP FUNCTION no_room CASCADE")
        finally:
            await connection.close()

    async with Desk.open(postgres_url) as desk, asyncio.timeout(90):
        await through(desk, full_disk(), "disk")


# locks


@asynccontextmanager
async def holding(url: str, statement: str, *arguments: object) -> AsyncIterator[None]:
    """A transaction of somebody else that does not end."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute(statement, *arguments)
            yield
    finally:
        await connection.close()


async def test_a_table_that_somebody_locks(postgres_url: str) -> None:
    async with Desk.open(postgres_url) as desk, asyncio.timeout(90):
        await through(desk, holding(postgres_url, "LOCK TABLE messages IN EXCLUSIVE MODE"), "locks")


async def test_a_room_that_somebody_holds_costs_the_other_rooms_nothing(postgres_url: str) -> None:
    """In one lane with it they are stored all the while; what was said in it is in order when it is free again."""
    async with Desk.open(postgres_url, store={"lanes": 1, "lane_wait_s": 2.5}) as desk, asyncio.timeout(90):
        ana, tom = await desk.member("Ana"), await desk.member("Tom")
        admin = await desk.agent("Root", role="admin")
        held, *rooms = [await ana.group(tom) for _ in range(5)]
        line = await ana.connect()
        inside = [Sender(f"inside {n}", line, held) for n in range(2)]
        outside = [Sender(f"outside {n}", line, room) for n, room in enumerate(rooms)]
        over = asyncio.Event()
        sending = [asyncio.create_task(sender.run(over)) for sender in (*inside, *outside)]
        await desk.until(lambda: all(sender.acked for sender in (*inside, *outside)), patience_s=PATIENCE_S)

        def elsewhere() -> int:
            return sum(len(sender.acked) for sender in outside)

        locked = "SELECT 1 FROM rooms WHERE id = $1 FOR UPDATE"
        async with holding(postgres_url, locked, held):
            at_first, before = elsewhere(), sum(len(sender.acked) for sender in inside)
            for sender in outside:
                sender.longest_s = 0.0
            # Their wait is over once, and they have tried again.
            await desk.until(lambda: all(len(sender.refused) >= 2 for sender in inside), patience_s=PATIENCE_S)
            meanwhile = elsewhere() - at_first
            longest_s = max(sender.longest_s for sender in outside)
            told = (await admin.get("/health/ready")).json()["detail"]
            assert told["degraded"] == ["store: locks"]
            assert told["problems"] == [STORE_LACKS["locks"]]
            assert sum(len(sender.acked) for sender in inside) <= before + len(inside)
        await desk.until(lambda: sum(len(sender.acked) for sender in inside) >= before + 10, patience_s=PATIENCE_S)
        over.set()
        await asyncio.gather(*sending)
        log.info("a held room: %s stored in others meanwhile, longest wait %.2f s", meanwhile, longest_s)

        assert [reply for sender in outside for reply in sender.refused] == []
        assert meanwhile > 200
        assert all(r["code"] == "unavailable" and r["retry_after_ms"] > 0 for s in inside for r in s.refused)
        rows = await desk.application.ports.db.fetch(
            "SELECT client_id FROM messages WHERE room_id = $1 ORDER BY seq", held
        )
        for sender in inside:
            said = [row["client_id"] for row in rows if row["client_id"].startswith(sender.name)]
            assert said == list(sender.acked)
