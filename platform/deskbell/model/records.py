"""What rooms are made of, as everybody may see it.

The records here are frozen and shaped exactly as clients see them (``protocol.md``, *Objects*),
so encoding one is all that stands between the store and a socket. What only the platform needs
to know about a room or a member is in :class:`Room` and :class:`Membership`; neither is sent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from deskbell.ids import CaseId, LabelId, MessageId, RoomId, SnippetId, TenantId, UserId, ViewId
from deskbell.model.placeholders import filled_in
from deskbell.model.policy import Policy

UserKind = Literal["visitor", "member", "agent", "bot", "system"]
MemberState = Literal["joined", "left", "banned"]
OwnerKind = Literal["bot", "agent", "nobody"]
CaseStatus = Literal["waiting", "assigned", "snoozed", "resolved", "merged"]

STAFF_ROLES = ("agent", "supervisor", "admin")


class PublicUser(msgspec.Struct, frozen=True):
    """A person or program as others see it; no address is ever part of it."""

    id: UserId
    kind: UserKind
    name: str
    avatar: str | None = None


class Actor(msgspec.Struct, frozen=True):
    """Who acts: an authenticated user, as of the moment their token was checked.

    ``role`` is the user's standing in the tenant (``agent``, ``supervisor``, ``admin`` or empty),
    not the role in a room. ``origin`` is the browser origin the token was used from, if any.
    """

    tenant: TenantId
    id: UserId
    kind: UserKind
    name: str
    role: str = ""
    avatar: str | None = None
    token_version: int = 0
    expires_us: int = 0
    site: str | None = None
    attributes: dict[str, Any] = {}
    login: str = ""
    """The login their token comes from; empty: it was signed without one."""

    @property
    def is_staff(self) -> bool:
        """Whether they may stand behind the counter: see cases, backstage rooms, claim."""
        return self.role in STAFF_ROLES

    @property
    def is_lead(self) -> bool:
        """Supervisors and admins."""
        return self.role in ("supervisor", "admin")

    def public(self) -> PublicUser:
        """What others see of them."""
        return PublicUser(self.id, self.kind, self.name, self.avatar)


class Reaction(msgspec.Struct, frozen=True):
    """One emoji under a message; ``users`` holds the first twenty."""

    emoji: str
    count: int
    users: list[UserId]


class Message(msgspec.Struct, frozen=True):
    """A message in its present state. ``seq`` is its birth, ``changed_seq`` its last change."""

    id: MessageId
    room: RoomId
    seq: int
    changed_seq: int
    client_id: str
    sender: PublicUser
    kind: str
    content: str
    created_at: datetime
    metadata: dict[str, Any] = {}
    attachments: list[dict[str, Any]] = []
    reply_to: MessageId | None = None
    thread: MessageId | None = None
    thread_count: int = 0
    mentions: list[UserId] = []
    reactions: list[Reaction] = []
    pinned: bool = False
    edited_at: datetime | None = None
    deleted: bool = False


class Participant(msgspec.Struct, frozen=True):
    """Somebody's place in a room, as its members see it."""

    user: PublicUser
    role: str
    state: MemberState
    joined_at: datetime
    changed_seq: int
    muted_until: datetime | None = None


