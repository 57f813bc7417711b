"""What plugins add beside filters and bots: addresses, kinds of messages, jobs, queues. It comes and goes with them."""

from __future__ import annotations

import asyncio
import hmac
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deskbell import (
    Dead,
    Done,
    Job,
    MessageKind,
    PluginContext,
    Queue,
    QueueItem,
    Retry,
    Route,
    RouteRequest,
    TenantId,
    hookimpl,
)
from deskbell.testing.desk import Desk, settings_for

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "plugins.d" / "lifts.py"


class Size(msgspec.Struct, forbid_unknown_fields=True):
    size: int = 1


class Answer(msgspec.Struct):
    said: str


class Offering:
    """A plugin that offers what a test gives it."""

    def __init__(self, **offers: Sequence[Any]) -> None:
        self.offers = offers
        self.context: PluginContext | None = None

    @hookimpl
    def register_routes(self, context: PluginContext) -> Sequence[Route]:
        self.context = context
        return self.offers.get("routes", [])

    @hookimpl
    def register_jobs(self) -> Sequence[Job]:
        return self.offers.get("jobs", [])

    @hookimpl
    def register_queues(self) -> Sequence[Queue]:
        return self.offers.get("queues", [])

    @hookimpl
    def register_message_kinds(self) -> Sequence[MessageKind]:
        return self.offers.get("kinds", [])

    async def enqueue(self, desk: Desk, **payload: Any) -> bool:
        assert self.context is not None
        once = payload.pop("once", None)
        return await self.context.enqueue("outside", desk.tenant, payload, once=once)


def route(handler: Any, **values: Any) -> Route:
    given: dict[str, Any] = {
        "name": "hello",
        "method": "POST",
        "path": "/hello",
        "answers": Answer,
        "summary": "Hello.",
    }
    return Route(handler=handler, **{**given, **values})


# addresses


async def test_register_routes_adds_addresses_that_check_who_asks_and_what(sqlite_url: str) -> None:
    """Under the plugin's own name, typed both ways, and in the description of the API."""

    async def hello(request: RouteRequest) -> Answer:
        return Answer(f"{request.actor.name} {request.path['thing']} {request.body.size} {len(request.raw)}")

    plugin = Offering(routes=[route(hello, path="/things/<thing>", body=Size, who="staff")])
    async with Desk.open(sqlite_url, plugins={"acme": plugin}) as desk:
        ana, maya = await desk.agent("Ana"), await desk.visitor()
        path = "/plugins/acme/things/box"
        assert (await ana.post(path, {"size": 7})).json() == {"said": "Ana box 7 10"}
        assert (await ana.post(path, {"sise": 7})).json()["error"]["code"] == "invalid"
        assert (await maya.post(path, {"size": 7})).status_code == 403
        assert (await desk.http.post(path, json={"size": 7})).status_code == 401
        wrong = await ana.get(path)
        assert wrong.status_code == 405 and wrong.headers["Allow"] == "POST"
        asked = await desk.http.options(path)
        assert asked.status_code == 200 and asked.headers["Allow"] == "OPTIONS, POST"
        assert (await desk.http.options("/plugins/acme/other")).status_code == 404
        assert (await desk.http.options("/plugins/acme/dead")).headers["Allow"].count("POST") == 0
        assert (await ana.post("/plugins/acme/other", {})).status_code == 404
        document = (await desk.http.get("/openapi.json")).json()
        described = document["paths"]["/api/v1/plugins/acme/things/{thing}"]["post"]
        assert described["operationId"] == "acme_hello" and "403" in described["responses"]


async def test_an_asker_of_a_route_has_their_own_rights_and_no_others(sqlite_url: str) -> None:
    async def rename(request: RouteRequest) -> Answer:
        return Answer((await request.desk.room(request.query.room)).name)

    class Which(msgspec.Struct, forbid_unknown_fields=True):
        room: str

    plugin = Offering(routes=[route(rename, method="GET", query=Which)])
    async with Desk.open(sqlite_url, plugins={"acme": plugin}) as desk:
        tom, eve = await desk.member("Tom"), await desk.member("Eve")
        room = await tom.group(name="Ours")
        assert (await tom.get(f"/plugins/acme/hello?room={room}")).json() == {"said": "Ours"}
        assert (await eve.get(f"/plugins/acme/hello?room={room}")).status_code == 404


