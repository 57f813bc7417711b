"""The numbers and switches of a channel type, and what follows from them.

A policy is data: it can be printed, overridden key by key in ``config.yaml`` and sent to
clients. The functions answer questions about it and do no I/O.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

ANYBODY = "*"

AuditLevel = Literal["minimal", "moderation", "full", "reads"]
AUDIT_LEVELS: tuple[AuditLevel, ...] = ("minimal", "moderation", "full", "reads")

# Message kind -> roles that may post it. `system` is missing on purpose: it belongs to the platform alone.
DEFAULT_KINDS: dict[str, tuple[str, ...]] = {
    "text": (ANYBODY,),
    "image": (ANYBODY,),
    "voice": (ANYBODY,),
    "video": (ANYBODY,),
    "file": (ANYBODY,),
    "location": (ANYBODY,),
    "status": (ANYBODY,),
    "card": ("bot", "agent"),
    "announcement": ("owner", "admin", "moderator"),
}


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds in rooms of one channel type. Durations are seconds."""

    # who is in the room
    roles: tuple[str, ...] = ("owner", "admin", "moderator", "member")
    default_role: str = "member"
    creator_role: str = "owner"
    admin_roles: tuple[str, ...] = ("owner", "admin")
    moderator_roles: tuple[str, ...] = ("owner", "admin", "moderator")
    who_may_create: tuple[str, ...] = ("member", "agent", "bot")  # user kinds; "admin" stands for the tenant role
    join: Literal["open", "invite", "role"] = "invite"
    join_roles: tuple[str, ...] = ()  # tenant roles that may join where join is "role"
    max_members: int | None = None
    roster: Literal["listed", "counted"] = "listed"
    history: Literal["all", "since_join"] = "all"
    owned: bool = False  # a support room: a bot, an agent or nobody owns it

    # what may be said
    kinds: dict[str, tuple[str, ...]] = msgspec.field(default_factory=lambda: dict(DEFAULT_KINDS))
    edit_window_s: int | None = 900  # 0: never; null: any time; admins of the room: any time
    delete_window_s: int | None = 300  # null: any time; moderators: any time
    rate_per_min: int | None = None  # messages of one user; null: what `limits` says; staff and bots have their own
    rate_burst: int | None = None

    # what is shown
    receipts: Literal["off", "marks", "timed"] = "marks"
    presence: bool = True

    # how long
    auto_close_s: int | None = None  # put off while the conversation is active
    reopen_window_s: int = 86_400
    retention_s: int | None = None  # after closing; then messages are purged
    delete_after_s: int | None = None  # after creation, whatever happens
    audit: AuditLevel = "minimal"  # moderation: what moderators do; full: changes by anybody; reads: reading too

    def due_us(self, *, opened_us: int) -> int | None:
        """When a room opened at ``opened_us`` is first looked at for closing or deletion; None: never."""
        after_s = self.auto_close_s if self.delete_after_s is None else self.delete_after_s
        return None if after_s is None else opened_us + after_s * 1_000_000

    def put_off_us(self, *, spoke_us: int) -> int | None:
        """When a room in which somebody spoke at ``spoke_us`` is due then; None: as before."""
        if self.auto_close_s is None or self.delete_after_s is not None:
            return None
        return spoke_us + self.auto_close_s * 1_000_000

    def audits(self, level: AuditLevel) -> bool:
        """Whether what belongs to ``level`` is written down."""
        return AUDIT_LEVELS.index(self.audit) >= AUDIT_LEVELS.index(level)

    def for_clients(self) -> dict[str, Any]:
        """The part that a composer or a message list needs."""
        return {
            "edit_window_s": self.edit_window_s,
            "delete_window_s": self.delete_window_s,
            "receipts": self.receipts,
            "history": self.history,
            "roster": self.roster,
            "kinds": sorted(self.kinds),
        }

    def may_post(self, kind: str, role: str) -> bool:
        """Whether ``role`` may post messages of ``kind``; ``system`` belongs to the platform alone."""
        allowed = self.kinds.get(kind, ())
        return role in allowed or (ANYBODY in allowed and role in self.roles)

    @property
    def privileged_roles(self) -> tuple[str, ...]:
        """Roles above member: who is listed also where members are only counted."""
        return tuple(dict.fromkeys((*self.admin_roles, *self.moderator_roles, "agent", "bot")))

    def is_admin(self, role: str) -> bool:
        return role in self.admin_roles

    def is_moderator(self, role: str) -> bool:
        return role in self.moderator_roles or role in self.admin_roles


def within_window(created_us: int, now_us: int, window_s: int | None) -> bool:
    """Whether a window that opened at ``created_us`` is still open; ``None`` never closes, 0 never opens."""
    return window_s is None or (now_us - created_us <= window_s * 1_000_000 and window_s > 0)


def overridden(policy: Policy, changes: dict[str, Any]) -> Policy:
    """``policy`` with an operator's changes, checked as if it had been written so.

    Raises:
        msgspec.ValidationError: An unknown key, or a value of the wrong type.
    """
    merged = msgspec.to_builtins(policy) | changes
    return msgspec.convert(merged, Policy)
