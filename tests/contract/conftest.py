"""Databases that the tests of one module share, each test with people and rooms of its own.

A database for every test costs most of a second on PostgreSQL. Who breaks something takes
``database_url`` instead, which is its own.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from deskbell.store.migrate import migrate
from deskbell.testing.office import Office
from deskbell.testing.servers import ExternalPostgres

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('shared') / 'deskbell.sqlite3'}"
    await migrate(url)
    return url


@pytest.fixture(scope="module")
def shared_postgres_url(postgres_server: ExternalPostgres, migrated_template: str) -> Iterator[str]:
    name = f"deskbell_shared_{os.getpid()}_{next(_numbers)}"
    yield postgres_server.create_database(name, template=migrated_template)
    postgres_server.drop_database(name)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Runs the test once on each database, one for the whole module."""
    url: str = request.getfixturevalue(f"shared_{request.param}_url".replace("postgresql", "postgres"))
    return url


@pytest_asyncio.fixture(loop_scope="session")
async def office(store_url: str) -> AsyncIterator[Office]:
    """One instance on either database."""
    async with Office.open(store_url) as opened:
        yield opened
