"""What the journal promises about messages, the same on PostgreSQL and SQLite.

Where two instances matter, the tests run on PostgreSQL alone: SQLite is for one process.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace
from structlog.testing import capture_logs

from deskbell.actions import cases, editing, escalation, members, messages, reactions, rooms, support, transcript
from deskbell.clock import to_us
from deskbell.errors import (
    ClientIdReused,
    DeskbellError,
    KindNotAllowed,
    Muted,
    NotFound,
    OutcomeUnknown,
    PreconditionFailed,
    RoomClosed,
    Stale,
    Unavailable,
)
from deskbell.ids import RoomId, new_id
from deskbell.model.records import Actor
from deskbell.store import messages as stored_messages
from deskbell.store.database import OutcomeUnknown as CutOff
from deskbell.store.posting import JournalSettings, Outcome, Posted
from deskbell.testing.office import Instance, Office, announced_messages, expecting
from deskbell.wire.commands import Draft
from deskbell.wire.events import Event

PATIENCE_S = 20.0


@pytest_asyncio.fixture(loop_scope="session")
async def two(shared_postgres_url: str) -> AsyncIterator[Office]:
    """Two instances on one PostgreSQL."""
    async with Office.open(shared_postgres_url) as opened:
        await opened.instance()
        yield opened


@pytest.fixture(params=["sqlite", "postgresql", "two instances"])
def house_url(request: pytest.FixtureRequest) -> tuple[str, int]:
    """A database, and how many instances share it."""
    url: str = request.getfixturevalue(f"shared_{'sqlite' if request.param == 'sqlite' else 'postgres'}_url")
    return url, 2 if request.param == "two instances" else 1


@pytest_asyncio.fixture(loop_scope="session")
async def house(house_url: tuple[str, int]) -> AsyncIterator[Office]:
    """One instance that decides and writes, or one that decides and another that writes: the last."""
    url, instances = house_url
    async with Office.open(url) as opened:
        for _ in range(instances - 1):
            await opened.instance()
        yield opened


def codes(outcomes: list[Outcome]) -> Counter[str]:
    """What became of some sends, counted."""
    return Counter(
        outcome.code if isinstance(outcome, DeskbellError) else "duplicate" if outcome.duplicate else "stored"
        for outcome in outcomes
    )


def batches(instance: Instance) -> list[int]:
    """How many events each commit of an instance told, from now on."""
    sizes: list[int] = []
    instance.ports.bus.subscribe(lambda events: sizes.append(len(events)))
    return sizes


@contextlib.asynccontextmanager
async def locked(instance: Instance, *room_ids: RoomId) -> AsyncIterator[None]:
    """Keep rooms locked by somebody else; on SQLite that is the whole store."""
    ready, over = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with instance.db.transaction() as tx:
            await tx.fetch("SELECT 1 FROM rooms WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE", list(room_ids))
            ready.set()
            await over.wait()

    holding = asyncio.create_task(hold())
    await ready.wait()
    try:
        yield
    finally:
        over.set()
        await holding


# One order


async def _speak_and_change(instance: Instance, who: Actor, room: RoomId, name: str) -> None:
    """Twelve messages, each followed by something that changes the room or the message."""
    for number in range(12):
        said = (await instance.sends(who, room, f"{name} {number}")).message
        if number % 4 == 0:
            await editing.edit(instance.ports, who, said.id, f"{name} {number}, corrected")
        elif number % 4 == 1:
            await reactions.react(instance.ports, who, said.id, "👍", on=True)
        elif number % 4 == 2:
            await rooms.update(instance.ports, who, room, description=f"{name} {number}")
        else:
            await editing.delete(instance.ports, who, said.id)


async def test_numbers_are_dense_from_one_whoever_writes(office: Office) -> None:
    """Each number is taken by one change; none is left out, none told twice."""
    ana, tom = await office.person("Ana"), await office.person("Tom")
    two_rooms = [await office.room(ana, tom, name=name) for name in ("one", "two")]
    await asyncio.gather(
        *(_speak_and_change(office.desk, ana, room, f"{n}") for room in two_rooms for n in range(5)),
    )
    for room in two_rooms:
        tip = await office.tip(room)
        # Room and two members, and for each of 60 messages itself and its change.
        assert tip == 3 + 5 * 12 * 2
        assert sorted(office.desk.told(room)) == list(range(1, tip + 1))
        assert len(await office.texts(room)) == 60


async def test_numbers_are_dense_over_two_instances(two: Office) -> None:
    """Two processes number one room as if they were one, and no reader ever sees a hole."""
    ana, tom = await two.person("Ana"), await two.person("Tom")
    room, quiet = await two.room(ana, tom), await two.room(ana, tom)
    one, other = two.instances
    holes: list[Any] = []
    over = asyncio.Event()

    async def look() -> None:
        while not over.is_set():
            async with one.db.snapshot() as at:
                tip = await at.fetchval("SELECT seq FROM rooms WHERE id = $1", quiet)
                births = [r["seq"] for r in await at.fetch("SELECT seq FROM messages WHERE room_id = $1", quiet)]
            if sorted(births) != list(range(4, tip + 1)):
                holes.append((tip, births))
            await asyncio.sleep(0.002)

    looking = asyncio.create_task(look())
    await asyncio.gather(
        *(_speak_and_change(one, ana, room, f"one {n}") for n in range(3)),
        *(_speak_and_change(other, tom if n == 9 else ana, room, f"other {n}") for n in range(3)),
        *(instance.post(ana, quiet, f"{n}") for n in range(100) for instance in two.instances),
    )
    over.set()
    await looking
    assert holes == []
    for number in (room, quiet):
        tip = await two.tip(number)
        assert sorted(one.told(number) + other.told(number)) == list(range(1, tip + 1))
    assert await two.tip(quiet) == 3 + 200


async def test_each_lane_tells_in_the_order_of_its_commits(office: Office) -> None:
    ana = await office.person("Ana")
    room = await office.room(ana)
    for burst in range(5):
        await asyncio.gather(*(office.desk.post(ana, room, f"{burst} {n}") for n in range(20)))
    told = office.desk.told(room)
    assert told == list(range(1, len(told) + 1))
    assert await office.texts(room) == [f"{burst} {n}" for burst in range(5) for n in range(20)]


async def test_a_senders_messages_keep_their_order(office: Office) -> None:
    """Also where some need a closer look than others: an answer in a thread, one with an expectation."""
    ana = await office.person("Ana")
    room = await office.room(ana)
    root = (await office.desk.sends(ana, room, "root")).message.id
    tip = await office.tip(room)
    await asyncio.gather(
        office.desk.post(ana, room, "1", thread=root),
        office.desk.post(ana, room, "2"),
        office.desk.post(ana, room, "3", expect=expecting(seq=tip)),
        office.desk.post(ana, room, "4"),
        office.desk.post(ana, room, "5", thread=root),
    )
    assert await office.texts(room) == ["root", "1", "2", "3", "4", "5"]


async def test_an_answer_in_a_thread_changes_its_root(office: Office) -> None:
    """The root takes a number of its own, so that who resumes learns of the answer's count."""
    ana = await office.person("Ana")
    room = await office.room(ana)
    root = (await office.desk.sends(ana, room, "root")).message
    answers = await asyncio.gather(*(office.desk.post(ana, room, f"{n}", thread=root.id) for n in range(3)))
    now = await transcript.get(office.ports, ana, root.id)
    tip = await office.tip(room)
    assert codes(answers) == {"stored": 3}
    assert (now.thread_count, now.changed_seq, tip) == (3, root.seq + 6, root.seq + 6)
    assert sorted(office.desk.told(room)) == list(range(1, tip + 1))


