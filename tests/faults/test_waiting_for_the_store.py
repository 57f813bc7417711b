"""Deskbell is started before its database is there, or with an address that will never do."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
import yaml

from deskbell.store import waiting
from deskbell.store.database import StoreUnavailable
from deskbell.store.waiting import until_there
from deskbell.testing.desk import SECRET
from deskbell.testing.ports import free_port
from deskbell.testing.servers import PostgresServer

PATIENCE_S = 40.0


async def served(folder: Path, url: str, *arguments: str) -> tuple[int, str]:
    """The status with which ``deskbell serve`` ends, and what it said."""
    config = folder / "config.yaml"
    settings = {"store": {"url": url, "wait_s": 1}, "bus": {"url": "redis://127.0.0.1:1"}, "auth": {"secret": SECRET}}
    config.write_text(yaml.safe_dump({**settings, "server": {"port": free_port()}}), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deskbell", "serve", "--config", str(config), *arguments, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, told = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, " ".join(told.decode().split())  # as it is said, whatever the lines


@pytest.mark.parametrize("arguments", [[], ["--workers", "2"]])
async def test_a_database_that_is_not_there_is_waited_for_and_not_for_ever(
    tmp_path: Path, arguments: list[str]
) -> None:
    """One process and several alike: they say what they wait for, and end with an error that names it."""
    status, told = await served(tmp_path, f"postgresql://nobody@127.0.0.1:{free_port()}/deskbell", *arguments)
    assert status == 3
    assert "waiting_for_the_store" in told
    assert "Deskbell did not start." in told and "PostgreSQL cannot be reached" in told
    assert "waited for 1 s; store.wait_s" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("arguments", [[], ["--workers", "2"]])
async def test_a_database_that_does_not_let_us_in_is_not_waited_for(
    tmp_path: Path, postgres_url: str, arguments: list[str]
) -> None:
    status, told = await served(tmp_path, f"{postgres_url}_of_nobody", *arguments)
    assert status == 3
    assert "PostgreSQL does not let us in" in told and "does not exist" in told
    assert "waiting_for_the_store" not in told and "Traceback" not in told


async def test_who_is_not_let_in_hears_it_at_once(postgres_url: str) -> None:
    """A user that does not exist, and an address that is none."""
    for wrong in (postgres_url.replace("postgres@", "nobody@"), "postgresql://127.0.0.1:no/deskbell"):
        with pytest.raises(StoreUnavailable) as refused:
            await until_there(wrong, PATIENCE_S)
        assert refused.value.why == "refused"


async def test_it_begins_as_soon_as_the_database_is_there(
    own_postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = own_postgres_server.create_database("late")
    await asyncio.to_thread(own_postgres_server.stop)
    refused = asyncio.Event()
    not_connected = waiting.not_connected

    def noted(error: BaseException) -> StoreUnavailable:
        refused.set()
        return not_connected(error)

    monkeypatch.setattr(waiting, "not_connected", noted)
    waits = asyncio.create_task(until_there(url, PATIENCE_S))
    await asyncio.wait_for(refused.wait(), PATIENCE_S)
    assert not waits.done()
    await asyncio.to_thread(own_postgres_server.start)
    await asyncio.wait_for(waits, PATIENCE_S)


async def test_a_sqlite_file_is_always_there(tmp_path: Path) -> None:
    await until_there(f"sqlite:///{tmp_path}/desk.sqlite3", 0)
