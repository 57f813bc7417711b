"""Scenario ``growth``: what must not cost more where there is more of everything.

Rooms and history are read and written here in this process, through the store and the journal, with what the
database spends added; so the figures are those of the store alone, without sockets. Members are sockets
of a running server (:mod:`deskbell.bench.members`).
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deskbell.bench import filling, members
from deskbell.bench.database import durable_postgres
from deskbell.bench.processes import BenchFailed, cpu_s
from deskbell.bench.report import Show, Table
from deskbell.bench.run import Run
from deskbell.ids import RoomId
from deskbell.model.records import Actor
from deskbell.store import messages, rooms
from deskbell.store.database import Database, Queries, Row
from deskbell.store.migrate import migrate
from deskbell.testing.office import Office

ROOMS = (10, 1_000, 100_000)
HISTORY = (1_000, 30_000, 1_000_000)
MOVED = 10
"""Rooms that moved since the last poll: that depends on what people do, not on how many rooms there are."""
PAGE = 100
LOOKS = 1_000
"""Polls and pages at each size."""
SENDS = 400
"""Each of which waits for the disk."""
MEMBERS_S = 5.0
"""The longest look at each size of a room."""
S = 1_000_000

WITHIN = 1.3


@dataclass(frozen=True)
class Cost:
    cpu_us: float
    """Of this process and the database."""
    wall_ms: float
    """From the question to the answer, in the middle."""


class Plans:
    """Stands where a database is expected, and notes how it would find what is asked of it.

    It answers with no rows, so what would be asked next, about these rows, is not asked.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._explain = "EXPLAIN QUERY PLAN" if db.dialect == "sqlite" else "EXPLAIN"
        self.text = ""

    async def fetch(self, sql: str, *args: object) -> Sequence[Row]:
        for row in await self._db.fetch(f"{self._explain} {sql}", *args):
            self.text += " ".join(map(str, row)) + "\n"
        return []

    def must_use(self, index: str, table: str) -> None:
        """Raises :class:`BenchFailed` when the plan does not name the index, or reads the whole table."""
        whole = (f"Seq Scan on {table}", f"SCAN {table}\n", f"SCAN {table[0]}\n")
        if index not in self.text or any(read in self.text for read in whole):
            raise BenchFailed(f"the plan does not use {index}: {self.text}")


class Store:
    """One database with a room like others and one with a long history, and what is measured on it."""

    def __init__(self, office: Office, door: Database, database_pid: int | None) -> None:
        self._office = office
        self._door = door
        self._pid = database_pid
        self._ana: Actor
        self._room: RoomId
        self._archive: RoomId
        self._rooms = 0
        self._history = 0

    async def open(self) -> None:
        self._ana, tom = await self._office.person("Ana"), await self._office.person("Tom")
        self._room = await self._office.room(self._ana, tom)
        self._archive = await self._office.room(self._ana, tom)
        self._rooms = 2
        self._history = await self._office.tip(self._archive)

    async def fill_rooms(self, count: int) -> None:
        """Until there are ``count``."""
        await filling.rooms(self._door, self._room, self._rooms + 1, count)
        self._rooms = count

    async def fill_history(self, count: int) -> None:
        """Until the archive has ``count`` messages."""
        await filling.history(self._door, self._archive, self._ana.id, self._history + 1, count)
        self._history = count

    # measuring

    async def poll(self) -> Cost:
        """One look for rooms that moved, as every instance takes it every five seconds."""
        db = self._office.db
        since = await db.now_us() - 5 * S
        await self._move(since + S)
        plans = Plans(db)
        await rooms.moved(_as_queries(plans), since)
        if self._rooms >= ROOMS[-1]:  # of a few rows none of the databases uses an index
            plans.must_use("rooms_changed", "rooms")
        found = await rooms.moved(db, since)
        if len(found) != MOVED:
            raise BenchFailed(f"{len(found)} rooms moved instead of {MOVED}")
        return await self._cost(lambda: rooms.moved(db, since), LOOKS)

    async def _move(self, when: int) -> None:
        await self._door.execute("UPDATE rooms SET changed_at = $2 WHERE changed_at >= $1", when - 6 * S, when - 60 * S)
        await self._door.execute(
            "UPDATE rooms SET changed_at = $2"
            " WHERE id IN (SELECT id FROM rooms WHERE tenant_id = $1 ORDER BY id LIMIT $3)",
            self._office.tenant,
            when,
            MOVED,
        )

    async def page(self) -> Cost:
        """A hundred messages from the middle of the archive."""
        db, tenant, middle = self._office.db, self._office.tenant, self._history // 2
        plans = Plans(db)
        await messages.before(_as_queries(plans), tenant, self._archive, middle, PAGE)
        if self._history >= HISTORY[-1]:
            plans.must_use("messages_order", "messages")
        return await self._cost(lambda: messages.before(db, tenant, self._archive, middle, PAGE), LOOKS)

    async def send(self) -> Cost:
        """One message, alone in its commit, into a room with few."""
        return await self._cost(lambda: self._office.desk.sends(self._ana, self._room, filling.TEXT), SENDS)

    async def send_to_archive(self) -> Cost:
        """One message, alone in its commit, into the room with the long history."""
        cost = await self._cost(lambda: self._office.desk.sends(self._ana, self._archive, filling.TEXT), SENDS)
        self._history = await self._office.tip(self._archive)
        return cost

    async def _cost(self, do: Callable[[], Awaitable[object]], times: int) -> Cost:
        for _ in range(20):  # statements are prepared, pages are read
            await do()
        took = []
        before = self._cpu_s()
        for _ in range(times):
            began = time.perf_counter()
            await do()
            took.append(time.perf_counter() - began)
        return Cost((self._cpu_s() - before) / times * 1e6, statistics.median(took) * 1e3)

    def _cpu_s(self) -> float:
        return time.process_time() + (cpu_s(self._pid) if self._pid is not None else 0.0)


