"""Where each frame goes, and what is known besides the rooms: who is there, who looks at what, which cases there are.

Messages and all that happens in a room are :mod:`deskbell.client.following`'s, answers
:mod:`deskbell.client.outbox`'s. What is known stays known while there is no socket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deskbell.client.events import (
    CaseChanged,
    DraftChanged,
    Event,
    InboxChanged,
    Live,
    NoticeGiven,
    OwnCaseChanged,
    PresenceChanged,
    Problem,
    ViewersChanged,
)
from deskbell.client.following import Following
from deskbell.client.incoming import AnyCase, Unread
from deskbell.client.line import Link
from deskbell.client.outbox import Outbox
from deskbell.client.rest import NotUnderstood, refusal
from deskbell.errors import DeskbellError
from deskbell.ids import RoomId
from deskbell.model.records import CaseEntry, PublicUser
from deskbell.wire.frames import (
    Ack,
    Changes,
    Delta,
    DraftFrame,
    ErrorFrame,
    HistoryFrame,
    Inbox,
    MessageFrame,
    Notice,
    Ok,
    OwnCaseFrame,
    ParticipantFrame,
    Presence,
    Receipt,
    Reset,
    RoomFrame,
    Skip,
    Subscribed,
    Tips,
    TypingFrame,
    Viewing,
    Welcome,
)


class Hearing:
    """What the sockets say, one after the other. ``let_in`` is called with each welcome, when all else is done."""

    def __init__(
        self,
        link: Link,
        following: Following,
        outbox: Outbox,
        tell: Callable[[Event], None],
        let_in: Callable[[], None],
    ) -> None:
        self.user: PublicUser | None = None
        self.cases: dict[str, CaseEntry] = {}
        self.presence: dict[str, Presence] = {}
        self.viewers: dict[str, tuple[PublicUser, ...]] = {}
        self.inbox: dict[str, Inbox] = {}
        self._link = link
        self._following = following
        self._outbox = outbox
        self._tell = tell
        self._let_in = let_in
        self._view: dict[str, Any] | None = None

    def looks_at(self, room: str | None) -> None:
        """Say which conversation one looks at, on this socket and every later one."""
        self._view = {"type": "view", "room": room}
        self._link.say(self._view)

    def welcomed(self, welcome: Welcome, again: bool) -> None:
        """A socket is open and let in; ``again``: it is not the first."""
        self.user = welcome.user
        self._tell(Live(welcome.user, welcome.connection, again))
        self._following.welcomed()
        self.viewers.clear()
        if self._view is not None:
            self._link.say(self._view)
        self._outbox.welcomed()
        self._let_in()

    def lost(self) -> None:
        """The socket is gone."""
        self._following.lost()
        self._outbox.lost()

    def hear(self, frame: Any) -> DeskbellError | None:
        """Pass a frame on to whom it concerns. An error that answers nothing comes back."""
        if isinstance(frame, (MessageFrame, ParticipantFrame, RoomFrame, Skip)):
            self._following.durable(frame)
        elif isinstance(frame, (Subscribed, Changes)):
            self._following.page(frame)
        elif isinstance(frame, Ack):
            if frame.message is not None:
                self._following.learn([frame.message])
            self._outbox.settle(frame.ref, frame)
        elif isinstance(frame, HistoryFrame):
            self._following.learn(frame.messages)
            self._outbox.settle(frame.ref, frame)
        elif isinstance(frame, Ok):
            self._outbox.settle(frame.ref, frame)
        elif isinstance(frame, ErrorFrame):
            return self._hear_error(frame)
        elif isinstance(frame, (Delta, TypingFrame, Receipt)):
            self._following.passing(frame)
        elif isinstance(frame, Reset):
            self._following.reset(frame)
        elif isinstance(frame, Tips):
            self._following.tips(frame)
        elif isinstance(frame, Presence):
            self.presence[frame.user] = frame
            self._tell(PresenceChanged(frame.user, frame.status, frame.last_seen))
        elif isinstance(frame, Inbox):
            self.inbox[frame.room] = frame
            self._tell(InboxChanged(frame.room, frame))
        elif isinstance(frame, Viewing):
            self.viewers[frame.room] = tuple(frame.users)
            if not frame.users:
                del self.viewers[frame.room]
            self._tell(ViewersChanged(frame.room, tuple(frame.users)))
        elif isinstance(frame, AnyCase):
            self._hear_case(frame)
        elif isinstance(frame, DraftFrame):
            self._tell(DraftChanged(frame.room, frame.kind, frame.changed_at, frame.draft))
        elif isinstance(frame, Notice):
            self._tell(NoticeGiven(frame.code, frame.text))
        elif isinstance(frame, Unread):
            self._outbox.refuse(frame.ref, NotUnderstood())
        return None

    def _hear_case(self, frame: AnyCase) -> None:
        if frame.case is not None:
            before = self.cases.get(frame.case.id)
            if before is None or before.version <= frame.case.version:
                self.cases[frame.case.id] = frame.case
                self._tell(CaseChanged(frame.case, before))
        elif frame.room is not None:
            view = self._following.rooms.get(frame.room)
            if view is not None:
                view.case = OwnCaseFrame(
                    RoomId(frame.room), frame.status, frame.position, frame.wait, frame.open, frame.opens_at
                )
            self._tell(OwnCaseChanged(frame.room, frame.status, frame.position, frame.wait, frame.open, frame.opens_at))

    def _hear_error(self, frame: ErrorFrame) -> DeskbellError | None:
        error = refusal(
            frame.code,
            frame.message,
            temporary=frame.temporary,
            retry_after_ms=frame.retry_after_ms,
            details=frame.details,
        )
        if self._outbox.refuse(frame.ref, error) or self._following.refuse(frame.ref, frame.room, error):
            return None
        self._tell(Problem(error))
        return error
