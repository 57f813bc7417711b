"""Webhooks, as the program at the other end and the admin who set it up see them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from deskbell.testing.desk import Desk, Person, settings_for

PATIENCE_S = 10.0
NOTE = "between us: he has asked five times"


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def type(self) -> str:
        return str(self.event["type"])


@dataclass
class Receiver:
    """The program at the other end. It answers ``answers`` in order, then 204."""

    port: int = 0
    answers: list[bytes] = field(default_factory=list)
    got: list[Received] = field(default_factory=list)
    before_answer: Callable[[], Awaitable[None]] | None = None
    never_done: bytes = b""
    """Where given: it says this again and again, and never comes to an end."""
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Receiver]:
        self = cls()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.got.append(Received(head[0].split()[1], headers, body))
            if self.before_answer is not None:
                await self.before_answer()
            with suppress(ConnectionError):
                while self.never_done:
                    writer.write(self.never_done)
                    await writer.drain()
                    await asyncio.sleep(0.05)
            writer.write(self.answers.pop(0) if self.answers else answer(204))
            await writer.drain()
            self._more.set()
        finally:
            writer.close()

    async def gets(self, count: int) -> list[Received]:
        """What has come, once it is so many."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.got) < count:
                self._more.clear()
                await self._more.wait()
        return self.got


def answer(status: int, **headers: str) -> bytes:
    said = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Said\r\nContent-Length: 0\r\nConnection: close\r\n{said}\r\n".encode()


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver.open() as opened:
        yield opened


@asynccontextmanager
async def telling(url: str, receiver: Receiver, **changes: Any) -> AsyncIterator[tuple[Desk, Person]]:
    """A desk with webhooks that may reach the receiver, and its admin."""
    settings: dict[str, Any] = {
        "allow_http": True, "ports": [receiver.port], "allowed_networks": ["127.0.0.0/8"],
        "timeout_s": 2.0, "backoff_base_s": 0.01, "backoff_cap_s": 0.05, **changes,
    }  # fmt: skip
    plugins = {
        "faq": {"enabled": False}, "escalation": {"enabled": False},
        "webhooks": {"enabled": True, "settings": settings},
    }  # fmt: skip
    async with Desk.open(url, settings=settings_for(url, plugins=plugins, jobs={"tick_s": 0.05})) as desk:
        yield desk, await desk.agent("Ada", role="admin")


async def endpoint(admin: Person, receiver: Receiver, *events: str) -> dict[str, Any]:
    asked = {"url": receiver.url, "events": list(events) or ["*"]}
    made = await admin.post("/plugins/webhooks/endpoints", asked)
    assert made.status_code == 200, made.text
    return dict(made.json())


async def log(admin: Person, made: dict[str, Any]) -> list[dict[str, Any]]:
    answered = await admin.get(f"/plugins/webhooks/endpoints/{made['id']}/deliveries")
    return list(answered.json()["deliveries"])


async def log_of(count: int, admin: Person, made: dict[str, Any]) -> list[dict[str, Any]]:
    """The log, once so many attempts are in it."""
    async with asyncio.timeout(PATIENCE_S):
        while len(noted := await log(admin, made)) < count:
            await asyncio.sleep(0.05)
    return noted


async def room_of(desk: Desk) -> tuple[Person, str]:
    ana, tom = await desk.member("Ana"), await desk.member("Tom")
    made = await ana.post("/rooms", {"channel_type": "group", "name": "Desk", "participants": [tom.id]})
    return ana, str(made.json()["id"])


