"""The examples in the manual are run: what a reader copies works."""

from __future__ import annotations

import asyncio
import re
import time
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import pytest
import yaml
from websockets.asyncio.client import connect

from deskbell import (
    Actor,
    Block,
    BotEvent,
    Escalate,
    Hold,
    MessageId,
    PublicUser,
    RoomId,
    Say,
    SetState,
    Submission,
    TenantId,
    Turn,
    TurnId,
    TurnMessage,
    UserId,
    normalise,
)
from deskbell.hookspecs import GROUP
from deskbell.plugins import PluginHost
from deskbell.testing.desk import Desk, Line

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"^# (\w+)\.py$", re.MULTILINE)
PAGES = ["write-a-channel-plugin.md", "write-a-moderation-filter.md", "write-a-bot.md", "write-a-dialect.md"]
VERA = PublicUser(UserId("v"), "visitor", "Vera")


def blocks(page: str, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall((HOWTO / page).read_text()) if kind == language]


def module(page: str) -> ModuleType:
    """The Python of a page as one module, under the name its first line gives it."""
    source = "\n\n".join(blocks(page, "python"))
    named = NAME.search(source)
    assert named, f"{page}: the first line of the example names its file"
    found = ModuleType(named[1])
    exec(compile(source, f"{page}:{named[1]}.py", "exec"), found.__dict__)
    return found


def host(page: str) -> PluginHost:
    """The example of a page, enabled with the settings that the page itself shows."""
    example = module(page)
    shown = [yaml.safe_load(body) for body in blocks(page, "yaml")]
    enabled = next(config["plugins"] for config in shown if "plugins" in config)
    assert list(enabled) == [example.__name__]
    settings = enabled[example.__name__].get("settings", {})
    off = {entry.name: SimpleNamespace(enabled=False, settings={}) for entry in metadata.entry_points(group=GROUP)}
    from deskbell_plugins import channels

    return PluginHost.load(
        off | {example.__name__: SimpleNamespace(enabled=True, settings=settings)},
        {},
        moderation_timeout_s=1,
        extra={"rooms": channels, example.__name__: example},
    )


def settings_of(page: str) -> Any:
    return getattr(module(page), "Settings", None)


@pytest.mark.parametrize("page", PAGES)
async def test_the_example_of_a_page_is_a_plugin_that_works(page: str) -> None:
    found = host(page)
    await found.start()

    described = found.describe()[-1]
    assert (described["state"], described["reason"]) == ("active", "")
    assert sum(described["offers"].values()) == 1


@pytest.mark.parametrize("page", PAGES)
def test_the_entry_point_a_page_shows_is_the_example(page: str) -> None:
    name = module(page).__name__

    assert any(f'{name} = "{name}"' in body and f'"{GROUP}"' in body for body in blocks(page, "toml"))


@pytest.mark.parametrize("page", PAGES)
def test_an_example_with_settings_refuses_those_it_does_not_know(page: str) -> None:
    struct = settings_of(page)
    if struct is None:
        return
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"no_such_setting": 1}, struct)


def test_the_club_room_lets_in_whom_the_page_says() -> None:
    club = host("write-a-channel-plugin.md").channel_types["club"]
    member = Actor(TenantId("t"), UserId("u"), "member", "Ada", attributes={"club": True})
    stranger = Actor(TenantId("t"), UserId("u"), "member", "Bob")

    assert club.may_enter(member, "member")
    assert not club.may_enter(stranger, "member")
    assert (club.policy.edit_window_s, club.policy.max_members) == (0, 500)


async def test_the_filter_does_what_the_page_says() -> None:
    found = host("write-a-moderation-filter.md")

    async def moderated(text: str, role: str = "") -> Any:
        sender = Actor(TenantId("t"), UserId("u"), "visitor", "Vera", role=role)
        return await found.moderate(Submission(RoomId("r"), "support", sender, "text", text, normalise(text)))

    assert (await moderated("pay with 4111 1111 1111 1111")).text == "pay with [card number removed]"
    assert (await moderated("http://a http://b http://c")).verdict == Hold.__name__.lower()
    assert (await moderated("the CASINO")).verdict == Block.__name__.lower()
    assert (await moderated("the casino", role="agent")).verdict == "allow"
    assert (await moderated("hello")).text == "hello"


async def test_the_bot_does_what_the_page_says() -> None:
    bot = host("write-a-bot.md").bots["acme"]

    async def answers(text: str, state: dict[str, Any]) -> list[BotEvent]:
        messages = [TurnMessage(MessageId("m"), VERA, text)]
        turn = Turn(TurnId("t"), TenantId("t"), RoomId("r"), VERA, messages, (), state, time.monotonic() + 5)
        async with asyncio.timeout(5):
            return [event async for event in bot.handle(turn)]

    opening, asking_back, person = (
        await answers("When are you open?", {}),
        await answers("Hm?", {}),
        await answers("Hm?", {"asked_back": True}),
    )

    assert isinstance(opening[-1], Say) and "9:00" in opening[-1].text
    assert asking_back[0] == SetState({"asked_back": True}) and isinstance(asking_back[1], Say)
    assert isinstance(person[-1], Escalate) and person[-1].summary == "Hm?"


async def test_the_observer_in_the_reference_is_told_of_messages(capsys: pytest.CaptureFixture[str]) -> None:
    page = (HOWTO.parent / "reference" / "hooks.md").read_text()
    example = ModuleType("invoices")
    exec(next(body for kind, body in FENCE.findall(page) if kind == "python"), example.__dict__)
    off = {entry.name: SimpleNamespace(enabled=False, settings={}) for entry in metadata.entry_points(group=GROUP)}
    from deskbell_plugins import channels

    found = PluginHost.load(off, {}, moderation_timeout_s=1, extra={"rooms": channels, "invoices": example})
    message = SimpleNamespace(id="m1", content="my invoice is wrong")
    await found.observe("message", tenant="t", room="r", what="created", message=message)

    assert "m1" in capsys.readouterr().out


async def test_the_dialect_speaks_as_the_page_says(tmp_path: Path) -> None:
    async with Desk.open(
        f"sqlite:///{tmp_path / 'desk.sqlite3'}", plugins={"acme": module("write-a-dialect.md")}
    ) as desk:
        maya = await desk.member("Maya")
        room = await maya.group()
        address = f"{desk.url.replace('http', 'ws', 1)}/api/v1/plain/{room}?token={maya.token}"
        line = Line(await connect(address, proxy=None))
        desk.lines.append(line)
        await line.wait("hello", name="Maya")
        await line.send({"type": "say", "text": "Good morning."})
        assert await line.wait("heard") == {"type": "heard", "from": "Maya", "text": "Good morning."}
