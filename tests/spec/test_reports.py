"""Reports: anybody says that a message should not be there; those who moderate see it, and decide."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from deskbell.testing.desk import Desk, Person, settings_for


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(shared_url: str) -> AsyncIterator[Desk]:
    channels = {"community": {"history": "since_join", "who_may_create": ["member"]}}
    async with Desk.open(shared_url, settings=settings_for(shared_url, channels=channels)) as opened:
        yield opened


async def say(person: Person, room: str, content: str) -> str:
    answer = await person.post(f"/rooms/{room}/messages", {"content": content})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def reported(person: Person, message: str, reason: str = "spam", **body: Any) -> str:
    answer = await person.post(f"/messages/{message}/report", {"reason": reason, **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def reports(person: Person, room: str, **query: Any) -> list[dict[str, Any]]:
    answer = await person.get("/moderation/reports", params={"room": room, **query})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_report_reaches_moderators_with_the_message_its_reason_and_who_made_it(desk: Desk) -> None:
    tom, una, vic, ana = *[await desk.member(n) for n in ("Tom", "Una", "Vic")], await desk.agent("Ana")
    room = await tom.group(una, vic)
    message = await say(una, room, "Buy my watches")
    report = await reported(vic, message, "spam", comment="every day")
    for moderator in (tom, ana):
        [item] = await reports(moderator, room)
        assert (item["id"], item["reason"], item["comment"], item["status"]) == (report, "spam", "every day", "open")
        assert item["reporter"]["id"] == vic.id
        assert item["message"]["id"] == message and item["message"]["content"] == "Buy my watches"
        assert item["message"]["sender"]["id"] == una.id
    assert (await ana.get(f"/messages/{message}")).status_code == 404, "seeing a report does not let one into the room"


async def test_each_reports_a_message_once_and_the_first_word_stands(desk: Desk) -> None:
    tom, una, vic = [await desk.member(n) for n in ("Tom", "Una", "Vic")]
    room = await tom.group(una, vic)
    message = await say(tom, room, "Hm")
    body = {"reason": "spam"}
    answers = await asyncio.gather(*(una.post(f"/messages/{message}/report", body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    again = await una.post(f"/messages/{message}/report", {"reason": "abuse"})
    assert again.status_code == 200 and again.json()["reason"] == "spam"
    await reported(vic, message)
    assert {item["reporter"]["id"] for item in await reports(tom, room)} == {una.id, vic.id}


async def test_nobody_reports_what_they_may_not_see_or_what_is_their_own(desk: Desk) -> None:
    tom, una, eve = [await desk.member(n) for n in ("Tom", "Una", "Eve")]
    foreign = await desk.person("Far", tenant=await desk.other_tenant("reports"))
    room = await tom.group(una)
    message = await say(tom, room, "none of hers")
    for stranger in (eve, foreign):
        assert (await stranger.post(f"/messages/{message}/report", {"reason": "spam"})).status_code == 404
    own = await tom.post(f"/messages/{message}/report", {"reason": "spam"})
    assert own.status_code == 422
    await tom.call("DELETE", f"/messages/{message}")
    assert (await una.post(f"/messages/{message}/report", {"reason": "spam"})).status_code == 410
    assert await reports(tom, room) == []


async def test_plain_members_strangers_and_other_tenants_see_no_reports(desk: Desk) -> None:
    tom, una, eve, maya = *[await desk.member(n) for n in ("Tom", "Una", "Eve")], await desk.visitor()
    foreign = await desk.person("Far", kind="agent", role="admin", tenant=await desk.other_tenant("reports2"))
    room = await tom.group(una)
    await eve.group()  # a moderator, of another room
    message = await say(tom, room, "Hm")
    report = await reported(una, message)
    for outsider in (una, eve, maya, foreign):
        assert await reports(outsider, room) == []
        assert message not in (await outsider.get("/moderation/reports")).text
        for verb in ("resolve", "dismiss"):
            assert (await outsider.post(f"/moderation/reports/{report}/{verb}")).status_code == 404
    assert (await desk.http.get("/moderation/reports")).status_code == 401
    [item] = await reports(tom, room)
    assert item["status"] == "open"


async def test_who_no_longer_moderates_sees_no_reports(desk: Desk) -> None:
    tom, una, vic = [await desk.member(n) for n in ("Tom", "Una", "Vic")]
    room = await tom.group(una, vic)
    await tom.call("PATCH", f"/rooms/{room}/participants/{una.id}", json={"role": "moderator"})
    await reported(vic, await say(tom, room, "Hm"))
    assert len(await reports(una, room)) == 1
    await tom.call("PATCH", f"/rooms/{room}/participants/{una.id}", json={"role": "member"})
    assert await reports(una, room) == []
    await tom.call("PATCH", f"/rooms/{room}/participants/{una.id}", json={"role": "moderator"})
    await una.post(f"/rooms/{room}/leave")
    assert await reports(una, room) == []


async def test_a_moderator_who_came_later_is_not_shown_what_was_before(desk: Desk) -> None:
    tom, una, vic = [await desk.member(n) for n in ("Tom", "Una", "Vic")]
    room = await tom.group(una, channel_type="community")
    early = await say(tom, room, "before Vic")
    report = await reported(una, early)
    await tom.post(f"/rooms/{room}/participants", {"user": vic.id})
    await tom.call("PATCH", f"/rooms/{room}/participants/{vic.id}", json={"role": "moderator"})
    late = await reported(una, await say(tom, room, "after Vic"))
    assert [item["id"] for item in await reports(vic, room)] == [late]
    assert (await vic.post(f"/moderation/reports/{report}/resolve")).status_code == 404
    assert [item["id"] for item in await reports(tom, room)] == [report, late]


async def test_a_report_is_decided_once(desk: Desk) -> None:
    tom, una, ana = await desk.member("Tom"), await desk.member("Una"), await desk.agent("Ana")
    room = await tom.group(una)
    first, second = [await reported(una, await say(tom, room, text)) for text in ("a", "b")]
    done = await ana.post(f"/moderation/reports/{first}/resolve", {"note": "talked to Tom"})
    assert done.status_code == 200, done.text
    assert (done.json()["status"], done.json()["decided_by"], done.json()["note"]) == (
        "resolved",
        ana.id,
        "talked to Tom",
    )
    late = await tom.post(f"/moderation/reports/{first}/dismiss")
    assert (late.status_code, late.json()["error"]["details"]["status"]) == (410, "resolved")
    assert (await tom.post(f"/moderation/reports/{second}/dismiss")).json()["status"] == "dismissed"
    assert await reports(tom, room) == []
    assert [item["id"] for item in await reports(tom, room, status="resolved")] == [first]
    assert [item["id"] for item in await reports(tom, room, status="dismissed")] == [second]


async def test_a_deleted_text_is_gone_from_reports_too(desk: Desk) -> None:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    room = await tom.group(una)
    message = await say(una, room, "the secret")
    other = await say(tom, room, "fine")
    await reported(una, other)
    await reported(tom, message)
    await una.call("DELETE", f"/messages/{message}")
    items = await reports(tom, room)
    assert [item["message"]["deleted"] for item in items] == [False, True] and "the secret" not in str(items)


async def test_a_long_list_of_reports_is_read_page_by_page(desk: Desk) -> None:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    room = await tom.group(una)
    made = [await reported(una, await say(tom, room, f"{n}")) for n in range(5)]
    found: list[str] = []
    query: dict[str, Any] = {"room": room, "limit": 2}
    while True:
        page = (await tom.get("/moderation/reports", params=query)).json()
        found += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == made


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": " "}, {"reason": "x" * 101}, {"reason": "spam", "status": "resolved"}]
)
async def test_a_report_without_a_reason_is_refused(desk: Desk, body: dict[str, Any]) -> None:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    message = await say(tom, await tom.group(una), "Hm")
    assert (await una.post(f"/messages/{message}/report", body)).status_code == 422
