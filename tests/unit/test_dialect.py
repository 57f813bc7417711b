"""SQL is written once, for PostgreSQL; these are the forms SQLite gets instead."""

from __future__ import annotations

import sqlite3

import pytest

from deskbell.store.dialect import ddl_to_sqlite, only_reads, statements, to_sqlite, to_sqlite_value
from deskbell.store.failures import StoreMisuse


@pytest.mark.parametrize(
    ("postgresql", "sqlite"),
    [
        ("SELECT $1, $2", "SELECT ?1, ?2"),
        ("SELECT $12", "SELECT ?12"),
        ("SELECT x::bigint, $1::uuid", "SELECT x, ?1"),
        ("SELECT x::double precision + y::numeric(10, 2)", "SELECT x + y"),
        ("WHERE id = ANY($1)", "WHERE id IN (SELECT value FROM json_each(?1))"),
        ("WHERE id = ANY($1::uuid[]) AND n = $2", "WHERE id IN (SELECT value FROM json_each(?1)) AND n = ?2"),
        ("WHERE id <> ALL($1::uuid[])", "WHERE id NOT IN (SELECT value FROM json_each(?1))"),
        ("WHERE id != ALL ( $3 )", "WHERE id NOT IN (SELECT value FROM json_each(?3))"),
        ("FROM unnest($1::uuid[]) AS k(id)", "FROM (SELECT j1.value AS id FROM json_each(?1) j1 LIMIT -1) AS k"),
        ("FROM unnest($1::uuid[]) AS k", "FROM (SELECT j1.value AS k FROM json_each(?1) j1 LIMIT -1) AS k"),
        (
            "FROM unnest($1::uuid[], $2::bigint[], $3::text[]) k(a, b, c)",
            "FROM (SELECT j1.value AS a, j2.value AS b, j3.value AS c FROM json_each(?1) j1 "
            "JOIN json_each(?2) j2 ON j1.key = j2.key JOIN json_each(?3) j3 ON j1.key = j3.key LIMIT -1) AS k",
        ),
        (
            "FROM unnest($1::text[]) WITH ORDINALITY AS k(a, n)",
            "FROM (SELECT j1.value AS a, j1.key + 1 AS n FROM json_each(?1) j1 LIMIT -1) AS k",
        ),
        ("SELECT GREATEST(a, least(b, c))", "SELECT max(a, min(b, c))"),
        ("SELECT 1 FROM rooms WHERE id = $1 FOR UPDATE", "SELECT 1 FROM rooms WHERE id = ?1"),
        ("SELECT 1 FROM q ORDER BY due LIMIT 3 FOR UPDATE SKIP LOCKED", "SELECT 1 FROM q ORDER BY due LIMIT 3"),
        ("SELECT 1 FROM a JOIN b ON true FOR UPDATE OF a, b NOWAIT", "SELECT 1 FROM a JOIN b ON true"),
        ("(SELECT 1 FROM a FOR NO KEY UPDATE)", "(SELECT 1 FROM a)"),
        ("SELECT 1 FROM a FOR SHARE", "SELECT 1 FROM a"),
        ("WHERE name ILIKE $1", "WHERE name LIKE ?1"),
        (
            "INSERT INTO a (n) VALUES ($1) ON CONFLICT DO NOTHING",
            "INSERT INTO a (n) VALUES (?1) ON CONFLICT DO NOTHING",
        ),
    ],
)
def test_a_form_is_rewritten(postgresql: str, sqlite: str) -> None:
    assert to_sqlite(postgresql) == sqlite


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 'it costs $1, or ''::text'' FOR UPDATE'",
        'SELECT "x::bigint" FROM "FOR SHARE"',
        "SELECT 1 -- = ANY($1) and it's fine\n",
        "SELECT /* GREATEST( $1 */ 1",
    ],
)
def test_what_stands_in_quotes_or_comments_is_left_alone(text: str) -> None:
    assert to_sqlite(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS k",  # two arrays, one name
        "SELECT * FROM unnest($1::uuid[]) WHERE true",  # no name at all
        "SELECT 1 WHERE 3 > ANY($1)",
        "SELECT unnest($1)",
    ],
)
def test_an_array_used_in_another_way_is_refused_rather_than_guessed(text: str) -> None:
    with pytest.raises(StoreMisuse):
        to_sqlite(text)


def test_the_rewritten_arrays_mean_what_they_meant() -> None:
    """Pairs stay pairs, in order, and a nested use finds its own arrays."""
    con = sqlite3.connect(":memory:")
    try:
        rows = con.execute(
            to_sqlite(
                "SELECT k.n, k.a, k.b FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS k(a, b, n) ORDER BY n"
            ),
            (to_sqlite_value(["x", "y"]), to_sqlite_value([7, None])),
        ).fetchall()
    finally:
        con.close()
    assert rows == [(1, "x", 7), (2, "y", None)]


def test_types_of_columns_become_those_sqlite_knows() -> None:
    assert ddl_to_sqlite(
        "CREATE TABLE t (\n"
        "  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n"
        "  room_id uuid NOT NULL REFERENCES rooms (id),\n"
        "  body bytea, seen boolean NOT NULL DEFAULT false, at bigint NOT NULL,\n"
        '  key text COLLATE "C", share double precision,\n'
        "  note text DEFAULT 'a uuid, a bytea', UNIQUE (room_id, at))"
    ) == (
        "CREATE TABLE t (\n"
        "  id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
        "  room_id TEXT NOT NULL REFERENCES rooms (id),\n"
        "  body BLOB, seen INTEGER NOT NULL DEFAULT false, at INTEGER NOT NULL,\n"
        "  key text, share REAL,\n"
        "  note text DEFAULT 'a uuid, a bytea', UNIQUE (room_id, at))"
    )


def test_an_index_loses_only_what_sqlite_lacks() -> None:
    assert (
        ddl_to_sqlite("CREATE UNIQUE INDEX i ON m (room, seq) INCLUDE (id, kind) WHERE changed_seq > seq")
        == "CREATE UNIQUE INDEX i ON m (room, seq) WHERE changed_seq > seq"
    )


def test_a_script_falls_into_statements_but_a_trigger_does_not() -> None:
    script = (
        "-- the first; with a semicolon\nCREATE TABLE a (t text DEFAULT ';');\n\n"
        "CREATE TRIGGER x AFTER INSERT ON a BEGIN DELETE FROM a; DELETE FROM a; END;\n-- nothing follows\n"
    )
    found = list(statements(script))
    assert [text.split("\n")[-1][:14] for text in found] == ["CREATE TABLE a", "CREATE TRIGGER"]
    assert found[1].endswith("END;")


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT 1", True),
        (" with x AS (SELECT 1) SELECT * FROM x", True),
        ("SELECT 'DELETE' FROM a FOR UPDATE", True),
        ("WITH x AS (SELECT 1) UPDATE a SET n = 1", False),
        ("INSERT INTO a SELECT 1 RETURNING n", False),
        ("DELETE FROM a", False),
        ("CREATE TABLE a (n integer)", False),
    ],
)
def test_a_statement_that_only_reads_is_known(sql: str, answer: bool) -> None:
    assert only_reads(sql) is answer


def test_values_arrive_in_a_shape_sqlite_takes() -> None:
    assert to_sqlite_value(True) == 1
    assert type(to_sqlite_value(False)) is int
    assert to_sqlite_value(("a", None, 3)) == '["a", null, 3]'
    assert to_sqlite_value(b"raw") == b"raw"
    with pytest.raises(StoreMisuse):
        to_sqlite_value([b"raw"])