# One row per client id


@pytest.mark.parametrize("batch_max", [256, 3])
async def test_twenty_sends_of_one_client_id_are_one_message(store_url: str, batch_max: int) -> None:
    """In one batch or in several: one row, one announcement, and everybody is told the same id."""
    async with Office.open(store_url, journal=JournalSettings(lanes=1, batch_max=batch_max)) as office:
        ana = await office.person()
        room = await office.room(ana)
        sizes = batches(office.desk)
        client_id = new_id()
        with capture_logs() as logs:
            sends = [office.desk.post(ana, room, "Hi", client_id=client_id) for _ in range(20)]
            outcomes = await asyncio.gather(*sends)
        assert logs == [], "the database had to refuse the second row"
        assert codes(outcomes) == {"stored": 1, "duplicate": 19}
        assert len({outcome.message.id for outcome in outcomes if isinstance(outcome, Posted)}) == 1
        assert await office.texts(room) == ["Hi"]
        assert len(announced_messages(office.desk.announced)) == 1
        assert sum(sizes) == 1


async def test_twenty_sends_over_two_instances_are_one_message(two: Office) -> None:
    ana = await two.person()
    room = await two.room(ana)
    for round_ in range(5):
        client_id = new_id()
        sends = [
            messages.post(two.instances[n % 2].ports, ana, room, Draft(content=f"Hi {round_}", client_id=client_id))
            for n in range(20)
        ]
        outcomes: list[Any] = await asyncio.gather(*sends)
        assert codes(outcomes) == {"stored": 1, "duplicate": 19}
        assert len({outcome.message.id for outcome in outcomes}) == 1
    assert await two.texts(room) == [f"Hi {n}" for n in range(5)]


