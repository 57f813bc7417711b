"""What a store's backend offers to the rest of this package.

A **session** is one connection, held for a statement, a transaction or a snapshot. A **backend**
owns the connections of one database and hands out sessions. Two backends exist, one per database;
:mod:`deskbell.store.database` puts the same face on both.

This module also holds the one rule both need to survive cancellation: what must not be left half
done is *seen through* (:func:`see_through`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from deskbell.store.failures import StoreMisuse

Dialect = Literal["postgresql", "sqlite"]
T = TypeVar("T")

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_TYPES = {"uuid", "bigint", "integer", "text", "bytea", "boolean", "double precision"}


Row: TypeAlias = Mapping[str, Any]
"""One row of an answer: ``row["seq"]``, ``row.get(…)``, ``dict(row)``.

What the drivers really give is nearly that: iterating gives the values, not the names.
"""


class Session(Protocol):
    """One held connection. Not for two tasks at once; whoever shares it puts a lock around it.

    The first five take PostgreSQL's dialect. The ``orm_`` methods take what Tortoise has
    already written for this database.
    """

    async def fetch(self, sql: str, args: Sequence[object]) -> Sequence[Row]: ...
    async def fetchrow(self, sql: str, args: Sequence[object]) -> Row | None: ...
    async def execute(self, sql: str, args: Sequence[object]) -> int: ...
    async def insert_many(self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> None: ...
    async def command(self, sql: str) -> None: ...
    async def orm_query(self, sql: str, values: Sequence[object]) -> tuple[int, Sequence[Row]]: ...
    async def orm_insert(self, sql: str, values: Sequence[object]) -> Any: ...
    async def orm_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None: ...


class Backend(Protocol):
    """The connections of one database. Every error that leaves it is a ``StoreError``."""

    dialect: Dialect
    orm_engine: str

    def once(self, *, writes: bool) -> AbstractAsyncContextManager[Session]:
        """A session for a single statement that commits by itself."""

    def transaction(self) -> AbstractAsyncContextManager[Session]:
        """A session inside a write transaction: committed at the end, rolled back on any exception.

        Cancellation during the commit does not stop it; it is raised afterwards.
        """

    def snapshot(self) -> AbstractAsyncContextManager[Session]:
        """A session whose reads all see the same moment, and which cannot write."""

    async def now_us(self) -> int:
        """The database's clock, in microseconds since 1970."""

    @property
    def incarnation(self) -> str:
        """Which life of the data this is; empty until the schema exists."""

    async def close(self) -> None: ...


async def see_through(work: Coroutine[Any, Any, T]) -> T:
    """Await ``work`` to its end even if the caller is cancelled, then let the cancellation go on.

    ``asyncio.shield`` alone is not enough: it protects the work, but the caller leaves at once
    and would give back a connection on which the work is still running.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from (None if task.cancelled() else task.exception())
    return task.result()


def checked_insert(table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> None:
    """Refuse what would otherwise be pasted into SQL, or fail differently in each database.

    Raises:
        StoreMisuse: A name is no plain name, a type is unknown, or a row has another length.
    """
    for name in (table, *columns):
        if not _NAME.fullmatch(name):
            raise StoreMisuse(f"not a plain name of a table or column: {name!r}")
    for kind in columns.values():
        if kind not in _TYPES:
            raise StoreMisuse(f"insert_many does not know the column type {kind!r}; it knows {sorted(_TYPES)}")
    for row in rows:
        if len(row) != len(columns):
            raise StoreMisuse(f"a row for {table} has {len(row)} values for {len(columns)} columns")
