"""What the platform gives each plugin for as long as it runs: its settings, its tasks, its queues, the desk."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from deskbell.contracts.desk import DeskApi
from deskbell.ids import TenantId


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
        once: str | None = None,
        after_s: float = 0.0,
    ) -> bool:
        """Leave work in one of the plugin's own queues, durably; see :class:`deskbell.Queue`.

        Args:
            key: What it is about, for people: a room, an address.
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
    def desk(self) -> DeskApi:
        """The desk, for what a plugin does by itself.

        Raises:
            Unavailable: The desk is not up yet, or not any more.
        """
        ...
