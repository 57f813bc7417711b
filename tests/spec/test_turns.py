"""Turns: one answer to what the visitor has said, shown as it is written, and never silence."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from deskbell.contracts import BotEvent, Escalate, Say, SetState, TextDelta, Turn
from deskbell.ids import RoomId
from deskbell.store import outbox
from deskbell.testing.desk import Desk, Line, settings_for
from deskbell.wire import frames
from deskbell.wire.events import Event

APOLOGY = "I'm sorry, something went wrong with me. I've asked a colleague to join."
Script = Callable[[Turn], AsyncIterator[BotEvent]]


@pytest.fixture
async def desk(empty_sqlite_url: str) -> AsyncIterator[Desk]:
    settings = settings_for(empty_sqlite_url, turns={"deadline_s": 1.0})
    async with Desk.open(empty_sqlite_url, settings=settings) as opened:
        yield opened


def deltas(line: Line, room: str) -> list[dict[str, Any]]:
    return [frame for frame in line.frames if frame["type"] == "delta" and frame["room"] == room]


async def unanswered(desk: Desk) -> list[Any]:
    """Texts of visitors in open rooms of the bot that it has not taken, and that no pending turn will take."""
    return list(
        await desk.application.ports.db.fetch(
            "SELECT m.room_id, m.seq, m.content FROM messages m"
            " JOIN rooms r ON r.tenant_id = m.tenant_id AND r.id = m.room_id"
            " LEFT JOIN bot_states s ON s.tenant_id = m.tenant_id AND s.room_id = m.room_id"
            " WHERE r.owner_kind = 'bot' AND r.closed_at IS NULL AND m.sender_id = r.customer"
            " AND m.deleted_at IS NULL AND m.seq > COALESCE(s.taken_seq, 0)"
            " AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.queue = 'turn' AND o.status = 'pending'"
            " AND o.tenant_id = m.tenant_id AND o.key = CAST(m.room_id AS text))"
        )
    )


async def idle(desk: Desk) -> None:
    """Wait until no turn is left to take."""

    async def pending() -> int:
        return int(
            await desk.application.ports.db.fetchval(
                "SELECT count(*) FROM outbox WHERE queue = 'turn' AND status = 'pending'"
            )
        )

    async with asyncio.timeout(10):
        while await pending():
            await asyncio.sleep(0.02)


async def escalated(line: Line, room: str, desk: Desk, reason: str = "bot_error") -> None:
    """The visitor was told, and the case waits."""
    await line.hears(room, APOLOGY)
    row = await desk.application.ports.db.fetchrow("SELECT status, reason FROM cases WHERE room_id = $1", room)
    assert row is not None and (row["status"], row["reason"]) == ("waiting", reason)


# one turn


async def test_a_burst_is_one_turn(desk: Desk) -> None:
    maya = await desk.visitor()
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        for text in ("Hello", "my parcel", "is late"):
            await line.says(room, text)
        await line.hears(room, "You said: Hello\nmy parcel\nis late")
        assert [turn.text for turn in desk.bot.turns] == ["Hello\nmy parcel\nis late"]


async def test_a_message_during_the_turn_begins_it_again_with_both_at_once(empty_sqlite_url: str) -> None:
    """Not when the answer begun in vain is done, or its time is over."""
    settings = settings_for(empty_sqlite_url, turns={"deadline_s": 25.0})
    async with Desk.open(empty_sqlite_url, settings=settings) as desk:
        maya = await desk.visitor()
        async with maya.line() as line:
            room = await maya.conversation()
            await line.subscribe(room)
            desk.bot.streams("An answer ", "that would take too long", pause_s=3600)
            await line.says(room, "First?")
            await line.wait("delta")
            desk.bot.script = None
            await line.says(room, "And second?")

            await line.hears(room, "You said: First?\nAnd second?")

            assert [turn.text for turn in desk.bot.turns] == ["First?", "First?\nAnd second?"]
            assert len({turn.id for turn in desk.bot.turns}) == 1, "begun again, it is the same turn"
            assert not any("An answer" in text for text in line.heard(room)), "what was begun in vain is not stored"


async def test_what_is_taken_back_before_it_was_answered_is_not_answered(empty_sqlite_url: str) -> None:
    settings = settings_for(empty_sqlite_url, turns={"collect_ms": 400})
    async with Desk.open(empty_sqlite_url, settings=settings) as desk:
        maya = await desk.visitor()
        async with maya.line() as line:
            room = await maya.conversation()
            await line.subscribe(room)
            gone = await line.says(room, "Wrong window")
            assert (await line.ask({"type": "delete", "message": gone["id"]}))["type"] == "ack"
            await idle(desk)
            assert desk.bot.turns == []


async def test_one_turn_per_room_at_a_time(desk: Desk) -> None:
    """However fast the visitor writes, and however many rooms there are beside."""
    running: dict[str, int] = {}
    most: dict[str, int] = {}

    async def script(turn: Turn) -> AsyncIterator[BotEvent]:
        running[turn.room] = running.get(turn.room, 0) + 1
        most[turn.room] = max(most.get(turn.room, 0), running[turn.room])
        try:
            await asyncio.sleep(0.05)
            yield Say(f"{len(turn.messages)}")
        finally:
            running[turn.room] -= 1

    desk.bot.script = script
    people = [await desk.visitor(f"V{n}") for n in range(4)]
    lines = [await one.connect() for one in people]
    rooms = [await one.conversation() for one in people]

    async def talks(line: Line, room: str) -> None:
        await line.subscribe(room)
        for n in range(8):
            await line.says(room, f"message {n}")
            await asyncio.sleep(0.03 * (n % 3))

    await asyncio.gather(*(talks(line, room) for line, room in zip(lines, rooms, strict=True)))
    await idle(desk)
    assert most == dict.fromkeys(rooms, 1)
    assert await unanswered(desk) == []


async def test_a_message_that_arrives_while_the_answer_is_being_stored_is_answered_next(desk: Desk) -> None:
    """The narrowest moment: the answer's transaction has the room's lock, and the message waits for it."""
    maya = await desk.visitor()
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        journal = desk.application.ports.journal
        original, told = journal.change, asyncio.Event()

        def change(tenant: Any, *rooms: RoomId) -> Any:
            if asyncio.current_task().get_name().startswith("turn "):  # type: ignore[union-attr]
                told.set()
                return _slowly(original(tenant, *rooms))
            return original(tenant, *rooms)

        journal.change = change  # type: ignore[method-assign]
        await line.says(room, "One")
        await asyncio.wait_for(told.wait(), 5)
        await line.says(room, "Two")
        await line.hears(room, "You said: One")
        await line.hears(room, "You said: Two")
        await idle(desk)
        assert [turn.text for turn in desk.bot.turns] == ["One", "Two"]
        assert await unanswered(desk) == []


class _slowly:
    """A change that takes its time before it commits."""

    def __init__(self, change: Any) -> None:
        self._change = change

    async def __aenter__(self) -> Any:
        return await self._change.__aenter__()

    async def __aexit__(self, *failure: Any) -> Any:
        await asyncio.sleep(0.2)
        return await self._change.__aexit__(*failure)


async def test_what_the_bot_noted_is_there_in_the_next_turn(desk: Desk) -> None:
    async def script(turn: Turn) -> AsyncIterator[BotEvent]:
        count = turn.state.get("count", 0) + 1
        yield SetState({"count": count})
        yield Say(f"This is number {count}.")

    desk.bot.script = script
    maya = await desk.visitor()
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        for n in (1, 2, 3):
            await line.says(room, "again")
            await line.hears(room, f"This is number {n}.")


async def test_a_turn_that_is_not_about_text_is_a_turn_too(desk: Desk) -> None:
    """A visitor who sends where they are is not left without an answer."""
    maya = await desk.visitor()
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        await line.ask({"type": "send", "room": room, "kind": "location", "content": "", "metadata": {"lat": 1}})
        await line.hears(room, "You said: ")


# as it is written


async def test_an_answer_is_shown_as_it_is_written_then_stored_as_a_whole(desk: Desk) -> None:
    maya = await desk.visitor()
    async with maya.line() as line:
        room = await maya.conversation()
        state = (await line.subscribe(room))["state"]
        desk.bot.streams("Try turning ", "it off ", "and on.")
        await line.says(room, "It is broken.")
        stored = await line.hears(room, "Try turning it off and on.")

        pieces = deltas(line, room)
        assert [(piece["offset"], piece["text"]) for piece in pieces] == [
            (0, "Try turning "),
            (12, "it off "),
            (19, "and on."),
        ]
        assert {piece["owner_version"] for piece in pieces} == {state["owner_version"]}
        assert {piece["turn"] for piece in pieces} == {stored["message"]["metadata"]["turn"]}


async def test_after_a_hand_over_nothing_of_the_answer_is_shown_any_more(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent()
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        desk.bot.streams(*(f"word{n} " for n in range(60)), pause_s=0.01)
        await line.says(room, "Tell me a story")
        await line.wait("delta")
        taken = await ana.post(f"/rooms/{room}/take-over")
        assert taken.status_code == 200
        await desk.until(lambda: desk.application.edge.turns.discarded)
        await asyncio.sleep(0.1)
        handed = next(
            n for n, f in enumerate(line.frames) if f["type"] == "room" and f["state"]["owner"]["kind"] != "bot"
        )
        assert not [f for f in line.frames[handed:] if f["type"] == "delta"]
        assert line.heard(room) == ["Tell me a story"]


async def test_stop_keeps_what_was_shown(desk: Desk) -> None:
    maya = await desk.visitor()
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        desk.bot.streams("A long ", *(["story "] * 500), pause_s=0.005)
        await line.says(room, "Tell me a story")
        turn = (await line.find(lambda f: f["type"] == "delta" and f["offset"] > 20))["turn"]
        assert (await line.ask({"type": "stop", "room": room, "turn": turn}))["type"] == "ok"

        stored = await line.find(lambda f: f["type"] == "message" and f["message"]["metadata"].get("stopped"))
        text = stored["message"]["content"]
        shown = "".join(piece["text"] for piece in deltas(line, room))
        assert shown.startswith(text) and len(text) > 20
        assert stored["message"]["metadata"]["turn"] == turn
        desk.bot.script = None
        await line.says(room, "Thank you")
        await line.hears(room, "You said: Thank you")


async def test_stopping_an_answer_that_is_over_does_not_stop_the_next_one(desk: Desk) -> None:
    maya = await desk.visitor()
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        desk.bot.streams("One")
        await line.says(room, "First?")
        over = (await line.wait("delta"))["turn"]
        await line.hears(room, "One")
        desk.bot.streams("The ", "whole ", "second ", "answer", pause_s=0.1)
        await line.says(room, "Second?")
        await line.find(lambda f: f["type"] == "delta" and f["turn"] != over)
        await line.ask({"type": "stop", "room": room, "turn": over})
        await line.hears(room, "The whole second answer")


async def test_only_who_is_in_the_conversation_stops_its_answer(desk: Desk) -> None:
    maya, eve = await desk.visitor("Maya"), await desk.visitor("Eve")
    async with maya.line() as line, eve.line() as other:
        room = await maya.conversation()
        await line.subscribe(room)
        desk.bot.streams("The ", "whole ", "answer", pause_s=0.1)
        await line.says(room, "Well?")
        turn = (await line.wait("delta"))["turn"]
        refused = await other.ask({"type": "stop", "room": room, "turn": turn})
        assert (refused["type"], refused["code"]) == ("error", "not_found")
        await line.hears(room, "The whole answer")


# never silence

_let_go = threading.Event()


async def _raises(turn: Turn) -> AsyncIterator[BotEvent]:
    yield TextDelta("I think ")
    raise RuntimeError("the bot fell over")


async def _hangs(turn: Turn) -> AsyncIterator[BotEvent]:
    await asyncio.sleep(3600)
    yield Say("never")


async def _will_not_stop(turn: Turn) -> AsyncIterator[BotEvent]:
    while not _let_go.is_set():
        with contextlib.suppress(asyncio.CancelledError):  # as badly written code does
            await asyncio.sleep(0.05)
    yield Say("never")


async def _never_ends(turn: Turn) -> AsyncIterator[BotEvent]:
    while True:
        yield TextDelta("and ")
        await asyncio.sleep(0.01)


async def _never_ends_and_never_waits(turn: Turn) -> AsyncIterator[BotEvent]:
    while True:
        yield TextDelta("")


async def _says_garbage(turn: Turn) -> AsyncIterator[BotEvent]:
    yield {"say": "hello"}  # type: ignore[misc]


async def _says_no_text(turn: Turn) -> AsyncIterator[BotEvent]:
    yield Say(None)  # type: ignore[arg-type]


async def _says_what_no_store_keeps(turn: Turn) -> AsyncIterator[BotEvent]:
    yield Say("a\x00b")


async def _says_half_a_character(turn: Turn) -> AsyncIterator[BotEvent]:
    yield Say("\ud83d")


async def _notes_what_is_no_json(turn: Turn) -> AsyncIterator[BotEvent]:
    yield SetState({"when": object()})
    yield Say("noted")


async def _says_a_book(turn: Turn) -> AsyncIterator[BotEvent]:
    yield Say("x" * 1_000_000)


async def _asks_for_a_person_in_garbage(turn: Turn) -> AsyncIterator[BotEvent]:
    yield Escalate("why", priority="very", facts={"a": 1})  # type: ignore[arg-type,dict-item]


@pytest.mark.parametrize(
    "script",
    [
        _raises,
        _hangs,
        _will_not_stop,
        _never_ends,
        _never_ends_and_never_waits,
        _says_garbage,
        _says_no_text,
        _says_what_no_store_keeps,
        _says_half_a_character,
        _notes_what_is_no_json,
        _says_a_book,
        _asks_for_a_person_in_garbage,
    ],
    ids=lambda script: script.__name__.strip("_"),
)
async def test_a_bot_that_fails_in_whatever_way_ends_in_a_person(desk: Desk, script: Script) -> None:
    maya = await desk.visitor()
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        desk.bot.script = script
        _let_go.clear()
        await line.says(room, "Well?")
        try:
            await escalated(line, room, desk)
        finally:
            _let_go.set()
        assert line.heard(room) == ["Well?"], "and nothing half said is kept"


async def test_a_bot_that_says_nothing_at_all_has_answered(desk: Desk) -> None:
    """Silence is a bot's right; the message is taken, and the next one is a turn of its own."""

    async def script(turn: Turn) -> AsyncIterator[BotEvent]:
        return
        yield

    maya = await desk.visitor()
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        desk.bot.script = script
        await line.says(room, "psst")
        await idle(desk)
        desk.bot.script = None
        await line.says(room, "Hello")
        await line.hears(room, "You said: Hello")
        assert await unanswered(desk) == []


