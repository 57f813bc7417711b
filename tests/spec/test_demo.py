"""The demo has a week behind it and life in it, all of it come in through the doors that everybody uses."""

from __future__ import annotations

import asyncio
import re
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from deskbell import cli
from deskbell.client import Client, MessageNew
from deskbell.config import DEMO_PASSWORD, Settings
from deskbell.demo import week
from deskbell.demo.visitors import STORIES, Crowd
from deskbell.demo.week import SHOP, WEEK, began, play
from deskbell.testing.ports import free_port
from deskbell.testing.serving import demo_settings, served_demo

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return demo_settings(tmp_path_factory.mktemp("demo"), collect_ms=20)


def served(settings: Settings) -> AbstractAsyncContextManager[Crowd]:
    return served_demo(settings, pace=0.02)


def agent(settings: Settings, name: str) -> Client:
    return Client.login(settings.server.public_url, f"{name}@demo.example", DEMO_PASSWORD)


async def test_a_week_of_conversations_is_there_from_the_start_and_played_once(settings: Settings) -> None:
    assert await play(settings) > 30
    assert await play(settings) == 0

    async with served(settings), agent(settings, "ana") as ana:
        await ana.ready()
        mine, queue = await ana.cases_in("mine"), await ana.cases_in("queue")
        assert [case.status for case in mine] == ["assigned"] * 3
        assert {case.reason for case in queue} == {"needs_promise", "asked_human"}
        resolved = await ana.cases_in("resolved")
        assert len(resolved) == 9 and sum(1 for case in resolved if case.rating) == 8
        assert any(case.labels for case in resolved)

        renaud = next(case for case in resolved if case.reason == "upset")
        view = await ana.subscribe(renaud.room)
        said = [(message.sender.kind, message.content) for message in view.ordered() if message.kind == "text"]
        assert said[0] == ("visitor", "Second shade in pieces. This is ridiculous")
        assert said[1][0] == "bot" and said[3][0] == "agent"
        times = [message.created_at for message in view.ordered()]
        assert times == sorted(times) and (datetime.now(UTC) - times[0]).days >= 3


async def test_visitors_come_ask_and_wait_and_a_colleague_takes_whom_nobody_took(settings: Settings) -> None:
    await play(settings)
    async with served(settings) as crowd, agent(settings, "ben") as ben:
        await ben.ready()
        async with httpx.AsyncClient(base_url=settings.server.public_url, trust_env=False) as http:
            foreign = await http.post("/demo/visitors/3", headers={"Origin": "https://elsewhere.example"})
            assert (foreign.status_code, foreign.json()) == (403, {"present": 0})
            own = {"Origin": settings.server.public_url}
            assert (await http.post("/demo/visitors/3", headers=own)).json() == {"present": 3}
            assert (await http.post("/demo/visitors/100")).json() == {"present": 12}
        called = {story.name for story in STORIES if len(story.to_person) > 1}

        async def resolved() -> Any:
            names = set()
            for case in await ben.cases_in("resolved"):
                names.add((await ben.rest("GET", f"/rooms/{case.room}"))["name"])
            return called & names

        async with asyncio.timeout(PATIENCE_S):
            while not await resolved():
                await asyncio.sleep(0.1)
    assert crowd.present == 0


async def test_colleagues_come_again_whatever_sent_them_away() -> None:
    came: list[str] = []
    back = asyncio.Event()

    class Sent(Crowd):
        async def _help(self, name: str) -> None:
            came.append(name)
            if came.count(name) == 1:
                raise RuntimeError("the roof came down")
            if {"tom", "jonas"} <= {one for one in came if came.count(one) > 1}:
                back.set()

    crowd = Sent("http://127.0.0.1:9", pace=0.01)
    crowd.staff()
    try:
        await asyncio.wait_for(back.wait(), PATIENCE_S)
    finally:
        await crowd.close()


async def test_one_may_go_through_the_same_door_as_often_as_one_likes(settings: Settings) -> None:
    """Its passwords are known, so there is nothing to guess."""
    async with served(settings), httpx.AsyncClient(base_url=settings.server.public_url, trust_env=False) as http:
        ana = {"email": "ana@demo.example", "password": DEMO_PASSWORD}
        answers = [(await http.post("/api/v1/auth/login", json=ana)).status_code for _ in range(12)]
    assert answers == [200] * 12


