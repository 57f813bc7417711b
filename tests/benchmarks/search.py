"""How long searches take in a desk with many messages, on SQLite and on a durable PostgreSQL.

Fills a new database with messages of about ten words, drawn so that some are common and most are rare
(Zipf), in support conversations and groups; then lets an agent, who reads all conversations, and a
visitor of three search for kinds of words one after the other. What is timed is the action: understanding,
reach, index, ranking and snippets, without HTTP. Printed are medians and 95th percentiles in milliseconds.

    python tests/benchmarks/search.py [--messages 1000000] [--times 40] [--database sqlite postgresql]

Everything is made in a temporary folder and removed. A million messages take some minutes to fill in.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deskbell.actions import search
from deskbell.errors import Unavailable
from deskbell.ids import RoomId, TenantId, UserId, new_id
from deskbell.model.records import Actor
from deskbell.store.change import INSERT_MESSAGE
from deskbell.store.database import Database
from deskbell.store.migrate import migrate
from deskbell.testing.office import Office
from deskbell.testing.servers import DURABLE_SETTINGS, PostgresServer

VOCABULARY = 50_000
WORDS_EACH = 10
PER_CONVERSATION = 40
PER_GROUP = 2_000
BATCH = 5_000
FIRST_US = 1_700_000_000_000_000
APART_US = 20_000_000


def tell(text: str) -> None:
    """Say it at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def vocabulary(random_: random.Random) -> list[str]:
    """Words that can be told apart, the most common first."""
    parts = [c + v for c in "bcdfghjklmnprstvwz" for v in "aeiou"]
    made: dict[str, None] = {}
    while len(made) < VOCABULARY:
        made["".join(random_.choices(parts, k=random_.choice((2, 3, 3, 4, 5))))] = None
    return list(made)


