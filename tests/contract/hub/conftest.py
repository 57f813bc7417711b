"""A hub of each test's own, in an office that they share."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deskbell.hub import inboxes
from deskbell.store.migrate import migrate
from deskbell.testing.office import Office
from deskbell.testing.servers import ExternalPostgres

from .exchange import INBOX_EVERY_S, Exchange


@pytest.fixture(autouse=True)
def _inboxes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inboxes are told every half second; a test need not wait so long."""
    monkeypatch.setattr(inboxes, "INBOX_EVERY_S", INBOX_EVERY_S)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def sqlite_office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    url = f"sqlite:///{tmp_path_factory.mktemp('office') / 'deskbell.sqlite3'}"
    await migrate(url)
    async with Office.open(url) as office:
        yield office


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def postgres_office(postgres_server: ExternalPostgres, migrated_template: str) -> AsyncIterator[Office]:
    name = f"deskbell_hub_{os.getpid()}"
    async with Office.open(postgres_server.create_database(name, template=migrated_template)) as office:
        yield office
    postgres_server.drop_database(name)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def parlour_office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    url = f"sqlite:///{tmp_path_factory.mktemp('parlour') / 'deskbell.sqlite3'}"
    await migrate(url)
    async with Office.open(url, channels={"group": {"history": "since_join"}}) as office:
        yield office


@pytest.fixture(params=["sqlite", "postgresql"])
def office(request: pytest.FixtureRequest) -> Office:
    """Runs the test once on each database."""
    office: Office = request.getfixturevalue("sqlite_office" if request.param == "sqlite" else "postgres_office")
    return office


@pytest.fixture
async def exchange(office: Office) -> AsyncIterator[Exchange]:
    async with Exchange.at(office) as exchange:
        yield exchange


@pytest.fixture
async def on_sqlite(sqlite_office: Office) -> AsyncIterator[Exchange]:
    """For what does not depend on the database."""
    async with Exchange.at(sqlite_office) as exchange:
        yield exchange


@pytest.fixture
async def parlour(parlour_office: Office) -> AsyncIterator[Exchange]:
    """Groups in which nobody sees what was said before they came."""
    async with Exchange.at(parlour_office) as exchange:
        yield exchange
