"""The pytest plugin: real databases for tests, of Deskbell itself and of plugins and bots for it.

Load it with ``-p deskbell.testing.plugin``. Servers start when the first test asks for them and end
with the session. Where servers run already, name them instead:

``DESKBELL_TEST_POSTGRES``
    ``postgresql://user:password@host/postgres``; the user must be allowed to create databases.
``DESKBELL_TEST_REDIS``
    ``redis://host:6379/0``; the tests use, and empty, this database.

Fixtures: ``postgres_server``, ``valkey_server`` (for tests that stop and start them, these are never
external ones: use ``own_postgres_server``), ``postgres_url``, ``sqlite_url``, ``database_url``
(every test once per database), ``redis_url``.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from deskbell.testing.servers import ExternalPostgres, PostgresServer, ValkeyServer

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[ExternalPostgres]:
    """A PostgreSQL, shared by the session: ``url(dbname)``, ``create_database(name)``. Do not stop it."""
    from deskbell.testing.servers import ExternalPostgres, PostgresServer

    external = os.environ.get("DESKBELL_TEST_POSTGRES")
    if external:
        yield ExternalPostgres(external)
        return
    with PostgresServer() as server:
        yield server


@pytest.fixture
def own_postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL for one test alone, which may stop and start it."""
    from deskbell.testing.servers import PostgresServer

    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer]:
    """A Valkey, shared by the session. A test that stops it starts it again."""
    from deskbell.testing.servers import ValkeyServer

    with ValkeyServer() as server:
        yield server


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> str:
    """The URL of a Redis or Valkey, for tests that only use it; keys are shared with other tests."""
    external = os.environ.get("DESKBELL_TEST_REDIS")
    if external:
        return external
    server: ValkeyServer = request.getfixturevalue("valkey_server")
    return server.url()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_template(postgres_server: ExternalPostgres) -> AsyncIterator[str]:
    """The name of a database that has the present schema, to be copied."""
    from deskbell.store.migrate import migrate

    name = f"deskbell_template_{os.getpid()}"
    await migrate(postgres_server.create_database(name))
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
def postgres_url(postgres_server: ExternalPostgres, migrated_template: str) -> Iterator[str]:
    """A PostgreSQL database of this test's own, with the present schema and no rows."""
    name = f"deskbell_test_{os.getpid()}_{next(_numbers)}"
    yield postgres_server.create_database(name, template=migrated_template)
    postgres_server.drop_database(name)


@pytest.fixture
def empty_postgres_url(postgres_server: ExternalPostgres) -> Iterator[str]:
    """A PostgreSQL database of this test's own, without any table."""
    name = f"deskbell_empty_{os.getpid()}_{next(_numbers)}"
    yield postgres_server.create_database(name)
    postgres_server.drop_database(name)


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """A SQLite file of this test's own, which does not exist yet."""
    return f"sqlite:///{tmp_path / 'data' / 'deskbell.sqlite3'}"


@pytest_asyncio.fixture(loop_scope="session")
async def sqlite_url(empty_sqlite_url: str) -> str:
    """A SQLite file of this test's own, with the present schema and no rows."""
    from deskbell.store.migrate import migrate

    await migrate(empty_sqlite_url)
    return empty_sqlite_url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Runs the test once on each database, migrated."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """Runs the test once on each database, without any table."""
    url: str = request.getfixturevalue("empty_sqlite_url" if request.param == "sqlite" else "empty_postgres_url")
    return url