@pytest.mark.parametrize("at_once", [True, False])
async def test_the_same_client_id_for_another_message_is_refused(office: Office, at_once: bool) -> None:
    ana = await office.person()
    room = await office.room(ana)
    client_id = new_id()
    first = office.desk.post(ana, room, "Hi", client_id=client_id)
    if not at_once:
        await first
    second = office.desk.post(ana, room, "Bye", client_id=client_id)
    assert isinstance(await first, Posted)
    assert isinstance(await second, ClientIdReused)
    assert await office.texts(room) == ["Hi"]


async def test_another_sender_or_room_may_use_the_same_client_id(office: Office) -> None:
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room, other = await office.room(ana, tom), await office.room(ana, tom)
    outcomes = await asyncio.gather(
        *(office.desk.post(who, where, "Hi", client_id="one") for who in (ana, tom) for where in (room, other))
    )
    assert codes(outcomes) == {"stored": 4}


async def _ban(office: Office, owner: Actor, who: Actor, room: RoomId) -> None:
    await members.change_place(office.ports, owner, room, who.id, state="banned")


async def _remove(office: Office, owner: Actor, who: Actor, room: RoomId) -> None:
    await members.change_place(office.ports, owner, room, who.id, state="left")


async def _mute(office: Office, owner: Actor, who: Actor, room: RoomId) -> None:
    await members.change_place(office.ports, owner, room, who.id, mute_s=60)


async def _close(office: Office, owner: Actor, who: Actor, room: RoomId) -> None:
    await rooms.archive(office.ports, owner, room)


@pytest.mark.parametrize("meanwhile", [_ban, _remove, _mute, _close])
async def test_a_retry_is_answered_with_what_was_stored_whatever_happened_since(
    office: Office, meanwhile: Callable[[Office, Actor, Actor, RoomId], Awaitable[None]]
) -> None:
    """The sender learns that the message is there, not that today it would be refused."""
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana, tom)
    draft = Draft(content="Hi", client_id="mine")
    first = await messages.post(office.ports, tom, room, draft)
    await meanwhile(office, ana, tom, room)
    with pytest.raises(DeskbellError):
        await messages.post(office.ports, tom, room, Draft(content="More", client_id="new"))
    again = await messages.post(office.ports, tom, room, draft)
    assert isinstance(first, Posted) and isinstance(again, Posted)
    assert (again.duplicate, again.message.id) == (True, first.message.id)
    with pytest.raises(ClientIdReused):
        await messages.post(office.ports, tom, room, Draft(content="Other", client_id="mine"))
    # The journal itself says the same, for those who come to it past the first look.
    straight = await office.desk.post(tom, room, "Hi", client_id="mine", request="")
    assert isinstance(straight, ClientIdReused)
    assert await office.texts(room) == ["Hi"]


async def test_a_retry_is_answered_with_the_present_state(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana)
    draft = Draft(content="Hi", client_id="mine")
    first = await messages.post(office.ports, ana, room, draft)
    assert isinstance(first, Posted)
    await editing.delete(office.ports, ana, first.message.id)
    again = await messages.post(office.ports, ana, room, draft)
    assert isinstance(again, Posted)
    assert again.duplicate and again.message.deleted and again.message.content == ""


# What committed first holds


async def _in_the_way(house: Office, change: Any, sender: Actor, room: RoomId, **values: Any) -> Outcome:
    """Send while ``change`` has the room locked and has not committed; the outcome."""
    deciding, writing = house.instances[0], house.instances[-1]
    async with deciding.journal.change(house.tenant, room) as changing:
        answered = writing.post(sender, room, "too late", **values)
        await asyncio.sleep(0.1)
        assert not answered.done(), "the send did not wait for the lock"
        await change(changing)
    async with asyncio.timeout(PATIENCE_S):
        return await answered


def _put_away(member: Actor, room: RoomId, **values: Any) -> Callable[[Any], Awaitable[None]]:
    async def change(changing: Any) -> None:
        place = await changing.member(room, member.id)
        await changing.put_member(replace(place, **values), member.public())

    return change


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"state": "banned"}, NotFound),
        ({"state": "left"}, NotFound),
        ({"muted_until": 2**52}, Muted),
        ({"role": "nobody"}, KindNotAllowed),
    ],
)
async def test_nothing_is_stored_after_a_ban_a_mute_or_a_change_of_role(
    house: Office, values: dict[str, Any], refusal: type[DeskbellError]
) -> None:
    """A send under way when the change commits is refused, though all was well when it was checked."""
    ana, tom = await house.person("Ana"), await house.person("Tom")
    room = await house.room(ana, tom)
    outcome = await _in_the_way(house, _put_away(tom, room, **values), tom, room)
    assert isinstance(outcome, refusal)
    assert await house.texts(room) == []
    assert await house.tip(room) == 4


