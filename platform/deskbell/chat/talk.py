"""What visitors' and agents' chats have in common: showing rooms as they change, and taking lines in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar

from deskbell.chat.safe_text import name_of, one_line, tamed
from deskbell.chat.screen import Screen
from deskbell.client import (
    Client,
    Closed,
    Delayed,
    Event,
    Live,
    MessageChanged,
    MessageNew,
    NoticeGiven,
    NotSent,
    ParticipantChanged,
    PresenceChanged,
    Problem,
    Reconnecting,
    RoomLoaded,
    RoomLost,
    Typing,
    Unreachable,
    Writing,
    WritingVoid,
)
from deskbell.errors import DeskbellError, RateLimited, Temporary
from deskbell.model.records import Message

__all__ = ["Command", "Over", "Talk"]

_TYPING_EVERY_S = 4.0
_POLL_S = 0.25
_AHEAD = 1000


class Over(Exception):
    """The user has had enough."""


@dataclass(frozen=True)
class Command:
    """Something that is typed with a slash. ``takes`` names its arguments for the help."""

    does: str
    run: Callable[[Any, str], Coroutine[Any, Any, None]]
    takes: str = ""


class _Ahead:
    """Lines read before they are wanted, up to a bound. ``ended`` is done once the last one was read."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._read: asyncio.Queue[str | None] = asyncio.Queue(_AHEAD)
        self.ended = asyncio.create_task(self._all(lines), name="deskbell.chat.ahead")

    async def _all(self, lines: AsyncIterator[str]) -> None:
        try:
            async for line in lines:
                await self._read.put(line)
        finally:
            if not self._read.full():
                self._read.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[str]:
        while not (self.ended.done() and self._read.empty()):
            line = await self._read.get()
            if line is None:
                break
            yield line
        await self.ended  # what went wrong with reading goes wrong here

    async def close(self) -> None:
        self.ended.cancel()
        await asyncio.wait([self.ended])


