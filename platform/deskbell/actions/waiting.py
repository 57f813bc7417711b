"""The line: each who waits knows their place in it, and roughly how long it takes.

Outside the hours of a visitor's site the line stands still: then they are told when it opens instead, and
their place again once it is open. That it has opened or closed moves no line, so somebody has to look for
it, see :func:`turned_lines`.

A line is told a moment after it has moved, once for all that moved in it, see :func:`tell_line_later`;
the first two hundred in it hear of it. What is told is a hint, at most once; :func:`own_case` is the truth.
"""

from __future__ import annotations

from datetime import datetime

from deskbell.actions import access
from deskbell.clock import from_us
from deskbell.ids import RoomId, TenantId
from deskbell.model import case_rules
from deskbell.model import site as sites
from deskbell.model.records import Actor, Case, Room
from deskbell.ports import Ports
from deskbell.store import cases
from deskbell.store.change import Change
from deskbell.wire import frames
from deskbell.wire.events import Event

LINE_SETTLES_S = 0.2
LINE_TOLD = 200  # places
LINES_LOOKED_AT = 1000


async def own_case(ports: Ports, actor: Actor, room_id: RoomId) -> frames.OwnCaseFrame:
    """What a visitor may know of their case: status, place, how long. ``none`` where there is none."""
    place = await access.room_for(ports, actor, room_id)
    case = await cases.open_of_room(ports.db, actor.tenant, room_id)
    if case is None:
        latest = await cases.latest_of_room(ports.db, actor.tenant, room_id)
        return frames.OwnCaseFrame(room=place.room.id, status=latest.status if latest is not None else "none")
    position = await cases.position(ports.db, actor.tenant, case)
    if position is None:
        return frames.OwnCaseFrame(room=room_id, status=case.status)
    wait = await _wait_range_s(ports, actor.tenant, case.team, position)
    settings = await cases.site_settings(ports.db, actor.tenant, room_id)
    return _waits(room_id, position, wait, sites.stored_hours(settings), from_us(ports.clock.now_us()))


def _waits(
    room: RoomId, position: int, wait: tuple[int, int], hours: sites.Hours | None, now: datetime
) -> frames.OwnCaseFrame:
    if sites.is_open(hours, now):
        return frames.OwnCaseFrame(room, "waiting", position, wait)
    return frames.OwnCaseFrame(room, "waiting", open=False, opens_at=sites.opens_at(hours, now))


async def expected_wait_s(ports: Ports, tenant: TenantId, team: str) -> tuple[int, int]:
    """How long somebody who asked for a person now would likely wait, at the end of a team's line."""
    return await _wait_range_s(ports, tenant, team, await cases.line_length(ports.db, tenant, team) + 1)


async def _wait_range_s(ports: Ports, tenant: TenantId, team: str, position: int) -> tuple[int, int]:
    waits = await cases.recent_waits_s(ports.db, tenant, team)
    return case_rules.wait_range_s(waits, position, ports.settings.support.target_first_response_s)


def tell_line_later(ports: Ports, change: Change, team: str) -> None:
    """Tell a line in a moment, once for all that changes in it until then.

    The moment begins with the commit: told before, the line would be as it was, and nobody would tell it again.
    """
    tenant = change.tenant
    change.once_committed(lambda: ports.tasks.once(f"line:{tenant}:{team}", _tell_settled_line(ports, tenant, team)))


async def _tell_settled_line(ports: Ports, tenant: TenantId, team: str) -> None:
    await ports.clock.sleep(LINE_SETTLES_S)
    # A task of its own: what changes from here on is told by the next one.
    ports.tasks.start(tell_line(ports, tenant, team), f"line told:{tenant}:{team}")


async def tell_line(ports: Ports, tenant: TenantId, team: str) -> None:
    """Tell everybody who waits for a team their place and how long it may take."""
    waits = await cases.recent_waits_s(ports.db, tenant, team)
    target_s = ports.settings.support.target_first_response_s
    now = from_us(ports.clock.now_us())
    told = []
    for position, place in enumerate(await cases.line(ports.db, tenant, team, LINE_TOLD), 1):
        wait = case_rules.wait_range_s(waits, position, target_s)
        frame = _waits(place.room, position, wait, sites.stored_hours(place.settings), now)
        told.append(Event(tenant, "user", place.customer, "own_case", 0, frames.encode(frame)))
    ports.bus.publish(told)


async def turned_lines(ports: Ports, since_us: int, now_us: int) -> list[tuple[TenantId, str]]:
    """The lines, tenant and team, in which somebody waits whose site has opened or closed between two moments."""
    then, now = from_us(since_us), from_us(now_us)
    turned: dict[tuple[TenantId, str], None] = {}
    for line in await cases.timed_lines(ports.db, LINES_LOOKED_AT):
        hours = sites.stored_hours(line.settings)
        if sites.is_open(hours, then) != sites.is_open(hours, now):
            turned[line.tenant, line.team] = None
    return list(turned)


def tell_customer(change: Change, room: Room, frame: frames.OwnCaseFrame) -> None:
    """Tell the visitor of a locked room, on whatever sockets they have, with the commit."""
    if room.customer is not None:
        change.tell(Event(change.tenant, "user", room.customer, "own_case", 0, frames.encode(frame)))


def tell_over(ports: Ports, change: Change, room: Room, case: Case) -> None:
    """Tell the visitor that their case is over, and those behind them that the line is shorter."""
    tell_customer(change, room, frames.OwnCaseFrame(room=room.id, status="resolved"))
    tell_line_later(ports, change, case.team)


async def is_team(change: Change, slug: str) -> bool:
    """Whether there is such a team: in the line of one that does not exist nobody would look."""
    return bool(
        await change.tx.fetchval("SELECT count(*) FROM teams WHERE tenant_id = $1 AND slug = $2", change.tenant, slug)
    )
