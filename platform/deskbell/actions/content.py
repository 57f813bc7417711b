"""What may be written: a text, what goes with it, whom it mentions, what it answers.

Everything that people write is checked here before anything else looks at it, a room's name and a note as
much as a message. Whether the writer may write at all is :mod:`deskbell.actions.access`'s to say, and
whether others may see it the moderation filters'.
"""

from __future__ import annotations

import unicodedata
from typing import Any

import msgspec

from deskbell.actions import access
from deskbell.actions.access import Place
from deskbell.errors import Invalid, MessageDeleted, NotFound, TooLarge
from deskbell.ids import MessageId, UserId
from deskbell.model.records import Actor, Room
from deskbell.ports import Ports
from deskbell.wire.commands import Draft, check_depth

PLATFORM_METADATA = frozenset({"turn", "sources", "choices", "event", "anchor_seq", "stopped", "forwarded"})
MAX_METADATA_BYTES = 8192
# Characters that show nothing: a text of them alone is empty to whoever reads it.
_INVISIBLE = "".join(
    character
    for character in map(chr, range(0x10000))
    if character.isspace() or unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Zs")
)


def checked_text(ports: Ports, text: str, *, what: str, max_bytes: int | None = None, empty: bool = True) -> str:
    """A text that may be stored and shown.

    Raises:
        TooLarge: More than the limit, in bytes of UTF-8.
        Invalid: Empty where it may not be, or with a NUL character, which no store keeps.
    """
    limit = max_bytes if max_bytes is not None else ports.settings.limits.text_bytes
    if len(text) > limit or len(text.encode("utf-8", "surrogatepass")) > limit:
        rule = "limits.text_bytes" if max_bytes is None else f"{what}.max_bytes"
        raise TooLarge(f"The {what} may have {limit} bytes.", max_bytes=limit, rule=rule)
    if "\x00" in text:
        raise Invalid(f"The {what} holds a NUL character. Leave it out.")
    if not empty and not text.strip(_INVISIBLE):
        raise Invalid(f"The {what} is empty.")
    return text


def checked_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """What a client may say beside the text.

    Raises:
        Invalid: A key of the platform's, which a client cannot set.
        TooLarge: More than 8 KiB.
    """
    if not metadata:
        return metadata
    forged = PLATFORM_METADATA & metadata.keys()
    if forged:
        raise Invalid(f"metadata.{min(forged)} is the platform's. Leave it out.", keys=sorted(forged))
    check_depth(metadata)
    if len(msgspec.json.encode(metadata)) > MAX_METADATA_BYTES:
        raise TooLarge("metadata may have 8 KiB.", max_bytes=MAX_METADATA_BYTES)
    return metadata


async def checked_mentions(ports: Ports, room: Room, wanted: list[UserId]) -> list[UserId]:
    """Whom a message in a room may mention, each once.

    Raises:
        TooLarge, Invalid: They are too many; somebody is not there.
    """
    if not wanted:
        return []
    limit = ports.settings.limits.mentions_per_message
    if len(wanted) > limit:
        raise TooLarge(f"A message may mention {limit} people.", max=limit, rule="limits.mentions_per_message")
    present = await access.members_among(ports, room, wanted)
    absent = [user for user in wanted if user not in present]
    if absent:
        raise Invalid("Only people in this room can be mentioned.", absent=absent[:10])
    return list(dict.fromkeys(wanted))


async def references(
    ports: Ports, actor: Actor, place: Place, draft: Draft
) -> tuple[MessageId | None, MessageId | None]:
    """What is answered, and the root of the thread; both must be visible to the sender in this room."""
    reply_to = thread = None
    for name, message_id in (("reply_to", draft.reply_to), ("thread", draft.thread)):
        if message_id is None:
            continue
        found = await access.find_message(ports.db, actor, message_id)
        if found is None or found.room != place.room.id or found.seq <= place.visible_from:
            raise NotFound(f"There is no such message to refer to in this room ({name}).", field=name)
        if found.deleted and name == "thread":
            raise MessageDeleted()
        if name == "reply_to":
            reply_to = found.id
            # An answer to a message of a thread belongs to the thread.
            thread = thread or found.thread
        else:
            thread = found.thread or found.id
    return reply_to, thread
