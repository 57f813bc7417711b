"""Redis is slow, swallows everything, or is cut off from one instance alone: nobody waits for it, and everybody hears.

Two instances, each with a link of its own to Redis. The store is otherwise asked for news only once a minute here, so
what is heard within seconds has been asked for because the bus was known to be away, or because somebody rang.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from deskbell import app
from deskbell.testing.desk import Desk, Line, Person
from deskbell.testing.faults.proxy import Link
from deskbell.testing.servers import ExternalPostgres, ValkeyServer
from deskbell.volatile.redis_presence import RedisPresence

log = logging.getLogger(__name__)

SELDOM_S = 60.0
PATIENCE_S = 30.0
SAID = 8


@dataclass
class House:
    """Two instances of one installation, and the links they have to Redis."""

    here: Desk
    there: Desk
    here_link: Link
    there_link: Link

    @property
    def desks(self) -> tuple[Desk, Desk]:
        return self.here, self.there

    async def whole(self) -> float:
        """Until both are in touch again; how long that took, in seconds."""
        begun = asyncio.get_running_loop().time()
        for desk in self.desks:
            await desk.until(lambda desk=desk: not away(desk), patience_s=PATIENCE_S)
            await desk.until(lambda desk=desk: desk.application._shared.bell.hears, patience_s=PATIENCE_S)
        return asyncio.get_running_loop().time() - begun


def away(desk: Desk) -> bool:
    return desk.application.ports.bus.degraded


@pytest.fixture(scope="module")
def url(postgres_server: ExternalPostgres, migrated_template: str) -> Iterator[str]:
    name = f"deskbell_bus_{os.getpid()}"
    yield postgres_server.create_database(name, template=migrated_template)
    postgres_server.drop_database(name)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def opened(url: str) -> AsyncIterator[House]:
    with ValkeyServer() as valkey, pytest.MonkeyPatch.context() as patched:
        links = [Link(valkey.port, random.Random(n)) for n in (1, 2)]
        for link in links:
            await link.start()
        settings: list[dict[str, Any]] = [
            {"bus": {"url": f"redis://127.0.0.1:{link.port}/0", "tip_poll_s": SELDOM_S}, "store": {"pool_size": 5}}
            for link in links
        ]
        # An instance that says nothing for so long counts as gone: 20 s outside of tests.
        patched.setattr(app, "RedisPresence", partial(RedisPresence, ttl_s=3.0, beat_s=0.3))
        try:
            async with Desk.open(url, **settings[0]) as here, Desk.open(url, **settings[1]) as there:
                yield House(here, there, *links)
        finally:
            for link in links:
                await link.close()


@pytest_asyncio.fixture(loop_scope="session")
async def house(opened: House) -> AsyncIterator[House]:
    for link in (opened.here_link, opened.there_link):
        link.heal()
    await opened.whole()
    yield opened
    for link in (opened.here_link, opened.there_link):
        link.heal()
    for desk in opened.desks:
        for line in desk.lines:
            await line.close()
        desk.lines.clear()


async def in_a_group(house: House) -> tuple[Line, Line, str]:
    """Ana here and Tom there, both looking at a room they share."""
    ana, tom = await house.here.member("Ana"), await house.there.member("Tom")
    room = await ana.group(tom)
    a, t = await ana.connect(), await tom.connect()
    await a.subscribe(room)
    await t.subscribe(room)
    return a, t, room


def texts(frame: dict[str, Any]) -> list[str]:
    """What is said in a frame: heard one by one, or read from the store."""
    messages = [frame["message"]] if frame["type"] == "message" else frame.get("messages") or []
    return [message["content"] for message in messages if message["kind"] == "text"]


async def says(line: Line, room: str, text: str) -> float:
    """Say something; how long the acknowledgement took, in seconds."""
    begun = asyncio.get_running_loop().time()
    await line.says(room, text)
    return asyncio.get_running_loop().time() - begun


async def hears(line: Line, text: str) -> float:
    """Wait until they have this message, whichever way it came; for how long, in seconds."""
    begun = asyncio.get_running_loop().time()
    await line.find(lambda frame: text in texts(frame), patience_s=PATIENCE_S)
    return asyncio.get_running_loop().time() - begun


def known(line: Line) -> list[str]:
    return [text for frame in line.frames if frame["type"] in ("message", "changes") for text in texts(frame)]


def break_link(link: Link, how: str) -> None:
    if how == "slow":
        link.weather.delay_s = 2.0
    elif how == "silent":
        link.weather.swallow = ("there", "back")
    else:
        link.weather.swallow = ("there", "back")
        link.cut(reset=True)


@pytest.mark.parametrize("how", ["slow", "silent"])
async def test_a_redis_that_is_slow_or_silent_delays_no_ack_and_is_done_without(house: House, how: str) -> None:
    """Two seconds for an answer, or none ever: messages are heard by asking the store, in order, and it heals."""
    a, t, room = await in_a_group(house)
    for link in (house.here_link, house.there_link):
        break_link(link, how)
    said = [f"{how} at first {n}" for n in range(3)]
    acked_s = [await says(a, room, text) for text in said]
    await hears(t, said[-1])
    for desk in house.desks:
        await desk.until(lambda desk=desk: away(desk), patience_s=PATIENCE_S)

    heard_s = []
    for n in range(SAID):
        said.append(f"{how} {n}")
        acked_s.append(await says(a, room, said[-1]))
        heard_s.append(await hears(t, said[-1]))
    assert known(t) == said

    for link in (house.here_link, house.there_link):
        link.heal()
    healed_s = await house.whole()
    await a.send({"type": "typing", "room": room, "on": True})
    await t.wait("typing", room=room, on=True)
    log.info(
        "%s: ack within %.3f s, heard by polling within %.2f s, whole again after %.1f s",
        how, max(acked_s), max(heard_s), healed_s,
    )  # fmt: skip


@pytest.mark.parametrize("how", ["silent", "refused"])
async def test_who_alone_is_cut_off_from_redis_is_heard_by_the_others(house: House, how: str) -> None:
    """The others have no reason of their own to look: they are made to, through the store."""
    a, t, room = await in_a_group(house)
    break_link(house.here_link, how)
    said = [f"alone at first {n}" for n in range(3)]
    acked_s = [await says(a, room, text) for text in said]
    noticing_s = await hears(t, said[-1])
    await house.here.until(lambda: away(house.here), patience_s=PATIENCE_S)
    assert not away(house.there)

    heard_s, back_s = [], []
    for n in range(SAID):
        said.append(f"alone {n}")
        acked_s.append(await says(a, room, said[-1]))
        heard_s.append(await hears(t, said[-1]))
        said.append(f"answer {n}")
        await says(t, room, said[-1])
        back_s.append(await hears(a, said[-1]))
    assert known(t) == said
    assert known(a) == said
    assert not away(house.there), "it has been well all the time"

    house.here_link.heal()
    healed_s = await house.whole()
    log.info(
        "%s, one alone: ack within %.3f s, the first heard after %.2f s, then within %.2f s, the others' within"
        " %.2f s, whole again after %.1f s",
        how, max(acked_s), noticing_s, max(heard_s), max(back_s), healed_s,
    )  # fmt: skip


async def test_a_case_and_the_end_of_a_login_are_heard_from_who_is_cut_off(house: House) -> None:
    ada, maya = await house.there.agent("Ada"), await house.here.visitor()
    room = await maya.conversation()
    m, d = await maya.connect(), await ada.connect()
    break_link(house.here_link, "refused")
    await house.here.until(lambda: away(house.here), patience_s=PATIENCE_S)
    await m.ask({"type": "escalate", "room": room, "reason": "asked_for_person"})
    case = await d.find(lambda f: f["type"] == "case" and f["case"]["room"] == room, patience_s=PATIENCE_S)
    assert case["case"]["status"] == "waiting"

    tom = await house.here.member("Tom")
    elsewhere = await Person(house.there, {"user": tom.user, "access_token": tom.token, "refresh_token": ""}).connect()
    assert (await tom.post("/auth/logout", {"everywhere": True})).status_code in (200, 204)
    assert await elsewhere.wait_closed(patience_s=PATIENCE_S) == 4503


async def test_who_was_on_an_instance_that_vanished_is_told_to_be_offline(house: House) -> None:
    """It said no goodbye. Who watches on another hears it; and when it is back after all, that as well."""
    ana, tom = await house.here.member("Ana"), await house.there.member("Tom")
    room = await ana.group(tom)
    a = await ana.connect()
    await a.subscribe(room)
    await tom.connect()
    await a.wait("presence", user=tom.id, status="online", patience_s=PATIENCE_S)

    mark = len(a.frames)
    break_link(house.there_link, "silent")
    offline = await a.wait("presence", user=tom.id, status="offline", after=mark, patience_s=PATIENCE_S)
    assert offline["last_seen"] is not None
    assert (await ana.get("/presence", params={"users": tom.id})).json()["items"][0]["status"] == "offline"

    mark = len(a.frames)
    house.there_link.heal()
    await a.wait("presence", user=tom.id, status="online", after=mark, patience_s=PATIENCE_S)
