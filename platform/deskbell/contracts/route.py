"""A plugin's own addresses, under ``/api/v1/plugins/<plugin>/…``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from deskbell.contracts.desk import Acting
from deskbell.errors import Unauthenticated
from deskbell.model.records import Actor

Who = Literal["anybody", "user", "staff", "supervisor", "admin"]


@dataclass(frozen=True, kw_only=True)
class RouteRequest:
    """A request that was understood.

    ``path`` holds what stood for the names in the route's path; ``body`` and ``query`` are instances of the
    route's Structs, or None. ``raw`` is the body as it came, for signatures. ``headers``: names in lower case.
    ``settings`` are those of the asker's tenant. ``who`` is None where nobody said who asks.
    """

    who: Actor | None
    path: Mapping[str, str]
    body: Any
    query: Any
    raw: bytes
    headers: Mapping[str, str]
    address: str
    settings: Any
    _acting: Acting | None = field(default=None, repr=False)

    @property
    def actor(self) -> Actor:
        """Who asks.

        Raises:
            Unauthenticated: Nobody said.
        """
        if self.who is None:
            raise Unauthenticated()
        return self.who

    @property
    def desk(self) -> Acting:
        """What the asker may do at the desk, with the asker's rights.

        Raises:
            Unauthenticated: Nobody said who asks.
        """
        if self._acting is None:
            raise Unauthenticated()
        return self._acting


@dataclass(frozen=True, kw_only=True)
class Route:
    """One address. ``name`` is unique within the plugin and names the operation in the API's description.

    ``path`` begins with ``/`` and may hold names: ``/parcels/<number>``. ``body`` and ``query`` are Structs
    that refuse unknown fields, or None: then nothing is read (``raw`` is there all the same). ``answers`` is
    the type of what the handler returns. ``who`` may ask: ``anybody``, or users known at least as this.

    A handler refuses by raising a :class:`deskbell.DeskbellError`. Anything else it raises, an answer of another
    type, and taking longer than ``deadline_s`` are answered with 503. ``run_in="thread"``: the handler is a
    plain function, called in a thread.
    """

    name: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handler: Callable[[RouteRequest], Awaitable[Any]] | Callable[[RouteRequest], Any]
    answers: Any
    summary: str
    who: Who = "user"
    body: Any = None
    query: Any = None
    deadline_s: float = 10.0
    run_in: Literal["loop", "thread"] = "loop"
