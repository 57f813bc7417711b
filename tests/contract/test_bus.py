"""What every bus promises: alone, and, where there are several instances, between them.

:class:`RedisBus` runs on a real Valkey, on one server and on a cluster of three.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from deskbell.ids import TenantId, new_id
from deskbell.testing.ports import free_port
from deskbell.testing.servers import ValkeyServer
from deskbell.volatile import redis_bus
from deskbell.volatile.bus import Bus, MemoryBus
from deskbell.volatile.redis_bus import RedisBus
from deskbell.volatile.redis_link import Link
from deskbell.wire.events import Event

TENANT = TenantId("01900000-0000-7000-8000-000000000001")
PATIENCE_S = 10.0


async def until(condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(patience_s):
        while not condition():
            await asyncio.sleep(0.005)


class Cluster:
    """Three servers that share the slots."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="deskbell-cluster-"))
        self.ports = [free_port() for _ in range(3)]
        self._processes: list[subprocess.Popen[bytes]] = []

    def url(self) -> str:
        return f"redis://127.0.0.1:{self.ports[0]}/0"

    def start(self) -> None:
        for port in self.ports:
            settings = {
                "bind": "127.0.0.1", "port": port, "cluster-enabled": "yes", "cluster-port": free_port(),
                "cluster-config-file": f"nodes-{port}.conf", "cluster-node-timeout": 2000, "save": "",
                "dir": self.home, "appendonly": "no",
            }  # fmt: skip
            options = [str(part) for name, value in settings.items() for part in (f"--{name}", value)]
            self._processes.append(
                subprocess.Popen(
                    [ValkeyServer._binary(), *options],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )

    async def ask(self, port: int, *command: str | int) -> Any:
        connection = Link(f"redis://127.0.0.1:{port}/0", timeout_s=PATIENCE_S).connection(("", 0))
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_command(*command)
            return await connection.read_response()
        finally:
            await connection.disconnect()

    async def form(self) -> None:
        """Share out the slots, and wait until all agree."""
        async with asyncio.timeout(30):
            for port, (first, last) in zip(self.ports, ((0, 5460), (5461, 10922), (10923, 16383)), strict=True):
                while True:
                    with contextlib.suppress(Exception):
                        await self.ask(port, "CLUSTER", "ADDSLOTSRANGE", first, last)
                        break
                    await asyncio.sleep(0.05)
            for port, process in zip(self.ports[1:], self._processes[1:], strict=True):
                assert process.poll() is None
                (bus_port,) = [
                    line.split("@")[1].split(",")[0].split(" ")[0]
                    for line in (await self.ask(port, "CLUSTER", "NODES")).decode().splitlines()
                    if "myself" in line
                ]
                await self.ask(self.ports[0], "CLUSTER", "MEET", "127.0.0.1", port, bus_port)
            for port in self.ports:
                while b"cluster_state:ok" not in (info := await self.ask(port, "CLUSTER", "INFO")) or (
                    b"cluster_known_nodes:3" not in info
                ):
                    await asyncio.sleep(0.05)

    async def move(self, slot: int, to: int) -> None:
        """Give an empty slot to the server at port ``to``."""
        node = (await self.ask(to, "CLUSTER", "MYID")).decode()
        for port in [to, *(port for port in self.ports if port != to)]:
            await self.ask(port, "CLUSTER", "SETSLOT", slot, "NODE", node)

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait(10)
        shutil.rmtree(self.home, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cluster() -> AsyncIterator[Cluster]:
    made = Cluster()
    try:
        made.start()
        await made.form()
        yield made
    finally:
        made.stop()


@pytest.fixture(params=["redis", "cluster"])
def shared_url(request: pytest.FixtureRequest) -> str:
    """Where several instances meet."""
    return _url(request, request.param)


def _url(request: pytest.FixtureRequest, kind: str) -> str:
    if kind == "redis":
        return str(request.getfixturevalue("redis_url"))
    meeting: Cluster = request.getfixturevalue("cluster")
    return meeting.url()


@asynccontextmanager
async def instance(url: str, **options: Any) -> AsyncIterator[RedisBus]:
    """The bus of one more instance."""
    link = Link(url, **{name: options.pop(name) for name in ("timeout_s", "ping_s") if name in options})
    bus = RedisBus(link, **options)
    await link.start(5.0)
    await bus.start()
    await until(lambda: not bus.degraded)
    try:
        yield bus
    finally:
        await bus.close()
        await link.close()


@pytest.fixture(params=["memory", "redis", "cluster"])
def any_url(request: pytest.FixtureRequest) -> str:
    """Every bus there is."""
    return "memory://" if request.param == "memory" else _url(request, request.param)


@pytest_asyncio.fixture(loop_scope="session")
async def bus(any_url: str) -> AsyncIterator[Bus]:
    if any_url == "memory://":
        alone = MemoryBus()
        await alone.start()
        yield alone
        await alone.close()
        return
    async with instance(any_url) as shared:
        yield shared


def _event(seq: int, *, room: str = "room") -> Event:
    return Event(TENANT, "room", room, "message", seq, b"{}", born=seq, counts=True, sender="ana", mentions=("tom",))


async def test_what_is_published_is_heard_here_before_publish_returns(bus: Bus) -> None:
    """So an ack and the message that follows it keep their order."""
    heard: list[Event] = []
    bus.subscribe(heard.extend)
    bus.publish([_event(1), _event(2)])
    assert heard == [_event(1), _event(2)]


async def test_every_subscriber_hears_everything_in_order(bus: Bus) -> None:
    heard: tuple[list[Event], list[Event]] = ([], [])
    for each in heard:
        bus.subscribe(each.extend)
    for seq in range(100):
        bus.publish([_event(seq)])
    assert [[event.seq for event in each] for each in heard] == [list(range(100))] * 2


async def test_a_batch_stays_a_batch(bus: Bus) -> None:
    """Its frames then leave in one write per socket."""
    batches: list[int] = []
    bus.subscribe(lambda events: batches.append(len(events)))
    bus.publish([_event(n) for n in range(7)])
    assert batches == [7]


async def test_a_broken_subscriber_costs_neither_the_others_nor_the_publisher(bus: Bus) -> None:
    """The journal announces after COMMIT; nothing may fail there any more."""
    heard: list[Event] = []

    def broken(events: Sequence[Event]) -> None:
        raise RuntimeError("a bug")

    bus.subscribe(broken)
    bus.subscribe(heard.extend)
    bus.publish([_event(1)])
    bus.publish([_event(2)])
    assert [event.seq for event in heard] == [1, 2]


async def test_who_publishes_while_listening_is_heard_as_well(bus: Bus) -> None:
    heard: list[int] = []

    def echo(events: Sequence[Event]) -> None:
        heard.extend(event.seq for event in events)
        if events[0].seq == 1:
            bus.publish([_event(2)])

    bus.subscribe(echo)
    bus.publish([_event(1)])
    assert heard == [1, 2]


async def test_nothing_is_kept_for_who_comes_later(bus: Bus) -> None:
    """A bus is a hint; whoever comes asks the store."""
    bus.publish([_event(1)])
    heard: list[Event] = []
    bus.subscribe(heard.extend)
    bus.publish([_event(2)])
    assert [event.seq for event in heard] == [2]


async def test_a_closed_bus_tells_nobody_and_fails_nobody(bus: Bus) -> None:
    heard: list[Event] = []
    bus.subscribe(heard.extend)
    await bus.close()
    bus.publish([_event(1)])
    assert heard == []


async def test_it_says_whether_others_may_be_out_of_reach(bus: Bus) -> None:
    assert bus.degraded is False


async def test_interest_and_its_end_are_taken_by_every_bus(bus: Bus) -> None:
    bus.interest(TENANT, "room", "r", True)
    await bus.listening(TENANT, "room", "r")
    bus.interest(TENANT, "room", "r", False)
    bus.interest(TENANT, "staff", "", True)
    await bus.listening(TENANT, "staff", "")


# between instances


class Ear:
    """What an instance hears of the others."""

    def __init__(self, bus: RedisBus) -> None:
        self.events: list[Event] = []
        self.batches: list[list[Event]] = []
        bus.subscribe(self._take)

    def _take(self, events: Sequence[Event]) -> None:
        self.events.extend(events)
        self.batches.append(list(events))


async def test_another_instance_hears_what_it_is_interested_in_whole_and_in_order(shared_url: str) -> None:
    room = new_id()
    async with instance(shared_url) as here, instance(shared_url) as there:
        ear = Ear(there)
        there.interest(TENANT, "room", room, True)
        await there.listening(TENANT, "room", room)
        for seq in range(1, 501):
            here.publish([_event(seq, room=room)])
            if seq % 50 == 0:
                await asyncio.sleep(0)
        await until(lambda: len(ear.events) == 500)
        assert ear.events == [_event(seq, room=room) for seq in range(1, 501)]


async def test_nobody_hears_of_what_nobody_there_wants(shared_url: str) -> None:
    room, other = new_id(), new_id()
    async with instance(shared_url) as here, instance(shared_url) as there:
        ear = Ear(there)
        there.interest(TENANT, "room", room, True)
        await there.listening(TENANT, "room", room)
        here.publish([_event(1, room=other)])
        here.publish([_event(1, room=room)])
        await until(lambda: ear.events)
        assert [event.key for event in ear.events] == [room]


async def test_an_instance_hears_itself_once(shared_url: str) -> None:
    room = new_id()
    async with instance(shared_url) as here, instance(shared_url) as there:
        own, other = Ear(here), Ear(there)
        for bus in (here, there):
            bus.interest(TENANT, "room", room, True)
            await bus.listening(TENANT, "room", room)
        here.publish([_event(1, room=room)])
        await until(lambda: other.events)
        there.publish([_event(2, room=room)])
        await until(lambda: len(own.events) == 2)
        assert [event.seq for event in own.events] == [event.seq for event in other.events] == [1, 2]


async def test_what_is_told_at_once_of_a_room_arrives_as_one(shared_url: str) -> None:
    """One PUBLISH per room and batch."""
    rooms = [new_id(), new_id()]
    async with instance(shared_url) as here, instance(shared_url) as there:
        ear = Ear(there)
        for room in rooms:
            there.interest(TENANT, "room", room, True)
            await there.listening(TENANT, "room", room)
        here.publish([_event(seq, room=rooms[seq % 2]) for seq in range(10)])
        await until(lambda: len(ear.events) == 10)
        assert sorted(len(batch) for batch in ear.batches) == [5, 5]


async def test_every_field_of_an_event_crosses(shared_url: str) -> None:
    told = [
        Event(TENANT, "room", new_id(), "delta", 0, b"\x00\xff{}", owner_version=7),
        Event(TENANT, "user", new_id(), "own_case", 0, "\u00e9\U0001f514".encode()),
        Event(TENANT, "staff", "billing", "case", 0, b"{}"),
        Event(TENANT, "room", new_id(), "typing", 0, b"{}", sender="ana"),
    ]
    async with instance(shared_url) as here, instance(shared_url) as there:
        ear = Ear(there)
        for event in told:
            topic: Any = "typing" if event.kind == "typing" else event.topic
            there.interest(TENANT, topic, "" if topic == "staff" else event.key, True)
            await there.listening(TENANT, topic, "" if topic == "staff" else event.key)
        here.publish(told)
        await until(lambda: len(ear.events) == 4)
        assert sorted(ear.events, key=lambda event: event.kind) == sorted(told, key=lambda event: event.kind)


def test_topics_are_named_as_operators_are_told() -> None:
    """``redis-cli PSUBSCRIBE '<tenant>:*'`` shows what passes."""
    names = [
        redis_bus.topic_of(Event(TENANT, topic, "k", kind, 0, b""))
        for topic, kind in (("room", "message"), ("room", "typing"), ("user", "own_case"), ("staff", "case"))
    ]  # type: ignore[arg-type]
    assert names == [f"{TENANT}:room:k", f"{TENANT}:typing:k", f"{TENANT}:user:k", f"{TENANT}:staff"]


async def test_who_is_let_into_an_unknown_room_is_told_by_name_and_once(shared_url: str) -> None:
    room, tom = new_id(), new_id()
    frame = msgspec.json.encode({"participant": {"user": {"id": tom}}})
    joined = Event(TENANT, "room", room, "participant", 3, frame)
    async with instance(shared_url) as here, instance(shared_url) as there:
        ear = Ear(there)
        there.interest(TENANT, "user", tom, True)
        await there.listening(TENANT, "user", tom)
        here.publish([joined])
        await until(lambda: ear.events)
        there.interest(TENANT, "room", room, True)
        await there.listening(TENANT, "room", room)
        here.publish([joined])
        here.publish([Event(TENANT, "user", tom, "own_case", 0, b"{}")])
        await until(lambda: len(ear.events) >= 3)
        assert sorted(event.kind for event in ear.events) == ["own_case", "participant", "participant"]


async def test_topics_nobody_wants_any_more_are_let_go_of_after_a_while(shared_url: str) -> None:
    """Not at once: a line that is cut comes back within seconds."""
    kept, left = new_id(), new_id()
    async with instance(shared_url, linger_s=0.1) as bus:
        for room in (kept, left, left):
            bus.interest(TENANT, "room", room, True)
        await bus.listening(TENANT, "room", left)
        await bus.listening(TENANT, "room", kept)
        bus.interest(TENANT, "room", left, False)
        await asyncio.sleep(0.4)
        wanted = set().union(*(line.wanted for line in bus._lines.values()))
        assert f"{TENANT}:room:{left}" in wanted, "somebody else here still wants it"
        bus.interest(TENANT, "room", left, False)
        await until(lambda: f"{TENANT}:room:{left}" not in set().union(*(line.wanted for line in bus._lines.values())))
        assert f"{TENANT}:room:{kept}" in set().union(*(line.confirmed for line in bus._lines.values()))


async def test_payloads_of_another_version_are_passed_over(redis_url: str) -> None:
    room = new_id()
    async with instance(redis_url) as here, instance(redis_url) as there:
        ear = Ear(there)
        there.interest(TENANT, "room", room, True)
        await there.listening(TENANT, "room", room)
        for payload in (b"", b"D9whatever", b"D1", b"D1" + b"x" * 8, b"D1" + b"x" * 8 + b"\xc1"):
            assert here._link.tell(("PUBLISH", f"{TENANT}:room:{room}", payload))
        here.publish([_event(1, room=room)])
        await until(lambda: ear.events)
        assert len(ear.events) == 1
        assert not there.degraded


async def test_a_slot_that_moves_is_followed(cluster: Cluster) -> None:
    from redis.crc import key_slot

    async with instance(cluster.url()) as here, instance(cluster.url()) as there:
        ear = Ear(there)
        room = new_id()
        name = f"{TENANT}:room:{room}"
        there.interest(TENANT, "room", room, True)
        await there.listening(TENANT, "room", room)
        here.publish([_event(1, room=room)])
        await until(lambda: [event.seq for event in ear.events] == [1])
        assert len(there._lines) == 3
        owner = here._link.address_of(name)
        assert owner is not None
        to = next(port for port in cluster.ports if port != owner[1])
        await cluster.move(key_slot(name.encode()), to)
        # What is said while it moves may be lost; soon it no longer is.
        async with asyncio.timeout(PATIENCE_S):
            while len(ear.events) < 3:
                here.publish([_event(2, room=room)])
                await asyncio.sleep(0.1)
        assert here._link.address_of(name) == ("127.0.0.1", to)


# Redis away


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


async def test_a_bus_says_that_it_was_cut_off_and_that_it_is_back(own_valkey: ValkeyServer) -> None:
    """And then it listens to what it listened to before."""
    room = new_id()
    async with instance(own_valkey.url()) as here, instance(own_valkey.url()) as there:
        said: list[bool] = []
        there.watch(said.append)
        ear = Ear(there)
        there.interest(TENANT, "room", room, True)
        await there.listening(TENANT, "room", room)
        own_valkey.stop()
        await until(lambda: here.degraded and there.degraded and not here._link.up)
        heard: list[Event] = []
        here.subscribe(heard.extend)
        here.publish([_event(1, room=room)])
        assert [event.seq for event in heard] == [1]
        await there.listening(TENANT, "room", "another")  # waits for nobody
        own_valkey.start()
        await until(lambda: not here.degraded and not there.degraded)
        here.publish([_event(2, room=room)])
        await until(lambda: ear.events)
        assert [event.seq for event in ear.events] == [2], "what was said meanwhile is not kept for later"
        assert here.lost == 1
        assert said[0] is True
        assert said[-1] is False


async def test_a_line_that_swallows_everything_is_found_out(own_valkey: ValkeyServer) -> None:
    """The link for commands is well: only what should be heard never comes."""
    async with _Tunnel(own_valkey.port) as tunnel, instance(tunnel.url, ping_s=0.2) as bus:
        said: list[bool] = []
        bus.watch(said.append)
        (line,) = bus._lines.values()
        # The second connection through the tunnel is the one that listens.
        tunnel.swallow(1)
        await until(lambda: said == [True, False])
        assert line.ready
        assert tunnel.count == 3


async def test_an_instance_that_was_cut_off_makes_the_others_look(own_valkey: ValkeyServer) -> None:
    """What it could not publish, they may have missed without noticing anything."""
    async with _Tunnel(own_valkey.port) as tunnel, instance(own_valkey.url()) as well, instance(tunnel.url) as cut:
        looked: list[bool] = []
        well.watch(looked.append)
        tunnel.cut()
        await until(lambda: cut.degraded)
        await until(lambda: not cut.degraded)
        await until(lambda: looked == [False])
        assert not well.degraded


async def test_a_full_line_loses_the_news_and_says_so(
    own_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Publishing costs memory up to a bound, time never."""
    monkeypatch.setattr(redis_bus, "MAX_OUTGOING", 100)
    async with instance(own_valkey.url()) as here, instance(own_valkey.url()) as there:
        looked: list[bool] = []
        there.watch(looked.append)
        here.publish([_event(seq) for seq in range(250)])
        assert here.lost == 150
        assert here.degraded
        await until(lambda: not here.degraded)
        await until(lambda: looked == [False])


class _Tunnel:
    """Between an instance and Redis, in the test's hands."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []
        self._swallowed: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.count = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def __aenter__(self) -> _Tunnel:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.count = self.count, self.count + 1
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, up_writer]
        for source, sink in ((reader, up_writer), (up_reader, writer)):
            task = asyncio.create_task(self._pump(number, source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, number: int, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if number not in self._swallowed:
                    sink.write(data)
                    await sink.drain()
        sink.close()

    def swallow(self, number: int) -> None:
        """From now on nothing passes through this connection, and it stays open."""
        self._swallowed.add(number)

    def cut(self) -> None:
        for writer in self._writers:
            writer.close()
        self._writers.clear()
