"""The kinds of rooms that come with Deskbell: support, direct, group, community and broadcast.

Each is a policy, and what a policy cannot state: a direct room is the one room of two people.
Operators change single keys under ``channels:`` in ``config.yaml``; another kind of room is another plugin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from deskbell import ANYBODY, DEFAULT_KINDS, Actor, ChannelType, Invalid, Policy, hookimpl

HOUR_S, YEAR_S = 3_600, 31_536_000
LEADS = ("owner", "admin")


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """``requires``: channel type -> the attribute a user's token must carry to be in such a room, e.g. ``premium``."""

    requires: dict[str, str] = {}

    def __post_init__(self) -> None:
        for name in self.requires:
            if name not in POLICIES:
                raise ValueError(f"requires.{name}: this plugin brings {', '.join(POLICIES)}")


@dataclass(frozen=True, kw_only=True)
class Room(ChannelType):
    """A room that may ask an attribute of who enters; staff always may."""

    requires: str = ""

    def may_create(self, actor: Actor) -> bool:
        return super().may_create(actor) and self.may_enter(actor, self.policy.creator_role)

    def may_enter(self, actor: Actor, role: str) -> bool:
        return not self.requires or actor.is_staff or bool(actor.attributes.get(self.requires))


@dataclass(frozen=True, kw_only=True)
class DirectRoom(Room):
    """The room of two people, the same one whoever opens it."""

    def key_for(self, actor: Actor, members: list[str], key: str | None) -> str | None:
        pair = sorted({actor.id, *members})
        if len(pair) != 2:
            raise Invalid("A direct conversation is between two people. Name the other one.", members=len(pair))
        return ":".join(pair)


POLICIES = {
    "support": Policy(
        roles=("visitor", "bot", "agent"),
        default_role="visitor",
        creator_role="visitor",
        admin_roles=("agent",),
        moderator_roles=("agent",),
        who_may_create=("visitor", "member", "agent"),
        join="role",
        join_roles=("agent", "supervisor", "admin"),
        owned=True,
        kinds=DEFAULT_KINDS | {"announcement": ("agent",)},
        auto_close_s=HOUR_S,
        retention_s=YEAR_S,
        audit="full",
    ),
    "direct": Policy(
        roles=("member",),
        creator_role="member",
        admin_roles=(),
        moderator_roles=(),
        who_may_create=("member", "agent"),
        max_members=2,
        kinds={kind: roles for kind, roles in DEFAULT_KINDS.items() if roles == (ANYBODY,)},
        receipts="timed",
    ),
    "group": Policy(
        who_may_create=("member", "agent", "bot"),
        audit="moderation",
    ),
    "community": Policy(
        who_may_create=("agent", "admin"),
        join="open",
        roster="counted",
        receipts="off",
        audit="moderation",
    ),
    "broadcast": Policy(
        roles=("owner", "admin", "member"),
        moderator_roles=LEADS,
        who_may_create=("agent", "admin"),
        join="open",
        roster="counted",
        # Only admins write, and they correct and remove at any time: the windows are those of all others.
        kinds=dict.fromkeys(DEFAULT_KINDS, LEADS),
        edit_window_s=0,
        delete_window_s=0,
        receipts="off",
        presence=False,
        audit="moderation",
    ),
}
TITLES = {
    "support": "Support",
    "direct": "Direct message",
    "group": "Group",
    "community": "Community",
    "broadcast": "Broadcast",
}


@hookimpl
def register_channel_types(settings: Settings) -> Sequence[ChannelType]:
    return [
        (DirectRoom if name == "direct" else Room)(
            name=name, title=TITLES[name], policy=policy, requires=settings.requires.get(name, "")
        )
        for name, policy in POLICIES.items()
    ]
