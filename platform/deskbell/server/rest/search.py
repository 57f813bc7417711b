"""Search over the messages one may read."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint

from deskbell.actions import search
from deskbell.actions.search import Continued, Findings
from deskbell.errors import Invalid, NotFound, RateLimited
from deskbell.ids import MessageId, RoomId
from deskbell.model.records import Message
from deskbell.model.search_match import UNIT
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import AnyRoom, AnyUser, Limit, Moment, Query, cursor, read_cursor, read_moment
from deskbell.server.rest.routes import Ask, Routes
from deskbell.store.search import Narrowed

MAX_QUERY = 500


class SearchQuery(Query, frozen=True):
    """``before`` and ``after`` are times; a page may hold fewer than ``limit`` and have a cursor all the same."""

    q: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_QUERY,
            description='Words, all wanted; "in quotes" next to each other; -word: not wanted; the last may go on.',
        ),
    ]
    room: AnyRoom | UnsetType = UNSET
    sender: AnyUser | UnsetType = UNSET
    kind: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    before: Moment | UnsetType = UNSET
    after: Moment | UnsetType = UNSET
    has_attachment: bool | UnsetType = UNSET
    limit: Limit = 20
    cursor: Annotated[str, Meta(max_length=200, description="`cursor` of the page before.")] | UnsetType = UNSET


class Snippet(msgspec.Struct, frozen=True):
    """Part of a message's ``content``, as it is. ``marks``: ``[start, length]`` of what fits, in code points of
    ``text``. ``more_before``, ``more_after``: the content goes on there.
    """

    text: str
    marks: list[tuple[int, int]]
    more_before: bool
    more_after: bool


class RoomName(msgspec.Struct, frozen=True):
    """The room a message is in."""

    id: RoomId
    name: str
    channel_type: str


class Result(msgspec.Struct, frozen=True):
    """A message that was found. ``rank``, 0 to 1: how well it fits, and how new it is."""

    message: Message
    snippet: Snippet
    rank: float
    room: RoomName


class Results(msgspec.Struct, frozen=True):
    """``cursor`` asks for the next page; null: this was the last. ``forgiving``: not these words were found but some
    like them. ``complete``: false while messages from before an upgrade are still being indexed.
    """

    results: list[Result]
    cursor: str | None
    forgiving: bool
    complete: bool


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("search", edge), edge.ports

    @routes.get("/search", Results, query=SearchQuery, refuses=[Invalid, NotFound, RateLimited])
    async def search_messages(ask: Ask) -> Results:
        """The messages one may read that hold certain words, the best of the newest first."""
        query: SearchQuery = ask.query
        findings = await search.find(
            ports,
            ask.actor,
            query.q,
            room=None if query.room is UNSET else query.room,
            narrowed=Narrowed(
                sender=None if query.sender is UNSET else query.sender,
                kind=None if query.kind is UNSET else query.kind,
                before_us=None if query.before is UNSET else read_moment(query.before, "before"),
                after_us=None if query.after is UNSET else read_moment(query.after, "after"),
                has_attachment=None if query.has_attachment is UNSET else query.has_attachment,
            ),
            limit=query.limit,
            after=_continued(query.cursor),
        )
        return _results(findings)

    return routes.blueprint


def _continued(text: str | UnsetType) -> Continued | None:
    parts = read_cursor(text, int, int, int, int, int, MessageId)
    if parts is None:
        return None
    forgiving, *others = parts
    return Continued(bool(forgiving), *others)


def _results(findings: Findings) -> Results:
    more = findings.more
    follows = None
    if more is not None:
        follows = cursor(int(more.forgiving), more.now_us, more.top, more.bottom, more.rank, more.message)
    return Results(
        [
            Result(
                one.message,
                Snippet(one.snippet.text, list(one.snippet.marks), one.snippet.begins_later, one.snippet.ends_earlier),
                one.rank / UNIT,
                RoomName(one.message.room, one.room_name, one.channel_type),
            )
            for one in findings.found
        ],
        follows,
        findings.forgiving,
        findings.complete,
    )
