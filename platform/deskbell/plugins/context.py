"""What a plugin is given to reach the desk by; made by the host, one per plugin."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from deskbell.contracts import DeskApi
from deskbell.contracts.context import Kept
from deskbell.errors import Invalid, Unavailable
from deskbell.ids import RoomId, TenantId
from deskbell.model.records import Case, Message, Participant
from deskbell.plugins.record import Plugin


class Backing(Protocol):
    """What the running desk does for plugins. The host is given it when the desk is up."""

    async def enqueue(
        self,
        queue: str,
        tenant: TenantId,
        payload: Mapping[str, Any],
        *,
        key: str,
        about: Message | Participant | Case | None,
        room: RoomId | None,
        once: str | None,
        after_s: float,
        max_attempts: int,
    ) -> bool: ...

    def kept(self, plugin: str) -> Kept: ...

    @property
    def desk(self) -> DeskApi: ...


def queue_name(plugin: str, queue: str) -> str:
    """How a plugin's queue is called in the outbox."""
    return f"plugin:{plugin}:{queue}"


class Context:
    """A :class:`deskbell.PluginContext`."""

    def __init__(self, plugin: Plugin, backing: Callable[[], Backing | None], slugs: Mapping[TenantId, str]) -> None:
        self._plugin = plugin
        self._backing = backing
        self._slugs = slugs
        self._waiting: list[tuple[Callable[[], Coroutine[Any, Any, None]], str]] = []
        self._running = False

    @property
    def name(self) -> str:
        return self._plugin.name

    @property
    def settings(self) -> Any:
        return self._plugin.checked

    def settings_for(self, tenant: TenantId) -> Any:
        return self._plugin.checked_of.get(self._slugs.get(tenant, ""), self._plugin.checked)

    @property
    def differs_by_tenant(self) -> bool:
        return bool(self._plugin.checked_of)

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]], name: str = "") -> None:
        if not self._running:
            self._waiting.append((work, name))
        else:
            self._plugin.own(work(), name or "task")

    def begin(self) -> None:
        """The desk is up: what was spawned before begins."""
        self._running = True
        waiting, self._waiting = self._waiting, []
        for work, name in waiting:
            self.spawn(work, name)

    def end(self) -> None:
        """The plugin is switched off; what it spawns from now on waits for nobody."""
        self._running = False

    async def enqueue(
        self,
        queue: str,
        tenant: TenantId,
        payload: Mapping[str, Any],
        *,
        key: str = "",
        about: Message | Participant | Case | None = None,
        room: RoomId | None = None,
        once: str | None = None,
        after_s: float = 0.0,
    ) -> bool:
        backing = self._up()  # first: switched off under way it has no queues, and whoever asks may come again
        known = {offer.name: offer for offer in self._plugin.offers.get("queues", ())}
        if queue not in known:
            raise Invalid(f"The plugin {self.name} has no queue {queue!r}.", known=sorted(known))
        return await backing.enqueue(
            queue_name(self.name, queue),
            tenant,
            payload,
            key=key,
            about=about,
            room=room,
            once=once,
            after_s=after_s,
            max_attempts=known[queue].max_attempts,
        )

    @property
    def kept(self) -> Kept:
        return self._up().kept(self.name)

    @property
    def desk(self) -> DeskApi:
        return self._up().desk

    def _up(self) -> Backing:
        backing = self._backing()
        if backing is None or self._plugin.state != "active":
            raise Unavailable("The desk is not up.")
        return backing
