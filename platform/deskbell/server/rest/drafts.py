"""What one has begun to write: one's own drafts, of no concern to anybody else."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint

from deskbell.actions import drafts
from deskbell.errors import Forbidden, LimitReached, RateLimited, RoomClosed, TooLarge
from deskbell.ids import RoomId
from deskbell.model.records import DraftKind, SavedDraft
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import Body, Done, Items, Listed, Query, Seq, Text, cursor, read_cursor
from deskbell.server.rest.routes import Ask, Routes

Connection = Annotated[
    str, Meta(max_length=36, description="`connection` of the `welcome` of one's own socket, which is then not told.")
]


class DraftToKeep(Body, frozen=True):
    """``seq``, ``owner_version``: how the room stood when the writing began, to be kept with it."""

    text: Annotated[Text, Meta(min_length=1)]
    kind: DraftKind = "reply"
    seq: Seq | None = None
    owner_version: Seq | None = None
    connection: Connection = ""


class DraftQuery(Query, frozen=True):
    kind: DraftKind = "reply"


class DropQuery(Query, frozen=True):
    """``kind``: only this one; else the reply and the note."""

    kind: DraftKind | UnsetType = UNSET
    connection: Connection = ""


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("drafts", edge), edge.ports

    @routes.get("/drafts", Items[SavedDraft], query=Listed)
    async def list_drafts(ask: Ask) -> Items[SavedDraft]:
        """All one has begun to write, the latest first."""
        query: Listed = ask.query
        before = read_cursor(query.cursor, int, RoomId, str)
        found = await drafts.listed(ports, ask.actor, limit=query.limit + 1, before=before)
        page = found[: query.limit]
        more = cursor(page[-1][1], page[-1][0].room, page[-1][0].kind) if len(found) > len(page) else None
        return Items([draft for draft, _ in page], more)

    @routes.get("/rooms/<room_id>/draft", SavedDraft, query=DraftQuery)
    async def get_draft(ask: Ask, room_id: RoomId) -> SavedDraft:
        """What one has begun to write in a room. None is 404."""
        return await drafts.find(ports, ask.actor, room_id, ask.query.kind)

    @routes.put(
        "/rooms/<room_id>/draft",
        SavedDraft,
        body=DraftToKeep,
        refuses=[Forbidden, LimitReached, RateLimited, RoomClosed, TooLarge],
    )
    async def put_draft(ask: Ask, room_id: RoomId) -> SavedDraft:
        """Keep what one is writing, in the place of what was kept before; one's other sockets are told."""
        body: DraftToKeep = ask.body
        return await drafts.save(
            ports,
            ask.actor,
            room_id,
            body.text,
            kind=body.kind,
            seq=body.seq,
            owner_version=body.owner_version,
            connection=body.connection,
        )

    @routes.delete("/rooms/<room_id>/draft", Done, query=DropQuery)
    async def drop_draft(ask: Ask, room_id: RoomId) -> Done:
        """Forget what one has begun to write in a room, if anything."""
        query: DropQuery = ask.query
        kinds = drafts.KINDS if query.kind is UNSET else (query.kind,)
        await drafts.drop(ports, ask.actor, room_id, kinds, connection=query.connection)
        return Done()

    return routes.blueprint
