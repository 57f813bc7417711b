"""Ride messages, in their own document's words, with tokens signed by RS256.

The JSON is the document's, word for word; ``ride-123`` and ``msg-456`` stand for a ride and a message of the test.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from websockets.asyncio.client import connect

from deskbell.ids import new_id
from deskbell.testing.desk import Desk, Line, Person, _quick_hasher, settings_for

WS_SEND = """{
     "type": "message:send",
     "data": {
       "rideId": "ride-123",
       "content": "Hello!",
       "messageType": "text"
     }
   }"""
WS_READ = """{
     "type": "message:read",
     "data": {
       "messageId": "msg-456",
       "rideId": "ride-123"
     }
   }"""
REST_SEND = """{
    "rideId": "ride-123",
    "content": "Hello!",
    "messageType": "text"
  }"""


@pytest.fixture(scope="module")
def private_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key to sign tokens with."""
    key = tmp_path_factory.mktemp("keys") / "private.pem"
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key.write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return key


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(shared_url: str, private_key: Path) -> AsyncIterator[Desk]:
    settings = settings_for(
        shared_url,
        auth={"algorithm": "RS256", "private_key_file": str(private_key)},
        plugins={"rides": {"enabled": True}, "moderation_words": {"settings": {"hold": ["guillotine"]}}},
    )
    async with Desk.open(shared_url, settings=settings) as opened:
        yield opened


