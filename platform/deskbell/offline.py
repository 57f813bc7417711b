"""What the command line does to an installation's store beside those who serve it: plugins and their switches."""

from __future__ import annotations

from pathlib import Path

from deskbell.actions import plugin_admin
from deskbell.clock import Clock
from deskbell.config import Settings
from deskbell.plugins import PluginHost
from deskbell.store import switches
from deskbell.store.database import Database, StoreError, StoreUnavailable
from deskbell.store.migrate import pending


def host_of(settings: Settings, switched: dict[str, bool] | None = None) -> PluginHost:
    """The plugins as these settings have them, and as admins switched them; nothing is started.

    Raises:
        PluginError: Deskbell would not start with them.
    """
    folder = settings.plugin_host.folder
    return PluginHost.load(
        settings.plugins,
        settings.channels,
        moderation_timeout_s=settings.moderation.timeout_s,
        folder=Path(folder) if folder else None,
        switches=switched,
    )


async def switched(settings: Settings) -> dict[str, bool]:
    """What admins switched; nothing where there is no desk yet, or its store does not answer."""
    path = settings.store.sqlite_path
    if path is not None and not path.exists():
        return {}
    try:
        if await pending(settings.store.url):
            return {}
        db = await Database.open(settings.store.url, pool_size=1)
        try:
            return await switches.read(db)
        finally:
            await db.close()
    except StoreError:
        return {}


async def switch(settings: Settings, name: str, on: bool) -> None:
    """Switch a plugin on or off; those who serve follow within seconds.

    Raises:
        PluginError: It cannot be. Says why.
        StoreError: There is no desk yet, or its store does not answer.
    """
    if await pending(settings.store.url):
        raise StoreUnavailable("There is no desk at this store yet. Run deskbell serve or migrate first.")
    db = await Database.open(settings.store.url, pool_size=1)
    try:
        host = host_of(settings, await switches.read(db))
        await plugin_admin.switch_in_store(db, host, name, on, "command line", Clock().now_us())
    finally:
        await db.close()