async def test_what_happens_is_told_once_signed_and_as_the_protocol_shows_it(
    database_url: str, receiver: Receiver
) -> None:
    async with telling(database_url, receiver) as (desk, admin):
        made = await endpoint(admin, receiver, "message.created")
        ana, room = await room_of(desk)
        said = (await ana.post(f"/rooms/{room}/messages", {"content": "Hello"})).json()

        [got] = await receiver.gets(1)
        event = Webhook(made["secret"]).verify(got.body, got.headers)
        assert (event["type"], event["data"]["message"]["id"]) == ("message.created", said["id"])
        assert event["data"]["message"]["content"] == "Hello"
        assert (event["data"]["room"]["id"], event["data"]["room"]["channel_type"]) == (room, "group")
        with pytest.raises(WebhookVerificationError):
            Webhook(made["secret"]).verify(got.body.replace(b"Hello", b"Hullo"), got.headers)
        await desk.until(lambda: not desk.application.ports.tasks._running)
        assert len(receiver.got) == 1
        [noted] = await log_of(1, admin, made)
        assert (noted["ok"], noted["status"], noted["attempt"]) == (True, 204, 1)
        assert noted["webhook_id"] == got.headers["webhook-id"]


async def test_every_kind_of_event_can_be_asked_for(database_url: str, receiver: Receiver) -> None:
    async with telling(database_url, receiver) as (desk, admin):
        await endpoint(admin, receiver, "message.edited", "participant.*", "case.*")
        maya, ana = await desk.visitor(), await desk.agent()
        room = await maya.conversation()
        said = (await maya.post(f"/rooms/{room}/messages", {"content": "Helo"})).json()
        await maya.call("PATCH", f"/messages/{said['id']}", json={"content": "Hello"})
        await maya.post(f"/rooms/{room}/escalate", {})
        await ana.post(f"/rooms/{room}/take-over")

        def told() -> set[str]:
            return {got.type for got in receiver.got}

        await desk.until(
            lambda: told() >= {"message.edited", "participant.joined", "case.opened", "case.claimed"},
            patience_s=PATIENCE_S,
        )
        assert "message.created" not in told()
        case = next(got.event["data"]["case"] for got in receiver.got if got.type == "case.claimed")
        assert case["agent"] == ana.id


async def test_a_delivery_that_fails_is_sent_again_under_the_same_id(database_url: str, receiver: Receiver) -> None:
    receiver.answers = [answer(500), answer(302, location=receiver.url), answer(503, retry_after="0")]
    async with telling(database_url, receiver) as (desk, admin):
        made = await endpoint(admin, receiver, "message.created")
        ana, room = await room_of(desk)
        await ana.post(f"/rooms/{room}/messages", {"content": "Hello"})

        got = await receiver.gets(4)
        assert len({each.headers["webhook-id"] for each in got}) == 1
        noted = await log_of(4, admin, made)
        assert [entry["attempt"] for entry in noted] == [4, 3, 2, 1]
        assert [entry["ok"] for entry in noted] == [True, False, False, False]


async def test_an_endpoint_that_is_gone_is_told_nothing_more_until_an_admin_takes_it_back(
    database_url: str, receiver: Receiver
) -> None:
    receiver.answers = [answer(410)]
    async with telling(database_url, receiver) as (desk, admin):
        made = await endpoint(admin, receiver, "message.created")
        ana, room = await room_of(desk)
        await ana.post(f"/rooms/{room}/messages", {"content": "one"})
        await receiver.gets(1)

        async def shown() -> dict[str, Any]:
            [only] = (await admin.get("/plugins/webhooks/endpoints")).json()["endpoints"]
            return dict(only)

        async with asyncio.timeout(PATIENCE_S):
            while not (await shown())["disabled"]:
                await asyncio.sleep(0.02)
        assert "410" in (await shown())["disabled"]
        await ana.post(f"/rooms/{room}/messages", {"content": "two"})
        await desk.application.jobs.observe()
        await desk.until(lambda: not desk.application.ports.tasks._running)
        back = await admin.call("PATCH", f"/plugins/webhooks/endpoints/{made['id']}", json={"enabled": True})
        assert back.json()["disabled"] == ""
        await ana.post(f"/rooms/{room}/messages", {"content": "three"})
        got = await receiver.gets(2)
        assert [each.event["data"]["message"]["content"] for each in got] == ["one", "three"]


