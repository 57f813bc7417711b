"""Turns: one bot answer to what the visitor has said since the last.

What a visitor writes to a bot's room leaves a row in the outbox, in the transaction that stored it.
A worker claims the room's row with a lease, waits until the burst is over, gathers all that is new
into one turn and runs the bot under a deadline. What the bot streams is shown as it comes; what it
says is stored, together with its state and the row's end, in one transaction that looks at the
room's owner again. So a turn's answer is stored once or not at all, whatever crashes, and never
after the conversation has changed hands. A new message makes a running turn begin again with it;
an error or a missed deadline ends in a person.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from deskbell.actions import access, bot_runs, escalation, voices
from deskbell.actions.access import Need
from deskbell.actions.bot_runs import Result, Running
from deskbell.actions.packets import Packet, packet_of
from deskbell.actions.voices import APOLOGY
from deskbell.contracts import Bot, Escalate, HandOver, Say, Situation, Turn, TurnMessage
from deskbell.errors import DeskbellError
from deskbell.ids import RoomId, TenantId, TurnId
from deskbell.model.records import Actor, Message, PublicUser, Room
from deskbell.ports import Ports
from deskbell.spread import SLOW_S, Spread
from deskbell.store import messages, outbox, people, rooms
from deskbell.store.change import Change
from deskbell.store.database import StoreError
from deskbell.store.outbox import Work
from deskbell.wire import frames
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)

QUEUE = "turn"
MAX_AT_ONCE = 32
MAX_GATHERED = 50
MAX_RESTARTS = 3
IDLE_S = 1.0
LEASE_SPARE_S = 15.0


class _Lost(Exception):
    """The turn is no longer ours: somebody else holds its row, or the room has changed hands."""


class TurnEngine:
    """Runs the turns of this process. ``discarded`` counts answers that came too late to be stored."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._running: dict[tuple[TenantId, RoomId], Running] = {}
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop_task: asyncio.Task[None] | None = None
        self._closing = False
        self._lease_us = int((ports.settings.turns.deadline_s + LEASE_SPARE_S) * 1_000_000)
        self.discarded = 0
        self.taken = 0
        self.put_off = 0
        self.seconds = Spread(SLOW_S)

    def start(self) -> None:
        self._ports.bus.subscribe(self.on_events)
        self._loop_task = asyncio.create_task(self._run(), name="turn-engine")

    def wake(self) -> None:
        """There is work in the outbox."""
        self._wake.set()

    async def close(self, timeout_s: float = 5.0) -> None:
        """Take no more; let what runs finish for a while. What is cut is taken again elsewhere, after its lease."""
        self._closing = True
        self._wake.set()
        if self._loop_task is not None:
            await asyncio.gather(self._loop_task, return_exceptions=True)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def on_events(self, events: Sequence[Event]) -> None:
        """Hear what happens to rooms whose turn is running, on whatever instance it happened."""
        for event in events:
            if event.topic != "room":
                continue
            running = self._running.get((event.tenant, RoomId(event.key)))
            if running is None:
                continue
            if event.kind == "message" and event.counts and event.sender == running.customer:
                running.wrote_again = True
            elif event.kind == "room":
                state = msgspec.json.decode(event.frame, type=frames.RoomFrame).state
                # Only ever later: events of other instances may overtake one another.
                running.relieved = running.relieved or state.owner_version > running.owner_version or state.archived
            elif event.kind == "stop":
                if event.frame.decode() != running.turn:
                    continue  # an answer that is over
                running.stopped = True
            else:
                continue
            running.changed.set()

    # the worker

    async def _run(self) -> None:
        while not self._closing:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), IDLE_S)
            self._wake.clear()
            if self._closing or len(self._tasks) >= MAX_AT_ONCE:
                continue
            try:
                now_us = await self._ports.journal.now_us()
                free = MAX_AT_ONCE - len(self._tasks)
                claimed = await outbox.claim(self._ports.db, QUEUE, now_us, self._lease_us, free, one_per_key=True)
            except StoreError as error:
                log.warning("turns_wait_for_the_store", error=str(error))
                continue
            for work in claimed:
                task = asyncio.create_task(self._take(work), name=f"turn {work.key}")
                self._tasks.add(task)
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("turn_failed", task=task.get_name(), exc_info=error)

    async def _take(self, work: Work) -> None:
        ports, room_id = self._ports, RoomId(work.key)
        room = await rooms.get(ports.db, work.tenant, room_id)
        if room is not None and room.owner_kind == "nobody" and room.case_id is None and room.closed_at is None:
            await _ring(ports, work, room)
            return
        if room is None or room.owner_kind != "bot" or room.closed_at is not None:
            await outbox.done(ports.db, work, await ports.journal.now_us())
            return
        running = Running(work.tenant, room_id, room.customer, room.owner_version, _name_of(work))
        self._running[work.tenant, room_id] = running
        ports.bus.interest(work.tenant, "room", room_id, True)
        self.taken += 1
        begun = ports.clock.monotonic()
        structlog.contextvars.bind_contextvars(room=room_id, turn=work.id)
        try:
            await self._answer(work, room, running)
        except _Lost:
            self.discarded += 1
            log.info("turn_discarded")
            await outbox.done(ports.db, work, await ports.journal.now_us())
        except Exception as error:
            self.put_off += 1
            log.warning("turn_put_off", error=repr(error), exc_info=not isinstance(error, StoreError | DeskbellError))
            now_us = await ports.journal.now_us()
            await outbox.failed(ports.db, work, repr(error), now_us, now_us + 2_000_000 * work.attempt)
        finally:
            self.seconds.add(ports.clock.monotonic() - begun)
            ports.bus.interest(work.tenant, "room", room_id, False)
            if self._running.get((work.tenant, room_id)) is running:
                del self._running[work.tenant, room_id]

    # one turn

    async def _answer(self, work: Work, room: Room, running: Running) -> None:
        ports = self._ports
        bot_name, bot, bot_user = await self._bot(work.tenant, room)
        for restart in range(MAX_RESTARTS + 1):
            if not await outbox.extend(ports.db, work, await ports.journal.now_us() + self._lease_us):
                raise _Lost
            await self._until_quiet(running)
            new, history, last_work = await self._gather(work, room, bot_name)
            if not new or room.customer is None:
                await outbox.done_up_to(ports.db, work, last_work, await ports.journal.now_us())
                return
            state, _ = await _state_of(ports, work.tenant, room.id, bot_name)
            turn = Turn(
                # The same, however often it is begun anew: what is shown and done under it replaces what was.
                id=running.turn,
                tenant=work.tenant,
                room=room.id,
                visitor=new[-1].sender,
                messages=_shown(new),
                history=_shown(history),
                state=state,
                deadline=asyncio.get_running_loop().time() + ports.settings.turns.deadline_s,
                attempt=work.attempt,
            )
            if bot is None or (work.attempt > 1 and work.attempt >= work.max_attempts):
                result = Result(escalate=Escalate("bot_error", say=APOLOGY))
            else:
                asked = await ports.plugins.decide(_situation("turn", turn))
                if asked is not None:
                    result = Result(escalate=_as_escalation(asked))
                else:
                    running.stopped = False  # that was the answer before this one
                    result = await bot_runs.run(ports, bot, turn, running, may_restart=restart < MAX_RESTARTS)
            if running.relieved:
                raise _Lost
            if running.wrote_again and restart < MAX_RESTARTS and not result.stopped:
                continue
            await self._store(work, room, running, turn, bot_name, bot_user, result, new, last_work)
            return

    async def _bot(self, tenant: TenantId, room: Room) -> tuple[str, Bot | None, PublicUser]:
        """The bot that owns the room, by the user it speaks as; None where it is no longer installed."""
        owner = await people.user(self._ports.db, tenant, room.owner_user) if room.owner_user is not None else None
        if owner is None:
            raise DeskbellError(f"room {room.id} is owned by a bot that nobody is")
        name = (owner.external_id or "").removeprefix("bot:")
        return name, self._ports.plugins.bots.get(name), people.public(owner)

    async def _until_quiet(self, running: Running) -> None:
        """A burst becomes one turn: wait until nothing more has come for a moment."""
        collect_s = self._ports.settings.turns.collect_ms / 1000
        for _ in range(5):
            running.wrote_again = False
            await self._ports.clock.sleep(collect_s)
            if not running.wrote_again:
                return

    async def _gather(self, work: Work, room: Room, bot_name: str) -> tuple[list[Message], list[Message], int]:
        """What the visitor said since the last turn, what was said before, and the newest row this covers."""
        ports = self._ports
        last_work = await outbox.last_id(ports.db, work.tenant, QUEUE, work.key)
        _, taken_seq = await _state_of(ports, work.tenant, room.id, bot_name)
        recent = await messages.before(ports.db, work.tenant, room.id, None, MAX_GATHERED)
        said = [m for m in recent if not m.deleted and m.kind != "system"]
        new = [m for m in said if m.seq > taken_seq and m.sender.id == room.customer]
        first = new[0].seq if new else 2**62
        history = [m for m in said if m.seq < first][-ports.settings.turns.history_messages :]
        return new, history, max(last_work, work.id)

    async def _store(
        self,
        work: Work,
        room: Room,
        running: Running,
        turn: Turn,
        bot_name: str,
        bot_user: PublicUser,
        result: Result,
        new: Sequence[Message],
        last_work: int,
    ) -> None:
        """Answer, state, hand-over and the end of the row: one commit, if the room is still the bot's."""
        ports = self._ports
        hand_over: HandOver | None = None
        packet = None
        if result.escalate is not None:
            hand_over = await self._hand_over(turn, result.escalate)
            packet = await packet_of(ports, room, new)
        system = await voices.system_user(ports, work.tenant)
        async with ports.journal.change(work.tenant, room.id) as change:
            present = change.room(room.id)
            if present.owner_kind != "bot" or present.owner_version != running.owner_version:
                raise _Lost
            if present.closed_at is not None:
                raise _Lost
            if not await outbox.done(change.tx, work, change.now_us):
                raise _Lost
            if result.streamed and (result.stopped or result.escalate is None):
                # The bot streamed and was stopped, or ended without saying it as a whole: what was shown is kept.
                await _post_answer(change, room.id, bot_user, turn, Say(result.streamed), stopped=result.stopped)
            for say in result.says:
                await _post_answer(change, room.id, bot_user, turn, say, stopped=False)
            await _keep_state(change, room.id, bot_name, result.state, new[-1].seq)
            await outbox.done_up_to(change.tx, work, last_work, change.now_us)
            if hand_over is not None and packet is not None:
                await _to_person(ports, change, room.id, hand_over, packet, system)

    async def _hand_over(self, turn: Turn, wish: Escalate) -> HandOver:
        trigger = "error" if wish.reason == "bot_error" else "bot"
        decided = await self._ports.plugins.decide(_situation(trigger, turn, wish.reason))
        base = decided or HandOver(wish.reason)
        return HandOver(
            reason=base.reason,
            priority=max(base.priority, wish.priority),
            team=wish.team or base.team,
            summary=wish.summary or base.summary,
            say=wish.say or base.say,
            facts={**base.facts, **wish.facts},
        )


