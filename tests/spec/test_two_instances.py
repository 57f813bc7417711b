"""Several instances on one PostgreSQL and one Redis: any of them serves any socket, and no matter which is which.

The store is asked for news so seldom here that what is heard at once has come over the bus; while Redis is away
it is asked often, and what is heard then has come from the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from deskbell.app import Application, StartRefused
from deskbell.testing.desk import Desk, Line, Person, ScriptedBot, settings_for
from deskbell.testing.servers import ExternalPostgres, ValkeyServer
from deskbell.volatile.redis_bus import _Line
from deskbell.volatile.redis_link import Away

SELDOM_S = 60.0
AWAY_POLL_S = 0.1
NEIGHBOURS = "deskbell:limit:login:from:127.0.0.0/24"
"""Every login of these tests comes from here."""


@dataclass
class House:
    """Two instances of one installation."""

    here: Desk
    there: Desk
    bot: ScriptedBot
    valkey: ValkeyServer

    @property
    def both(self) -> tuple[Desk, Desk]:
        return self.here, self.there

    async def whole(self) -> None:
        """Until both instances are in touch again."""
        for desk in self.both:
            await desk.until(lambda desk=desk: not _degraded(desk))

    async def apart(self) -> None:
        """Until both have noticed that Redis is away."""
        for desk in self.both:
            await desk.until(lambda desk=desk: desk.application.ports.bus.degraded and not _link(desk).up)


def _degraded(desk: Desk) -> bool:
    return desk.application.ports.bus.degraded


def _link(desk: Desk) -> Any:
    return desk.application._shared.link


def at(desk: Desk, person: Person) -> Person:
    """The same person, whose browser happens to have reached another instance."""
    session = {"user": person.user, "access_token": person.token, "refresh_token": person.refresh_token}
    return Person(desk, session, person.email)


def _messages(frame: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages in a frame: what was heard one by one, and what was read from the store."""
    return [frame["message"]] if frame["type"] == "message" else frame.get("messages") or []


async def learns(line: Line, room: str, text: str) -> None:
    """Wait until they have this message, whichever way it came."""
    await line.find(lambda f: any(m["content"] == text for m in _messages(f)) and f["room"] == room)


def known(line: Line, room: str) -> list[str]:
    """The texts they have of a room, in order, each as often as it came."""
    found = [m for frame in line.frames for m in _messages(frame) if m["room"] == room and m["kind"] == "text"]
    return [message["content"] for message in sorted(found, key=lambda message: message["seq"])]


@pytest.fixture(scope="module")
def own_valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture(scope="module")
def url(postgres_server: ExternalPostgres, migrated_template: str) -> Iterator[str]:
    name = f"deskbell_two_{os.getpid()}"
    yield postgres_server.create_database(name, template=migrated_template)
    postgres_server.drop_database(name)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def opened(url: str, own_valkey: ValkeyServer) -> AsyncIterator[House]:
    bot = ScriptedBot()
    changes: dict[str, Any] = {
        "bus": {"url": own_valkey.url(), "tip_poll_s": SELDOM_S, "tip_poll_degraded_s": AWAY_POLL_S},
        "limits": {"connections_per_user": 3, "login_attempts_per_min": 8},
        "store": {"url": url, "pool_size": 5},
    }
    async with Desk.open(url, bot=bot, **changes) as here, Desk.open(url, bot=bot, **changes) as there:
        yield House(here, there, bot, own_valkey)


@pytest_asyncio.fixture(loop_scope="session")
async def house(opened: House) -> AsyncIterator[House]:
    """Both instances, in touch, and nobody counted yet."""
    for desk in opened.both:
        desk.application.ports.limits._buckets.clear()
        await forgotten(opened, desk, NEIGHBOURS)
    opened.bot.script = None
    opened.bot.turns.clear()
    yield opened
    opened.valkey.start()
    for desk in opened.both:
        for line in desk.lines:
            await line.close()
        desk.lines.clear()
    await opened.whole()


