"""A kind of message that a plugin adds, with the shape of its ``metadata``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deskbell.model.policy import ANYBODY


@dataclass(frozen=True, kw_only=True)
class MessageKind:
    """``metadata``: a Struct that a message's metadata must fit; keys it does not name are refused if it says so.

    ``who``: the roles in a room that may post it, ``"*"`` for all. ``channel_types``: where; empty: everywhere.
    A channel type's own policy, and the operator's, go before both.
    """

    name: str
    metadata: type[Any]
    who: tuple[str, ...] = (ANYBODY,)
    channel_types: tuple[str, ...] = ()