async def test_what_was_deleted_while_it_waited_is_not_told_any_more(database_url: str, receiver: Receiver) -> None:
    """Not by the body, and not by a row of the queue."""
    receiver.answers = [answer(500)]
    async with telling(database_url, receiver) as (desk, admin):
        await endpoint(admin, receiver, "message.created")
        ana, room = await room_of(desk)
        said = (await ana.post(f"/rooms/{room}/messages", {"content": "my card is 4111"})).json()

        async def delete() -> None:
            receiver.before_answer = None
            assert (await ana.call("DELETE", f"/messages/{said['id']}")).status_code == 200

        receiver.before_answer = delete
        _, again = await receiver.gets(2)
        assert (again.event["data"]["message"]["deleted"], again.event["data"]["message"]["content"]) == (True, "")
        rows = await desk.application.ports.db.fetch("SELECT payload, last_error FROM outbox")
        assert "4111" not in str([tuple(row.values()) for row in rows])


async def test_private_notes_go_only_where_they_were_asked_for(database_url: str, receiver: Receiver) -> None:
    async with telling(database_url, receiver) as (desk, admin):
        made = await endpoint(admin, receiver, "*")
        maya, ana = await desk.visitor(), await desk.agent()
        room = await maya.conversation()
        await ana.post(f"/rooms/{room}/take-over")
        await ana.post(f"/rooms/{room}/notes", {"text": NOTE})
        await ana.post(f"/rooms/{room}/messages", {"content": "Hello, this is Ana."})
        await desk.until(lambda: any("this is Ana" in str(got.event) for got in receiver.got), patience_s=PATIENCE_S)
        await desk.until(lambda: not desk.application.ports.tasks._running)
        assert NOTE not in str([got.event for got in receiver.got])
        assert {got.event["data"]["room"]["id"] for got in receiver.got} == {room}

        changed = {"events": ["note.created"]}
        await admin.call("PATCH", f"/plugins/webhooks/endpoints/{made['id']}", json=changed)
        before = len(receiver.got)
        await ana.post(f"/rooms/{room}/notes", {"text": NOTE})
        got = await receiver.gets(before + 1)
        assert (got[-1].type, got[-1].event["data"]["message"]["content"]) == ("note.created", NOTE)


async def test_an_endpoint_that_never_answers_holds_up_no_other(database_url: str, receiver: Receiver) -> None:
    """Each has a share of the places, however long its own line is."""
    for_ever = asyncio.Event()
    async with Receiver.open() as silent:
        silent.before_answer = lambda: asyncio.wait_for(for_ever.wait(), 60)  # type: ignore[assignment]
        ports = [receiver.port, silent.port]
        async with telling(database_url, receiver, ports=ports, timeout_s=30.0, at_once=4) as (desk, admin):
            await endpoint(admin, silent, "message.created")
            await endpoint(admin, receiver, "message.created")
            ana, room = await room_of(desk)
            for number in range(8):
                await ana.post(f"/rooms/{room}/messages", {"content": f"{number}"})
            await receiver.gets(8)
            assert len(silent.got) <= 2
            for_ever.set()


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1:8080/",
        "http://[::1]/",
        "ftp://example.org/",
        "http://user:word@example.org/",
        "http://example.org:22/",
        "http://xn--a:443/",
        "nothing",
    ],
)
async def test_an_address_that_is_not_public_is_refused(sqlite_url: str, receiver: Receiver, url: str) -> None:
    async with telling(sqlite_url, receiver, ports=[80, 443, 8080], allowed_networks=[]) as (_, admin):
        refused = await admin.post("/plugins/webhooks/endpoints", {"url": url, "events": ["*"]})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid")


