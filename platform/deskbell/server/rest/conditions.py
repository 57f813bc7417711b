"""Conditional requests: an answer one has already is not sent again, and nothing newer is written over.

Every answer to a ``GET`` by somebody known carries an ``ETag``. It begins with the version of the record it
holds (a message's, room's or participant's ``changed_seq``, a case's ``version``) where it holds one, and
ends with a digest of the answer, so that it changes with whatever the answer shows: a name, an unread count,
the epoch. ``If-None-Match`` with it answers 304; ``If-Match`` on a change of the record answers 412 once the
record has another version. A tag of a compressed answer ends in ``-gz`` and stands for the same record.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from deskbell.errors import CHANGED_MEANWHILE, PreconditionFailed
from deskbell.model.records import Case, Message, Participant, RoomState

IF_MATCH = "If-Match"
IF_NONE_MATCH = "If-None-Match"
COMPRESSED = "-gz"
PROMISED = {
    "description": "The ETag of the record as one knows it: change it only if it is still that.",
    "schema": {"type": "string"},
}
_DIGITS = 19  # of a number that no version reaches; Python refuses to read one of thousands
_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def version_of(value: Any) -> int | None:
    """The version of a record; None where an answer is not one record."""
    if isinstance(value, (Message, RoomState, Participant)):
        return value.changed_seq
    return value.version if isinstance(value, Case) else None


def tag_of(value: Any, body: bytes) -> str:
    """The ETag of an answer, without its quotes."""
    version = version_of(value)
    digest = hashlib.blake2b(body, digest_size=9).hexdigest()
    return f"{'' if version is None else version}.{digest}"


def _known(header: str) -> list[str]:
    return [tag.removesuffix(COMPRESSED) for tag in _TAG.findall(header)]


def is_known(header: str | None, tag: str) -> bool:
    """Whether a client that sent this ``If-None-Match`` has the answer already."""
    return header is not None and (header.strip() == "*" or tag in _known(header))


def expected_version(header: str | None) -> int | None:
    """The version a record must have to be changed, by ``If-Match``; None: whatever it has.

    Of several the greatest is meant: versions only rise, so no other can be the present one.

    Raises:
        PreconditionFailed: None of the tags is that of a record of ours.
    """
    if header is None or header.strip() == "*":
        return None
    numbers = [tag.partition(".")[0] for tag in _known(header)]
    versions = [int(number[:_DIGITS]) for number in numbers if number.isdecimal()]
    if not versions:
        raise PreconditionFailed(CHANGED_MEANWHILE)
    return min(max(versions), 2**62)
