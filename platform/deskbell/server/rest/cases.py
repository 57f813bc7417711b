"""Cases, for agents: listed, claimed, handed on, resolved."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, get_args

from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint

from deskbell.actions import case_lists, cases
from deskbell.errors import AlreadyClaimed, Conflict, Forbidden, Gone, Invalid, NotFound, PreconditionFailed, RoomClosed
from deskbell.ids import CaseId
from deskbell.model.records import Case, CaseEntry, CaseFilter, CaseSort, CaseView
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import (
    AnyCase,
    AnyUser,
    Body,
    Items,
    Listed,
    Nothing,
    OneLabel,
    Seq,
    Text,
    cursor,
    read_cursor,
)
from deskbell.server.rest.conditions import IF_MATCH, PROMISED
from deskbell.server.rest.routes import Ask, Routes

SORTS = get_args(CaseSort)


class CasesQuery(Listed, frozen=True):
    """``mine``; ``queue``: of my teams; ``bot``: waiting while the assistant goes on; ``all`` that are open.

    ``label``: only those that carry it; ``team``: of this one; ``priority``: at least this.

    ``sort``: ``priority``: the longest waiting of the highest priority first; ``waiting``: the longest waiting first;
    ``activity``: where somebody wrote last first; ``created``: the newest first.
    """

    view: CaseView = "mine"
    sort: CaseSort = "priority"
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


class Merge(Body, frozen=True):
    into: AnyCase


class Snooze(Body, frozen=True):
    until: Annotated[datetime, Meta(tz=True)]


def _after(query: CasesQuery) -> tuple[tuple[int, ...], CaseId] | None:
    """Where the list goes on; a cursor of a list that is sorted otherwise is none of this one's."""
    of_sort = [int, int] if query.sort == "priority" else [int]
    found = read_cursor(query.cursor, int, *of_sort, CaseId)
    if found is None:
        return None
    if found[0] != SORTS.index(query.sort):
        raise Invalid("This cursor is of a list that is sorted otherwise.", path="cursor")
    return found[1:-1], found[-1]


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("cases", edge), edge.ports

    async def shown(ask: Ask, case: Case) -> CaseEntry:
        return await case_lists.entry(ports, ask.actor, case.id)

    @routes.get("/cases", Items[CaseEntry], query=CasesQuery, refuses=[NotFound])
    async def list_cases(ask: Ask) -> Items[CaseEntry]:
        """Cases of a view, each with its visitor and what was said last."""
        query: CasesQuery = ask.query
        wanted = CaseFilter(
            query.view,
            None if query.label is UNSET else query.label,
            None if query.team is UNSET else query.team,
            None if query.priority is UNSET else query.priority,
        )
        found, more = await case_lists.listed(
            ports, ask.actor, wanted, sort=query.sort, limit=query.limit, after=_after(query)
        )
        return Items(found, None if more is None else cursor(SORTS.index(query.sort), *more[0], more[1]))

    @routes.get("/cases/<case_id>", CaseEntry)
    async def get_case(ask: Ask, case_id: CaseId) -> CaseEntry:
        """A case, with all that was handed over with it."""
        return await case_lists.entry(ports, ask.actor, case_id)

    @routes.patch(
        "/cases/<case_id>", CaseEntry, body=CaseChange, headers={IF_MATCH: PROMISED}, refuses=[PreconditionFailed]
    )
    async def change_case(ask: Ask, case_id: CaseId) -> CaseEntry:
        """Give a case another priority. ``version`` and ``If-Match`` say the same; the body's counts."""
        body: CaseChange = ask.body
        version = ask.expected_version if body.version is None else body.version
        return await shown(
            ask, await cases.change_case(ports, ask.actor, case_id, priority=body.priority, version=version)
        )

    @routes.post("/cases/<case_id>/claim", CaseEntry, body=Nothing, refuses=[AlreadyClaimed, Gone])
    async def claim(ask: Ask, case_id: CaseId) -> CaseEntry:
        """Take a waiting case. Of two at once exactly one gets it."""
        return await shown(ask, await cases.claim(ports, ask.actor, case_id))

    @routes.post("/cases/<case_id>/assign", CaseEntry, body=Assignment, refuses=[Forbidden, AlreadyClaimed, Gone])
    async def assign(ask: Ask, case_id: CaseId) -> CaseEntry:
        """Give a case to an agent: supervisors to anybody, agents to themselves."""
        return await shown(ask, await cases.assign(ports, ask.actor, case_id, ask.body.agent))

    @routes.post("/cases/<case_id>/transfer", CaseEntry, body=Transfer, refuses=[Conflict, Gone])
    async def transfer(ask: Ask, case_id: CaseId) -> CaseEntry:
        """Hand a case to another agent, or to another team's line."""
        body: Transfer = ask.body
        return await shown(
            ask, await cases.transfer(ports, ask.actor, case_id, team=body.team, agent=body.agent, note=body.note)
        )

    @routes.post("/cases/<case_id>/return", CaseEntry, body=Return, refuses=[Conflict, Gone])
    async def give_back(ask: Ask, case_id: CaseId) -> CaseEntry:
        """Return a case to its queue, or to the bot, which ends it."""
        return await shown(ask, await cases.give_back(ports, ask.actor, case_id, ask.body.to))

    @routes.post("/cases/<case_id>/resolve", CaseEntry, body=Nothing, refuses=[Gone])
    async def resolve(ask: Ask, case_id: CaseId) -> CaseEntry:
        """End a case. The visitor is asked how it went."""
        return await shown(ask, await cases.resolve(ports, ask.actor, case_id))

    @routes.post("/cases/<case_id>/reopen", CaseEntry, body=Nothing, refuses=[Conflict, RoomClosed])
    async def reopen(ask: Ask, case_id: CaseId) -> CaseEntry:
        """Take a resolved case up again."""
        return await shown(ask, await cases.reopen(ports, ask.actor, case_id))

    @routes.post("/cases/<case_id>/merge", CaseEntry, body=Merge, refuses=[Conflict, Gone])
    async def merge(ask: Ask, case_id: CaseId) -> CaseEntry:
        """Have a case go on as another one of the same visitor; its conversation is closed and says where."""
        return await shown(ask, await cases.merge(ports, ask.actor, case_id, ask.body.into))

    @routes.post("/cases/<case_id>/snooze", CaseEntry, body=Snooze, refuses=[Conflict, Gone])
    async def snooze(ask: Ask, case_id: CaseId) -> CaseEntry:
        """Put an assigned case out of sight until a moment."""
        return await shown(ask, await cases.snooze(ports, ask.actor, case_id, ask.body.until))

    return routes.blueprint