@pytest.mark.parametrize(("given", "status"), [(["--demo"], 0), ([], 3)])
async def test_a_token_for_the_demo_is_printed_beside_it(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], status: int
) -> None:
    """The demo has a store and a secret of its own, which no other desk's settings name."""
    await play(settings)
    assert settings.store.sqlite_path is not None
    folder = settings.store.sqlite_path.parent
    monkeypatch.chdir(tmp_path)
    async with served(settings), httpx.AsyncClient(base_url=settings.server.public_url, trust_env=False) as http:
        command = ["token", *given, "--folder", str(folder), "kim@demo.example"]
        printed = await asyncio.to_thread(CliRunner().invoke, cli.main, command)
        assert printed.exit_code == status, printed.output
        if status:
            assert "For those of deskbell demo add --demo." in printed.output
        else:
            admin = {"Authorization": f"Bearer {printed.stdout.strip()}"}
            assert (await http.get("/api/v1/admin/sites", headers=admin)).status_code == 200


async def test_the_readmes_line_for_the_terminal_leads_to_whom_its_question_is_for(settings: Settings) -> None:
    readme = Path(__file__).parents[2].joinpath("README.md").read_text("utf-8")
    site = re.findall(r"deskbell chat --site (\S+?)`", readme)
    question = re.findall(r"Ask \*(.+?)\*", readme)
    async with served(settings), Client.visitor(settings.server.public_url, site[0]) as visitor:
        events = visitor.events()
        room = (await visitor.rest("POST", "/support/conversations", {}))["id"]
        await visitor.subscribe(room)
        await visitor.send(room, question[0])
        async with asyncio.timeout(PATIENCE_S):
            async for event in events:
                if isinstance(event, MessageNew) and "28 cm shade" in event.message.content:
                    return


async def _no_week(settings: Settings) -> int:
    return 0


def started(monkeypatch: pytest.MonkeyPatch, folder: Path, *given: str) -> Result:
    """The command, as far as the server, in a terminal of 80 columns."""
    monkeypatch.setattr(cli, "_serve", lambda *_, **__: 0)
    monkeypatch.setattr(cli, "out", Console(highlight=False, width=80))
    return CliRunner().invoke(cli.main, ["demo", "--port", str(free_port()), "--folder", str(folder), *given])


def test_what_is_to_be_copied_stands_on_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(week, "play", _no_week)
    folder = tmp_path / "a folder whose name is long enough to go beyond the end of a line of eighty columns"
    printed = started(monkeypatch, folder)
    lines = printed.stdout.splitlines()
    assert printed.exit_code == 0
    assert any(re.search(r"deskbell chat --agent ana@demo.example --url http://127.0.0.1:\d+$", line) for line in lines)
    assert any(re.search(rf"deskbell chat --site {SHOP} --url http://127.0.0.1:\d+$", line) for line in lines)
    assert any(re.search(r"deskbell token --demo --folder '.+' kim@demo.example$", line) for line in lines)


async def test_a_second_demo_in_one_folder_only_says_that_it_cannot(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.store.sqlite_path is not None
    async with served(settings):
        printed = await asyncio.to_thread(started, monkeypatch, settings.store.sqlite_path.parent)
    assert printed.exit_code == 3
    assert "Open " not in printed.stdout and "goes on without" not in printed.output
    assert "Deskbell did not start." in printed.stderr


def test_names_of_plugins_are_shown_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "out", Console(highlight=False, width=80))
    printed = CliRunner().invoke(cli.main, ["plugins"])
    assert "moderation_words " in printed.stdout and "…" not in printed.stdout


def test_moments_of_the_week_are_said_as_people_say_them() -> None:
    now = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
    assert began("2d 08:30", now) == datetime(2026, 11, 19, 8, 30, tzinfo=UTC)
    assert began("70m", now) == datetime(2026, 11, 21, 8, 50, tzinfo=UTC)
    assert began("3h", now) == datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
    with pytest.raises(ValueError, match="is no moment"):
        began("yesterday", now)


def test_the_week_lies_in_the_package() -> None:
    assert WEEK.is_file() and Path(WEEK).with_name("shop").is_dir()
