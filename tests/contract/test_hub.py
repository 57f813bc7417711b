"""The hub on a real store, with sockets that only write down what they are sent.

The bus lies between the journal and the hub, and here it is in the test's hands: it loses, doubles,
delays and reorders. Whatever it does, every socket's picture of a room ends as the store's.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from deskbell.actions import access, editing, members, presence, reactions, reads, rooms
from deskbell.errors import Conflict, DeskbellError, NotFound
from deskbell.hub import Connection, Hub, Stream, Subscription, fan_out, healing, inboxes, reader, streams
from deskbell.ids import ConnectionId, RoomId, new_id
from deskbell.model.records import Actor
from deskbell.server.outbound import payloads, prepare
from deskbell.store import pages
from deskbell.store import rooms as stored_rooms
from deskbell.store.database import StoreUnavailable
from deskbell.store.migrate import migrate
from deskbell.testing.heard import Heard, differences, in_store
from deskbell.testing.office import Office
from deskbell.testing.servers import ExternalPostgres
from deskbell.wire import frames
from deskbell.wire.events import Event

PATIENCE_S = 10.0
INBOX_EVERY_S = 0.1
TWO_INBOXES_S = 2.5 * INBOX_EVERY_S


class Line:
    """A socket that writes down what it is sent. ``gate``: while it is clear, requested data waits."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.frames: list[dict[str, Any]] = []
        self.written: list[bytes] = []
        self.closed_with: int | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.connection: Connection
        self.heard: dict[str, Heard] = {}

    def write(self, frame: bytes) -> bool:
        if self.closed_with is not None:
            return False
        self.written.append(frame)
        for payload in payloads(frame):
            decoded = msgspec.json.decode(payload)
            self.frames.append(decoded)
            for heard in self.heard.values():
                heard.take(decoded)
        return True

    def write_ephemeral(self, frame: bytes) -> bool:
        return self.write(frame)

    async def write_paced(self, frame: bytes) -> bool:
        await self.gate.wait()
        return self.write(frame)

    def close(self, code: int, reason: str = "") -> None:
        self.closed_with = code
        self.gate.set()

    @property
    def closed(self) -> bool:
        return self.closed_with is not None

    def of(self, *types: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] in types]

    def room(self, room: RoomId) -> Heard:
        return self.heard.setdefault(room, Heard(room))


class Exchange:
    """An office with a hub in it. ``meddle`` turns what was announced into what the hub hears."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.meddle: Callable[[Sequence[Event]], Sequence[Event]] = list
        self.kept: list[Event] = []
        self.hub = Hub(office.db, office.clock, dict(office.ports.plugins.channels), prepare)
        self.open = True
        office.ports.bus.subscribe(self._hear)

    def _hear(self, events: Sequence[Event]) -> None:
        if self.open:
            self.hub.on_events(self.meddle(events))

    @classmethod
    @asynccontextmanager
    async def at(cls, office: Office) -> AsyncIterator[Exchange]:
        """A hub of one test's own; the office goes on."""
        exchange = cls(office)
        exchange.hub.start()
        try:
            yield exchange
        finally:
            exchange.open = False
            await exchange.hub.close()

    def connect(self, actor: Actor, *rooms: RoomId, tips: int = 0) -> Line:
        """A socket of somebody who is in ``rooms``."""
        line = Line(actor)
        line.connection = Connection(ConnectionId(new_id()), actor, line, asyncio.get_running_loop().time())
        self.hub.add(line.connection)
        self.hub.follow(actor.tenant, actor.id, dict.fromkeys(rooms, tips))
        return line

    async def subscribe(self, line: Line, room: RoomId, **position: Any) -> Subscription:
        """As the edge does it: first the place in the stream, then the question whether it may be taken."""
        line.room(room)
        subscription = self.hub.begin(line.connection, room)
        try:
            place = await access.room_for(self.office.ports, line.actor, room)
            if subscription.over:
                raise subscription.why
            await self.hub.subscribe(
                subscription,
                place.policy,
                place.member,
                since=position.get("since"),
                epoch=position.get("epoch"),
                ref="r",
                tip=place.room.seq,
            )
        except DeskbellError:
            if line.connection.rooms.get(room) is subscription:
                self.hub.unsubscribe(line.connection, room)
            raise
        return subscription

    async def listener(self, actor: Actor, room: RoomId, **position: Any) -> Line:
        line = self.connect(actor)
        await self.subscribe(line, room, **position)
        return line

    def lose(self, *numbers: int) -> None:
        """The bus loses the events with these numbers."""
        self.meddle = lambda events: [event for event in events if event.seq not in numbers]

    def keep(self) -> None:
        """The bus keeps what it is given, until :meth:`hand_over`."""

        def keep(events: Sequence[Event]) -> Sequence[Event]:
            self.kept += events
            return []

        self.meddle = keep

    def hand_over(self, order: Callable[[list[Event]], list[Event]] = list) -> None:
        """Bring what was kept, one by one, and whatever comes from now on."""
        self.meddle = list
        kept, self.kept = self.kept, []
        for event in order(kept):
            self.hub.on_events([event])

    async def until(self, condition: Callable[[], Any], what: str = "") -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"never happened: {what or condition}") from None

    async def level(self, line: Line, room: RoomId) -> None:
        """Wait until the line has heard everything, then compare its picture with the store's."""
        policy = self.office.ports.plugins.channels["group"].policy
        tip = await self.office.tip(room)
        heard = line.room(room)
        await self.until(lambda: heard.position == tip, f"position {tip}")
        assert differences(heard, await in_store(self.office.db, self.office.tenant, room, policy)) == []


