"""Plugins are switched on and off while the desk runs, on all instances, and over restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from deskbell import (
    Block,
    ChannelType,
    Done,
    Job,
    MessageKind,
    PluginContext,
    Queue,
    QueueItem,
    Route,
    RouteRequest,
    Submission,
    cli,
    hookimpl,
)
from deskbell.testing.desk import Desk, Person, settings_for


class Answer(msgspec.Struct):
    said: str


class Guard:
    name = "guard"
    order = 1

    async def check(self, submission: Submission) -> Block:
        return Block("everything")


class Whole:
    """A plugin that adds one of each, and notes what reaches it."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.ended: list[str] = []
        self.context: PluginContext | None = None

    @hookimpl
    def register_moderation_filters(self, context: PluginContext) -> Sequence[Guard]:
        self.context = context
        context.spawn(self.waits, "waits")
        return [Guard()]

    @hookimpl
    def register_routes(self) -> Sequence[Route]:
        return [Route(name="hi", method="GET", path="/hi", handler=self.hi, answers=Answer, summary="Hi.")]

    @hookimpl
    def register_jobs(self) -> Sequence[Job]:
        return [Job(name="tick", every_s=1, handler=self.tick)]

    @hookimpl
    def register_queues(self) -> Sequence[Queue]:
        return [Queue(name="out", handler=self.handle)]

    @hookimpl
    def register_message_kinds(self) -> Sequence[MessageKind]:
        return [MessageKind(name="vote", metadata=Answer)]

    @hookimpl
    async def on_message(self, what: str) -> None:
        self.heard.append("message")

    async def waits(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append("waits")

    async def hi(self, request: RouteRequest) -> Answer:
        return Answer("hi")

    async def tick(self, due: datetime) -> None:
        self.heard.append("tick")

    async def handle(self, item: QueueItem) -> Done:
        self.heard.append("work")
        return Done()


async def says(person: Person, room: str, kind: str = "text") -> Any:
    body = {"content": "hello", "kind": kind, "metadata": {"said": "yes"} if kind == "vote" else {}}
    answer = await person.post(f"/rooms/{room}/messages", body)
    return answer.json()["error"]["code"] if "error" in answer.json() else "posted"


async def test_switching_a_plugin_off_removes_all_it_added_and_switching_it_on_brings_it_back(
    database_url: str,
) -> None:
    plugin = Whole()
    async with Desk.open(database_url, plugins={"acme": plugin}, jobs={"tick_s": 3600.0}) as desk:
        kim, tom = await desk.agent("Kim", role="admin"), await desk.member("Tom")
        room = await tom.group()
        work = desk.application._work
        assert plugin.context is not None
        assert await says(tom, room) == "blocked"
        assert (await tom.get("/plugins/acme/hi")).json() == {"said": "hi"}
        assert desk.application.ports.plugins.describe()[-1]["tasks"] == 1

        off = (await kim.post("/plugins/acme/disable")).json()
        assert (off["state"], off["reason"], off["registers"]) == (
            "disabled",
            "switched off by an admin while Deskbell ran",
            {},
        )
        assert plugin.ended == ["waits"] and off["tasks"] == 0
        assert await says(tom, room) == "posted"
        assert await says(tom, room, "vote") == "kind_not_allowed"
        assert (await tom.get("/plugins/acme/hi")).status_code == 404
        assert "/api/v1/plugins/acme/hi" not in (await desk.http.get("/openapi.json")).json()["paths"]
        assert (await tom.get("/message-kinds")).json()["items"] == []
        await desk.advance(10)
        await work.jobs()
        await work.queues()
        assert plugin.heard == []

        on = (await kim.post("/plugins/acme/enable")).json()
        assert on["state"] == "active" and set(on["registers"]) == {
            "moderation_filters",
            "routes",
            "jobs",
            "queues",
            "message_kinds",
        }
        assert await says(tom, room) == "blocked"
        assert (await tom.get("/plugins/acme/hi")).json() == {"said": "hi"}
        assert "/api/v1/plugins/acme/hi" in (await desk.http.get("/openapi.json")).json()["paths"]
        assert await plugin.context.enqueue("out", desk.tenant, {})
        await work.jobs()
        await desk.until(lambda: sorted(plugin.heard) == ["tick", "work"])


async def test_work_left_before_a_plugin_was_switched_off_waits_for_it(sqlite_url: str) -> None:
    plugin = Whole()
    async with Desk.open(sqlite_url, plugins={"acme": plugin}, jobs={"tick_s": 3600.0}) as desk:
        kim = await desk.agent("Kim", role="admin")
        assert plugin.context is not None
        await plugin.context.enqueue("out", desk.tenant, {}, after_s=60)
        await kim.post("/plugins/acme/disable")
        await desk.advance(120)
        await desk.application._work.queues()
        assert plugin.heard == []
        await kim.post("/plugins/acme/enable")
        await desk.application._work.queues()
        await desk.until(lambda: plugin.heard == ["work"])


async def test_a_call_under_way_when_its_plugin_is_switched_off_may_be_made_again(sqlite_url: str) -> None:
    """It can leave no more work; that is said as something that passes, so that nobody drops what they posted."""
    plugin, under_way, switched = Whole(), asyncio.Event(), asyncio.Event()

    async def leaves_work(request: RouteRequest) -> Answer:
        under_way.set()
        await switched.wait()
        assert plugin.context is not None
        await plugin.context.enqueue("out", request.actor.tenant, {})
        return Answer("left")

    plugin.hi = leaves_work  # type: ignore[method-assign]
    async with Desk.open(sqlite_url, plugins={"acme": plugin}, jobs={"tick_s": 3600.0}) as desk:
        kim, tom = await desk.agent("Kim", role="admin"), await desk.member("Tom")
        asked = asyncio.ensure_future(tom.get("/plugins/acme/hi"))
        await under_way.wait()
        await kim.post("/plugins/acme/disable")
        switched.set()
        answer = await asked
        assert (answer.status_code, answer.json()["error"]["temporary"]) == (503, True), answer.text


async def test_a_switch_holds_on_all_instances_and_over_restarts(postgres_url: str, redis_url: str) -> None:
    settings = settings_for(postgres_url, bus={"url": redis_url}, jobs={"tick_s": 3600.0})
    async with (
        Desk.open("", settings=settings, plugins={"acme": Whole()}) as one,
        Desk.open("", settings=settings, plugins={"acme": Whole()}) as two,
    ):
        kim, tom = await one.agent("Kim", role="admin"), await two.member("Tom")
        room = await tom.group()
        assert await says(tom, room) == "blocked"
        assert (await kim.post("/plugins/acme/disable")).status_code == 200
        await two.application.jobs.tips()
        assert await says(tom, room) == "posted"
    async with Desk.open("", settings=settings, plugins={"acme": Whole()}) as later:
        tom = await later.member("Tom")
        assert await says(tom, await tom.group()) == "posted"


async def test_only_admins_who_look_after_the_installation_switch_plugins(sqlite_url: str) -> None:
    """Plugins serve all tenants: with several, their admins have to be named."""
    async with Desk.open(sqlite_url, plugins={"acme": Whole()}) as desk:
        kim, ana = await desk.agent("Kim", role="admin"), await desk.agent("Ana", role="supervisor")
        assert (await ana.post("/plugins/acme/disable")).status_code == 403
        assert (await kim.post("/plugins/nothing/disable")).status_code == 404
        await desk.other_tenant()
        refused = await kim.post("/plugins/acme/disable")
        assert refused.status_code == 403 and "plugin_host.operators" in refused.json()["error"]["message"]
    settings = settings_for(sqlite_url, plugin_host={"operators": ["default"]})
    async with Desk.open("", settings=settings, plugins={"acme": Whole()}) as desk:
        kim = await desk.agent("Kim", role="admin")
        stranger = await desk.person("Zed", kind="agent", role="admin", tenant=await desk.other_tenant())
        assert (await stranger.post("/plugins/acme/disable")).status_code == 403
        assert (await kim.post("/plugins/acme/disable")).status_code == 200


class Kinds:
    @hookimpl
    def register_channel_types(self) -> Sequence[ChannelType]:
        return [ChannelType(name="lounge", title="Lounge")]


async def test_a_plugin_whose_rooms_are_in_use_is_not_switched_off_and_says_why(sqlite_url: str) -> None:
    async with Desk.open(sqlite_url, plugins={"kinds": Kinds()}) as desk:
        kim, tom, maya = await desk.agent("Kim", role="admin"), await desk.member("Tom"), await desk.visitor()
        assert (await kim.post("/plugins/kinds/disable")).json()["state"] == "disabled"
        assert (await tom.post("/rooms", {"channel_type": "lounge"})).status_code == 422
        assert (await kim.post("/plugins/kinds/enable")).json()["state"] == "active"
        await tom.group(channel_type="lounge")
        await maya.conversation()
        rooms = await kim.post("/plugins/kinds/disable")
        assert rooms.status_code == 409 and "'lounge'" in rooms.json()["error"]["message"]
        bots = await kim.post("/plugins/scripted_bot/disable")
        assert bots.status_code == 409 and "open conversations" in bots.json()["error"]["message"]


@pytest.mark.parametrize("switched", [True, False])
async def test_what_the_configuration_switches_off_stays_off(sqlite_url: str, switched: bool) -> None:
    settings = settings_for(sqlite_url, plugins={"acme": {"enabled": False}})
    async with Desk.open("", settings=settings, plugins={"acme": Whole()}) as desk:
        kim = await desk.agent("Kim", role="admin")
        answer = await kim.post(f"/plugins/acme/{'enable' if switched else 'disable'}")
        assert answer.status_code == (409 if switched else 200)
        assert desk.application.ports.plugins.describe()[-1]["state"] == "disabled"


async def test_the_command_line_switches_plugins_too(tmp_path: Path) -> None:
    """What serves follows with its next look; what cannot be switched is told in a sentence."""
    config = tmp_path / "config.yaml"
    config.write_text(f"store: {{url: 'sqlite:///{tmp_path}/desk.sqlite3'}}\n")

    def said(*words: str) -> tuple[int, str]:
        given = [*words, "--config", str(config)]
        done = CliRunner().invoke(cli.main, given)
        return done.exit_code, " ".join(done.output.split())

    def listed() -> dict[str, str]:
        _, text = said("plugins", "--json")
        return {item["name"]: item["state"] for item in msgspec.json.decode(text)}

    def all_of_it() -> None:
        assert said("plugins", "disable", "faq")[0] == 3  # there is no desk yet
        assert said("migrate")[0] == 0
        assert said("plugins", "disable", "moderation_words") == (0, "moderation_words is switched off.")
        assert listed()["moderation_words"] == "disabled" and listed()["faq"] == "active"
        assert said("plugins", "enable", "moderation_words")[0] == 0
        assert listed()["moderation_words"] == "active"
        code, why = said("plugins", "disable", "channels")
        assert code == 1 and "only kinds of rooms" in why
        code, why = said("plugins", "disable", "fag")
        assert code == 1 and "Did you mean 'faq'?" in why

    # It brings its own event loop.
    await asyncio.to_thread(all_of_it)
