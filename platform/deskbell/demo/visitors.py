"""People for the demo: visitors who arrive, ask and wait, and two colleagues who help those whom nobody took.

All of them come in through the same door as everybody, as clients of the protocol on the demo's own address. The
visitors are few and leave by themselves after some minutes. The colleagues never take whom they were not sent: a
newcomer's own conversation waits for the newcomer.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from deskbell.client import Client, ConnectionOver, MessageNew
from deskbell.config import DEMO_PASSWORD
from deskbell.demo.week import SHOP
from deskbell.errors import DeskbellError

log = structlog.get_logger(__name__)

MOST: Final = 12
"""Simulated visitors at a time."""

STAYS_S: Final = 240.0
COLLEAGUES_TAKE_AFTER_S: Final = 45.0
COME_AGAIN_AFTER_S: Final = 0.25
COME_AGAIN_AT_MOST_S: Final = 10.0


@dataclass(frozen=True)
class Story:
    """What somebody comes for: lines they write one after the other, and what they say to a person."""

    name: str
    page: str
    lines: tuple[str, ...]
    to_person: tuple[str, ...] = ("Thank you, that helps.",)


STORIES: Final = (
    Story("Anouk Dubois", "/lamps/alder", ("Which shade fits the Alder lamp?", "Thanks!")),
    Story("Emil Larsson", "/delivery", ("How long does delivery take?", "And what does it cost?")),
    Story(
        "Fatima Benali", "/my-orders", ("My lamp arrived with a broken shade", "Can I talk to a person please?"),
        ("The order is PR-20533.", "Wonderful, thank you!"),
    ),
    Story("Giulia Conti", "/returns", ("How do I return something?", "When do I get my money back?")),
    Story(
        "Henrik Dahl", "/trade", ("We need 40 lamps for an office", "I want to talk to somebody from your team"),
        ("By the end of January, in Aarhus.", "Please send it to my mail."),
    ),
    Story("Isla Fraser", "/gift", ("Can you wrap a lamp as a present?",)),
    Story(
        "Jun Watanabe", "/lamps/birch", ("Does the Birch lamp work in Japan with 100 V?", "I need a person for that"),
        ("Tokyo, so 100 V and 50 Hz.", "I see. Then I order it with that bulb."),
    ),
    Story("Karim Osman", "/checkout", ("Can I pay on invoice?", "ok")),
    Story(
        "Lucia Moreno", "/my-orders", ("I ordered the wrong colour", "Could a person change it?"),
        ("Brass instead of black.", "Great, thanks."),
    ),
    Story("Milan Kovac", "/lamps/rowan", ("Which bulb fits the Rowan pendant?", "Is it dimmable?")),
)  # fmt: skip

COLLEAGUES: Final = ("tom", "jonas")
OPENING: Final = "Hello, I have read what you wrote. Let me look."
ANSWER: Final = "I have arranged it for you. You will get a mail in a minute."


@dataclass
class Crowd:
    """Whom the demo sends in. ``pace`` multiplies all pauses; tests hurry."""

    url: str
    pace: float = 1.0
    chance: random.Random = field(default_factory=random.Random)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _turn: Callable[[], Story] = field(default_factory=lambda: itertools.cycle(STORIES).__next__)
    _colleagues: set[asyncio.Task[None]] = field(default_factory=set)
    _rooms: set[str] = field(default_factory=set)

    @property
    def present(self) -> int:
        """How many visitors are there now."""
        return len(self._tasks)

    def send_in(self, count: int) -> int:
        """Let some more come, as far as there is room; how many there are then."""
        for number in range(min(count, MOST - len(self._tasks))):
            self._begin(self._tasks, self._visit(self._turn(), number * 2.5))
        return self.present

    def staff(self) -> None:
        """Have the colleagues come, as soon as the desk is open, and stay until all is over."""
        for name in COLLEAGUES:
            self._begin(self._colleagues, self._stay(name))

    async def close(self) -> None:
        """Send everybody home."""
        everybody = [*self._tasks, *self._colleagues]
        for task in everybody:
            task.cancel()
        await asyncio.gather(*everybody, return_exceptions=True)

    def _begin(self, tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(_told(work), name="demo")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _pause(self, least_s: float, most_s: float) -> None:
        await asyncio.sleep(self.chance.uniform(least_s, most_s) * self.pace)

    async def _visit(self, story: Story, after_s: float) -> None:
        await asyncio.sleep(after_s * self.pace)
        async with Client.visitor(self.url, SHOP, name=story.name) as client:
            page = f"{self.url}{story.page}"
            room = (await client.rest("POST", "/support/conversations", {"page": page}))["id"]
            self._rooms.add(room)
            events = client.events()
            await client.subscribe(room)
            for line in story.lines:
                await self._write(client, room, line)
                await self._pause(5, 9)
            if len(story.to_person) > 1:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(STAYS_S * self.pace):
                        await self._talk(client, room, events, story.to_person)
            await self._pause(3, 6)

    async def _write(self, client: Client, room: str, line: str) -> None:
        client.typing(room, True)
        await self._pause(1.5, 3.5)
        await client.send(room, line)

    async def _talk(self, client: Client, room: str, events: Any, lines: Sequence[str]) -> None:
        """Answer a person, line by line, whenever they have written."""
        left = list(lines)
        async for event in events:
            if not isinstance(event, MessageNew) or event.message.sender.kind != "agent":
                continue
            await client.read(room, event.message.seq)
            await self._pause(2, 5)
            await self._write(client, room, left.pop(0))
            if not left:
                return

    async def _stay(self, name: str) -> None:
        """A colleague who comes again whatever sent them away: the desk may not be open yet, or be restarting."""
        for attempt in itertools.count():
            await _told(self._help(name))
            await asyncio.sleep(min(COME_AGAIN_AFTER_S * 2 ** min(attempt, 10), COME_AGAIN_AT_MOST_S) * self.pace)

    async def _help(self, name: str) -> None:
        """A colleague: takes one waiting case at a time, of a visitor who was sent in, that nobody took for a while."""
        async with Client.login(self.url, f"{name}@demo.example", DEMO_PASSWORD) as client:
            await client.ready()
            while True:
                await self._pause(COLLEAGUES_TAKE_AFTER_S * 0.8, COLLEAGUES_TAKE_AFTER_S * 1.2)
                waiting = [case for case in await client.cases_in("queue") if case.room in self._rooms]
                if waiting:
                    with contextlib.suppress(DeskbellError):  # somebody was faster
                        await self._solve(client, self.chance.choice(waiting))

    async def _solve(self, client: Client, case: Any) -> None:
        await client.claim(case.id)
        await client.subscribe(case.room)
        for line in (OPENING, ANSWER):
            await self._write(client, case.room, line)
            await self._pause(8, 14)
        await client.resolve(case.id)


async def _told(work: Coroutine[Any, Any, None]) -> None:
    """Do it, and say what ended it. The demo goes on without."""
    try:
        await work
    except (DeskbellError, ConnectionOver) as error:
        log.debug("demo_left", because=str(error))
    except Exception as error:
        log.warning("demo_left", because=f"{type(error).__name__}: {error}")