@pytest.fixture(autouse=True)
def _inboxes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inboxes are told every half second; a test need not wait so long."""
    monkeypatch.setattr(inboxes, "INBOX_EVERY_S", INBOX_EVERY_S)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sqlite_office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    url = f"sqlite:///{tmp_path_factory.mktemp('office') / 'deskbell.sqlite3'}"
    await migrate(url)
    async with Office.open(url) as office:
        yield office


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def postgres_office(postgres_server: ExternalPostgres, migrated_template: str) -> AsyncIterator[Office]:
    name = f"deskbell_hub_{os.getpid()}"
    async with Office.open(postgres_server.create_database(name, template=migrated_template)) as office:
        yield office
    postgres_server.drop_database(name)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def parlour_office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    url = f"sqlite:///{tmp_path_factory.mktemp('parlour') / 'deskbell.sqlite3'}"
    await migrate(url)
    async with Office.open(url, channels={"group": {"history": "since_join"}}) as office:
        yield office


@pytest.fixture(params=["sqlite", "postgresql"])
def office(request: pytest.FixtureRequest) -> Office:
    """Runs the test once on each database."""
    office: Office = request.getfixturevalue("sqlite_office" if request.param == "sqlite" else "postgres_office")
    return office


@pytest.fixture
async def exchange(office: Office) -> AsyncIterator[Exchange]:
    async with Exchange.at(office) as exchange:
        yield exchange


@pytest.fixture
async def on_sqlite(sqlite_office: Office) -> AsyncIterator[Exchange]:
    """For what does not depend on the database."""
    async with Exchange.at(sqlite_office) as exchange:
        yield exchange


@pytest.fixture
async def parlour(parlour_office: Office) -> AsyncIterator[Exchange]:
    """Groups in which nobody sees what was said before they came."""
    async with Exchange.at(parlour_office) as exchange:
        yield exchange


async def _room_of_two(exchange: Exchange) -> tuple[Actor, Actor, RoomId]:
    ana, tom = await exchange.office.person("Ana"), await exchange.office.person("Tom")
    return ana, tom, await exchange.office.room(ana, tom)


# order


async def test_every_socket_of_a_room_hears_every_change_once_and_in_order(exchange: Exchange) -> None:
    ana, tom, room = await _room_of_two(exchange)
    lines = [await exchange.listener(who, room) for who in (ana, tom, tom)]
    desk, ports = exchange.office.desk, exchange.office.ports

    posted = [await desk.sends(ana, room, f"{n}") for n in range(20)]
    await editing.edit(ports, ana, posted[3].message.id, "three")
    await reactions.react(ports, tom, posted[4].message.id, "👍", on=True)
    await editing.delete(ports, ana, posted[5].message.id)
    await rooms.update(ports, ana, room, name="Kitchen")

    for line in lines:
        await exchange.level(line, room)
        assert line.room(room).new == [f"{n}" for n in range(20)]
        state = line.room(room).state
        assert state is not None
        assert state["name"] == "Kitchen"


async def test_what_comes_too_early_waits_for_what_is_before_it(on_sqlite: Exchange) -> None:
    ana, tom, room = await _room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    on_sqlite.keep()
    for n in range(5):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")

    on_sqlite.hand_over(lambda events: events[::-1])

    assert line.room(room).new == ["0", "1", "2", "3", "4"]
    assert on_sqlite.hub.heals == 0, "nothing was missing"
    await on_sqlite.level(line, room)


async def test_what_comes_twice_is_told_once(on_sqlite: Exchange) -> None:
    ana, tom, room = await _room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    on_sqlite.meddle = lambda events: [*events, *events]
    for n in range(3):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    await on_sqlite.level(line, room)


# holes


async def test_a_lost_event_is_healed_by_one_read_and_one_frame_for_all(exchange: Exchange) -> None:
    """Everybody in the room gets the very same ``changes``, and the store is asked once."""
    ana, tom, room = await _room_of_two(exchange)
    lines = [await exchange.listener(tom, room) for _ in range(5)]
    tip, asked = await exchange.office.tip(room), exchange.hub.reads
    exchange.lose(tip + 1)

    await exchange.office.desk.sends(ana, room, "lost")
    await exchange.office.desk.sends(ana, room, "heard")

    for line in lines:
        await exchange.level(line, room)
        assert [frame["since"] for frame in line.of("changes")] == [tip]
        assert line.room(room).new == ["lost", "heard"]
    assert exchange.hub.reads == asked + 1
    assert len({line.written[-1] for line in lines}) == 1


async def test_the_missing_one_is_waited_for_before_the_store_is_asked(on_sqlite: Exchange) -> None:
    """Two instances' events overtake one another all the time; that must not cost a read each time."""
    ana, tom, room = await _room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    asked = on_sqlite.hub.reads
    on_sqlite.keep()
    await on_sqlite.office.desk.sends(ana, room, "first")
    await on_sqlite.office.desk.sends(ana, room, "second")
    first, second = on_sqlite.kept

    on_sqlite.hub.on_events([second])
    await asyncio.sleep(0.01)
    on_sqlite.hub.on_events([first])
    await asyncio.sleep(0.1)

    assert line.room(room).new == ["first", "second"]
    assert on_sqlite.hub.reads == asked
    await on_sqlite.level(line, room)


async def test_a_lost_last_message_is_healed_by_the_tips(exchange: Exchange) -> None:
    """Nothing comes after it that would show the hole; the store's tip does."""
    ana, tom, room = await _room_of_two(exchange)
    line = await exchange.listener(tom, room)
    exchange.meddle = lambda events: []
    await exchange.office.desk.sends(ana, room, "the last word")
    await asyncio.sleep(0.1)
    assert line.room(room).new == []

    exchange.hub.on_tips([(exchange.office.tenant, room, await exchange.office.tip(room), 1)])

    await exchange.level(line, room)
    assert line.room(room).new == ["the last word"]


async def test_changes_missed_by_the_hundred_come_in_pages(on_sqlite: Exchange) -> None:
    ana, tom, room = await _room_of_two(on_sqlite)
    lines = [await on_sqlite.listener(tom, room) for _ in range(2)]
    on_sqlite.meddle = lambda events: []
    await asyncio.gather(*(on_sqlite.office.desk.sends(ana, room, f"{n}") for n in range(250)))
    on_sqlite.meddle = list
    await on_sqlite.office.desk.sends(ana, room, "and on")

    for line in lines:
        await on_sqlite.level(line, room)
        assert len(line.of("changes")) == 3
        assert [frame["more"] for frame in line.of("changes")] == [True, True, False]


async def test_a_room_that_missed_more_than_a_thousand_changes_starts_anew(on_sqlite: Exchange) -> None:
    ana, tom, room = await _room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    on_sqlite.meddle = lambda events: []
    for _ in range(2):
        await asyncio.gather(*(on_sqlite.office.desk.sends(ana, room, f"{n}") for n in range(501)))
    on_sqlite.meddle = list
    await on_sqlite.office.desk.sends(ana, room, "and on")

    await on_sqlite.until(lambda: line.of("reset"), "a reset")
    assert line.frames[-1]["room"] == room
    assert line.of("changes") == []
    assert line.connection.rooms == {}


async def test_while_the_store_is_away_a_hole_stays_open_and_heals_when_it_is_back(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healing, "HEAL_AGAIN_S", 0.05)
    ana, tom, room = await _room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    on_sqlite.lose(await on_sqlite.office.tip(room) + 1)
    asked: list[int] = []

    async def away(*args: Any) -> None:
        asked.append(1)
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(pages, "changes", away)
        await on_sqlite.office.desk.sends(ana, room, "lost")
        await on_sqlite.office.desk.sends(ana, room, "heard")
        await on_sqlite.until(lambda: len(asked) >= 3, "asking again")
        assert line.room(room).new == []
    await on_sqlite.level(line, room)


