"""One run from start to verdict: people, rooms, faults, calm, and what the store then holds.

Several runs may share an installation: each has a tenant of its own, so none sees what another left.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from deskbell.clock import Clock
from deskbell.store import people
from deskbell.store.database import Database
from deskbell.testing.faults.checker import WITHIN_S, Broken, check
from deskbell.testing.faults.history import (
    Answered,
    Called,
    Calm,
    Case,
    Closed,
    Entry,
    Fault,
    Heard,
    Kept,
    Mark,
    MarkStored,
    Opened,
    Paged,
    Reaction,
    Recorder,
    Room,
    Seen,
    Shown,
    Store,
    Work,
)
from deskbell.testing.faults.instances import SECRET, Installation
from deskbell.testing.faults.plans import Plan, Scene, mended
from deskbell.testing.faults.workload import Counter, Talker, Who, seen
from deskbell.testing.servers import ServerFailed
from deskbell.tokens import Tokens

FINISH_WITHIN_S = 60.0
WORK_ENDS_WITHIN_S = 40.0

_tenants = itertools.count(1)


@dataclass(frozen=True)
class Size:
    """How much is going on.

    ``members`` talk in all ``rooms``. ``listeners`` have a socket each and only listen, each in one of the
    rooms. ``pause_s`` lies between two deeds of a person.
    """

    members: int = 5
    rooms: int = 3
    visitors: int = 2
    agents: int = 3
    listeners: int = 0
    pause_s: float = 0.25


@dataclass
class Verdict:
    """What came of a run. ``broken`` empty: every promise was kept, as far as anybody could tell."""

    entries: Sequence[Entry] = field(repr=False)
    store: Store = field(repr=False)
    broken: list[Broken]
    asked_again: int = 0

    @property
    def figures(self) -> dict[str, int | float]:
        """How much happened: a run in which nothing was broken or said proves nothing."""
        of = Tally(type(entry) for entry in self.entries)
        ok = [entry for entry in self.entries if isinstance(entry, Answered) and entry.ok]
        return {
            "acknowledged_sends": len({entry.key for entry in ok if entry.op == "send"}),
            "acknowledged_others": len({entry.key for entry in ok if entry.op != "send"}),
            "claims_won": sum(entry.op == "claim" for entry in ok),
            "attempts": of[Called],
            "asked_again": self.asked_again,
            "unanswered": of[Called] - of[Answered],
            "sockets_opened": of[Opened],
            "sockets_lost": of[Closed],
            "frames_heard": of[Heard],
            "pages": of[Paged],
            "faults": of[Fault],
            "stored": len(self.store.messages),
            "longest_away_s": round(self.longest_away_s, 1),
        }

    @property
    def longest_away_s(self) -> float:
        """For how long anybody was without the socket that had been there."""
        ended: dict[str, float] = {}
        longest = 0.0
        for entry in self.entries:
            if isinstance(entry, Closed):
                ended[entry.socket.partition("#")[0]] = entry.t
            elif isinstance(entry, Opened):
                since = ended.pop(entry.socket.partition("#")[0], entry.t)
                longest = max(longest, entry.t - since)
        return longest


class Rig:
    """People in a tenant of their own, on an installation that is about to have a bad time."""

    def __init__(self, installation: Installation, chance: random.Random, log: Recorder, size: Size) -> None:
        self.installation = installation
        self.chance = chance
        self.log = log
        self.size = size
        self.tenant = ""
        self.members: list[Talker] = []
        self.agents: list[Talker] = []
        self.visitors: list[Talker] = []
        self.listeners: list[Talker] = []
        self.rooms: list[str] = []

    @property
    def everybody(self) -> list[Talker]:
        return [*self.members, *self.agents, *self.visitors, *self.listeners]

    async def gather(self) -> None:
        """Make the people and their rooms, open all sockets, and wait until each is subscribed."""
        size, number = self.size, next(_tenants)
        clock = Clock()
        tokens = Tokens.with_secret(SECRET, clock, issuer="deskbell", audience="deskbell", access_s=86_400)
        db = await Database.open(self.installation.database_url, pool_size=2)
        try:
            tenant = await people.ensure_tenant(db, clock, f"run-{number}", f"Run {number}")
            self.tenant = str(tenant)
            await people.ensure_team(db, tenant, "support", "Support")

            async def person(kind: str, name: str, role: str = "", sockets: int = 2) -> Talker:
                made = await people.create_user(
                    db, clock, tenant, kind=kind, name=name, role=role, email=None, password_hash=None
                )
                actor = people.actor(made)
                if role:
                    await people.join_team(db, tenant, "support", actor.id)
                who = Who(str(actor.id), tokens.sign(actor)[0], name)
                urls = [instance.url for instance in self.installation.instances]
                return Talker(name, who, urls, self.log, random.Random(self.chance.random()), sockets=sockets)

            self.members = [await person("member", f"m{number}") for number in range(size.members)]
            self.agents = [await person("agent", f"a{number}", "agent", 1) for number in range(size.agents)]
            self.visitors = [await person("visitor", f"v{number}", "", 1) for number in range(size.visitors)]
            self.listeners = [await person("member", f"l{number}", "", 1) for number in range(size.listeners)]
        finally:
            await db.close()
        for number in range(size.rooms):
            who = [talker.who.id for talker in [*self.members[1:], *self.listeners[number :: size.rooms]]]
            body = {"channel_type": "group", "key": f"room-{number}", "participants": who}
            opened = await self.members[0].rest(0, "POST", "/rooms", body)
            if opened is None or not opened.ok:
                raise ServerFailed(f"a room could not be opened: {opened}")
            self.rooms.append(opened.body["id"])
        for talker in self.members:
            talker.start(self.rooms)
        for number, talker in enumerate(self.listeners):
            talker.start([self.rooms[number % size.rooms]])
        for talker in [*self.agents, *self.visitors]:
            talker.start()
        await _until(self._all_subscribed, 60.0, "not everybody could subscribe")

    def _all_subscribed(self) -> bool:
        return all(
            place.ready and all(standing.subscribed for standing in place.rooms.values())
            for talker in self.everybody
            for place in talker.places
        )

    async def work(self, until: Callable[[], bool]) -> None:
        """Everybody does what they do until it is over, and every wish begun is fulfilled."""
        counter, pause_s = Counter(self.agents), self.size.pause_s
        await asyncio.gather(
            *(talker.talk(self.rooms, pause_s, until) for talker in self.members),
            *(counter.visit(visitor, 4 * pause_s, until) for visitor in self.visitors),
        )

    async def watch_marks(self) -> None:
        """Note what the store says of read marks, once a second, whenever it says anything."""
        while True:
            with contextlib.suppress(ServerFailed):
                t = self.log.now()
                for mark in await self._marks():
                    self.log.add(MarkStored(t=t, room=mark.room, user=mark.user, seq=mark.seq))
            await asyncio.sleep(1.0)

    async def settle(self) -> None:
        """Wait until nothing is left to do, say so, and wait until everybody has heard it all."""
        with contextlib.suppress(TimeoutError):
            await _until_async(self._work_done, WORK_ENDS_WITHIN_S)
        self.log.add(Calm(t=self.log.now()))
        with contextlib.suppress(TimeoutError):
            await _until_async(self._all_at_tip, WITHIN_S + 3.0)

    async def _work_done(self) -> bool:
        pending = await self.installation.sql(
            f"SELECT count(*) FROM outbox WHERE tenant_id = '{self.tenant}' AND status = 'pending'"
        )
        return pending == "0"

    async def _all_at_tip(self) -> bool:
        tips = {room.id: room.seq for room in await self._rows(_ROOMS, Room)}
        return self._all_subscribed() and all(
            standing.position == tips.get(room)
            for talker in self.everybody
            for place in talker.places
            for room, standing in place.rooms.items()
        )

    async def close(self) -> None:
        await asyncio.gather(*(talker.close() for talker in self.everybody))

    # what the store says

    async def _rows(self, sql: str, kind: Any) -> list[Any]:
        found = await self.installation.sql(f"SELECT row_to_json(x) FROM ({sql.format(tenant=self.tenant)}) x")
        return [msgspec.json.decode(line, type=kind) for line in found.splitlines() if line]

    async def _marks(self) -> list[Mark]:
        return await self._rows(_MARKS, Mark)

    async def read_store(self) -> Store:
        """The store as it is, and the rooms as a healthy instance shows them."""
        rooms = await self._rows(_ROOMS, Room)
        instances = self.installation.instances
        shown = [
            Shown(instance=number, room=room, messages=await self._shown(number, room))
            for number in range(len(instances))
            for room in self.rooms
        ]
        return Store(
            rooms=rooms,
            messages=await self._rows(_MESSAGES, Kept),
            marks=await self._marks(),
            reactions=await self._rows(_REACTIONS, Reaction),
            cases=await self._rows(_CASES, Case),
            work=await self._rows(_WORK, Work),
            shown=shown,
        )

    async def _shown(self, instance: int, room: str) -> list[Seen]:
        reader, found, before = self.members[0], list[Seen](), ""
        while True:
            answer = await reader.rest(instance, "GET", f"/rooms/{room}/messages?limit=100{before}")
            if answer is None or not answer.ok:
                raise ServerFailed(f"instance {instance} does not show {room}: {answer}")
            page = [seen(message) for message in answer.body["messages"]]
            found = page + found
            if not answer.body["more_before"]:
                return found
            before = f"&before={page[0].seq}"


_ROOMS = "SELECT id, seq FROM rooms WHERE tenant_id = '{tenant}'"
_MESSAGES = (
    "SELECT id, room_id AS room, seq, changed_seq, sender_id AS sender, client_id, content"
    " FROM messages WHERE tenant_id = '{tenant}'"
)
_MARKS = (
    "SELECT room_id AS room, user_id AS user, last_read_seq AS seq FROM participants"
    " WHERE tenant_id = '{tenant}' AND last_read_seq > 0"
)
_REACTIONS = "SELECT message_id AS message, user_id AS \"user\", emoji FROM reactions WHERE tenant_id = '{tenant}'"
_CASES = "SELECT id, status, version, COALESCE(agent::text, '') AS agent FROM cases WHERE tenant_id = '{tenant}'"
_WORK = "SELECT id, queue, status, attempts, max_attempts FROM outbox WHERE tenant_id = '{tenant}'"


async def run(
    installation: Installation,
    plan: Plan,
    *,
    seconds: float,
    seed: int,
    size: Size = Size(),
    long: bool = False,
    folder: Path | None = None,
    also: Callable[[Rig], Awaitable[None]] | None = None,
) -> Verdict:
    """Break ``installation`` by a plan for about ``seconds`` while people use it; judge what came of it.

    Args:
        seed: Names the chance of plan and people.
        long: Faults as long as an operator would want them; see :mod:`deskbell.testing.faults.plans`.
        folder: Where history and store are written down; else they are only kept.
        also: Done once during the faults, beside all else.
    Raises:
        ServerFailed: What was broken did not come back, so nothing can be judged.
    """
    chance = random.Random(seed)
    log = Recorder(None if folder is None else folder / "history.jsonl")
    rig = Rig(installation, chance, log, size)
    watching: asyncio.Task[None] | None = None
    try:
        await rig.gather()
        watching = asyncio.create_task(rig.watch_marks())
        over = False
        working = asyncio.create_task(rig.work(lambda: over))
        beside = asyncio.ensure_future(also(rig)) if also is not None else None
        try:
            await plan(Scene(installation, log, random.Random(chance.random()), seconds, long))
        finally:
            over = True
            await mended(installation)
            log.add(Fault(t=log.now(), what="mended"))
        tasks = [task for task in (working, beside) if task is not None]
        done, pending = await asyncio.wait(tasks, timeout=FINISH_WITHIN_S)
        for task in done:
            task.result()
        if pending:
            # Some wish is never answered; that there is no calm says so.
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        else:
            await rig.settle()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        store = await rig.read_store()
        entries = list(log.entries)
    finally:
        if watching is not None:
            watching.cancel()
        log.close()
        await rig.close()
    if folder is not None:
        (folder / "store.json").write_bytes(msgspec.json.encode(store))
    again = sum(talker.asked_again for talker in rig.everybody)
    return Verdict(entries, store, check(entries, store), again)


async def _until(condition: Callable[[], bool], seconds: float, why: str) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise ServerFailed(f"{why} within {seconds:g} s") from None


async def _until_async(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.1)
