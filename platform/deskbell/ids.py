"""Names of things: UUIDv7 strings. They are names, never an order; order is ``seq`` within a room."""

from __future__ import annotations

import re
import secrets
from typing import NewType

import uuid_utils

TenantId = NewType("TenantId", str)
SiteId = NewType("SiteId", str)
UserId = NewType("UserId", str)
RoomId = NewType("RoomId", str)
MessageId = NewType("MessageId", str)
CaseId = NewType("CaseId", str)
LabelId = NewType("LabelId", str)
ViewId = NewType("ViewId", str)
SnippetId = NewType("SnippetId", str)
TurnId = NewType("TurnId", str)
ConnectionId = NewType("ConnectionId", str)

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def new_id() -> str:
    """A new UUIDv7, in its usual text form."""
    return str(uuid_utils.uuid7())


def is_id(text: str) -> bool:
    """Whether ``text`` is an id in its canonical form; anything else exists nowhere."""
    return _UUID.fullmatch(text) is not None


def new_secret(bytes_: int = 32) -> str:
    """A secret nobody can guess, safe in URLs."""
    return secrets.token_urlsafe(bytes_)
