"""What several nouns share on the wire of REST: lists with cursors, plain answers, bounded texts and ids."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta

from deskbell.clock import to_us
from deskbell.errors import Invalid
from deskbell.ids import CaseId, LabelId, MessageId, RoomId, UserId, is_id
from deskbell.wire.commands import Limit, Seq

__all__ = [
    "Body",
    "Cursor",
    "Done",
    "Items",
    "Limit",
    "Listed",
    "Moment",
    "Nothing",
    "Query",
    "Seq",
    "Text",
    "cursor",
    "read_cursor",
    "read_moment",
]

T = TypeVar("T")
_UUID = {"format": "uuid"}

AnyUser = Annotated[UserId, Meta(max_length=36, extra_json_schema=_UUID)]
AnyRoom = Annotated[RoomId, Meta(max_length=36, extra_json_schema=_UUID)]
AnyMessage = Annotated[MessageId, Meta(max_length=36, extra_json_schema=_UUID)]
AnyCase = Annotated[CaseId, Meta(max_length=36, extra_json_schema=_UUID)]
OneRoom = Annotated[RoomId, Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", extra_json_schema=_UUID)]
"""A room in a query that narrows a list; what is no id is a mistake there, not a room one may not see."""
OneLabel = Annotated[LabelId, Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", extra_json_schema=_UUID)]
OneUser = Annotated[UserId, Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", extra_json_schema=_UUID)]
Text = Annotated[str, Meta(max_length=65_536)]
Moment = Annotated[str, Meta(max_length=40, extra_json_schema={"format": "date-time"})]
"""A time in a query, where a number must not pass for one; read it with :func:`read_moment`."""
Cursor = Annotated[str, Meta(max_length=200, description="`next_cursor` of the page before.")]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of request bodies: what is not named is refused, so nothing can be slipped in."""


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of queries."""


class Nothing(Body, frozen=True):
    """An empty object; no body at all is the same."""


class Listed(Query, frozen=True):
    """Where a list goes on, and how much of it is wanted."""

    limit: Limit = 50
    cursor: Cursor | msgspec.UnsetType = msgspec.UNSET


class Items(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list. ``next_cursor`` asks for the next; null: this was the last."""

    items: list[T]
    next_cursor: str | None = None


class Done(msgspec.Struct, frozen=True):
    """It is so now, whether or not it was before."""

    ok: bool = True


def cursor(*parts: int | str) -> str:
    """Where a list goes on. What it says is nobody's business but ours, and grants nothing."""
    return base64.urlsafe_b64encode(".".join(map(str, parts)).encode()).decode().rstrip("=")


def read_cursor(text: str | msgspec.UnsetType, *kinds: Any) -> Any:
    """The parts of a cursor, each a number, an id or, last, a text; None where there is none.

    ``kinds``: ``int`` for a number, ``UserId`` and such for an id, ``str`` for a text.

    Raises:
        Invalid: It was not one of ours.
    """
    if text is msgspec.UNSET:
        return None
    try:
        parts_text = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        parts = parts_text.split(".", len(kinds) - 1)
        if len(parts) != len(kinds) or "\x00" in parts_text:
            raise ValueError
        found: list[int | str] = []
        for part, kind in zip(parts, kinds, strict=True):
            if kind is int:
                number = int(part)
                if not 0 <= number < 2**62 or str(number) != part:
                    raise ValueError
                found.append(number)
            elif kind is str or is_id(part):
                found.append(part)
            else:
                raise ValueError
    except (ValueError, binascii.Error, UnicodeError):
        raise Invalid("This cursor is not one of ours. Take next_cursor as it is.", path="cursor") from None
    return tuple(found)


def read_moment(text: str, path: str) -> int:
    """Microseconds since 1970 of a time in RFC 3339, with its zone.

    Raises:
        Invalid: It is none.
    """
    try:
        return to_us(msgspec.convert(text, Annotated[datetime, Meta(tz=True)]))
    except msgspec.ValidationError as error:
        raise Invalid(f"{error}", path=path, where="query") from None
