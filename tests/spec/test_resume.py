"""Coming back: from any moment, to any life of the server, without a hole or a repeat, or with an honest reset."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from deskbell.actions import access
from deskbell.store import migrate
from deskbell.testing.desk import Desk, Line, Person
from deskbell.testing.heard import Heard, differences, in_store
from deskbell.wire.events import Event


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    async with Desk.open(database_url, bus={"tip_poll_s": 0.3}, limits={"connections_per_user": 100}) as desk:
        yield desk


@pytest.fixture
async def small(sqlite_url: str) -> AsyncIterator[Desk]:
    """For what does not depend on the database."""
    async with Desk.open(sqlite_url, bus={"tip_poll_s": 0.3}, limits={"connections_per_user": 100}) as desk:
        yield desk


@pytest.fixture
async def parlour(sqlite_url: str) -> AsyncIterator[Desk]:
    """Groups in which nobody sees what was said before they came."""
    async with Desk.open(sqlite_url, bus={"tip_poll_s": 0.3}, channels={"group": {"history": "since_join"}}) as desk:
        yield desk


class Client:
    """Somebody who follows a room, loses the connection, and comes back where they were."""

    def __init__(self, person: Person, room: str) -> None:
        self.person = person
        self.heard = Heard(room)
        self.line: Line | None = None
        self.taken = 0

    async def comes(self) -> None:
        self.line, self.taken = await self.person.connect(), 0
        at = {} if self.heard.position is None else {"since": self.heard.position, "epoch": self.heard.epoch}
        await self.line.send({"type": "subscribe", "ref": "s", "rooms": [{"id": self.heard.room, **at}]})

    def listens(self) -> None:
        assert self.line is not None
        while self.taken < len(self.line.frames):
            self.heard.take(self.line.frames[self.taken])
            self.taken += 1

    async def is_cut_off(self) -> None:
        """Without a word, as networks do; what had arrived is known, the rest is not."""
        assert self.line is not None
        self.line._connection.transport.abort()
        await self.line._connection.wait_closed()
        self.listens()


async def level(desk: Desk, client: Client) -> None:
    """Wait until the client has everything, and compare."""
    db = desk.application.ports.db
    tip = await db.fetchval("SELECT seq FROM rooms WHERE id = $1", client.heard.room)

    def there() -> bool:
        client.listens()
        return client.heard.position == tip

    await desk.until(there)
    policy = desk.application.ports.plugins.channels["group"].policy
    stored = await in_store(db, desk.tenant, client.heard.room, policy)  # type: ignore[arg-type]
    assert differences(client.heard, stored) == []


async def test_who_comes_back_hears_what_they_missed_and_nothing_twice(desk: Desk) -> None:
    ana, tom = await desk.member("Ana"), await desk.member("Tom")
    room = await ana.group(tom)
    client = Client(tom, room)
    async with ana.line() as a:
        old = await a.says(room, "before")
        await client.comes()
        assert client.line is not None
        await client.line.wait("subscribed")
        await a.says(room, "heard")
        await client.line.hears(room, "heard")
        await client.is_cut_off()

        await a.says(room, "missed")
        await a.ask({"type": "edit", "message": old["id"], "content": "before, edited"})
        await a.ask({"type": "react", "message": old["id"], "emoji": "👍"})
        gone = await a.says(room, "missed and gone")
        await a.ask({"type": "delete", "message": gone["id"]})
        await client.comes()
        await level(desk, client)
    assert client.line is not None
    (subscribed,) = [frame for frame in client.line.frames if frame["type"] == "subscribed"]
    assert subscribed["recovered"] is True
    texts = [message["content"] for message in subscribed["messages"]]
    assert texts == ["missed", "before, edited", ""], "each once, in its present state, by its last change"
    assert "missed and gone" not in str(client.line.frames)


async def test_a_thousand_messages_while_fifty_sockets_are_cut_and_come_back(small: Desk) -> None:
    """Each one's picture is the store's; not one had a hole, a repeat or a reset."""
    chance = random.Random(7)
    people = [await small.member(f"P{n}") for n in range(5)]
    room = await people[0].group(*people[1:])
    clients = [Client(chance.choice(people), room) for _ in range(50)]
    sending = True

    async def send(person: Person) -> None:
        nonlocal sending
        async with person.line() as line:
            for n in range(0, 500, 10):
                refs = [f"{n + k}" for k in range(10)]
                for ref in refs:
                    await line.send({"type": "send", "ref": ref, "room": room, "content": ref})
                await line.find(lambda f, last=refs[-1]: f.get("ref") == last)
                await asyncio.sleep(0.005)
        sending = False

    async def come_and_go(client: Client) -> None:
        await client.comes()
        while sending:
            await asyncio.sleep(chance.random() * 0.5)
            client.listens()
            if chance.random() < 0.5:
                await client.is_cut_off()
                await client.comes()
            elif chance.random() < 0.3 and client.heard.position is not None:
                assert client.line is not None
                at = {"since": client.heard.position, "epoch": client.heard.epoch}
                await client.line.send({"type": "unsubscribe", "rooms": [room]})
                # What was told until now is known; the rest comes with the page.
                await client.line.ask({"type": "ping"})
                client.listens()
                at["since"] = client.heard.position
                await client.line.send({"type": "subscribe", "rooms": [{"id": room, **at}]})

    await asyncio.gather(send(people[0]), send(people[1]), *(come_and_go(client) for client in clients))
    for client in clients:
        await level(small, client)
        assert client.heard.resets == 0
        assert client.heard.after_the_end == []
    assert small.application.edge.hub.room_count == 1


async def test_a_lost_last_message_heals_by_itself(desk: Desk) -> None:
    """The bus lost it, nothing follows it; the tips of the store bring it."""
    ana, tom = await desk.member("Ana"), await desk.member("Tom")
    room = await ana.group(tom)
    client = Client(tom, room)
    await client.comes()
    assert client.line is not None
    await client.line.wait("subscribed")
    bus: Any = desk.application.ports.bus
    heard_by = list(bus._subscribers)

    def lossy(events: Sequence[Event]) -> None:
        for subscriber in heard_by:
            subscriber([event for event in events if not event.seq])

    bus._subscribers[:] = [lossy]
    async with ana.line() as a:
        await a.says(room, "the last word")
    await level(desk, client)
    assert client.heard.new == ["the last word"]
    assert [f["type"] for f in client.line.frames if f["type"] in ("message", "changes")] == ["changes"]


async def test_a_restart_is_no_reason_to_start_anew(database_url: str) -> None:
    async with Desk.open(database_url) as desk:
        ana, tom = await desk.member("Ana"), await desk.member("Tom")
        room = await ana.group(tom)
        async with tom.line() as line, ana.line() as a:
            subscribed = await line.subscribe(room)
            await a.says(room, "before the restart")
    async with Desk.open(database_url) as desk, again_at(desk, tom).line() as line:
        again = await line.subscribe(room, since=subscribed["seq"], epoch=subscribed["epoch"])
        assert again["recovered"] is True
        assert again["epoch"] == subscribed["epoch"]
        assert [message["content"] for message in again["messages"]] == ["before the restart"]


def again_at(desk: Desk, person: Person) -> Person:
    """The same person with the same tokens, at another desk on the same store."""
    session = {"user": person.user, "access_token": person.token, "refresh_token": person.refresh_token}
    return Person(desk, session, person.email)


async def test_after_a_restore_everybody_starts_anew(database_url: str) -> None:
    """A restored backup has the room's old epoch too; what tells its lives apart is the installation's."""
    async with Desk.open(database_url) as desk:
        ana = await desk.member("Ana")
        room = await ana.group()
        async with ana.line() as line:
            subscribed = await line.subscribe(room)
    await migrate.restored(database_url)
    async with Desk.open(database_url) as desk, again_at(desk, ana).line() as line:
        asked = {"id": room, "since": subscribed["seq"], "epoch": subscribed["epoch"]}
        reset = await line.ask({"type": "subscribe", "rooms": [asked]})
        assert reset["type"] == "reset"
        fresh = await line.subscribe(room)
        assert reset["epoch"] == fresh["epoch"] != subscribed["epoch"]


@pytest.mark.parametrize("ahead", [1, 1000])
async def test_a_position_above_the_tip_is_reset(small: Desk, ahead: int) -> None:
    ana = await small.member()
    room = await ana.group()
    async with ana.line() as line:
        tip = (await line.subscribe(room))["seq"]
        reply = await line.ask({"type": "subscribe", "rooms": [{"id": room, "since": tip + ahead}]})
        assert reply["type"] == "reset" and reply["room"] == room
        await line.ask({"type": "ping"})
        assert [frame["type"] for frame in line.frames if frame.get("ref") == reply["ref"]] == ["reset"]
        await line.subscribe(room, since=tip)


# who is no longer in the room


async def _ways(person: Person, room: str, message: str) -> list[str]:
    """Everything that a way into the room answers somebody, as one text each."""
    answers = []
    for path in (
        f"/rooms/{room}", f"/rooms/{room}/messages", f"/rooms/{room}/changes?since=0", f"/rooms/{room}/participants",
        f"/messages/{message}", f"/messages/{message}/thread", f"/messages/{message}/revisions",
        f"/messages/{message}/reactions", f"/messages/{message}/receipts",
    ):  # fmt: skip
        answer = await person.get(path)
        answers.append(answer.text)
    async with person.line() as line:
        for frame in (
            {"type": "subscribe", "rooms": [{"id": room}]},
            {"type": "subscribe", "rooms": [{"id": room, "since": 1}]},
            {"type": "history", "room": room},
            {"type": "history", "room": room, "after": 0},
            {"type": "history", "room": room, "around": 3},
            {"type": "edit", "message": message, "content": "mine"},
            {"type": "delete", "message": message},
            {"type": "react", "message": message, "emoji": "👍"},
            {"type": "pin", "message": message},
            {"type": "send", "room": room, "content": "x", "reply_to": message},
            {"type": "send", "room": room, "content": "x", "thread": message},
        ):
            reply = await line.ask(frame)
            answers.append(str(reply))
        await line.ask({"type": "ping"})
        answers.append(str(line.frames))
    return answers


@pytest.mark.parametrize("how", ["leave", "kick", "ban"])
async def test_who_has_left_or_was_banned_gets_nothing_by_any_way(small: Desk, how: str) -> None:
    ana, tom = await small.member("Ana"), await small.member("Tom")
    room = await ana.group(tom)
    async with ana.line() as a, tom.line() as t:
        await t.subscribe(room)
        message = (await a.says(room, "the secret"))["id"]
        await t.hears(room, "the secret")
        place = f"/rooms/{room}/participants/{tom.id}"
        if how == "leave":
            await tom.post(f"/rooms/{room}/leave")
        elif how == "kick":
            await ana.call("DELETE", place)
        else:
            await ana.call("PATCH", place, json={"state": "banned"})
        await t.wait("inbox", room=room, removed=True)
        end = len(t.frames)
        await a.says(room, "the secret, told again")
        await a.ask({"type": "edit", "message": message, "content": "the secret, edited"})
        await t.ask({"type": "ping"})
        await asyncio.sleep(0.6)
        assert [frame["type"] for frame in t.frames[end:]] == ["pong"]
        for answer in await _ways(tom, room, message):
            assert "secret" not in answer
            assert "not_found" in answer or answer.startswith("[")


@pytest.mark.parametrize("how", ["leave", "ban"])
async def test_a_ban_between_the_question_and_the_subscription_wins(
    small: Desk, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The store said yes a moment ago; then came the ban; the subscription must not live on the old answer."""
    ana, tom = await small.member("Ana"), await small.member("Tom")
    room = await ana.group(tom)
    asked, go_on, ask = asyncio.Event(), asyncio.Event(), access.room_for

    async def slowly(*args: Any, **options: Any) -> Any:
        answer = await ask(*args, **options)
        if args[1].id == tom.id and not asked.is_set():
            asked.set()
            await go_on.wait()
        return answer

    async with ana.line() as a, tom.line() as t:
        await a.subscribe(room)
        monkeypatch.setattr(access, "room_for", slowly)
        reply = asyncio.create_task(t.ask({"type": "subscribe", "rooms": [{"id": room}]}))
        await asked.wait()
        place = f"/rooms/{room}/participants/{tom.id}"
        if how == "leave":
            assert (await ana.call("DELETE", place)).is_success
        else:
            assert (await ana.call("PATCH", place, json={"state": "banned"})).is_success
        await a.says(room, "the secret")
        go_on.set()
        refused = await reply
        assert (refused["type"], refused["code"], refused["room"]) == ("error", "not_found", room)
        await a.says(room, "the secret, again")
        await t.ask({"type": "ping"})
        assert "secret" not in str(t.frames)


