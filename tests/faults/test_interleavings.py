"""Ten thousand random interleavings of everybody who may touch a conversation, and what holds after each of them.

A bot that answers, streams, gives up or fails; a visitor who writes, writes the same again, asks for a person, keeps
their place, leaves the line, ends it all; two agents who claim, take over, return, transfer, put off, resolve, reopen
and write notes; deadlines that pass. In each round a few of them act at once, on rooms that go on from round to round.
On PostgreSQL half of the acts happen on a second instance that hears nothing of the first: what holds there holds by
the store alone.

What happened is told by the events of each commit, in the order of the room's numbers; what is, by the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import structlog

from deskbell.actions import (
    cases,
    closing,
    escalation,
    ladder,
    leaving,
    messages,
    notes,
    people,
    ratings,
    support,
    turns,
)
from deskbell.app import Application
from deskbell.clock import from_us
from deskbell.contracts import BotEvent, Escalate, Say, SetState, TextDelta, Turn
from deskbell.errors import DeskbellError
from deskbell.ids import CaseId, RoomId, TenantId
from deskbell.model.records import Actor
from deskbell.ports import Ports
from deskbell.store import cases as stored_cases
from deskbell.store import people as stored_people
from deskbell.testing.desk import SITE_KEY, FakeClock, ScriptedBot, _BotPlugin, settings_for
from deskbell.wire.commands import Draft
from deskbell.wire.events import Event

log = logging.getLogger(__name__)
SEED = int(os.environ.get("DESKBELL_TEST_SEED", "20261121"))
ROUNDS = 5_000  # on each database
ROOMS_AT_ONCE = 8
ROUNDS_PER_ROOM = 25
ENOUGH_S = 32.0  # a slow machine does fewer; what it has done is still looked at
LEAST_ROUNDS = 500
NOTE = "backstage-canary"


@dataclass
class Instance:
    """One process's worth of the desk."""

    application: Application
    events: list[Event] = field(default_factory=list)

    @property
    def ports(self) -> Ports:
        return self.application.ports


@dataclass
class Office:
    """The instances on one store, the people, and all that was ever announced."""

    instances: list[Instance]
    clock: FakeClock
    bot: ScriptedBot
    agents: list[Actor]
    tenant: TenantId
    began_under: dict[str, int] = field(default_factory=dict)

    @property
    def db(self) -> Any:
        return self.instances[0].ports.db

    def events(self) -> list[Event]:
        return [event for instance in self.instances for event in instance.events]


class _SaysUnderWhomItBegan(turns.TurnEngine):
    """The engine as it is, noting the owner version each turn begins with, so that its answer can say it."""

    office: Office

    async def _answer(self, work: Any, room: Any, running: Any) -> None:
        self.office.began_under[running.turn] = running.owner_version
        await super()._answer(work, room, running)


