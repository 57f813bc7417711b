"""What ``Journal.change`` promises: one commit or none, told exactly if it happened, whoever goes away when."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from msgspec.structs import replace
from structlog.testing import capture_logs

from deskbell.actions import (
    cases,
    editing,
    escalation,
    members,
    messages,
    notes,
    pins,
    reactions,
    reads,
    rooms,
    support,
)
from deskbell.errors import NotFound, OutcomeUnknown, Unavailable
from deskbell.ids import RoomId, new_id
from deskbell.model.records import Actor
from deskbell.store import database
from deskbell.store import rooms as store_rooms
from deskbell.testing.office import Instance, Office
from deskbell.wire.commands import Draft

Prepared = Callable[[], Coroutine[Any, Any, Any]]


@pytest_asyncio.fixture(loop_scope="session")
async def two(shared_postgres_url: str) -> AsyncIterator[Office]:
    """Two instances on one PostgreSQL."""
    async with Office.open(shared_postgres_url) as opened:
        await opened.instance(lock_timeout_ms=60)
        yield opened


async def told_what_is_there(office: Office, *room_ids: RoomId) -> None:
    """Every number of these rooms was told once, and no number that is not there."""
    for room in room_ids:
        assert sorted(office.desk.told(room)) == list(range(1, await office.tip(room) + 1))


# One commit


async def test_what_is_put_into_one_change_is_one_commit(office: Office) -> None:
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room, other = await office.room(ana, tom), await office.room(ana)
    before = len(office.desk.announced)
    async with office.desk.journal.change(office.tenant, room, other) as change:
        change.put_room(replace(change.room(room), name="New name"))
        await change.post(room, ana.public(), "one", kind="text")
        await change.post(other, ana.public(), "two", kind="text")
        assert len(office.desk.announced) == before, "told before it was committed"
        assert await seen_from_outside(office, room) == 3, "seen before it was committed"
    assert await office.texts(room) == ["one"] and await office.texts(other) == ["two"]
    assert (await office.tip(room), await office.tip(other)) == (5, 3)
    await told_what_is_there(office, room, other)


async def seen_from_outside(office: Office, room: RoomId) -> int:
    """The tip as somebody else sees it now."""

    async def look() -> int:
        database._inside.set(())  # a task of somebody else's, not one started inside our transaction
        return await office.tip(room)

    return await asyncio.create_task(look())


@pytest.mark.parametrize("error", [NotFound(), RuntimeError("a mistake"), asyncio.CancelledError()])
async def test_an_exception_undoes_all_of_it_and_nothing_is_told(office: Office, error: BaseException) -> None:
    """Also the exception itself arrives as it was raised, a cause of nothing."""
    ana = await office.person()
    room = await office.room(ana)
    with pytest.raises(type(error)) as caught:
        async with office.desk.journal.change(office.tenant, room) as change:
            await change.post(room, ana.public(), "never", kind="text")
            await change.leave_work("observe", room, {})
            raise error
    assert caught.value is error
    assert caught.value.__cause__ is None
    assert (await office.texts(room), await office.tip(room)) == ([], 2)
    assert office.desk.filled == []
    await told_what_is_there(office, room)
    await rooms.update(office.ports, ana, room, name="goes on")


async def test_rooms_that_do_not_exist_are_not_in_the_change(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana)
    stranger = RoomId(new_id())
    async with office.desk.journal.change(office.tenant, room, stranger, room) as change:
        assert set(change.rooms) == {room}
        with pytest.raises(NotFound):
            change.room(stranger)
    async with office.desk.journal.change(new_id(), room) as change:  # type: ignore[arg-type]
        assert change.rooms == {}


async def test_putting_the_same_value_takes_no_number_and_tells_nothing(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana, name="Name")
    async with office.desk.journal.change(office.tenant, room) as change:
        change.put_room(replace(change.room(room), name="Name"))
    assert await office.tip(room) == 2
    await rooms.update(office.ports, ana, room, name="Name")
    assert await office.tip(room) == 2
    await told_what_is_there(office, room)


async def test_several_changes_of_a_rooms_state_in_one_commit_are_one_change(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana)
    async with office.desk.journal.change(office.tenant, room) as change:
        change.put_room(replace(change.room(room), name="One"))
        await change.post(room, ana.public(), "between", kind="text")
        put = change.put_room(replace(change.room(room), description="Two"))
    assert (put.changed_seq, await office.tip(room)) == (3, 4)
    stored = await rooms.get(office.ports, ana, room)
    assert (stored.name, stored.description, stored.changed_seq) == ("One", "Two", 3)
    last = [event for event in office.desk.announced if event.kind == "room" and event.key == room][-1]
    assert msgspec.json.decode(last.frame)["state"]["description"] == "Two"
    await told_what_is_there(office, room)


async def test_a_key_that_is_taken_gives_no_second_room(office: Office) -> None:
    """Twenty who open the same at once are in one room."""
    ana = await office.person()
    key = new_id()
    opened = await asyncio.gather(*(rooms.create(office.ports, ana, "group", key=key) for _ in range(20)))
    assert len({room.id for room, _ in opened}) == 1
    assert [new for _, new in opened].count(True) == 1
    await told_what_is_there(office, opened[0][0].id)


async def test_a_locked_room_is_waited_for_and_then_refused_with_a_hint(two: Office) -> None:
    """Within bounds: a lock that is given back in time costs patience only."""
    ana = await two.person()
    room = await two.room(ana)
    for hold_s, refused in ((0.1, False), (3.0, True)):
        over = asyncio.Event()

        async def hold(over: asyncio.Event = over) -> None:
            async with two.desk.db.transaction() as tx:
                await tx.fetch("SELECT 1 FROM rooms WHERE id = $1 FOR UPDATE", room)
                await over.wait()

        holding = asyncio.create_task(hold())
        await asyncio.sleep(0.05)
        asyncio.get_running_loop().call_later(hold_s, over.set)
        renaming = rooms.update(two.instances[1].ports, ana, room, name=f"{hold_s}")
        if refused:
            with pytest.raises(Unavailable) as caught:
                await renaming
            assert caught.value.retry_after_ms
            over.set()
        else:
            await renaming
        await holding
    assert (await rooms.get(two.ports, ana, room)).name == "0.1"


async def test_changes_of_the_same_rooms_in_any_order_do_not_block_each_other(two: Office) -> None:
    ana = await two.person()
    pair = [await two.room(ana), await two.room(ana)]
    before = await two.db.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    patient = await two.instance()

    async def rename_both(instance: Instance, number: int) -> None:
        order = pair if number % 2 else pair[::-1]
        async with instance.journal.change(two.tenant, *order) as change:
            for room in order:
                change.put_room(replace(change.room(room), name=f"{number}"))

    await asyncio.gather(*(rename_both((two.desk, patient)[n // 2 % 2], n) for n in range(40)))
    after = await two.db.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert after == before
    names = {(await rooms.get(two.ports, ana, room)).name for room in pair}
    assert len(names) == 1
    assert [await two.tip(room) for room in pair] == [42, 42]


async def test_a_silent_place_takes_no_number(office: Office) -> None:
    """In a room that only counts its members a join is stored and told to nobody as a change."""
    admin, tom = await office.agent(role="admin"), await office.person("Tom")
    room = await office.room(admin, channel_type="community")
    tip = await office.tip(room)
    await members.join(office.ports, tom, room)
    assert await office.tip(room) == tip
    await members.leave(office.ports, tom, room)
    assert await office.tip(room) == tip
    assert [e.seq for e in office.desk.announced if e.kind == "participant" and e.sender == tom.id] == [0, 0]


async def test_a_deleted_message_leaves_nothing_of_itself(office: Office) -> None:
    """Neither its text, its earlier texts, what came with it, nor who liked it."""
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana, tom)
    posted = await office.desk.sends(
        ana,
        room,
        "secret one",
        request="hash",
        metadata={"note": "secret two"},
        mentions=[tom.id],
        attachments=[{"name": "secret 3"}],
    )
    await editing.edit(office.ports, ana, posted.message.id, "secret four")
    await reactions.react(office.ports, tom, posted.message.id, "👍", on=True)
    await editing.delete(office.ports, ana, posted.message.id)
    for table in ("messages", "revisions", "reactions", "outbox", "rooms", "participants"):
        found = await office.db.fetch(f"SELECT * FROM {table} WHERE tenant_id = $1", office.tenant)
        mine = [dict(row.items()) for row in found if posted.message.id in [*dict(row.items()).values()]]
        assert "secret" not in repr(mine)
        assert table == "messages" or mine == []


# Whoever goes away


class Leaving:
    """Runs some work and cancels it at its ``at``-th wait, exactly there.

    ``how``: *before* the answer came, *when* it is there and has not been heard, or *twice*. ``left``
    tells whether the work waited that often.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], at: int, how: str) -> None:
        self.left = False
        self._work = work
        self._at = at
        self._how = how

    def __await__(self) -> Generator[Any, None, Any]:
        steps = self._work.__await__()
        try:
            waits_for = next(steps)
            for number in itertools.count():
                leaves = number == self._at or (self._how == "twice" and number == self._at + 1 and self.left)
                if leaves and self._how != "when" and waits_for is not None:
                    waits_for.cancel()
                elif waits_for is None or not waits_for.done():
                    yield waits_for
                if leaves:
                    self.left = True
                    waits_for = steps.throw(asyncio.CancelledError())
                else:
                    waits_for = steps.send(None)
        except StopIteration as over:
            return over.value


