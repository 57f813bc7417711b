"""One text of SQL means the same on PostgreSQL and SQLite."""

from __future__ import annotations

import pytest

from deskbell.ids import new_id
from deskbell.store.database import Database, StoreIntegrity, StoreMisuse

from .things import TENANT, add, count


async def test_ids_bytes_and_numbers_come_back_as_they_went_in(db: Database) -> None:
    """Ids are text on both databases, never UUID objects."""
    thing = new_id()
    await db.execute(
        "INSERT INTO things (tenant_id, id, key, n, body, seen) VALUES ($1, $2, $3, $4, $5, $6)",
        TENANT, thing, "ride-1", 2**53 + 1, b"\x00raw", True,
    )  # fmt: skip
    row = await db.fetchrow("SELECT id, key, n, body, seen, NULL AS blank FROM things WHERE id = $1", thing)
    assert row is not None
    assert (row["id"], row["key"], row["n"], row["body"]) == (thing, "ride-1", 2**53 + 1, b"\x00raw")
    assert bool(row["seen"]) is True
    assert row.get("absent", "default") == "default"
    assert "key" in row and "absent" not in row
    assert dict(row)["blank"] is None
    assert dict(row.items()) == dict(row)


async def test_lists_are_parameters(db: Database) -> None:
    first, second, third = [await add(db, n=n) for n in range(3)]
    assert await db.fetchval("SELECT count(*) FROM things WHERE id = ANY($1::uuid[])", [first, third]) == 2
    assert await db.fetchval("SELECT id FROM things WHERE id <> ALL($1::uuid[])", [first, third]) == second
    assert await db.fetchval("SELECT count(*) FROM things WHERE id = ANY($1::uuid[])", []) == 0
    changed = await db.execute(
        "UPDATE things SET n = k.n FROM unnest($1::uuid[], $2::bigint[]) AS k(id, n) WHERE things.id = k.id",
        [first, second],
        [70, 80],
    )
    assert changed == 2
    assert [row["n"] for row in await db.fetch("SELECT n FROM things ORDER BY n")] == [2, 70, 80]


async def test_many_rows_are_inserted_at_once_or_not_at_all(db: Database) -> None:
    columns = {"tenant_id": "uuid", "id": "uuid", "key": "text", "n": "bigint", "body": "bytea", "seen": "boolean"}
    rows = [(TENANT, new_id(), f"k{n}", n, bytes([n]), n % 2 == 0) for n in range(200)]
    await db.insert_many("things", columns, rows)
    assert await count(db) == 200
    assert await db.fetchval("SELECT body FROM things WHERE key = $1", "k7") == b"\x07"
    assert await db.fetchval("SELECT count(*) FROM things WHERE seen") == 100

    more = [(TENANT, new_id(), key, 0, None, False) for key in ("new", "k3")]  # the second is taken
    with pytest.raises(StoreIntegrity):
        await db.insert_many("things", columns, more)
    assert await count(db) == 200
    await db.insert_many("things", columns, [])
    with pytest.raises(StoreMisuse):
        await db.insert_many("things", columns, [(TENANT, new_id())])


async def test_the_number_of_rows_touched_is_told(db: Database) -> None:
    thing = await add(db)
    await add(db)
    assert await db.execute("UPDATE things SET n = 1") == 2
    assert await db.execute("UPDATE things SET n = 1 WHERE id = $1", new_id()) == 0
    assert (
        await db.execute("INSERT INTO things (tenant_id, id) VALUES ($1, $2) ON CONFLICT DO NOTHING", TENANT, thing)
        == 0
    )
    assert await db.fetchval("UPDATE things SET n = n + 1 WHERE id = $1 RETURNING n", thing) == 2
    assert await db.execute("DELETE FROM things") == 2


async def test_the_clock_is_the_databases_and_moves(db: Database) -> None:
    before = await db.now_us()
    async with db.transaction() as tx:
        inside = await tx.now_us()
        assert await db.now_us() >= inside
    assert 1_700_000_000_000_000 < before <= inside
