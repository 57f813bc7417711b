"""What the pages of a site are told before anybody has logged in: how the widget looks, and whether people are there.

Anybody may ask who knows a site's public key, and that is in the source of its pages. So nothing is told here but
what visitors are meant to read: no address, no secret, no list of origins; and a page that is not the site's is
told the same as one that asks for a site there is not.

Asking is cheap: of one site the store is asked every 30 seconds, and who is here every 10, however many ask; every
second while nobody is, since the first who comes ends that.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeVar

import msgspec

from deskbell.actions import agents, waiting
from deskbell.actions.people import origin_allowed
from deskbell.clock import from_us
from deskbell.errors import NotFound
from deskbell.ids import TenantId
from deskbell.model import site as sites
from deskbell.model.site import Prechat, SiteSettings
from deskbell.ports import Ports
from deskbell.store import people
from deskbell.store.database import StoreError
from deskbell.volatile.limits import address_prefix

SITE_KNOWN_FOR_S = 30.0
PEOPLE_KNOWN_FOR_S = 10.0
NOBODY_KNOWN_FOR_S = 1.0
MOST_KNOWN = 1000
MOST_SHOWN = 3
ASK_AGAIN_S = 1.0
NO_SITE = "There is no site with this key."

_KEY = re.compile(r"[A-Za-z0-9_-]{4,64}")
T = TypeVar("T")


class Speaker(msgspec.Struct, frozen=True):
    """The assistant, by the name it answers under."""

    name: str


class Colors(msgspec.Struct, frozen=True):
    """The site's colours; null: the widget's own."""

    color: str | None
    on_color: str | None
    glyph: str | None


class Button(msgspec.Struct, frozen=True):
    """The button that opens the widget."""

    side: Literal["right", "left"]
    label: str


class Face(msgspec.Struct, frozen=True):
    """Somebody who takes conversations now, as visitors see them."""

    name: str
    avatar: str | None


class Field(msgspec.Struct, frozen=True, omit_defaults=True):
    """One question of the form before a conversation; ``options`` only where there is something to select."""

    name: str
    label: str
    kind: Literal["text", "email", "textarea", "select"]
    required: bool
    options: tuple[str, ...] = ()


class Form(msgspec.Struct, frozen=True):
    """What visitors are asked before a conversation. No fields, and no consent: nothing."""

    fields: list[Field]
    consent: str | None


class SitePage(msgspec.Struct, frozen=True):
    """How a site wants its widget, and whether people are there.

    ``assistant`` is null where no bot answers, ``opens_at`` while it is open or never opens, ``wait_s`` (a range,
    in seconds) while nobody is here or it is closed.
    """

    name: str
    assistant: Speaker | None
    languages: list[str]
    theme: Colors
    launcher: Button
    greeting: dict[str, str]
    choice: bool
    prechat: Form
    offline_form: bool
    open: bool
    opens_at: datetime | None
    people: list[Face]
    people_here: bool
    wait_s: tuple[int, int] | None


@dataclass(frozen=True)
class _Site:
    at: float
    tenant: TenantId
    name: str
    bot: str
    origins: list[str]
    settings: SiteSettings


@dataclass(frozen=True)
class _Here:
    at: float
    faces: list[Face]
    wait_s: tuple[int, int] | None


class SitePages:
    """The sites this process was asked for lately, and who is here in their tenants."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._sites: OrderedDict[str, _Site] = OrderedDict()
        self._here: OrderedDict[TenantId, _Here] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Any]] = {}
        self._generation = 0

    def forget(self) -> None:
        """Something about sites was changed here: ask the store again. Other instances notice within 30 seconds."""
        self._generation += 1
        for known in (self._sites, self._here, self._asking):
            known.clear()

    async def page(self, public_key: str, *, address: str = "", origin: str | None = None) -> SitePage:
        """What a page is told. ``origin``: of a foreign page; None for our own, and for what is no browser.

        Raises:
            NotFound: No site has this key, or the page is not one of the site's.
            RateLimited: This neighbourhood asks too often.
            Unavailable: The store cannot say, and this process does not know the site from before.
        """
        per_min = self._ports.settings.limits.site_reads_per_min_per_prefix
        self._ports.limits.spend("site", address_prefix(address), per_min=per_min, burst=per_min)
        site = await self._site(public_key) if _KEY.fullmatch(public_key) else None
        if site is None or (origin is not None and not origin_allowed(origin, site.origins)):
            raise NotFound(NO_SITE)
        return self._told(site, await self._people(site.tenant))

    def _told(self, site: _Site, here: _Here) -> SitePage:
        settings, now = site.settings, from_us(self._ports.clock.now_us())
        bots = self._ports.plugins.bots
        bot = site.bot if site.bot in bots else min(bots, default=None)
        theme, launcher = settings.theme.filled(), settings.launcher
        is_open = sites.is_open(settings.hours, now)
        return SitePage(
            name=site.name,
            assistant=None if bot is None else Speaker(bots[bot].title),
            languages=list(settings.languages),
            theme=Colors(theme.color, theme.on_color, theme.glyph),
            launcher=Button(launcher.side, launcher.label),
            greeting=settings.greeting,
            choice=settings.choice,
            prechat=_form(settings.prechat),
            offline_form=settings.offline_form,
            open=is_open,
            opens_at=sites.opens_at(settings.hours, now),
            people=here.faces[:MOST_SHOWN],
            people_here=bool(here.faces),
            wait_s=here.wait_s if is_open else None,
        )

    async def _site(self, public_key: str) -> _Site | None:
        known, now = self._sites.get(public_key), self._ports.clock.monotonic()
        if known is not None and now - known.at < SITE_KNOWN_FOR_S:
            self._sites.move_to_end(public_key)
            return known
        try:
            return await self._once(public_key, lambda: self._load_site(public_key, self._generation))
        except StoreError:
            if known is None:
                raise
            # While the store is away, what was known last goes on; not everybody has to find out for themselves.
            known = self._sites[public_key] = replace(known, at=now - SITE_KNOWN_FOR_S + ASK_AGAIN_S)
            return known

    async def _load_site(self, public_key: str, generation: int) -> _Site | None:
        at = self._ports.clock.monotonic()
        found = await people.site_by_key(self._ports.db, public_key)
        if found is None:
            self._sites.pop(public_key, None)
            return None
        stored = msgspec.json.decode(found.settings)
        site = _Site(
            at,
            TenantId(found.tenant_id),
            found.name,
            stored.pop("bot", ""),
            msgspec.json.decode(found.origins, type=list[str]),
            sites.read_settings(stored),
        )
        if generation == self._generation:
            self._sites[public_key] = site
            if len(self._sites) > MOST_KNOWN:
                self._sites.popitem(last=False)
        return site

    async def _people(self, tenant: TenantId) -> _Here:
        known, now = self._here.get(tenant), self._ports.clock.monotonic()
        if known is not None and now - known.at < (PEOPLE_KNOWN_FOR_S if known.faces else NOBODY_KNOWN_FOR_S):
            return known
        try:
            return await self._once(tenant, lambda: self._load_people(tenant, self._generation))
        except StoreError:
            if known is None:
                raise
            known = self._here[tenant] = replace(known, at=now - PEOPLE_KNOWN_FOR_S + ASK_AGAIN_S)
            return known

    async def _once(self, key: str, load: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Load what several wait for once; whoever goes away does not stop it for the others."""
        asking: asyncio.Task[T] | None = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.create_task(load(), name="site")
            asking.add_done_callback(lambda task: self._done(key, task))
        return await asyncio.shield(asking)

    def _done(self, key: str, task: asyncio.Task[Any]) -> None:
        if self._asking.get(key) is task:
            del self._asking[key]
        if not task.cancelled():
            task.exception()  # whoever waited has it

    async def _load_people(self, tenant: TenantId, generation: int) -> _Here:
        ports, at = self._ports, self._ports.clock.monotonic()
        team = ports.settings.support.default_team
        faces = [Face(user.name, user.avatar) for user in await agents.taking(ports, tenant, team)]
        here = _Here(at, faces, await waiting.expected_wait_s(ports, tenant, team) if faces else None)
        if generation == self._generation:
            self._here[tenant] = here
            self._here.move_to_end(tenant)
            if len(self._here) > MOST_KNOWN:
                self._here.popitem(last=False)
        return here


def _form(prechat: Prechat) -> Form:
    fields = [Field(ask.name, ask.label, ask.kind, ask.required, ask.options) for ask in prechat.fields]
    return Form(fields, prechat.consent)