async def test_nothing_is_stored_after_a_room_closed(house: Office) -> None:
    ana = await house.person("Ana")
    room = await house.room(ana)

    async def close(changing: Any) -> None:
        changing.put_room(replace(changing.room(room), closed_at=changing.now_us))

    assert isinstance(await _in_the_way(house, close, ana, room), RoomClosed)
    assert await house.texts(room) == []


async def test_a_bots_answer_is_not_stored_after_the_room_changed_hands(house: Office) -> None:
    """Its turn began with an owner version that is no longer the room's; nor may a bot answer for an agent."""
    maya, ada = await house.person("Maya", kind="visitor"), await house.agent()
    opened, _ = await support.open_conversation(house.ports, maya)
    room, version = opened.id, opened.owner_version
    assert opened.owner_user is not None
    bot, writing = replace(maya, id=opened.owner_user, kind="bot", name="Assistant"), house.instances[-1]
    assert isinstance(await writing.post(bot, room, "first", owner_version=version), Posted)

    async def to_agent(changing: Any) -> None:
        present = changing.room(room)
        owned = replace(present, owner_kind="agent", owner_user=ada.id, owner_version=present.owner_version + 1)
        changing.put_room(owned)

    assert isinstance(await _in_the_way(house, to_agent, bot, room, owner_version=version), Stale)
    # Not even with today's number: the room is a person's.
    assert isinstance(await writing.post(bot, room, "now", owner_version=version + 1), Stale)
    assert await house.texts(room) == ["first"]


async def test_a_reply_is_not_stored_over_a_colleague_who_committed_first(house: Office) -> None:
    maya, ada = await house.person("Maya", kind="visitor"), await house.agent()
    opened, _ = await support.open_conversation(house.ports, maya)
    await members.join(house.ports, ada, opened.id)

    async def change_hands(changing: Any) -> None:
        present = changing.room(opened.id)
        changing.put_room(replace(present, owner_kind="nobody", owner_version=present.owner_version + 1))

    expect = expecting(owner_version=opened.owner_version)
    late = await _in_the_way(house, change_hands, ada, opened.id, expect=expect)
    assert isinstance(late, PreconditionFailed)
    assert late.details["owner_version"] == opened.owner_version + 1


async def test_of_a_ban_and_many_sends_none_is_numbered_after_the_ban(two: Office) -> None:
    """Whatever the timing: what the banned one said stands before the ban, and was told so."""
    ana = await two.person("Ana")
    for round_ in range(4):
        tom = await two.person("Tom")
        room = await two.room(ana, tom)
        one, other = two.instances
        sends = [(one if n % 2 else other).post(tom, room, f"{n}") for n in range(60)]
        await asyncio.sleep(0.002 * round_)
        banned = await members.change_place(two.ports, ana, room, tom.id, state="banned")
        sends += [(one if n % 2 else other).post(tom, room, f"{n} after") for n in range(10)]
        outcomes = await asyncio.gather(*sends)
        stored = [outcome.message.seq for outcome in outcomes if isinstance(outcome, Posted)]
        assert all(seq < banned.changed_seq for seq in stored)
        assert codes(outcomes[60:]) == {"not_found": 10}
        assert len(await two.texts(room)) == len(stored)
        assert await two.tip(room) == 4 + len(stored)


# Expectations


async def test_an_agent_does_not_reply_over_a_colleague(office: Office) -> None:
    """``expect.owner_version`` and ``expect.seq`` are looked at under the lock, and say what is true now."""
    maya, ada = await office.person("Maya", kind="visitor"), await office.agent()
    opened, _ = await support.open_conversation(office.ports, maya)
    await members.join(office.ports, ada, opened.id)
    room, version, tip = opened.id, opened.owner_version, await office.tip(opened.id)
    stale, fine = await asyncio.gather(
        office.desk.post(ada, room, "a", expect=expecting(owner_version=version + 1)),
        office.desk.post(ada, room, "b", expect=expecting(owner_version=version)),
    )
    assert isinstance(stale, PreconditionFailed) and isinstance(fine, Posted)
    assert stale.details == {"owner_version": version, "seq": tip}
    await cases.take_over(office.ports, ada, room)
    late = await office.desk.post(ada, room, "c", expect=expecting(owner_version=version))
    assert isinstance(late, PreconditionFailed)
    assert late.details["owner_version"] > version