async def test_a_conversation_whose_bot_is_gone_goes_to_a_person(empty_sqlite_url: str) -> None:
    """Its plugin was switched off while the visitor was away."""
    async with Desk.open(empty_sqlite_url) as desk:
        maya = await desk.visitor()
        room = await maya.conversation()
        token = maya.token
    settings = settings_for(empty_sqlite_url, plugins={"scripted_bot": {"enabled": False}})
    async with Desk.open(empty_sqlite_url, settings=settings) as desk:
        line = await Line.open(desk.url, token)
        desk.lines.append(line)
        await line.subscribe(room)
        await line.says(room, "I am back.")
        await escalated(line, room, desk)


async def test_a_turn_whose_process_died_is_taken_again_and_answered_once(desk: Desk) -> None:
    """Somebody claimed the row and never came back: once the lease is over it is anybody's."""
    maya = await desk.visitor()
    ports, engine = desk.application.ports, desk.application.edge.turns
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        await engine.close()
        await line.says(room, "Is anybody there?")
        now = await ports.journal.now_us()
        lost = await outbox.claim(ports.db, "turn", now, 30_000_000, 1, one_per_key=True)
        assert [work.key for work in lost] == [room]

        later = type(engine)(ports)
        later.start()
        try:
            await asyncio.sleep(0.2)
            assert line.heard(room) == ["Is anybody there?"], "while the lease holds nobody else begins"
            desk.clock.advance(31)
            later.wake()
            await line.hears(room, "You said: Is anybody there?")
            assert [turn.attempt for turn in desk.bot.turns] == [2]
            assert not await outbox.done(ports.db, lost[0], await ports.journal.now_us()), "who comes back is too late"
            await idle(desk)
            assert line.heard(room).count("You said: Is anybody there?") == 1
        finally:
            await later.close()


