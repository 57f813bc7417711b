"""Pages, marks and counts: what a reader is sent, how large it is, and which indexes it costs."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from msgspec.structs import replace

from deskbell.actions import editing, members, pins, reactions, reads
from deskbell.actions import rooms as room_actions
from deskbell.ids import MessageId, RoomId, UserId, new_id
from deskbell.model.policy import Policy
from deskbell.model.records import Actor, Message
from deskbell.store import cases, messages, outbox, pages, people, rooms
from deskbell.store.change import INSERT_MESSAGE, message_row
from deskbell.store.database import Database, Queries
from deskbell.store.rooms import Mark
from deskbell.testing.office import Office

GROUP = Policy()
KIB = 1024


async def fill(office: Office, who: Actor, room: RoomId, texts: Sequence[str], **values: Any) -> list[Message]:
    """Many messages, as if they had been posted one after the other."""
    tip = await office.tip(room)
    said = [
        Message(
            id=MessageId(new_id()), room=room, seq=tip + n, changed_seq=tip + n, client_id=new_id(),
            sender=who.public(), kind="text", content=text, created_at=office.clock.now(), **values,
        )
        for n, text in enumerate(texts, 1)
    ]  # fmt: skip
    now_us = office.clock.now_us()
    await office.db.insert_many(
        "messages", INSERT_MESSAGE, [message_row(office.tenant, message, b"." * 16, now_us) for message in said]
    )
    await office.db.execute("UPDATE rooms SET seq = $2 WHERE id = $1", room, tip + len(said))
    return said


async def changes(office: Office, room: RoomId, since: int, policy: Policy = GROUP, bound: int = 0) -> pages.Page:
    page = await pages.changes(office.db, office.tenant, room, policy, since, bound)
    assert page is not None
    return page


async def first(office: Office, room: RoomId, policy: Policy = GROUP, bound: int = 0) -> pages.Page:
    page = await pages.first(office.db, office.tenant, room, policy, bound)
    assert page is not None
    return page


def weight(page: pages.Page) -> int:
    """The bytes its records take on the wire."""
    return len(msgspec.json.encode((page.messages, page.participants)))


# Pages


async def test_a_page_ends_after_a_hundred_records_of_whatever_kind(office: Office) -> None:
    """And the next goes on right there, until nothing is left."""
    ana, *others = [await office.person(name) for name in ("Ana", "Tom", "Kim", "Lou")]
    room = await office.room(ana, *others, name="Room")
    await fill(office, ana, room, [f"{n}" for n in range(250)])
    sizes, since, seen = [], 0, []
    while True:
        page = await changes(office, room, since)
        sizes.append(len(page.messages) + len(page.participants) + page.state)
        seen += [m.changed_seq for m in page.messages] + [p.changed_seq for p in page.participants] + [1] * page.state
        since = page.seq
        assert (page.reads is None) == page.more
        if not page.more:
            break
    assert sizes == [100, 100, 55]
    assert sorted(seen) == list(range(1, 256))


async def test_a_page_of_a_hundred_is_the_last_if_nothing_follows(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana)
    await fill(office, ana, room, [f"{n}" for n in range(100)])
    page = await changes(office, room, 2)
    assert (len(page.messages), page.more, page.seq) == (100, False, 102)
    assert (await changes(office, room, 102)).messages == []


@pytest.mark.parametrize(
    "values",
    [
        {"texts": ["x" * 16_000] * 30},
        {"texts": ["é" * 8_000] * 30},
        {"texts": ["字" * 5_300] * 30},
        {"texts": ["Hi"] * 90, "metadata": {"note": "x" * 8_000}},
        {"texts": ["Hi"] * 99, "mentions": [new_id() for _ in range(50)]},
        {"texts": ["Hi"] * 95, "attachments": [{"name": "x" * 2_000}]},
    ],
    ids=["ascii", "accents", "chinese", "metadata", "mentions", "attachments"],
)
async def test_a_page_ends_at_128_kib_of_whatever(office: Office, values: dict[str, Any]) -> None:
    """Also the first one, which keeps what is newest."""
    ana = await office.person()
    room = await office.room(ana)
    said = await fill(office, ana, room, **values)
    page = await changes(office, room, 2)
    assert page.more and page.messages
    assert weight(page) <= 128 * KIB + 16 * KIB
    assert weight(page) > 80 * KIB
    begun = await first(office, room)
    assert weight(begun) <= 128 * KIB + 16 * KIB
    assert [message.seq for message in begun.messages] == [m.seq for m in said][-len(begun.messages) :]


async def test_reactions_are_part_of_a_pages_weight(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana)
    said = await fill(office, ana, room, ["Hi"] * 60)
    rows = [
        (office.tenant, message.id, emoji, user, 1)
        for message in said
        for emoji in ("👍", "🎉", "🙈", "👀")
        for user in [new_id() for _ in range(20)]
    ]
    columns = {"tenant_id": "uuid", "message_id": "uuid", "emoji": "text", "user_id": "uuid", "created_at": "bigint"}
    await office.db.insert_many("reactions", columns, rows)
    await office.db.execute("UPDATE messages SET changed_seq = changed_seq + 100 WHERE room_id = $1", room)
    await office.db.execute("UPDATE rooms SET seq = seq + 100 WHERE id = $1", room)
    page = await changes(office, room, 2)
    assert page.more
    assert 80 * KIB < weight(page) <= 128 * KIB + 16 * KIB


async def test_a_record_larger_than_a_page_is_a_page(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana)
    await fill(office, ana, room, ["x" * 200 * KIB] * 2)
    page = await changes(office, room, 2)
    assert (len(page.messages), page.more, page.seq) == (1, True, 3)
    assert len((await first(office, room)).messages) == 1


async def test_each_changed_record_comes_once_in_its_present_state_ordered_by_its_change(office: Office) -> None:
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana, tom)
    one, two, three = [(await office.desk.sends(ana, room, text)).message for text in ("one", "two", "three")]
    since = await office.tip(room)
    for text in ("1", "1.", "1!"):
        await editing.edit(office.ports, ana, one.id, text)
    await editing.delete(office.ports, ana, three.id)
    await office.desk.sends(ana, room, "four")
    await pins.pin(office.ports, ana, one.id, on=True)
    page = await changes(office, room, since)
    assert [(m.content, m.deleted, m.pinned) for m in page.messages] == [
        ("", True, False), ("four", False, False), ("1!", False, True),
    ]  # fmt: skip
    assert [m.changed_seq for m in page.messages] == [since + 4, since + 5, since + 6]
    assert two.id not in {m.id for m in page.messages}
    assert (page.seq, page.more, page.state, page.participants) == (since + 6, False, False, [])


async def test_a_position_above_the_tip_gets_an_empty_page_that_says_so(office: Office) -> None:
    """The store was restored: whoever asks sees that it knows less than they do."""
    ana = await office.person()
    room = await office.room(ana)
    page = await changes(office, room, 50)
    assert (page.seq, page.messages, page.participants, page.state) == (2, [], [], False)
    assert await pages.changes(office.db, office.tenant, RoomId(new_id()), GROUP, 0) is None
    assert await pages.first(office.db, office.tenant, RoomId(new_id()), GROUP) is None
    assert await pages.first(office.db, new_id(), room, GROUP) is None  # type: ignore[arg-type]


async def test_what_was_said_before_somebody_came_is_on_no_page_of_theirs(office: Office) -> None:
    """Nor does a later change of it show; what came after does."""
    ana = await office.person()
    room = await office.room(ana)
    before = (await office.desk.sends(ana, room, "before")).message
    bound = await office.tip(room)
    after = (await office.desk.sends(ana, room, "after")).message
    await editing.edit(office.ports, ana, before.id, "before, edited")
    await editing.edit(office.ports, ana, after.id, "after, edited")
    for page in (await first(office, room, bound=bound), await changes(office, room, 0, bound=bound)):
        assert [message.content for message in page.messages] == ["after, edited"]
    everybody = await changes(office, room, 0)
    assert [message.content for message in everybody.messages] == ["before, edited", "after, edited"]


async def test_a_page_is_one_moment(office: Office) -> None:
    """Records that change while it is read are in it as they were; its number is of the same moment."""
    ana = await office.person()
    room = await office.room(ana)
    said = await fill(office, ana, room, [f"{n}" for n in range(20)])
    over = asyncio.Event()

    async def disturb() -> None:
        for number in itertools.count():
            if over.is_set():
                return
            await editing.edit(office.ports, ana, said[number % 20].id, f"again {number}")

    disturbing = asyncio.create_task(disturb())
    for _ in range(60):
        page = await changes(office, room, 0)
        numbers = [message.changed_seq for message in page.messages]
        assert len(numbers) == 20 and max(numbers) <= page.seq == page.room.seq
        begun = await first(office, room)
        assert max(message.changed_seq for message in begun.messages) <= begun.seq == begun.room.seq
    over.set()
    await disturbing


async def test_reactions_stand_in_the_order_they_were_first_given(office: Office) -> None:
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana)
    (said,) = await fill(office, ana, room, ["Hi"])
    given = [("🚀", ana, 1), ("🎉", ana, 2), ("👍", tom, 3), ("🎉", tom, 4), ("🚀", tom, 5), ("🙈", ana, 6)]
    for emoji, who, at_us in reversed(given):
        await office.db.execute(
            "INSERT INTO reactions (tenant_id, message_id, emoji, user_id, created_at) VALUES ($1,$2,$3,$4,$5)",
            office.tenant, said.id, emoji, who.id, at_us,
        )  # fmt: skip
    found = (await messages.reactions_of(office.db, office.tenant, [said.id]))[said.id]
    assert [(reaction.emoji, reaction.count) for reaction in found] == [("🚀", 2), ("🎉", 2), ("👍", 1), ("🙈", 1)]
    assert found[0].users == [ana.id, tom.id]


# How far somebody has read


async def _mark(office: Office, room: RoomId, who: Actor, read: int, delivered: int = 0) -> tuple[int, int]:
    await rooms.move_marks(office.db, [Mark(office.tenant, room, who.id, read, delivered)])
    return (await rooms.reads(office.db, office.tenant, room, only=who.id)).get(who.id, (-1, -1))


async def test_marks_never_move_back_and_never_pass_the_tip(office: Office) -> None:
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana, tom)
    await fill(office, ana, room, ["Hi"] * 7)
    assert await _mark(office, room, tom, 5, 6) == (5, 6)
    assert await _mark(office, room, tom, 3, 2) == (5, 6)
    assert await _mark(office, room, tom, 1000, 0) == (10, 6)
    assert await _mark(office, room, tom, 0, 1000) == (10, 10)
    assert (await rooms.reads(office.db, office.tenant, room))[ana.id] == (0, 0)
    assert await office.tip(room) == 10


async def test_marks_moved_at_once_end_at_the_highest(office: Office) -> None:
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana, tom)
    await fill(office, ana, room, ["Hi"] * 40)
    await asyncio.gather(
        *(rooms.move_marks(office.db, [Mark(office.tenant, room, tom.id, n, n)]) for n in (3, 30, 17, 41, 5, 28)),
    )
    assert await _mark(office, room, tom, 0) == (41, 41)


async def test_who_is_not_in_the_room_leaves_no_mark(office: Office) -> None:
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana, tom)
    await fill(office, ana, room, ["Hi"] * 5)
    await _mark(office, room, tom, 4)
    await members.change_place(office.ports, ana, room, tom.id, state="banned")
    assert await _mark(office, room, tom, 6) == (-1, -1)
    assert await office.db.fetchval(
        "SELECT last_read_seq FROM participants WHERE room_id = $1 AND user_id = $2", room, tom.id
    ) == 4  # fmt: skip


async def test_who_comes_back_has_read_what_they_had_read(office: Office) -> None:
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana, tom)
    await fill(office, ana, room, ["Hi"] * 5)
    await _mark(office, room, tom, 6)
    await members.leave(office.ports, tom, room)
    await members.add(office.ports, ana, room, tom.id)
    assert await _mark(office, room, tom, 0) == (6, 0)


async def test_a_change_of_somebodys_place_does_not_undo_their_mark(office: Office) -> None:
    """The place was looked at before, and the mark, which takes no lock, has moved since."""
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana, tom)
    await fill(office, ana, room, ["Hi"] * 5)
    place = await rooms.member(office.db, office.tenant, room, tom.id)
    assert place is not None and place.last_read_seq == 0
    await _mark(office, room, tom, 7)
    async with office.desk.journal.change(office.tenant, room) as change:
        await change.put_member(replace(place, role="moderator"), tom.public())
    assert await _mark(office, room, tom, 0) == (7, 0)


async def test_unread_is_what_others_wrote_above_the_mark(office: Office) -> None:
    """Not one's own, not what was deleted, not what the platform said, and no reactions or joins."""
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana, tom)
    marks = reads.Marks(office.ports)
    said = [(await office.desk.sends(ana, room, f"{n}")).message for n in range(5)]
    await reads.mark_read(office.ports, marks, tom, room, said[0].seq)
    await office.desk.sends(tom, room, "mine")
    await editing.delete(office.ports, ana, said[1].id)
    await reactions.react(office.ports, ana, said[2].id, "👍", on=True)
    await room_actions.update(office.ports, ana, room, name="Another name")
    system = await office.person("Deskbell", kind="system")
    async with office.desk.journal.change(office.tenant, room) as change:
        await change.post(room, system.public(), "The name was changed.")
    assert await rooms.unread(office.db, office.tenant, room, tom.id) == (3, False)
    (entry,) = await rooms.inbox(office.db, office.tenant, tom.id, limit=10)
    assert (entry.unread, entry.mentioned) == (3, False)
    assert await reads.unread(office.ports, tom) == {room: 3}
    assert await reads.mark_read(office.ports, marks, tom, room, 10_000) == (0, False)
    assert await reads.unread(office.ports, tom) == {}