def _name_of(work: Work) -> TurnId:
    """A turn's name: the same in every attempt, and telling its reader nothing of other rooms.

    The row's own number would: it counts what happens everywhere, notes included.
    """
    return TurnId(f"{work.key}:{work.payload.get('seq', work.id)}")


def _shown(found: Sequence[Message]) -> tuple[TurnMessage, ...]:
    return tuple(TurnMessage(message.id, message.sender, message.content) for message in found)


def _situation(trigger: str, turn: Turn, reason: str = "") -> Situation:
    return Situation(trigger, turn.tenant, turn.room, turn.visitor, turn.messages, turn.history, turn.state, reason)


def _as_escalation(hand_over: HandOver) -> Escalate:
    return Escalate(
        hand_over.reason,
        say=hand_over.say,
        summary=hand_over.summary,
        priority=hand_over.priority,
        team=hand_over.team,
        facts=hand_over.facts,
    )


async def _state_of(ports: Ports, tenant: TenantId, room: RoomId, bot: str) -> tuple[dict[str, Any], int]:
    row = await ports.db.fetchrow(
        "SELECT state, taken_seq FROM bot_states WHERE tenant_id = $1 AND room_id = $2 AND bot = $3", tenant, room, bot
    )
    return ({}, 0) if row is None else (msgspec.json.decode(row["state"]), row["taken_seq"])


