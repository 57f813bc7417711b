"""A dialect, asked to tell everything the platform tells, and to do whatever its clients can say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from deskbell.contracts import dialect as told
from deskbell.contracts.dialect import Dialect
from deskbell.errors import DeskbellError, Invalid, Unavailable
from deskbell.ids import ConnectionId, RoomId, new_id
from deskbell.model.records import Owner, RoomState
from deskbell.testing.conformance import inputs
from deskbell.testing.conformance.inputs import Said
from deskbell.testing.conformance.subjects import Subject, shape
from deskbell.testing.conformance.work import sample

_NAMES = re.compile(r"<(\w+)>")


class Away:
    """A desk that answers nothing: whatever is asked of it is refused as not available."""

    def __getattr__(self, name: str) -> Any:
        async def refused(*_: Any, **__: Any) -> Any:
            raise Unavailable("The desk is not up.")

        return refused


class Session:
    """A :class:`deskbell.contracts.dialect.Session` that nobody holds the other end of.

    It came by ``address``; each name in that stands for the room.
    """

    def __init__(self, room: RoomId, settings: Any, address: str) -> None:
        self.tenant = inputs.TENANT
        self.user = inputs.VISITOR
        self.connection = ConnectionId(new_id())
        self.path: Mapping[str, str] = dict.fromkeys(_NAMES.findall(address), room)
        self.state: dict[str, Any] = {}
        self.settings = settings
        self.desk: Any = Away()
        self.following: Sequence[RoomId] = (room,)
        self.said: list[Any] = []

    async def follow(self, room: RoomId) -> None:
        raise Unavailable("The desk is not up.")

    def unfollow(self, room: RoomId) -> None:
        pass

    def say(self, frames: Any) -> None:
        self.said.append(frames)


class DialectSubject(Subject):
    """A dialect. Its answer is everything it says, in the order it was asked."""

    variants = ("told", "spoken to")
    offer: Dialect

    def __init__(self, label: str, offer: Any) -> None:
        super().__init__(label, offer)
        self.deadline_s = min(self.offer.deadline_s, 10.0)

    async def ask(self, what: Said, variant: str) -> Any:
        if variant == "told":
            frames = [("tell", self.offer.tell(each)) for each in _everything(what)]
            return [*frames, ("refuse", self.offer.refuse(Invalid("No."), None))]
        session = Session(what.room, self.settings, next(iter(self.offer.sockets), ""))
        frames = []
        for frame in (None, *(made for struct in _structs(self.offer.frames) if (made := sample(struct, what.text)))):
            try:
                with self._lent(frame=frame):
                    if frame is None:
                        frames.append(("welcome", await self.offer.welcome(session)))
                    else:
                        frames.append(("receive", await self.offer.receive(session, frame)))
            except DeskbellError as error:
                frames.append(("refuse", self.offer.refuse(error, frame)))
        return [*frames, *(("Session.say", each) for each in session.said)]

    def wrong(self, answer: Any) -> str:
        for method, frames in answer:
            several = frames if isinstance(frames, list | tuple) else () if frames is None else (frames,)
            for frame in several:
                if not isinstance(frame, Mapping):
                    return f"{method} said {shape(frame)}, not a JSON object"
                try:
                    msgspec.json.encode(frame)
                except Exception as error:
                    return f"{method} said what cannot be written as JSON: {type(error).__name__}"
        return ""


def _structs(frames: Any) -> Sequence[Any]:
    """The Structs of a union, or the one."""
    if frames is None:
        return ()
    return get_args(frames) if get_origin(frames) in (Union, UnionType) else (frames,)


def _everything(what: Said) -> list[told.Told]:
    """One of each thing that the platform tells, about what was said."""
    user, message = inputs.VISITOR.id, inputs.message(what)
    member = inputs.participant(what)
    owner = Owner("bot", inputs.AGENT.id)
    name = what.text[:200]
    room = RoomState(what.room, None, "support", name, name, owner, 1, False, {"kinds": ["text"]}, inputs.NOW, 1)
    changes = ("created", "edited", "deleted", "reacted", "pinned", "changed")
    return [
        *(told.ToldMessage(room, change, inputs.message(what, change=change)) for change in changes),
        *(told.ToldMember(room, inputs.participant(what, change=change)) for change in ("joined", "left", "banned")),
        told.ToldRoom(room),
        told.ToldTyping(room, user, True),
        told.ToldRead(room, user, 1, message.id, inputs.NOW),
        told.ToldRead(room, user, 0, None, inputs.NOW),
        told.ToldPresence(room, user, "offline", inputs.NOW),
        told.ToldPresence(room, user, "online", None),
        told.ToldHistory(room, [message], [member]),
        told.ToldHistory(room, [], []),
        told.ToldInbox(what.room, 3, True, False),
        told.ToldNotice("hint", what.text),
        told.ToldDrain(1500),
    ]
