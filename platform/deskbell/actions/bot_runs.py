"""One run of a bot: asked for one turn, shown as it speaks, put down when nobody waits for it any more.

A run ends in time, whatever the bot does: it is late, fails, says what cannot be stored, never waits for
anything, does not stop. Each of these is an escalation, and what was shown until then is kept. Storing what
it said is :mod:`deskbell.actions.turns`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
import structlog

from deskbell.actions.voices import APOLOGY
from deskbell.contracts import Bot, BotEvent, Escalate, Say, SetState, TextDelta, Turn
from deskbell.ids import RoomId, TenantId, TurnId, UserId
from deskbell.plugins import Resting
from deskbell.ports import Ports
from deskbell.wire import frames
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)

STOPS_WITHIN_S = 1.0
MAX_EVENTS = 10_000
MAX_STATE_BYTES = 65_536


@dataclass
class Running:
    """A turn under way in this process, and what has happened to its room meanwhile."""

    tenant: TenantId
    room: RoomId
    customer: UserId | None
    owner_version: int
    turn: TurnId
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    wrote_again: bool = False
    relieved: bool = False
    stopped: bool = False


@dataclass
class Result:
    """What a bot made of a turn."""

    says: list[Say] = field(default_factory=list)
    streamed: str = ""
    state: dict[str, Any] | None = None
    escalate: Escalate | None = None
    stopped: bool = False


async def run(ports: Ports, bot: Bot, turn: Turn, running: Running, *, may_restart: bool) -> Result:
    """Run the bot until it is done, late, relieved, stopped, or spoken to again."""
    result = Result()
    try:
        counted = ports.plugins.turn(bot.name)
    except Resting:
        # It hung again and again: nobody is kept waiting for it to hang once more.
        return Result(escalate=Escalate("bot_error", say=APOLOGY))
    over: Callable[[], None] = counted.put_down
    work = asyncio.create_task(_consume(ports, bot, turn, running, result))
    try:
        async with asyncio.timeout_at(turn.deadline) as limit:
            while True:
                running.changed.clear()
                # Looked at before waiting, too: much may have happened since the turn was put together.
                if running.stopped:
                    result.stopped = True
                    return result
                if running.relieved or (running.wrote_again and may_restart):
                    return result
                watch = asyncio.create_task(running.changed.wait())
                try:
                    await asyncio.wait({watch, work}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    watch.cancel()
                if work.done():
                    work.result()
                    over = counted.answered
                    return result
    except TimeoutError:
        over = counted.late if limit.expired() else partial(counted.raised, "raised TimeoutError")
        log.warning("bot_too_late", bot=bot.name)
        return Result(streamed=result.streamed, escalate=Escalate("bot_error", say=APOLOGY))
    except Exception as error:
        over = partial(counted.raised, f"raised {type(error).__name__}")
        log.exception("bot_failed", bot=bot.name)
        return Result(streamed=result.streamed, escalate=Escalate("bot_error", say=APOLOGY))
    finally:
        over()
        await _put_down(bot, work)


async def _put_down(bot: Bot, work: asyncio.Task[None]) -> None:
    """Stop a bot. One that does not stop is left alone: the visitor must not wait for it."""
    work.cancel()
    _, still = await asyncio.wait({work}, timeout=STOPS_WITHIN_S)
    if still:
        log.error("bot_does_not_stop", bot=bot.name)
    elif not work.cancelled():
        work.exception()  # looked at: it was told where it mattered


async def _consume(ports: Ports, bot: Bot, turn: Turn, running: Running, result: Result) -> None:
    events: AsyncIterator[BotEvent] = bot.handle(turn)
    try:
        count = 0
        async for event in events:
            count += 1
            _check(ports, event, count, result)
            if isinstance(event, TextDelta):
                _stream(ports, turn, running, result, event.text)
            elif isinstance(event, Say):
                result.says.append(event)
                result.streamed = ""
            elif isinstance(event, SetState):
                result.state = dict(event.state)
            else:
                result.escalate = event
            # A bot that never waits for anything would let nobody else run, the clock of its deadline included.
            await asyncio.sleep(0)
    except SystemExit:
        raise RuntimeError("a bot does not end the process") from None
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


def _check(ports: Ports, event: object, count: int, result: Result) -> None:
    """Refuse what could not be stored or shown, while the bot can still be held to account for it.

    Raises:
        TypeError, ValueError: Not a bot's event, not JSON, or more than an answer can be.
    """
    limit = ports.settings.limits.text_bytes
    streamed = 0
    beside: object = None
    if isinstance(event, TextDelta):
        text, streamed = event.text, len(result.streamed)
    elif isinstance(event, Say):
        text, beside = event.text, (event.sources, event.choices, event.metadata)
    elif isinstance(event, SetState):
        text, beside = "", dict(event.state)
    elif isinstance(event, Escalate):
        if type(event.priority) is not int or not isinstance(event.team, str | None):
            raise TypeError("an escalation's priority is a number, its team a slug")
        text = "".join((event.reason, event.say, event.summary, *event.facts.keys(), *event.facts.values()))
    else:
        raise TypeError(f"a bot says TextDelta, Say, SetState or Escalate, not {type(event).__name__}")
    if not isinstance(text, str) or "\x00" in text:
        raise TypeError("a bot's text is a str without NUL characters")
    text.encode()  # a lone half of a surrogate pair is no text
    encoded = msgspec.json.encode(beside)
    if b"\\u0000" in encoded:
        raise ValueError("no store keeps NUL characters")
    said = streamed + sum(len(say.text) for say in result.says) + len(text)
    if count > MAX_EVENTS or len(encoded) > MAX_STATE_BYTES or said > limit:
        raise ValueError(f"a bot says at most {limit} characters in a turn, in {MAX_EVENTS} pieces")


def _stream(ports: Ports, turn: Turn, running: Running, result: Result, text: str) -> None:
    delta = frames.Delta(
        room=turn.room, turn=turn.id, owner_version=running.owner_version, offset=len(result.streamed), text=text
    )
    result.streamed += text
    ports.bus.publish(
        [
            Event(
                turn.tenant,
                "room",
                turn.room,
                "delta",
                0,
                frames.encode(delta),
                owner_version=running.owner_version,
            )
        ]
    )
