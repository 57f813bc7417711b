"""A desk for the tests of one file together: people are new in each test, so they do not meet."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from deskbell.testing.desk import Desk

if TYPE_CHECKING:
    from deskbell.testing.servers import ExternalPostgres

_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database for a whole file, on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('desk') / 'deskbell.sqlite3'}"
        return
    template: str = request.getfixturevalue("migrated_template")
    server: ExternalPostgres = request.getfixturevalue("postgres_server")
    name = f"deskbell_shared_{os.getpid()}_{next(_numbers)}"
    yield server.create_database(name, template=template)
    server.drop_database(name)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_desk(shared_url: str) -> AsyncIterator[Desk]:
    """A running desk for a whole file, on each kind of database."""
    async with Desk.open(shared_url) as desk:
        yield desk
