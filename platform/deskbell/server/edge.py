"""What the edge of the platform needs to answer: handed to sockets and routes by :mod:`deskbell.app`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from deskbell.actions import people
from deskbell.actions.facade import Facade
from deskbell.actions.reads import Marks
from deskbell.actions.site_pages import SitePages
from deskbell.actions.turns import TurnEngine
from deskbell.hub import Hub
from deskbell.ids import TenantId
from deskbell.ports import Ports
from deskbell.server.lag import Lag
from deskbell.store.database import StoreError
from deskbell.volatile.limits import Gauge

ORIGINS_FOR_S = 30.0
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"http": 80, "https": 443}


@dataclass
class Edge:
    """``draining``: this process is on its way out and takes nobody new. ``desk``: what plugins act through.
    ``sites``: what pages are told before anybody has logged in.

    ``opened`` and ``closed`` count sockets, the latter by close code.
    """

    ports: Ports
    hub: Hub
    marks: Marks
    turns: TurnEngine
    arriving: Gauge
    draining: bool = False
    desk: Facade = field(init=False)
    sites: SitePages = field(init=False)
    opened: int = 0
    closed: Counter[int] = field(default_factory=Counter)
    lag: Lag = field(default_factory=Lag)
    _origins: dict[TenantId | None, tuple[float, list[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.desk = Facade(self.ports, self.marks)
        self.sites = SitePages(self.ports)

    def is_own(self, origin: str | None) -> bool:
        """Whether a page is one of our own. This very machine is the same by all its names."""
        if origin is None:
            return False
        try:
            return _same_place(origin) == _same_place(self.ports.settings.server.public_url)
        except ValueError:  # a port that is none, or brackets that do not close
            return False

    def sites_changed(self) -> None:
        """Somebody changed a site here: what this process knew of sites is asked for again."""
        self.sites.forget()
        self._origins.clear()

    async def origin_allowed(self, origin: str | None, tenant: TenantId | None = None) -> bool:
        """Whether a browser's page may talk to us: to any tenant, or to this one. No origin: no browser.

        Our own pages always may. The sites' lists are asked at most every 30 seconds; while the store
        is away, what was known last goes on.
        """
        if origin is None or self.is_own(origin):
            return True
        now = self.ports.clock.monotonic()
        at, allowed = self._origins.get(tenant, (-ORIGINS_FOR_S, []))
        if now - at >= ORIGINS_FOR_S:
            try:
                allowed = await people.origins(self.ports, tenant)
                self._origins[tenant] = (now, allowed)
            except StoreError:
                pass
        return people.origin_allowed(origin, allowed)


def _same_place(address: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of an address, as far as they tell places apart."""
    parts = urlsplit(address)
    host = "localhost" if parts.hostname in _THIS_MACHINE else parts.hostname
    return parts.scheme, host, parts.port or _PORTS.get(parts.scheme)