async def _keep_state(change: Change, room: RoomId, bot: str, state: dict[str, Any] | None, taken_seq: int) -> None:
    kept = None if state is None else msgspec.json.encode(state).decode()
    await change.tx.execute(
        "INSERT INTO bot_states (tenant_id, room_id, bot, state, taken_seq) VALUES ($1, $2, $3, COALESCE($4, '{}'), $5)"
        " ON CONFLICT (tenant_id, room_id, bot) DO UPDATE SET state = COALESCE($4, bot_states.state),"
        " taken_seq = excluded.taken_seq",
        change.tenant,
        room,
        bot,
        kept,
        taken_seq,
    )


async def _post_answer(change: Change, room: RoomId, bot: PublicUser, turn: Turn, say: Say, *, stopped: bool) -> None:
    metadata: dict[str, Any] = dict(say.metadata)
    metadata["turn"] = turn.id
    if say.sources:
        metadata["sources"] = [dict(source) for source in say.sources]
    if say.choices:
        metadata["choices"] = list(say.choices)
    if stopped:
        metadata["stopped"] = True
    await change.post(room, bot, say.text, kind="text", metadata=metadata)


async def _to_person(
    ports: Ports, change: Change, room: RoomId, hand_over: HandOver, packet: Packet, system: PublicUser
) -> None:
    if await change.open_case(room) is not None:
        # They kept their place while the bot went on. They are not left without a word.
        text = hand_over.say or voices.STILL_WAITING
        await voices.say_event(change, room, system, "still_waiting", text, words=voices.OWN_WORDS.get(text))
    await escalation.open_in(ports, change, change.room(room), hand_over, packet, system)


