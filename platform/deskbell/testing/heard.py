"""A room as a client must hold it: one position, and each record in its latest state.

:class:`Heard` follows the rules of the protocol page to the letter and is not forgiving: what a
well-behaved client would have to ask for again is noted as a hole, what it was told twice as a
repeat. A test feeds it everything a socket was sent and then compares it with the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from deskbell.ids import RoomId, TenantId
from deskbell.model.policy import Policy
from deskbell.store import pages
from deskbell.store.database import Database

DURABLE = ("message", "participant", "room", "skip")


class Heard:
    """What one socket was told of one room. ``position`` is None while it is not subscribed."""

    def __init__(self, room: str) -> None:
        self.room = room
        self.position: int | None = None
        self.epoch = ""
        self.begun_at = 0
        self.messages: dict[str, dict[str, Any]] = {}
        self.participants: dict[str, dict[str, Any]] = {}
        self.state: dict[str, Any] | None = None
        self.reads: dict[str, list[int]] = {}
        self.new: list[str] = []
        """The texts of messages that were new when they came, in that order."""
        self.holes: list[tuple[int, int]] = []
        self.repeats: list[int] = []
        self.after_the_end: list[dict[str, Any]] = []
        """Durable frames that came while it was not subscribed."""
        self.resets = 0

    def take(self, frame: Mapping[str, Any]) -> None:
        """Take one frame; those of other rooms are ignored."""
        kind = frame["type"]
        if frame.get("room") != self.room:
            return
        if kind == "subscribed":
            if not frame["recovered"]:
                self.messages, self.participants, self.new = {}, {}, []
                self.begun_at = frame["seq"]
            self._page(frame)
        elif kind == "changes":
            if self.position is None:
                self.after_the_end.append(dict(frame))
                return
            if frame["since"] != self.position:
                self.holes.append((self.position, frame["since"]))
            self._page(frame)
        elif kind == "reset":
            self.position = None
            self.resets += 1
        elif kind in DURABLE:
            self._durable(frame, kind)

    def end(self) -> None:
        """The subscription has ended without a word on the room: unsubscribed, or the socket closed."""
        self.position = None

    def _durable(self, frame: Mapping[str, Any], kind: str) -> None:
        seq = frame["seq"]
        if self.position is None:
            self.after_the_end.append(dict(frame))
            return
        if seq <= self.position:
            self.repeats.append(seq)
        elif seq > self.position + 1:
            self.holes.append((self.position, seq))
        before, self.position = self.position, max(self.position, seq)
        if kind == "message":
            self._message(frame["message"], before)
        elif kind == "participant":
            self._participant(frame["participant"])
        elif kind == "room":
            self.state = frame["state"]

    def _page(self, frame: Mapping[str, Any]) -> None:
        before = self.position if self.position is not None else self.begun_at
        for message in frame["messages"]:
            self._message(message, before)
        for participant in frame["participants"]:
            self._participant(participant)
        if frame.get("state") is not None:
            self.state = frame["state"]
        self.reads |= frame.get("reads") or {}
        self.position, self.epoch = frame["seq"], frame["epoch"]

    def _message(self, message: dict[str, Any], before: int) -> None:
        known = self.messages.get(message["id"])
        if known is None and message["seq"] > before and message["kind"] != "system":
            self.new.append(message["content"])
        if known is None or known["changed_seq"] < message["changed_seq"]:
            self.messages[message["id"]] = message

    def _participant(self, participant: dict[str, Any]) -> None:
        known = self.participants.get(participant["user"]["id"])
        if known is None or known["changed_seq"] < participant["changed_seq"]:
            self.participants[participant["user"]["id"]] = participant


async def in_store(db: Database, tenant: TenantId, room: RoomId, policy: Policy, visible_from: int = 0) -> Heard:
    """The whole room as the store has it, read the way a client that knows nothing would."""
    heard = Heard(room)
    heard.position = 0
    more = True
    while more:
        page = await pages.changes(db, tenant, room, policy, heard.position, visible_from)
        assert page is not None
        more = page.more
        heard.take(
            {
                "type": "changes",
                "room": room,
                "epoch": "",
                "since": heard.position,
                "seq": page.seq,
                "messages": msgspec.json.decode(msgspec.json.encode(page.messages)),
                "participants": msgspec.json.decode(msgspec.json.encode(page.participants)),
            }
        )
    return heard


def differences(heard: Heard, stored: Heard) -> list[str]:
    """Where a client's picture differs from the store's; messages from before it began may be missing."""
    found = []
    if heard.position != stored.position:
        found.append(f"position {heard.position} instead of {stored.position}")
    if heard.holes or heard.repeats:
        found.append(f"holes {heard.holes[:5]}, repeats {heard.repeats[:5]}")
    for identity, message in stored.messages.items():
        mine = heard.messages.get(identity)
        if mine is None and message["changed_seq"] <= heard.begun_at:
            continue
        if mine != message:
            found.append(f"message {message['seq']}: {mine} instead of {message}")
    unknown = heard.messages.keys() - stored.messages.keys()
    found += [f"message {heard.messages[identity]['seq']} which is not in the store" for identity in unknown]
    for identity, participant in stored.participants.items():
        mine = heard.participants.get(identity)
        unasked = participant["state"] != "joined" or participant["changed_seq"] <= heard.begun_at
        if mine != participant and not (mine is None and unasked):
            found.append(f"participant {participant['user']['name']}: {mine} instead of {participant}")
    return found