async def test_an_expected_seq_holds_until_somebody_else_writes(office: Office) -> None:
    """Joins, reactions and one's own messages take numbers too; they are no reason to look again."""
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana, tom)
    said = (await office.desk.sends(tom, room, "question")).message
    seen = await office.tip(room)
    await reactions.react(office.ports, tom, said.id, "👍", on=True)
    assert isinstance(await office.desk.post(ana, room, "one", expect=expecting(seq=seen)), Posted)
    at_once = [office.desk.post(ana, room, text, expect=expecting(seq=seen)) for text in ("two", "three")]
    assert codes(await asyncio.gather(*at_once)) == {"stored": 2}
    await office.desk.sends(tom, room, "another question")
    assert isinstance(await office.desk.post(ana, room, "late", expect=expecting(seq=seen)), PreconditionFailed)


async def test_of_two_who_expect_the_same_in_one_batch_the_first_is_stored(office: Office) -> None:
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana, tom)
    expect = expecting(seq=await office.tip(room))
    sizes = batches(office.desk)
    first, second = await asyncio.gather(
        office.desk.post(ana, room, "Ana's", expect=expect), office.desk.post(tom, room, "Tom's", expect=expect)
    )
    assert isinstance(first, Posted) and isinstance(second, PreconditionFailed)
    assert sizes == [1]
    assert await office.texts(room) == ["Ana's"]


async def test_who_is_no_member_learns_nothing_from_an_expectation(office: Office) -> None:
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana)
    outcome = await office.desk.post(tom, room, "Hi", expect=expecting(owner_version=7))
    assert isinstance(outcome, NotFound)
    assert outcome.details == {}


async def test_a_room_of_another_tenant_does_not_exist(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana)
    stranger = replace(ana, tenant=new_id())
    for values in ({}, {"expect": expecting(owner_version=9)}, {"owner_version": 1}, {"platform": True}):
        # In one batch with somebody who may: then the room is among those that are locked.
        fine, outcome = await asyncio.gather(
            office.desk.post(ana, room, "Hi"), office.desk.post(stranger, room, "Ho", **values)
        )
        assert isinstance(fine, Posted)
        assert isinstance(outcome, NotFound) and outcome.details == {}
    assert await office.texts(room) == ["Hi"] * 4


# The lane


async def test_what_gathers_while_a_batch_commits_is_the_next_batch(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana)
    sizes = batches(office.desk)
    async with locked(office.desk, room):
        sends = [office.desk.post(ana, room, "first")]
        await asyncio.sleep(0.02)
        sends += [office.desk.post(ana, room, f"{n}") for n in range(50)]
        await asyncio.sleep(0.02)
        assert not any(answered.done() for answered in sends)
    assert codes(await asyncio.gather(*sends)) == {"stored": 51}
    assert sizes == [1, 50]


@pytest.mark.parametrize("text", ["x" * 1000, "é" * 500, "🙂" * 250], ids=["ascii", "accents", "emoji"])
async def test_a_batch_is_bounded_by_number_and_by_bytes(store_url: str, text: str) -> None:
    """A thousand bytes of text are a thousand bytes, however few characters that is."""
    bounds = JournalSettings(lanes=1, batch_max=8, batch_bytes=5000)
    async with Office.open(store_url, journal=bounds) as office:
        ana = await office.person()
        room = await office.room(ana)
        sizes = batches(office.desk)
        assert codes(await asyncio.gather(*(office.desk.post(ana, room, text) for _ in range(9)))) == {"stored": 9}
        assert sizes == [3, 3, 3]
        sizes.clear()
        await asyncio.gather(*(office.desk.post(ana, room, "small") for n in range(20)))
        assert sizes == [8, 8, 4]
        sizes.clear()
        # What is larger than a batch may be is one by itself.
        await asyncio.gather(*(office.desk.post(ana, room, "x" * 9000) for n in range(2)))
        assert sizes == [1, 1]


async def test_a_full_lane_refuses_at_once_and_honestly(store_url: str) -> None:
    async with Office.open(store_url, journal=JournalSettings(lanes=1, lane_capacity=10)) as office:
        ana = await office.person()
        room = await office.room(ana)
        sends = [office.desk.post(ana, room, f"{n}") for n in range(25)]
        refused = [answered for answered in sends if answered.done()]
        assert len(refused) == 15
        assert all(
            isinstance(answered.result(), Unavailable) and answered.result().retry_after_ms  # type: ignore[union-attr]
            for answered in refused
        )
        assert codes(await asyncio.gather(*sends)) == {"stored": 10, "unavailable": 15}
        assert await office.texts(room) == [f"{n}" for n in range(10)]
        assert isinstance(await office.desk.post(ana, room, "again"), Posted)


