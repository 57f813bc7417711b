"""A week at the counter, for a demo that starts with life in it.

The conversations of ``week.yaml`` are played once, through the platform's own doors and rules, by an application
whose clock is set to the moment each line was said: nothing is written past the journal, so everything in the demo
is as it would have come about. Whoever comes later finds a store like any other.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from deskbell.actions import cases, labels, messages, notes, people, ratings, reads, support
from deskbell.app import Application
from deskbell.clock import Clock
from deskbell.config import Plugin, Settings
from deskbell.contracts import BotContext, BotEvent, Escalate, Say, Turn
from deskbell.hookspecs import hookimpl
from deskbell.ids import LabelId, RoomId, TenantId
from deskbell.model.records import Actor
from deskbell.ports import Ports
from deskbell.store import cases as cases_store
from deskbell.store import outbox, rooms
from deskbell.store import people as people_store
from deskbell.wire.commands import Draft

WEEK: Final = Path(__file__).with_name("week.yaml")
SHOP: Final = "pell-and-rowan"
BOT: Final = "shop"
BETWEEN_LINES_S: Final = 41
ANSWERS_WITHIN_S: Final = 20.0
_THANKS: Final = "You're welcome. Ask me anything else, any time."
_JOINING: Final = "I've asked a colleague to join."


class Moved(Clock):
    """A clock that is set to moments of the past."""

    def set_to(self, moment: datetime) -> None:
        self.shift_us = 0
        self.shift_us = int((moment - self.now()).total_seconds() * 1_000_000)

    def pass_by(self, seconds: float) -> None:
        self.shift_us += int(seconds * 1_000_000)


@dataclass
class _Scripted:
    """The assistant of that week: it says what is written for its rooms."""

    name: str = BOT
    title: str = "Assistant"
    lines: dict[RoomId, list[BotEvent]] = field(default_factory=dict)

    async def load(self, context: BotContext) -> None:
        return None

    def greeting(self) -> str:
        return ""

    async def handle(self, turn: Turn) -> AsyncIterator[BotEvent]:
        for event in self.lines.pop(turn.room, [Say(_THANKS)]):
            yield event

    @hookimpl
    def register_bots(self, settings: Any) -> Sequence[_Scripted]:
        return [self]


async def play(settings: Settings, week: Path = WEEK) -> int:
    """Play the week into an empty store; how many conversations it has. One that holds any is left as it is."""
    clock, bot = Moved(), _Scripted()
    silent = msgspec.structs.replace(
        settings,
        plugins={**settings.plugins, "faq": Plugin(enabled=False)},
        turns=msgspec.structs.replace(settings.turns, collect_ms=0),
    )
    application = await Application.open(silent, clock=clock, plugins={"week": bot})
    try:
        tenant = await people_store.tenant_by_slug(application.ports.db, settings.tenants[0].slug)
        assert tenant is not None
        counter = _Counter(application, clock, bot, TenantId(tenant.id))
        kim = await counter.colleague("kim")
        if await support.conversations(application.ports, kim, limit=1):
            return 0
        told = yaml.safe_load(await asyncio.to_thread(week.read_text, encoding="utf-8"))
        now = clock.now()
        for story in sorted(told, key=lambda one: began(one["ago"], now)):
            await counter.tell(story, began(story["ago"], now), kim)
        return len(told)
    finally:
        await application.close()


def began(ago: str, now: datetime) -> datetime:
    """The moment that ``2d 10:02`` (the day before yesterday, that time), ``3h`` or ``12m`` ago was."""
    if match := re.fullmatch(r"(\d+)d (\d\d):(\d\d)", ago):
        days, hour, minute = map(int, match.groups())
        return (now - timedelta(days=days)).replace(hour=hour, minute=minute, second=0, microsecond=0)
    match = re.fullmatch(r"(\d+)([hm])", ago)
    if match is None:
        raise ValueError(f"{ago!r} is no moment: 2d 10:02, 3h or 12m")
    return now - timedelta(**{"hours" if match[2] == "h" else "minutes": int(match[1])})


@dataclass
class _Counter:
    """The desk as the people of that week had it before them."""

    application: Application
    clock: Moved
    bot: _Scripted
    tenant: TenantId
    labels: dict[str, LabelId] = field(default_factory=dict)

    @property
    def ports(self) -> Ports:
        return self.application.ports

    async def colleague(self, name: str) -> Actor:
        user = await people_store.user_by_email(self.ports.db, self.tenant, f"{name}@demo.example")
        assert user is not None, name
        return people_store.actor(user)

    async def tell(self, story: Mapping[str, Any], at: datetime, kim: Actor) -> None:
        """One conversation, from the first line to its end."""
        self.clock.set_to(at)
        session = await people.arrive(self.ports, SHOP, name=story["who"])
        visitor = await people.authenticate(self.ports, session.access_token)
        page = f"https://pell-and-rowan.example{story['page']}"
        room, _ = await support.open_conversation(self.ports, visitor, page=page)
        agent = await self.colleague(story["by"]) if "by" in story else None
        lines = [_line(told) for told in story["talk"]]
        calls = _call(lines) if "ask" in story else -1
        for number, (who, text) in enumerate(lines):
            if who == "v":
                self.bot.lines[room.id] = _answer(lines[number + 1 :], story if number == calls else None)
                await self._says(visitor, room.id, text)
                await self._quiet(room.id)
                if number == calls and agent is not None:
                    self.clock.pass_by(BETWEEN_LINES_S)
                    case = await cases_store.open_of_room(self.ports.db, self.tenant, room.id)
                    assert case is not None
                    await cases.claim(self.ports, agent, case.id)
            elif who == "a" and agent is not None:
                await self._says(agent, room.id, text)
            elif who == "n" and agent is not None:
                await notes.write(self.ports, agent, room.id, text)
            else:
                continue  # the assistant's lines came as it answered
            self.clock.pass_by(BETWEEN_LINES_S)
        if agent is not None:
            await self._ends(story, visitor, agent, kim, room.id)
        quiet_s = self.ports.settings.support.auto_close_s + 60
        if at + timedelta(seconds=2 * quiet_s) < datetime.now(UTC):
            # So that what nobody wrote in any more was closed then, not today.
            self.clock.pass_by(quiet_s)
            await self.application.jobs.rooms()

    async def _says(self, actor: Actor, room: RoomId, text: str) -> None:
        await messages.post(self.ports, actor, room, Draft(content=text))

    async def _quiet(self, room: RoomId) -> None:
        """Wait until the assistant has answered what there was to answer."""
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            while await outbox.last_id(self.ports.db, self.tenant, "turn", room):
                await asyncio.sleep(0.005)

    async def _ends(self, story: Mapping[str, Any], visitor: Actor, agent: Actor, kim: Actor, room_id: RoomId) -> None:
        ports = self.ports
        case = await cases_store.open_of_room(ports.db, self.tenant, room_id)
        room = await rooms.get(ports.db, self.tenant, room_id)
        assert case is not None
        assert room is not None
        for name in story.get("labels", ()):
            if name not in self.labels:
                self.labels[name] = (await labels.create(ports, kim, name)).id
        await labels.put_on_case(ports, agent, case.id, [self.labels[name] for name in story.get("labels", ())])
        lines = [_line(told) for told in story["talk"]]
        if lines[-1][0] != "v":
            await reads.mark_read(ports, self.application.edge.marks, agent, room_id, room.seq)
        if "snooze" in story:
            await cases.snooze(ports, agent, case.id, datetime.now(UTC) + timedelta(days=int(story["snooze"][:-1])))
        elif not story.get("open"):
            await cases.resolve(ports, agent, case.id)
            if "rate" in story:
                self.clock.pass_by(BETWEEN_LINES_S)
                await ratings.rate(ports, visitor, room_id, story["rate"], story.get("said", ""))


def _line(told: Mapping[str, str]) -> tuple[str, str]:
    """Who says it, and what."""
    [(who, text)] = told.items()
    return who, text


def _call(lines: Sequence[tuple[str, str]]) -> int:
    """The visitor's line that the bell rings after: the last one before a person speaks."""
    people_speak = next((number for number, (who, _) in enumerate(lines) if who in "an"), len(lines))
    return max(number for number, (who, _) in enumerate(lines[:people_speak]) if who == "v")


def _answer(rest: Sequence[tuple[str, str]], story: Mapping[str, Any] | None) -> list[BotEvent]:
    """What the assistant says to a line that ``rest`` follows; with a ``story``, it then brings in a person."""
    said: list[BotEvent] = []
    for number, (who, text) in enumerate(rest):
        if who != "b":
            break
        after = rest[number + 1 : number + 2]
        title = after[0][1] if after and after[0][0] == "s" else ""
        said.append(Say(text, sources=[{"title": title, "path": ""}] if title else []))
        if title:
            break
    if story is None:
        return said or [Say(_THANKS)]
    joining = ""
    if said and isinstance(said[-1], Say) and said[-1].text.endswith(_JOINING):
        joining = said.pop().text  # type: ignore[union-attr]
    call = Escalate(
        story["ask"],
        say=joining or _JOINING,
        summary=story["question"],
        priority=story.get("priority", 0),
        team=story["team"],
        facts={"Page": story["page"]},
    )
    return [*said, call]
