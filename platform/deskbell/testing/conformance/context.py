"""What a plugin is given to reach a desk by, where there is no desk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec

from deskbell.contracts import DeskApi
from deskbell.errors import Invalid, Unavailable
from deskbell.ids import TenantId


class Context:
    """A :class:`deskbell.PluginContext` whose desk is not up. What is left in queues is kept in ``left``."""

    def __init__(self, name: str = "", settings: Any = None) -> None:
        self.name = name
        self.settings = settings
        self.differs_by_tenant = False
        self.left: dict[str, list[Mapping[str, Any]]] = {}
        self._waiting: list[tuple[Callable[[], Coroutine[Any, Any, None]], str]] = []
        self._spawned: set[asyncio.Task[None]] = set()
        self._running = False
        self.asked = 0
        """How often the plugin wanted something of the desk."""

    def settings_for(self, tenant: TenantId) -> Any:
        return self.settings

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]], name: str = "") -> None:
        if not self._running:
            self._waiting.append((work, name))
            return
        task = asyncio.create_task(work(), name=name or None)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)

    def begin(self) -> None:
        """What was spawned until now begins, and from now on everything at once."""
        self._running = True
        for work, name in self._waiting:
            self.spawn(work, name)
        self._waiting.clear()

    async def enqueue(
        self,
        queue: str,
        tenant: TenantId,
        payload: Mapping[str, Any],
        *,
        key: str = "",
        once: str | None = None,
        after_s: float = 0.0,
    ) -> bool:
        try:
            msgspec.json.encode(payload)
        except Exception as error:
            raise Invalid(f"What is left in {queue} is no JSON.") from error
        self.left.setdefault(queue, []).append(payload)
        return True

    @property
    def desk(self) -> DeskApi:
        self.asked += 1
        raise Unavailable("The desk is not up.")