def _as_queries(plans: Plans) -> Queries:
    return plans  # type: ignore[return-value]  # of a query it needs no more than fetch


async def measure(url: str, database_pid: int | None, show: Show) -> dict[str, list[Cost]]:
    """What a tip poll, a send and a page cost at each size.

    Raises:
        BenchFailed: A plan reads more than it has to.
    """
    async with Office.open(url) as office, filling.door(url) as door:
        store = Store(office, door, database_pid)
        await store.open()
        costs: dict[str, list[Cost]] = {kind: [] for kind in WHAT}
        for count in ROOMS:
            show.doing(f"{count:,} rooms")
            await store.fill_rooms(count)
            costs["poll"].append(await store.poll())
            costs["send beside rooms"].append(await store.send())
            show.advance()
        for count in HISTORY:
            show.doing(f"{count:,} messages")
            await store.fill_history(count)
            costs["page"].append(await store.page())
            costs["send"].append(await store.send_to_archive())
            show.advance()
        return costs


WHAT = {
    "poll": "a tip poll ({} rooms)",
    "send beside rooms": "a send ({} rooms)",
    "send": "a send ({} messages in the room)",
    "page": f"a page of {PAGE} from the middle ({{}} messages)",
}


def table(run: Run) -> Table:
    """SQLite and PostgreSQL, then rooms of growing size."""
    made = Table(
        title="Growth: rooms, history, members",
        method=(
            "Store and journal alone, without sockets, on a database that grows under them: "
            f"{LOOKS:,} polls and pages and {SENDS} sends at each size, one after the other; CPU is that of this "
            f"process and the database. {MOVED} rooms moved since the last poll. The plans are asked for at the "
            "largest size: a poll that does not use the index of changed rooms, or a page that does not use that of "
            "the room's order, fails the measurement. Members: one message at a time "
            "in one room of a running server on SQLite; *for each "
            "more* is what a message costs more than in the smaller room, divided by the members that are more. "
            f"Rooms above {members.MOST_PEOPLE:,} are {members.MOST_PEOPLE:,} people with several sockets each."
        ),
        columns=("what", "SQLite CPU, µs", "ms", "PostgreSQL CPU, µs", "ms"),
    )
    costs: dict[str, dict[str, list[Cost]]] = {}
    steps = len(ROOMS) + len(HISTORY)
    with (
        run.measurement("growth: SQLite", made, steps=steps),
        tempfile.TemporaryDirectory(prefix="deskbell-bench-") as name,
    ):
        costs["SQLite"] = run.wait_for(_on(f"sqlite:///{Path(name)}/growth.sqlite3", None, run.show))
    with (
        run.measurement("growth: PostgreSQL", made, steps=steps),
        durable_postgres(run.cores.server) as postgres,
    ):
        url = postgres.create_database("growth")
        costs["PostgreSQL"] = run.wait_for(_on(url, postgres.pid, run.show))
    for kind, sizes in (("poll", ROOMS), ("send beside rooms", ROOMS), ("send", HISTORY), ("page", HISTORY)):
        for at, size in enumerate(sizes):
            cells = [WHAT[kind].format(f"{size:,}")]
            for store in ("SQLite", "PostgreSQL"):
                cost = costs[store][kind][at] if store in costs else None
                cells += [f"{cost.cpu_us:,.0f}", f"{cost.wall_ms:.2f}"] if cost else ["–", "–"]
            made.rows.append(cells)
        for store, seen in costs.items():
            _verdict(made, f"{store}, {kind}", [cost.cpu_us for cost in seen[kind]])
    _members(run, made)
    return made


async def _on(url: str, database_pid: int | None, show: Show) -> dict[str, list[Cost]]:
    await migrate(url)
    return await measure(url, database_pid, show)


def _verdict(made: Table, what: str, costs: Sequence[float]) -> None:
    times = costs[-1] / costs[0]
    made.bar(f"{what}: the largest size costs ≤ {WITHIN:g} × the smallest ({times:.2f})", times <= WITHIN)


def _members(run: Run, made: Table) -> None:
    seconds = min(run.seconds, MEMBERS_S)
    before: tuple[int, float] | None = None
    each: list[float] = []
    for size in members.SIZES:
        with run.measurement(f"growth: {size:,} members", made, steps=seconds), members.room(run.cores, size) as stage:
            cpu_us = run.wait_for(members.measure(stage, seconds=seconds, show=run.show))
            more = f"{cpu_us / size:.1f} for each"
            if before is not None:
                each.append((cpu_us - before[1]) / (size - before[0]))
                more = f"{each[-1]:.1f} for each more"
            made.rows.append((f"a message to {size:,} members", f"{cpu_us:,.0f}", more, "–", "–"))
            before = (size, cpu_us)
    if len(each) == len(members.SIZES) - 1:
        _verdict(made, "a delivery more", each)