async def forgotten(house: House, desk: Desk, key: str) -> None:
    """Until both are in touch and Redis has forgotten a key; who was just restarted may not be known to be yet."""
    async with asyncio.timeout(20):
        while True:
            await house.whole()
            with contextlib.suppress(Away):
                await _link(desk).ask(("DEL", key))
                return


async def in_a_group(house: House) -> tuple[Person, Person, str, Line, Line]:
    """Ana here and Tom there, both looking at a room they share."""
    ana, tom = await house.here.member("Ana"), at(house.there, await house.here.member("Tom"))
    room = await ana.group(tom)
    a, t = await ana.connect(), await tom.connect()
    await a.subscribe(room)
    await t.subscribe(room)
    return ana, tom, room, a, t


# what passes


async def test_what_is_said_on_one_instance_is_heard_on_the_other(house: House) -> None:
    _, _, room, a, t = await in_a_group(house)
    for number in range(20):
        await a.says(room, f"from here {number}")
        await t.says(room, f"from there {number}")
    for line in (a, t):
        await line.hears(room, "from there 19")
        await line.hears(room, "from here 19")
        assert sorted(line.heard(room)) == sorted(
            f"from {where} {number}" for number in range(20) for where in ("here", "there")
        )
        numbers = [frame["seq"] for frame in line.frames if frame["type"] == "message"]
        assert numbers == sorted(set(numbers)), "in order, each once"
    assert a.heard(room) == t.heard(room)


async def test_what_one_writes_on_one_instance_is_known_to_ones_socket_on_the_other(house: House) -> None:
    _, tom, room, _, t = await in_a_group(house)
    here = at(house.here, tom)
    await here.call("PUT", f"/rooms/{room}/draft", json={"text": "On my way"})
    assert (await t.wait("draft", room=room))["draft"]["text"] == "On my way"
    assert (await here.post(f"/rooms/{room}/messages", {"content": "On my way", "draft": True})).status_code == 201
    await t.wait("draft", room=room, draft=None)


async def test_who_looks_at_a_conversation_is_seen_on_the_other_instance(house: House) -> None:
    maya = await house.here.visitor()
    ana, ben = await house.here.agent("Ana"), at(house.there, await house.here.agent("Ben"))
    room = await maya.conversation()
    a, b = await ana.connect(), await ben.connect()
    await a.send({"type": "view", "room": None})
    await b.send({"type": "view", "room": room})
    told = await a.find(lambda f: f["type"] == "viewing" and f["room"] == room and f["users"])
    assert [user["id"] for user in told["users"]] == [ben.id]
    await b.close()
    await a.wait("viewing", room=room, users=[])