async def test_unread_is_counted_to_a_hundred(office: Office) -> None:
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana, tom)
    said = await fill(office, ana, room, ["Hi"] * 130)
    assert await rooms.unread(office.db, office.tenant, room, tom.id) == (100, False)
    assert (await rooms.inbox(office.db, office.tenant, tom.id, limit=10))[0].unread == 100
    await _mark(office, room, tom, said[-1].seq - 99)
    assert await rooms.unread(office.db, office.tenant, room, tom.id) == (99, False)


async def test_a_mention_shows_until_it_was_read_or_taken_back(office: Office) -> None:
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana, tom)
    one = (await office.desk.sends(ana, room, "Tom?", mentions=[UserId(tom.id)])).message
    two = (await office.desk.sends(ana, room, "Tom!", mentions=[UserId(tom.id)])).message
    await office.desk.sends(ana, room, "Somebody?")
    assert await rooms.unread(office.db, office.tenant, room, tom.id) == (3, True)
    await _mark(office, room, tom, one.seq)
    assert await rooms.unread(office.db, office.tenant, room, tom.id) == (2, True)
    await editing.delete(office.ports, ana, two.id)
    assert await rooms.unread(office.db, office.tenant, room, tom.id) == (1, False)
    assert await rooms.unread(office.db, office.tenant, room, ana.id) == (0, False)


