"""What admins see of plugins and do with them: switch them on and off, look at dead work, replay it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from deskbell.actions.operations import needs_admin
from deskbell.clock import from_us
from deskbell.config import Settings
from deskbell.errors import Conflict, Forbidden, NotFound
from deskbell.model.records import Actor
from deskbell.plugins import Plugin, PluginHost, SwitchedOff, UnknownPlugin, queue_name
from deskbell.ports import Ports
from deskbell.store import outbox, people, switches
from deskbell.store.database import Database

DEAD_LISTED = 200


@dataclass(frozen=True)
class DeadWork:
    """Work of a plugin's queue that was given up. ``attempts``: how often it was tried; ``reason``: what was last."""

    id: int
    queue: str
    key: str
    payload: dict[str, Any]
    attempts: int
    reason: str
    died_at: datetime


async def listed(ports: Ports, actor: Actor) -> list[dict[str, Any]]:
    """Every plugin that was found, what became of it, and how it behaves.

    Raises:
        Forbidden: Not an admin.
    """
    needs_admin(actor)
    return ports.plugins.describe()


async def switch(ports: Ports, actor: Actor, name: str, on: bool) -> dict[str, Any]:
    """Switch a plugin on or off, here at once and on the other instances within seconds; over restarts too.

    Raises:
        Forbidden: Not an admin, or not of a tenant that looks after the installation.
        NotFound: There is no such plugin.
        Conflict: It cannot be switched while Deskbell runs. The sentence says why.
    """
    needs_admin(actor)
    await _needs_operator(ports.settings, ports.db, actor)
    try:
        await switch_in_store(ports.db, ports.plugins, name, on, str(actor.id), await ports.journal.now_us())
    except UnknownPlugin:
        raise NotFound("There is no plugin of this name.") from None
    except SwitchedOff as error:
        raise Conflict(str(error)) from None
    await ports.plugins.follow(await switches.read(ports.db))
    plugin = ports.plugins.named(name)
    assert plugin is not None
    return plugin.describe()


async def switch_in_store(db: Database, host: PluginHost, name: str, on: bool, by: str, now_us: int) -> None:
    """Note that a plugin is switched; every instance follows with its next tips.

    Raises:
        UnknownPlugin: There is none of this name.
        SwitchedOff: It cannot be. Says why.
    """
    plugin = host.check_switch(name, on)
    if not on:
        await _check_rooms(db, plugin)
    await switches.put(db, name, on, by, now_us)


async def _check_rooms(db: Database, plugin: Plugin) -> None:
    """Refuse to leave rooms without what they need."""
    types = [offer.name for offer in plugin.offers.get("channel_types", ())]
    bots = [f"bot:{offer.name}" for offer in plugin.offers.get("bots", ())]
    remedy = f"Set plugins.{plugin.name}.enabled to false in config.yaml and restart, if that is what you want."
    if types:
        there = await db.fetchval("SELECT channel_type FROM rooms WHERE channel_type = ANY($1::text[]) LIMIT 1", types)
        if there is not None:
            raise SwitchedOff(
                f"There are rooms of the type {there!r}, which {plugin.name} brings; without it nobody could enter"
                f" them. {remedy}"
            )
    if bots:
        owned = await db.fetchval(
            "SELECT count(*) FROM rooms r JOIN users u ON u.tenant_id = r.tenant_id AND u.id = r.owner_user"
            " WHERE r.owner_kind = 'bot' AND r.closed_at IS NULL AND u.external_id = ANY($1::text[])",
            bots,
        )
        if owned:
            raise SwitchedOff(
                f"{owned} open conversations are in the hands of a bot that {plugin.name} brings. Wait until they are"
                f" closed or taken over. {remedy}"
            )


async def _needs_operator(settings: Settings, db: Database, actor: Actor) -> None:
    known = {str(tenant.id): tenant.slug for tenant in await people.tenants(db)}
    operators = settings.plugin_host.operators or (tuple(known.values()) if len(known) == 1 else ())
    if known.get(str(actor.tenant)) not in operators:
        raise Forbidden(
            "Plugins serve all tenants. Switching them is for the admins named in plugin_host.operators,"
            " and for `deskbell plugins` on the server."
        )


async def dead(ports: Ports, actor: Actor, name: str) -> list[DeadWork]:
    """Work of the tenant that the plugin's queues gave up, newest first, at most 200 of each queue.

    Raises:
        Forbidden: Not an admin.
        NotFound: There is no such plugin.
    """
    found = []
    for queue in _queues(ports, actor, name):
        found += [
            DeadWork(
                id=row["id"],
                queue=queue,
                key=row["key"],
                payload=msgspec.json.decode(row["payload"]),
                attempts=row["attempts"],
                reason=row["last_error"] or "",
                died_at=from_us(row["done_at"]),
            )
            for row in await outbox.dead(ports.db, actor.tenant, queue_name(name, queue), DEAD_LISTED)
        ]
    return sorted(found, key=lambda work: (work.died_at, work.id), reverse=True)


async def replay(ports: Ports, actor: Actor, name: str, ids: Sequence[int] | None) -> int:
    """Try dead work of the tenant again, with all its attempts: these rows, or all. How many there were.

    Raises:
        Forbidden: Not an admin.
        NotFound: There is no such plugin.
    """
    replayed = 0
    now_us = await ports.journal.now_us()
    for queue in _queues(ports, actor, name):
        named = queue_name(name, queue)
        again = await outbox.replay_all(ports.db, actor.tenant, named, now_us, ids)
        if again:
            ports.journal.outbox_filled(named)
        replayed += again
    return replayed


def _queues(ports: Ports, actor: Actor, name: str) -> list[str]:
    needs_admin(actor)
    plugin = ports.plugins.named(name)
    if plugin is None:
        raise NotFound("There is no plugin of this name.")
    return [offer.name for offer in plugin.offers.get("queues", ())]