class Talk:
    """One person at one screen. Subclasses say where a line goes and add commands."""

    commands: ClassVar[dict[str, Command]] = {}

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.client: Client
        self.room: str | None = None
        self._echoed: set[str] = set()
        self._away = False
        self._chores: set[asyncio.Task[None]] = set()
        self._read_up_to: dict[str, int] = {}
        self._closed = asyncio.Event()
        self._failure: DeskbellError | None = None
        self._choices: list[str] = []
        self._statuses: dict[str, str] = {}

    # -- to be said by subclasses

    async def begin(self) -> None:
        """Find the room to talk in."""
        raise NotImplementedError

    def tag(self, room: str) -> str:
        """What to put before the lines of a room; empty for the one that is talked in."""
        return ""

    def happened(self, event: Event) -> None:
        """Show what only this kind of user is told."""

    def settled(self) -> bool:
        """Whether, after the last line of input, there is nothing to wait for."""
        return not self.client.unsent()

    def fields(self, room: str) -> dict[str, Any]:
        """What goes along with a message."""
        return {}

    # -- the course of a chat

    async def run(self, lines: AsyncIterator[str], linger_s: float) -> int:
        """Talk until the lines end, the user leaves or the server says it is over; the exit status."""
        watch = asyncio.create_task(self._watch(), name="deskbell.chat.watch")
        try:
            talking = asyncio.create_task(self._talk(lines, linger_s), name="deskbell.chat.talk")
            closed = asyncio.create_task(self._closed.wait(), name="deskbell.chat.closed")
            try:
                await asyncio.wait([talking, closed], return_when=asyncio.FIRST_COMPLETED)
            finally:
                talking.cancel()
                closed.cancel()
                await asyncio.wait([talking, closed])
            if not talking.cancelled() and talking.exception() is not None:
                error = talking.exception()
                assert error is not None
                if not isinstance(error, DeskbellError):
                    raise error
                self._failure = self._failure or error
        finally:
            watch.cancel()
            for chore in list(self._chores):
                chore.cancel()
            await asyncio.wait([watch, *self._chores])
        if self._failure is not None:
            self.quietly(str(self._failure))
            return 1
        return 0

    async def _talk(self, lines: AsyncIterator[str], linger_s: float) -> None:
        # A prompt is not to be drawn before there is somebody to talk to; a pipe is read meanwhile, so that
        # its end is known: nobody is there then who could stop the waiting for a server.
        ahead = None if self.screen.echoes else _Ahead(lines)
        try:
            await self._begin_or_give_up(ahead, linger_s)
            self.screen.now([])
            with contextlib.suppress(Over):
                async for line in lines if ahead is None else ahead:
                    self.screen.entered(line)
                    await self._take(line)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(linger_s):
                        while not self.settled():
                            await asyncio.sleep(0.02)
                if self.client.unsent():
                    raise Unreachable(
                        "The server cannot be reached. Not everything was sent."
                        if self._away
                        else "Not everything was sent in time."
                    )
        finally:
            if ahead is not None:
                await ahead.close()

    async def _begin_or_give_up(self, ahead: _Ahead | None, linger_s: float) -> None:
        """Begin, however long it takes while there is input; ``linger_s`` longer once it has ended."""
        beginning = asyncio.create_task(self.begin(), name="deskbell.chat.begin")
        try:
            if ahead is not None:
                await asyncio.wait([beginning, ahead.ended], return_when=asyncio.FIRST_COMPLETED)
                await asyncio.wait([beginning], timeout=linger_s)
                if not beginning.done():
                    raise Unreachable("The server cannot be reached. Nothing was sent.")
            await beginning
        finally:
            beginning.cancel()
            await asyncio.wait([beginning])

    async def _take(self, line: str) -> None:
        line = line.strip()
        if not line:
            return
        if line.startswith("/") and not line.startswith("//"):
            await self._command(line)
            return
        self.write(line.removeprefix("/"))

    async def _command(self, line: str) -> None:
        word, _, rest = line[1:].partition(" ")
        if word.isdecimal() and 0 < int(word) <= len(self._choices):
            self.write(self._choices[int(word) - 1])
            return
        command = self.commands.get(word)
        if command is None:
            # Never sent: a mistyped /note must not reach the visitor.
            self.quietly(
                f"There is no command /{one_line(word, 20)}. /help lists them. To write a line that begins with a "
                "slash, begin it with two."
            )
            return
        try:
            await command.run(self, rest.strip())
        except Over:
            raise
        except DeskbellError as error:
            if self.client.state == "closed":
                raise
            self.quietly(str(error))

    def write(self, text: str, room: str | None = None, label: str = "You", **fields: Any) -> None:
        """Put a message into the outbox of the room, and show it where typing shows it."""
        room = room or self.room
        if room is None:
            self.quietly("Choose a conversation first. /help lists the commands.")
            return
        client_id = self.client.post(room, text, **(fields or self.fields(room))).client_id
        if self.screen.echoes:
            self._echoed.add(client_id)
            self.screen.say(self.tag(room) + label, tamed(text), style="cyan")
        if self._away:
            self.quietly("Sends when you're back online")

    def quietly(self, text: str) -> None:
        """A line of the chat's own."""
        self.screen.say("", "· " + text, style="dim")

    def chore(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the talk; what is refused is not worth a word."""

        async def done() -> None:
            with contextlib.suppress(DeskbellError):
                await work

        task = asyncio.create_task(done(), name="deskbell.chat.chore")
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    # -- showing

    def on_event(self, event: Event) -> None:
        match event:
            case MessageNew(room, message):
                self._show_new(room, message)
            case MessageChanged(room, message, before):
                self._show_change(room, message, before)
            case RoomLoaded(room, again, gap):
                if gap:
                    self.quietly(self.tag(room) + "Some messages between are not shown. /history has them")
                if not again:
                    self.show_messages(room, self.client.rooms[room].ordered())
            case RoomLost(room, error):
                self.quietly(self.tag(room) + str(error))
                if room == self.room:
                    self.room = None
            case ParticipantChanged(room, participant, before):
                own = self.client.user is not None and participant.user.id == self.client.user.id
                if own and participant.state == "banned":
                    self.quietly(self.tag(room) + "You can no longer write here")
            case PresenceChanged(user, status, _):
                self._show_presence(user, status)
            case Typing() | Writing() | WritingVoid():
                self._show_passing()
            case Reconnecting():
                if not self._away:
                    self._away = True
                    self.quietly("Reconnecting - your messages are kept")
            case Live(_, _, again):
                if self._away and again:
                    self.quietly("You're back online")
                self._away = False
            case NotSent(room, client_id, content, error):
                self._echoed.discard(client_id)
                said = "One moment, that was a lot at once" if isinstance(error, RateLimited) else str(error)
                self.quietly(f"{self.tag(room)}Not sent: {one_line(content, 60)} - {tamed(said)}")
            case Delayed(_, _, in_s, error):
                if isinstance(error, RateLimited):
                    self.quietly(f"One moment, that was a lot at once. Sending again in {max(1, round(in_s))} s")
            case NoticeGiven(_, text):
                self.quietly(one_line(text, 500))
            case Problem(error):
                self.quietly(one_line(str(error), 500))
            case Closed(_, error):
                self._failure = error
                self._closed.set()
        self.happened(event)

    def show_messages(self, room: str, messages: list[Message]) -> None:
        for message in messages:
            self._show(room, message)

    def _show_new(self, room: str, message: Message) -> None:
        if message.client_id in self._echoed and self._is_own(message):
            self._echoed.discard(message.client_id)
        else:
            self._show(room, message)
        self._show_passing()
        if not self._is_own(message):
            self.has_read(room, message.seq)

    def has_read(self, room: str, seq: int) -> None:
        """Tell the others that it was shown here; once for all that comes together."""
        waiting = room in self._read_up_to
        self._read_up_to[room] = max(seq, self._read_up_to.get(room, 0))
        if not waiting:
            self.chore(self._say_read(room))

    async def _say_read(self, room: str) -> None:
        await asyncio.sleep(0.1)
        await self.client.read(room, self._read_up_to.pop(room))

    def _is_own(self, message: Message) -> bool:
        return self.client.user is not None and message.sender.id == self.client.user.id

    def label(self, message: Message) -> str:
        if self._is_own(message):
            return "You"
        return name_of(message.sender.name) + (" (assistant)" if message.sender.kind == "bot" else "")

    def _show(self, room: str, message: Message) -> None:
        tag = self.tag(room)
        if message.deleted:
            self.screen.say("", f"[{message.seq}] {tag}{self.label(message)} deleted this message", style="dim")
            return
        text = tamed(message.content)
        if message.sender.kind == "system":
            self.screen.say("", f"[{message.seq}] {tag}· {one_line(text, 500)}", style="dim")
            return
        if message.kind not in ("text", "announcement", "system"):
            text = f"({one_line(message.kind, 20)}) {text}".rstrip()
        style = {"bot": "green", "agent": "magenta"}.get(message.sender.kind, "yellow")
        label = f"[{message.seq}] {tag}{self.label(message)}{' (edited)' if message.edited_at else ''}"
        self.screen.say(label, text, style="cyan" if self._is_own(message) else style, aside=self._aside(room, message))

    def _aside(self, room: str, message: Message) -> str:
        parts = []
        sources = message.metadata.get("sources")
        if isinstance(sources, list) and sources:
            parts.append("Sources: " + " · ".join(_source(source) for source in sources[:5]))
        choices = message.metadata.get("choices")
        if isinstance(choices, list) and choices and room == self.room:
            self._choices = [str(choice)[:200] for choice in choices[:9]]
            parts.append("  ".join(f"/{n} {one_line(choice, 60)}" for n, choice in enumerate(self._choices, 1)))
        if message.reactions:
            parts.append("  ".join(f"{one_line(r.emoji, 16)} {r.count}" for r in message.reactions))
        return "\n".join(parts)

    def _show_change(self, room: str, message: Message, before: Message | None) -> None:
        tag = self.tag(room)
        label = self.label(message)
        if message.deleted:
            if before is None or not before.deleted:
                self.screen.say("", f"[{message.seq}] {tag}{label} deleted this message", style="dim")
            return
        if before is None or before.content != message.content:
            self._show(room, message)
        elif before.reactions != message.reactions:
            reactions = "  ".join(f"{one_line(r.emoji, 16)} {r.count}" for r in message.reactions) or "no reactions"
            self.screen.say("", f"[{message.seq}] {tag}{reactions}", style="dim")
        elif before.pinned != message.pinned:
            self.screen.say(
                "", f"[{message.seq}] {tag}{'pinned' if message.pinned else 'no longer pinned'}", style="dim"
            )

    def _show_presence(self, user: str, status: str) -> None:
        if self.client.user is not None and user == self.client.user.id:
            return
        before = self._statuses.get(user)
        self._statuses[user] = status
        name = self.person(user)
        if before not in (None, status) and name is not None:
            self.quietly(f"{name} is {one_line(status, 20)}")

    def person(self, user: str) -> str | None:
        """The name of somebody in the room that is talked in."""
        view = self.client.rooms.get(self.room or "")
        if view is None:
            return None
        participant = view.participants.get(user)
        if participant is not None:
            return name_of(participant.user.name)
        return next((name_of(m.sender.name) for m in view.messages.values() if m.sender.id == user), None)

    def _show_passing(self) -> None:
        view = self.client.rooms.get(self.room or "")
        lines: list[tuple[str, str]] = []
        if view is not None:
            lines += [("Assistant", tamed(text) + " …") for text in view.writing().values()]
            own = self.client.user.id if self.client.user is not None else None
            typing = [self.person(user) or "Somebody" for user in view.typing() if user != own]
            if typing and not lines:
                lines.append(("", f"{', '.join(typing[:5])} {'is' if len(typing) == 1 else 'are'} writing …"))
        self.screen.now(lines)

    async def _watch(self) -> None:
        """Let what has passed go from the screen; say that the user is typing."""
        if not self.screen.echoes:
            return
        from deskbell.chat.keyboard import typed

        seen, told_at = "", 0.0
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_POLL_S)
            self._show_passing()
            text = typed()
            typing = text != seen and text and not text.startswith("/")
            if typing and self.room is not None and loop.time() - told_at >= _TYPING_EVERY_S:
                told_at = loop.time()
                self.client.typing(self.room, True)
            seen = text

    # -- what both can do

    async def patiently(self, ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Ask over REST until there is an answer; the server may be away when a chat begins."""
        told = False
        pause_s = 0.5
        while True:
            try:
                return await ask()
            except Temporary as error:
                if not told and isinstance(error, Unreachable):
                    told = True
                    self.quietly(f"{error} I keep trying.")
                await asyncio.sleep((error.retry_after_ms or 0) / 1000 or pause_s)
                pause_s = min(pause_s * 2, 10)

    def chosen(self, argument: str, *, own: bool) -> tuple[Message | None, str]:
        """The message a command is about (``#41`` at its beginning, else the last one), and the rest."""
        view = self.client.rooms.get(self.room or "")
        messages = [] if view is None else [m for m in view.ordered() if not m.deleted]
        if argument.startswith("#"):
            number, _, rest = argument[1:].partition(" ")
            found = [m for m in messages if str(m.seq) == number]
            return (found[0] if found else None), rest.strip()
        messages = [m for m in messages if self._is_own(m) is own and m.sender.kind != "system"]
        return (messages[-1] if messages else None), argument

    async def edit(self, argument: str) -> None:
        message, text = self.chosen(argument, own=True)
        if message is None or not text:
            self.quietly("Say /edit and the new words; they replace your last message. /edit #41 … takes another")
        else:
            await self.client.edit(message.id, text)

    async def delete(self, argument: str) -> None:
        message, _ = self.chosen(argument, own=True)
        if message is None:
            self.quietly("There is no message of yours here")
        else:
            await self.client.delete(message.id)

    async def react(self, argument: str) -> None:
        message, emoji = self.chosen(argument, own=False)
        if message is None or not emoji:
            self.quietly("Say /react 👍 for the last message, or /react #41 👍")
        else:
            await self.client.react(message.id, emoji)

    async def history(self, argument: str) -> None:
        view = self.client.rooms.get(self.room or "")
        if view is None:
            return
        limit = min(100, int(argument)) if argument.isdecimal() and int(argument) > 0 else 20
        before = min((m.seq for m in view.messages.values()), default=(view.position or 0) + 1)
        found = await self.client.history(view.id, before=before, limit=limit)
        if not found.messages:
            self.quietly("There is nothing before this")
        self.show_messages(view.id, sorted(found.messages, key=lambda m: m.seq))

    async def who(self, argument: str) -> None:
        if self.room is None:
            return
        for participant in await self.client.participants(self.room):
            if participant.state == "joined":
                status = self._statuses.get(participant.user.id)
                role = one_line(participant.role, 30)
                self.quietly(f"{name_of(participant.user.name)}, {role}{', ' + one_line(status, 20) if status else ''}")

    async def help(self, argument: str) -> None:
        for name, command in self.commands.items():
            self.quietly(f"/{name} {command.takes}".rstrip() + f" - {command.does}")

    async def quit(self, argument: str) -> None:
        raise Over


def _source(source: Any) -> str:
    if not isinstance(source, dict):
        return one_line(str(source), 80)
    title = one_line(str(source.get("title") or source.get("path") or "?"), 80)
    path = one_line(str(source.get("path") or ""), 120)
    anchor = one_line(str(source.get("anchor") or ""), 80)
    where = f"{path}#{anchor}" if path and anchor else path
    return f"{title} ({where})" if where and where != title else title
