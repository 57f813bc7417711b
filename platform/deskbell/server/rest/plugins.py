"""Plugins, for admins: what there is and how it behaves; switching; dead work. And the kinds of messages they add."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from quart import Blueprint

from deskbell.actions import plugin_admin
from deskbell.actions.plugin_admin import DeadWork
from deskbell.errors import Conflict, Forbidden, NotFound
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import Body, Items, Nothing
from deskbell.server.rest.routes import Ask, Routes


class PluginEntry(msgspec.Struct, frozen=True):
    """A plugin that was found. ``reason``: why it is not running; ``times`` in milliseconds; ``blocked``: how often it
    held up the whole process.
    """

    name: str
    version: str
    state: str
    reason: str
    requires_api: str
    source: str
    order: int
    offers: dict[str, int]
    registers: dict[str, list[str]]
    hooks: list[str]
    faults: int
    last_fault: str
    passed_over: int
    breakers: dict[str, str]
    blocked: int
    last_block: str
    tasks: int
    threads: int
    times: dict[str, dict[str, float]]


class KindEntry(msgspec.Struct, frozen=True):
    """A kind of message that a plugin adds. ``metadata``: the JSON Schema of its ``metadata``."""

    kind: str
    who: list[str]
    channel_types: list[str]
    metadata: dict[str, Any]


class Replay(Body, frozen=True):
    """Which dead work to try again; all of it, where ``ids`` is missing."""

    ids: Annotated[list[Annotated[int, Meta(ge=1, le=2**53 - 1)]], Meta(max_length=200)] | None = None


class Replayed(msgspec.Struct, frozen=True):
    """How much is tried again."""

    replayed: int


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("plugins", edge), edge.ports

    @routes.get("/plugins", Items[PluginEntry], refuses=[Forbidden])
    async def list_plugins(ask: Ask) -> Items[PluginEntry]:
        """Every plugin that was found, and how it behaves on this instance; for admins."""
        found = await plugin_admin.listed(ports, ask.actor)
        return Items([msgspec.convert(entry, PluginEntry) for entry in found])

    @routes.post("/plugins/<name>/enable", PluginEntry, body=Nothing, refuses=[Forbidden, NotFound, Conflict])
    async def enable_plugin(ask: Ask, name: str) -> PluginEntry:
        """Switch a plugin on, without a restart; for admins."""
        return msgspec.convert(await plugin_admin.switch(ports, ask.actor, name, True), PluginEntry)

    @routes.post("/plugins/<name>/disable", PluginEntry, body=Nothing, refuses=[Forbidden, NotFound, Conflict])
    async def disable_plugin(ask: Ask, name: str) -> PluginEntry:
        """Switch a plugin off, without a restart; for admins."""
        return msgspec.convert(await plugin_admin.switch(ports, ask.actor, name, False), PluginEntry)

    @routes.get("/plugins/<name>/dead", Items[DeadWork], refuses=[Forbidden, NotFound])
    async def list_dead_work(ask: Ask, name: str) -> Items[DeadWork]:
        """What the plugin's queues gave up, of this tenant, newest first; for admins."""
        return Items(await plugin_admin.dead(ports, ask.actor, name))

    @routes.post("/plugins/<name>/replay", Replayed, body=Replay, refuses=[Forbidden, NotFound])
    async def replay_dead_work(ask: Ask, name: str) -> Replayed:
        """Try dead work again, with all its attempts; for admins."""
        body: Replay = ask.body
        return Replayed(await plugin_admin.replay(ports, ask.actor, name, body.ids))

    @routes.get("/message-kinds", Items[KindEntry])
    async def list_message_kinds(ask: Ask) -> Items[KindEntry]:
        """The kinds of messages that plugins add, each with the schema of its metadata."""
        return Items([
            KindEntry(kind.name, list(kind.who), list(kind.channel_types), msgspec.json.schema(kind.metadata))
            for kind in ports.plugins.message_kinds.values()
        ])  # fmt: skip

    return routes.blueprint
