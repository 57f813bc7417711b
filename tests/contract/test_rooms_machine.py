"""Rooms under everything that may happen to them, against a model that is a list.

Hypothesis makes up what people do in a room: they write, answer, edit, delete, react, pin, come, go,
are thrown out and banned, rename the room and have it purged. Meanwhile clients begin, read some pages,
stop in between, and go on later. Whatever the order: what a client had, with the pages of what changed
laid over it, is what it would be sent if it began now.

``DESKBELL_EXAMPLES=500`` looks longer, and elsewhere each time.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from deskbell.actions import access, closing, editing, members, messages, pins, reactions, rooms
from deskbell.actions.reads import Marks
from deskbell.contracts import ChannelType
from deskbell.errors import DeskbellError, NotFound
from deskbell.hookspecs import hookimpl
from deskbell.ids import MessageId, RoomId, UserId
from deskbell.model.policy import Policy
from deskbell.model.records import Actor, Message, Participant, Room
from deskbell.store import messages as stored_messages
from deskbell.store import pages
from deskbell.testing.office import Office
from deskbell.wire.commands import Draft

T = TypeVar("T")
EMOJI = ("👍", "🎉", "🙈")
_ALWAYS: dict[str, Any] = {
    "who_may_create": ("member",), "join": "open", "edit_window_s": None, "delete_window_s": None,
}  # fmt: skip
KINDS = {
    "everything": Policy(**_ALWAYS),
    "since_join": Policy(history="since_join", **_ALWAYS),
    "counted": Policy(roster="counted", receipts="off", **_ALWAYS),
    "counted_since_join": Policy(roster="counted", history="since_join", receipts="off", **_ALWAYS),
}


class _Kinds:
    @hookimpl
    def register_channel_types(self, settings: Any) -> Sequence[ChannelType]:
        return [ChannelType(name=name, title=name, policy=policy) for name, policy in KINDS.items()]


@dataclass
class Said:
    """What the model knows of a message."""

    id: MessageId
    sender: UserId
    text: str
    deleted: bool = False
    pinned: bool = False
    answers: int = 0
    reactions: dict[str, set[UserId]] = field(default_factory=dict)

    @property
    def shown(self) -> tuple[Any, ...]:
        if self.deleted:
            return (self.id, "", True, False, self.answers, {})
        given = {emoji: users for emoji, users in self.reactions.items() if users}
        return (self.id, self.text, False, self.pinned, self.answers, given)


def shown(message: Message) -> tuple[Any, ...]:
    """The same of a message as the platform tells it."""
    reactions = {reaction.emoji: set(reaction.users) for reaction in message.reactions}
    return (message.id, message.content, message.deleted, message.pinned, message.thread_count, reactions)


class Client:
    """Somebody who follows the room: a position, and each record in the latest state they were sent."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.position = 0
        self.level = False
        self.room: Room | None = None
        self.messages: dict[MessageId, Message] = {}
        self.people: dict[UserId, Participant] = {}

    def begin(self, page: pages.Page) -> None:
        self.messages.clear()
        self.people.clear()
        self.room = page.room
        self._merge(page)

    def take(self, page: pages.Page) -> None:
        assert not page.more or page.seq > self.position
        if page.state:
            self.room = page.room
        self._merge(page)

    def _merge(self, page: pages.Page) -> None:
        for message in page.messages:
            known = self.messages.get(message.id)
            if known is None or known.changed_seq < message.changed_seq:
                self.messages[message.id] = message
        for person in page.participants:
            before = self.people.get(person.user.id)
            if before is None or before.changed_seq < person.changed_seq:
                self.people[person.user.id] = person
        self.position = page.seq
        self.level = not page.more

    @property
    def present(self) -> dict[UserId, Participant]:
        return {user: person for user, person in self.people.items() if person.state == "joined"}


