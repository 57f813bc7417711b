"""Conditional requests: what one has is not sent again, and nobody writes over what they have not seen."""

from __future__ import annotations

from typing import Any

import pytest

from deskbell.testing.desk import Desk, Person


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


async def a_message(desk: Desk) -> tuple[Person, Person, str, str]:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    room = await tom.group(una)
    answer = await tom.post(f"/rooms/{room}/messages", {"content": "Hello"})
    return tom, una, room, answer.json()["id"]


async def test_an_answer_one_has_is_not_sent_again_until_it_changes(desk: Desk) -> None:
    tom, una, room, message = await a_message(desk)
    for path in (f"/messages/{message}", f"/rooms/{room}", f"/rooms/{room}/messages", "/rooms", "/unread"):
        first = await una.get(path)
        tag = first.headers["ETag"]
        again = await una.get(path, headers={"If-None-Match": tag})
        if path == "/rooms":  # it tells the time
            continue
        assert again.status_code == 304 and again.content == b"" and again.headers["ETag"] == tag, path
        assert (await una.get(path, headers={"If-None-Match": f'"x", W/{tag}'})).status_code == 304
        assert (await una.get(path, headers={"If-None-Match": '"x"'})).json() == first.json()
    tag = (await una.get(f"/messages/{message}")).headers["ETag"]
    await tom.call("PUT", f"/messages/{message}/reactions/👍")
    changed = await una.get(f"/messages/{message}", headers={"If-None-Match": tag})
    assert changed.status_code == 200 and changed.headers["ETag"] != tag


async def test_what_one_may_not_see_is_not_confirmed_by_a_tag(desk: Desk) -> None:
    tom, una, room, message = await a_message(desk)
    tag = (await una.get(f"/messages/{message}")).headers["ETag"]
    eve = await desk.member("Eve")
    for known in (tag, "*"):
        assert (await eve.get(f"/messages/{message}", headers={"If-None-Match": known})).status_code == 404
    await tom.call("PATCH", f"/rooms/{room}/participants/{una.id}", json={"state": "banned"})
    assert (await una.get(f"/messages/{message}", headers={"If-None-Match": tag})).status_code == 404
    nobody = await desk.http.get(f"/messages/{message}", headers={"If-None-Match": tag})
    assert nobody.status_code == 401 and "ETag" not in nobody.headers


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_message_is_not_changed_by_who_has_not_seen_its_last_change(desk: Desk, method: str) -> None:
    tom, una, _, message = await a_message(desk)
    body: dict[str, Any] = {"json": {"content": "Mine"}} if method == "PATCH" else {}
    tag = (await tom.get(f"/messages/{message}")).headers["ETag"]
    await una.call("PUT", f"/messages/{message}/reactions/👍")
    late = await tom.call(method, f"/messages/{message}", headers={"If-Match": tag}, **body)
    assert (late.status_code, late.json()["error"]["code"]) == (412, "expectation_failed")
    fresh = await tom.get(f"/messages/{message}")
    assert fresh.json()["content"] == "Hello" and not fresh.json()["deleted"]
    assert late.json()["error"]["details"]["changed_seq"] == fresh.json()["changed_seq"]
    done = await tom.call(method, f"/messages/{message}", headers={"If-Match": fresh.headers["ETag"]}, **body)
    assert done.status_code == 200, done.text
    assert done.headers["ETag"] == (await tom.get(f"/messages/{message}")).headers["ETag"], "a change tells its tag"


@pytest.mark.parametrize(
    ("tag", "status"),
    [("*", 200), ('"x"', 412), ("nonsense", 412), ('"99999999999.abc"', 412), (f'"{"9" * 5000}.abc"', 412)],
)
async def test_other_ways_to_say_if_match(desk: Desk, tag: str, status: int) -> None:
    tom, _, _, message = await a_message(desk)
    answer = await tom.call("PATCH", f"/messages/{message}", json={"content": "Mine"}, headers={"If-Match": tag})
    assert answer.status_code == status, answer.text


async def test_a_room_and_a_case_are_changed_only_as_one_knows_them(desk: Desk) -> None:
    tom, _, room, _ = await a_message(desk)
    tag = (await tom.get(f"/rooms/{room}")).headers["ETag"]
    renamed = await tom.call("PATCH", f"/rooms/{room}", json={"name": "First"}, headers={"If-Match": tag})
    assert renamed.status_code == 200
    late = await tom.call("PATCH", f"/rooms/{room}", json={"name": "Second"}, headers={"If-Match": tag})
    assert late.status_code == 412 and (await tom.get(f"/rooms/{room}")).json()["name"] == "First"
    maya, ana = await desk.visitor(), await desk.agent()
    case = (await ana.post(f"/rooms/{await maya.conversation()}/take-over")).json()["id"]
    tag = (await ana.get(f"/cases/{case}")).headers["ETag"]
    first = await ana.call("PATCH", f"/cases/{case}", json={"priority": 1}, headers={"If-Match": tag})
    assert first.status_code == 200, first.text
    assert (
        await ana.call("PATCH", f"/cases/{case}", json={"priority": 2}, headers={"If-Match": tag})
    ).status_code == 412


async def test_a_tag_of_a_compressed_answer_stands_for_the_same_record(desk: Desk) -> None:
    tom, _, room, _ = await a_message(desk)
    await tom.call("PATCH", f"/rooms/{room}", json={"description": "long " * 400})
    packed = (await tom.get(f"/rooms/{room}", headers={"Accept-Encoding": "gzip"})).headers["ETag"]
    plain = (await tom.get(f"/rooms/{room}", headers={"Accept-Encoding": "identity"})).headers["ETag"]
    assert packed != plain, "other bytes have another tag"
    assert (await tom.get(f"/rooms/{room}", headers={"If-None-Match": packed})).status_code == 304
    assert (
        await tom.call("PATCH", f"/rooms/{room}", json={"name": "x"}, headers={"If-Match": packed})
    ).status_code == 200
