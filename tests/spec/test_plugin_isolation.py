"""Plugins that hang, raise, leak, flood, answer garbage and block: no message is lost, other rooms go on."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from deskbell import Allow, BotEvent, HandOver, Say, Submission, Turn, cli, hookimpl
from deskbell.plugins import breaker
from deskbell.testing.desk import Desk, Person, settings_for


class Misbehaving:
    """Behaves in the rooms whose text says so, and only there."""

    name = "misbehaving"
    order = 1

    def __init__(self) -> None:
        self.leaked: list[asyncio.Task[Any]] = []
        self.observed = 0

    @hookimpl
    def register_moderation_filters(self) -> Sequence[Any]:
        return [self]

    @hookimpl
    def register_escalation_rules(self) -> Sequence[Any]:
        return [Rule()]

    async def check(self, submission: Submission) -> Any:
        match submission.text.partition(" ")[0]:
            case "hang":
                await asyncio.Event().wait()
            case "stubborn":
                while True:
                    try:
                        await asyncio.sleep(60)
                    except asyncio.CancelledError:
                        if len(self.leaked) > 1:
                            raise
                        self.leaked.append(asyncio.current_task())  # type: ignore[arg-type]
            case "raise":
                raise ValueError("hunter2")
            case "leave":
                sys.exit(1)
            case "garbage":
                return {"verdict": "allow"}
            case "flood":
                for _ in range(200):
                    self.leaked.append(asyncio.ensure_future(asyncio.sleep(0.2)))
        return Allow()

    @hookimpl
    async def on_message(self, what: str, message: Any) -> None:
        self.observed += 1
        if message.content.startswith("observed"):
            raise ValueError("hunter2")


class Rule:
    name = "garbage"
    order = 1

    async def decide(self, situation: Any) -> HandOver | None:
        return "please"  # type: ignore[return-value]


@pytest.mark.parametrize("how", ["hang", "stubborn", "raise", "leave", "garbage", "flood"])
async def test_a_filter_that_misbehaves_loses_no_message_and_stops_no_other_room(sqlite_url: str, how: str) -> None:
    """Whatever it does in one room: there the message waits for a person, elsewhere all goes on."""
    plugin = Misbehaving()
    settings = settings_for(sqlite_url, moderation={"timeout_s": 0.3}, jobs={"tick_s": 3600.0})
    async with Desk.open("", settings=settings, plugins={"bad": plugin}) as desk:
        tom, eve, ana = await desk.member("Tom"), await desk.member("Eve"), await desk.agent("Ana")
        bad, good = await tom.group(), await eve.group()

        async def says(who: Person, room: str, text: str) -> int:
            return (await who.post(f"/rooms/{room}/messages", {"content": text})).status_code

        trouble = [asyncio.ensure_future(says(tom, bad, f"{how} {number}")) for number in range(3)]
        calm = [await says(eve, good, f"hello {number}") for number in range(10)]
        assert set(calm) <= {200, 201}
        assert all(status in (200, 201, 202) for status in await asyncio.gather(*trouble))
        shown = (await eve.get(f"/rooms/{good}/messages")).json()["messages"]
        assert [item["content"] for item in shown if item["kind"] == "text"] == [f"hello {n}" for n in range(10)]
        held = (await ana.get("/moderation/held")).json()["items"]
        posted = [item["content"] for item in (await tom.get(f"/rooms/{bad}/messages")).json()["messages"]]
        everywhere = [item["content"] for item in held] + posted
        assert {f"{how} {number}" for number in range(3)} <= set(everywhere)
        assert len(held) == (0 if how == "flood" else 3)


async def test_a_filter_that_hangs_is_soon_not_waited_for(sqlite_url: str) -> None:
    """Messages are then held at once; the admin sees why."""
    settings = settings_for(sqlite_url, moderation={"timeout_s": 0.05})
    async with Desk.open("", settings=settings, plugins={"bad": Misbehaving()}) as desk:
        tom, kim = await desk.member("Tom"), await desk.agent("Kim", role="admin")
        room = await tom.group()
        for number in range(breaker.LATE_TO_REST + 2):
            await tom.post(f"/rooms/{room}/messages", {"content": f"hang {number}"})
        found = next(item for item in (await kim.get("/plugins")).json()["items"] if item["name"] == "bad")
        assert found["breakers"]["filter misbehaving"] == "open" and found["passed_over"] == 2
        assert found["times"]["filter misbehaving"]["count"] == breaker.LATE_TO_REST
        assert "late" in found["last_fault"] and "hunter2" not in str(found)


async def test_the_command_line_shows_how_plugins_behave(sqlite_url: str) -> None:
    settings = settings_for(sqlite_url, moderation={"timeout_s": 0.05})
    async with Desk.open("", settings=settings, plugins={"bad": Misbehaving()}) as desk:
        tom, kim = await desk.member("Tom"), await desk.agent("Kim", role="admin")
        room = await tom.group()
        for number in range(breaker.LATE_TO_REST + 2):
            await tom.post(f"/rooms/{room}/messages", {"content": f"hang {number}"})

        def said(token: str, url: str) -> tuple[int, str]:
            done = CliRunner().invoke(cli.main, ["plugins", "running", "--url", url, "--token", token])
            return done.exit_code, " ".join(done.output.split())

        code, shown = await asyncio.to_thread(said, kim.token, desk.url)
        assert code == 1  # something rests
        assert "bad active" in shown and "5 faults, the last: filter misbehaving was late" in shown
        assert "rests: filter misbehaving (open); 2 calls were not made" in shown
        assert "filter misbehaving: 5 calls, p50" in shown
        code, shown = await asyncio.to_thread(said, tom.token, desk.url)
        assert code == 3 and "for admins" in shown
        code, shown = await asyncio.to_thread(said, kim.token, "http://127.0.0.1:9")
        assert code == 3 and "does not answer" in shown


async def test_an_observer_that_fails_is_told_again_alone(sqlite_url: str) -> None:
    bad = Misbehaving()
    heard: list[str] = []

    class Well:
        @hookimpl
        async def on_message(self, what: str, message: Any) -> None:
            heard.append(message.content)

    settings = settings_for(sqlite_url, jobs={"tick_s": 0.05, "backoff_base_s": 0.01})
    async with Desk.open("", settings=settings, plugins={"bad": bad, "well": Well()}) as desk:
        tom = await desk.member("Tom")
        await tom.post(f"/rooms/{await tom.group()}/messages", {"content": "observed by all"})
        db = desk.application.ports.db
        await desk.until(lambda: db.fetchval("SELECT count(*) FROM outbox WHERE status = 'dead'"))
        assert heard == ["observed by all"] and bad.observed == 3


async def test_a_bot_that_ends_its_process_ends_its_turn_only(sqlite_url: str) -> None:
    async with Desk.open(sqlite_url) as desk:
        maya = await desk.visitor()

        async def leaves(turn: Turn) -> AsyncIterator[BotEvent]:
            sys.exit(1)
            yield Say("never")

        desk.bot.script = leaves
        async with maya.line() as line:
            room = await maya.conversation()
            await line.subscribe(room)
            await line.says(room, "hello")
            await desk.until(
                lambda: desk.application.ports.db.fetchval("SELECT count(*) FROM cases WHERE status = 'waiting'")
            )
        assert (await desk.http.get("/health/live")).status_code == 200


BLOCKER = """
import time
from deskbell import Allow, hookimpl