@pytest.mark.parametrize("how", ["raises", "hangs", "answers garbage", "leaves"])
async def test_a_route_that_fails_is_answered_with_503_and_nothing_of_it(sqlite_url: str, how: str) -> None:
    async def broken(request: RouteRequest) -> Any:
        if how == "raises":
            raise ValueError("the password is hunter2")
        if how == "leaves":
            raise SystemExit(3)
        if how == "hangs":
            await asyncio.Event().wait()
        return {"said": 42}

    plugin = Offering(routes=[route(broken, deadline_s=0.05)])
    async with Desk.open(sqlite_url, plugins={"acme": plugin}) as desk:
        answer = await (await desk.member()).post("/plugins/acme/hello", {})
        assert answer.status_code == 503 and answer.json()["error"]["temporary"] and "hunter2" not in answer.text
        assert desk.application.ports.plugins.describe()[-1]["faults"] == 1


# kinds of messages


async def test_register_message_kinds_adds_kinds_with_checked_metadata(sqlite_url: str) -> None:
    plugin = Offering(kinds=[MessageKind(name="vote", metadata=Size)])
    async with Desk.open(sqlite_url, plugins={"acme": plugin}) as desk:
        tom = await desk.member("Tom")
        room = await tom.group()

        async def votes(metadata: dict[str, Any]) -> Any:
            body = {"content": "A vote", "kind": "vote", "metadata": metadata}
            return await tom.post(f"/rooms/{room}/messages", body)

        assert (await votes({"size": 3})).json()["message"]["metadata"] == {"size": 3}
        assert (await votes({"size": "three"})).json()["error"]["code"] == "invalid"
        assert (await votes({"colour": 3})).json()["error"]["code"] == "invalid"
        kinds = (await tom.get("/message-kinds")).json()["items"]
        assert [kind["kind"] for kind in kinds] == ["vote"] and "size" in str(kinds[0]["metadata"])


async def test_a_kind_may_be_for_some_roles_and_some_channel_types(sqlite_url: str) -> None:
    kinds = [
        MessageKind(name="verdict", metadata=Size, who=("owner",)),
        MessageKind(name="plea", metadata=Size, channel_types=("group",)),
    ]
    async with Desk.open(sqlite_url, plugins={"acme": Offering(kinds=kinds)}) as desk:
        tom, eve = await desk.member("Tom"), await desk.member("Eve")
        group = await tom.group(eve)
        message = {"content": "Guilty", "kind": "verdict"}
        assert (await tom.post(f"/rooms/{group}/messages", message)).status_code in (200, 201)
        assert (await eve.post(f"/rooms/{group}/messages", message)).json()["error"]["code"] == "kind_not_allowed"
        direct = await tom.group(eve, channel_type="direct")
        plea = {"content": "Not guilty", "kind": "plea"}
        assert (await eve.post(f"/rooms/{group}/messages", plea)).status_code in (200, 201)
        refused = await eve.post(f"/rooms/{direct}/messages", plea)
        assert refused.json()["error"]["code"] == "kind_not_allowed"


# jobs


async def test_register_jobs_are_run_once_per_slot_over_all_instances(postgres_url: str, redis_url: str) -> None:
    ran: list[datetime] = []

    async def note(due: datetime) -> None:
        ran.append(due)

    plugins = {"acme": Offering(jobs=[Job(name="note", every_s=3600, handler=note)])}
    settings = settings_for(postgres_url, bus={"url": redis_url}, jobs={"tick_s": 3600.0})
    async with (
        Desk.open("", settings=settings, plugins=plugins) as one,
        Desk.open(
            "", settings=settings, plugins={"acme": Offering(jobs=[Job(name="note", every_s=3600, handler=note)])}
        ) as two,
    ):
        for desk in (one, two, one, two):
            await desk.application._work.jobs()
        await one.until(lambda: ran)
        for desk in (one, two):
            await desk.advance(3600)
        for desk in (one, two, one, two):
            await desk.application._work.jobs()
        await one.until(lambda: len(ran) >= 2)
        await asyncio.sleep(0)
        assert len(ran) == 2 and (ran[1] - ran[0]).total_seconds() == 3600