async def test_what_was_said_before_one_joined_stays_unsaid_by_any_way(parlour: Desk) -> None:
    """Where history begins with joining: not one byte, nor by what happens to the old messages later."""
    ana, tom = await parlour.member("Ana"), await parlour.member("Tom")
    room = await ana.group()
    async with ana.line() as a, tom.line() as t:
        messages = [(await a.says(room, f"the secret {n}"))["id"] for n in range(4)]
        await a.says(room, "the secret answer", thread=messages[0])
        await ana.post(f"/rooms/{room}/participants", {"user": tom.id})
        await t.subscribe(room)
        await a.ask({"type": "edit", "message": messages[0], "content": "the secret, edited"})
        await a.ask({"type": "react", "message": messages[1], "emoji": "🔥"})
        await a.ask({"type": "pin", "message": messages[2]})
        await a.says(room, "an answer in the open", reply_to=messages[1])
        await a.says(room, "in the old thread", thread=messages[0])
        await a.ask({"type": "delete", "message": messages[3]})
        await t.ask({"type": "read", "room": room, "seq": 10**6})
        await t.hears(room, "in the old thread")
        await asyncio.sleep(0.7)
        assert "secret" not in str(t.frames)
        assert "🔥" not in str(t.frames)
        skips = [frame for frame in t.frames if frame["type"] == "skip"]
        assert len(skips) == 5, "edit, reaction, pin, the thread's root, deletion"
        for message in messages:
            for answer in await _ways(tom, room, message):
                assert "secret" not in answer
                assert "🔥" not in answer
        assert (await t.ask({"type": "send", "room": room, "content": "x", "reply_to": messages[0]}))[
            "code"
        ] == "not_found"