async def test_a_turn_that_fails_again_and_again_ends_in_a_person(desk: Desk) -> None:
    """Not the bot, the storing of its answer; the last attempt does not ask the bot any more."""
    maya = await desk.visitor()
    engine = desk.application.edge.turns
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        original = engine._store
        failed = 0

        async def store(*args: Any) -> None:
            nonlocal failed
            result = args[6]
            if result.escalate is None:
                failed += 1
                raise RuntimeError("the disk is on fire")
            await original(*args)

        engine._store = store  # type: ignore[method-assign]
        await line.says(room, "Well?")
        for _ in range(2):
            await desk.until(lambda n=failed: failed > n)
            desk.clock.advance(10)
            engine.wake()
        await escalated(line, room, desk)
        assert failed == 2


async def test_a_turn_that_was_given_up_ends_in_a_person(desk: Desk) -> None:
    """Its process died in every attempt, so that nobody was left to say sorry: the next look does."""
    maya = await desk.visitor()
    ports = desk.application.ports
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        await desk.application.edge.turns.close()
        await line.says(room, "Well?")
        for _ in range(3):
            now = await ports.journal.now_us()
            assert await outbox.claim(ports.db, "turn", now, 1_000_000, 1, one_per_key=True)
            desk.clock.advance(2)
        assert await outbox.claim(ports.db, "turn", await ports.journal.now_us(), 1_000_000, 1, one_per_key=True) == []

        await desk.tick()

        await escalated(line, room, desk)
        assert await unanswered(desk) == []
        await desk.tick()
        assert len([t for t in line.heard(room, kind="system") if t == APOLOGY]) == 1