async def ended(leaving: Leaving) -> bool:
    """Run it in a task of its own. False: it came to its end before it could be cut off."""

    async def run() -> None:
        await leaving

    task = asyncio.create_task(run())
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
    assert task.cancelled() == leaving.left
    return leaving.left


class Scene:
    """People and rooms to which the kinds of writing are done, one after the other."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.ports = office.ports

    async def enter(self) -> None:
        office = self.office
        self.ana, self.tom = await office.person("Ana"), await office.person("Tom")
        self.maya, self.ada = await office.person("Maya", kind="visitor"), await office.agent()
        self.room = await office.room(self.ana, self.tom)
        self.marks = reads.Marks(office.ports)

    async def said(self) -> Any:
        return (await self.office.desk.sends(self.ana, self.room, "said")).message

    async def conversation(self) -> RoomId:
        self.ports.limits._buckets.clear()  # the number of conversations a minute is not what is tested
        return (await support.open_conversation(self.ports, self.maya, new=True))[0].id

    # Each gets ready and returns the one thing to be done.

    async def post(self) -> Prepared:
        return lambda: messages.post(self.ports, self.ana, self.room, Draft(content="Hi"))

    async def edit(self) -> Prepared:
        message = await self.said()
        return lambda: editing.edit(self.ports, self.ana, message.id, "changed")

    async def delete(self) -> Prepared:
        message = await self.said()
        return lambda: editing.delete(self.ports, self.ana, message.id)

    async def react(self) -> Prepared:
        message = await self.said()
        return lambda: reactions.react(self.ports, self.tom, message.id, "👍", on=True)

    async def unreact(self) -> Prepared:
        message = await self.said()
        await reactions.react(self.ports, self.tom, message.id, "👍", on=True)
        return lambda: reactions.react(self.ports, self.tom, message.id, "👍", on=False)

    async def pin(self) -> Prepared:
        message = await self.said()
        return lambda: pins.pin(self.ports, self.ana, message.id, on=True)

    async def rename(self) -> Prepared:
        return lambda: rooms.update(self.ports, self.ana, self.room, name=new_id())

    async def create(self) -> Prepared:
        return lambda: rooms.create(self.ports, self.ana, "group", participants=[self.tom.id])

    async def join(self) -> Prepared:
        room = await self.conversation()
        return lambda: members.join(self.ports, self.ada, room)

    async def leave(self) -> Prepared:
        await self._tom_is_in()
        return lambda: members.leave(self.ports, self.tom, self.room)

    async def ban(self) -> Prepared:
        await self._tom_is_in()
        return lambda: members.change_place(self.ports, self.ana, self.room, self.tom.id, state="banned")

    async def mute(self) -> Prepared:
        await self._tom_is_in()
        seconds = next(_numbers)
        return lambda: members.change_place(self.ports, self.ana, self.room, self.tom.id, mute_s=seconds)

    async def _tom_is_in(self) -> None:
        async with self.ports.journal.change(self.office.tenant, self.room) as change:
            place = await change.member(self.room, self.tom.id)
            assert place is not None
            if place.state != "joined":
                await change.put_member(replace(place, state="joined"), self.tom.public())

    async def open(self) -> Prepared:
        self.ports.limits._buckets.clear()
        return lambda: support.open_conversation(self.ports, self.maya, new=True)

    async def escalate(self) -> Prepared:
        room = await self.conversation()
        return lambda: escalation.escalate(self.ports, self.maya, room)

    async def claim(self) -> Prepared:
        case = await escalation.escalate(self.ports, self.maya, await self.conversation())
        return lambda: cases.claim(self.ports, self.ada, case.id)

    async def resolve(self) -> Prepared:
        case = await cases.take_over(self.ports, self.ada, await self.conversation())
        return lambda: cases.resolve(self.ports, self.ada, case.id)

    async def note(self) -> Prepared:
        room = await self.conversation()
        return lambda: notes.write(self.ports, self.ada, room, "he is in a hurry")

    async def read(self) -> Prepared:
        message = await self.said()
        return lambda: reads.mark_read(self.ports, self.marks, self.tom, self.room, message.seq)


_numbers = itertools.count(60)

KINDS = [
    "post", "edit", "delete", "react", "unreact", "pin", "rename", "create", "join", "leave", "ban", "mute", "open",
    "escalate", "claim", "resolve", "note", "read",
]  # fmt: skip


async def _every_number_was_told(office: Office) -> None:
    """Of all rooms of the tenant that this office told of: what is there was told, and nothing else."""
    tips = {
        row["id"]: row["seq"]
        for row in await office.db.fetch("SELECT id, seq FROM rooms WHERE tenant_id = $1", office.tenant)
    }
    told: dict[str, list[int]] = {}
    for event in office.desk.announced:
        if event.topic == "room" and event.seq:
            told.setdefault(event.key, []).append(event.seq)
    for room, numbers in told.items():
        assert sorted(numbers) == list(range(1, tips.get(room, 0) + 1))


@pytest.mark.parametrize(
    ("kind", "how"),
    [(kind, "when") for kind in KINDS]
    + [(kind, how) for kind in ("edit", "ban", "note") for how in ("before", "twice")],
)
async def test_a_caller_who_goes_away_leaves_a_working_store_and_no_false_news(
    office: Office, kind: str, how: str
) -> None:
    """Wherever they are cut off: what was committed was told, nothing else was, and the next write works."""
    scene = Scene(office)
    await scene.enter()
    await (await getattr(scene, kind)())()  # connections are made, statements prepared
    for at in range(200):
        work = await getattr(scene, kind)()
        leaving = Leaving(work(), at, how)
        async with asyncio.timeout(20):
            if not await ended(leaving):
                break
    assert at > 1, "it never waited"
    async with asyncio.timeout(20):
        await office.desk.sends(scene.ana, scene.room, "the next")
        await rooms.update(office.ports, scene.ana, scene.room, name="works")
    await _every_number_was_told(office)


def _commits(
    office: Office, instead: Callable[[Callable[..., Awaitable[None]], tuple[Any, ...]], Awaitable[None]]
) -> None:
    """Do something else instead of the first commit from now on."""
    backend: Any = office.db._backend
    commit = backend._commit

    async def once(*args: Any) -> None:
        backend._commit = commit
        await instead(commit, args)

    backend._commit = once


async def _renaming(office: Office, ana: Actor, room: RoomId) -> None:
    await rooms.update(office.ports, ana, room, name="renamed")


async def test_a_caller_cut_off_while_committing_is_let_go_when_the_news_is_out(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana)
    committing = asyncio.Event()

    async def slowly(commit: Callable[..., Awaitable[None]], args: tuple[Any, ...]) -> None:
        committing.set()
        await asyncio.sleep(0.05)
        await commit(*args)

    _commits(office, slowly)
    task = asyncio.create_task(_renaming(office, ana, room))
    await committing.wait()
    task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done()
    await asyncio.wait([task])
    assert task.cancelled()
    assert await office.tip(room) == 3
    await told_what_is_there(office, room)


async def _in_the_middle_of_a_failure(office: Office, ana: Actor, room: RoomId) -> None:
    try:
        raise database.StoreUnavailable("something else, before")
    except database.StoreError:
        await _renaming(office, ana, room)


@pytest.mark.parametrize("how", ["when", "before"])
async def test_an_older_failure_of_the_callers_does_not_silence_the_news(office: Office, how: str) -> None:
    """Who repairs something in an ``except`` block, and is cut off, has still committed."""
    ana = await office.person()
    room = await office.room(ana)
    for at in range(200):
        before = await office.tip(room)
        leaving = Leaving(_in_the_middle_of_a_failure(office, ana, room), at, how)
        if not await ended(leaving):
            break
        await told_what_is_there(office, room)
        if await office.tip(room) > before:
            async with office.desk.journal.change(office.tenant, room) as change:
                change.put_room(replace(change.room(room), name="as before"))
    assert at > 1


async def test_a_commit_that_failed_while_its_caller_was_cut_off_is_not_told(office: Office) -> None:
    """However often they are cut off."""
    ana = await office.person()
    for times in (1, 2):
        room = await office.room(ana)
        committing = asyncio.Event()

        async def fail(commit: object, args: tuple[Any, ...], committing: asyncio.Event = committing) -> None:
            committing.set()
            await asyncio.sleep(0.05)
            await office.db._backend._roll_back(*(args or (office.db._backend._writer,)))  # type: ignore[union-attr]
            raise database.OutcomeUnknown("cut")

        _commits(office, fail)
        task = asyncio.create_task(_renaming(office, ana, room))
        await committing.wait()
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0.01)
        await asyncio.wait([task])
        assert task.cancelled()
        assert await office.tip(room) == 2
        await told_what_is_there(office, room)


async def test_who_is_cut_off_while_a_failed_connection_is_given_back_tells_nothing(two: Office) -> None:
    """The cancellation then comes after the failure, and hides it from a quick look."""
    ana = await two.person()
    room = await two.room(ana)
    backend: Any = two.db._backend
    release, releasing = backend._release, asyncio.Event()

    async def fail(commit: object, args: tuple[Any, ...]) -> None:
        await backend._roll_back(*args)
        backend._release = slowly
        raise database.OutcomeUnknown("cut")

    async def slowly(con: Any) -> None:
        backend._release = release
        await release(con)
        releasing.set()
        await asyncio.sleep(5)

    _commits(two, fail)
    task = asyncio.create_task(_renaming(two, ana, room))
    await releasing.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert await two.tip(room) == 2
    await told_what_is_there(two, room)


async def test_a_lost_commit_is_said_to_be_of_unknown_outcome_and_may_be_repeated(office: Office) -> None:
    """These verbs set a state: doing it again gives what was wanted, and a number is not taken twice."""
    ana = await office.person()
    room = await office.room(ana)

    async def cut(commit: Callable[..., Awaitable[None]], args: tuple[Any, ...]) -> None:
        await commit(*args)
        raise database.OutcomeUnknown("the connection was lost")

    _commits(office, cut)
    with pytest.raises(OutcomeUnknown) as caught:
        await _renaming(office, ana, room)
    assert caught.value.temporary and caught.value.retry_after_ms
    assert await office.tip(room) == 3
    await _renaming(office, ana, room)
    assert await office.tip(room) == 3


async def test_a_commit_that_could_not_be_made_is_unavailable(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana)

    async def fail(commit: object, args: tuple[Any, ...]) -> None:
        await office.db._backend._roll_back(*(args or (office.db._backend._writer,)))  # type: ignore[union-attr]
        raise database.StoreUnavailable("gone")

    _commits(office, fail)
    with pytest.raises(Unavailable):
        await _renaming(office, ana, room)
    assert await office.tip(room) == 2
    await told_what_is_there(office, room)
    await _renaming(office, ana, room)


async def test_changes_that_ended_leave_no_trace_on_their_task(office: Office) -> None:
    """However they ended: the task may begin another, and remembers none, so nothing gathers in long-lived ones."""
    ana = await office.person()
    room = await office.room(ana)

    async def fail() -> None:
        async with office.desk.journal.change(office.tenant, room):
            raise NotFound

    async def be_cut_off() -> None:
        async with asyncio.timeout(0), office.desk.journal.change(office.tenant, room):
            await asyncio.sleep(5)

    async def nothing_there() -> None:
        async with office.desk.journal.change(office.tenant, RoomId(new_id())):
            pass

    async def rename() -> None:
        await _renaming(office, ana, room)

    async with asyncio.timeout(20):
        for number in range(60):
            with contextlib.suppress(NotFound, TimeoutError):
                await (fail, be_cut_off, nothing_there, rename)[number % 4]()
            assert database._inside.get() == ()


async def test_a_listener_who_fails_does_not_make_a_commit_look_like_a_failure(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana)

    def fail(_: object) -> None:
        raise RuntimeError("nobody listens")

    office.desk.journal.announce = fail
    with capture_logs():
        assert (await rooms.update(office.ports, ana, room, name="New")).name == "New"
    assert (await rooms.get(office.ports, ana, room)).name == "New"


async def test_a_place_that_somebody_holds_keeps_no_other_mark_waiting(two: Office) -> None:
    """Marks of many readers are written together; whose row is locked is written when it is free again."""
    ana, tom = await two.person("Ana"), await two.person("Tom")
    room = await two.room(ana, tom)
    seq = (await two.desk.sends(ana, room, "read me")).message.seq
    ports = two.instances[1].ports
    marks = reads.Marks(ports)

    async def read() -> dict[str, int]:
        return {user: mark[0] for user, mark in (await store_rooms.reads(two.db, two.tenant, room)).items()}

    async with two.db.transaction() as held:
        await held.fetch("SELECT 1 FROM participants WHERE user_id = $1 FOR UPDATE", tom.id)

        async def meanwhile() -> None:
            marks.move(two.tenant, room, tom.id, read_seq=seq, shown=True)
            assert await reads.mark_read(ports, marks, ana, room, seq) == (0, False)
            with pytest.raises(database.StoreConflict):
                await reads.mark_read(ports, marks, tom, room, seq)

        # Of another context: what belongs to a transaction may speak to nothing else.
        await contextvars.Context().run(asyncio.create_task, meanwhile())
    assert await read() == {ana.id: seq, tom.id: 0}

    await marks.flush()
    assert await read() == {ana.id: seq, tom.id: seq}


async def test_marks_gathered_by_others_survive_a_reader_who_goes_away(office: Office) -> None:
    """Marks of many readers are written together; one who is cut off takes no other's along."""
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana, tom)
    marks = reads.Marks(office.ports)
    for at in range(200):
        message = (await office.desk.sends(ana, room, "read me")).message
        marks.move(office.tenant, room, ana.id, read_seq=message.seq, shown=True)
        left = await ended(Leaving(reads.mark_read(office.ports, marks, tom, room, message.seq), at, "before"))
        await marks.flush()
        place = await office.db.fetchval(
            "SELECT last_read_seq FROM participants WHERE room_id = $1 AND user_id = $2", room, ana.id
        )
        assert place == message.seq
        if not left:
            break
    assert at > 1
