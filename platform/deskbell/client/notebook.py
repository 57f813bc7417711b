"""What a client remembers over a restart: its token, its places in rooms, its unsent messages.

One file of JSON lines, appended as things happen and rewritten when it has grown: a process that
is killed at any moment finds all it had written, at worst without a torn last line. The file
holds a refresh token, so only its owner may read it. It serves one process at a time. Without a
path everything is kept in memory alone.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import IO, Any

import msgspec

from deskbell.client.view import Place
from deskbell.errors import Refused

try:
    import fcntl
except ImportError:  # not on Windows; there two processes are not kept apart
    fcntl = None  # type: ignore[assignment]

_REWRITE_AFTER = 2_000
OutboxKey = tuple[str, str]
"""Room and ``client_id``."""


class InUse(Refused):
    """Another process has this file open. End it, or use another file."""

    code = "in_use"

    def __init__(self, path: Path) -> None:
        super().__init__(f"Another process is using {path}. End it, or name another file.")


class Notebook:
    """The memory of one user's client. Reading is from memory; each write is in the file when it returns."""

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        """Open ``path``, reading what an earlier process left.

        Raises:
            InUse: Another process has it open.
        """
        self.path = None if path is None else Path(path)
        self.refresh_token: str | None = None
        self.places: dict[str, Place] = {}
        self.outbox: dict[OutboxKey, dict[str, Any]] = {}
        self.facts: dict[str, str] = {}
        self._file: IO[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self._lines = 0
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._take_lock(self.path)
            self._read(self.path)
            self._rewrite()

    # -- what there is to remember

    def set_refresh_token(self, token: str | None) -> None:
        self.refresh_token = token
        self._note({"token": token})

    def set_fact(self, name: str, value: str | None) -> None:
        """Remember a word for whoever uses the client; ``None`` forgets it."""
        if value is None:
            self.facts.pop(name, None)
        else:
            self.facts[name] = value
        self._note({"fact": name, "value": value})

    def set_place(self, room: str, place: Place) -> None:
        self.places[room] = place
        self._note(_place_line(room, place))

    def reached(self, room: str, position: int, told: int | None) -> None:
        """Move on in a room, in the middle of a page; ``told`` is the birth of a message that was new."""
        place = self.places.get(room)
        if place is None:
            return
        place.position = max(place.position, position)
        if told is not None:
            place.told.add(told)
        self._note({"reached": room, "position": position, "told": told})

    def leave(self, room: str) -> None:
        self.places.pop(room, None)
        self._note({"left": room})

    def put_out(self, frame: dict[str, Any]) -> None:
        """Keep a ``send`` frame until :meth:`taken`."""
        self.outbox[frame["room"], frame["client_id"]] = frame
        self._note({"out": frame})

    def taken(self, key: OutboxKey) -> None:
        if self.outbox.pop(key, None) is not None:
            self._note({"taken": list(key)})

    def close(self) -> None:
        for file in (self._file, self._lock):
            if file is not None:
                file.close()
        self._file = self._lock = None

    # -- the file

    def _take_lock(self, path: Path) -> None:
        # A file of its own: the notebook itself is replaced when it is rewritten.
        lock = path.with_name(path.name + ".lock").open("wb")
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                raise InUse(path) from None
        self._lock = lock

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        for line in path.read_bytes().splitlines():
            # A line torn by a kill, or one of a later version, is passed over.
            with contextlib.suppress(msgspec.DecodeError, KeyError, TypeError, ValueError):
                self._take(msgspec.json.decode(line))

    def _take(self, line: dict[str, Any]) -> None:
        if "token" in line:
            self.refresh_token = line["token"]
        elif "fact" in line:
            if line["value"] is None:
                self.facts.pop(line["fact"], None)
            else:
                self.facts[line["fact"]] = line["value"]
        elif "place" in line:
            self.places[line["place"]] = Place(
                str(line["epoch"]), int(line["position"]), int(line["settled"]), set(line["told"])
            )
        elif "reached" in line:
            place = self.places[line["reached"]]
            place.position = max(place.position, int(line["position"]))
            if line["told"] is not None:
                place.told.add(int(line["told"]))
        elif "left" in line:
            self.places.pop(line["left"], None)
        elif "out" in line:
            frame = line["out"]
            self.outbox[frame["room"], frame["client_id"]] = frame
        elif "taken" in line:
            room, client_id = line["taken"]
            self.outbox.pop((room, client_id), None)

    def _note(self, line: dict[str, Any]) -> None:
        if self._file is None:
            return
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._lines += 1
        if self._lines >= _REWRITE_AFTER:
            self._rewrite()

    def _rewrite(self) -> None:
        assert self.path is not None
        lines: list[dict[str, Any]] = [{"token": self.refresh_token}]
        lines += [{"fact": name, "value": value} for name, value in self.facts.items()]
        lines += [_place_line(room, place) for room, place in self.places.items()]
        lines += [{"out": frame} for frame in self.outbox.values()]
        fresh = self.path.with_name(self.path.name + ".new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        if self._file is not None:
            self._file.close()
        # Unbuffered: what was noted survives the process without a flush.
        self._file = self.path.open("ab", buffering=0)
        self._lines = 0


def _place_line(room: str, place: Place) -> dict[str, Any]:
    return {
        "place": room,
        "epoch": place.epoch,
        "position": place.position,
        "settled": place.settled,
        "told": sorted(place.told),
    }