class Filled:
    """A desk with messages in it, and whom to ask for what."""

    def __init__(self, office: Office, words: Sequence[str]) -> None:
        self.office = office
        self.words = words
        self.conversations: list[RoomId] = []
        self.groups: list[RoomId] = []
        self.phrases: list[str] = []

    async def fill(self, count: int, random_: random.Random) -> float:
        """Write ``count`` messages; the seconds it took."""
        begun = time.monotonic()
        db, tenant = self.office.db, self.office.tenant
        author = await self.office.person("Author")
        self.conversations = [RoomId(new_id()) for _ in range(max(count * 8 // 10 // PER_CONVERSATION, 3))]
        self.groups = [RoomId(new_id()) for _ in range(max(count * 2 // 10 // PER_GROUP, 1))]
        await self._rooms(db, tenant)
        weights = list(itertools.accumulate(1 / (n + 3) for n in range(len(self.words))))
        seqs: dict[RoomId, int] = {}
        rows: list[Sequence[object]] = []
        for number in range(count):
            rooms = self.groups if number % 5 == 0 else self.conversations
            room = rooms[random_.randrange(len(rooms))]
            seq = seqs[room] = seqs.get(room, 1) + 1
            text = " ".join(random_.choices(self.words, cum_weights=weights, k=WORDS_EACH))
            if number % 5_003 == 0:
                self.phrases.append(text)
            rows.append(_row(tenant, room, seq, author.id, text, FIRST_US + number * APART_US))
            if len(rows) == BATCH:
                await db.insert_many("messages", INSERT_MESSAGE, rows)
                rows = []
        await db.insert_many("messages", INSERT_MESSAGE, rows)
        if db.dialect == "postgresql":
            await db.execute("ANALYZE")
        return time.monotonic() - begun

    async def _rooms(self, db: Database, tenant: TenantId) -> None:
        columns = {"tenant_id": "uuid", "id": "uuid", "channel_type": "text", "owner_kind": "text"}
        columns |= dict.fromkeys(("seq", "created_at", "changed_at", "active_at"), "bigint")
        kinds = [(room, "support", "nobody") for room in self.conversations]
        kinds += [(room, "group", "") for room in self.groups]
        moment = FIRST_US
        await db.insert_many(
            "rooms", columns, [(tenant, room, kind, owner, 1, moment, moment, moment) for room, kind, owner in kinds]
        )

    async def visitor(self) -> Actor:
        """Somebody in three conversations."""
        return await self._in(self.conversations[:3], "Visitor")

    async def groupie(self) -> Actor:
        """Somebody in one large group."""
        return await self._in(self.groups[:1], "Member")

    async def _in(self, rooms: Sequence[RoomId], name: str) -> Actor:
        actor = await self.office.person(name)
        for room in rooms:
            await self.office.db.execute(
                "INSERT INTO participants (tenant_id, room_id, user_id, role, state, joined_at, changed_seq)"
                " VALUES ($1, $2, $3, 'member', 'joined', 0, 1)",
                self.office.tenant,
                room,
                actor.id,
            )
        return actor


def _row(tenant: TenantId, room: RoomId, seq: int, author: UserId, text: str, at_us: int) -> Sequence[object]:
    identity = new_id()
    return (
        tenant, identity, room, seq, seq, identity, b"", author, "text", text, "{}", "[]", "[]", None, None, at_us,
    )  # fmt: skip


def questions(filled: Filled, random_: random.Random) -> dict[str, Callable[[], str]]:
    """Kinds of searches, each with a new one whenever it is asked."""
    words = filled.words

    def one(low: int, high: int) -> str:
        return words[random_.randrange(low, high)]

    def phrase() -> str:
        text = random_.choice(filled.phrases).split()
        at = random_.randrange(len(text) - 2)
        return f'"{" ".join(text[at : at + 3])}"'

    def typo() -> str:
        word = one(5_000, 20_000)
        while len(word) < 8:
            word = one(5_000, 20_000)
        at = random_.randrange(3, len(word) - 1)
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :] + " "

    return {
        "a common word": lambda: one(0, 20) + " ",
        "a word in a thousand": lambda: one(80, 200) + " ",
        "a rare word": lambda: one(20_000, 50_000) + " ",
        "two common words": lambda: f"{one(0, 20)} {one(0, 20)} ",
        "a common and a rare word": lambda: f"{one(0, 20)} {one(5_000, 20_000)} ",
        "a phrase of three": phrase,
        "two letters of a word": lambda: one(0, 1_000)[:2],
        "four letters of a word": lambda: one(0, 20_000)[:4],
        "a typing error": typo,
        "a word nobody wrote": lambda: "qx" + one(0, 1_000) + "xq ",
    }


class _Unlimited:
    """No limit on searches."""

    def spend(self, *_: object, **__: object) -> None:
        return None


async def measure(url: str, count: int, times: int, seed: int = 7) -> None:
    """Fill a database and tell its table, a line per kind of search."""
    random_ = random.Random(seed)
    await migrate(url)
    async with Office.open(url) as office:
        filled = Filled(office, vocabulary(random_))
        took_s = await filled.fill(count, random_)
        tell(f"  {count:,} messages written in {took_s:.0f} s ({took_s / count * 1e6:.0f} µs each)")
        ports = dataclasses.replace(office.ports, limits=_Unlimited())  # type: ignore[arg-type]
        agent = await office.agent()
        visitor, member = await filled.visitor(), await filled.groupie()
        askers: list[tuple[str, Actor, dict[str, Any]]] = [
            ("agent, all", agent, {}),
            ("agent, one conversation", agent, {"room": filled.conversations[0]}),
            ("visitor of three", visitor, {}),
            ("member, a group of 2,000", member, {}),
        ]
        for what, ask in questions(filled, random_).items():
            cells = [what]
            for _, actor, options in askers:
                seen: list[float] = []
                late = 0
                for _ in range(times):
                    begun = time.perf_counter()
                    try:
                        await search.find(ports, actor, ask(), **options)
                    except Unavailable:
                        late += 1
                    seen.append((time.perf_counter() - begun) * 1000)
                cells.append(
                    f"{statistics.median(seen):.0f} / {statistics.quantiles(seen, n=20)[-1]:.0f}"
                    + (f" ({late} given up)" if late else "")
                )
            tell("  | " + " | ".join(cells) + " |")


async def run(databases: Sequence[str], count: int, times: int) -> None:
    tell("median / p95 in ms: agent over all, agent in one conversation, visitor of three, member of a group")
    if "sqlite" in databases:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "search.sqlite3"
            tell("SQLite")
            await measure(f"sqlite:///{path}", count, times)
            tell(f"  {path.stat().st_size / 2**20:,.0f} MiB")
    if "postgresql" in databases:
        with PostgresServer({**DURABLE_SETTINGS, "shared_buffers": "256MB", "synchronous_commit": "off"}) as server:
            url = server.create_database("search")
            tell("PostgreSQL")
            await measure(url, count, times)
            size = "SELECT relname, pg_size_pretty(pg_total_relation_size(oid)) FROM pg_class"
            tell(server.run_sql(f"{size} WHERE relname IN ('messages', 'message_words')", dbname="search"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=40, help="searches of each kind and asker")
    parser.add_argument("--database", nargs="+", choices=("sqlite", "postgresql"), default=("sqlite", "postgresql"))
    given = parser.parse_args()
    asyncio.run(run(given.database, given.messages, given.times))
