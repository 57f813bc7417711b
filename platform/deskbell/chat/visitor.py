"""A visitor's chat: the assistant first, a person when asked for, and how long until they come."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from deskbell.chat.screen import Screen
from deskbell.chat.talk import Command, Talk
from deskbell.client import Event, OwnCaseChanged, RoomChanged
from deskbell.errors import NotFound

ROOM = "room"


class VisitorTalk(Talk):
    """Talks in the visitor's one conversation."""

    commands: ClassVar[dict[str, Command]] = {}

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._told = ""

    async def begin(self) -> None:
        notebook = self.client.notebook
        known = notebook.facts.get(ROOM)
        if known is not None:
            try:
                self.room = known
                await self.client.subscribe(known)
                return
            except NotFound:  # purged, or the visitor of this notebook is another one now
                self.room = None
                notebook.set_fact(ROOM, None)
        conversation = await self.patiently(self.client.open_conversation)
        self.room = conversation.id
        notebook.set_fact(ROOM, conversation.id)
        await self.client.subscribe(conversation.id)

    def settled(self) -> bool:
        """Somebody has answered, or a person is on their way."""
        view = self.client.rooms.get(self.room or "")
        if view is None or self.client.unsent() or view.writing():
            return False
        messages = view.ordered()
        if not messages or view.case is not None:
            return True
        return not self._is_own(messages[-1])

    def happened(self, event: Event) -> None:
        if isinstance(event, OwnCaseChanged) and event.room == self.room:
            text = ""
            if event.status == "waiting":
                text = in_line(event.position, event.wait) if event.open else out_of_hours(event.opens_at)
            if event.status == "resolved":
                text = "How did it go? Say /rate and a number from 1 to 5, and a word if you like"
            if text and text != self._told:
                self.quietly(text)
            self._told = text or self._told
        elif isinstance(event, RoomChanged) and event.room == self.room:
            closed = event.state.archived and not (event.before is not None and event.before.archived)
            if closed:
                self.quietly("This conversation is closed. Write again to go on")

    async def escalate(self, argument: str) -> None:
        """Asking needs no reason, and asking again changes nothing."""
        if self.room is not None:
            await self.client.escalate(self.room)
            self.quietly("A person has been asked for. You keep your place, also when you leave this window")

    async def stop(self, argument: str) -> None:
        view = self.client.rooms.get(self.room or "")
        turns = [] if view is None else list(view.writing())
        for turn in turns:
            await self.client.stop(self.room or "", turn)
        if not turns:
            self.quietly("Nobody is writing an answer at this moment")

    async def rate(self, argument: str) -> None:
        number, _, comment = argument.partition(" ")
        if number not in ("1", "2", "3", "4", "5") or self.room is None:
            self.quietly("Say /rate and a number from 1 to 5, and a word if you like")
            return
        await self.client.rate(self.room, int(number), comment.strip())
        self.quietly("Thank you")


VisitorTalk.commands = {
    "person": Command("talk to a person", VisitorTalk.escalate),
    "stop": Command("end the answer that is being written", VisitorTalk.stop),
    "edit": Command("change your last message, or the one with that number", VisitorTalk.edit, "[#n] text"),
    "delete": Command("delete your last message, or the one with that number", VisitorTalk.delete, "[#n]"),
    "react": Command("react to the last message, or to the one with that number", VisitorTalk.react, "[#n] 👍"),
    "rate": Command("say how it went", VisitorTalk.rate, "1-5 [comment]"),
    "history": Command("show what was said before", VisitorTalk.history, "[how many]"),
    "who": Command("show who is here", VisitorTalk.who),
    "help": Command("show this", VisitorTalk.help),
    "quit": Command("leave; the conversation stays", VisitorTalk.quit),
}


def in_line(position: int | None, wait: tuple[int, int] | None) -> str:
    """A place in the queue, in words."""
    if position is None:
        return "A person has been asked for. You keep your place, also when you leave this window"
    place = "You're next" if position == 1 else f"You're {ordinal(position)} in line"
    if wait is None:
        return place
    low, high = (max(0, round(seconds / 60)) for seconds in wait)
    if high < 1:
        return f"{place}. Usually less than a minute"
    span = f"{high} minute{'s' if high > 1 else ''}" if low in (0, high) else f"{low} to {high} minutes"
    return f"{place}. Usually {span}" if low else f"{place}. Usually up to {span}"


def out_of_hours(opens_at: datetime | None) -> str:
    """What is said instead while the site is closed. The moment is said as the clock here shows it."""
    shown = None if opens_at is None else opens_at.astimezone()
    back = "" if shown is None else f" until {shown:%A}, {shown.day} {shown:%B}, {shown:%H:%M}"
    return f"We're closed{back}. You keep your place, also when you leave this window"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th …"""
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