async def test_the_login_of_the_guide_works_as_it_stands(desk: Desk) -> None:
    """``curl -d`` sends what it is given as a form; the guide's command says nothing else."""
    guide = '{"email":"user@example.com","password":"pass123"}'
    person = await desk.member("Uma")
    await desk.application.ports.db.execute(
        "UPDATE users SET email = $2, password_hash = $3 WHERE id = $1",
        person.id, "user@example.com", _quick_hasher.hash("pass123"),
    )  # fmt: skip
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await desk.http.post("/auth/login", content=guide.encode(), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["access_token"]


async def party(desk: Desk, name: str, role: str) -> Person:
    person = await desk.member(name)
    said = json.dumps({"ride_role": role})
    await desk.application.ports.db.execute("UPDATE users SET attributes = $2 WHERE id = $1", person.id, said)
    return person


async def a_ride(desk: Desk) -> tuple[Person, Person, str]:
    """Rider, driver and the id of their ride, opened by who runs the rides."""
    rider, driver = await party(desk, "Rita", "rider"), await party(desk, "Dan", "driver")
    office, ride = await desk.agent("Office"), f"ride-{new_id()}"
    await office.group(rider, driver, channel_type="ride", key=ride)
    return rider, driver, ride


async def sends(person: Person, ride: str) -> dict[str, Any]:
    """The document's request; the message in the answer."""
    answer = await person.call("POST", "/messages/send", content=REST_SEND.replace("ride-123", ride))
    assert answer.status_code == 201, answer.text
    message: dict[str, Any] = answer.json()["message"]
    return message


async def dial(person: Person, desk: Desk | None = None) -> Line:
    base = (desk or person.desk).url.replace("http", "ws", 1)
    line = Line(await connect(f"{base}/api/v1/rides/ws?token={person.token}", compression=None, proxy=None))
    (desk or person.desk).lines.append(line)
    hub, tenant = (desk or person.desk).application.edge.hub, person.desk.tenant
    await person.desk.until(lambda: any(c.rooms for c in hub.connections_of(tenant, person.id)))
    return line


async def test_the_documents_requests_do_what_it_says(desk: Desk) -> None:
    """Send, get, mark read, count, delete: each as written, with a token of RS256."""
    rider, driver, ride = await a_ride(desk)
    assert jwt.get_unverified_header(rider.token)["alg"] == "RS256"
    sent = await sends(rider, ride)
    assert (sent["rideId"], sent["senderId"], sent["senderType"]) == (ride, rider.id, "rider")
    assert (sent["messageType"], sent["content"], sent["isRead"], sent["readAt"]) == ("text", "Hello!", False, None)
    assert (await driver.get("/messages/unread/count")).json() == {"count": 1}

    page = (await driver.get(f"/messages/ride/{ride}")).json()
    assert [message["id"] for message in page["messages"]] == [sent["id"]]
    read = await driver.call("POST", f"/messages/{sent['id']}/read")
    assert read.status_code == 200, read.text
    assert read.json()["isRead"] is True
    assert (await driver.get("/messages/unread/count")).json() == {"count": 0}
    [seen] = (await rider.get(f"/messages/ride/{ride}")).json()["messages"]
    assert (seen["isRead"], seen["readAt"]) == (True, read.json()["readAt"])
    assert seen["readAt"] is not None

    again = await driver.call("POST", f"/messages/{sent['id']}/read")
    assert again.json()["readAt"] == seen["readAt"], "read is read: the first time counts"
    assert (await rider.call("DELETE", f"/messages/{sent['id']}")).json() == {"messageId": sent["id"], "deleted": True}
    assert (await driver.get(f"/messages/ride/{ride}")).json()["messages"] == []


async def test_each_message_was_read_when_the_mark_passed_it(desk: Desk) -> None:
    """One row per move of a mark: what was read with a later one was read then."""
    rider, driver, ride = await a_ride(desk)
    first, second, third = [await sends(rider, ride) for _ in range(3)]
    at_first = (await driver.call("POST", f"/messages/{first['id']}/read")).json()["readAt"]
    desk.clock.advance(60)
    at_third = (await driver.call("POST", f"/messages/{third['id']}/read")).json()["readAt"]
    assert at_first < at_third
    page = (await rider.get(f"/messages/ride/{ride}")).json()["messages"]
    assert [message["readAt"] for message in page] == [at_first, at_third, at_third]
    assert second["id"] == page[1]["id"]
    await driver.call("POST", f"/messages/{second['id']}/read")  # behind the mark: it does not move
    kept = "SELECT count(*) FROM read_moves WHERE user_id = $1"
    assert await desk.application.ports.db.fetchval(kept, driver.id) == 2


async def test_the_documents_frames_do_what_it_says(desk: Desk) -> None:
    """On the socket, both ways, and to a client of v1 in the same room."""
    rider, driver, ride = await a_ride(desk)
    a, b = await dial(rider), await dial(driver)
    room = (await rider.get("/rooms?channel_type=ride")).json()["items"][0]["room"]["id"]
    async with driver.line() as v1:
        await v1.subscribe(room)
        await a.send(WS_SEND.replace("ride-123", ride))
        new = (await b.wait("message:new"))["data"]
        assert (new["rideId"], new["message"]["content"], new["message"]["senderType"]) == (ride, "Hello!", "rider")
        await a.wait("message:new")
        await v1.hears(room, "Hello!")
        message = new["message"]["id"]

        await b.send(WS_READ.replace("msg-456", message).replace("ride-123", ride))
        for line in (a, b):
            read = (await line.wait("message:read"))["data"]
            assert read.keys() == {"messageId", "rideId", "readBy", "timestamp"}
            assert (read["messageId"], read["rideId"], read["readBy"]) == (message, ride, driver.id)
            assert read["timestamp"] is not None
        await b.send({"type": "message:typing", "data": {"rideId": ride, "isTyping": True}})
        typing = (await a.wait("message:typing"))["data"]
        assert typing == {"rideId": ride, "userId": driver.id, "isTyping": True}
        await v1.says(room, "from v1")
        await a.find(lambda f: f["type"] == "message:new" and f["data"]["message"]["content"] == "from v1")
        await a.send({"type": "message:delete", "data": {"messageId": message, "rideId": ride}})
        gone = (await b.wait("message:delete"))["data"]
        assert gone == {"messageId": message, "rideId": ride}
    await b.close()
    offline = (await a.wait("presence:offline"))["data"]
    assert (offline["userId"], offline["rideId"]) == (driver.id, ride)


async def test_only_members_of_a_ride_hear_or_see_anything(desk: Desk) -> None:
    """Another driver, a member without a role, a held text, another room: nothing, by socket or request."""
    rider, driver, ride = await a_ride(desk)
    other, third = await party(desk, "Eve", "driver"), await desk.member("Mo")
    await a_ride_of(desk, other)
    a, outside = await dial(driver), await dial(other)
    sent = await sends(rider, ride)
    elsewhere = await driver.group(rider)
    async with rider.line() as v1:
        await v1.says(elsewhere, "CANARY-1")
    held = await rider.call(
        "POST", "/messages/send", json={"rideId": ride, "content": "CANARY-2 guillotine", "messageType": "text"}
    )
    assert held.status_code == 202
    last = await sends(rider, ride)
    await a.find(lambda f: f["type"] == "message:new" and f["data"]["message"]["id"] == last["id"])
    assert "CANARY" not in json.dumps(a.frames)
    assert not [frame for frame in outside.frames if frame["type"].startswith("message:")]
    for stranger in (other, third):
        for method, path, body in (
            ("POST", "/messages/send", {"rideId": ride, "content": "hm"}),
            ("POST", "/messages/send", {"rideId": ride, "content": "hm", "recipientId": rider.id}),
            ("GET", f"/messages/ride/{ride}", None),
            ("POST", f"/messages/{sent['id']}/read", None),
            ("DELETE", f"/messages/{sent['id']}", None),
        ):
            refused = await stranger.call(method, path, **({} if body is None else {"json": body}))
            assert refused.status_code in (403, 404), (method, path, refused.text)
            assert "Hello" not in refused.text
    await outside.send(WS_READ.replace("msg-456", sent["id"]))
    assert (await outside.wait("error"))["data"]["code"] == "not_found"


async def a_ride_of(desk: Desk, driver: Person) -> None:
    rider, office = await party(desk, "Rosa", "rider"), await desk.agent("Office")
    await office.group(rider, driver, channel_type="ride", key=f"ride-{new_id()}")


async def test_a_first_message_may_open_the_ride_and_of_many_at_once_one_does(desk: Desk) -> None:
    """Naming the other one; safe under race. Who has no part in rides opens none."""
    rider, driver = await party(desk, "Rita", "rider"), await party(desk, "Dan", "driver")
    ride, third = f"ride-{new_id()}", await desk.member("Mo")
    body = {"rideId": ride, "content": "Hello!", "messageType": "text"}
    assert (await rider.post("/messages/send", body)).status_code == 404
    assert (await third.post("/messages/send", {**body, "recipientId": rider.id})).status_code == 403
    asked = [
        one.post("/messages/send", {**body, "recipientId": two.id})
        for one, two in ((rider, driver), (driver, rider)) * 3
    ]
    assert {answer.status_code for answer in await asyncio.gather(*asked)} == {201}
    page = (await driver.get(f"/messages/ride/{ride}?limit=100")).json()
    assert len(page["messages"]) == 6


async def test_who_is_neither_rider_nor_driver_is_in_no_ride(desk: Desk) -> None:
    """Not even when somebody put them there: the role is looked at whenever they ask."""
    rider, third = await party(desk, "Rita", "rider"), await desk.member("Mo")
    office, ride = await desk.agent("Office"), f"ride-{new_id()}"
    await office.group(rider, third, channel_type="ride", key=ride)
    await sends(rider, ride)
    assert (await third.get(f"/messages/ride/{ride}")).status_code == 404
    assert (await rider.get(f"/messages/ride/{ride}")).status_code == 200


async def test_a_message_is_taken_back_within_five_minutes(desk: Desk) -> None:
    rider, _, ride = await a_ride(desk)
    sent = await sends(rider, ride)
    await desk.application.ports.db.execute(
        "UPDATE messages SET created_at = created_at - 301000000 WHERE id = $1", sent["id"]
    )
    late = await rider.call("DELETE", f"/messages/{sent['id']}")
    assert (late.status_code, late.json()["code"]) == (403, "window_over")


async def test_v1_keeps_its_own_addresses_in_all_other_rooms(desk: Desk) -> None:
    """The same request about a message of a group is answered in v1's shape."""
    rider, driver, _ = await a_ride(desk)
    room = await rider.group(driver)
    async with rider.line() as v1:
        said = (await v1.says(room, "in a group"))["id"]
    answer = (await rider.call("DELETE", f"/messages/{said}")).json()
    assert (answer["deleted"], answer["room"]) == (True, room)
    missing = await rider.call("DELETE", f"/messages/{new_id()}")
    assert missing.json()["error"]["code"] == "not_found"


async def test_a_page_of_a_site_may_ask(desk: Desk) -> None:
    """A browser asks first whether it may; a page from elsewhere is told nothing it could use."""
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    for origin, allowed in (("https://shop.example", "https://shop.example"), ("https://evil.example", None)):
        answer = await desk.http.request("OPTIONS", "/messages/send", headers={"Origin": origin, **asks})
        assert answer.is_success
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed


async def test_pages_go_back_through_a_ride(desk: Desk) -> None:
    rider, driver, ride = await a_ride(desk)
    ids = [(await sends(rider, ride))["id"] for _ in range(5)]
    pages = [(await driver.get(f"/messages/ride/{ride}?page={n}&limit=2")).json() for n in (1, 2, 3, 4)]
    assert [[m["id"] for m in page["messages"]] for page in pages] == [ids[3:], ids[1:3], ids[:1], []]
    assert [page["hasMore"] for page in pages] == [True, True, False, False]


@pytest.mark.parametrize(
    "body", ["", "nonsense", "[]", '{"rideId": 1}', '{"rideId": "x"}', '{"rideId":"","content":""}']
)
async def test_nonsense_is_refused_in_the_dialects_shape(desk: Desk, body: str) -> None:
    rider, _, _ = await a_ride(desk)
    refused = await rider.call("POST", "/messages/send", content=body)
    assert (refused.status_code, refused.json().keys()) == (422, {"error", "code"})
    unknown = await desk.http.post("/messages/send", content=REST_SEND)
    assert (unknown.status_code, unknown.json()["code"]) == (401, "unauthenticated")


async def test_two_instances_on_redis_are_one_ride(postgres_url: str, redis_url: str) -> None:
    settings = settings_for(postgres_url, bus={"url": redis_url}, plugins={"rides": {"enabled": True}})
    async with (
        Desk.open(postgres_url, settings=settings) as here,
        Desk.open(postgres_url, settings=settings) as there,
    ):
        rider, driver, ride = await a_ride(here)
        line = await dial(driver, there)
        sent = await sends(rider, ride)
        await line.find(lambda f: f["type"] == "message:new" and f["data"]["message"]["id"] == sent["id"])
