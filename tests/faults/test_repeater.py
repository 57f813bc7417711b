"""The fault harness can make a bus repeat itself, late and out of order."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

from redis.asyncio import Redis

from deskbell.testing.faults.repeater import Repeater

if TYPE_CHECKING:
    from deskbell.testing.servers import ValkeyServer

PATIENCE_S = 10.0


async def test_what_is_told_of_rooms_is_told_again_and_nothing_else_is(valkey_server: ValkeyServer) -> None:
    """Each payload comes back once or twice more, none of them for ever, in an order of its own."""
    payloads = [b"\r\n%d \xff" % number for number in range(40)]
    async with Redis.from_url(valkey_server.url()) as redis, redis.pubsub() as heard:
        await heard.subscribe("t:room:r", "t:user:u")
        for _ in range(2):
            assert (await heard.get_message(timeout=PATIENCE_S))["type"] == "subscribe"
        repeater = Repeater(valkey_server.port, random.Random(3), share=1.0, late_s=0.2)
        await repeater.start()
        try:
            for payload in payloads:
                await redis.publish("t:room:r", payload)
                await redis.publish("t:user:u", payload)
            told: dict[bytes, list[bytes]] = {b"t:room:r": [], b"t:user:u": []}
            async with asyncio.timeout(PATIENCE_S):
                while message := await heard.get_message(ignore_subscribe_messages=True, timeout=1.0):
                    told[message["channel"]].append(message["data"])
        finally:
            await repeater.close()

    counts = Counter(told[b"t:room:r"])
    assert set(counts) == set(payloads)
    assert set(counts.values()) <= {2, 3}
    assert len(told[b"t:room:r"]) == 40 + repeater.repeated
    assert told[b"t:room:r"][40:] != sorted(told[b"t:room:r"][40:], key=payloads.index)
    assert told[b"t:user:u"] == payloads
