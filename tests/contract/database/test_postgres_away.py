"""PostgreSQL comes and goes, and is silent: nobody is told what is not known, and it heals by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deskbell.ids import new_id
from deskbell.store import postgres_backend, pulse
from deskbell.store.database import Database, OutcomeUnknown, StoreConflict, StoreError, StoreUnavailable
from deskbell.store.migrate import migrate
from deskbell.testing.servers import PostgresServer

from .things import MODELS, TENANT, Thing, add, count, enter, outside


@pytest_asyncio.fixture(loop_scope="session")
async def pg(empty_postgres_url: str, scratch: Path) -> AsyncIterator[Database]:
    await migrate(empty_postgres_url, folder=scratch)
    database = await Database.open(empty_postgres_url, models=MODELS)
    yield database
    await database.close()


async def _end_connections(url: str, *, running: str) -> None:
    """Kill, from a connection of one's own, those that run a certain statement."""
    import asyncpg

    con = await asyncpg.connect(url)
    try:
        killed = 0
        while not killed:
            killed = await con.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND state = 'active' AND query LIKE $1",
                running,
            )
            await asyncio.sleep(0.01)
    finally:
        await con.close()


async def test_a_connection_lost_during_commit_leaves_the_outcome_unknown(
    pg: Database, empty_postgres_url: str
) -> None:
    await pg.execute(
        "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(8); RETURN NULL; END $$"
    )
    await pg.execute(
        "CREATE CONSTRAINT TRIGGER dozes AFTER INSERT ON parts DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION doze()"
    )
    killer = asyncio.create_task(_end_connections(empty_postgres_url, running="COMMIT%"))
    with pytest.raises(OutcomeUnknown):
        async with pg.transaction() as tx:
            thing = await add(tx)
            await tx.execute("INSERT INTO parts (tenant_id, thing_id) VALUES ($1, $2)", TENANT, thing)
    await killer
    assert await count(pg) in (0, 1)


async def test_a_connection_lost_before_commit_wrote_nothing(pg: Database, empty_postgres_url: str) -> None:
    killer = asyncio.create_task(_end_connections(empty_postgres_url, running="SELECT pg_sleep%"))
    with pytest.raises(StoreUnavailable):
        async with pg.transaction() as tx:
            await add(tx)
            await tx.fetch("SELECT pg_sleep(8)")
    await killer
    assert await count(pg) == 0


@pytest.mark.parametrize(
    ("sql", "failure"),
    [
        ("SELECT pg_sleep(8)", StoreUnavailable),
        ("UPDATE things SET n = 1 WHERE pg_sleep(8) IS NOT NULL", OutcomeUnknown),
    ],
)
async def test_a_single_statement_cut_off_is_unknown_only_if_it_writes(
    pg: Database, empty_postgres_url: str, sql: str, failure: type[StoreError]
) -> None:
    await add(pg)
    killer = asyncio.create_task(_end_connections(empty_postgres_url, running=sql[:20] + "%"))
    with pytest.raises(failure):
        await pg.execute(sql)
    await killer
    assert await count(pg) == 1


async def test_of_two_in_a_deadlock_one_is_told_to_begin_again(empty_postgres_url: str, scratch: Path) -> None:
    await migrate(empty_postgres_url, folder=scratch)
    db = await Database.open(empty_postgres_url, models=MODELS, lock_timeout_ms=5000)
    try:
        things = [await add(db), await add(db)]
        both = asyncio.Barrier(2)

        async def cross(order: list[str]) -> None:
            async with db.transaction() as tx:
                await tx.fetch("SELECT 1 FROM things WHERE id = $1 FOR UPDATE", order[0])
                await both.wait()
                await tx.fetch("SELECT 1 FROM things WHERE id = $1 FOR UPDATE", order[1])

        ends = await asyncio.gather(cross(things), cross(things[::-1]), return_exceptions=True)
        assert [type(end) for end in ends if end is not None] == [StoreConflict]
    finally:
        await db.close()


async def test_a_statement_that_takes_too_long_is_ended(empty_postgres_url: str) -> None:
    db = await Database.open(empty_postgres_url, statement_timeout_ms=50)
    try:
        with pytest.raises(StoreUnavailable):
            await db.fetch("SELECT pg_sleep(8)")
        assert await db.fetchval("SELECT 1") == 1
    finally:
        await db.close()


