"""One text for two databases: PostgreSQL's dialect, rewritten for SQLite.

SQL is written once, for PostgreSQL, with ``$n`` placeholders. This module rewrites a small,
closed set of forms; everything else passes unchanged and has to mean the same in both. Literals,
quoted names and comments are never touched.

====================================================  ==========================================
PostgreSQL                                            SQLite
====================================================  ==========================================
``$1``                                                ``?1``
``x::bigint``, ``$1::uuid[]``                         ``x``, ``?1``
``x = ANY($1::uuid[])``                               ``x IN (SELECT value FROM json_each(?1))``
``x <> ALL($1)``                                      ``x NOT IN (SELECT value FROM json_each(?1))``
``unnest($1::uuid[], $2::bigint[]) AS k(a, b)``       a join of ``json_each(?1)`` and ``json_each(?2)``
``unnest($1::text[]) WITH ORDINALITY AS k(a, n)``     the same, with a position that starts at 1
``GREATEST(a, b)``, ``LEAST(a, b)``                   ``max(a, b)``, ``min(a, b)``
``x ILIKE y``                                         ``x LIKE y``
``FOR UPDATE [OF x] [SKIP LOCKED | NOWAIT]`` etc.     nothing: a write transaction is alone anyway
====================================================  ==========================================

What stays different, and is left to whoever writes the SQL:

- a boolean column comes back as ``0`` or ``1`` from SQLite: wrap it in ``bool()``;
- ``LIKE`` ignores the case of ASCII letters on SQLite; ``GREATEST`` there gives NULL if any part is;
- ``INSERT … SELECT … FROM x ON CONFLICT`` needs ``WHERE true`` before ``ON`` (SQLite's grammar);
- no data-modifying CTE, ``DELETE … USING``, ``DISTINCT ON``, ``LATERAL`` or arrays as columns;
- SQLite checks no types: an id in the wrong case is another id there.
"""

from __future__ import annotations

import json
import re
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from functools import lru_cache

from deskbell.store.failures import StoreMisuse

_OPAQUE = re.compile(
    r"""
      '(?:[^']|'')*'              # a literal
    | "(?:[^"]|"")*"              # a quoted name
    | --[^\n]*                    # a comment to the end of the line
    | /\*.*?\*/                   # a comment in the middle
    | \$((?:[A-Za-z_]\w*)?)\$.*?\$\1\$  # a dollar-quoted body; $1 is a placeholder, never a tag
    """,
    re.VERBOSE | re.DOTALL,
)
_MASK = re.compile("\x00(\\d+)\x00")
_CAST = re.compile(
    r"::\s*(?:double\s+precision|character\s+varying|[a-z_]\w*)(?:\(\d+(?:\s*,\s*\d+)?\))?(?:\[\])*", re.I
)
_ANY = re.compile(r"=\s*ANY\s*\(\s*(\$\d+)\s*\)", re.I)
_ALL = re.compile(r"(?:<>|!=)\s*ALL\s*\(\s*(\$\d+)\s*\)", re.I)
_UNNEST = re.compile(
    r"\bunnest\s*\(\s*(\$\d+(?:\s*,\s*\$\d+)*)\s*\)"
    r"(\s+WITH\s+ORDINALITY)?"
    r"(?:\s+AS)?\s+([a-z_]\w*)\s*(?:\(([^()]*)\))?",
    re.I,
)
_LOCKING = re.compile(
    r"\s*\bFOR\s+(?:NO\s+KEY\s+UPDATE|KEY\s+SHARE|UPDATE|SHARE)\b"
    r"(?:\s+OF\s+[a-z_]\w*(?:\s*,\s*[a-z_]\w*)*)?(?:\s+(?:SKIP\s+LOCKED|NOWAIT)\b)?",
    re.I,
)
_GREATEST = re.compile(r"\bGREATEST(?=\s*\()", re.I)
_LEAST = re.compile(r"\bLEAST(?=\s*\()", re.I)
_ILIKE = re.compile(r"\bILIKE\b", re.I)
_PLACEHOLDER = re.compile(r"\$(\d+)")
_ARRAYS_LEFT = re.compile(r"\b(?:unnest|ANY|ALL)\s*\(\s*\$", re.I)

# Words that can follow unnest(...) without being its alias.
_NOT_AN_ALIAS = {"on", "where", "order", "group", "join", "left", "limit", "union", "returning"}

_DDL_IDENTITY = re.compile(
    r"\b(?:bigint|integer|int)\s+GENERATED\s+(?:ALWAYS|BY\s+DEFAULT)\s+AS\s+IDENTITY(?:\s*\([^)]*\))?\s+PRIMARY\s+KEY",
    re.I,
)
_DDL_TYPES = (
    (re.compile(r"(?<=\s)(?:uuid|jsonb?|character\s+varying(?:\(\d+\))?|varchar(?:\(\d+\))?)(?=[\s,)])", re.I), "TEXT"),
    (re.compile(r"(?<=\s)bytea(?=[\s,)])", re.I), "BLOB"),
    (re.compile(r"(?<=\s)(?:boolean|bigint|smallint)(?=[\s,)])", re.I), "INTEGER"),
    (re.compile(r"(?<=\s)double\s+precision(?=[\s,)])", re.I), "REAL"),
)
_DDL_COLLATE = re.compile(r'\s+COLLATE\s+(?:"C"|pg_catalog\."C")', re.I)
_DDL_INCLUDE = re.compile(r"\s+INCLUDE\s*\([^)]*\)", re.I)

