"""Held messages, for staff: listed, approved, rejected. Reports: made by anybody, decided by moderators."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint

from deskbell.actions import moderation, reports
from deskbell.actions.moderation import Held
from deskbell.actions.reports import OwnReport, Report, Status
from deskbell.clock import to_us
from deskbell.errors import Gone, KindNotAllowed, MessageDeleted, NotFound, RateLimited, RoomClosed
from deskbell.ids import MessageId, RoomId
from deskbell.model.records import Message
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import Body, Done, Items, Listed, Nothing, OneRoom, cursor, read_cursor
from deskbell.server.rest.routes import Ask, Routes
from deskbell.wire import frames


class NewReport(Body, frozen=True):
    """``reason``: a word or two, of a list the client has; ``comment``: the rest, in one's own words."""

    reason: Annotated[str, Meta(min_length=1, max_length=100)]
    comment: Annotated[str, Meta(max_length=2000)] = ""


class ReportsQuery(Listed, frozen=True):
    """``room``: about messages of this room alone."""

    status: Status = "open"
    room: OneRoom | UnsetType = UNSET


class Decided(Body, frozen=True):
    """``note``: for colleagues, what was done or why not."""

    note: Annotated[str, Meta(max_length=2000)] = ""


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("moderation", edge), edge.ports

    @routes.get("/moderation/held", Items[Held], query=Listed, refuses=[NotFound])
    async def list_held(ask: Ask) -> Items[Held]:
        """What filters kept back until somebody decides, oldest first."""
        query: Listed = ask.query
        after = read_cursor(query.cursor, int, MessageId)
        found = await moderation.listed(ports, ask.actor, limit=query.limit + 1, after=after)
        page = found[: query.limit]
        more = len(found) > len(page)
        return Items(page, cursor(to_us(page[-1].created_at), page[-1].id) if more else None)

    @routes.get("/rooms/<room_id>/held", Items[frames.HeldFrame])
    async def list_own_held(ask: Ask, room_id: RoomId) -> Items[frames.HeldFrame]:
        """One's own messages that were held in a room, and what has become of them: the latest 100, latest first."""
        return Items(await moderation.own(ports, ask.actor, room_id))

    @routes.post("/moderation/held/<held_id>/approve", Message, body=Nothing, refuses=[Gone, RoomClosed])
    async def approve(ask: Ask, held_id: MessageId) -> Message:
        """Post it, now, as its sender."""
        return await moderation.approve(ports, ask.actor, held_id)

    @routes.post("/moderation/held/<held_id>/reject", Done, body=Nothing, refuses=[Gone])
    async def reject(ask: Ask, held_id: MessageId) -> Done:
        """Nobody will see it; its text is forgotten."""
        await moderation.reject(ports, ask.actor, held_id)
        return Done()

    @routes.post(
        "/messages/<message_id>/report",
        {201: OwnReport, 200: OwnReport},
        body=NewReport,
        refuses=[MessageDeleted, KindNotAllowed, RateLimited],
    )
    async def report_message(ask: Ask, message_id: MessageId) -> tuple[int, OwnReport]:
        """Report a message to those who moderate: 201; 200 where one has reported it before, which then stands."""
        body: NewReport = ask.body
        report, new = await reports.report(ports, ask.actor, message_id, body.reason, body.comment)
        return (201 if new else 200), report

    @routes.get("/moderation/reports", Items[Report], query=ReportsQuery)
    async def list_reports(ask: Ask) -> Items[Report]:
        """What was reported, oldest first: for staff the tenant's, else that of the rooms one moderates."""
        query: ReportsQuery = ask.query
        after = read_cursor(query.cursor, int, MessageId)
        room = None if query.room is UNSET else query.room
        found = await reports.listed(
            ports, ask.actor, status=query.status, room=room, limit=query.limit + 1, after=after
        )
        page = found[: query.limit]
        more = len(found) > len(page)
        return Items(page, cursor(to_us(page[-1].created_at), page[-1].id) if more else None)

    @routes.post("/moderation/reports/<report_id>/resolve", Report, body=Decided, refuses=[Gone])
    async def resolve_report(ask: Ask, report_id: str) -> Report:
        """Close a report about which something was done."""
        return await reports.decide(ports, ask.actor, report_id, "resolved", ask.body.note)

    @routes.post("/moderation/reports/<report_id>/dismiss", Report, body=Decided, refuses=[Gone])
    async def dismiss_report(ask: Ask, report_id: str) -> Report:
        """Close a report about which nothing has to be done."""
        return await reports.decide(ports, ask.actor, report_id, "dismissed", ask.body.note)

    return routes.blueprint
