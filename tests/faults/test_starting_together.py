"""Several instances of a new installation are started at the same moment, as an orchestrator does."""

from __future__ import annotations

import asyncio

import msgspec

from deskbell.app import Application
from deskbell.config import Settings, Store
from deskbell.testing.desk import SECRET


async def test_instances_may_start_together_on_an_empty_database(empty_postgres_url: str) -> None:
    """Each makes sure that the schema and the people of the settings exist; none stumbles over another's."""
    base = Settings()
    settings = msgspec.structs.replace(
        base,
        store=Store(url=empty_postgres_url, pool_size=2),
        auth=msgspec.structs.replace(base.auth, secret=SECRET),
    )
    opened = await asyncio.gather(*(Application.open(settings) for _ in range(4)), return_exceptions=True)
    applications = [one for one in opened if isinstance(one, Application)]
    try:
        assert [one for one in opened if isinstance(one, BaseException)] == []
        db = applications[0].ports.db
        assert await db.fetchval("SELECT count(*) FROM users WHERE role <> ''") == len(base.tenants[0].users)
        assert await db.fetchval("SELECT count(*) FROM teams") == 1
    finally:
        for application in applications:
            await application.close()
