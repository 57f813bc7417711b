"""An agent's chat: the line, the conversations in hand, notes for colleagues, and the bell."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from deskbell.chat.safe_text import name_of, one_line, tamed
from deskbell.chat.screen import Screen
from deskbell.chat.talk import Command, Talk
from deskbell.client import CaseChanged, Event, Live, RoomChanged
from deskbell.errors import Forbidden
from deskbell.model.records import Case, RoomState

_SNOOZE_MIN = 30
_SHOWN_RESULTS = 10


class AgentTalk(Talk):
    """Answers in one conversation at a time, and sees the others they have."""

    commands: ClassVar[dict[str, Command]] = {}

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._listed: list[Case | RoomState] = []
        self._case_of: dict[str, Case] = {}
        self._backstage_of: dict[str, str] = {}  # backstage room -> the room it belongs to
        self._rung: set[str] = set()

    async def begin(self) -> None:
        await self.patiently(lambda: self.client.set_availability("online"))
        for case in await self.patiently(lambda: self.client.cases_in("mine")):
            self._case_of[case.room] = case
            await self._follow(case.room)
            self.room = case.room
        await self.cases("")

    def tag(self, room: str) -> str:
        inside = self._backstage_of.get(room)
        if inside is not None:
            return "(note) " if inside == self.room else f"({self._customer(inside)}) (note) "
        return "" if room == self.room else f"({self._customer(room)}) "

    def fields(self, room: str) -> dict[str, Any]:
        """What was answered by somebody else meanwhile, or is no longer ours, is not answered over."""
        view = self.client.rooms.get(room)
        return {} if view is None or view.state is None else {"expect": {"owner_version": view.owner_version}}

    def happened(self, event: Event) -> None:
        if isinstance(event, CaseChanged):
            self._case_changed(event.case, event.before)
        elif isinstance(event, RoomChanged):
            before, state = event.before, event.state
            own = self.client.user.id if self.client.user is not None else None
            had = before is not None and before.owner is not None and before.owner.user == own
            has = state.owner is not None and state.owner.user == own
            if had and not has:
                self.quietly(self.tag(event.room) + "You no longer answer here")
        elif isinstance(event, Live) and event.again:
            self.chore(self._missed())

    def _case_changed(self, case: Case, before: Case | None) -> None:
        own = self.client.user.id if self.client.user is not None else None
        if case.room in self._case_of or case.agent == own:
            self._case_of[case.room] = case
        if case.status == "waiting" and case.id not in self._rung:
            self._ring(case)
        elif case.status != "waiting":
            self._rung.discard(case.id)
            if case.status == "assigned" and case.agent == own and case.room not in self.client.rooms:
                self.quietly(f"This is yours now: {question(case)}. /cases lists it")
                self.chore(self._follow(case.room))

    def _ring(self, case: Case) -> None:
        self._rung.add(case.id)
        rooms = [entry.id if isinstance(entry, RoomState) else entry.room for entry in self._listed]
        if case.room in rooms:  # it keeps its number, which somebody may be about to type
            number = rooms.index(case.room) + 1
            self._listed[number - 1] = case
        else:
            self._listed.append(case)
            number = len(self._listed)
        self.screen.ring()
        self.quietly(f"The bell rang: {number} - {question(case)} ({reason(case)}). /claim {number}")

    async def _missed(self) -> None:
        """After a break: ring for who came meanwhile; case frames are not repeated."""
        for case in await self.client.cases_in("queue"):
            if case.id not in self._rung:
                self._ring(case)

    def _customer(self, room: str) -> str:
        view = self.client.rooms.get(room)
        if view is None:
            return "?"
        for participant in view.participants.values():
            if participant.user.kind == "visitor":
                return name_of(participant.user.name)
        return name_of(view.state.name) if view.state is not None else "?"

    async def _follow(self, room: str) -> None:
        """Hear a conversation and what colleagues note about it."""
        await self.client.subscribe(room)
        backstage = await self.client.backstage(room)
        self._backstage_of[backstage.id] = room
        await self.client.subscribe(backstage.id)

    async def _enter(self, room: str, case: Case | None) -> None:
        if case is not None:
            self._case_of[room] = case
        self.room = room
        if room in self.client.rooms and self.client.rooms[room].live:
            self.show_messages(room, self.client.rooms[room].ordered()[-20:])
        await self._follow(room)
        if case is not None:
            self._show_packet(case)

    def _show_packet(self, case: Case) -> None:
        """The hand-over packet, so that nobody has to ask again."""
        packet = case.handover or {}
        self.quietly(f"{reason(case)}: {question(case)}")
        facts = packet.get("facts")
        if isinstance(facts, dict):
            for name, value in list(facts.items())[:20]:
                self.quietly(f"{one_line(str(name), 40)}: {one_line(str(value), 200)}")
        tried = packet.get("tried")
        if isinstance(tried, list):
            for answer in tried[:5]:
                text = answer.get("text") if isinstance(answer, dict) else answer
                self.quietly(f"The assistant has tried: {one_line(str(text), 160)}")

    # -- commands

    async def cases(self, argument: str) -> None:
        mine = await self.client.cases_in("mine")
        queue = await self.client.cases_in("queue")
        with_bot = await self.client.conversations("bot")
        self._rung.update(case.id for case in queue)
        self._listed = [*mine, *queue, *with_bot]
        if not mine:
            self.quietly("You're all caught up")
        for number, entry in enumerate(self._listed, 1):
            if isinstance(entry, RoomState):
                self.quietly(f"{number}  with the assistant: {name_of(entry.name)}")
            elif number <= len(mine):
                here = ", you are in it" if entry.room == self.room else ""
                self.quietly(f"{number}  yours: {question(entry)}{here}")
            else:
                self.quietly(f"{number}  waiting: {question(entry)} ({reason(entry)}, team {one_line(entry.team, 40)})")
        if not queue:
            self.quietly("Nobody is waiting. New callers appear here with a single bell")

    def _entry(self, argument: str) -> Case | RoomState | None:
        if argument.isdecimal() and 0 < int(argument) <= len(self._listed):
            return self._listed[int(argument) - 1]
        if not argument:
            return next((e for e in self._listed if isinstance(e, Case) and e.status == "waiting"), None)
        return None

    async def claim(self, argument: str) -> None:
        entry = self._entry(argument)
        if entry is None:
            self.quietly("There is nobody by that number. /cases lists who there is")
        elif isinstance(entry, RoomState):
            await self._enter(entry.id, await self.client.take_over(entry.id))
            self.quietly("You're answering now")
        else:
            await self._enter(entry.room, await self.client.claim(entry.id))
            self.quietly("You're answering now")

    async def switch(self, argument: str) -> None:
        entry = self._entry(argument) if argument else None
        if entry is None:
            self.quietly("Say /switch and a number of /cases")
            return
        room = entry.id if isinstance(entry, RoomState) else entry.room
        await self._enter(room, None if isinstance(entry, RoomState) else entry)

    async def join(self, argument: str) -> None:
        entry = self._entry(argument) if argument else None
        room = self.room if entry is None else entry.id if isinstance(entry, RoomState) else entry.room
        if room is None:
            self.quietly("Say /join and a number of /cases")
            return
        await self.client.join(room)
        await self._enter(room, None)

    async def note(self, argument: str) -> None:
        if self.room is None or not argument:
            self.quietly("Say /note and what colleagues shall know; only they see it")
            return
        # Over its own route and never as a message of this room: no mistake here can show it to the visitor.
        room, client_id = self.room, f"n-{secrets.token_hex(12)}"
        await self.patiently(lambda: self.client.note(room, argument, client_id))

    async def search(self, argument: str) -> None:
        if not argument:
            self.quietly("Say /search and the words to look for")
            return
        found = (await self.client.search(argument, limit=_SHOWN_RESULTS))["results"]
        if not found:
            self.quietly("Nothing was found")
        for result in found:
            message, room = result["message"], result["room"]
            where = one_line(str(room["name"] or room["channel_type"]), 40)
            said = one_line(str(result["snippet"]["text"]), 160)
            self.quietly(f"{where}, {str(message['created_at'])[:10]}: {name_of(message['sender']['name'])}: {said}")

    def _current(self) -> Case:
        case = self._case_of.get(self.room or "")
        if case is None:
            raise Forbidden("Choose a case first: /cases, then /claim and its number.")
        return case

    def _done(self, text: str) -> None:
        self.room = None
        self.screen.now([])
        self.quietly(text)

    async def give_back(self, argument: str) -> None:
        await self.client.give_back(self._current().id, "queue")
        self._done("Back in the line")

    async def to_bot(self, argument: str) -> None:
        await self.client.give_back(self._current().id, "bot")
        self._done("The assistant answers again")

    async def transfer(self, argument: str) -> None:
        team, _, note = argument.partition(" ")
        if not team:
            self.quietly("Say /transfer and a team, and a note if you like")
            return
        await self.client.transfer(self._current().id, team, note.strip())
        self._done(f"Handed to {one_line(team, 40)}")

    async def resolve(self, argument: str) -> None:
        await self.client.resolve(self._current().id)
        self._done("Resolved")

    async def snooze(self, argument: str) -> None:
        minutes = int(argument) if argument.isdecimal() and 0 < int(argument) < 100_000 else _SNOOZE_MIN
        until = datetime.now(UTC) + timedelta(minutes=minutes)
        await self.client.snooze(self._current().id, until.isoformat())
        self._done(f"Set aside for {minutes} minutes")

    async def availability(self, argument: str) -> None:
        if argument not in ("online", "away", "busy"):
            self.quietly("Say /status online, /status away or /status busy")
            return
        await self.client.set_availability(argument)
        self.quietly(f"You are {argument}")


def question(case: Case) -> str:
    """What a case is about, on one line."""
    packet = case.handover or {}
    asked = packet.get("question")
    text = asked.get("text") if isinstance(asked, dict) else None
    return one_line(str(packet.get("summary") or text or "no words yet"), 120)


def reason(case: Case) -> str:
    return one_line(tamed(case.reason).replace("_", " "), 60)


AgentTalk.commands = {
    "cases": Command("show your cases, who waits, and who talks with the assistant", AgentTalk.cases),
    "claim": Command("answer yourself from now on; without a number who has waited longest", AgentTalk.claim, "[n]"),
    "switch": Command("go to another conversation", AgentTalk.switch, "n"),
    "join": Command("join a conversation beside who answers it", AgentTalk.join, "[n]"),
    "search": Command("look for words in everything you may read", AgentTalk.search, "words"),
    "note": Command("write a note that only colleagues see", AgentTalk.note, "text"),
    "return": Command("put the case back into the line", AgentTalk.give_back),
    "bot": Command("hand the conversation back to the assistant", AgentTalk.to_bot),
    "transfer": Command("hand the case to another team", AgentTalk.transfer, "team [note]"),
    "resolve": Command("end the case", AgentTalk.resolve),
    "snooze": Command("set the case aside", AgentTalk.snooze, "[minutes]"),
    "status": Command("say whether you are there", AgentTalk.availability, "online|away|busy"),
    "edit": Command("change your last message, or the one with that number", AgentTalk.edit, "[#n] text"),
    "delete": Command("delete your last message, or the one with that number", AgentTalk.delete, "[#n]"),
    "react": Command("react to the last message, or to the one with that number", AgentTalk.react, "[#n] 👍"),
    "history": Command("show what was said before", AgentTalk.history, "[how many]"),
    "who": Command("show who is here", AgentTalk.who),
    "help": Command("show this", AgentTalk.help),
    "quit": Command("leave", AgentTalk.quit),
}
