"""What the platform gives each plugin for as long as it runs: its settings, its tasks, its queues, the desk."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from deskbell.contracts.desk import DeskApi
from deskbell.ids import RoomId, TenantId
from deskbell.model.records import Case, Message, Participant


class Kept(Protocol):
    """Small values that a plugin keeps in the store: JSON under a name, each tenant's apart.

    The last writer wins; what has been put is there on every instance and after every restart. A value is at
    most 64 KiB, a name 200 characters. Every call may raise :class:`deskbell.Unavailable` and, for a name or
    a value that does not fit, :class:`deskbell.Invalid`.
    """

    async def get(self, tenant: TenantId, name: str) -> Any:
        """The value; None where there is none."""
        ...

    async def put(self, tenant: TenantId, name: str, value: Any) -> None:
        """Keep a value, in place of the one before. Structs and dataclasses are kept as objects."""
        ...

    async def drop(self, tenant: TenantId, name: str) -> bool:
        """Forget a value; whether there was one."""
        ...

    async def list(
        self, tenant: TenantId, prefix: str, *, limit: int = 100, before: str | None = None
    ) -> Sequence[tuple[str, Any]]:
        """Names that begin with ``prefix`` and their values, the highest name first; at most 1,000.

        ``before``: only names below this one, to go on from the last of the page before.
        """
        ...

    async def drop_all(self, tenant: TenantId, prefix: str, *, below: str | None = None) -> int:
        """Forget all names that begin with ``prefix``, those below ``below`` only; how many there were."""
        ...


class PluginContext(Protocol):
    """The argument ``context`` of every ``register_*`` hook. Keep it, and use it while the desk runs."""

    @property
    def name(self) -> str:
        """The plugin's name in ``config.yaml``."""
        ...

    @property
    def settings(self) -> Any:
        """The plugin's settings where no tenant is meant: an instance of its ``Settings``, or None."""
        ...

    def settings_for(self, tenant: TenantId) -> Any:
        """The settings with what the operator changed for this tenant (``plugins.<name>.tenants``)."""
        ...

    @property
    def differs_by_tenant(self) -> bool:
        """Whether any tenant has settings of its own."""
        ...

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]], name: str = "") -> None:
        """Run ``work()`` in the background until it ends or the plugin is switched off.

        Called while registering, it begins once the desk is up. Tasks that a plugin makes by itself
        are nobody's: use this.
        """
        ...

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
        """Leave work in one of the plugin's own queues, durably; see :class:`deskbell.Queue`.

        Args:
            key: What it is about, for people: a room, an address.
            about: What an observer was told of. Only its name is stored; the handler is given it as it is then,
                so that what was edited or erased meanwhile is not told any more. Do not copy it into ``payload``.
            room: Where; needed with a participant.
            once: Names the cause. Of several calls with the same ``once`` one leaves work, so an observer
                that is told twice does not cause two. Remembered for a day after the work is done.
            after_s: Not before so many seconds.
        Returns: Whether work was left; False where ``once`` was there before.
        Raises:
            Invalid: The plugin has no such queue, or ``payload`` is no JSON.
            Unavailable: The store does not answer; nothing was left.
        """
        ...

    @property
    def kept(self) -> Kept:
        """What the plugin keeps in the store.

        Raises:
            Unavailable: The desk is not up yet, or not any more.
        """
        ...

    @property
    def desk(self) -> DeskApi:
        """The desk, for what a plugin does by itself.

        Raises:
            Unavailable: The desk is not up yet, or not any more.
        """
        ...
