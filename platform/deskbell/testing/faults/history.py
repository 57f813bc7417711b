"""What happened in a run: what clients asked, were answered and heard, and what the store held when all was quiet.

A run is a list of :data:`Entry`, in the order in which the harness saw them. ``t`` is monotonic, in seconds; one
process writes them all, so entries of different clients can be compared. :class:`Store` is read once, at
the end. Both are plain data: :mod:`deskbell.testing.faults.checker` needs nothing else, so a run that was
written to a folder can be judged again by a later version.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import msgspec


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A message as somebody was shown it, or as the store holds it."""

    id: str
    seq: int
    changed_seq: int
    sender: str
    client_id: str
    content: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="is"):
    """The base of all entries."""

    t: float


class Called(Line, frozen=True, kw_only=True, tag="called"):
    """A client asked for something. ``key`` names the wish, ``attempt`` each time it was asked for.

    ``socket`` is empty over REST. ``target``: the message or case it is about. ``seq``: a read mark.
    """

    client: str
    user: str
    op: str
    key: str
    attempt: int
    instance: int
    socket: str = ""
    room: str = ""
    target: str = ""
    content: str = ""
    seq: int = 0


class Answered(Line, frozen=True, kw_only=True, tag="answered"):
    """The one reply to a call. ``code`` says why not; what has no such entry was never answered."""

    client: str
    op: str
    key: str
    attempt: int
    ok: bool
    code: str = ""
    id: str = ""
    seq: int = 0
    version: int = 0
    duplicate: bool = False


class Opened(Line, frozen=True, kw_only=True, tag="opened"):
    """A socket was welcomed. ``socket`` is ``<place>#<number>``: a client's place is refilled when its socket ends."""

    client: str
    socket: str
    instance: int


class Closed(Line, frozen=True, kw_only=True, tag="closed"):
    """A socket ended. ``code``: 1006 where the network did it. ``wanted``: by the client itself."""

    client: str
    socket: str
    instance: int
    code: int
    wanted: bool = False


class ToldToGo(Line, frozen=True, kw_only=True, tag="told_to_go"):
    """A socket got a ``drain`` frame."""

    client: str
    socket: str
    instance: int


class Heard(Line, frozen=True, kw_only=True, tag="heard"):
    """A durable frame. ``kind`` is its type; ``message`` what it shows, where it shows one."""

    client: str
    socket: str
    room: str
    kind: str
    seq: int
    message: Seen | None = None


class Paged(Line, frozen=True, kw_only=True, tag="paged"):
    """A ``subscribed`` or ``changes`` frame. ``since``: what the page follows; None: it begins anew.

    ``asked_at``: when the client asked for it; 0 where the server sent it by itself.
    """

    client: str
    socket: str
    room: str
    kind: str
    since: int | None
    seq: int
    more: bool
    messages: list[Seen] = []
    asked_at: float = 0.0


class BegunAnew(Line, frozen=True, kw_only=True, tag="begun_anew"):
    """A ``reset`` frame: the subscription is over."""

    client: str
    socket: str
    room: str


class Excerpt(Line, frozen=True, kw_only=True, tag="excerpt"):
    """What a client was shown of a room when it asked for the newest; ``as_of``: up to where it reached."""

    client: str
    room: str
    instance: int
    asked_at: float
    as_of: int
    messages: list[Seen] = []


class MarkShown(Line, frozen=True, kw_only=True, tag="mark_shown"):
    """A ``receipt``: how far ``user`` has read, as a socket was told."""

    client: str
    socket: str
    room: str
    user: str
    seq: int


class MarkStored(Line, frozen=True, kw_only=True, tag="mark_stored"):
    """How far ``user`` had read, as the store said at this moment."""

    room: str
    user: str
    seq: int


class Fault(Line, frozen=True, kw_only=True, tag="fault"):
    """Something was broken or mended. ``instance`` is -1 where it is no single one's."""

    what: str
    instance: int = -1


class Calm(Line, frozen=True, kw_only=True, tag="calm"):
    """Nothing is broken any more and every wish was answered. What is not told within some seconds is late."""


Entry = (
    Called | Answered | Opened | Closed | ToldToGo | Heard | Paged | BegunAnew | Excerpt | MarkShown | MarkStored
    | Fault | Calm
)  # fmt: skip


class Room(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    seq: int


class Kept(Seen, frozen=True, kw_only=True):
    """A message in the store."""

    room: str


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    room: str
    user: str
    seq: int


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    message: str
    user: str
    emoji: str


class Case(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    status: str
    version: int
    agent: str = ""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the outbox."""

    id: int
    queue: str
    status: str
    attempts: int
    max_attempts: int


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """All messages of a room, as one instance shows them over REST."""

    instance: int
    room: str
    messages: list[Seen]


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """What was there in the end."""

    rooms: list[Room] = []
    messages: list[Kept] = []
    marks: list[Mark] = []
    reactions: list[Reaction] = []
    cases: list[Case] = []
    work: list[Work] = []
    shown: list[Shown] = []


_entry = msgspec.json.Decoder(Entry)


class Recorder:
    """Writes entries down as they happen; with a path also to a file, line by line."""

    def __init__(self, path: Path | None = None) -> None:
        self.entries: list[Entry] = []
        self._file: IO[bytes] | None = None if path is None else path.open("wb")

    @staticmethod
    def now() -> float:
        return round(time.monotonic(), 6)

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        if self._file is not None:
            self._file.write(msgspec.json.encode(entry) + b"\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def written(lines: Iterable[bytes]) -> list[Entry]:
    """The entries of a file."""
    return [_entry.decode(line) for line in lines if line.strip()]