async def test_nobody_waits_longer_than_promised_while_the_store_hangs(store_url: str) -> None:
    """What waited in line is told so while the batch before it still hangs, and is never written."""
    async with Office.open(store_url, journal=JournalSettings(lanes=1, lane_wait_s=0.1)) as office:
        ana = await office.person()
        room = await office.room(ana)
        async with locked(office.desk, room):
            hanging = office.desk.post(ana, room, "in the store's hands")
            await asyncio.sleep(0.02)
            waiting = [office.desk.post(ana, room, f"{n}") for n in range(5)]
            async with asyncio.timeout(PATIENCE_S):
                assert codes(await asyncio.gather(*waiting)) == {"unavailable": 5}
            assert not hanging.done()
        assert isinstance(await hanging, Posted)
        assert await office.texts(room) == ["in the store's hands"]
        assert office.desk.journal.waiting == 0


async def test_a_message_that_cannot_be_written_takes_no_other_with_it(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana)
    sends = [office.desk.post(ana, room, f"{n}") for n in range(4)]
    poisonous = office.desk.command(ana, room, "poison", asyncio.get_running_loop().create_future().set_result)
    heard: list[Outcome] = []
    poisonous.done = heard.append
    poisonous.request_hash = None  # type: ignore[assignment]
    office.desk.journal.post(poisonous)
    sends += [office.desk.post(ana, room, f"{n}") for n in range(4, 8)]
    with capture_logs():
        assert codes(await asyncio.gather(*sends)) == {"stored": 8}
    assert codes(heard) == {"error": 1}
    assert await office.texts(room) == [f"{n}" for n in range(8)]
    assert sorted(office.desk.told(room)) == list(range(1, await office.tip(room) + 1))


async def test_a_lock_held_for_a_while_delays_and_loses_nothing(two: Office) -> None:
    """The batch is repeated until the lock is given."""
    ana = await two.person()
    room = await two.room(ana)
    quick = await two.instance(lock_timeout_ms=60)
    async with locked(two.desk, room):
        sends = [quick.post(ana, room, f"{n}") for n in range(5)]
        await asyncio.sleep(0.15)  # the first try has been given up by now
    assert codes(await asyncio.gather(*sends)) == {"stored": 5}


async def test_a_room_that_stays_locked_does_not_take_others_with_it(shared_postgres_url: str) -> None:
    async with Office.open(shared_postgres_url) as office:
        ana = await office.person()
        stuck, free = await office.room(ana), await office.room(ana)
        quick = await office.instance(lock_timeout_ms=40, journal=JournalSettings(lanes=1))
        async with locked(office.desk, stuck):
            sends = [quick.post(ana, room, "Hi") for room in (stuck, free, stuck, free)]
            async with asyncio.timeout(PATIENCE_S):
                outcomes = await asyncio.gather(*sends)
        assert [codes([outcome]).most_common(1)[0][0] for outcome in outcomes] == [
            "unavailable", "stored", "unavailable", "stored",
        ]  # fmt: skip


async def test_two_instances_that_need_the_same_rooms_do_not_block_each_other(two: Office) -> None:
    """Rooms are locked in one order by everybody, so there is no deadlock to be repeated."""
    ana = await two.person()
    some = [await two.room(ana) for _ in range(12)]
    before = await two.db.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")

    async def rename_all(instance: Instance, name: str) -> None:
        async with instance.journal.change(two.tenant, *reversed(some)) as change:
            for room in some:
                change.put_room(replace(change.room(room), name=name))

    for round_ in range(6):
        renaming = [asyncio.create_task(rename_all(one, f"{round_}")) for one in two.instances for _ in range(3)]
        sends = [one.post(ana, room, "Hi") for one in two.instances for room in some]
        await asyncio.sleep(0.002)
        sends += [one.post(ana, room, "Ho") for one in two.instances for room in reversed(some)]
        assert codes(await asyncio.gather(*sends)) == {"stored": 48}
        await asyncio.gather(*renaming)
    after = await two.db.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert after == before


async def test_a_sender_who_goes_away_does_not_take_their_message_along(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana)
    async with locked(office.desk, room):
        sending = asyncio.create_task(messages.post(office.ports, ana, room, Draft(content="Hi")))
        while not office.desk.journal.waiting:
            await asyncio.sleep(0.005)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        assert sending.cancelled()
    stored = await office.desk.sends(ana, room, "next")
    assert await office.texts(room) == ["Hi", "next"]
    assert office.desk.told(room)[-1] == stored.message.seq