class RoomsMachine(RuleBasedStateMachine):
    """One room, three people besides its owner, and any number of clients."""

    office: Office
    loop: asyncio.AbstractEventLoop

    def run_(self, work: Awaitable[T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(30):
                return await work

        return self.loop.run_until_complete(bounded())

    @initialize(kind=st.sampled_from(sorted(KINDS)))
    def open(self, kind: str) -> None:
        self.policy = KINDS[kind]
        self.counted = self.policy.roster == "counted"
        self.ports = self.office.ports
        self.office.desk.announced.clear()
        self.owner = self.run_(self.office.person("Olga"))
        self.people = [self.run_(self.office.person(name)) for name in ("Ana", "Tom", "Kim")]
        self.joined = {self.owner.id}
        self.banned: set[UserId] = set()
        self.moderators: set[UserId] = set()
        # Of a counted roster: of whom the room was told. Their coming and going is told from then on.
        self.known: set[UserId] = set()
        self.room: RoomId = self.run_(self.office.room(self.owner, channel_type=kind))
        self.tip = 2
        self.said: list[Said] = []
        self.gone: list[str] = []
        self.clients: list[Client] = []
        self.marks: dict[UserId, int] = {}
        self.count = 0

    # what people do

    def text(self) -> str:
        self.count += 1
        return f"words number {self.count};"

    def _member(self, pick: int) -> Actor:
        members = [who for who in (self.owner, *self.people) if who.id in self.joined]
        return members[pick % len(members)]

    def _of_owner(self, pick: int) -> Said | None:
        """A message that is still there."""
        there = [said for said in self.said if not said.deleted]
        return there[pick % len(there)] if there else None

    @rule(pick=st.integers(0, 99), thread=st.booleans())
    def somebody_writes(self, pick: int, thread: bool) -> None:
        who, text = self._member(pick), self.text()
        place = self.run_(access.room_for(self.ports, who, self.room))
        root = self._of_owner(pick) if thread else None
        if root is not None:
            found = self.run_(stored_messages.by_id(self.office.db, self.office.tenant, root.id))
            assert found is not None
            if found.seq <= place.visible_from:
                root = None
            elif found.thread is not None:  # an answer to an answer belongs to the thread's root
                root = next(said for said in self.said if said.id == found.thread)
        draft = Draft(content=text, thread=None if root is None else root.id)
        try:
            posted = self.run_(messages.post(self.ports, who, self.room, draft))
        except DeskbellError:
            # The root of a thread may be deleted, or out of the answerer's sight; then nothing has changed.
            assert root is not None
            return
        self.said.append(Said(posted.message.id, who.id, text))  # type: ignore[union-attr]
        self.tip += 1
        if root is not None:
            root.answers += 1
            self.tip += 1

    @rule(number=st.integers(40, 130))
    def somebody_writes_a_lot(self, number: int) -> None:
        texts = [self.text() for _ in range(number)]

        async def write() -> list[Any]:
            return list(await asyncio.gather(*(self.office.desk.post(self.owner, self.room, text) for text in texts)))

        posted = self.run_(write())
        self.said += [
            Said(outcome.message.id, self.owner.id, text) for outcome, text in zip(posted, texts, strict=True)
        ]
        self.tip += number

    @rule(pick=st.integers(0, 999))
    def somebody_edits(self, pick: int) -> None:
        said = self._of_owner(pick)
        if said is not None:
            text = self.text()
            self.run_(editing.edit(self.ports, self.owner, said.id, text))
            self.gone.append(said.text)
            said.text = text
            self.tip += 1

    @rule(pick=st.integers(0, 999))
    def somebody_deletes(self, pick: int) -> None:
        said = self._of_owner(pick)
        if said is not None:
            self.run_(editing.delete(self.ports, self.owner, said.id))
            self.gone.append(said.text)
            said.deleted, said.reactions = True, {}
            said.pinned = False
            self.tip += 1
            self.run_(editing.delete(self.ports, self.owner, said.id))  # again: nothing

    @rule(pick=st.integers(0, 999), who=st.integers(0, 9), emoji=st.sampled_from(EMOJI), on=st.booleans())
    def somebody_reacts(self, pick: int, who: int, emoji: str, on: bool) -> None:
        said, member = self._of_owner(pick), self._member(who)
        if said is None:
            return
        try:
            self.run_(reactions.react(self.ports, member, said.id, emoji, on=on))
        except NotFound:
            assert self.policy.history == "since_join"
            return
        given = said.reactions.setdefault(emoji, set())
        if (member.id in given) != on:
            (given.add if on else given.discard)(member.id)
            self.tip += 1

    @rule(pick=st.integers(0, 999), on=st.booleans())
    def somebody_pins(self, pick: int, on: bool) -> None:
        said = self._of_owner(pick)
        if said is not None:
            self.run_(pins.pin(self.ports, self.owner, said.id, on=on))
            self.tip += int(said.pinned != on)
            said.pinned = on

    @rule(pick=st.integers(0, 2))
    def somebody_joins(self, pick: int) -> None:
        who = self.people[pick]
        if who.id in self.banned:
            with pytest.raises(NotFound):
                self.run_(members.join(self.ports, who, self.room))
        else:
            self.run_(members.join(self.ports, who, self.room))
            self.tip += int(who.id not in self.joined and self._is_told_of(who))
            if who.id not in self.joined:
                self.moderators.discard(who.id)
            self.joined.add(who.id)

    def _is_told_of(self, who: Actor) -> bool:
        return not self.counted or who.id in self.known

    @rule(pick=st.integers(0, 2), how=st.sampled_from(["leaves", "kicked", "banned"]))
    def somebody_goes(self, pick: int, how: str) -> None:
        who = self.people[pick]
        if who.id not in self.joined:
            return
        if how == "leaves":
            self.run_(members.leave(self.ports, who, self.room))
            self.tip += int(self._is_told_of(who))
        else:
            state = "left" if how == "kicked" else "banned"
            self.run_(members.change_place(self.ports, self.owner, self.room, who.id, state=state))
            self.known.add(who.id)
            self.tip += 1
        self.joined.discard(who.id)
        if how == "banned":
            self.banned.add(who.id)

    @rule(pick=st.integers(0, 2))
    def a_ban_is_lifted(self, pick: int) -> None:
        who = self.people[pick]
        if who.id in self.banned:
            self.run_(members.change_place(self.ports, self.owner, self.room, who.id, state="joined"))
            self.banned.discard(who.id)
            self.tip += 1

    @rule(pick=st.integers(0, 2))
    def somebody_becomes_moderator(self, pick: int) -> None:
        who = self.people[pick]
        if who.id in self.joined and who.id not in self.moderators:
            self.run_(members.change_place(self.ports, self.owner, self.room, who.id, role="moderator"))
            self.moderators.add(who.id)
            self.known.add(who.id)
            self.tip += 1

    @rule(pick=st.integers(0, 2))
    def somebody_is_moderator_no_more(self, pick: int) -> None:
        who = self.people[pick]
        if who.id in self.joined and who.id in self.moderators:
            self.run_(members.change_place(self.ports, self.owner, self.room, who.id, role="member"))
            self.moderators.discard(who.id)
            self.tip += 1

    @rule()
    def the_room_is_renamed(self) -> None:
        self.run_(rooms.update(self.ports, self.owner, self.room, name=self.text()))
        self.tip += 1

    @precondition(lambda self: len(self.said) > 3)
    @rule(sure=st.integers(0, 3))
    def the_room_is_purged(self, sure: int) -> None:
        if sure:
            return

        async def purge() -> None:
            async with self.ports.journal.change(self.office.tenant, self.room) as change:
                await closing.purge_in(change, change.room(self.room))
            await rooms.archive(self.ports, self.owner, self.room, closed=False)

        self.run_(purge())
        self.gone += [said.text for said in self.said]
        self.said.clear()
        self.tip += 2

    @rule(who=st.integers(0, 9), seq=st.integers(0, 300))
    def somebody_reads(self, who: int, seq: int) -> None:
        member, marks = self._member(who), Marks(self.ports)
        self.run_(_read(self.ports, marks, member, self.room, seq))

    # what clients do

    @rule(pick=st.integers(0, 9))
    def a_client_begins(self, pick: int) -> None:
        place = self.run_(access.room_for(self.ports, self._member(pick), self.room))
        client = Client(place.visible_from)
        client.begin(self._first(client.bound))
        self.clients.append(client)

    @rule(pick=st.integers(0, 99))
    def a_client_reads_one_page(self, pick: int) -> None:
        if self.clients:
            self._read_page(self.clients[pick % len(self.clients)])

    @rule(pick=st.integers(0, 99))
    def a_client_catches_up(self, pick: int) -> None:
        if self.clients:
            self._catch_up(self.clients[pick % len(self.clients)])

    def _first(self, bound: int) -> pages.Page:
        page = self.run_(pages.first(self.office.db, self.office.tenant, self.room, self.policy, bound))
        assert page is not None
        self._proper(page, 0, bound)
        assert [message.seq for message in page.messages] == sorted(message.seq for message in page.messages)
        if self.counted:
            assert {person.role for person in page.participants} <= set(Policy().privileged_roles)
        return page

    def _read_page(self, client: Client) -> None:
        page = self.run_(
            pages.changes(self.office.db, self.office.tenant, self.room, self.policy, client.position, client.bound)
        )
        assert page is not None and client.room is not None
        if page.room.epoch != client.room.epoch:
            client.begin(self._first(client.bound))
            return
        self._proper(page, client.position, client.bound)
        for records in (page.messages, page.participants):
            numbers = [record.changed_seq for record in records]
            assert numbers == sorted(set(numbers))
            assert all(client.position < number <= page.seq for number in numbers)
        client.take(page)

    def _proper(self, page: pages.Page, since: int, bound: int) -> None:
        """A page is bounded, says nothing of what is gone, and nothing of what its reader may not see."""
        assert len(page.messages) + len(page.participants) + page.state <= pages.MAX_RECORDS
        assert all(message.seq > bound for message in page.messages)
        assert page.seq == self.tip if not page.more else since < page.seq < self.tip
        text = msgspec.json.encode((page.messages, page.participants)).decode()
        assert not [words for words in self.gone if words in text]
        for user, (read, delivered) in (page.reads or {}).items():
            assert self.marks.get(user, 0) <= read <= self.tip and delivered <= self.tip
            self.marks[user] = read

    def _catch_up(self, client: Client) -> None:
        client.level = False
        for _ in range(self.tip + 2):
            if client.level:
                break
            self._read_page(client)
        assert client.level
        now = self._first(client.bound)
        assert client.position == now.seq == self.tip
        # All that it would be sent if it began now, it has; and what else it has is as it is.
        for message in now.messages:
            assert client.messages[message.id] == message
        present = {said.id: said.shown for said in self.said}
        for message in client.messages.values():
            assert shown(message) == present[message.id]
        present_people = client.present
        if self.counted:  # who is no more than a member is counted, and not shown
            present_people = {
                user: person for user, person in present_people.items() if person.role in Policy().privileged_roles
            }
        assert present_people == {person.user.id: person for person in now.participants}
        assert client.room is not None
        assert msgspec.structs.replace(client.room, **_MOVING(now.room)) == now.room

    def teardown(self) -> None:
        if not hasattr(self, "room"):
            return
        for client in self.clients:
            self._catch_up(client)
        assert self.run_(self.office.tip(self.room)) == self.tip
        assert sorted(self.office.desk.told(self.room)) == list(range(1, self.tip + 1))
        kept = self.run_(self._history())
        assert [shown(message) for message in kept] == [said.shown for said in self.said]
        assert [message.seq for message in kept] == sorted(message.seq for message in kept)
        page = self._first(0)
        in_it = {self.owner.id, *self.moderators & self.joined} if self.counted else self.joined
        assert {person.user.id for person in page.participants} == in_it
        assert page.participant_count == len(self.joined)

    async def _history(self) -> list[Message]:
        found: list[Message] = []
        while more := await stored_messages.after(
            self.office.db, self.office.tenant, self.room, found[-1].seq if found else 0, 100
        ):
            found += more
        return found


def _MOVING(room: Room) -> dict[str, Any]:
    """What of a room is no part of its state: its counter and when somebody last spoke."""
    return {"seq": room.seq, "active_at": room.active_at}


async def _read(ports: Any, marks: Marks, who: Actor, room: RoomId, seq: int) -> None:
    marks.move(who.tenant, room, who.id, read_seq=seq, shown=True)
    await marks.flush()


@pytest.fixture
def machine(store_url: str) -> Iterator[type[RoomsMachine]]:
    """The machine, on one store, with a loop of its own: Hypothesis does not await."""
    loop = asyncio.new_event_loop()
    opening = Office.open(store_url, plugins={"kinds": _Kinds()})
    try:
        office = loop.run_until_complete(opening.__aenter__())
        yield type("Rooms", (RoomsMachine,), {"office": office, "loop": loop})
        loop.run_until_complete(opening.__aexit__(None, None, None))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def test_what_a_client_had_with_what_changed_is_what_is_there(machine: type[RoomsMachine]) -> None:
    """Old snapshot and pages of changes are the new snapshot, whatever happened and wherever it stopped reading."""
    more = int(os.environ.get("DESKBELL_EXAMPLES", "0"))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=more or 60,
            stateful_step_count=40,
            deadline=None,
            database=None,
            derandomize=not more,
            # A failure is told at once; the shortest way to it is looked for on request, which takes minutes.
            phases=[Phase.generate, Phase.shrink] if more else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
