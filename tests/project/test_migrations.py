"""Every migration may be applied while the version before runs: it only adds, and holds no lock for long.

The rule, and what to do instead, is told in ``docs/howto/upgrade.md``. The first migration is exempt: nobody runs yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from deskbell.store.dialect import statements
from deskbell.store.migrate import Migration, known

_NAME = r'"?([a-z_]\w*)"?'
_CREATE_TABLE = re.compile(rf"CREATE (?:VIRTUAL )?TABLE (?:IF NOT EXISTS )?{_NAME}", re.I)
_INDEX = re.compile(
    rf"CREATE (?P<unique>UNIQUE )?INDEX (?:IF NOT EXISTS )?(?:{_NAME} )?ON (?P<table>\w+)\s*(?P<rest>.*)", re.I | re.S
)
_ADD_COLUMN = re.compile(rf"ALTER TABLE (?:IF EXISTS )?{_NAME} (?P<rest>ADD COLUMN .*)", re.I | re.S)
_COLUMN = re.compile(rf"ADD COLUMN (?:IF NOT EXISTS )?{_NAME}\s+(?P<kind>.*)", re.I | re.S)
_INSERT = re.compile(rf"INSERT INTO {_NAME}", re.I)
_HARMLESS = re.compile(
    r"(CREATE (OR REPLACE )?(FUNCTION|TRIGGER|VIEW)|CREATE EXTENSION IF NOT EXISTS|COMMENT ON)\b", re.I
)
# A block runs at once, and not only when a trigger fires: what it says counts.
_BLOCK = re.compile(r"DO\b", re.I)
_NOT_IN_A_BLOCK = re.compile(r"\b(DROP|TRUNCATE|DELETE|UPDATE|INSERT|LOCK|RENAME|ALTER\s+TABLE)\b", re.I)
_CONSTANT = re.compile(r"DEFAULT\s+('(?:[^']|'')*'|-?\d+(?:\.\d+)?|true|false|NULL)(?:::\w+)?(?=\s|$)", re.I)
_BINDS = re.compile(r"\b(UNIQUE|PRIMARY\s+KEY|REFERENCES|CHECK|GENERATED)\b", re.I)
_TAKES_AWAY = re.compile(r"(DROP (TABLE|INDEX|TRIGGER|FUNCTION|VIEW)|ALTER TABLE \w+ DROP (COLUMN|CONSTRAINT))\b", re.I)
_COMMENT = re.compile(r"--[^\n]*")


@dataclass
class _Seen:
    """What a file has made so far: nobody waits for that, and nobody of before writes to it."""

    tables: set[str] = field(default_factory=set)
    columns: dict[str, set[str]] = field(default_factory=dict)


def offending(migration: Migration) -> Iterator[str]:
    """The statements that may not be applied while the version before runs, each with the reason."""
    for dialect in ("postgresql", "sqlite"):
        seen = _Seen()
        for statement in statements(migration.for_dialect(dialect)):
            bare = " ".join(_COMMENT.sub("", statement).split())
            reason = _wrong(bare.rstrip("; "), statement, seen, migration)
            if reason:
                yield f"{migration.name} ({dialect}): {reason}: {bare[:120]}"


def _wrong(bare: str, statement: str, seen: _Seen, migration: Migration) -> str:
    if found := _CREATE_TABLE.match(bare):
        seen.tables.add(found[1].lower())
        return ""
    if found := _ADD_COLUMN.match(bare):
        return _wrong_column(found[1].lower(), found["rest"], seen)
    if found := _INDEX.match(bare):
        return _wrong_index(found, statement, seen)
    if found := _INSERT.match(bare):
        return "" if found[1].lower() in seen.tables else "writes to a table that is in use; let a job do that"
    if _HARMLESS.match(bare):
        return ""
    if _BLOCK.match(bare):
        return "does in a block what has to be read here" if _NOT_IN_A_BLOCK.search(bare) else ""
    if _TAKES_AWAY.match(bare):
        if 0 < migration.oldest < migration.number:
            return ""
        return "takes away what the version before needs; say `-- contracts: N`, one version later"
    return "is none of what may be done while others run"


def _wrong_column(table: str, rest: str, seen: _Seen) -> str:
    for part in re.split(r",\s*(?=ADD COLUMN)", rest, flags=re.I):
        column = _COLUMN.match(part)
        if column is None:
            return "does more than add columns"
        kind = column["kind"]
        if re.search(r",\s*(DROP|ALTER|RENAME|ADD)\b", kind, re.I):
            return "does more than add columns"
        if _BINDS.search(kind):
            return "binds a column, and with it the version before, or rewrites the table"
        if re.search(r"\bNOT NULL\b", kind, re.I) and not _CONSTANT.search(kind):
            return "the version before does not fill a column that must not be NULL: give it a constant default"
        if re.search(r"\bDEFAULT\b", kind, re.I) and not _CONSTANT.search(kind):
            return "rewrites the table: a default has to be a constant"
        seen.columns.setdefault(table, set()).add(column[1].lower())
    return ""


def _wrong_index(found: re.Match[str], statement: str, seen: _Seen) -> str:
    table, rest = found["table"].lower(), found["rest"]
    if table in seen.tables:
        return ""
    if found["unique"]:
        fresh = {name for name in seen.columns.get(table, ()) if re.search(rf"\b{name} IS NOT NULL\b", rest, re.I)}
        if not fresh:
            return "may refuse what the version before writes: only over a new column, WHERE it IS NOT NULL"
    if not re.search(r"--\s*brief:\s*\S", statement):
        return "stops writers of a table that is in use while it is built: say `-- brief: why that is short`"
    return ""


@pytest.mark.parametrize("migration", known()[1:], ids=lambda migration: migration.name)
def test_a_migration_only_adds(migration: Migration) -> None:
    assert list(offending(migration)) == []


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE notes (id uuid NOT NULL PRIMARY KEY); CREATE UNIQUE INDEX notes_id ON notes (id);",
        "CREATE TABLE notes (id uuid); INSERT INTO notes SELECT id FROM rooms;",
        "ALTER TABLE rooms ADD COLUMN colour text;",
        "ALTER TABLE rooms ADD COLUMN colour text NOT NULL DEFAULT '', ADD COLUMN size integer DEFAULT -1;",
        "ALTER TABLE rooms ADD COLUMN open boolean NOT NULL DEFAULT true;",
        "-- brief: rooms are few\nCREATE INDEX rooms_name ON rooms (name);",
        "ALTER TABLE rooms ADD COLUMN tag text;\n"
        "-- brief: nothing has a tag yet\nCREATE UNIQUE INDEX r ON rooms (tenant_id, tag) WHERE tag IS NOT NULL;",
        "-- sqlite:\nCREATE TRIGGER t AFTER INSERT ON rooms BEGIN UPDATE rooms SET name = ''; END;\n-- end\n",
        "-- postgresql:\nCREATE FUNCTION f() RETURNS trigger AS $$ BEGIN DELETE FROM x; END $$ LANGUAGE sql;\n-- end",
        "-- postgresql:\nDO $$ BEGIN CREATE EXTENSION unaccent; EXCEPTION WHEN OTHERS THEN NULL; END $$;\n-- end",
        "-- contracts: 3\nALTER TABLE rooms DROP COLUMN colour;",
    ],
)
def test_what_only_adds_is_let_through(script: str) -> None:
    assert list(offending(Migration(9, "0009_fine", script))) == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("ALTER TABLE rooms DROP COLUMN name;", "takes away"),
        ("DROP TABLE rooms;", "takes away"),
        ("-- contracts: 9\nDROP TABLE rooms;", "takes away"),
        ("ALTER TABLE rooms RENAME COLUMN name TO title;", "none of what may be done"),
        ("ALTER TABLE rooms ALTER COLUMN name TYPE varchar(20);", "none of what may be done"),
        ("ALTER TABLE rooms ADD CONSTRAINT c CHECK (seq > 0);", "none of what may be done"),
        ("ALTER TABLE rooms ADD COLUMN a text, DROP COLUMN name;", "does more than add columns"),
        ("ALTER TABLE rooms ADD COLUMN a text NOT NULL;", "must not be NULL"),
        ("ALTER TABLE rooms ADD COLUMN a uuid DEFAULT gen_random_uuid();", "rewrites the table"),
        ("ALTER TABLE rooms ADD COLUMN a uuid REFERENCES users (id);", "binds a column"),
        ("CREATE INDEX rooms_name ON rooms (name);", "stops writers"),
        ("-- brief: few\nCREATE UNIQUE INDEX rooms_name ON rooms (name);", "may refuse what the version before writes"),
        ("UPDATE rooms SET name = '';", "none of what may be done"),
        ("DELETE FROM rooms;", "none of what may be done"),
        ("INSERT INTO rooms (id) VALUES ('x');", "writes to a table that is in use"),
        ("CREATE TABLE a (id uuid); TRUNCATE rooms;", "none of what may be done"),
        ("-- postgresql:\nDO $$ BEGIN UPDATE rooms SET name = ''; END $$;\n-- end\n", "does in a block"),
        ("-- postgresql:\nLOCK TABLE rooms;\n-- end\n", "none of what may be done"),
    ],
)
def test_what_does_more_is_named(script: str, reason: str) -> None:
    told = list(offending(Migration(9, "0009_not_so_fine", script)))
    assert told and all(re.search(reason, line) and "0009_not_so_fine" in line for line in told)
