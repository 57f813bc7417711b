"""The sites of a tenant, as admins manage them.

A site's secret is told once, when it is made anew, and never again. What pages are told of a site, and how long
instances know it, is :mod:`deskbell.actions.site_pages`'s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from deskbell.actions.content import checked_text
from deskbell.actions.managing import managing
from deskbell.actions.operations import needs_admin
from deskbell.errors import Invalid, LimitReached, NotFound
from deskbell.ids import SiteId, is_id, new_id, new_secret
from deskbell.model.records import Actor
from deskbell.model.site import SiteSettings, chosen, read_settings
from deskbell.ports import Ports
from deskbell.store import staff
from deskbell.store.database import Row

MAX_SITES = 100
MAX_NAME_BYTES = 400
KEY_CHARACTERS = 20
_ORIGIN = re.compile(r"(?P<scheme>https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:(?P<port>[0-9]{1,5}))?")


class SiteEntry(msgspec.Struct, frozen=True):
    """A site as admins see it. ``bot``: which answers first; empty: the first by name."""

    id: SiteId
    name: str
    public_key: str
    origins: list[str]
    settings: SiteSettings
    bot: str


async def listed(ports: Ports, actor: Actor) -> list[SiteEntry]:
    """The sites of the tenant, in the order they were made.

    Raises:
        Forbidden: Not an admin.
    """
    needs_admin(actor)
    return [_entry(row) for row in await staff.sites(ports.db, actor.tenant)]


async def create(
    ports: Ports,
    actor: Actor,
    *,
    name: str,
    origins: Sequence[str] = (),
    settings: SiteSettings | None = None,
    bot: str = "",
) -> SiteEntry:
    """Make a site, with a public key of its own and a secret nobody has seen yet.

    Raises:
        Forbidden: Not an admin.
        Invalid: A blank name, an origin that may not be listed, or a bot that does not run.
        LimitReached: There are 100.
    """
    needs_admin(actor)
    entry = SiteEntry(
        SiteId(new_id()),
        _named(ports, name),
        new_secret()[:KEY_CHARACTERS],
        _origins(ports, origins),
        settings or SiteSettings(),
        _bot(ports, bot),
    )
    async with managing(ports, actor) as change:
        if len(await staff.sites(change.tx, actor.tenant)) >= MAX_SITES:
            raise LimitReached(f"A tenant has {MAX_SITES} sites at most.", max=MAX_SITES)
        await staff.create_site(
            change.tx,
            actor.tenant,
            entry.id,
            name=entry.name,
            public_key=entry.public_key,
            secret=new_secret(),
            origins=_json(entry.origins),
            settings=_stored(entry),
            now_us=change.now_us,
        )
        change.note("site_created", entry.id)
    return entry


async def change(
    ports: Ports,
    actor: Actor,
    site_id: SiteId,
    *,
    name: str | None = None,
    origins: Sequence[str] | None = None,
    settings: SiteSettings | None = None,
    bot: str | None = None,
) -> SiteEntry:
    """Change a site; what is None stays. ``settings`` takes the place of all there were.

    Raises:
        Forbidden, NotFound, Invalid: Not an admin; not a site of the tenant; as for a new one.
    """
    needs_admin(actor)
    changed: dict[str, Any] = {}
    if name is not None:
        changed["name"] = _named(ports, name)
    if origins is not None:
        changed["origins"] = _origins(ports, origins)
    if settings is not None:
        changed["settings"] = settings
    if bot is not None:
        changed["bot"] = _bot(ports, bot)
    async with managing(ports, actor) as managed:
        row = await staff.site(managed.tx, actor.tenant, site_id) if is_id(site_id) else None
        if row is None:
            raise NotFound()
        before = _entry(row)
        entry = msgspec.structs.replace(before, **changed)
        fields = [field for field in changed if getattr(before, field) != getattr(entry, field)]
        if fields:
            await staff.change_site(
                managed.tx,
                actor.tenant,
                site_id,
                name=entry.name,
                origins=_json(entry.origins),
                settings=_stored(entry),
            )
            managed.note("site_changed", site_id, fields=fields)
    return entry


async def rotate_secret(ports: Ports, actor: Actor, site_id: SiteId) -> str:
    """A new secret for a site. Identities signed with the old one let nobody in from now on.

    Raises:
        Forbidden, NotFound: Not an admin; not a site of the tenant.
    """
    needs_admin(actor)
    secret = new_secret()
    async with managing(ports, actor) as managed:
        if not is_id(site_id) or await staff.site(managed.tx, actor.tenant, site_id) is None:
            raise NotFound()
        await staff.change_secret(managed.tx, actor.tenant, site_id, secret)
        managed.note("site_secret_rotated", site_id)
    return secret


def _entry(row: Row) -> SiteEntry:
    stored = msgspec.json.decode(row["settings"])
    bot = stored.pop("bot", "")
    origins = msgspec.json.decode(row["origins"], type=list[str])
    return SiteEntry(SiteId(row["id"]), row["name"], row["public_key"], origins, read_settings(stored), bot)


def _stored(entry: SiteEntry) -> str:
    return _json({"bot": entry.bot, **chosen(entry.settings)})


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _named(ports: Ports, name: str) -> str:
    return " ".join(checked_text(ports, name, what="name", max_bytes=MAX_NAME_BYTES, empty=False).split())


def _origins(ports: Ports, origins: Sequence[str]) -> list[str]:
    found = list(dict.fromkeys(_as_browsers_send_it(origin) for origin in origins))
    if "*" in found and ports.settings.environment == "production":
        raise Invalid('"*" lets every page in. List the origins of the site.', path="origins")
    return found


def _as_browsers_send_it(origin: str) -> str:
    """An origin as it is compared, letter by letter; one that no page can have would be listed in vain."""
    given = origin.strip().lower()
    parts = _ORIGIN.fullmatch(given)
    if given == "*":
        return given
    if parts is None or int(parts["port"] or 0) > 65_535:
        raise Invalid(
            f'No page is from {given[:100]}. An origin is such as "https://shop.example", one for each host;'
            " a host in other letters begins with xn--.",
            path="origins",
        )
    usual = {"http": "80", "https": "443"}[parts["scheme"]]
    return given.removesuffix(f":{usual}")


def _bot(ports: Ports, bot: str) -> str:
    if bot and bot not in ports.plugins.bots:
        raise Invalid("There is no such bot.", path="bot", bots=sorted(ports.plugins.bots))
    return bot
