"""One room as one client knows it: frames in, events out, no I/O.

The view keeps the two things the protocol asks for: a *position* per room and a *version* per
record. Whatever is lost, doubled or overtaken on the way, records merge by the greater
``changed_seq``, the position moves by the protocol's rule alone, and each new message is told
once. Asking the server for what is missing is left to the connection: it looks at :attr:`behind`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from deskbell.client.events import (
    Event,
    MessageChanged,
    MessageNew,
    MessagesPurged,
    ParticipantChanged,
    ReadMoved,
    RoomChanged,
    RoomLoaded,
    Typing,
    Writing,
    WritingVoid,
)
from deskbell.model.records import Message, Participant, RoomState
from deskbell.wire.frames import (
    Changes,
    Delta,
    MessageFrame,
    OwnCaseFrame,
    ParticipantFrame,
    Receipt,
    RoomFrame,
    Skip,
    Subscribed,
    TypingFrame,
)

TYPING_S = 10.0
Durable = MessageFrame | ParticipantFrame | RoomFrame | Skip


@dataclass
class Place:
    """How far a client has come in a room; all that must be kept to go on after a restart.

    ``position`` is the number to resume from. ``settled`` is the position up to which everything
    was seen when the room was last live: a message born above it is new, even when later pages
    bring it. ``told`` are the births above ``settled`` that were told already.
    """

    epoch: str
    position: int
    settled: int
    told: set[int] = field(default_factory=set)


class Step(NamedTuple):
    """An event, and the position that is reached once it has been handled; ``None``: none of its own."""

    event: Event
    mark: int | None = None


@dataclass
class _Stream:
    owner_version: int
    text: str = ""
    done: bool = False


class RoomView:
    """A room's records, as of :attr:`position`. Read it freely; only the client writes.

    ``messages`` and ``participants`` are by id. ``oldest`` is the ``seq`` from which on messages
    are complete; older ones are there only if they changed or were asked for. After a restart
    from disk the view begins empty and ``oldest`` is where it went on.
    """

    def __init__(self, room: str, place: Place | None = None, *, now: Callable[[], float]) -> None:
        self.id = room
        self.state: RoomState | None = None
        self.epoch: str | None = place.epoch if place else None
        self.position: int | None = place.position if place else None
        self.floor = 0
        self.oldest = place.settled + 1 if place else 0
        self.messages: dict[str, Message] = {}
        self.participants: dict[str, Participant] = {}
        self.participant_count = 0
        self.reads: dict[str, tuple[int, int]] = {}
        self.case: OwnCaseFrame | None = None
        self.live = False
        self._now = now
        self._settled = place.settled if place else 0
        self._told: set[int] = set(place.told) if place else set()
        self._highest = 0  # the greatest number heard of since the last request
        self._before_reset = 0
        self._known_before_reset: set[str] = set()
        self._streams: dict[str, _Stream] = {}
        self._over: dict[str, None] = {}  # turns whose message is stored; bounded
        self._typing: dict[str, float] = {}
        self._loading: bool | None = None  # a fresh load is under way; True: after a reset

    # -- reading

    def ordered(self) -> list[Message]:
        """The messages by ``seq``."""
        return sorted(self.messages.values(), key=lambda message: message.seq)

    def typing(self) -> list[str]:
        """Users who write at this moment."""
        now = self._now()
        return [user for user, until in self._typing.items() if until > now]

    def writing(self) -> dict[str, str]:
        """What the bot has streamed of answers that are not stored yet, by turn."""
        return {turn: stream.text for turn, stream in self._streams.items()}

    @property
    def owner_version(self) -> int:
        return self.state.owner_version if self.state else 0

    @property
    def behind(self) -> bool:
        """Whether a number above the position was heard of that no page has brought."""
        return self._highest > (self.position or 0)

    @property
    def place(self) -> Place | None:
        """What to keep for a restart; ``None`` while the room is being loaded afresh."""
        if self.epoch is None or self.position is None or self._loading is not None:
            return None
        return Place(self.epoch, self.position, self._settled, set(self._told))

    # -- what the connection does

    def asking(self) -> None:
        """A subscribe goes out: what was heard before it, its answer will bring."""
        self._highest = 0
        self.live = False

    def heard_of(self, seq: int) -> None:
        """The room's number is at least ``seq``."""
        self._highest = max(self._highest, seq)

    def reset(self) -> None:
        """The subscription is over; the next page is the room afresh."""
        if self.position is not None and self._loading is None:
            self._before_reset = self._settled
            self._known_before_reset = set(self.messages)
        self.live = False
        self.epoch = self.position = None

    def lost(self) -> None:
        """The connection is gone, and with it all that is of the moment."""
        self.live = False
        self._loading = None if self.position is None else self._loading
        self._streams.clear()
        self._typing.clear()

    # -- frames

    def page(self, frame: Subscribed | Changes) -> list[Step]:
        """Take a page. Its events are in the order of their numbers."""
        if isinstance(frame, Changes) and not self._joins(frame):
            return []
        steps: list[Step] = []
        reached = frame.seq
        if isinstance(frame, Subscribed):
            self.participant_count = frame.participant_count
            if frame.recovered and self.position is not None and frame.epoch == self.epoch:
                reached = max(reached, self.position)  # a live frame may have been quicker than the page
            else:
                self.reset()
                self._loading = bool(self._before_reset or self._known_before_reset)
                self.messages, self.participants, self.reads = {}, {}, {}
                self.state, self.floor = None, 0
                self._told.clear()
        self.epoch = frame.epoch
        for record in _by_change(frame):
            step = self._record(record)
            if step is not None and self._loading is None:
                steps.append(step)
        self.position = reached
        if frame.floor > self.floor:
            self.floor = frame.floor
            purged = [message.id for message in self.messages.values() if message.seq < frame.floor]
            for message_id in purged:
                del self.messages[message_id]
            if purged and self._loading is None:
                steps.append(Step(MessagesPurged(self.id, frame.floor)))
        if not isinstance(frame.reads, msgspec.UnsetType):
            for user, (read_seq, delivered_seq) in frame.reads.items():
                self._read(user, read_seq, delivered_seq)
        if not frame.more:
            steps += self._caught_up()
        return steps + self._void_streams()

    def _joins(self, frame: Changes) -> bool:
        """Whether a page of changes follows on what is here."""
        if self.position is None or frame.epoch != self.epoch or frame.since > self.position:
            self.heard_of(frame.seq)
            return False
        # A page that ends where we stand is old news, unless it is the empty last one we wait for.
        return frame.seq > self.position or (frame.seq == frame.since == self.position and not self.live)

    def _caught_up(self) -> list[Step]:
        steps: list[Step] = []
        if self._loading is not None:
            again, self._loading = self._loading, None
            self.oldest = min((message.seq for message in self.messages.values()), default=(self.position or 0) + 1)
            steps.append(Step(RoomLoaded(self.id, again, gap=again and self.oldest > self._before_reset + 1)))
            if again:
                steps += [
                    Step(MessageNew(self.id, message))
                    for message in self.ordered()
                    if message.seq > self._before_reset and message.id not in self._known_before_reset
                ]
            self._before_reset, self._known_before_reset = 0, set()
        self._settled = self.position or 0
        self._told.clear()
        self.live = True
        return steps

    def durable(self, frame: Durable) -> list[Step]:
        """Take a live frame. One that is not the next only raises :attr:`behind`."""
        if self.position is None:
            self.heard_of(frame.seq)
            return []
        if frame.seq > self.position + 1:
            # The answer to the next subscribe brings this record in its turn; telling it now
            # would tell it before the ones that are missing.
            self.heard_of(frame.seq)
            return []
        record: Message | Participant | RoomState | None = None
        if isinstance(frame, MessageFrame):
            record = frame.message
        elif isinstance(frame, ParticipantFrame):
            record = frame.participant
        elif isinstance(frame, RoomFrame):
            record = frame.state
        step = None if record is None else self._record(record)
        if frame.seq == self.position + 1:
            self.position = frame.seq
            if self.live:
                self._settled = self.position
                self._told.clear()
        return ([] if step is None else [step]) + self._void_streams()

    def learn(self, message: Message) -> list[Step]:
        """Take a message that came as an answer (ack, history, REST): it moves no position.

        One born above the position is left for its own frame, which comes in order.
        """
        if message.room != self.id or self.position is None or message.seq > self.position:
            return []
        known = message.id in self.messages
        step = self._record(message)
        return [Step(step.event)] if step is not None and known else []

    def _record(self, record: Message | Participant | RoomState) -> Step | None:
        mark = record.changed_seq
        if isinstance(record, Message):
            if record.seq < self.floor:
                return None
            known = self.messages.get(record.id)
            if known is not None and known.changed_seq >= record.changed_seq:
                return None
            self.messages[record.id] = record
            self._typing.pop(record.sender.id, None)
            self._stored(record)
            if known is None and record.seq > self._settled and record.seq not in self._told:
                self._told.add(record.seq)
                return Step(MessageNew(self.id, record), mark)
            return Step(MessageChanged(self.id, record, known), mark)
        if isinstance(record, Participant):
            there = self.participants.get(record.user.id)
            if there is not None and there.changed_seq >= record.changed_seq:
                return None
            self.participants[record.user.id] = record
            return Step(ParticipantChanged(self.id, record, there), mark)
        before = self.state
        if before is not None and before.changed_seq >= record.changed_seq:
            return None
        self.state = record
        return Step(RoomChanged(self.id, record, before), mark)

    # -- what is of the moment

    def _stored(self, message: Message) -> None:
        turn = message.metadata.get("turn")
        if isinstance(turn, str):
            self._streams.pop(turn, None)
            self._over[turn] = None
            while len(self._over) > 200:
                del self._over[next(iter(self._over))]

    def _void_streams(self) -> list[Step]:
        """Drop what was streamed under an owner who is no longer."""
        gone = [turn for turn, stream in self._streams.items() if stream.owner_version < self.owner_version]
        for turn in gone:
            del self._streams[turn]
        return [Step(WritingVoid(self.id, turn)) for turn in gone]

    def delta(self, frame: Delta) -> list[Step]:
        """Take a piece of the bot's answer, if it is of this owner's time and not stored yet."""
        if frame.owner_version < self.owner_version or frame.turn in self._over:
            return []
        stream = self._streams.setdefault(frame.turn, _Stream(frame.owner_version))
        if frame.offset > len(stream.text):
            return []  # a piece is missing; the stored message will have it all
        overlap = stream.text[frame.offset : frame.offset + len(frame.text)]
        if overlap != frame.text:
            # Either the next piece, or the turn was begun again with other words.
            stream.text = stream.text[: frame.offset] + frame.text
        elif frame.done == stream.done:
            return []
        stream.done = stream.done or frame.done
        return [Step(Writing(self.id, frame.turn, stream.text, stream.done))]

    def typed(self, frame: TypingFrame) -> list[Step]:
        if frame.on:
            self._typing[frame.user] = self._now() + TYPING_S
        else:
            self._typing.pop(frame.user, None)
        return [Step(Typing(self.id, frame.user, frame.on))]

    def receipt(self, frame: Receipt) -> list[Step]:
        if not self._read(frame.user, frame.read_seq, frame.delivered_seq):
            return []
        return [Step(ReadMoved(self.id, frame.user, *self.reads[frame.user]))]

    def _read(self, user: str, read_seq: int, delivered_seq: int) -> bool:
        was = self.reads.get(user, (0, 0))
        self.reads[user] = (max(was[0], read_seq), max(was[1], delivered_seq))
        return self.reads[user] != was


def _by_change(frame: Subscribed | Changes) -> Iterable[Message | Participant | RoomState]:
    records: list[Message | Participant | RoomState] = [*frame.messages, *frame.participants]
    if not isinstance(frame.state, msgspec.UnsetType):
        records.append(frame.state)
    return sorted(records, key=lambda record: record.changed_seq)
