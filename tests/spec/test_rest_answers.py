"""What all answers of REST have in common: one shape for refusals, bounded input, guards for browsers."""

from __future__ import annotations

import gzip
from typing import Any

import httpx
import msgspec
import pytest

from deskbell.testing.desk import SITE_KEY, Desk


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The refusal, in the one shape there is."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"error"}
    error: dict[str, Any] = body["error"]
    assert {"code", "message", "temporary"} <= error.keys()
    assert error.keys() <= {"code", "message", "temporary", "retry_after_ms", "details"}
    assert error["code"] == code and error["message"]
    assert error["temporary"] is (status in (429, 503))
    return error


async def test_what_no_route_answers_is_refused_like_everything_else(desk: Desk) -> None:
    maya = await desk.visitor()
    for path in ("/nowhere", "/rooms/", "/rooms//join", "/messages", "/"):
        refused(await maya.get(path), 404, "not_found")
    answer = await maya.call("PUT", "/rooms", json={})
    refused(answer, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))
    refused(await maya.call("TRACE", "/me"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", {}, 400, "malformed"),
        (b"nonsense", {}, 400, "malformed"),
        (b'{"name": "\xff"}', {}, 400, "malformed"),
        ('{"name": "Una"}'.encode("utf-16"), {}, 400, "malformed"),
        (b'{"name": "\\ud800"}', {}, 400, "malformed"),
        (b'{"name": NaN}', {}, 400, "malformed"),
        (b'{"name": "a"} {"name": "b"}', {}, 400, "malformed"),
        (b"[]", {}, 422, "invalid"),
        (b"null", {}, 422, "invalid"),
        (b'"name"', {}, 422, "invalid"),
        (b'{"name": {"a": 1}}', {}, 422, "invalid"),
        (b'{"name": "a\\u0000b"}', {}, 422, "invalid"),
        (b'{"na\\u0000me": "b"}', {}, 422, "invalid"),
        (b'{"name": ' + b"[" * 33 + b"]" * 33 + b"}", {}, 422, "too_deep"),
        (b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", {}, 422, "too_deep"),
        (b'{"name": "a"}', {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (b'{"name": "a"}', {"Content-Type": ""}, 415, "unsupported_media_type"),
        (b"name=a", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        (gzip.compress(b'{"name": "a"}', mtime=0), {"Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
        (b'{"name": "' + b"x" * 1_100_000 + b'"}', {}, 413, "too_large"),
    ],
)
async def test_a_body_that_is_no_use_is_refused(
    desk: Desk, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    """And nothing of it is done."""
    tom = await desk.member("Tom")
    room = await tom.group(name="As it was")
    sent = {"Content-Type": "application/json"} | headers
    refused(await tom.call("PATCH", f"/rooms/{room}", content=content, headers=sent), status, code)
    assert (await tom.get(f"/rooms/{room}")).json()["name"] == "As it was"


async def test_json_that_curl_calls_a_form_is_taken_for_what_it_is(desk: Desk) -> None:
    """``curl -d '{…}'`` does not say that it sends JSON; nobody should have to look up how to make it."""
    tom = await desk.member("Tom")
    room = await tom.group(name="As it was")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await tom.call("PATCH", f"/rooms/{room}", content=b' {"name": "New"}', headers=headers)).status_code == 200
    assert (await tom.get(f"/rooms/{room}")).json()["name"] == "New"


async def test_a_body_without_end_is_cut_off(desk: Desk) -> None:
    """Also when its length is not told before."""
    tom = await desk.member("Tom")
    room = await tom.group()

    async def pieces() -> Any:
        for _ in range(40):
            yield b" " * 65_536

    answer = await tom.call("PATCH", f"/rooms/{room}", content=pieces(), headers={"Content-Type": "application/json"})
    refused(answer, 413, "too_large")


async def test_a_refusal_names_what_is_wrong(desk: Desk) -> None:
    tom = await desk.member("Tom")
    room = await tom.group()
    for body, path in (
        ({"participants": []}, "channel_type"),
        ({"channel_type": "group", "participants": ["a", 5]}, "participants[1]"),
        ({"channel_type": "group", "shoe": 1}, "shoe"),
    ):
        error = refused(await tom.post("/rooms", body), 422, "invalid")
        assert error["details"] == {"path": path, "where": "body"}
    error = refused(await tom.get(f"/rooms/{room}/messages?limit=0"), 422, "invalid")
    assert error["details"] == {"path": "limit", "where": "query"}
    error = refused(await tom.post(f"/rooms/{room}/messages", {"content": "a", "expect": {"seq": "b"}}), 422, "invalid")
    assert error["details"]["path"] == "expect.seq"
    error = refused(await tom.get("/me?verbose=1"), 422, "invalid")
    assert error["details"] == {"path": "verbose", "where": "query"}


async def test_whole_numbers_may_be_written_as_such_or_not(desk: Desk) -> None:
    """2.0 is an integer to JSON Schema; 2.5 is not."""
    tom = await desk.member("Tom")
    room = await tom.group()
    head = {"Content-Type": "application/json"}
    assert (await tom.call("POST", f"/rooms/{room}/read", content=b'{"seq": 2.0}', headers=head)).status_code == 200
    assert (await tom.call("POST", f"/rooms/{room}/read", content=b'{"seq": 2.5}', headers=head)).status_code == 422


async def test_no_body_is_an_empty_object(desk: Desk) -> None:
    maya = await desk.visitor()
    assert (await maya.call("POST", "/support/conversations")).status_code == 201
    refused(await maya.call("POST", "/rooms"), 422, "invalid")


async def test_who_is_nobody_is_told_nothing_else(desk: Desk) -> None:
    """Not even that their body is wrong, or that there is no such room."""
    refused(await desk.http.post("/rooms", content=b"{"), 401, "unauthenticated")
    refused(await desk.http.get("/rooms/not-an-id"), 401, "unauthenticated")
    refused(await desk.http.get("/rooms?shoe=1"), 401, "unauthenticated")


async def test_a_mistake_of_ours_is_told_without_detail(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails inside is in the log; the client learns that it happened."""
    from deskbell.actions import rooms

    async def broken(*_: Any, **__: Any) -> Any:
        raise KeyError("swordfish")

    tom = await desk.member("Tom")
    monkeypatch.setattr(rooms, "get", broken)
    answer = await tom.get(f"/rooms/{await tom.group()}")
    refused_error = answer.json()["error"]
    assert answer.status_code == 500 and refused_error["code"] == "error"
    assert "swordfish" not in answer.text and "KeyError" not in answer.text and "details" not in refused_error


async def test_a_store_that_is_away_is_told_as_passing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from deskbell.actions import rooms
    from deskbell.store.database import OutcomeUnknown, StoreConflict, StoreUnavailable

    tom = await desk.member("Tom")
    room = await tom.group()
    for failure, code in (
        (StoreUnavailable("secret-host refused"), "unavailable"),
        (StoreConflict("deadlock"), "unavailable"),
        (OutcomeUnknown("lost"), "unknown_outcome"),
    ):

        async def broken(*_: Any, failure: Exception = failure, **__: Any) -> Any:
            raise failure

        monkeypatch.setattr(rooms, "update", broken)
        answer = await tom.call("PATCH", f"/rooms/{room}", json={"name": "x"})
        error = refused(answer, 503, code)
        assert error["retry_after_ms"] > 0 and answer.headers["Retry-After"] == "1"
        assert "secret-host" not in answer.text


async def test_browsers_are_told_to_be_careful(desk: Desk) -> None:
    maya = await desk.visitor()
    arrived = await desk.http.post("/auth/visitors", json={"site_key": SITE_KEY})
    for answer in (await maya.get("/me"), await maya.get("/nowhere"), arrived, await maya.post("/ws-tickets")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers


async def test_only_the_sites_pages_may_read_the_answers(desk: Desk) -> None:
    """CORS by the list of the tenant's sites; no credentials, and never everybody."""
    maya = await desk.visitor()
    shop, evil = {"Origin": "https://shop.example"}, {"Origin": "https://evil.example"}
    allowed = await maya.get("/me", headers=shop)
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Access-Control-Allow-Credentials" not in allowed.headers
    for answer in (allowed, await maya.get("/me", headers=evil), await maya.get("/me")):
        assert "Origin" in answer.headers["Vary"]
    for headers in (evil, {"Origin": "null"}, {"Origin": "https://shop.example.evil.example"}):
        assert "Access-Control-Allow-Origin" not in (await maya.get("/me", headers=headers)).headers
    refusal = await desk.http.get("/me", headers=shop)
    assert refusal.status_code == 401 and refusal.headers["Access-Control-Allow-Origin"] == "https://shop.example"

    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    preflight = await desk.http.options("/rooms", headers=shop | asked)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
    assert {"Authorization", "Idempotency-Key"} <= set(preflight.headers["Access-Control-Allow-Headers"].split(", "))
    assert "Access-Control-Allow-Origin" not in (await desk.http.options("/rooms", headers=evil | asked)).headers


async def test_a_page_of_another_tenant_may_not_read_what_is_not_its_tenants(desk: Desk) -> None:
    """A visitor's token that strays to another customer's page reads nothing there."""
    from deskbell.store import people

    other = await desk.other_tenant()
    await people.ensure_site(
        desk.application.ports.db,
        desk.clock,
        other,
        name="Other",
        public_key="other-site",
        secret="x" * 40,
        origins=["https://other.example"],
        settings={},
    )
    desk.clock.advance(31)
    maya = await desk.visitor()
    theirs = {"Origin": "https://other.example"}
    assert (await desk.http.get("/me", headers=theirs)).headers["Access-Control-Allow-Origin"] == theirs["Origin"]
    assert "Access-Control-Allow-Origin" not in (await maya.get("/me", headers=theirs)).headers


async def test_large_answers_are_compressed_for_who_takes_it_and_secrets_never(desk: Desk) -> None:
    tom = await desk.member("Tom")
    room = await tom.group()
    await tom.post(f"/rooms/{room}/messages", {"content": "hello " * 500})
    path = f"/rooms/{room}/messages"
    packed = await tom.get(path, headers={"Accept-Encoding": "gzip"})
    plain = await tom.get(path, headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain.headers
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 3
    assert packed.json() == plain.json()
    assert all("Accept-Encoding" in answer.headers["Vary"] for answer in (packed, plain))
    refused_gzip = await tom.get(path, headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused_gzip.headers
    small = await tom.get("/unread", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small.headers
    secret = await desk.http.post("/auth/visitors", json={"site_key": SITE_KEY, "name": "x" * 100})
    assert "Content-Encoding" not in secret.headers
    assert (await tom.call("HEAD", path)).status_code == 200


async def test_times_and_ids_are_what_the_protocol_says(desk: Desk) -> None:
    maya = await desk.visitor()
    room = (await maya.post("/support/conversations")).json()
    assert room["created_at"].endswith("Z") and room["id"] == room["id"].lower()
    raw = (await maya.get(f"/rooms/{room['id']}")).content
    assert msgspec.json.decode(raw) == room