async def _ring(ports: Ports, work: Work, room: Room) -> None:
    """Somebody speaks to nobody: there is no bot, and nobody was asked. Ask."""
    packet = await packet_of(ports, room)
    system = await voices.system_user(ports, work.tenant)
    async with ports.journal.change(work.tenant, room.id) as change:
        present = change.room(room.id)
        if not await outbox.done(change.tx, work, change.now_us):
            return
        if present.owner_kind == "nobody" and present.closed_at is None:
            await escalation.open_in(ports, change, present, HandOver("no_assistant"), packet, system)


async def rescue(ports: Ports, limit: int = 20) -> int:
    """Bring in a person wherever a turn was given up; how many there were.

    What failed, or killed its process, until no attempt was left must not end in silence.
    """
    given_up = await ports.db.fetch(
        "SELECT o.id, o.tenant_id, o.key FROM tenants t JOIN outbox o ON o.tenant_id = t.id AND o.queue = $1"
        " AND o.status = 'dead' ORDER BY o.id LIMIT $2",
        QUEUE,
        limit,
    )
    for row in given_up:
        tenant, room_id = TenantId(row["tenant_id"]), RoomId(row["key"])
        room = await rooms.get(ports.db, tenant, room_id)
        packet = await packet_of(ports, room) if room is not None else None
        bot = await voices.bot_in(ports, tenant, room_id)
        system = await voices.system_user(ports, tenant)
        async with ports.journal.change(tenant, room_id) as change:
            seen = await change.tx.execute(
                "UPDATE outbox SET status = 'done' WHERE id = $1 AND status = 'dead'", row["id"]
            )
            present = change.rooms.get(room_id)
            if not seen or packet is None or present is None:
                continue
            unheard = present.owner_kind == "nobody" and present.case_id is None
            if present.closed_at is not None or not (present.owner_kind == "bot" or unheard):
                continue
            unanswered = await change.tx.fetchval(
                "SELECT max(m.seq) FROM messages m LEFT JOIN bot_states s ON s.tenant_id = m.tenant_id"
                " AND s.room_id = m.room_id AND s.bot = $4 WHERE m.tenant_id = $1 AND m.room_id = $2"
                " AND m.sender_id = $3 AND m.deleted_at IS NULL AND m.seq > COALESCE(s.taken_seq, 0)",
                tenant,
                room_id,
                present.customer,
                bot.name if bot is not None else "",
            )
            if unanswered is None:
                continue
            if bot is not None:
                await _keep_state(change, room_id, bot.name, None, unanswered)
            await _to_person(ports, change, room_id, HandOver("bot_error", say=APOLOGY), packet, system)
    return len(given_up)


async def stop(ports: Ports, actor: Actor, room_id: RoomId, turn: str) -> None:
    """End the bot's running answer; what was shown of it is kept. Nothing running: nothing happens.

    Raises:
        NotFound, Forbidden: Not this user's conversation.
    """
    place = await access.room_for(ports, actor, room_id, Need.TAKE_PART)
    ports.bus.publish([Event(actor.tenant, "room", place.room.id, "stop", 0, turn.encode(), sender=actor.id)])
