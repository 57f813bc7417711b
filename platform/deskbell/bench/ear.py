"""Somebody who notes when a thing was said and when others hear of it, by many sockets at once."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Hashable
from functools import partial

import msgspec

from deskbell.bench.load import Socket


class _Message(msgspec.Struct):
    content: str
    seq: int


class _Heard(msgspec.Struct):
    """As much of any frame as must be known to say what it answers."""

    type: str
    ref: int | str | None = None
    room: str = ""
    user: str = ""
    on: bool = False
    status: str = ""
    read_seq: int = 0
    message: _Message | None = None


_decoder = msgspec.json.Decoder(_Heard)


class Ear:
    """Times in seconds by kind, in :attr:`took`; what was said before :meth:`forget` is not counted.

    A send is known by the number its text begins with, a typing mark and a presence by what they say, a
    receipt by whose mark is where, the rest by their ``ref``.
    """

    def __init__(self) -> None:
        self.took: dict[str, list[float]] = defaultdict(list)
        self.newest = ("", 0)
        """Room and ``seq`` of the message that was heard last."""
        self._said: dict[tuple[str, Hashable], tuple[float, int]] = {}

    def listen(self, sockets: list[Socket], first: int = 0) -> None:
        """The sockets are known by their place in the list, from ``first`` on."""
        for at, each in enumerate(sockets, first):
            each.on_text = partial(self.hear, at)

    def said(self, kind: str, what: Hashable, by: int) -> None:
        """Now; what the speaker's own socket hears of it does not count, but for replies."""
        self._said[kind, what] = (time.perf_counter(), by)

    def forget(self) -> None:
        """Begin anew: the load is warm, or another one."""
        self._said.clear()
        self.took.clear()

    def hear(self, by: int, payload: bytes) -> None:
        now = time.perf_counter()
        frame = _decoder.decode(payload)
        if frame.type == "message" and frame.message is not None:
            self.newest = (frame.room, frame.message.seq)
            self._heard("message", frame.message.content.partition(" ")[0], by, now)
        elif frame.type == "typing":
            self._heard("typing", (frame.room, frame.user, frame.on), by, now)
        elif frame.type == "presence":
            self._heard("presence", (frame.user, frame.status), by, now)
        elif frame.type == "receipt":
            self._heard("receipt", (frame.room, frame.user, frame.read_seq), by, now)
        elif frame.ref is not None:
            self._heard(frame.type, frame.ref, None, now)

    def _heard(self, kind: str, what: Hashable, by: int | None, now: float) -> None:
        began, speaker = self._said.get((kind, what), (0.0, by))
        if began and speaker != by:
            self.took[kind].append(now - began)


def percentile(took: list[float], share: float) -> float:
    """The value that ``share`` of them do not exceed, in their own unit."""
    ranked = sorted(took)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