async def test_who_subscribes_misses_nothing_that_is_said_right_then(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their page is read when their instance is sure to hear what is said after it."""
    want = _Line.want
    monkeypatch.setattr(_Line, "want", lambda line, name: asyncio.get_running_loop().call_later(0.3, want, line, name))
    maya, ada = await house.here.visitor(), at(house.there, await house.here.agent("Ada"))
    room = await maya.conversation()
    # Ada is in no room: her instance has never heard of this one.
    async with maya.line() as m, ada.line() as d:
        await m.subscribe(room)
        subscribing = asyncio.create_task(d.subscribe(room))
        await asyncio.sleep(0.1)
        await m.says(room, "hello")
        await subscribing
        await learns(d, room, "hello")


async def test_typing_presence_and_receipts_cross(house: House) -> None:
    ana, tom, room, a, t = await in_a_group(house)
    await a.send({"type": "typing", "room": room, "on": True})
    await t.wait("typing", room=room, user=ana.id, on=True)
    said = await a.says(room, "Read this.")
    await t.hears(room, "Read this.")
    await t.ask({"type": "read", "room": room, "seq": said["seq"]})
    await a.find(lambda f: f["type"] == "receipt" and f["user"] == tom.id and f["read_seq"] == said["seq"])

    mark = len(a.frames)
    await t.close()
    await a.wait("presence", user=tom.id, status="offline", after=mark)
    again = await tom.connect()
    await a.wait("presence", user=tom.id, status="online", after=mark)
    await again.close()


async def test_who_is_here_on_any_instance_is_here(house: House) -> None:
    """The last socket decides, wherever it is."""
    ana, tom, _, a, _ = await in_a_group(house)
    beside = await at(house.here, tom).connect()
    await asyncio.sleep(0.3)
    mark = len(a.frames)
    (there,) = house.there.lines
    await there.close()
    await asyncio.sleep(0.3)
    asked = await ana.get("/presence", params={"users": tom.id})
    assert asked.json()["items"][0]["status"] == "online"
    assert [f for f in a.frames[mark:] if f["type"] == "presence" and f["user"] == tom.id] == []
    await beside.close()
    await a.wait("presence", user=tom.id, status="offline", after=mark)
    told = (await at(house.there, ana).get("/presence", params={"users": tom.id})).json()["items"][0]
    assert told["status"] == "offline"
    assert told["last_seen"] is not None


async def test_who_is_let_into_a_room_hears_of_it_wherever_they_are(house: House) -> None:
    """Nobody on their instance knew the room until then."""
    ana, tom = await house.here.member("Ana"), at(house.there, await house.here.member("Tom"))
    async with ana.line() as a, tom.line() as t:
        room = await ana.group(tom)
        await a.subscribe(room)
        await a.says(room, "Welcome, Tom.")
        inbox = await t.find(lambda f: f["type"] == "inbox" and f["room"] == room and f["unread"] == 1)
        assert inbox["unread"] == 1


async def test_a_ban_ends_a_subscription_on_the_other_instance(house: House) -> None:
    ana, tom, room, a, t = await in_a_group(house)
    banned = await ana.call("PATCH", f"/rooms/{room}/participants/{tom.id}", json={"state": "banned"})
    assert banned.status_code in (200, 204), banned.text
    await t.find(lambda f: f["type"] == "inbox" and f["room"] == room and f.get("removed"))
    end = len(t.frames)
    await a.says(room, "Tom must not hear this.")
    await asyncio.sleep(0.5)
    assert room not in str(t.frames[end:])


# support


async def test_a_streamed_answer_a_case_and_a_person_cross(house: House) -> None:
    maya = await house.here.visitor()
    ada = at(house.there, await house.here.agent("Ada"))
    room = await maya.conversation()
    async with maya.line() as m, at(house.there, maya).line() as m2, ada.line() as d:
        await m.subscribe(room)
        await m2.subscribe(room)
        house.bot.streams("Have ", "you ", "tried?", pause_s=0.05)
        await m.says(room, "It is broken.")
        for line in (m, m2):
            await line.hears(room, "Have you tried?")
            streamed = [f["text"] for f in line.frames if f["type"] == "delta"]
            assert "".join(streamed) == "Have you tried?"
        await m.ask({"type": "escalate", "room": room, "reason": "asked_for_person"})
        case = (await d.find(lambda f: f["type"] == "case" and f["case"]["room"] == room))["case"]
        assert case["status"] == "waiting"
        claimed = await ada.post(f"/cases/{case['id']}/claim")
        assert claimed.status_code == 200, claimed.text
        await d.subscribe(room)
        await d.says(room, "Hello, this is Ada.")
        await m.hears(room, "Hello, this is Ada.")


async def test_an_agent_elsewhere_sees_in_the_list_what_is_said_here(house: House) -> None:
    """Over Redis, and without it; the agent follows no room for that."""
    maya = await house.here.visitor()
    ada = at(house.there, await house.here.agent("Ada"))
    room = await maya.conversation()

    def said(text: str) -> Callable[[dict[str, Any]], bool]:
        return lambda f: (
            f["type"] == "case" and f["case"]["room"] == room and (f["case"]["last"] or {}).get("text") == text
        )

    async with maya.line() as m, ada.line() as d:
        await m.ask({"type": "escalate", "room": room, "reason": "asked_for_person"})
        await m.says(room, "My parcel is lost.")
        await d.find(said("My parcel is lost."))
        house.valkey.stop()
        await house.apart()
        await m.says(room, "Are you there?")
        await d.find(said("Are you there?"))


async def test_an_agent_elsewhere_learns_that_the_bot_has_a_new_conversation(house: House) -> None:
    """Over Redis, and without it."""
    ada = at(house.there, await house.here.agent("Ada"))

    async def listed() -> list[str]:
        found = (await ada.get("/support/conversations", params={"owner": "bot", "limit": 100})).json()
        return [item["room"] for item in found["items"]]

    async with ada.line() as d:
        for away in (False, True):
            if away:
                house.valkey.stop()
                await house.apart()
            heard = len(d.frames)
            room = await (await house.here.visitor()).conversation()
            await d.find(lambda f: f["type"] == "conversations" and f["bot"] > 0, after=heard)
            assert room in await listed()


async def test_of_six_agents_on_two_instances_one_wins_a_case(house: House) -> None:
    agents = [await house.here.agent(f"Agent {n}") for n in range(6)]
    for _ in range(3):
        maya = await house.here.visitor()
        room = await maya.conversation()
        async with maya.line() as m:
            await m.ask({"type": "escalate", "room": room, "reason": "asked_for_person"})
        waiting = (await agents[0].get("/cases", params={"view": "queue"})).json()["items"]
        (case,) = [item for item in waiting if item["room"] == room]
        answers = await asyncio.gather(
            *(at(house.both[n % 2], agent).post(f"/cases/{case['id']}/claim") for n, agent in enumerate(agents))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]


async def test_a_turn_runs_on_one_instance_and_is_stopped_from_the_other(house: House) -> None:
    """Nobody on the instance that runs it looks at the room."""
    maya = await house.here.visitor()
    room = await maya.conversation()
    async with at(house.there, maya).line() as m:
        await m.subscribe(room)
        house.bot.streams(*(["and so on "] * 60), pause_s=0.05)
        said = await maya.post(f"/rooms/{room}/messages", {"content": "Tell me everything."})
        assert said.status_code == 201, said.text
        await house.here.until(lambda: any(desk.application.edge.turns._running for desk in house.both))
        assert [len(desk.application.edge.turns._running) for desk in house.both] == [1, 0], "who was told begins"
        delta = await m.find(lambda f: f["type"] == "delta" and f["room"] == room)
        await m.ask({"type": "stop", "room": room, "turn": delta["turn"]})
        answer = await m.find(
            lambda f: f["type"] == "message" and f["message"]["sender"]["kind"] == "bot", patience_s=2.5
        )
        assert answer["message"]["metadata"]["stopped"] is True
    assert len(house.bot.turns) == 1


async def test_every_message_is_answered_by_one_turn_on_one_instance(house: House) -> None:
    """Both look for turns every second, so both have looked by the time the bot has an answer."""
    before = sum(desk.application.edge.turns.taken for desk in house.both)
    house.bot.answers("Here you are.", after_s=1.5)
    visitors = [await house.here.visitor(f"V{n}") for n in range(12)]
    rooms = [await visitor.conversation() for visitor in visitors]
    lines = [await at(house.both[n % 2], visitor).connect() for n, visitor in enumerate(visitors)]
    for line, room in zip(lines, rooms, strict=True):
        await line.subscribe(room)
    await asyncio.gather(*(line.says(room, "hello") for line, room in zip(lines, rooms, strict=True)))
    for line, room in zip(lines, rooms, strict=True):
        await line.hears(room, "Here you are.")
    await asyncio.sleep(0.3)
    assert [line.heard(room).count("Here you are.") for line, room in zip(lines, rooms, strict=True)] == [1] * 12
    assert len(house.bot.turns) == 12
    assert sum(desk.application.edge.turns.taken for desk in house.both) - before == 12


# getting in


async def test_sockets_are_counted_over_all_instances_and_the_silent_one_goes(house: House) -> None:
    tom = await house.here.member("Tom")
    silent = await at(house.there, tom).connect()
    await asyncio.sleep(0.2)
    others = [await at(house.here, tom).connect() for _ in range(2)]
    await asyncio.sleep(0.2)
    assert silent.closed is None
    newest = await at(house.here, tom).connect()
    assert await silent.wait_closed() == 4504
    assert silent.frames[-1]["code"] == "too_many_connections"
    for line in (*others, newest):
        assert (await line.ask({"type": "ping"}))["type"] == "pong"


async def test_a_ticket_of_one_instance_opens_one_socket_on_another(house: House) -> None:
    tom = await house.here.member("Tom")
    ticket = (await tom.post("/ws-tickets")).json()["ticket"]
    heard = []
    for desk in (house.there, house.here):
        address = f"{desk.url.replace('http', 'ws', 1)}/api/v1/ws?ticket={ticket}"
        async with connect(address, compression=None, proxy=None) as socket:
            heard.append(msgspec.json.decode(await socket.recv()))
    assert [frame["type"] for frame in heard] == ["welcome", "error"]
    assert heard[1]["code"] == "unauthenticated"


async def test_who_ends_all_their_logins_is_cut_off_on_both_instances(house: House) -> None:
    tom = await house.here.member("Tom")
    lines = [await at(desk, tom).connect() for desk in house.both]
    ended = await tom.post("/auth/logout", {"everywhere": True})
    assert ended.status_code in (200, 204)
    for line in lines:
        assert await line.wait_closed() == 4503


async def test_guesses_at_a_password_are_counted_over_all_instances(house: House) -> None:
    tom = await house.here.member("Tom")
    for desk in house.both:
        desk.application.ports.limits._buckets.clear()
    await _link(house.here).ask(("DEL", NEIGHBOURS), ("DEL", f"deskbell:limit:login:email:{tom.email}"))
    answers = []
    for n in range(12):
        desk = house.both[n % 2]
        said = await desk.http.post("/auth/login", json={"email": tom.email, "password": "a guess"})
        answers.append(said.status_code)
    assert answers[:8] == [401] * 8
    assert set(answers[8:]) == {429}


# Redis away


async def test_without_redis_everything_goes_on_by_way_of_the_store(house: House) -> None:
    """Acks at once, delivery by asking often, limits and tickets on one's own; and then all is as before."""
    ana, tom, room, a, t = await in_a_group(house)
    house.valkey.stop()
    await a.says(room, "just stopped")
    await house.apart()
    for number in range(5):
        await a.says(room, f"away {number}")
        await learns(t, room, f"away {number}")
    assert known(t, room) == ["just stopped", *(f"away {number}" for number in range(5))]
    await t.says(room, "and back")
    await learns(a, room, "and back")

    admin = at(house.there, await house.there.agent("Root", role="admin"))
    ready = await admin.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["detail"]["degraded"] == ["bus", "presence", "limits", "tickets", "connections"]
    asked = await ana.get("/presence", params={"users": ana.id})
    assert asked.json()["items"][0]["status"] == "online"
    # Never open: each instance limits by itself.
    answers = [
        (await house.here.http.post("/auth/login", json={"email": tom.email, "password": "no"})).status_code
        for _ in range(10)
    ]
    assert answers.count(401) <= 8
    assert answers[-1] == 429

    house.valkey.start()
    await house.whole()
    mark = len(t.frames)
    await a.says(room, "whole again")
    await learns(t, room, "whole again")
    await a.send({"type": "typing", "room": room, "on": True})
    await t.wait("typing", room=room, user=ana.id, after=mark)
    assert (await admin.get("/health/ready")).json()["detail"]["degraded"] == []


async def test_a_redis_that_swallows_everything_delays_nothing(house: House) -> None:
    """Connections stay open and nothing comes back: the worst way to be away."""
    ana, tom, room, a, t = await in_a_group(house)
    assert house.valkey._process is not None
    os.kill(house.valkey._process.pid, signal.SIGSTOP)
    try:
        for number in range(5):
            await a.says(room, f"swallowed {number}")
            if number == 0:
                assert _link(house.here).up, "acknowledged before anybody noticed"
        await house.apart()
        await a.says(room, "noticed")
        await learns(t, room, "noticed")
        assert known(t, room) == [*(f"swallowed {number}" for number in range(5)), "noticed"]
        newcomer = await at(house.there, ana).connect()
        await newcomer.subscribe(room)
        ticket = await tom.post("/ws-tickets")
        assert ticket.status_code in (200, 201)
    finally:
        os.kill(house.valkey._process.pid, signal.SIGCONT)
    await house.whole()
    await a.says(room, "awake")
    await learns(t, room, "awake")


async def test_an_emptied_redis_is_filled_again(house: House) -> None:
    ana, tom, room, a, t = await in_a_group(house)
    await asyncio.sleep(0.2)
    await _link(house.here).ask(("FLUSHALL",))
    await a.says(room, "still there?")
    await learns(t, room, "still there?")
    for desk in house.both:
        await desk.application.ports.presence._say()
    asked = await at(house.here, ana).get("/presence", params={"users": tom.id})
    assert asked.json()["items"][0]["status"] == "online"


async def test_what_the_bus_loses_without_a_word_is_found_by_asking(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last message of a room, after which nothing shows the gap: those who look on learn it, and inboxes too."""
    ana, _, room, a, t = await in_a_group(house)
    eve = at(house.there, await house.here.member("Eve"))
    added = await ana.post(f"/rooms/{room}/participants", {"user": eve.id})
    assert added.status_code in (200, 201), added.text
    async with eve.line() as e:
        # Which rooms she is in is read after she was welcomed.
        await house.there.until(lambda: room in house.there.application.edge.hub.rooms_of(house.there.tenant, eve.id))
        await a.says(room, "heard")
        await learns(t, room, "heard")
        await e.find(lambda f: f["type"] == "inbox" and f["room"] == room and f["unread"] == 1)
        monkeypatch.setattr(house.here.application.ports.bus, "_payloads", lambda events: [])
        await a.says(room, "lost")
        assert not _degraded(house.here)
        assert not _degraded(house.there)
        assert known(t, room) == ["heard"]
        await house.there.application.jobs.tips()
        await learns(t, room, "lost")
        await e.find(lambda f: f["type"] == "inbox" and f["room"] == room and f["unread"] == 2)
        assert known(t, room) == ["heard", "lost"]


async def test_a_ban_holds_that_redis_never_told_of(house: House) -> None:
    """Of what is lost, this must not be found out only when they come back."""
    ana, tom, room, a, t = await in_a_group(house)
    house.valkey.stop()
    await house.apart()
    assert (await ana.call("PATCH", f"/rooms/{room}/participants/{tom.id}", json={"state": "banned"})).status_code in (
        200,
        204,
    )
    await a.says(room, "Tom must not hear this.")
    await t.find(lambda f: f["type"] == "inbox" and f["room"] == room and f.get("removed"))
    await asyncio.sleep(0.5)
    await a.says(room, "Nor this.")
    await asyncio.sleep(0.5)
    assert "must not" not in str(t.frames)
    assert "Nor" not in str(t.frames)


async def test_logins_that_are_ended_without_redis_are_found_in_the_store(house: House) -> None:
    tom = await house.here.member("Tom")
    line = await at(house.there, tom).connect()
    house.valkey.stop()
    await house.apart()
    assert (await tom.post("/auth/logout", {"everywhere": True})).status_code in (200, 204)
    assert await line.wait_closed() == 4503


async def test_a_case_is_seen_by_agents_elsewhere_without_redis(house: House) -> None:
    maya, ada = await house.here.visitor(), at(house.there, await house.here.agent("Ada"))
    room = await maya.conversation()
    async with maya.line() as m, ada.line() as d:
        house.valkey.stop()
        await house.apart()
        await m.ask({"type": "escalate", "room": room, "reason": "asked_for_person"})
        case = (await d.find(lambda f: f["type"] == "case" and f["case"]["room"] == room))["case"]
        snoozed = await ada.post(f"/cases/{case['id']}/claim")
        assert snoozed.status_code == 200
        await asyncio.sleep(0.5)
        versions = [f["case"]["version"] for f in d.frames if f["type"] == "case" and f["case"]["room"] == room]
        assert versions == sorted(versions)


async def test_who_was_let_in_meanwhile_hears_of_it_when_redis_is_back(house: House) -> None:
    ana, tom = await house.here.member("Ana"), at(house.there, await house.here.member("Tom"))
    async with ana.line() as a, tom.line() as t:
        house.valkey.stop()
        await house.apart()
        room = await ana.group(tom)
        await a.subscribe(room)
        await a.says(room, "Are you there?")
        house.valkey.start()
        await house.whole()
        await t.find(lambda f: f["type"] == "inbox" and f["room"] == room)
        await a.says(room, "And now?")
        await t.find(lambda f: f["type"] == "inbox" and f["room"] == room and f["unread"] == 2)


# starting


async def test_an_instance_starts_without_redis_and_finds_it_later(url: str, house: House) -> None:
    house.valkey.stop()
    bus = {"url": house.valkey.url(), "tip_poll_s": SELDOM_S, "tip_poll_degraded_s": AWAY_POLL_S}
    async with Desk.open(url, bus=bus) as third:
        assert third.application.ports.bus.degraded
        tom = at(third, await house.here.member("Tom"))
        ana = await house.here.member("Ana")
        room = await ana.group(tom)
        async with ana.line() as a, tom.line() as t:
            await a.subscribe(room)
            await t.subscribe(room)
            await a.says(room, "anybody?")
            await learns(t, room, "anybody?")
            house.valkey.start()
            await house.whole()
            await third.until(lambda: not third.application.ports.bus.degraded)
            await a.send({"type": "typing", "room": room, "on": True})
            await t.wait("typing", room=room, user=ana.id)


async def test_who_is_sent_away_by_one_that_stops_goes_on_at_another(url: str, house: House) -> None:
    """Told to go, closed with 4001, resumed elsewhere without a gap, and seen there by the others."""
    ana, tom = await house.here.member("Ana"), await house.here.member("Tom")
    room = await ana.group(tom)
    bus = {"url": house.valkey.url(), "tip_poll_s": SELDOM_S, "tip_poll_degraded_s": AWAY_POLL_S}
    async with ana.line() as a:
        await a.subscribe(room)
        async with Desk.open(url, bus=bus) as third:
            line = await Line.open(third.url, tom.token)
            subscribed = await line.subscribe(room)
            await a.says(room, "before")
            at_seq = (await line.hears(room, "before"))["seq"]
            third.server.should_exit = True
            assert await line.wait_closed() == 4001
            assert line.frames[-1]["type"] == "drain"
            await a.says(room, "meanwhile")
        async with at(house.there, tom).line() as again:
            resumed = await again.subscribe(room, since=at_seq, epoch=subscribed["epoch"])
            assert resumed["recovered"] is True
            assert [message["content"] for message in resumed["messages"]] == ["meanwhile"]
            await a.says(room, "after")
            await again.hears(room, "after")
            asked = await ana.get("/presence", params={"users": tom.id})
            assert asked.json()["items"][0]["status"] == "online"


async def test_sqlite_is_for_one_process_and_needs_no_redis(tmp_path: Path) -> None:
    settings = settings_for(f"sqlite:///{tmp_path / 'desk.sqlite3'}", bus={"url": "redis://127.0.0.1:1/0"})
    with pytest.raises(StartRefused, match="SQLite serves one process"):
        await Application.open(settings)