async def test_a_room_of_somebody_who_left_and_came_back_starts_anew(parlour: Desk) -> None:
    ana, tom = await parlour.member("Ana"), await parlour.member("Tom")
    room = await ana.group(tom)
    async with ana.line() as a, tom.line() as t:
        position = (await t.subscribe(room))["seq"]
        await tom.post(f"/rooms/{room}/leave")
        await a.says(room, "the secret")
        await ana.post(f"/rooms/{room}/participants", {"user": tom.id})
        assert (await t.ask({"type": "subscribe", "rooms": [{"id": room, "since": position}]}))["type"] == "reset"
        assert (await t.subscribe(room))["messages"] == []
        answer = await tom.get(f"/rooms/{room}/changes?since={position}")
        assert "secret" not in answer.text + str(t.frames)


async def test_leaving_and_coming_back_under_load_never_shows_what_was_said_meanwhile(parlour: Desk) -> None:
    """Wherever the leave falls into a running subscribe."""
    ana, tom = await parlour.member("Ana"), await parlour.member("Tom")
    room = await ana.group(tom)
    talking = True

    async def talk(line: Line) -> None:
        n = 0
        while talking:
            await line.says(room, f"{n}")
            n += 1

    async with ana.line() as a, tom.line() as t:
        talker = asyncio.create_task(talk(a))
        for _ in range(25):
            await t.send({"type": "subscribe", "rooms": [{"id": room}]})
            await asyncio.sleep(random.random() * 0.01)
            assert (await tom.post(f"/rooms/{room}/leave")).status_code in (200, 204)
            secret = await a.ask({"type": "send", "room": room, "content": "the secret"})
            assert secret["type"] == "ack"
            answer = await ana.post(f"/rooms/{room}/participants", {"user": tom.id})
            assert answer.status_code in (200, 201), answer.text
        talking = False
        await talker
        await t.ask({"type": "ping"})
        assert "the secret" not in str(t.frames)