async def test_a_public_name_that_leads_inside_is_not_followed(sqlite_url: str, receiver: Receiver) -> None:
    """The address that was checked is the one connected to; a name is believed no more than a number."""
    async with telling(sqlite_url, receiver, allowed_networks=[]) as (_, admin):
        url = f"http://localhost:{receiver.port}/hook"
        made = (await admin.post("/plugins/webhooks/endpoints", {"url": url, "events": ["*"]})).json()
        await admin.post(f"/plugins/webhooks/endpoints/{made['id']}/test")
        async with asyncio.timeout(PATIENCE_S):
            while not (noted := await log(admin, made)):
                await asyncio.sleep(0.02)
        assert noted[0]["status"] is None
        assert "guard" in noted[0]["error"]
        assert receiver.got == []


async def test_an_endpoint_that_never_comes_to_an_end_is_late_and_nobody_else_suffers(
    sqlite_url: str, receiver: Receiver
) -> None:
    """The deadline is for the whole answer, not for each byte; and it is no fault of the plugin."""
    async with Receiver.open() as endless:
        both = [receiver.port, endless.port]
        async with telling(sqlite_url, receiver, ports=both, timeout_s=0.4, max_attempts=2) as (desk, admin):
            endless.never_done = b"HTTP/1.1 200 OK\r\nx: "
            made = await endpoint(admin, endless, "message.created")
            await endpoint(admin, receiver, "message.created")
            ana, room = await room_of(desk)
            for number in range(6):
                await ana.post(f"/rooms/{room}/messages", {"content": f"Hello {number}"})

            await receiver.gets(6)
            tried = await log_of(12, admin, made)
            assert {entry["error"] for entry in tried} == {"no answer within 0.4 s"}
            plugins = (await admin.get("/plugins")).json()["items"]
            webhooks = next(found for found in plugins if found["name"] == "webhooks")
            assert webhooks["faults"] == 0 and webhooks["breakers"]["queue deliveries"] == "closed"


async def test_during_a_change_of_secrets_both_sign(sqlite_url: str, receiver: Receiver) -> None:
    async with telling(sqlite_url, receiver) as (_, admin):
        made = await endpoint(admin, receiver, "*")
        path = f"/plugins/webhooks/endpoints/{made['id']}"
        new = (await admin.post(f"{path}/rotate")).json()["secret"]
        assert new != made["secret"]
        await admin.post(f"{path}/test")
        [got] = await receiver.gets(1)
        for secret in (made["secret"], new):
            assert Webhook(secret).verify(got.body, got.headers)["type"] == "webhook.test"
        assert "secret" not in str((await admin.get("/plugins/webhooks/endpoints")).json()).replace(
            "'secret': None", ""
        )


async def test_endpoints_are_the_admins_of_their_tenant(sqlite_url: str, receiver: Receiver) -> None:
    async with telling(sqlite_url, receiver) as (desk, admin):
        made = await endpoint(admin, receiver, "*")
        for person in (await desk.visitor(), await desk.member("Ana"), await desk.agent("Kim")):
            assert (await person.get("/plugins/webhooks/endpoints")).status_code == 403
            path = f"/plugins/webhooks/endpoints/{made['id']}"
            assert (await person.call("DELETE", path)).status_code == 403
        assert (await admin.call("DELETE", path)).json() == {"deleted": True}
        assert (await admin.get(f"{path}/deliveries")).status_code == 404


async def test_a_delivery_that_will_not_go_is_put_aside_and_replayed(database_url: str, receiver: Receiver) -> None:
    receiver.answers = [answer(500), answer(500)]
    async with telling(database_url, receiver, max_attempts=2) as (desk, admin):
        await endpoint(admin, receiver, "message.created")
        ana, room = await room_of(desk)
        await ana.post(f"/rooms/{room}/messages", {"content": "Hello"})
        await receiver.gets(2)
        async with asyncio.timeout(PATIENCE_S):
            while not (dead := (await admin.get("/plugins/webhooks/dead")).json()["items"]):
                await asyncio.sleep(0.02)
        assert "Hello" not in str(dead)
        assert (await admin.post("/plugins/webhooks/replay", {"ids": [dead[0]["id"]]})).status_code == 200
        got = await receiver.gets(3)
        assert got[2].headers["webhook-id"] == got[0].headers["webhook-id"]