class Owner(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who may answer in a support room. ``user`` is the agent or the bot."""

    kind: OwnerKind
    user: UserId | None = None


class Room(msgspec.Struct, frozen=True):
    """A room's own row: everything the platform knows of it. Never sent; see :class:`RoomState`.

    Times are microseconds since 1970. ``owner_kind`` is empty for rooms that nobody owns by
    nature (groups, direct rooms); support rooms always have one of the three kinds.
    """

    tenant: TenantId
    id: RoomId
    channel_type: str
    key: str | None
    name: str
    description: str
    seq: int
    changed_seq: int
    floor: int
    epoch: int
    owner_kind: str
    owner_user: UserId | None
    owner_version: int
    customer: UserId | None
    backstage: RoomId | None
    backstage_of: RoomId | None
    redirect_to: RoomId | None
    closed_at: int | None
    created_by: UserId | None
    created_at: int
    active_at: int
    case_id: CaseId | None = None

    @property
    def owner(self) -> Owner | None:
        return Owner(self.owner_kind, self.owner_user) if self.owner_kind else None  # type: ignore[arg-type]


class RoomState(msgspec.Struct, frozen=True):
    """What members see of a room."""

    id: RoomId
    key: str | None
    channel_type: str
    name: str
    description: str
    owner: Owner | None
    owner_version: int
    archived: bool
    policy: dict[str, Any]
    created_at: datetime
    changed_seq: int
    case: CaseId | None = None
    redirect_to: RoomId | None = None


class LastSaid(msgspec.Struct, frozen=True):
    """What somebody said last in a conversation, as one line. ``note``: a private one, for agents alone."""

    kind: str
    text: str
    sender: PublicUser
    created_at: datetime
    note: bool = False


class Conversation(RoomState, frozen=True):
    """A support room in a list. For agents: who the visitor is, by which site they came, what was said last."""

    room: RoomId | msgspec.UnsetType = msgspec.UNSET
    visitor: PublicUser | msgspec.UnsetType | None = msgspec.UNSET
    site: str | msgspec.UnsetType | None = msgspec.UNSET
    last: LastSaid | msgspec.UnsetType | None = msgspec.UNSET
    opened_at: datetime | msgspec.UnsetType = msgspec.UNSET


class Membership(msgspec.Struct, frozen=True):
    """A participant's own row. ``visible_from``: they see messages with a greater ``seq`` only."""

    room: RoomId
    user: UserId
    role: str
    state: MemberState
    visible_from: int
    muted_until: int | None
    changed_seq: int
    joined_at: int
    last_read_seq: int = 0
    last_delivered_seq: int = 0
    unread_from: int | None = None


class Case(msgspec.Struct, frozen=True):
    """The life of one escalation, as agents see it. ``version`` rises with each change."""

    id: CaseId
    room: RoomId
    status: CaseStatus
    reason: str
    priority: int
    team: str
    agent: UserId | None
    opened_at: datetime
    deadline_at: datetime | None
    version: int
    step: int = 0
    waiting_since: datetime | None = None
    first_response_at: datetime | None = None
    resolved_at: datetime | None = None
    snoozed_until: datetime | None = None
    position: int | None = None
    handover: dict[str, Any] | None = None
    rating: int | None = None
    rating_comment: str | None = None
    merged_into: CaseId | None = None
    labels: list[LabelId] = []


class CaseEntry(Case, frozen=True):
    """A case as agents see it in a list: with its visitor, who answers them, and what was said last.

    ``site``: the name of the site they came by. ``target_at``: when an answer is due; it is late after that.
    ``changed_at``: when the case itself changed last.
    """

    visitor: PublicUser | None = None
    channel_type: str = ""
    site: str | None = None
    owner: Owner | None = None
    last: LastSaid | None = None
    target_at: datetime | None = None
    changed_at: datetime | None = None


class Snippet(msgspec.Struct, frozen=True):
    """A text that agents write again and again: somebody's own, or ``shared`` by all agents of the tenant."""

    id: SnippetId
    shortcut: str
    text: str
    shared: bool = False

    def filled_in(self, *, visitor: str, agent: str) -> str:
        """The text for one conversation, by the names of the two."""
        return filled_in(self.text, {"visitor.name": visitor, "agent.name": agent})


CaseView = Literal["mine", "queue", "bot", "all", "snoozed", "resolved"]
CaseSort = Literal["priority", "waiting", "activity", "created"]


class CaseFilter(msgspec.Struct, frozen=True):
    """Which cases are in a list: those of ``view`` that carry ``label``, are a ``team``'s, at least of ``priority``."""

    view: CaseView = "all"
    label: LabelId | None = None
    team: str | None = None
    priority: int | None = None


class SavedView(msgspec.Struct, frozen=True):
    """A list of cases that agents come back to: somebody's own, or ``shared`` by all agents of the tenant."""

    id: ViewId
    name: str
    filter: CaseFilter
    shared: bool = False


class Label(msgspec.Struct, frozen=True):
    """What a tenant's agents sort cases by. ``retired``: it is not offered any more, and stays where it is."""

    id: LabelId
    name: str
    color: str = ""
    retired: bool = False


DraftKind = Literal["reply", "note"]
HeldStatus = Literal["held", "approved", "rejected"]


class SavedDraft(msgspec.Struct, frozen=True):
    """What somebody has begun to write in a room and not sent: theirs alone.

    ``seq`` and ``owner_version``: how the room stood when they began, where they said it.
    """

    room: RoomId
    kind: DraftKind
    text: str
    changed_at: datetime
    seq: int | None = None
    owner_version: int | None = None


class Decision(msgspec.Struct, frozen=True):
    """What one moderation filter said of a text. ``rule``: its reason; ``took_ms``: how long it looked."""

    filter: str
    plugin: str
    version: str
    verdict: Literal["rewrite", "hold", "block"]
    rule: str = ""
    took_ms: float = 0.0


class Trace(msgspec.Struct, frozen=True):
    """How a text came in. ``original``: what was written, where filters made another text of it."""

    door: str
    decisions: tuple[Decision, ...] = ()
    original: str | None = None


class Channel(msgspec.Struct, frozen=True):
    """A channel type as it is in force: its name and the policy after the operator's overrides."""

    name: str
    title: str
    policy: Policy
