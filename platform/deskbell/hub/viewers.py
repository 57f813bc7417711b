"""Who looks at which conversation, so that two agents do not write the same answer.

Each instance knows what its own agents' sockets show and tells the others, at every change and again every few
seconds; what is not told again ends by itself, so an instance that died leaves nobody looking for long. Nothing
is stored. Only sockets that say themselves what they look at are told; changes are gathered for a moment, so that
somebody who walks down a list costs the others one write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from deskbell.hub.connection import Connection
from deskbell.hub.ground import Ground
from deskbell.ids import ConnectionId, RoomId, TenantId, UserId
from deskbell.model.records import PublicUser
from deskbell.wire import frames
from deskbell.wire.events import Event

RENEW_EVERY_S = 10.0
LASTS_S = 25.0
GATHER_S = 0.2
MAX_NAMED = 20
JOINED = 50

Shown = dict[RoomId, dict[UserId, PublicUser]]


class _Look(msgspec.Struct, frozen=True, array_like=True):
    connection: ConnectionId
    user: PublicUser
    room: RoomId | None


class _Looks(msgspec.Struct, frozen=True, tag_field="type", tag="looks"):
    """What instances tell one another. Shaped as a frame: a version that does not know it hands it to clients."""

    looks: list[_Look]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Looks)


@dataclass(frozen=True)
class _Seen:
    user: PublicUser
    room: RoomId
    until: float


class Viewers:
    """Of all tenants, as this process knows them. ``now`` counts seconds."""

    def __init__(self, ground: Ground, now: Callable[[], float] | None = None) -> None:
        self._ground = ground
        self._now = now or asyncio.get_running_loop().time
        # Our own sockets that take part, and what each shows.
        self._here: dict[TenantId, dict[ConnectionId, tuple[Connection, RoomId | None]]] = {}
        self._seen: dict[TenantId, dict[ConnectionId, _Seen]] = {}
        self._told: dict[TenantId, Shown] = {}
        self._timers: dict[TenantId, asyncio.TimerHandle] = {}

    def look(self, connection: Connection, room: RoomId | None) -> None:
        """A socket of staff shows a room, or none. The first time it is told what all others look at."""
        tenant = connection.actor.tenant
        here = self._here.setdefault(tenant, {})
        before = here.get(connection.id)
        here[connection.id] = (connection, room)
        if before is None:
            self._write([connection], self._told.get(tenant, {}))
            self._soon(tenant)
        if room != (before[1] if before is not None else None):
            self._tell_instances(tenant, [_Look(connection.id, connection.actor.public(), room)])

    def gone(self, connection: Connection) -> None:
        """A socket has ended, or is staff's no more."""
        tenant = connection.actor.tenant
        here = self._here.get(tenant, {})
        _, room = here.pop(connection.id, (None, None))
        if not here:
            self._here.pop(tenant, None)
        if room is not None:
            self._tell_instances(tenant, [_Look(connection.id, connection.actor.public(), None)])

    def hear(self, event: Event) -> None:
        """What an instance, maybe this one, says of its agents."""
        seen = self._seen.setdefault(event.tenant, {})
        until = self._now() + LASTS_S
        for look in _decoder.decode(event.frame).looks:
            if look.room is None:
                seen.pop(look.connection, None)
            else:
                seen[look.connection] = _Seen(look.user, look.room, until)
        self._soon(event.tenant)

    async def renew(self) -> None:
        """Say again what is looked at here, and forget what nobody has said again."""
        for tenant, here in list(self._here.items()):
            looks = [_Look(id_, by.actor.public(), room) for id_, (by, room) in here.items() if room is not None]
            if looks:
                self._tell_instances(tenant, looks)
        now = self._now()
        for tenant, seen in list(self._seen.items()):
            for id_ in [id_ for id_, look in seen.items() if look.until <= now]:
                del seen[id_]
                self._soon(tenant)
            if not seen and tenant not in self._here:
                del self._seen[tenant]

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _tell_instances(self, tenant: TenantId, looks: list[_Look]) -> None:
        event = Event(tenant, "staff", "", "looks", 0, _encoder.encode(_Looks(looks)))
        if self._ground.bus is None:
            self.hear(event)
        else:
            self._ground.bus.publish([event])

    def _soon(self, tenant: TenantId) -> None:
        if tenant not in self._timers:
            self._timers[tenant] = asyncio.get_running_loop().call_later(GATHER_S, self._tell, tenant)

    def _tell(self, tenant: TenantId) -> None:
        """Tell our sockets of the rooms at which others look now than they were told."""
        self._timers.pop(tenant, None)
        if tenant not in self._here:
            self._told.pop(tenant, None)
            return
        shown: Shown = {}
        for look in self._seen.get(tenant, {}).values():
            shown.setdefault(look.room, {})[look.user.id] = look.user
        told = self._told.get(tenant, {})
        self._told[tenant] = shown
        changed = {room: shown.get(room, {}) for room in {**told, **shown} if told.get(room) != shown.get(room)}
        self._write([connection for connection, _ in self._here[tenant].values()], changed)

    def _write(self, connections: list[Connection], shown: Shown) -> None:
        if not shown:
            return
        said = [
            self._ground.framed(frames.Viewing(room=room, users=list(users.values())[:MAX_NAMED]))
            for room, users in shown.items()
        ]
        for start in range(0, len(said), JOINED):
            together = b"".join(said[start : start + JOINED])
            for connection in connections:
                connection.out.write(together)
