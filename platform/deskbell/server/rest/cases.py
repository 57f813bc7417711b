"""Cases, for agents: listed, claimed, handed on, resolved."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint

from deskbell.actions import cases
from deskbell.errors import AlreadyClaimed, Conflict, Forbidden, Gone, NotFound, PreconditionFailed, RoomClosed
from deskbell.ids import CaseId
from deskbell.model.records import Case, CaseFilter, CaseView
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import AnyUser, Body, Items, Listed, Nothing, OneLabel, Seq, Text, cursor, read_cursor
from deskbell.server.rest.conditions import IF_MATCH, PROMISED
from deskbell.server.rest.routes import Ask, Routes

MAX_OFFSET = 100_000


class CasesQuery(Listed, frozen=True):
    """``mine``; ``queue``: of my teams; ``bot``: waiting while the assistant goes on; ``all`` that are open.

    ``label``: only those that carry it; ``team``: of this one; ``priority``: at least this.
    """

    view: CaseView = "mine"
    label: OneLabel | UnsetType = UNSET
    team: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    priority: Annotated[int, Meta(ge=0, le=2)] | UnsetType = UNSET


class CaseChange(Body, frozen=True):
    """``priority``: 0 normal, 1 high, 2 urgent. ``version``: change it only if the case is still this one."""

    priority: Annotated[int, Meta(ge=0, le=2)] | None = None
    version: Seq | None = None


class Assignment(Body, frozen=True):
    agent: AnyUser


class Transfer(Body, frozen=True):
    """To a ``team`` (its slug) or to an ``agent``, one of both; ``note`` is for colleagues only."""

    team: Annotated[str, Meta(max_length=100)] | None = None
    agent: AnyUser | None = None
    note: Text = ""


class Return(Body, frozen=True):
    to: Literal["queue", "bot"]


class Snooze(Body, frozen=True):
    until: Annotated[datetime, Meta(tz=True)]


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("cases", edge), edge.ports

    @routes.get("/cases", Items[Case], query=CasesQuery, refuses=[NotFound])
    async def list_cases(ask: Ask) -> Items[Case]:
        """Cases of a view: the longest waiting of the highest priority first."""
        query: CasesQuery = ask.query
        position = read_cursor(query.cursor, int)
        offset = 0 if position is None else min(position[0], MAX_OFFSET)
        wanted = CaseFilter(
            query.view,
            None if query.label is UNSET else query.label,
            None if query.team is UNSET else query.team,
            None if query.priority is UNSET else query.priority,
        )
        found = await cases.listed(ports, ask.actor, wanted, limit=query.limit + 1, offset=offset)
        page = found[: query.limit]
        return Items(page, cursor(offset + len(page)) if len(found) > len(page) else None)

    @routes.get("/cases/<case_id>", Case)
    async def get_case(ask: Ask, case_id: CaseId) -> Case:
        """A case, with all that was handed over with it."""
        return await cases.find(ports, ask.actor, case_id)

    @routes.patch("/cases/<case_id>", Case, body=CaseChange, headers={IF_MATCH: PROMISED}, refuses=[PreconditionFailed])
    async def change_case(ask: Ask, case_id: CaseId) -> Case:
        """Give a case another priority. ``version`` and ``If-Match`` say the same; the body's counts."""
        body: CaseChange = ask.body
        version = ask.expected_version if body.version is None else body.version
        return await cases.change_case(ports, ask.actor, case_id, priority=body.priority, version=version)

    @routes.post("/cases/<case_id>/claim", Case, body=Nothing, refuses=[AlreadyClaimed, Gone])
    async def claim(ask: Ask, case_id: CaseId) -> Case:
        """Take a waiting case. Of two at once exactly one gets it."""
        return await cases.claim(ports, ask.actor, case_id)

    @routes.post("/cases/<case_id>/assign", Case, body=Assignment, refuses=[Forbidden, AlreadyClaimed, Gone])
    async def assign(ask: Ask, case_id: CaseId) -> Case:
        """Give a case to an agent: supervisors to anybody, agents to themselves."""
        return await cases.assign(ports, ask.actor, case_id, ask.body.agent)

    @routes.post("/cases/<case_id>/transfer", Case, body=Transfer, refuses=[Conflict, Gone])
    async def transfer(ask: Ask, case_id: CaseId) -> Case:
        """Hand a case to another agent, or to another team's line."""
        body: Transfer = ask.body
        return await cases.transfer(ports, ask.actor, case_id, team=body.team, agent=body.agent, note=body.note)

    @routes.post("/cases/<case_id>/return", Case, body=Return, refuses=[Conflict, Gone])
    async def give_back(ask: Ask, case_id: CaseId) -> Case:
        """Return a case to its queue, or to the bot, which ends it."""
        return await cases.give_back(ports, ask.actor, case_id, ask.body.to)

    @routes.post("/cases/<case_id>/resolve", Case, body=Nothing, refuses=[Gone])
    async def resolve(ask: Ask, case_id: CaseId) -> Case:
        """End a case. The visitor is asked how it went."""
        return await cases.resolve(ports, ask.actor, case_id)

    @routes.post("/cases/<case_id>/reopen", Case, body=Nothing, refuses=[Conflict, RoomClosed])
    async def reopen(ask: Ask, case_id: CaseId) -> Case:
        """Take a resolved case up again."""
        return await cases.reopen(ports, ask.actor, case_id)

    @routes.post("/cases/<case_id>/snooze", Case, body=Snooze, refuses=[Conflict, Gone])
    async def snooze(ask: Ask, case_id: CaseId) -> Case:
        """Put an assigned case out of sight until a moment."""
        return await cases.snooze(ports, ask.actor, case_id, ask.body.until)

    return routes.blueprint
