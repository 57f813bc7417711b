"""The plugins printed in the manual are real: the first thing a reader does is to copy them."""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import ModuleType

import pytest

from deskbell import Actor, BotEvent, Escalate, PublicUser, Say, SetState, Turn, TurnMessage
from deskbell.contracts import Submission
from deskbell.ids import MessageId, RoomId, TenantId, TurnId, UserId
from deskbell.plugins import PluginHost

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
PAGES = {
    "acme_rooms": "write-a-channel-plugin.md",
    "acme_filter": "write-a-moderation-filter.md",
    "acme_bot": "write-a-bot.md",
}


def printed(name: str) -> ModuleType:
    """The page's one Python block, as the module that it says it is."""
    (code,) = re.findall(r"```python\n(.*?)```", (HOWTO / PAGES[name]).read_text("utf-8"), re.DOTALL)
    assert code.startswith(f"# {name}.py\n")
    module = ModuleType(name)
    exec(compile(code, f"{PAGES[name]}", "exec"), module.__dict__)
    return module


@pytest.fixture
async def host() -> PluginHost:
    """The platform's own host with the three printed plugins, as an operator would have enabled them."""

    class Enabled:
        enabled = True

        def __init__(self, **settings: object) -> None:
            self.settings = settings

    host = PluginHost.load(
        {
            "acme_rooms": Enabled(max_members=500),
            "acme_filter": Enabled(max_links=2, forbidden=["casino"]),
            "acme_bot": Enabled(),
        },
        {},
        moderation_timeout_s=1.0,
        extra={name: printed(name) for name in PAGES},
    )
    await host.start()
    refused = [plugin for plugin in host.describe() if plugin["name"] in PAGES and plugin["state"] != "active"]
    assert refused == []
    return host


def person(kind: str = "member", **attributes: bool) -> Actor:
    return Actor(TenantId("t"), UserId("u"), kind, "Ana", attributes=attributes)  # type: ignore[arg-type]


async def test_the_printed_channel_type_has_its_policy_and_its_door(host: PluginHost) -> None:
    assert host.channels["club"].policy.max_members == 500
    assert host.channels["club"].policy.edit_window_s == 0
    club = host.channel_types["club"]
    assert club.may_enter(person(club=True), "member") and not club.may_enter(person(), "member")


@pytest.mark.parametrize(
    ("text", "verdict", "stored"),
    [
        ("my card is 4111 1111 1111 1111", "allow", "my card is [card number removed]"),
        ("http://a http://b http://c", "hold", "http://a http://b http://c"),
        ("the Casino", "block", "the Casino"),
        ("good morning", "allow", "good morning"),
    ],
)
async def test_the_printed_filter_gives_each_verdict(host: PluginHost, text: str, verdict: str, stored: str) -> None:
    only = next(asked for asked in host.filters if asked.name == "acme")
    host.filters = (only,)
    host._chain = tuple(asked for asked in host._chain if asked.name == "acme")  # without the bundled ones
    submission = Submission(RoomId("r"), "club", person(), "text", text, text.lower())

    moderated = await host.moderate(submission)

    assert (moderated.verdict, moderated.text) == (verdict, stored)


async def test_the_printed_bot_answers_asks_back_once_and_then_brings_in_a_person(host: PluginHost) -> None:
    async def turn(text: str, state: dict[str, object]) -> list[BotEvent]:
        visitor = PublicUser(UserId("u"), "visitor", "Ana")
        said = [TurnMessage(MessageId("m"), visitor, text)]
        deadline = time.monotonic() + 5
        asked = Turn(TurnId("n"), TenantId("t"), RoomId("r"), visitor, said, [], state, deadline)
        return [event async for event in host.bots["acme"].handle(asked)]

    assert Say("We are open from Monday to Friday, 9:00 to 17:30.") in await turn("When are you OPEN?", {})
    first = await turn("Mumble", {})
    assert SetState({"asked_back": True}) in first
    (handed_over,) = await turn("Mumble again", {"asked_back": True})
    assert isinstance(handed_over, Escalate) and handed_over.summary == "Mumble again"
