"""Repeats what instances tell one another on the bus, late and out of order, as no network of theirs ever should.

A bus may lose, double and reorder. TCP does none of that by itself (see :mod:`deskbell.testing.faults.proxy` for
what it does), so here somebody listens to all channels of rooms and publishes what they heard again, some
of it more than once, each after a time of its own. Content is never read: whole payloads are passed on.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from typing import Any

_PATTERN = b"*:room:*"
_REMEMBERED = 10_000


class Repeater:
    """Between :meth:`start` and :meth:`close` a ``share`` of all that is told of rooms is told again.

    Args:
        port: Of the Valkey, on the loopback.
        late_s: Up to this much later.
    """

    def __init__(self, port: int, chance: random.Random, *, share: float = 0.5, late_s: float = 0.5) -> None:
        self.repeated = 0
        self._port = port
        self._chance = chance
        self._share = share
        self._late_s = late_s
        self._own: dict[bytes, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: Nobody answers on the port.
        """
        hears, subscribing = await self._connect()
        _, speaking = answers = await self._connect()
        subscribing.write(_command(b"PSUBSCRIBE", _PATTERN))
        await read(hears)
        self._spawn(self._listen(hears, speaking))
        self._spawn(self._ignore(answers[0]))

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 24)
        self._writers.append(writer)
        return reader, writer

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ignore(self, reader: asyncio.StreamReader) -> None:
        while await reader.read(65_536):
            pass

    async def _listen(self, reader: asyncio.StreamReader, speaking: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                said = await read(reader)
                if not isinstance(said, list) or said[0] != b"pmessage":
                    continue
                channel, payload = said[2], said[3]
                mark = hashlib.sha256(channel + payload).digest()
                if self._own.get(mark):
                    self._own[mark] -= 1
                    continue
                if self._chance.random() < self._share:
                    for _ in range(self._chance.randint(1, 2)):
                        self._spawn(self._again(speaking, channel, payload, mark))

    async def _again(self, speaking: asyncio.StreamWriter, channel: bytes, payload: bytes, mark: bytes) -> None:
        await asyncio.sleep(self._chance.random() * self._late_s)
        if len(self._own) > _REMEMBERED:
            self._own = {known: count for known, count in self._own.items() if count}
        self._own[mark] = self._own.get(mark, 0) + 1
        self.repeated += 1
        speaking.write(_command(b"PUBLISH", channel, payload))


def _command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


async def read(reader: asyncio.StreamReader) -> Any:
    """One value as Redis says it.

    Raises:
        asyncio.IncompleteReadError: The connection ended.
    """
    line = await reader.readuntil(b"\r\n")
    kind, rest = line[:1], line[1:-2]
    if kind == b"*":
        return [await read(reader) for _ in range(int(rest))]
    if kind == b"$":
        size = int(rest)
        return None if size < 0 else (await reader.readexactly(size + 2))[:-2]
    return int(rest) if kind == b":" else rest