async def test_what_was_said_before_somebody_came_is_not_unread(office: Office) -> None:
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana)
    await fill(office, ana, room, ["Hi"] * 4)
    await members.add(office.ports, ana, room, tom.id)
    assert await rooms.unread(office.db, office.tenant, room, tom.id) == (0, False)
    await office.desk.sends(ana, room, "Welcome")
    assert await rooms.unread(office.db, office.tenant, room, tom.id) == (1, False)


# What it costs


class Recorded:
    """Passes statements on, and keeps them."""

    def __init__(self, db: Queries) -> None:
        self._db = db
        self.asked: list[tuple[str, tuple[object, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._db, name)
        if name not in ("fetch", "fetchrow", "fetchval", "execute"):
            return call

        async def ask(sql: str, *args: object) -> Any:
            self.asked.append((sql, args))
            return await call(sql, *args)

        return ask


def watched(office: Office) -> list[tuple[str, tuple[object, ...]]]:
    """What is said in transactions from now on, until the attribute is taken away again."""
    recorded: list[tuple[str, tuple[object, ...]]] = []
    transaction = office.db.transaction

    @asynccontextmanager
    async def spied() -> AsyncIterator[Any]:
        async with transaction() as tx:
            spy = Recorded(tx)
            spy.asked = recorded
            yield spy

    office.db.transaction = spied  # type: ignore[assignment,method-assign]
    return recorded


async def plans(db: Database, asked: Sequence[tuple[str, tuple[object, ...]]]) -> str:
    """How the database would go about some statements; PostgreSQL, as if the tables were too large to read."""
    found: list[str] = []
    async with db.transaction() as tx:
        explain = "EXPLAIN QUERY PLAN " if db.dialect == "sqlite" else "EXPLAIN "
        if db.dialect == "postgresql":
            await tx.execute("SET LOCAL enable_seqscan = off")
        for sql, args in asked:
            rows = await tx.fetch(explain + sql, *args)
            found += [str(row["detail"] if db.dialect == "sqlite" else row["QUERY PLAN"]) for row in rows]
    return "\n".join(found)


_filled: dict[str, tuple[Actor, RoomId, list[Message]]] = {}


@pytest_asyncio.fixture(loop_scope="session")
async def busy(office: Office) -> tuple[Office, Actor, RoomId, list[Message]]:
    """A room with two thousand messages, a few of which have changed, among other rooms; filled once per database."""
    if office.url not in _filled:
        ana = await office.person()
        room, *others = [await office.room(ana) for _ in range(4)]
        said = await fill(office, ana, room, [f"{n}" for n in range(2000)])
        for other in others:
            await fill(office, ana, other, ["Hi"] * 50)
        for message in said[::200]:
            await editing.edit(office.ports, ana, message.id, "edited")
        columns = dict.fromkeys(("queue", "key", "payload", "status"), "text")
        columns |= {"tenant_id": "uuid", "due_at": "bigint", "created_at": "bigint"}
        work = [
            ("turn", new_id(), "{}", "pending" if n % 10 == 0 else "done", office.tenant, n, n) for n in range(3000)
        ]
        await office.db.insert_many("outbox", columns, work)
        if office.db.dialect == "postgresql":
            await office.db.execute("ANALYZE")
        _filled[office.url] = ana, room, said
    return office, *_filled[office.url]


Ask = Callable[[Any, Office, Actor, RoomId, list[Message]], Awaitable[object]]
QUESTIONS: dict[str, tuple[Ask, list[str]]] = {
    "newest messages": (
        lambda db, office, ana, room, said: messages.before(db, office.tenant, room, None, 50),
        ["messages_order"],
    ),
    "older messages": (
        lambda db, office, ana, room, said: messages.before(db, office.tenant, room, 1000, 50),
        ["messages_order"],
    ),
    "newer messages": (
        lambda db, office, ana, room, said: messages.after(db, office.tenant, room, 1000, 50),
        ["messages_order"],
    ),
    "changes": (
        lambda db, office, ana, room, said: messages.changed(db, office.tenant, room, 1900, 101),
        ["messages_order", "messages_changed"],
    ),
    "changed places": (
        lambda db, office, ana, room, said: rooms.participants_changed(db, office.tenant, room, 1, 101),
        ["participants_changed"],
    ),
    "a message sent again": (
        lambda db, office, ana, room, said: messages.by_client_id(db, office.tenant, room, ana.id, said[5].client_id),
        ["messages_client"],
    ),
    "a thread": (
        lambda db, office, ana, room, said: messages.in_thread(db, office.tenant, said[0].id, 0, 50),
        ["messages_thread"],
    ),
    "pinned messages": (
        lambda db, office, ana, room, said: messages.pinned(db, office.tenant, room, 50),
        ["messages_pinned"],
    ),
    "what is unread": (
        lambda db, office, ana, room, said: rooms.unread(db, office.tenant, room, ana.id),
        ["messages_order"],
    ),
    "tips": (
        lambda db, office, ana, room, said: rooms.moved(db, office.clock.now_us() - 5_000_000),
        ["rooms_changed"],
    ),
    "revoked tokens": (
        lambda db, office, ana, room, said: people.changed_since(db, office.clock.now_us()),
        ["users_changed"],
    ),
    "due cases": (
        lambda db, office, ana, room, said: cases.due(db, office.clock.now_us(), 100),
        ["cases_due"],
    ),
    "due rooms": (
        lambda db, office, ana, room, said: db.fetch(
            "SELECT tenant_id, id FROM rooms WHERE due_at <= $1 ORDER BY due_at LIMIT $2", office.clock.now_us(), 100
        ),
        ["rooms_due"],
    ),
    "finished work": (
        lambda db, office, ana, room, said: outbox.last_id(db, office.tenant, "turn", room),
        ["outbox_key"],
    ),
}


@pytest.mark.parametrize("question", QUESTIONS)
async def test_what_is_asked_all_the_time_is_answered_from_its_index(
    busy: tuple[Office, Actor, RoomId, list[Message]], question: str
) -> None:
    """And reads no table from end to end, however large it grows."""
    office, ana, room, said = busy
    ask, indexes = QUESTIONS[question]
    recorded = Recorded(office.db)
    await ask(recorded, office, ana, room, said)
    plan = await plans(office.db, recorded.asked[:1])
    for index in indexes:
        assert index in plan, plan
    if office.db.dialect == "postgresql":
        assert "Seq Scan" not in plan, plan
    else:
        whole = [line for line in plan.splitlines() if line.startswith("SCAN") and "USING" not in line]
        assert [line for line in whole if line.split()[1] in ("m", "r", "p", "messages", "rooms", "o")] == [], plan
        if question != "changes":  # two kinds of change, each in its order, are put into one
            assert "USE TEMP B-TREE FOR ORDER BY" not in plan, plan


async def test_due_work_is_found_by_its_index(busy: tuple[Office, Actor, RoomId, list[Message]]) -> None:
    office, *_ = busy
    recorded = watched(office)
    await outbox.claim(office.db, "turn", office.clock.now_us(), 1, 10, one_per_key=True)
    del office.db.transaction  # type: ignore[attr-defined]  # the class's own again
    plan = await plans(office.db, recorded[:1])
    assert "outbox_due" in plan, plan
    assert "SCAN" not in plan and "Seq Scan" not in plan, plan


async def test_a_batch_reads_no_whole_table(busy: tuple[Office, Actor, RoomId, list[Message]]) -> None:
    """The statements of a lane, on a room with a long history."""
    office, ana, room, said = busy
    recorded = watched(office)
    sends = [office.desk.post(ana, room, f"{n}") for n in range(20)]
    sends.append(office.desk.post(ana, room, "answer", thread=said[0].id))
    await asyncio.gather(*sends)
    del office.db.transaction  # type: ignore[attr-defined]  # the class's own again
    asked = [(sql, args) for sql, args in recorded if "now_us" not in sql]
    assert len(asked) >= 4
    plan = await plans(office.db, asked)
    assert "messages_client" in plan
    if office.db.dialect == "postgresql":
        assert not [line for line in plan.splitlines() if "Seq Scan on" in line], plan
    else:
        read_whole = {line.split()[1] for line in plan.splitlines() if line.startswith("SCAN")}
        assert not read_whole & {"m", "r", "p", "rooms", "messages", "participants", "cases"}, plan
        # By the tenant alone it would be all rooms of an installation again, only by an index.
        assert "(tenant_id=?)" not in plan, plan