@asynccontextmanager
async def an_office(url: str, instances: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    settings = settings_for(
        url,
        turns={"collect_ms": 0, "deadline_s": 5.0},
        jobs={"tick_s": 3600.0},
        bus={"tip_poll_s": 3600.0},
        auth={"access_token_s": 86_400},
        support={"agent_silent_s": 60},
    )
    clock, bot = FakeClock(), ScriptedBot()
    monkeypatch.setattr("deskbell.app.TurnEngine", _SaysUnderWhomItBegan)
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(instances):
            application = await Application.open(settings, clock=clock, plugins={"scripted_bot": _BotPlugin(bot)})
            stack.push_async_callback(application.close)
            instance = Instance(application)
            application.ports.bus.subscribe(instance.events.extend)
            opened.append(instance)
        ports = opened[0].ports
        tenant = await stored_people.tenant_by_slug(ports.db, "default")
        assert tenant is not None
        agents = []
        for name in ("Ana", "Tom"):
            user = await stored_people.create_user(
                ports.db, clock, TenantId(tenant.id), kind="agent", name=name, role="agent", email=f"{name}@example.org"
            )
            agents.append(stored_people.actor(user))
        office = Office(opened, clock, bot, agents, TenantId(tenant.id))
        for instance in opened:
            instance.application.edge.turns.office = office
        bot.script = _script_of(office)
        yield office


def _script_of(office: Office) -> Callable[[Turn], AsyncIterator[BotEvent]]:
    async def script(turn: Turn) -> AsyncIterator[BotEvent]:
        chance = random.Random(f"{turn.id}{turn.text}")  # the same turn does the same, on whatever instance
        began = office.began_under[turn.id]
        yield SetState({"count": turn.state.get("count", 0) + 1})
        for _ in range(chance.randrange(3)):
            yield TextDelta("so ")
            await asyncio.sleep(chance.random() * 0.004)
        match chance.randrange(12):
            case 0:
                yield Escalate("not_understood")
            case 1:
                raise RuntimeError("the bot fell over")
            case _:
                yield Say(f"answer under {began}")

    return script


@dataclass
class Play:
    """One conversation, and what everybody was told of what they did in it."""

    office: Office
    chance: random.Random
    visitor: Actor
    room: RoomId
    sent: dict[str, str] = field(default_factory=dict)
    given: set[tuple[CaseId, int]] = field(default_factory=set)
    did: list[str] = field(default_factory=list)

    def ports(self) -> Ports:
        return self.chance.choice(self.office.instances).ports

    async def case(self) -> CaseId:
        row = await self.office.db.fetchrow(
            "SELECT id FROM cases WHERE room_id = $1 ORDER BY opened_at DESC, id DESC LIMIT 1", self.room
        )
        return CaseId(row["id"] if row is not None else self.room)

    async def visitor_writes(self) -> None:
        client_id = f"c{self.chance.randrange(40)}"  # sometimes one that was there before
        draft = Draft(content=f"text of {client_id}", client_id=client_id)
        times = self.chance.choice((1, 1, 2))
        answers = await asyncio.gather(
            *(messages.post(self.ports(), self.visitor, self.room, draft) for _ in range(times)), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, messages.Posted):
                assert self.sent.setdefault(client_id, answer.message.id) == answer.message.id, "one row per client_id"
            elif not isinstance(answer, DeskbellError):
                raise AssertionError(repr(answer)) from (answer if isinstance(answer, Exception) else None)

    async def visitor_asks_for_a_person(self) -> None:
        await escalation.escalate(self.ports(), self.visitor, self.room)

    async def visitor_keeps_their_place(self) -> None:
        await escalation.keep_place(self.ports(), self.visitor, self.room)

    async def visitor_leaves_the_line(self) -> None:
        await leaving.leave_queue(self.ports(), self.visitor, self.room)

    async def visitor_ends(self) -> None:
        await leaving.end(self.ports(), self.visitor, self.room)

    async def visitor_rates(self) -> None:
        await ratings.rate(self.ports(), self.visitor, self.room, 4)

    async def agent_claims(self) -> None:
        await self._claims(self.chance.choice(self.office.agents), await self.case())

    async def _claims(self, agent: Actor, case_id: CaseId) -> None:
        case = await cases.claim(self.ports(), agent, case_id)
        assert case.agent == agent.id and case.status in ("assigned", "snoozed"), "who is told they have it has it"

    async def both_claim(self) -> None:
        case = await self.case()

        async def one(agent: Actor) -> None:
            with contextlib.suppress(DeskbellError):
                await self._claims(agent, case)

        await asyncio.gather(*map(one, self.office.agents))

    async def agent_takes_over(self) -> None:
        await cases.take_over(self.ports(), self.chance.choice(self.office.agents), self.room)

    async def agent_returns(self) -> None:
        to = self.chance.choice(("queue", "bot"))
        await cases.give_back(self.ports(), self.office.agents[0], await self.case(), to)

    async def agent_transfers(self) -> None:
        giver, receiver = self.chance.sample(self.office.agents, 2)
        where: dict[str, Any] = self.chance.choice(({"team": "billing"}, {"agent": receiver.id}))
        note = self.chance.choice(("", NOTE))
        moved = await cases.transfer(self.ports(), giver, await self.case(), note=note, **where)
        self.given.add((moved.id, moved.version))

    async def agent_resolves(self) -> None:
        await cases.resolve(self.ports(), self.office.agents[0], await self.case())

    async def agent_reopens(self) -> None:
        await cases.reopen(self.ports(), self.chance.choice(self.office.agents), await self.case())

    async def agent_snoozes(self) -> None:
        until = from_us(self.office.clock.now_us()) + timedelta(seconds=self.chance.randrange(1, 200))
        await cases.snooze(self.ports(), self.office.agents[0], await self.case(), until)

    async def agent_notes(self) -> None:
        await notes.write(self.ports(), self.chance.choice(self.office.agents), self.room, NOTE)

    async def agent_writes(self) -> None:
        agent = self.chance.choice(self.office.agents)
        await messages.post(self.ports(), agent, self.room, Draft(content="from an agent"))

    async def time_passes(self) -> None:
        self.office.clock.advance(self.chance.choice((1, 30, 130, 700)))
        await self.deadlines()

    async def deadlines(self) -> None:
        await ladder.step(self.ports(), self.office.tenant, await self.case(), self.room)

    async def an_hour_passes(self) -> None:
        self.office.clock.advance(3_700)
        await closing.close_if_due(self.ports(), self.office.tenant, self.room)

    async def round(self) -> None:
        acts: list[tuple[Callable[[], Awaitable[None]], int]] = [
            (self.visitor_writes, 12),
            (self.visitor_asks_for_a_person, 4),
            (self.visitor_keeps_their_place, 3),
            (self.visitor_leaves_the_line, 3),
            (self.visitor_ends, 1),
            (self.visitor_rates, 1),
            (self.agent_claims, 5),
            (self.both_claim, 4),
            (self.agent_takes_over, 4),
            (self.agent_returns, 5),
            (self.agent_transfers, 4),
            (self.agent_resolves, 4),
            (self.agent_reopens, 3),
            (self.agent_snoozes, 2),
            (self.agent_notes, 2),
            (self.agent_writes, 4),
            (self.time_passes, 3),
            (self.deadlines, 3),
            (self.an_hour_passes, 1),
        ]
        chosen = self.chance.choices(
            [act for act, _ in acts], [weight for _, weight in acts], k=self.chance.choice((2, 2, 3))
        )
        delays = [self.chance.random() * 0.003 for _ in chosen]
        self.did.append(" | ".join(act.__name__ for act in chosen))

        async def act(what: Callable[[], Awaitable[None]], after_s: float) -> None:
            await asyncio.sleep(after_s)
            with contextlib.suppress(DeskbellError):  # refused by name is right; anything else is not
                await what()

        await asyncio.gather(*(act(what, delay) for what, delay in zip(chosen, delays, strict=True)))


async def what_is(office: Office, play: Play) -> None:
    """What the store says of a conversation holds together, at whatever moment one looks."""
    async with office.db.snapshot() as at:
        room = await at.fetchrow("SELECT * FROM rooms WHERE id = $1", play.room)
        open_cases = await at.fetch(
            "SELECT * FROM cases WHERE room_id = $1 AND status IN ('waiting', 'assigned', 'snoozed')", play.room
        )
    owner, user = room["owner_kind"], room["owner_user"]
    assert owner in ("bot", "agent", "nobody")
    assert (user is None) == (owner == "nobody"), "exactly one owner"
    assert len(open_cases) <= 1, "at most one open case"
    case = open_cases[0] if open_cases else None
    assert room["case_id"] == (case["id"] if case is not None else None), "the room points to it"
    if case is None:
        assert owner == "bot", "who is in nobody's hands waits for somebody"
    elif case["status"] == "waiting":
        assert owner in ("nobody", "bot") and case["agent"] is None
        assert case["deadline_at"] is not None, "who waits has a deadline"
    else:
        assert (owner, user) == ("agent", case["agent"]), "who has the case has the room"


def what_happened(office: Office, plays: Sequence[Play]) -> None:
    """What was announced, each room's in the order of its numbers."""
    by_room: dict[str, dict[int, list[Event]]] = defaultdict(lambda: defaultdict(list))
    by_case: dict[str, dict[int, Any]] = defaultdict(dict)
    customers = {play.visitor.id: play.room for play in plays}
    rooms = {play.room for play in plays}
    for event in office.events():
        if event.topic == "room" and event.key in rooms:
            assert NOTE not in event.frame.decode(), "the visitor's room never holds a note"
            if event.seq:
                by_room[event.key][event.seq].append(event)
        elif event.topic == "user" and event.key in customers:
            frame = msgspec.json.decode(event.frame)
            assert (
                set(frame) <= {"type", "room", "status", "position", "wait"} and frame["room"] == customers[event.key]
            )
        elif event.kind == "case":
            case = msgspec.json.decode(event.frame)["case"]
            state = {**case, "position": None}
            assert by_case[case["id"]].setdefault(case["version"], state) == state, "a version is one state"

    for play in plays:
        told = by_room[play.room]
        assert sorted(told) == list(range(1, len(told) + 1)), "dense"
        owner, version, archived = None, 0, False
        for seq in sorted(told):
            assert len(told[seq]) == 1, "a number is taken once"
            event = told[seq][0]
            frame = msgspec.json.decode(event.frame)
            if event.kind == "room":
                state = frame["state"]
                assert state["owner_version"] >= version, "the owner version never falls"
                assert state["owner_version"] > version or state["owner"] == owner, "every change of hands raises it"
                owner, version, archived = state["owner"], state["owner_version"], state["archived"]
            elif event.kind == "message" and frame["message"]["seq"] == seq and frame["message"]["kind"] != "system":
                message = frame["message"]
                assert not archived, "nothing is said in a closed room"
                if message["sender"]["kind"] == "bot":
                    assert owner is not None and owner["kind"] == "bot", "the bot speaks while it is the owner"
                    if message["content"].startswith("answer under"):
                        assert message["content"] == f"answer under {version}", "and of the turn that began under it"
    given = {handed for play in plays for handed in play.given}
    for case_id, states in by_case.items():
        for number, after in states.items():
            before = states.get(number - 1)
            if before is None or before["agent"] is None or after["agent"] in (None, before["agent"]):
                continue
            over = before["status"] == "resolved"  # whoever reopens it has it
            assert over or (case_id, number) in given, "a claim is won from nobody's hands"


async def idle(office: Office) -> None:
    """Let the turns that are left be taken."""
    engines = [instance.application.edge.turns for instance in office.instances]
    async with asyncio.timeout(30):
        while True:
            left = await office.db.fetch(
                "SELECT leased_until, due_at FROM outbox WHERE queue = 'turn' AND status = 'pending'"
            )
            if not left:
                break
            now = await office.instances[0].ports.journal.now_us()
            if all((row["leased_until"] or 0) > now or row["due_at"] > now for row in left):
                office.clock.advance(30)
            for engine in engines:
                engine.wake()
            await asyncio.sleep(0.02)
    while await turns.rescue(office.instances[0].ports):
        pass


async def nobody_is_unanswered(office: Office) -> None:
    rows = await office.db.fetch(
        "SELECT m.room_id, m.seq FROM messages m JOIN rooms r ON r.tenant_id = m.tenant_id AND r.id = m.room_id"
        " LEFT JOIN bot_states s ON s.tenant_id = m.tenant_id AND s.room_id = m.room_id"
        " WHERE r.owner_kind = 'bot' AND r.closed_at IS NULL AND m.sender_id = r.customer"
        " AND m.seq > COALESCE(s.taken_seq, 0)"
    )
    assert [dict(row) for row in rows] == []
    assert await stored_cases.without_deadline(office.db) == []


async def one_room(office: Office, number: int, until: float) -> tuple[Play, int]:
    chance = random.Random(SEED * 1_000_003 + number)
    ports = office.instances[0].ports
    session = await people.arrive(ports, SITE_KEY, name=f"V{number}")
    visitor = await people.authenticate(ports, session.access_token)
    room, _ = await support.open_conversation(ports, visitor, new=True)
    play = Play(office, chance, visitor, room.id)
    done = 0
    while done < ROUNDS_PER_ROOM and time.monotonic() < until:
        await play.round()
        try:
            await what_is(office, play)
        except AssertionError as broken:
            raise AssertionError(f"{broken}\nroom {number}, seed {SEED}, after:\n" + "\n".join(play.did)) from None
        done += 1
    stored = {
        row["client_id"]: row["id"]
        for row in await office.db.fetch(
            "SELECT client_id, id FROM messages WHERE room_id = $1 AND sender_id = $2", room.id, visitor.id
        )
    }
    assert stored == play.sent, "what was acknowledged is stored, once; and nothing else"
    return play, done


async def test_whatever_happens_at_once_what_must_hold_holds(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = time.monotonic() + ENOUGH_S
    with structlog.testing.capture_logs():
        await _whatever_happens(database_url, until, monkeypatch)


async def _whatever_happens(database_url: str, until: float, monkeypatch: pytest.MonkeyPatch) -> None:
    async with an_office(database_url, 1 if database_url.startswith("sqlite") else 2, monkeypatch) as office:
        plays: list[Play] = []
        rounds, numbers = 0, iter(range(ROUNDS // ROUNDS_PER_ROOM))

        async def player() -> None:
            nonlocal rounds
            for number in numbers:
                if time.monotonic() >= until:
                    return
                play, done = await one_room(office, number, until)
                plays.append(play)
                rounds += done

        async with asyncio.TaskGroup() as group:
            for _ in range(ROOMS_AT_ONCE):
                group.create_task(player())
        await idle(office)
        for play in plays:
            await what_is(office, play)
        what_happened(office, plays)
        await nobody_is_unanswered(office)
        discarded = sum(instance.application.edge.turns.discarded for instance in office.instances)
        log.info("%s rounds, %s events, %s answers discarded", rounds, len(office.events()), discarded)
        assert rounds >= LEAST_ROUNDS
