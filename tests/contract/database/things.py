"""The scratch schema of the store's tests, and what they do with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tortoise import fields
from tortoise.models import Model

from deskbell.ids import new_id
from deskbell.store.database import Database, _inside

SCHEMA = """\
CREATE TABLE things (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    key text,
    n bigint NOT NULL DEFAULT 0 CHECK (n >= 0),
    body bytea,
    seen boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX things_key ON things (tenant_id, key) WHERE key IS NOT NULL;
CREATE TABLE parts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL,
    thing_id uuid NOT NULL,
    CONSTRAINT parts_thing FOREIGN KEY (tenant_id, thing_id) REFERENCES things (tenant_id, id)
);
"""
TENANT = new_id()
MODELS = __name__  # where Tortoise finds them


class Thing(Model):
    """The scratch table for the ORM."""

    id = fields.CharField(36, primary_key=True)
    tenant_id = fields.CharField(36)
    key = fields.CharField(50, null=True)
    n = fields.BigIntField(default=0)
    seen = fields.BooleanField(default=False)

    class Meta:
        table = "things"


async def add(to: Any, *, key: str | None = None, n: int = 0, thing: str | None = None) -> str:
    """Insert one thing by hand-written SQL; its id."""
    thing = thing or new_id()
    await to.execute("INSERT INTO things (tenant_id, id, key, n) VALUES ($1, $2, $3, $4)", TENANT, thing, key, n)
    return thing


async def count(of: Any) -> int:
    return int(await of.fetchval("SELECT count(*) FROM things"))


Opener = Callable[..., Awaitable[Database]]


async def enter(context: Any) -> None:
    """Begin a transaction or a snapshot and end it."""
    async with context:
        pass


async def outside(work: Callable[[], Awaitable[Any]]) -> Any:
    """Do work as a task would that was not begun inside of a transaction."""
    _inside.set(())
    return await work()


async def linger_in_a_transaction(db: Database) -> None:
    async with db.transaction() as tx:
        await add(tx, key=None)
        await asyncio.sleep(0.0005)
        await add(tx, key=None)
