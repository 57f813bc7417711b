"""A database with a scratch schema, opened as often as a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deskbell.store.database import Database
from deskbell.store.migrate import migrate

from .things import MODELS, SCHEMA, Opener


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder of migrations with the scratch schema."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_things.sql").write_text(SCHEMA)
    return folder


@pytest_asyncio.fixture(loop_scope="session")
async def opened(empty_database_url: str, scratch: Path) -> AsyncIterator[Opener]:
    """Opens the test's database, any number of times."""
    await migrate(empty_database_url, folder=scratch)
    databases: list[Database] = []

    async def opener(**settings: Any) -> Database:
        databases.append(await Database.open(empty_database_url, models=MODELS, **settings))
        return databases[-1]

    yield opener
    for database in databases:
        await database.close()


@pytest_asyncio.fixture(loop_scope="session")
async def db(opened: Opener) -> Database:
    return await opened()