class Blocker:
    name, order = "blocker", 1
    async def check(self, submission):
        if submission.text == "block":
            hold_everything_up()
        return Allow()

def hold_everything_up():
    time.sleep(0.7)

@hookimpl
def register_moderation_filters():
    return [Blocker()]
"""


async def test_who_holds_up_everybody_is_named(sqlite_url: str, tmp_path: Path) -> None:
    """By plugin, function and line; a deadline cannot help, the operator can."""
    (tmp_path / "sleepy.py").write_text(BLOCKER)
    settings = settings_for(sqlite_url, plugin_host={"folder": str(tmp_path)}, plugins={"sleepy": {}})
    async with Desk.open("", settings=settings) as desk:
        tom, kim = await desk.member("Tom"), await desk.agent("Kim", role="admin")
        room = await tom.group()

        async def named() -> Any:
            await tom.post(f"/rooms/{room}/messages", {"content": "block"})
            found = (await kim.get("/plugins")).json()["items"]
            return next(item for item in found if item["name"] == "sleepy" and item["blocked"])

        deadline = time.monotonic() + 30
        found = None
        while found is None and time.monotonic() < deadline:
            try:
                found = await named()
            except StopIteration:
                await asyncio.sleep(0.2)
            except RuntimeError:  # how a coroutine says StopIteration
                await asyncio.sleep(0.2)
        assert found is not None
        assert found["last_block"].startswith("hold_everything_up, sleepy.py:")
        assert "deskbell_plugin_blocks_total" in (await desk.http.get("/metrics")).text
        assert [
            item["blocked"] for item in (await kim.get("/plugins")).json()["items"] if item["name"] == "channels"
        ] == [0]