_READS = re.compile(r"\s*(?:SELECT|WITH|VALUES|EXPLAIN)\b", re.I)
_WRITES = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE)\b", re.I)


def _masked(sql: str) -> tuple[str, list[str]]:
    hidden: list[str] = []

    def hide(found: re.Match[str]) -> str:
        hidden.append(found.group(0))
        return f"\x00{len(hidden) - 1}\x00"

    return _OPAQUE.sub(hide, sql), hidden


def _unmasked(text: str, hidden: Sequence[str]) -> str:
    return _MASK.sub(lambda found: hidden[int(found.group(1))], text)


def _json_tables(found: re.Match[str]) -> str:
    arrays = [part.strip() for part in found.group(1).split(",")]
    ordinality, alias, names = found.group(2), found.group(3), found.group(4)
    if alias.lower() in _NOT_AN_ALIAS:
        raise StoreMisuse(f"unnest needs an alias with columns to be read by SQLite: {found.group(0)}")
    columns = [name.strip() for name in names.split(",")] if names is not None else [alias]
    expected = len(arrays) + (1 if ordinality else 0)
    if len(columns) != expected:
        raise StoreMisuse(f"unnest of {len(arrays)} arrays needs {expected} column names: {found.group(0)}")
    wanted = [f"j{n}.value AS {column}" for n, column in enumerate(columns[: len(arrays)], 1)]
    if ordinality:
        wanted.append(f"j1.key + 1 AS {columns[-1]}")
    tables = [f"json_each({arrays[0]}) j1"]
    tables += [f"JOIN json_each({array}) j{n} ON j1.key = j{n}.key" for n, array in enumerate(arrays[1:], 2)]
    # With a limit it is made first and as a whole. Otherwise SQLite may put the tables it is joined with between the
    # arrays, where it finds rows by the first array's values alone: all of a tenant instead of the one that is meant.
    return f"(SELECT {', '.join(wanted)} FROM {' '.join(tables)} LIMIT -1) AS {alias}"


@lru_cache(maxsize=4096)
def to_sqlite(sql: str) -> str:
    """The same statement for SQLite.

    Raises:
        StoreMisuse: The text uses an array in a way that is not in the table above.
    """
    text, hidden = _masked(sql)
    text = _CAST.sub("", text)
    text = _ANY.sub(r"IN (SELECT value FROM json_each(\1))", text)
    text = _ALL.sub(r"NOT IN (SELECT value FROM json_each(\1))", text)
    text = _UNNEST.sub(_json_tables, text)
    if _ARRAYS_LEFT.search(text):
        raise StoreMisuse(f"this use of an array has no rewriting for SQLite: {sql}")
    text = _LOCKING.sub("", text)
    text = _GREATEST.sub("max", text)
    text = _LEAST.sub("min", text)
    text = _ILIKE.sub("LIKE", text)
    text = _PLACEHOLDER.sub(r"?\1", text)
    return _unmasked(text, hidden)


def ddl_to_sqlite(statement: str) -> str:
    """The same CREATE or ALTER for SQLite: types, identity columns, ``COLLATE "C"``, ``INCLUDE``."""
    # Comments stay out of it: a type's name in one would not matter, an apostrophe would.
    statement = _DDL_COLLATE.sub("", statement)
    text, hidden = _masked(statement)
    text = _DDL_IDENTITY.sub("INTEGER PRIMARY KEY AUTOINCREMENT", text)
    for pattern, name in _DDL_TYPES:
        text = pattern.sub(name, text)
    text = _DDL_INCLUDE.sub("", text)
    return to_sqlite(_unmasked(text, hidden))


def statements(script: str) -> Iterator[str]:
    """The single statements of a script; a trigger's body and the semicolons in literals stay whole."""
    text, hidden = _masked(script)
    gathered = ""
    for piece in text.split(";"):
        gathered += piece + ";"
        whole = _unmasked(gathered, hidden)
        if sqlite3.complete_statement(whole):
            if _MASK.sub("", gathered).strip(" \n\r\t;"):
                yield whole.strip()
            gathered = ""
    if _MASK.sub("", gathered).strip(" \n\r\t;"):
        yield _unmasked(gathered, hidden).strip()


@lru_cache(maxsize=4096)
def only_reads(sql: str) -> bool:
    """Whether a statement changes nothing, so that it may run on a connection that cannot write."""
    if not _READS.match(sql):
        return False
    text = _masked(sql)[0]
    return not _WRITES.search(_LOCKING.sub("", text))


def to_sqlite_value(value: object) -> object:
    """A parameter as SQLite takes it: arrays as JSON text, truth values as 0 and 1, UUIDs as text.

    Raises:
        StoreMisuse: An array holds what JSON cannot, such as bytes.
    """
    if value is None or isinstance(value, str | bytes | float):
        return value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        try:
            return json.dumps(list(value), default=_json_value)
        except TypeError as error:
            raise StoreMisuse(f"an array parameter cannot be passed to SQLite: {error}") from error
    if isinstance(value, uuid.UUID):
        return str(value)
    return value


def _json_value(value: object) -> str:
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} does not fit into JSON")
