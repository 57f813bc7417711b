"""What visitors thought of it, 1 to 5."""

from __future__ import annotations

from dataclasses import dataclass

from deskbell.actions import access
from deskbell.actions.content import checked_text
from deskbell.errors import Conflict, Forbidden, Invalid
from deskbell.ids import RoomId
from deskbell.model import case_rules
from deskbell.model.records import Actor
from deskbell.ports import Ports
from deskbell.store import cases


@dataclass(frozen=True)
class Rated:
    """What a visitor thought."""

    rating: int | None
    comment: str | None


async def rate(ports: Ports, actor: Actor, room_id: RoomId, score: int, comment: str = "") -> Rated:
    """What the visitor thought, 1 to 5, of the conversation's last case; of a whole one that ended without any.

    Raises:
        NotFound, Forbidden, Invalid, Conflict: Not theirs; no such score; nothing to rate yet.
    """
    if not 1 <= score <= 5:
        raise Invalid("A rating is 1 to 5.")
    checked_text(ports, comment, what="comment", max_bytes=4000)
    place = await access.room_for(ports, actor, room_id)
    if place.room.customer != actor.id:
        raise Forbidden("Only the visitor rates a conversation.")
    async with ports.journal.change(actor.tenant, room_id) as change:
        case = await cases.latest_of_room(change.tx, actor.tenant, room_id)
        if case is None and change.room(room_id).closed_at is not None:
            # No person was in it, so there is no case to hold it.
            await change.tx.execute(
                "UPDATE rooms SET rating = $3, rating_comment = $4 WHERE tenant_id = $1 AND id = $2",
                actor.tenant,
                room_id,
                score,
                comment or None,
            )
            return Rated(score, comment or None)
        if case is None or case.status != "resolved":
            raise Conflict("There is nothing to rate yet.")
        stored = await change.put_case(case_rules.rated(case, score, comment), what="rated")
        return Rated(stored.rating, stored.rating_comment)
