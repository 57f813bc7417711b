"""What a plugin is given to reach a desk by, where there is no desk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from deskbell.contracts import DeskApi, PluginContext
from deskbell.contracts.context import Kept
from deskbell.errors import Invalid, Unavailable
from deskbell.ids import RoomId, TenantId
from deskbell.model.records import Case, Message, Participant

MAX_NAME, MAX_VALUE_BYTES = 200, 65_536


class InMemory:
    """A :class:`deskbell.Kept` of this process."""

    def __init__(self) -> None:
        self._values: dict[tuple[TenantId, str], bytes] = {}

    async def get(self, tenant: TenantId, name: str) -> Any:
        found = self._values.get((tenant, name))
        return None if found is None else msgspec.json.decode(found)

    async def put(self, tenant: TenantId, name: str, value: Any) -> None:
        try:
            encoded = msgspec.json.encode(value)
        except Exception as error:
            raise Invalid(f"What is kept under {name} is no JSON.") from error
        if not name or len(name) > MAX_NAME or len(encoded) > MAX_VALUE_BYTES:
            raise Invalid("A name has at most 200 characters, a value 64 KiB.")
        self._values[tenant, name] = encoded

    async def drop(self, tenant: TenantId, name: str) -> bool:
        return self._values.pop((tenant, name), None) is not None

    async def list(
        self, tenant: TenantId, prefix: str, *, limit: int = 100, before: str | None = None
    ) -> Sequence[tuple[str, Any]]:
        names = sorted(self._names(tenant, prefix, before), reverse=True)[: min(limit, 1000)]
        return [(name, msgspec.json.decode(self._values[tenant, name])) for name in names]

    async def drop_all(self, tenant: TenantId, prefix: str, *, below: str | None = None) -> int:
        names = self._names(tenant, prefix, below)
        for name in names:
            del self._values[tenant, name]
        return len(names)

    def _names(self, tenant: TenantId, prefix: str, below: str | None) -> Sequence[str]:
        own = (name for of, name in self._values if of == tenant and name.startswith(prefix))
        return [name for name in own if below is None or name < below]


class Context:
    """A :class:`deskbell.PluginContext` whose desk is not up. What is left in queues is kept in ``left``."""

    def __init__(self, name: str = "", settings: Any = None) -> None:
        self.name = name
        self.settings = settings
        self.differs_by_tenant = False
        self.left: dict[str, list[tuple[Mapping[str, Any], Message | Participant | Case | None]]] = {}
        self._kept = InMemory()
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
        about: Message | Participant | Case | None = None,
        room: RoomId | None = None,
    ) -> bool:
        try:
            msgspec.json.encode(payload)
        except Exception as error:
            raise Invalid(f"What is left in {queue} is no JSON.") from error
        self.left.setdefault(queue, []).append((payload, about))
        return True

    @property
    def kept(self) -> Kept:
        return self._kept

    @property
    def desk(self) -> DeskApi:
        self.asked += 1
        raise Unavailable("The desk is not up.")


if TYPE_CHECKING:  # what is added to the contract is missed here
    _IS_ONE: PluginContext = Context()