async def test_a_job_that_raises_or_hangs_is_run_again_in_its_next_slot(sqlite_url: str) -> None:
    ran: list[datetime] = []

    async def fails(due: datetime) -> None:
        ran.append(due)
        if len(ran) == 1:
            raise RuntimeError("no")
        await asyncio.Event().wait()

    plugin = Offering(jobs=[Job(name="fails", every_s=60, handler=fails, deadline_s=0.05)])
    async with Desk.open(sqlite_url, plugins={"acme": plugin}, jobs={"tick_s": 3600.0}) as desk:
        host = desk.application.ports.plugins
        for number in (1, 2, 3):
            await desk.advance(60)
            await desk.application._work.jobs()
            await desk.until(lambda number=number: host.describe()[-1]["faults"] == number)
        assert len(ran) == 3


# queues


async def test_register_queues_keep_work_until_it_is_done(sqlite_url: str) -> None:
    """Tried again with the same stable key, and done once it is said to be."""
    items: list[QueueItem] = []

    async def handle(item: QueueItem) -> Any:
        items.append(item)
        if item.attempt == 1:
            raise RuntimeError("the other side is down")
        return Retry("not yet", after_s=0) if item.attempt == 2 else Done()

    plugin = Offering(queues=[Queue(name="outside", handler=handle, backoff_base_s=0.01)])
    async with Desk.open(sqlite_url, plugins={"acme": plugin}, jobs={"tick_s": 0.05}) as desk:
        assert await plugin.enqueue(desk, order=7, once="order 7")
        assert not await plugin.enqueue(desk, order=7, once="order 7")
        await desk.until(lambda: len(items) == 3)
        db = desk.application.ports.db
        await desk.until(lambda: db.fetchval("SELECT count(*) FROM outbox WHERE status = 'done'"))
        assert {item.stable_key for item in items} == {items[0].stable_key}
        assert [item.attempt for item in items] == [1, 2, 3] and items[0].payload == {"order": 7}
        assert not await plugin.enqueue(desk, order=7, once="order 7")


async def test_what_is_dead_is_listed_and_replayed_by_admins_of_its_tenant(database_url: str) -> None:
    healed = False
    handled: list[Any] = []

    async def handle(item: QueueItem) -> Any:
        if healed:
            handled.append(item.payload["order"])
            return Done()
        return Dead("gone away") if item.payload["order"] == 1 else Retry("busy", after_s=0)

    plugin = Offering(queues=[Queue(name="outside", handler=handle, max_attempts=2)])
    async with Desk.open(database_url, plugins={"acme": plugin}, jobs={"tick_s": 0.05}) as desk:
        kim, ana = await desk.agent("Kim", role="admin"), await desk.agent("Ana")
        stranger = await desk.person("Zed", kind="agent", role="admin", tenant=await desk.other_tenant())
        for order in (1, 2):
            await plugin.enqueue(desk, order=order)

        async def dead() -> list[Any]:
            return list((await kim.get("/plugins/acme/dead")).json()["items"])

        async def both_dead() -> bool:
            return len(await dead()) == 2

        await desk.until(both_dead)
        found = {item["payload"]["order"]: (item["attempts"], item["reason"]) for item in await dead()}
        assert found == {1: (1, "gone away"), 2: (2, "busy")}
        assert (await ana.get("/plugins/acme/dead")).status_code == 403
        assert (await stranger.get("/plugins/acme/dead")).json()["items"] == []
        assert (await stranger.post("/plugins/acme/replay", {})).json() == {"replayed": 0}
        assert (await kim.get("/plugins/nothing/dead")).status_code == 404
        healed = True
        one = next(item["id"] for item in await dead() if item["payload"]["order"] == 2)
        assert (await kim.post("/plugins/acme/replay", {"ids": [one]})).json() == {"replayed": 1}
        await desk.until(lambda: handled == [2])
        assert (await kim.post("/plugins/acme/replay", {})).json() == {"replayed": 1}
        await desk.until(lambda: handled == [2, 1])


async def test_a_queue_that_answers_nonsense_is_asked_again_and_the_work_kept(sqlite_url: str) -> None:
    plugin = Offering(queues=[Queue(name="outside", handler=_nonsense, max_attempts=2, backoff_base_s=0.01)])
    async with Desk.open(sqlite_url, plugins={"acme": plugin}, jobs={"tick_s": 0.05}) as desk:
        await plugin.enqueue(desk, order=1)
        db = desk.application.ports.db
        await desk.until(lambda: db.fetchval("SELECT count(*) FROM outbox WHERE status = 'dead'"))
        assert "answered with a str" in await db.fetchval("SELECT last_error FROM outbox WHERE status = 'dead'")