async def test_what_waits_behind_a_hole_is_bounded(on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a hole cannot be healed, no more than a thousand events are kept; the store has the rest."""
    monkeypatch.setattr(streams, "MAX_HELD", 10)
    monkeypatch.setattr(healing, "REORDER_S", 0.3)
    ana, tom, room = await _room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    subscription = line.connection.rooms[room]
    on_sqlite.lose(await on_sqlite.office.tip(room) + 1)
    for n in range(40):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    assert len(subscription.stream.held) == 10
    await on_sqlite.level(line, room)
    assert len(line.room(room).new) == 40


# joining while the room talks


async def test_joining_at_a_snapshot_the_stream_has_not_reached_misses_nothing(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is ahead of the bus; then the bus brings everything at one stroke, in the wrong order."""
    monkeypatch.setattr(reader, "SHARED_PAGE_S", 0)
    ana, tom, room = await _room_of_two(on_sqlite)
    early = await on_sqlite.listener(tom, room)
    on_sqlite.keep()
    await on_sqlite.office.desk.sends(ana, room, "1")
    await on_sqlite.office.desk.sends(ana, room, "2")
    late = await on_sqlite.listener(ana, room)
    await on_sqlite.office.desk.sends(ana, room, "3")

    on_sqlite.hand_over(lambda events: [events[2], events[1], events[0]])

    assert early.room(room).new == ["1", "2", "3"]
    assert late.room(room).new == ["3"]
    await on_sqlite.office.desk.sends(ana, room, "4")
    await on_sqlite.level(early, room)
    await on_sqlite.level(late, room)
    assert not late.of("changes")


async def test_joining_ahead_of_a_hole_that_heals_beyond_misses_nothing(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heal of the room goes further than the snapshot of somebody who waits for it."""
    monkeypatch.setattr(reader, "SHARED_PAGE_S", 0)
    ana, tom, room = await _room_of_two(on_sqlite)
    early = await on_sqlite.listener(tom, room)
    on_sqlite.meddle = lambda events: []
    await on_sqlite.office.desk.sends(ana, room, "1")
    late = await on_sqlite.listener(ana, room)
    await on_sqlite.office.desk.sends(ana, room, "2")

    await on_sqlite.level(early, room)
    await on_sqlite.level(late, room)
    assert late.room(room).new == ["2"]


async def test_joining_while_a_page_waits_for_the_socket_misses_nothing(on_sqlite: Exchange) -> None:
    """What is said while a slow socket takes its first page is replayed to it, or comes as a page."""
    ana, tom, room = await _room_of_two(on_sqlite)
    witness = await on_sqlite.listener(ana, room)
    slow, slower = on_sqlite.connect(tom), on_sqlite.connect(tom)
    for line in (slow, slower):
        line.gate.clear()
    joining = [asyncio.create_task(on_sqlite.subscribe(line, room)) for line in (slow, slower)]
    await on_sqlite.until(lambda: all(room in line.connection.rooms for line in (slow, slower)), "their places")
    await asyncio.sleep(0.05)

    for n in range(10):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    slow.gate.set()
    await joining[0]
    for n in range(100):
        await on_sqlite.office.desk.sends(ana, room, f"more {n}")
    slower.gate.set()
    await joining[1]

    for line in (witness, slow, slower):
        await on_sqlite.level(line, room)
        assert len(line.room(room).new) == 110
    assert slow.of("changes") == [], "what was told a moment ago is replayed without asking the store"
    assert len(slower.of("changes")) >= 1, "what was told too long ago comes from the store"


async def test_those_who_come_at_once_share_a_page(exchange: Exchange) -> None:
    """A cut brings everybody back in the same second; the store is asked once per room, not per socket."""
    ana, tom, room = await _room_of_two(exchange)
    for n in range(5):
        await exchange.office.desk.sends(ana, room, f"{n}")
    lines = [exchange.connect(tom) for _ in range(40)]
    await asyncio.gather(*(exchange.subscribe(line, room) for line in lines))
    assert exchange.hub.reads == 1
    for line in lines:
        await exchange.level(line, room)


async def test_nobody_is_given_a_page_from_before_what_they_know(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read your writes: a page that was being read when I wrote is not good enough for me."""
    ana, tom, room = await _room_of_two(on_sqlite)
    read, go_on = pages.first, asyncio.Event()

    async def slowly(*args: Any, **options: Any) -> Any:
        page = await read(*args, **options)
        await go_on.wait()
        return page

    monkeypatch.setattr(pages, "first", slowly)
    early = on_sqlite.connect(tom)
    joining = asyncio.create_task(on_sqlite.subscribe(early, room))
    await on_sqlite.until(lambda: on_sqlite.hub.reads == 1, "the first read")
    await asyncio.sleep(0.05)
    await on_sqlite.office.desk.sends(ana, room, "mine")

    late = on_sqlite.connect(ana)
    joining_late = asyncio.create_task(on_sqlite.subscribe(late, room))
    await asyncio.sleep(0.05)
    go_on.set()
    await asyncio.gather(joining, joining_late)

    (subscribed,) = late.of("subscribed")
    assert [message["content"] for message in subscribed["messages"]] == ["mine"]
    for line in (early, late):
        await on_sqlite.level(line, room)


async def test_pages_read_for_others_are_soon_forgotten(on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "SHARED_PAGE_S", 0.1)
    ana, tom, room = await _room_of_two(on_sqlite)
    for n in range(40):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    lines = [await on_sqlite.listener(tom, room, since=since) for since in range(3, 40)]
    stream = lines[0].connection.rooms[room].stream
    assert len(stream.pages) <= reader.SHARED_PAGES
    await on_sqlite.until(lambda: not stream.pages, "no page is kept")


async def test_a_store_that_goes_away_between_two_pages_is_waited_for(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "STORE_AGAIN_S", 0.02)
    ana, tom, room = await _room_of_two(on_sqlite)
    since = await on_sqlite.office.tip(room)
    await asyncio.gather(*(on_sqlite.office.desk.sends(ana, room, f"{n}") for n in range(150)))
    read, failures = pages.changes, [1, 1, 1]

    async def sometimes(db: Any, tenant: Any, room_id: Any, policy: Any, after: int, bound: int = 0) -> Any:
        if after > since and failures:
            failures.pop()
            raise StoreUnavailable("away")
        return await read(db, tenant, room_id, policy, after, bound)

    monkeypatch.setattr(pages, "changes", sometimes)
    line = on_sqlite.connect(tom)
    line.room(room).position = line.room(room).begun_at = since
    await on_sqlite.subscribe(line, room, since=since)
    assert not failures
    await on_sqlite.level(line, room)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_thousand_sends_while_fifty_sockets_come_and_go(exchange: Exchange, seed: int) -> None:
    """Snapshot and subscription do not race, whatever the bus loses, doubles, delays or reorders.

    A thousand messages while fifty sockets subscribe, leave and resume at random moments, some of
    them slow: in the end each one's picture is the store's, and not one had a hole or a repeat.
    """
    chance = random.Random(seed)
    office = exchange.office
    ana, tom, room = await _room_of_two(exchange)
    loop = asyncio.get_running_loop()

    def unreliable(events: Sequence[Event]) -> Sequence[Event]:
        now: list[Event] = []
        for event in events:
            fate = chance.random()
            if fate < 0.02 and event.seq:
                continue
            if fate < 0.12:
                loop.call_later(chance.random() * 0.08, exchange.hub.on_events, [event])
                continue
            now += [event, event] if fate < 0.15 else [event]
        if chance.random() < 0.2:
            chance.shuffle(now)
        return now

    exchange.meddle = unreliable
    sending = True

    async def send() -> None:
        nonlocal sending
        for n in range(0, 1000, 10):
            await asyncio.gather(*(office.desk.sends(chance.choice((ana, tom)), room, f"{n + k}") for k in range(10)))
            await asyncio.sleep(0.002)
        sending = False

    async def come_and_go(line: Line) -> None:
        heard = line.room(room)
        while sending:
            known = {"since": heard.position, "epoch": heard.epoch} if heard.position and chance.random() < 0.7 else {}
            await exchange.subscribe(line, room, **known)
            await asyncio.sleep(chance.random() * 0.15)
            if chance.random() < 0.3:
                line.gate.clear()
                loop.call_later(chance.random() * 0.05, line.gate.set)
            if sending and chance.random() < 0.8:
                exchange.hub.unsubscribe(line.connection, room)

    lines = [exchange.connect(chance.choice((ana, tom))) for _ in range(50)]
    await asyncio.gather(send(), *(come_and_go(line) for line in lines))
    exchange.meddle = list
    await office.desk.sends(ana, room, "the end")
    exchange.hub.on_tips([(office.tenant, room, await office.tip(room), 1)])
    for line in lines:
        if room not in line.connection.rooms:
            heard = line.room(room)
            await exchange.subscribe(line, room, since=heard.position, epoch=heard.epoch)
        await exchange.level(line, room)
        assert line.room(room).resets == 0
    assert exchange.hub.heals > 0, "the bus lost something"


# a large room


async def test_a_room_of_six_hundred_is_told_in_slices_and_in_order(on_sqlite: Exchange) -> None:
    """Between the slices others have their turn; nobody in the room notices."""
    ana, tom, room = await _room_of_two(on_sqlite)
    lines = [await on_sqlite.listener(tom, room) for _ in range(600)]
    for n in range(20):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    for line in (lines[0], lines[299], lines[-1]):
        await on_sqlite.level(line, room)
    assert all(line.room(room).new == [f"{n}" for n in range(20)] for line in lines)


async def test_a_large_room_does_not_hold_up_the_others(on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out, "SLICE", 5)
    ana, tom, room = await _room_of_two(on_sqlite)
    other = await on_sqlite.office.room(ana, tom)
    crowd = [await on_sqlite.listener(tom, room) for _ in range(60)]
    elsewhere = await on_sqlite.listener(tom, other)
    on_sqlite.keep()
    await on_sqlite.office.desk.sends(ana, room, "to all")
    await on_sqlite.office.desk.sends(ana, other, "to one")
    to_all, to_one = on_sqlite.kept

    on_sqlite.hub.on_events([to_all])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    on_sqlite.hub.on_events([to_one])

    assert elsewhere.room(other).new == ["to one"]
    assert sum(bool(line.room(room).new) for line in crowd) < 60
    for line in crowd:
        await on_sqlite.level(line, room)


class _Paused:
    """``asyncio`` for the hub, in which the pause between two slices lasts until ``go_on``."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await (asyncio.sleep(seconds) if seconds else self.go_on.wait())


async def test_who_joins_between_two_slices_hears_nothing_twice(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They join where the slices under way will leave everybody, and hear with all others what is still to be told."""
    monkeypatch.setattr(fan_out, "SLICE", 2)
    monkeypatch.setattr(reader, "SHARED_PAGE_S", 0)
    ana, tom, room = await _room_of_two(on_sqlite)
    crowd = [await on_sqlite.listener(tom, room) for _ in range(6)]
    paused = _Paused()
    monkeypatch.setattr(fan_out, "asyncio", paused)
    await on_sqlite.office.desk.sends(ana, room, "in the first slices")
    await asyncio.sleep(0.02)
    at_first = on_sqlite.connect(tom)
    at_first.room(room)
    await on_sqlite.subscribe(at_first, room)
    await on_sqlite.office.desk.sends(ana, room, "still to be told")
    ahead = on_sqlite.connect(tom)
    await on_sqlite.subscribe(ahead, room)
    resumed = on_sqlite.connect(tom)
    resumed.room(room).position = resumed.room(room).begun_at = await on_sqlite.office.tip(room) - 2
    await on_sqlite.subscribe(resumed, room, since=resumed.room(room).position)
    assert sum(bool(line.room(room).new) for line in crowd) == 2, "the slices have stopped after the first"

    paused.go_on.set()
    await on_sqlite.office.desk.sends(ana, room, "the end")
    for line in (*crowd, at_first, ahead, resumed):
        await on_sqlite.level(line, room)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_joining_leaving_and_healing_between_the_slices(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """The promise of the room, with slices of two: once, in order, without a hole."""
    monkeypatch.setattr(fan_out, "SLICE", 2)
    monkeypatch.setattr(healing, "REORDER_S", 0.005)
    chance = random.Random(seed)
    ana, tom, room = await _room_of_two(on_sqlite)
    on_sqlite.meddle = lambda events: [event for event in events if chance.random() > 0.04]
    lines = [await on_sqlite.listener(tom, room) for _ in range(12)]
    for n in range(100):
        await asyncio.gather(*(on_sqlite.office.desk.sends(ana, room, f"{n}.{k}") for k in range(3)))
        line = chance.choice(lines)
        heard = line.room(room)
        if heard.position and chance.random() < 0.5:
            await on_sqlite.subscribe(line, room, since=heard.position, epoch=heard.epoch)
        elif chance.random() < 0.3:
            lines.append(await on_sqlite.listener(tom, room))
    on_sqlite.meddle = list
    await on_sqlite.office.desk.sends(ana, room, "the end")
    for line in lines:
        await on_sqlite.level(line, room)


async def test_a_heal_does_not_overtake_what_is_being_told(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that came before the slices were through would make new messages look like changed ones."""
    monkeypatch.setattr(fan_out, "SLICE", 1)
    ana, tom, room = await _room_of_two(on_sqlite)
    lines = [await on_sqlite.listener(tom, room) for _ in range(400)]
    on_sqlite.keep()
    for n in range(4):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    first, second, _, fourth = on_sqlite.kept
    on_sqlite.meddle = list
    monkeypatch.setattr(healing, "REORDER_S", 0.0)
    policy = on_sqlite.office.ports.plugins.channels["group"].policy
    page = await pages.changes(on_sqlite.office.db, on_sqlite.office.tenant, room, policy, second.seq)

    async def read_at_once(*args: Any) -> Any:
        return page

    async def nobody_left(*args: Any) -> list[Any]:
        return []

    async def write_at_once(stream: Stream, page: frames.Page) -> None:
        for subscription in stream.subscriptions.values():
            if subscription.live:
                subscription.write(prepare(frames.encode(page)))

    # The heal is as quick as can be, and the slices are slow.
    monkeypatch.setattr(pages, "changes", read_at_once)
    monkeypatch.setattr(stored_rooms, "places_since", nobody_left)
    monkeypatch.setattr(on_sqlite.hub._streams.telling, "write_all", write_at_once)
    on_sqlite.hub.on_events([first, second])
    on_sqlite.hub.on_events([fourth])
    await on_sqlite.until(lambda: lines[-1].of("changes"), "the heal")
    monkeypatch.undo()

    for line in lines:
        await on_sqlite.level(line, room)
        assert line.room(room).new == ["0", "1", "2", "3"]


# starting anew


async def test_a_position_from_another_life_of_the_room_is_reset(on_sqlite: Exchange) -> None:
    _ana, tom, room = await _room_of_two(on_sqlite)
    tip = await on_sqlite.office.tip(room)
    epoch = f"1.{on_sqlite.office.db.incarnation}"
    for since, told in ((tip, "1.restored"), (tip + 1, epoch), (tip + 1, None)):
        line = await on_sqlite.listener(tom, room, since=since, epoch=told)
        assert line.frames == [{"type": "reset", "ref": "r", "room": room, "epoch": epoch}]
        assert line.connection.rooms == {}


async def test_who_is_a_thousand_changes_behind_resumes_and_who_is_further_starts_anew(on_sqlite: Exchange) -> None:
    ana, tom, room = await _room_of_two(on_sqlite)
    since = await on_sqlite.office.tip(room)
    for _ in range(2):
        await asyncio.gather(*(on_sqlite.office.desk.sends(ana, room, f"{n}") for n in range(500)))
    near = on_sqlite.connect(tom)
    near.room(room).position = near.room(room).begun_at = since
    await on_sqlite.subscribe(near, room, since=since)
    await on_sqlite.level(near, room)
    assert len(near.room(room).new) == 1000

    await on_sqlite.office.desk.sends(ana, room, "one more")
    far = await on_sqlite.listener(tom, room, since=since)
    assert [frame["type"] for frame in far.frames] == ["reset"]


async def test_a_restored_store_is_found_out_by_its_tip(on_sqlite: Exchange) -> None:
    """The store has less than was told: everybody starts anew instead of waiting for numbers to come again."""
    ana, tom, room = await _room_of_two(on_sqlite)
    for n in range(5):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    line = await on_sqlite.listener(tom, room)
    await _restore(on_sqlite, room, to=await on_sqlite.office.tip(room) - 3)

    await on_sqlite.hub.check_tips()
    assert [frame["type"] for frame in line.frames] == ["subscribed", "reset"]
    assert line.connection.rooms == {}


async def test_a_restored_store_is_found_out_by_a_heal(on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healing, "REORDER_S", 0.5)  # the hole is looked at after the store was restored
    ana, tom, room = await _room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    on_sqlite.lose(await on_sqlite.office.tip(room) + 1)
    for n in range(5):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    await _restore(on_sqlite, room, to=await on_sqlite.office.tip(room) - 3)
    await on_sqlite.until(lambda: line.of("reset"), "a reset")


async def test_a_restored_store_is_found_out_by_who_is_catching_up(on_sqlite: Exchange) -> None:
    """Nobody is live yet, and the events were of a life of the store that is over: an end, not an endless loop."""
    ana, tom, room = await _room_of_two(on_sqlite)
    line = on_sqlite.connect(tom)
    line.gate.clear()
    joining = asyncio.create_task(on_sqlite.subscribe(line, room))
    await on_sqlite.until(lambda: on_sqlite.hub.reads == 1, "the first page")
    await asyncio.sleep(0.05)
    for n in range(5):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    await _restore(on_sqlite, room, to=await on_sqlite.office.tip(room) - 3)
    line.gate.set()
    await joining
    assert line.frames[-1]["type"] == "reset"


async def test_another_epoch_in_the_tips_resets_the_room(on_sqlite: Exchange) -> None:
    _ana, tom, room = await _room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    on_sqlite.hub.on_tips([(on_sqlite.office.tenant, room, await on_sqlite.office.tip(room), 2)])
    assert line.frames[-1] == {"type": "reset", "room": room, "epoch": f"2.{on_sqlite.office.db.incarnation}"}


async def _restore(exchange: Exchange, room: RoomId, *, to: int) -> None:
    await exchange.office.db.execute("DELETE FROM messages WHERE room_id = $1 AND seq > $2", room, to)
    await exchange.office.db.execute("UPDATE rooms SET seq = $2 WHERE id = $1", room, to)


# who may hear


async def _gone(exchange: Exchange, how: str, ana: Actor, tom: Actor, room: RoomId) -> None:
    ports = exchange.office.ports
    if how == "leave":
        await members.leave(ports, tom, room)
    else:
        await members.change_place(ports, ana, room, tom.id, state={"kick": "left", "ban": "banned"}[how])


@pytest.mark.parametrize("how", ["leave", "kick", "ban"])
async def test_who_is_no_longer_in_the_room_hears_nothing_more(on_sqlite: Exchange, how: str) -> None:
    ana, tom, room = await _room_of_two(on_sqlite)
    line = on_sqlite.connect(tom, room)
    await on_sqlite.subscribe(line, room)
    witness = await on_sqlite.listener(ana, room)

    await _gone(on_sqlite, how, ana, tom, room)
    end = len(line.frames)
    await on_sqlite.office.desk.sends(ana, room, "about Tom")
    presence.tell_typing(on_sqlite.office.ports, ana, room, on=True)
    await asyncio.sleep(TWO_INBOXES_S)

    assert line.frames[end:] == []
    assert line.frames[-1]["type"] == "inbox"
    assert line.frames[-1]["removed"] is True
    await on_sqlite.level(witness, room)
    with pytest.raises(NotFound):
        await on_sqlite.subscribe(line, room, since=1)
    assert line.frames[end:] == []


@pytest.mark.parametrize("how", ["leave", "kick", "ban"])
@pytest.mark.parametrize("moment", ["asking", "reading", "waiting for the socket"])
async def test_a_ban_while_somebody_subscribes_wins(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch, how: str, moment: str
) -> None:
    """Wherever the subscription is at that moment, what was said after the ban does not arrive."""
    ana, tom, room = await _room_of_two(on_sqlite)
    line = on_sqlite.connect(tom)
    reached, go_on = asyncio.Event(), asyncio.Event()
    target, name = {"asking": (access, "room_for"), "reading": (pages, "first")}.get(moment, (None, ""))
    if target is not None:
        original = getattr(target, name)

        async def slowly(*args: Any, **options: Any) -> Any:
            answer = await original(*args, **options)
            if not go_on.is_set():
                reached.set()
                await go_on.wait()
            return answer

        monkeypatch.setattr(target, name, slowly)
    else:
        line.gate.clear()
        reached.set()
    joining = asyncio.create_task(on_sqlite.subscribe(line, room))
    await reached.wait()
    await asyncio.sleep(0.05)
    if target is not None:
        monkeypatch.undo()

    await _gone(on_sqlite, how, ana, tom, room)
    await on_sqlite.office.desk.sends(ana, room, "after the end")
    go_on.set()
    line.gate.set()
    if moment == "waiting for the socket":
        await joining  # it had been answered, and ended there
    else:
        with pytest.raises(NotFound):
            await joining
    await on_sqlite.office.desk.sends(ana, room, "and more")
    await asyncio.sleep(0.1)

    assert line.of("message", "changes", "room") == []
    assert all("after the end" not in str(frame) for frame in line.frames)
    assert line.connection.rooms == {}


async def test_staff_who_leave_a_group_hear_no_more_of_it_than_anybody(on_sqlite: Exchange) -> None:
    """Standing behind the counter of support rooms is no window into the team's other rooms."""
    ana = await on_sqlite.office.person("Ana")
    agent = await on_sqlite.office.agent("Ada")
    room = await on_sqlite.office.room(ana, agent)
    line = on_sqlite.connect(agent, room)
    await on_sqlite.subscribe(line, room)
    await members.leave(on_sqlite.office.ports, agent, room)
    end = len(line.frames)
    await on_sqlite.office.desk.sends(ana, room, "without Ada")
    await asyncio.sleep(0.1)
    assert line.frames[end:] == []


async def test_a_second_subscription_of_a_socket_replaces_the_first(on_sqlite: Exchange) -> None:
    ana, tom, room = await _room_of_two(on_sqlite)
    line = on_sqlite.connect(tom)
    line.gate.clear()
    first = asyncio.create_task(on_sqlite.subscribe(line, room))
    await asyncio.sleep(0)
    second = asyncio.create_task(on_sqlite.subscribe(line, room))
    await asyncio.sleep(0.05)
    line.gate.set()
    with pytest.raises(Conflict):
        await first
    await second
    await on_sqlite.office.desk.sends(ana, room, "once")
    assert len(line.of("subscribed")) == 1
    await on_sqlite.level(line, room)


# history since joining


async def test_where_history_begins_with_joining_no_byte_from_before_gets_out(parlour: Exchange) -> None:
    """Not by the first page, not by changes of old messages, not by resuming, not by a heal."""
    office, ports = parlour.office, parlour.office.ports
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana)
    old = [await office.desk.sends(ana, room, f"secret {n}") for n in range(5)]
    witness = await parlour.listener(ana, room)
    await members.add(ports, ana, room, tom.id)
    line = parlour.connect(tom, room)
    await parlour.subscribe(line, room)
    before = line.room(room).position

    await editing.edit(ports, ana, old[0].message.id, "secret, edited")
    await reactions.react(ports, ana, old[1].message.id, "🔥", on=True)
    await office.desk.sends(ana, room, "in the thread", thread=old[2].message.id)
    await office.desk.sends(ana, room, "an answer", reply_to=old[3].message.id)
    await editing.delete(ports, ana, old[4].message.id)
    tip = await office.tip(room)
    assert line.room(room).position == tip
    assert line.room(room).new == ["in the thread", "an answer"]
    assert [frame["type"] for frame in line.frames if "seq" in frame and frame["type"] != "inbox"][1:] == [
        "skip", "skip", "message", "skip", "message", "skip",
    ]  # fmt: skip

    again = await parlour.listener(tom, room, since=before)
    parlour.lose(tip + 1)
    await editing.edit(ports, ana, old[0].message.id, "secret, again")
    await office.desk.sends(ana, room, "open")
    for each in (line, again):
        await parlour.until(lambda each=each: each.room(room).position == tip + 2, "healed")
        assert "secret" not in str(each.frames)
        assert each.room(room).holes == each.room(room).repeats == []
        assert "open" in str(each.frames)
    await parlour.level(witness, room)


async def test_who_has_joined_again_where_history_begins_with_joining_starts_anew(parlour: Exchange) -> None:
    office, ports = parlour.office, parlour.office.ports
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana, tom)
    line = await parlour.listener(tom, room)
    position = line.room(room).position
    await members.leave(ports, tom, room)
    await office.desk.sends(ana, room, "secret")
    await members.add(ports, ana, room, tom.id)

    again = await parlour.listener(tom, room, since=position)
    assert [frame["type"] for frame in again.frames] == ["reset"]
    fresh = await parlour.listener(tom, room)
    assert fresh.of("subscribed")[0]["messages"] == []
    assert "secret" not in str(line.frames + again.frames + fresh.frames)


# counted rosters


async def test_in_a_counted_room_coming_and_going_is_silent(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No number, no frame; but a count, those above members, and oneself. And who goes hears no more."""
    monkeypatch.setattr(reader, "SHARED_PAGE_S", 0)
    office, ports = on_sqlite.office, on_sqlite.office.ports
    ada = await office.agent("Ada")
    crowd = [await office.person(f"P{n}") for n in range(8)]
    room = await office.room(ada, channel_type="community")
    witness = await on_sqlite.listener(ada, room)
    tip = await office.tip(room)
    for who in crowd:
        await members.join(ports, who, room)
    line = on_sqlite.connect(crowd[0], room)
    await on_sqlite.subscribe(line, room)

    (subscribed,) = line.of("subscribed")
    assert await office.tip(room) == tip == subscribed["seq"]
    assert subscribed["participant_count"] == 9
    assert {p["user"]["name"] for p in subscribed["participants"]} == {"Ada", "P0"}
    assert subscribed["reads"].keys() <= {crowd[0].id}
    assert witness.of("participant", "presence", "receipt") == []

    for who in crowd:
        presence.tell_typing(ports, who, room, on=True)
    assert [frame["user"] for frame in witness.of("typing")] == [who.id for who in crowd[:5]]
    presence.tell_typing(ports, crowd[0], room, on=False)
    presence.tell_typing(ports, crowd[7], room, on=True)
    assert [(frame["user"], frame["on"]) for frame in witness.of("typing")[5:]] == [
        (crowd[0].id, False), (crowd[7].id, True),
    ]  # fmt: skip
    await presence.announce(ports, office.tenant, crowd[0].id, [room])
    marks = reads.Marks(ports)
    await reads.mark_read(ports, marks, crowd[0], room, tip)
    assert witness.of("presence", "receipt") == []

    await members.leave(ports, crowd[0], room)
    end = len(line.frames)
    await office.desk.sends(ada, room, "to those who stay")
    await asyncio.sleep(TWO_INBOXES_S)
    assert line.frames[end:] == []
    assert witness.room(room).new == ["to those who stay"]


# what passes


async def test_a_relieved_bot_is_silent_even_before_the_room_has_heard_in_order(on_sqlite: Exchange) -> None:
    """Its deltas are dropped from the moment a later owner is known, though the event waits behind a hole."""
    office = on_sqlite.office
    _ana, tom, room = await _room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    stream = line.connection.rooms[room].stream
    tip = await office.tip(room)
    state = msgspec.json.decode(msgspec.json.encode(line.of("subscribed")[0]["state"]))

    def delta(owner_version: int) -> Event:
        frame = frames.Delta(room=room, turn="1", owner_version=owner_version, offset=0, text="…")  # type: ignore[arg-type]
        return Event(office.tenant, "room", room, "delta", 0, frames.encode(frame), owner_version=owner_version)

    on_sqlite.hub.on_events([delta(1)])
    taken_over = {"type": "room", "room": room, "seq": tip + 2, "state": {**state, "owner_version": 2}}
    on_sqlite.hub.on_events(
        [Event(office.tenant, "room", room, "room", tip + 2, msgspec.json.encode(taken_over)), delta(1), delta(2)]
    )
    assert [frame["owner_version"] for frame in line.of("delta")] == [1, 2]
    assert stream.seq == tip


async def test_typing_is_told_to_the_others_only(on_sqlite: Exchange) -> None:
    ana, tom, room = await _room_of_two(on_sqlite)
    mine, mine_too, other = [await on_sqlite.listener(who, room) for who in (ana, ana, tom)]
    presence.tell_typing(on_sqlite.office.ports, ana, room, on=True)
    assert other.frames[-1] == {"type": "typing", "room": room, "user": ana.id, "on": True}
    assert mine.of("typing") == mine_too.of("typing") == []


# inboxes


async def test_an_inbox_counts_what_others_wrote(exchange: Exchange) -> None:
    """Unread and mentioned come to every socket of a user, subscribed or not; reading takes them back."""
    ana, tom, room = await _room_of_two(exchange)
    line, second = exchange.connect(tom, room), exchange.connect(tom, room)
    for n in range(3):
        await exchange.office.desk.sends(ana, room, f"{n}", mentions=[tom.id] if n == 1 else [])
    await exchange.office.desk.sends(tom, room, "mine")
    tip = await exchange.office.tip(room)
    for each in (line, second):
        await exchange.until(lambda each=each: each.of("inbox") and each.of("inbox")[-1]["seq"] == tip, "an inbox")
        told = each.of("inbox")[-1]
        assert (told["unread"], told["mentioned"], told["last"]["content"]) == (3, True, "mine")

    posted = await exchange.office.desk.sends(ana, room, "one more")
    await exchange.until(lambda: line.of("inbox")[-1]["unread"] == 4, "counted on")
    mine = await exchange.office.desk.sends(tom, room, "mine again")
    await exchange.until(lambda: line.of("inbox")[-1]["seq"] == mine.message.seq, "the next inbox")
    assert line.of("inbox")[-1]["unread"] == 4, "one's own are read"
    await editing.delete(exchange.office.ports, ana, posted.message.id)
    await exchange.until(lambda: line.of("inbox")[-1]["unread"] == 3, "a deleted message is not unread")

    await reads.mark_read(exchange.office.ports, reads.Marks(exchange.office.ports), tom, room, 10**6)
    await exchange.until(lambda: line.of("inbox")[-1]["unread"] == 0, "read")
    assert line.of("inbox")[-1]["mentioned"] is False


async def test_a_preview_follows_the_message_it_shows(on_sqlite: Exchange) -> None:
    """What was edited or deleted is not shown as it was."""
    ana, tom, room = await _room_of_two(on_sqlite)
    line = on_sqlite.connect(tom, room)
    posted = await on_sqlite.office.desk.sends(ana, room, "regretted")
    await on_sqlite.until(lambda: line.of("inbox"), "an inbox")
    assert line.of("inbox")[-1]["last"]["content"] == "regretted"
    await editing.delete(on_sqlite.office.ports, ana, posted.message.id)
    await on_sqlite.until(lambda: line.of("inbox")[-1]["unread"] == 0, "the next inbox")
    assert (line.of("inbox")[-1]["last"]["content"], line.of("inbox")[-1]["last"]["deleted"]) == ("", True)


async def test_an_inbox_is_gathered(on_sqlite: Exchange) -> None:
    """A burst of messages is one frame, not one each."""
    ana, tom, room = await _room_of_two(on_sqlite)
    line = on_sqlite.connect(tom, room)
    await asyncio.gather(*(on_sqlite.office.desk.sends(ana, room, f"{n}") for n in range(50)))
    await on_sqlite.until(lambda: line.of("inbox") and line.of("inbox")[-1]["unread"] == 50, "fifty unread")
    assert len(line.of("inbox")) <= 3


async def test_a_preview_is_never_from_before_one_joined(parlour: Exchange) -> None:
    office, ports = parlour.office, parlour.office.ports
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana)
    parlour.connect(ana, room)
    await office.desk.sends(ana, room, "secret")
    line = parlour.connect(tom)
    await members.add(ports, ana, room, tom.id)
    await reads.mark_read(ports, reads.Marks(ports), tom, room, 10**6)
    await parlour.until(lambda: line.of("inbox"), "an inbox")
    assert "last" not in line.of("inbox")[-1]
    await office.desk.sends(ana, room, "open")
    await parlour.until(lambda: line.of("inbox")[-1].get("last"), "a preview")
    assert line.of("inbox")[-1]["last"]["content"] == "open"
    assert "secret" not in str(line.frames)


async def test_a_preview_that_may_have_changed_unseen_is_not_shown(on_sqlite: Exchange) -> None:
    """The event that deleted it was lost; the store's tip says there was one."""
    ana, tom, room = await _room_of_two(on_sqlite)
    line = on_sqlite.connect(tom, room)
    posted = await on_sqlite.office.desk.sends(ana, room, "regretted")
    await on_sqlite.until(lambda: line.of("inbox"), "an inbox")
    end = len(line.frames)
    on_sqlite.meddle = lambda events: []
    await editing.delete(on_sqlite.office.ports, ana, posted.message.id)
    on_sqlite.meddle = list
    on_sqlite.hub.on_tips([(on_sqlite.office.tenant, room, await on_sqlite.office.tip(room), 1)])
    await reads.mark_read(on_sqlite.office.ports, reads.Marks(on_sqlite.office.ports), tom, room, 10**6)
    await on_sqlite.until(lambda: line.frames[end:], "the next inbox")
    assert "regretted" not in str(line.frames[end:])


async def test_an_inbox_survives_a_store_that_was_away(on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    ana, tom, room = await _room_of_two(on_sqlite)
    bob = await on_sqlite.office.person("Bob")
    other = await on_sqlite.office.room(ana, bob)
    lines = [on_sqlite.connect(tom, room), on_sqlite.connect(bob, other)]
    asked: list[int] = []

    async def away(*args: Any) -> None:
        asked.append(1)
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(stored_rooms, "unread", away)
        await on_sqlite.office.desk.sends(ana, room, "hello")
        await on_sqlite.office.desk.sends(ana, other, "hello")
        await on_sqlite.until(lambda: len(asked) >= 2, "asking again")
    for line in lines:
        await on_sqlite.until(lambda line=line: line.of("inbox"), "an inbox")
        assert line.of("inbox")[-1]["unread"] == 1


async def test_a_message_counted_before_it_was_heard_of_is_counted_once(on_sqlite: Exchange) -> None:
    """The store is ahead of the bus, also when it counts."""
    ana, tom, room = await _room_of_two(on_sqlite)
    line = on_sqlite.connect(tom, room)
    await on_sqlite.office.desk.sends(ana, room, "one")
    on_sqlite.keep()
    await on_sqlite.office.desk.sends(ana, room, "two")
    await on_sqlite.until(lambda: line.of("inbox"), "an inbox")
    assert line.of("inbox")[-1]["unread"] == 2
    on_sqlite.hand_over()
    await on_sqlite.until(lambda: len(line.of("inbox")) == 2, "the next inbox")
    assert line.of("inbox")[-1]["unread"] == 2


async def test_a_message_that_comes_while_others_are_counted_is_not_forgotten(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, tom, room = await _room_of_two(on_sqlite)
    line = on_sqlite.connect(tom, room)
    count = stored_rooms.unread
    asked: list[int] = []

    async def meanwhile(*args: Any) -> Any:
        answer = await count(*args)
        asked.append(1)
        if len(asked) == 1:
            await on_sqlite.office.desk.sends(ana, room, "two")
        return answer

    monkeypatch.setattr(stored_rooms, "unread", meanwhile)
    await on_sqlite.office.desk.sends(ana, room, "one")
    await on_sqlite.until(lambda: line.of("inbox"), "an inbox")
    assert line.of("inbox")[-1]["unread"] == 2
    assert len(asked) == 2


async def test_what_one_left_while_the_welcome_was_read_stays_left(on_sqlite: Exchange) -> None:
    """The list of rooms was read before the ban; it must not bring the room back."""
    ana, tom, room = await _room_of_two(on_sqlite)
    line = on_sqlite.connect(tom)
    await _gone(on_sqlite, "ban", ana, tom, room)
    on_sqlite.hub.follow(tom.tenant, tom.id, {room: 3})
    end = len(line.frames)
    await on_sqlite.office.desk.sends(ana, room, "about Tom")
    await asyncio.sleep(TWO_INBOXES_S)
    assert line.frames[end:] == []


async def test_tips_name_the_rooms_that_moved(on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    ana, tom, room = await _room_of_two(on_sqlite)
    quiet = await on_sqlite.office.room(ana, tom)
    line = await on_sqlite.listener(tom, room)
    await on_sqlite.subscribe(line, quiet)
    await on_sqlite.office.desk.sends(ana, room, "hello")
    await on_sqlite.hub._streams.tell_tips()
    assert line.frames[-1] == {"type": "tips", "rooms": {room: await on_sqlite.office.tip(room)}}
    end = len(line.frames)
    await on_sqlite.hub._streams.tell_tips()
    assert line.frames[end:] == []


async def test_one_odd_socket_does_not_stop_the_heartbeat_of_the_others(on_sqlite: Exchange) -> None:
    """A bug met on the way must not silence the clock, or everybody would be closed as silent."""
    office = on_sqlite.office
    hub = Hub(office.db, office.clock, dict(office.ports.plugins.channels), prepare, heartbeat_s=0.02, silence_s=60)
    on_sqlite.hub, replaced = hub, on_sqlite.hub
    await replaced.close()
    odd, other = [on_sqlite.connect(await office.person(name)) for name in ("Odd", "Other")]

    def fails(frame: bytes) -> bool:
        odd.write_ephemeral = odd.write  # type: ignore[method-assign]
        raise RuntimeError("a bug")

    odd.write_ephemeral = fails  # type: ignore[method-assign]
    hub.start()
    await on_sqlite.until(lambda: len(other.of("ping")) >= 3, "three heartbeats")
    assert len(odd.of("ping")) >= 2


# the end


async def test_nothing_is_left_of_those_who_have_gone(on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they went: unsubscribed, cut in the middle, thrown out, or with a hole open."""
    monkeypatch.setattr(reader, "SHARED_PAGE_S", 0.05)
    office = on_sqlite.office
    ana, tom, room = await _room_of_two(on_sqlite)
    agent = await office.agent("Ada")
    lines = [on_sqlite.connect(who, room) for who in (ana, tom, tom, agent)]
    for line in lines[:3]:
        await on_sqlite.subscribe(line, room)
    on_sqlite.lose(await office.tip(room) + 1)
    for n in range(5):
        await office.desk.sends(ana, room, f"{n}")
    on_sqlite.meddle = list
    on_sqlite.hub.renew(lines[3].connection, lines[3].actor)
    lines[2].gate.clear()
    joining = asyncio.create_task(on_sqlite.subscribe(lines[2], room, since=1))
    await asyncio.sleep(0.02)
    await members.change_place(office.ports, ana, room, tom.id, state="left")
    for line in lines:
        on_sqlite.hub.remove(line.connection)
        line.close(1006)
    with suppress(DeskbellError):
        await joining
    await office.desk.sends(ana, room, "to nobody")
    await asyncio.sleep(TWO_INBOXES_S)
    await on_sqlite.hub._streams.tell_tips()
    hub = on_sqlite.hub
    parts = (hub, hub._ground, hub._inboxes, hub._streams)
    left = {name: kept for part in parts for name, kept in vars(part).items() if isinstance(kept, (dict, set)) and kept}
    assert left.keys() == {"_channels"}
    assert on_sqlite.hub.connection_count == on_sqlite.hub.room_count == 0


async def test_who_is_no_longer_staff_is_told_no_more_cases(on_sqlite: Exchange) -> None:
    """A new token may say less than the old one."""
    agent = await on_sqlite.office.agent("Ada")
    line = on_sqlite.connect(agent)
    case = Event(on_sqlite.office.tenant, "staff", "support", "case", 0, b'{"type":"case"}')
    on_sqlite.hub.on_events([case])
    on_sqlite.hub.renew(line.connection, msgspec.structs.replace(agent, role=""))
    on_sqlite.hub.on_events([case])
    assert len(line.of("case")) == 1