async def test_everybody_is_answered_exactly_once(office: Office) -> None:
    """Stored, duplicate, reused, refused, poisonous; and one whose listener fails costs no other."""
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana)
    heard: Counter[str] = Counter()

    def listener(name: str) -> Callable[[Outcome], None]:
        def done(outcome: Outcome) -> None:
            heard[f"{name}: {codes([outcome]).most_common(1)[0][0]}"] += 1
            raise RuntimeError("a listener that fails")

        return done

    post, command = office.desk.journal.post, office.desk.command
    post(command(ana, room, "Hi", listener("first"), client_id="one"))
    post(command(ana, room, "Hi", listener("again"), client_id="one"))
    post(command(ana, room, "Bye", listener("other"), client_id="one"))
    post(command(tom, room, "Hi", listener("stranger")))
    poisonous = command(ana, room, "poison", listener("poison"))
    poisonous.request_hash = None  # type: ignore[assignment]
    post(poisonous)
    post(command(ana, room, "late", listener("expected"), expect=expecting(owner_version=5)))
    with capture_logs() as logs:
        await office.desk.sends(ana, room, "last")
    assert [entry["event"] for entry in logs].count("answer_failed") == 6
    assert heard == {
        "first: stored": 1,
        "again: duplicate": 1,
        "other: client_id_reused": 1,
        "stranger: not_found": 1,
        "poison: error": 1,
        "expected: expectation_failed": 1,
    }
    assert await office.texts(room) == ["Hi", "last"]


async def test_a_listener_of_events_that_fails_stops_no_lane(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana)

    def fail(_: object) -> None:
        raise RuntimeError("nobody listens")

    telling, office.desk.journal.announce = office.desk.journal.announce, fail
    with capture_logs() as logs:
        assert isinstance(await office.desk.post(ana, room, "one"), Posted)
        await rooms.update(office.ports, ana, room, name="Another name")
        await asyncio.sleep(0)
    assert [entry["event"] for entry in logs] == ["announcing_failed"] * 2
    office.desk.journal.announce = telling
    async with asyncio.timeout(PATIENCE_S):
        assert isinstance(await office.desk.post(ana, room, "two"), Posted)


async def test_nothing_is_answered_or_told_before_it_is_committed(office: Office) -> None:
    """Whoever hears of a message finds it in the store, looking from elsewhere."""
    ana = await office.person()
    room = await office.room(ana)
    missing: list[Any] = []
    looking: list[asyncio.Task[None]] = []

    async def look(seq: int) -> None:
        if await office.db.fetchval("SELECT 1 FROM messages WHERE room_id = $1 AND seq = $2", room, seq) is None:
            missing.append(seq)

    def heard(outcome: Outcome) -> None:
        assert isinstance(outcome, Posted)
        looking.append(asyncio.get_running_loop().create_task(look(outcome.message.seq)))

    def told(events: Any) -> None:
        looking.extend(asyncio.get_running_loop().create_task(look(event.seq)) for event in events)

    office.ports.bus.subscribe(told)
    committing = asyncio.Event()
    backend: Any = office.db._backend
    commit = backend._commit

    async def slowly(*args: Any) -> None:
        committing.set()
        await asyncio.sleep(0.05)
        await commit(*args)

    backend._commit = slowly
    for n in range(3):
        office.desk.journal.post(office.desk.command(ana, room, f"{n}", heard))
    await committing.wait()
    await asyncio.sleep(0.02)
    assert looking == []
    await office.desk.sends(ana, room, "last")
    await asyncio.gather(*looking)
    assert len(looking) == 3 + 4
    assert missing == []


async def test_closing_writes_what_was_taken_and_takes_nothing_more(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana)
    other = await office.instance() if office.db.dialect == "postgresql" else office.desk
    sends = [other.post(ana, room, f"{n}") for n in range(30)]
    await other.journal.close()
    assert codes([answered.result() for answered in sends]) == {"stored": 30}
    assert codes([await other.post(ana, room, "late")]) == {"unavailable": 1}


# What nobody knows


async def _end_commits(url: str) -> None:
    """Kill, from a connection of one's own, whoever is committing."""
    import asyncpg

    con = await asyncpg.connect(url)
    try:
        killed = 0
        while not killed:
            killed = await con.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND state = 'active' AND query LIKE 'COMMIT%'"
            )
            await asyncio.sleep(0.01)
    finally:
        await con.close()


async def test_a_connection_lost_while_committing_is_not_taken_for_an_answer(postgres_url: str) -> None:
    """What is not there is of unknown outcome, since it may still be coming; sending again gives one row."""
    async with Office.open(postgres_url) as office:
        ana = await office.person()
        room = await office.room(ana)
        await office.db.execute(
            "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN PERFORM pg_sleep(8); RETURN NULL; END $$"
        )
        await office.db.execute(
            "CREATE CONSTRAINT TRIGGER dozes AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION doze()"
        )
        killer = asyncio.create_task(_end_commits(postgres_url))
        outcomes = await asyncio.gather(*(office.desk.post(ana, room, f"{n}", client_id=f"{n}") for n in range(3)))
        await killer
        assert codes(outcomes) == {"unknown_outcome": 3}
        assert all(isinstance(outcome, OutcomeUnknown) and outcome.retry_after_ms for outcome in outcomes)
        await office.db.execute("DROP TRIGGER dozes ON messages")
        again = await asyncio.gather(*(office.desk.post(ana, room, f"{n}", client_id=f"{n}") for n in range(3)))
        assert codes(again) == {"stored": 3}
        assert await office.texts(room) == ["0", "1", "2"]