async def test_news_of_an_older_owner_that_comes_late_does_not_end_the_turn(desk: Desk) -> None:
    """Events of other instances may overtake one another; a turn ended by an old one would never be taken again."""
    maya = await desk.visitor()
    ports = desk.application.ports
    async with maya.line() as line:
        room = await maya.conversation()
        state = (await line.subscribe(room))["state"]
        await maya.post(f"/rooms/{room}/escalate")
        await maya.post(f"/rooms/{room}/assistant")
        desk.bot.answers("Here you are.", after_s=0.2)
        await line.says(room, "Well?")
        await desk.until(lambda: desk.bot.turns)
        old = {**state, "owner_version": state["owner_version"]}
        frame = frames.encode({"type": "room", "room": room, "seq": 1, "state": old})  # type: ignore[arg-type]
        ports.bus.publish([Event(desk.tenant, "room", room, "room", 1, frame)])
        await line.hears(room, "Here you are.")
        assert desk.application.edge.turns.discarded == 0


async def test_a_conversation_that_is_closed_meanwhile_is_not_answered_any_more(desk: Desk) -> None:
    maya, admin = await desk.visitor(), await desk.agent(role="admin")
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        desk.bot.streams(*(["words "] * 80), pause_s=0.01)
        await line.says(room, "Well?")
        await line.wait("delta")
        assert (await admin.post(f"/rooms/{room}/archive")).status_code == 200
        await desk.until(lambda: desk.application.edge.turns.discarded)
        await idle(desk)
        closed = next(n for n, f in enumerate(line.frames) if f["type"] == "room" and f["state"]["archived"])
        assert len([f for f in line.frames[closed:] if f["type"] == "delta"]) <= 1, "the bot is stopped"
        assert line.heard(room) == ["Well?"]


async def test_nor_when_it_is_closed_at_the_last_moment(desk: Desk) -> None:
    """The answer is ready, the closing commits first."""
    maya, admin = await desk.visitor(), await desk.agent(role="admin")
    engine = desk.application.edge.turns
    original = engine._store

    async def store(*args: Any) -> None:
        assert (await admin.post(f"/rooms/{args[1].id}/archive")).status_code == 200
        await original(*args)

    engine._store = store  # type: ignore[method-assign]
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        await line.says(room, "Well?")
        await desk.until(lambda: engine.discarded)
        assert line.heard(room) == ["Well?"]