async def test_an_exhausted_pool_says_so(empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    db = await Database.open(empty_postgres_url, pool_size=1)
    monkeypatch.setattr(postgres_backend, "ACQUIRE_TIMEOUT_S", 0.05)
    try:
        async with db.transaction() as tx:
            waiting = asyncio.create_task(outside(lambda: db.fetchval("SELECT 1")))
            with pytest.raises(StoreUnavailable, match="no connection"):
                await waiting
            await tx.fetchval("SELECT 1")
        assert await db.fetchval("SELECT 1") == 1
    finally:
        await db.close()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_the_pool_heals_when_postgresql_comes_back(
    own_postgres_server: PostgresServer, scratch: Path, mode: Any
) -> None:
    """No restart of this process: the next statements find the new server, and the old rows."""
    url = own_postgres_server.create_database("heals")
    await migrate(url, folder=scratch)
    db = await Database.open(url, models=MODELS, pool_size=5)
    try:
        await asyncio.gather(*(add(db) for _ in range(20)))
        with pytest.raises(StoreUnavailable):
            async with db.transaction() as tx:
                await add(tx)
                await asyncio.to_thread(own_postgres_server.stop, mode)
                await add(tx)
        for attempt in (count(db), enter(db.transaction()), enter(db.snapshot())):
            with pytest.raises(StoreUnavailable):
                await attempt
        with pytest.raises((StoreUnavailable, OutcomeUnknown)):
            await add(db)
        with pytest.raises(StoreUnavailable):
            await Database.open(url)

        await asyncio.to_thread(own_postgres_server.start)
        assert await count(db) == 20
        await asyncio.gather(*(add(db) for _ in range(20)))
        async with db.transaction() as tx:
            await Thing.create(id=new_id(), tenant_id=TENANT)
        assert await count(db) == 41
    finally:
        await db.close()


async def test_a_slow_statement_is_no_silent_server(empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it runs the server is asked whether it is there, more than once; it says so, and the statement goes on."""
    monkeypatch.setattr(pulse, "QUIET_S", 0.2)
    asked: list[str] = []
    probe = pulse.Pulse._probe

    async def noted(self: pulse.Pulse) -> Any:
        asked.append(await probe(self))
        return asked[-1]

    monkeypatch.setattr(pulse.Pulse, "_probe", noted)
    import asyncpg

    other = await asyncpg.connect(empty_postgres_url)
    db = await Database.open(empty_postgres_url)
    try:
        await other.execute("SELECT pg_advisory_lock(1)")
        slow = asyncio.create_task(db.fetchval("SELECT 1 FROM (SELECT pg_advisory_lock(1)) AS waited"))
        async with asyncio.timeout(10):
            while len(asked) < 2:
                await asyncio.sleep(0.01)
        await other.execute("SELECT pg_advisory_unlock(1)")
        assert await slow == 1
        assert set(asked) == {"answers"}
    finally:
        await other.close()
        await db.close()


async def test_an_idle_database_is_left_in_peace(empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for anything, so nothing is asked on their behalf."""
    monkeypatch.setattr(pulse, "QUIET_S", 0.05)
    db = await Database.open(empty_postgres_url)
    try:
        await db.fetchval("SELECT 1")
        monkeypatch.setattr(pulse.Pulse, "_probe", None)
        watch = db._backend._pulse._watch  # type: ignore[union-attr]
        assert watch is not None
        await watch
    finally:
        await db.close()


@pytest.mark.parametrize("writes", [False, True])
async def test_what_a_silent_server_was_asked_is_given_up(
    own_postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, writes: bool
) -> None:
    """A read was not answered; of a write nobody knows. A commit that was under way is not known either."""
    monkeypatch.setattr(pulse, "QUIET_S", 0.3)
    monkeypatch.setattr(pulse, "ANSWERS_WITHIN_S", 0.5)
    url = own_postgres_server.create_database(f"silent_{writes}".lower())
    db = await Database.open(url)
    statement = "CREATE TABLE things (n bigint)" if writes else "SELECT 1"
    try:
        async with asyncio.timeout(8):
            with pytest.raises(OutcomeUnknown if writes else StoreUnavailable):
                await asyncio.to_thread(own_postgres_server.pause)
                await db.execute(statement)
            with pytest.raises(StoreUnavailable) as at_once:
                await db.fetchval("SELECT 1")
            assert at_once.value.why == "silent"
        await asyncio.to_thread(own_postgres_server.resume)
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(StoreUnavailable):
                    assert await db.fetchval("SELECT 2") == 2
                    break
                await asyncio.sleep(0.05)
    finally:
        await asyncio.to_thread(own_postgres_server.resume)
        await db.close()


async def test_a_pool_of_broken_connections_costs_nobody_else_an_error(pg: Database, empty_postgres_url: str) -> None:
    """All connections are killed while idle; the next ten callers notice nothing."""
    import asyncpg

    await asyncio.gather(*(pg.fetchval("SELECT pg_sleep(0.05)") for _ in range(10)))
    ours = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = 'deskbell'"
    con = await asyncpg.connect(empty_postgres_url)
    try:
        assert await con.fetchval(f"SELECT count(pg_terminate_backend(pid)) {ours}") >= 5
        while await con.fetchval(f"SELECT count(*) {ours}"):
            await asyncio.sleep(0.01)
    finally:
        await con.close()
    assert await asyncio.gather(*(pg.fetchval("SELECT 1") for _ in range(10))) == [1] * 10
