"""Tortoise on top of our own connections.

Tortoise keeps the map from models to tables; which connection a query runs on, and what happens to
it when its caller is cancelled, is decided by :class:`deskbell.store.database.Database`. The stock
SQLite client leaves a transaction open, or its lock taken for good, when a caller is cancelled at
the wrong moment; the stock PostgreSQL client loses a connection of its pool the same way.

Every database owns its own Tortoise context, so several can be open in one process. What Tortoise
keeps on the model classes themselves (the base query and the operators of the dialect) is put in
order whenever a context of the other dialect is entered, so queries of *both* dialects must not be
built by concurrent tasks of one process; two databases of the same dialect may.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Protocol

from tortoise import Model
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.context import TortoiseContext, _current_context
from tortoise.exceptions import IntegrityError

from deskbell.store.dialect import only_reads
from deskbell.store.failures import StoreIntegrity
from deskbell.store.sessions import Session

ALIAS = "default"


class OrmIntegrity(StoreIntegrity, IntegrityError):
    """Ours, and Tortoise's too: ``get_or_create`` looks for the latter."""


class Speaker(Protocol):
    """A database, or one transaction of it."""

    @property
    def finished(self) -> bool: ...
    @property
    def parent(self) -> Speaker: ...
    def session(self, *, writes: bool) -> AbstractAsyncContextManager[Session]: ...
    def nested(self) -> AbstractAsyncContextManager[Any]: ...


@contextmanager
def _both_worlds() -> Iterator[None]:
    try:
        yield
    except StoreIntegrity as error:
        raise OrmIntegrity(str(error), kind=error.kind, constraint=error.constraint) from error


class OrmClient(BaseDBAsyncClient):
    """The client class of both dialects; a subclass names its executor and query class."""

    def __init__(self, speaker: Speaker, connection_name: str = ALIAS, **_: Any) -> None:
        super().__init__(connection_name=connection_name)
        self._speaker = speaker

    @property
    def _current(self) -> Speaker:
        # A task started inside a transaction inherits its client, and may outlive it.
        return self._speaker.parent if self._speaker.finished else self._speaker

    async def create_connection(self, with_db: bool) -> None:
        """Nothing to do: the database is open."""

    async def close(self) -> None:
        """Nothing to do: the database closes itself."""

    async def execute_insert(self, query: str, values: Sequence[object]) -> Any:
        with _both_worlds():
            async with self._current.session(writes=True) as session:
                return await session.orm_insert(query, values)

    async def execute_many(self, query: str, values: Sequence[Sequence[object]]) -> None:
        with _both_worlds():
            async with self._current.nested() as transaction, transaction.session(writes=True) as session:
                await session.orm_many(query, values)

    async def execute_query(self, query: str, values: Sequence[object] | None = None) -> tuple[int, Sequence[Any]]:
        with _both_worlds():
            async with self._current.session(writes=not only_reads(query)) as session:
                return await session.orm_query(query, values or ())

    async def execute_query_dict(self, query: str, values: Sequence[object] | None = None) -> list[dict[str, Any]]:
        return [dict(row) for row in (await self.execute_query(query, values))[1]]

    async def execute_script(self, query: str) -> None:
        with _both_worlds():
            async with self._current.session(writes=True) as session:
                await session.command(query)

    def _in_transaction(self) -> Any:
        return self._nested()

    @asynccontextmanager
    async def _nested(self) -> AsyncIterator[BaseDBAsyncClient]:
        async with self._current.nested() as transaction:
            if transaction is self._speaker:  # a savepoint of the transaction we speak in
                yield self
            else:
                yield type(self)(transaction, self.connection_name)


class OrmContext:
    """The Tortoise context of one database."""

    _models_speak: type[OrmClient] | None = None

    def __init__(self, context: TortoiseContext, client_class: type[OrmClient]) -> None:
        self._context = context
        self._client_class = client_class

    @classmethod
    async def of(cls, speaker: Speaker, engine: str, models: str) -> OrmContext | None:
        """The context for the models in the module ``models``; None while there are none."""
        module = importlib.import_module(models)
        if not any(inspect.isclass(thing) and issubclass(thing, Model) and thing is not Model
                   for thing in vars(module).values()):  # fmt: skip
            return None
        context = TortoiseContext()
        token = _current_context.set(context)
        try:
            await context.init(
                config={
                    "connections": {ALIAS: {"engine": engine, "credentials": {"speaker": speaker}}},
                    "apps": {"deskbell": {"models": [models], "default_connection": ALIAS}},
                }
            )
        finally:
            _current_context.reset(token)
        client_class: type[OrmClient] = importlib.import_module(engine).client_class
        EXECUTOR_CACHE.clear()
        OrmContext._models_speak = client_class
        return cls(context, client_class)

    def client(self, speaker: Speaker) -> OrmClient:
        return self._client_class(speaker)

    @contextmanager
    def entered(self, client: OrmClient | None = None) -> Iterator[None]:
        """Models used inside speak to this database; through ``client``, if one is given."""
        token = _current_context.set(self._context)
        try:
            if OrmContext._models_speak is not self._client_class:
                EXECUTOR_CACHE.clear()
                assert self._context.apps is not None
                self._context.apps._build_initial_querysets()
                OrmContext._models_speak = self._client_class
            connections = self._context.connections
            borrowed = connections.set(ALIAS, client) if client is not None else None
            try:
                yield
            finally:
                with contextlib.suppress(ValueError):  # left in another task than it was entered in
                    connections.reset(borrowed)
        finally:
            with contextlib.suppress(ValueError):
                _current_context.reset(token)
