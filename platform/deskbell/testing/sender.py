"""Somebody who goes on sending through whatever happens, as clients do: each message again until it is acknowledged."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from deskbell.testing.desk import Line


class Sender:
    """Sends one message after the other over a line.

    Attributes:
        refused: What it was answered instead of an acknowledgement, in order.
        acked: The acknowledgement of each message, by ``client_id``, which is its text as well.
        longest_s: For how long it had to wait for one answer.
    """

    def __init__(self, name: str, line: Line, room: str) -> None:
        self.name = name
        self.refused: list[dict[str, Any]] = []
        self.acked: dict[str, dict[str, Any]] = {}
        self.longest_s = 0.0
        self._line = line
        self._room = room

    async def run(self, over: asyncio.Event) -> None:
        """Send until it is ``over`` and the last message is acknowledged."""
        for number in itertools.count():
            if over.is_set():
                return
            client_id = f"{self.name} {number}"
            while client_id not in self.acked:
                begun = asyncio.get_running_loop().time()
                reply = await self._line.ask(
                    {"type": "send", "room": self._room, "content": client_id, "client_id": client_id}
                )
                self.longest_s = max(self.longest_s, asyncio.get_running_loop().time() - begun)
                if reply["type"] == "ack":
                    self.acked[client_id] = reply
                else:
                    self.refused.append(reply)
                    await asyncio.sleep(reply.get("retry_after_ms", 1000) / 1000)
            await asyncio.sleep(0.005)