async def _nonsense(item: QueueItem) -> Any:
    return "done"


async def test_work_is_not_tried_in_vain_while_its_plugin_hangs(sqlite_url: str) -> None:
    """Once it was late too often it rests, and what waits keeps its attempts."""

    async def hangs(item: QueueItem) -> Any:
        await asyncio.Event().wait()

    queue = Queue(name="outside", handler=hangs, deadline_s=0.02, max_attempts=3, at_once=1, backoff_base_s=60)
    plugin = Offering(queues=[queue])
    async with Desk.open(sqlite_url, plugins={"acme": plugin}, jobs={"tick_s": 0.05}) as desk:
        for order in range(8):
            await plugin.enqueue(desk, order=order)
        db = desk.application.ports.db

        async def attempts() -> list[int]:
            rows = await db.fetch(
                "SELECT attempts, due_at - created_at AS wait FROM outbox WHERE queue LIKE 'plugin:%'"
            )
            return sorted(row["attempts"] for row in rows if row["wait"] > 0)

        async def all_put_off() -> bool:
            return len(await attempts()) == 8

        await desk.until(all_put_off)
        assert await attempts() == [0, 0, 0, 1, 1, 1, 1, 1]


async def test_a_plugin_without_such_a_queue_or_json_leaves_nothing(sqlite_url: str) -> None:
    from deskbell import Invalid

    plugin = Offering(queues=[Queue(name="outside", handler=lambda item: Done())])
    async with Desk.open(sqlite_url, plugins={"acme": plugin}) as desk:
        assert plugin.context is not None
        with pytest.raises(Invalid):
            await plugin.context.enqueue("inside", desk.tenant, {})
        with pytest.raises(Invalid):
            await plugin.context.enqueue("outside", desk.tenant, {"what": object()})


# the example of the manual


async def test_the_example_in_the_manual_tells_scans_in_a_room(sqlite_url: str, tmp_path: Path) -> None:
    """From the plugins folder, with all four hooks, as its page says."""
    shutil.copy(EXAMPLE, tmp_path / "lifts.py")
    secret, settings = "a secret of the sensors", settings_for(sqlite_url, plugin_host={"folder": str(tmp_path)})
    async with Desk.open("", settings=settings) as desk:
        tom = await desk.member("Tom")
        room = await tom.group()
        tenant, speaker = str(desk.tenant), str(tom.id)
    own = {"secret": secret, "tenant": tenant, "speaker": speaker}
    settings = settings_for(
        sqlite_url,
        plugin_host={"folder": str(tmp_path)},
        plugins={"lifts": {"settings": own}},
        jobs={"tick_s": 0.05},
    )
    async with Desk.open("", settings=settings) as desk:
        eve = await desk.member("Eve")
        body = {"id": "s1", "room": room, "lift": {"number": "L7", "state": "stands"}}
        raw = msgspec.json.encode(body)
        signed = {
            "X-Signature": hmac.new(secret.encode(), raw, "sha256").hexdigest(),
            "Content-Type": "application/json",
        }
        assert (await desk.http.post("/plugins/lifts/scans", content=raw)).status_code in (403, 415)
        for new in (True, False):
            answer = await desk.http.post("/plugins/lifts/scans", content=raw, headers=signed)
            assert answer.json() == {"new": new}

        async def seen() -> bool:
            return (await eve.get("/plugins/lifts/lifts/L7")).status_code == 200

        await desk.until(seen)
        db = desk.application.ports.db
        await desk.until(lambda: db.fetchval("SELECT count(*) FROM messages WHERE kind = 'lift'"))
        assert TenantId(tenant) == desk.tenant
        described = next(item for item in desk.application.ports.plugins.describe() if item["name"] == "lifts")
        assert described["version"] == "1.0" and described["requires_api"] == ">=1,<2"
        assert described["registers"] == {
            "message_kinds": ["lift"],
            "routes": ["last_scan", "scan"],
            "jobs": ["forget"],
            "queues": ["scans"],
        }
