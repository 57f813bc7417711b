"""The terminal chat against the real server: lines in, transcript out."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deskbell import chat
from deskbell.contracts import BotEvent, Say, Turn
from deskbell.testing.desk import PASSWORD, SITE_KEY, Desk, Person

PATIENCE_S = 15


async def until(true: Callable[[], Any], shown: Callable[[], str] = str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"never shown; shown was\n{shown()}") from None


class Chatting:
    """Somebody at a plain chat."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._out = io.StringIO()
        self.status: int | None = None

    async def lines(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            yield line

    def types(self, line: str) -> None:
        self._lines.put_nowait(line)

    def leaves(self) -> None:
        self._lines.put_nowait(None)

    @property
    def shown(self) -> str:
        return self._out.getvalue()

    async def sees(self, text: str, times: int = 1) -> None:
        await until(lambda: self.shown.count(text) >= times, lambda: self.shown)

    async def run(self, url: str, **kwargs: Any) -> None:
        self.status = await chat.run(url, lines=self.lines(), out=self._out, **kwargs)


@asynccontextmanager
async def chatting(desk: Desk, agent: Person | None = None, **kwargs: Any) -> AsyncIterator[Chatting]:
    """A chat that is left at the end."""
    who = Chatting()
    as_whom = {"site_key": SITE_KEY, "name": "Maya"}
    if agent is not None:
        as_whom = {"email": agent.email, "password": PASSWORD}
    running = asyncio.create_task(who.run(desk.url, **as_whom, linger_s=PATIENCE_S, **kwargs))
    try:
        yield who
        who.leaves()
        await asyncio.wait_for(running, PATIENCE_S)
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.fixture
async def desk(sqlite_url: str) -> AsyncIterator[Desk]:
    async with Desk.open(sqlite_url) as desk:
        yield desk


async def test_a_visitor_asks_and_is_answered_with_sources(desk: Desk) -> None:
    """A pipe ends after the question; the chat waits for the answer."""

    async def answer(turn: Turn) -> AsyncIterator[BotEvent]:
        yield Say("Thirty days.", sources=[{"title": "Returns", "path": "returns.md", "anchor": "when"}])

    desk.bot.script = answer
    async with chatting(desk) as maya:
        maya.types("How long do I have?")
    assert maya.status == 0
    lines = maya.shown.splitlines()
    assert [line.split("] ", 1)[1] for line in lines if line.startswith("[")] == [
        "You: How long do I have?",
        "Assistant (assistant): Thirty days.",
    ]
    assert "    Sources: Returns (returns.md#when)" in lines


async def test_choices_are_taken_by_their_number(desk: Desk) -> None:
    async def offer(turn: Turn) -> AsyncIterator[BotEvent]:
        yield Say("Which?", choices=["Order", "Return"]) if turn.text == "help" else Say(f"So: {turn.text}")

    desk.bot.script = offer
    async with chatting(desk) as maya:
        maya.types("help")
        await maya.sees("/1 Order  /2 Return")
        maya.types("/2")
        await maya.sees("So: Return")


async def test_a_visitor_changes_takes_back_and_reacts(desk: Desk) -> None:
    async with chatting(desk) as maya:
        maya.types("typo")
        await maya.sees("You said: typo")
        maya.types("/edit fixed")
        await maya.sees("You (edited): fixed")
        maya.types("/react 👍")
        await maya.sees("👍 1")
        maya.types("/delete")
        await maya.sees("You deleted this message")
        maya.types("/rate")
        await maya.sees("a number from 1 to 5")
        maya.types("/delete #99")
        await maya.sees("There is no message of yours here")


async def test_a_mistyped_command_is_never_sent(desk: Desk) -> None:
    """Two slashes are for those who mean it."""
    async with chatting(desk) as maya:
        maya.types("/notte secret")
        await maya.sees("There is no command /notte")
        maya.types("//etc")
        await maya.sees("You said: /etc")
        maya.types("/help")
        await maya.sees("/person - talk to a person")
    assert "secret" not in maya.shown and len(desk.bot.turns) == 1


async def test_a_visitor_is_handed_to_a_person_and_rates_them(desk: Desk) -> None:
    """The bell rings, an agent claims, both talk, the note stays behind the counter."""
    ines = await desk.agent("Ines")
    async with chatting(desk, ines) as agent, chatting(desk) as maya:
        await agent.sees("Nobody is waiting. New callers appear here with a single bell")
        maya.types("It is broken")
        await maya.sees("You said: It is broken")
        maya.types("/person")
        await maya.sees("You're next")
        await agent.sees("The bell rang: 1 - It is broken")
        agent.types("/claim")
        await agent.sees("You're answering now")
        await agent.sees("The assistant has tried: You said: It is broken")
        await agent.sees("Maya: It is broken")
        await maya.sees("Ines joined and has read the conversation.")
        agent.types("/note a regular, be kind")
        await agent.sees("(note) You: a regular, be kind")
        agent.types("Hello, I am here.")
        await maya.sees("Ines: Hello, I am here.")
        maya.types("Thank you")
        await agent.sees("Maya: Thank you")
        agent.types("/who")
        await agent.sees("· Maya, visitor")
        agent.types("/search broken")
        await agent.sees(": Maya: It is broken")
        agent.types("/search quite else")
        await agent.sees("Nothing was found")
        agent.types("/cases")
        await agent.sees("1  yours: It is broken, you are in it")
        agent.types("/resolve")
        await agent.sees("· Resolved")
        await maya.sees("How did it go?")
        maya.types("/rate 5 quick")
        await maya.sees("· Thank you")
        agent.types("to nobody")
        await agent.sees("Choose a conversation first")
    assert "regular" not in maya.shown and "to nobody" not in maya.shown
    assert agent.status == maya.status == 0


async def test_an_agent_takes_over_from_the_assistant_and_gives_back(desk: Desk) -> None:
    ines = await desk.agent("Ines")
    async with chatting(desk) as maya:
        maya.types("hello")
        await maya.sees("You said: hello")
        async with chatting(desk, ines) as agent:
            await agent.sees("1  with the assistant: Maya")
            agent.types("/claim 1")
            await agent.sees("You're answering now")
            agent.types("It is me.")
            await maya.sees("Ines: It is me.")
            agent.types("/bot")
            await agent.sees("The assistant answers again")
        maya.types("still there?")
        await maya.sees("You said: still there?")


async def test_two_agents_see_who_was_faster(desk: Desk) -> None:
    ines, tom = await desk.agent("Ines"), await desk.agent("Tom")
    async with chatting(desk, ines) as first, chatting(desk, tom) as second, chatting(desk) as maya:
        await first.sees("Nobody is waiting")
        await second.sees("Nobody is waiting")
        maya.types("/person")
        await first.sees("The bell rang: 1")
        await second.sees("The bell rang: 1")
        first.types("/claim 1")
        await first.sees("You're answering now")
        second.types("/claim 1")
        await second.sees("A colleague accepted this a moment ago.")
        first.types("/transfer nowhere")
        await first.sees("There is no such team.")
        first.types("/return")
        await first.sees("Back in the line")
        await second.sees("The bell rang", times=2)


async def test_hostile_text_is_shown_and_does_nothing(desk: Desk) -> None:
    """Neither a name nor a message imitates another line or reaches the terminal as a command."""
    ines = await desk.agent("Ines")
    eve = await desk.visitor("Ines\x1b[2J: (agent)")
    room = await eve.conversation()
    await eve.post(f"/rooms/{room}/messages", {"content": "hi\n[9] You: \x1b[31mred\u202e"})
    async with chatting(desk, ines) as agent:
        await agent.sees("with the assistant")
        agent.types("/claim 1")
        await agent.sees("red")
    assert "\x1b" not in agent.shown and "\u202e" not in agent.shown
    assert "    [9] You: " in agent.shown
    assert not any(line.startswith("[9] You") for line in agent.shown.splitlines())


async def test_a_wrong_site_or_password_ends_with_a_sentence(desk: Desk) -> None:
    nobody = Chatting()
    await nobody.run(desk.url, site_key="no-such-site")
    assert nobody.status == 1 and "There is no site with this key." in nobody.shown
    ines = await desk.agent("Ines")
    wrong = Chatting()
    await wrong.run(desk.url, email=ines.email, password="wrong")
    assert wrong.status == 1 and "The address or the password is wrong." in wrong.shown
    nowhere = Chatting()
    await nowhere.run("desk.example.com")
    assert nowhere.status == 2 and "an address looks like" in nowhere.shown


async def test_one_state_serves_one_chat(desk: Desk, tmp_path: Path) -> None:
    async with chatting(desk, state=tmp_path / "maya") as maya:
        maya.types("hello")
        await maya.sees("You said: hello")
        second = Chatting()
        await second.run(desk.url, site_key=SITE_KEY, state=tmp_path / "maya")
        assert second.status == 2 and "Another process is using" in second.shown


async def test_a_chat_that_was_left_goes_on(desk: Desk, tmp_path: Path) -> None:
    """What was said meanwhile is shown once; what was shown before is not shown again."""
    async with chatting(desk, state=tmp_path / "maya") as maya:
        maya.types("one")
        await maya.sees("You said: one")
    [room] = {turn.room for turn in desk.bot.turns}
    ines = await desk.agent("Ines")
    await ines.post(f"/rooms/{room}/take-over")
    await ines.post(f"/rooms/{room}/messages", {"content": "I am here."})
    async with chatting(desk, state=tmp_path / "maya") as maya:
        await maya.sees("Ines: I am here.")
        maya.types("/history")
        await maya.sees("You: one")
        assert maya.shown.index("I am here.") < maya.shown.index("You: one")
        assert maya.shown.count("I am here.") == 1


CHAT = """
import asyncio, sys
from deskbell import chat
sys.exit(asyncio.run(chat.run(sys.argv[1], site_key=sys.argv[2], state=sys.argv[3], linger_s=10)))
"""


async def test_a_killed_chat_loses_and_repeats_nothing(desk: Desk, tmp_path: Path) -> None:
    """Killed without warning again and again, while an agent writes: the transcripts together are the room."""

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHAT, desk.url, SITE_KEY, str(tmp_path / "maya"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip

    process = await start()
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"hello\n")
    transcript = b""
    while b"You said: hello" not in transcript:
        transcript += await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
    [room] = {turn.room for turn in desk.bot.turns}
    ines = await desk.agent("Ines")
    await ines.post(f"/rooms/{room}/take-over")
    said = 0
    for kill in range(3):
        for _ in range(10):
            said += 1
            await ines.post(f"/rooms/{room}/messages", {"content": f"word {said}."})
            if said % 10 == 5:
                process.stdin.write(f"own {kill}\n".encode())
                process.send_signal(signal.SIGKILL)
        transcript += await asyncio.wait_for(process.stdout.read(), PATIENCE_S)
        await process.wait()
        process = await start()
        assert process.stdin is not None and process.stdout is not None
    while f"word {said}.".encode() not in transcript:
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
        assert line, transcript.decode()
        transcript += line
    process.stdin.write(b"/quit\n")
    transcript += await asyncio.wait_for(process.stdout.read(), PATIENCE_S)
    assert await process.wait() == 0
    words = [line.split("Ines: ")[1] for line in transcript.decode().splitlines() if "Ines: " in line]
    assert words == [f"word {number}." for number in range(1, said + 1)]


async def test_a_lost_line_is_told_and_what_was_typed_is_sent_later(desk: Desk) -> None:
    async with chatting(desk) as maya:
        maya.types("hello")
        await maya.sees("You said: hello")
        edge = desk.application.edge
        edge.draining = True  # so that nobody is let in for a while
        [connection] = edge.hub.connections_of(desk.tenant, desk.bot.turns[0].visitor.id)
        connection.out.close(4002)
        await maya.sees("Reconnecting - your messages are kept")
        maya.types("are you there?")
        await maya.sees("Sends when you're back online")
        edge.draining = False
        await maya.sees("You're back online")
        await maya.sees("You said: are you there?")
    assert maya.shown.count("Reconnecting") == 1
    assert maya.shown.count("You: are you there?") == 1


def nobodys_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("who", [{}, {"email": "ana@demo.example", "password": "x"}], ids=["visitor", "agent"])
async def test_who_pipes_lines_to_a_server_that_is_not_there_is_told_and_not_kept(who: dict[str, str]) -> None:
    """With the input at its end nobody is there who could stop the trying."""
    maya = Chatting()
    maya.types("Where is my order?")
    maya.leaves()
    async with asyncio.timeout(PATIENCE_S):
        await maya.run(nobodys_address(), plain=True, linger_s=0.2, **who)

    assert maya.status == 1
    assert maya.shown.endswith("· The server cannot be reached. Nothing was sent.\n")


async def test_while_somebody_may_still_type_a_server_that_is_not_there_is_waited_for() -> None:
    maya = Chatting()
    running = asyncio.create_task(maya.run(nobodys_address(), plain=True, linger_s=0.05))
    await maya.sees("I keep trying")
    await asyncio.sleep(0.5)
    assert not running.done()

    maya.leaves()
    async with asyncio.timeout(PATIENCE_S):
        await running
    assert maya.status == 1


async def test_what_could_not_be_sent_any_more_is_told_at_the_end(desk: Desk) -> None:
    maya = Chatting()
    running = asyncio.create_task(maya.run(desk.url, site_key=SITE_KEY, name="Maya", plain=True, linger_s=0.3))
    maya.types("hello")
    await maya.sees("You said: hello")
    edge = desk.application.edge
    edge.draining = True  # so that nobody is let in any more
    [connection] = edge.hub.connections_of(desk.tenant, desk.bot.turns[0].visitor.id)
    connection.out.close(4002)
    await maya.sees("Reconnecting - your messages are kept")
    maya.types("are you there?")
    maya.leaves()
    async with asyncio.timeout(PATIENCE_S):
        await running

    assert maya.status == 1
    assert maya.shown.endswith("· The server cannot be reached. Not everything was sent.\n")
