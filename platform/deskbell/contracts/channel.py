"""A kind of room: a name, a policy, and the few decisions a policy cannot state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from deskbell.model.policy import Policy
from deskbell.model.records import Actor


@dataclass(frozen=True, kw_only=True)
class ChannelType:
    """One kind of room. Subclass it only to decide who may enter or to name rooms differently.

    ``name`` is unique over all plugins and is what ``channel_type`` holds on the wire.
    """

    name: str
    title: str
    policy: Policy = field(default_factory=Policy)

    def may_create(self, actor: Actor) -> bool:
        """Whether ``actor`` may open a room of this type. Must not block."""
        allowed = self.policy.who_may_create
        return actor.kind in allowed or actor.role in allowed

    def may_enter(self, actor: Actor, role: str) -> bool:
        """Whether ``actor`` may be in such a room in ``role`` at all, e.g. premium members only. Must not block."""
        return True

    def key_for(self, actor: Actor, members: list[str], key: str | None) -> str | None:
        """The room's unique key, e.g. the pair of users of a direct room; ``None``: every room is a new one."""
        return key

    def describe(self) -> dict[str, Any]:
        """What ``GET /channel-types`` shows."""
        return {"name": self.name, "title": self.title, "policy": self.policy.for_clients()}