def _cut_after_commit(office: Office, times: int) -> None:
    """Let the next commits happen, and their news be lost."""
    backend: Any = office.db._backend
    commit, left = backend._commit, [times]

    async def cut(*args: Any) -> None:
        await commit(*args)
        if left[0] > 0:
            left[0] -= 1
            raise CutOff("the connection was lost")

    backend._commit = cut


async def test_what_was_committed_though_nobody_heard_is_looked_up_and_acknowledged(office: Office) -> None:
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana)
    _cut_after_commit(office, 1)
    outcomes = await asyncio.gather(
        office.desk.post(ana, room, "Hi", client_id="one"), office.desk.post(tom, room, "I am no member")
    )
    assert isinstance(outcomes[0], Posted) and isinstance(outcomes[1], OutcomeUnknown)
    again = await office.desk.sends(ana, room, "Hi", client_id="one")
    assert again.duplicate and again.message.id == outcomes[0].message.id
    assert await office.texts(room) == ["Hi"]


async def test_when_the_store_cannot_even_be_asked_the_outcome_is_unknown(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await office.person()
    room = await office.room(ana)
    _cut_after_commit(office, 1)

    async def away(*_: object) -> None:
        raise CutOff("nobody answers")

    with monkeypatch.context() as patched:
        patched.setattr(stored_messages, "by_client_id", away)
        assert isinstance(await office.desk.post(ana, room, "Hi", client_id="one"), OutcomeUnknown)
    assert (await office.desk.sends(ana, room, "Hi", client_id="one")).duplicate


async def test_another_client_id_found_after_a_lost_commit_is_still_refused(office: Office) -> None:
    ana = await office.person()
    room = await office.room(ana)
    await office.desk.sends(ana, room, "Hi", client_id="one")
    _cut_after_commit(office, 1)
    assert isinstance(await office.desk.post(ana, room, "Bye", client_id="one"), ClientIdReused)


# What goes with a message


async def test_a_message_to_the_bot_leaves_its_turn_in_the_same_commit(office: Office) -> None:
    """The turn is there whenever the message is: neither without the other."""
    maya = await office.person("Maya", kind="visitor")
    opened, _ = await support.open_conversation(office.ports, maya)
    posted = await office.desk.sends(maya, opened.id, "It is broken.")
    row = await office.db.fetchrow("SELECT queue, key, payload FROM outbox WHERE key = $1", opened.id)
    assert row is not None
    assert (row["queue"], row["key"]) == ("turn", opened.id)
    assert f'"seq":{posted.message.seq}' in row["payload"]
    assert office.desk.filled == ["turn"]
    await office.desk.sends(
        replace(maya, kind="visitor"), opened.id, "It is broken.", client_id=posted.message.client_id
    )
    assert await office.db.fetchval("SELECT count(*) FROM outbox WHERE key = $1", opened.id) == 1


async def test_an_agent_who_was_written_to_has_a_deadline_and_one_who_answered_has_none(office: Office) -> None:
    maya, ada = await office.person("Maya", kind="visitor"), await office.agent()
    opened, _ = await support.open_conversation(office.ports, maya)
    case = await escalation.escalate(office.ports, maya, opened.id)
    await cases.claim(office.ports, ada, case.id)
    await office.desk.sends(ada, opened.id, "Hello, this is Ada.")
    answered = await cases.find(office.ports, ada, case.id)
    assert answered.deadline_at is None and answered.first_response_at is not None
    asked = (await office.desk.sends(maya, opened.id, "It is still broken.")).message
    waiting = await cases.find(office.ports, ada, case.id)
    assert waiting.deadline_at is not None
    assert to_us(waiting.deadline_at) - to_us(asked.created_at) == 600 * 1_000_000
    assert waiting.first_response_at == answered.first_response_at


async def test_what_the_platform_says_needs_no_place_in_the_room(office: Office) -> None:
    ana, system = await office.person("Ana"), await office.person("Deskbell", kind="system")
    room = await office.room(ana)
    assert isinstance(await office.desk.post(system, room, "Closed.", kind="system"), NotFound)
    assert isinstance(await office.desk.post(system, room, "Closed.", kind="system", platform=True), Posted)
    events: list[Event] = [event for event in office.desk.announced if event.kind == "message"]
    assert [event.counts for event in events] == [False]
