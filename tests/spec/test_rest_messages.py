"""Messages over REST: sent once, read back, edited, taken back, reacted to, pinned."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from deskbell import Allow, Submission, Verdict, hookimpl
from deskbell.ids import new_id
from deskbell.testing.desk import Desk, Person, settings_for


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


async def say(person: Person, room: str, content: str, **fields: Any) -> dict[str, Any]:
    answer = await person.post(f"/rooms/{room}/messages", {"content": content, **fields})
    assert answer.status_code == 201, answer.text
    message: dict[str, Any] = answer.json()["message"]
    return message


async def history(person: Person, room: str, **query: Any) -> list[str]:
    answer = await person.get(f"/rooms/{room}/messages", params=query)
    assert answer.status_code == 200, answer.text
    return [message["content"] for message in answer.json()["messages"]]


async def two(desk: Desk, **body: Any) -> tuple[Person, Person, str]:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    return tom, una, await tom.group(una, **body)


async def test_what_is_sent_is_stored_and_read_by_the_others(desk: Desk) -> None:
    tom, una, room = await two(desk)
    answer = await tom.post(f"/rooms/{room}/messages", {"content": "Hello", "metadata": {"from": "phone"}})
    assert answer.status_code == 201
    sent = answer.json()
    message = sent["message"]
    assert (sent["id"], sent["seq"], sent["duplicate"], sent["held"]) == (message["id"], message["seq"], False, False)
    assert message["sender"]["id"] == tom.id and message["metadata"] == {"from": "phone"}
    assert (await una.get(f"/messages/{message['id']}")).json() == message
    assert (await una.get(f"/rooms/{room}/messages")).json()["messages"] == [message]


@pytest.mark.parametrize("where", ["body", "header", "both"])
async def test_the_same_send_twice_is_one_message(desk: Desk, where: str) -> None:
    """Whether the client names it in the body or as Idempotency-Key, and however often it tries at once."""
    tom, una, room = await two(desk)
    key = f"c-{new_id()}"
    body = {"content": "Once"} | ({"client_id": key} if where != "header" else {})
    headers = {"Idempotency-Key": key} if where != "body" else {}
    answers = await asyncio.gather(*(tom.post(f"/rooms/{room}/messages", body, headers=headers) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert all(answer.json()["duplicate"] is (answer.status_code == 200) for answer in answers)
    assert all(answer.json()["client_id"] == key for answer in answers)
    assert await history(una, room) == ["Once"]
    other = await tom.post(f"/rooms/{room}/messages", body | {"content": "Else"}, headers=headers)
    assert other.status_code == 409 and other.json()["error"]["code"] == "client_id_reused"


async def test_a_send_begun_on_the_socket_is_finished_over_rest(desk: Desk) -> None:
    """The connection broke before the ack: the retry by another way finds the message stored."""
    tom, una, room = await two(desk)
    async with tom.line() as line:
        ack = await line.says(room, "Once", client_id="c-17", metadata={"a": 1})
    retry = await tom.post(
        f"/rooms/{room}/messages", {"content": "Once", "metadata": {"a": 1}}, headers={"Idempotency-Key": "c-17"}
    )
    assert retry.status_code == 200 and retry.json()["id"] == ack["id"]
    assert await history(una, room) == ["Once"]


async def test_a_retry_is_answered_with_what_was_stored_even_when_it_would_be_refused_now(desk: Desk) -> None:
    tom, una, room = await two(desk)
    body = {"content": "Just in time", "client_id": "c-1"}
    first = await una.post(f"/rooms/{room}/messages", body)
    await tom.call("PATCH", f"/rooms/{room}/participants/{una.id}", json={"mute_s": 600})
    retry = await una.post(f"/rooms/{room}/messages", body)
    assert retry.status_code == 200 and retry.json()["id"] == first.json()["id"]
    assert (await una.post(f"/rooms/{room}/messages", {"content": "More"})).status_code == 403


@pytest.mark.parametrize(
    ("forged", "status"),
    [
        ({"sender": {"id": "x"}}, 422),
        ({"sender_id": "x"}, 422),
        ({"seq": 1}, 422),
        ({"created_at": "2020-01-01T00:00:00Z"}, 422),
        ({"pinned": True}, 422),
        ({"room": "x"}, 422),
        ({"type": "send"}, 422),
        ({"metadata": {"turn": "t-1"}}, 422),
        ({"metadata": {"sources": []}}, 422),
        ({"metadata": {"event": "agent_joined"}}, 422),
        ({"metadata": {"anchor_seq": 1}}, 422),
        ({"metadata": {"note": "x" * 9000}}, 413),
        ({"metadata": []}, 422),
        ({"kind": "system"}, 403),
        ({"kind": "card"}, 403),
        ({"kind": "no-such-kind"}, 403),
        ({"content": ""}, 422),
        ({"content": "   "}, 422),
        ({"content": "nul \u0000 here"}, 422),
        ({"metadata": {"nul": ["\u0000"]}}, 422),
        ({"content": "x" * 16_385}, 413),
        ({"content": "x" * 70_000}, 422),
        ({"content": None}, 422),
        ({"content": 5}, 422),
        ({"client_id": ""}, 422),
        ({"client_id": "x" * 129}, 422),
        ({"expect": {"seq": 2**63}}, 422),
        ({"expect": {"seq": -1}}, 422),
        ({"attachments": ["a"]}, 422),
        ({"mentions": ["01a1fc69-5aa6-7261-9351-f3ff66851eb9"]}, 422),
        ({"reply_to": "01a1fc69-5aa6-7261-9351-f3ff66851eb9"}, 404),
        ({"reply_to": "not-an-id"}, 404),
    ],
)
async def test_nothing_is_said_in_anothers_name_or_as_something_else(
    desk: Desk, forged: dict[str, Any], status: int
) -> None:
    """Sender, kind, number and the platform's own metadata cannot be forged; nothing of such a send is stored."""
    tom, una, room = await two(desk)
    answer = await tom.post(f"/rooms/{room}/messages", {"content": "Hello"} | forged)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["code"] not in ("error", "unavailable")
    assert await history(una, room) == []


async def test_an_idempotency_key_that_says_otherwise_is_refused(desk: Desk) -> None:
    tom, una, room = await two(desk)
    for key, body in (("a", {"client_id": "b"}), ("x" * 129, {}), ("with space", {})):
        answer = await tom.post(
            f"/rooms/{room}/messages", {"content": "Hello"} | body, headers={"Idempotency-Key": key}
        )
        assert answer.status_code == 422 and answer.json()["error"]["details"]["path"] == "Idempotency-Key"
    assert await history(una, room) == []


async def test_an_answer_written_before_reading_the_last_word_can_be_held_back(desk: Desk) -> None:
    """``expect`` is the guard against answering over somebody."""
    tom, una, room = await two(desk)
    seen = await say(una, room, "What do you think?")
    await say(una, room, "Wait, never mind")
    late = await tom.post(f"/rooms/{room}/messages", {"content": "Yes!", "expect": {"seq": seen["seq"]}})
    assert late.status_code == 412 and late.json()["error"]["code"] == "expectation_failed"
    assert "Yes!" not in await history(una, room)


async def test_too_many_messages_at_once_are_told_to_wait(sqlite_url: str) -> None:
    async with Desk.open(sqlite_url, limits={"messages_per_min": 2, "message_burst": 2}) as desk:
        tom, una, room = await two(desk)
        answers = [await tom.post(f"/rooms/{room}/messages", {"content": str(n)}) for n in range(4)]
        assert [answer.status_code for answer in answers] == [201, 201, 429, 429]
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert (await una.post(f"/rooms/{room}/messages", {"content": "Me"})).status_code == 201
        desk.clock.advance(61)
        assert (await tom.post(f"/rooms/{room}/messages", {"content": "later"})).status_code == 201


async def test_an_edit_is_within_the_same_pace_as_a_message(sqlite_url: str) -> None:
    """The one the kind of room states, where it states one: nobody says more by editing."""
    slow = {"group": {"rate_per_min": 2, "rate_burst": 2}}
    async with Desk.open(sqlite_url, channels=slow) as desk:
        tom, una, room = await two(desk)
        message = await say(tom, room, "Hello")
        edits = [await tom.call("PATCH", f"/messages/{message['id']}", json={"content": c}) for c in ("a", "b")]
        assert [answer.status_code for answer in edits] == [200, 429]
        assert (await una.get(f"/messages/{message['id']}")).json()["content"] == "a"


async def test_a_held_message_waits_and_a_blocked_one_is_refused(sqlite_url: str) -> None:
    words = {"moderation_words": {"settings": {"hold": ["casino"], "block": ["bomb"]}}}
    async with Desk.open(sqlite_url, settings=settings_for(sqlite_url, plugins=words)) as desk:
        tom, una, room = await two(desk)
        body = {"content": "Visit my casino", "client_id": "c-1"}
        held = await tom.post(f"/rooms/{room}/messages", body)
        assert held.status_code == 202
        assert held.json()["held"] is True and held.json()["seq"] is None and held.json()["message"] is None
        assert (await tom.post(f"/rooms/{room}/messages", body)).json() == held.json()
        blocked = await tom.post(f"/rooms/{room}/messages", {"content": "It is a bomb"})
        assert blocked.status_code == 422 and blocked.json()["error"]["code"] == "blocked"
        assert await history(una, room) == [] and await history(tom, room) == []
        assert (await una.get(f"/messages/{held.json()['id']}")).status_code == 404


async def test_history_is_read_in_both_directions_and_around(desk: Desk) -> None:
    tom, una, room = await two(desk)
    sent = [await say(tom, room, f"{number}") for number in range(9)]
    seqs = [message["seq"] for message in sent]
    assert await history(una, room, limit=3) == ["6", "7", "8"]
    assert await history(una, room, before=seqs[6], limit=3) == ["3", "4", "5"]
    assert await history(una, room, after=seqs[2], limit=3) == ["3", "4", "5"]
    assert await history(una, room, around=seqs[4], limit=3) == ["3", "4", "5"]
    page = (await una.get(f"/rooms/{room}/messages", params={"before": seqs[6], "limit": 3})).json()
    assert page["more_before"] and page["more_after"] and page["as_of_seq"] >= seqs[-1]
    last = (await una.get(f"/rooms/{room}/messages")).json()
    assert not last["more_before"] and not last["more_after"]
    assert await history(una, room, after=2**53 - 1) == []


async def test_history_opens_at_a_message_or_at_a_moment(desk: Desk) -> None:
    """Where a search result, a link or a calendar points; the answer says which number that is."""
    tom, una, room = await two(desk)
    sent = []
    for number in range(12):
        sent.append(await say(tom, room, f"{number}"))
        desk.clock.advance(60)
    page = (await una.get(f"/rooms/{room}/messages", params={"around": sent[5]["id"], "limit": 3})).json()
    assert [message["content"] for message in page["messages"]] == ["4", "5", "6"]
    assert page["around"] == sent[5]["seq"] and page["more_before"] and page["more_after"]
    for at, centre in ((sent[5]["created_at"], 5), ("2000-01-01T00:00:00Z", 0), (sent[11]["created_at"], 11)):
        page = (await una.get(f"/rooms/{room}/messages", params={"at": at, "limit": 1})).json()
        assert [message["seq"] for message in page["messages"]] == [sent[centre]["seq"]] == [page["around"]], at
    between = sent[7]["created_at"].replace("Z", "").split(".")[0] + ".999999Z"
    assert (await history(una, room, at=between, limit=1)) == ["8"]
    after_all = (await una.get(f"/rooms/{room}/messages", params={"at": "2999-01-01T00:00:00Z", "limit": 2})).json()
    assert [message["content"] for message in after_all["messages"]] == ["10", "11"] and after_all["around"] is None
    async with una.line() as line:
        for place in ({"around": sent[5]["id"]}, {"at": sent[5]["created_at"]}, {"around": sent[5]["seq"]}):
            found = await line.ask({"type": "history", "room": room, "limit": 3, **place})
            assert [message["content"] for message in found["messages"]] == ["4", "5", "6"]
            assert found["around"] == sent[5]["seq"]


async def test_a_message_that_is_not_ones_to_see_is_no_place_to_open_history_at(desk: Desk) -> None:
    tom, una, room = await two(desk)
    elsewhere = await say(tom, await tom.group(), "elsewhere")
    await say(tom, room, "here")
    for around in (elsewhere["id"], new_id()):
        answer = await una.get(f"/rooms/{room}/messages", params={"around": around})
        assert answer.status_code == 404
        async with una.line() as line:
            assert (await line.ask({"type": "history", "room": room, "around": around}))["code"] == "not_found"


async def test_history_can_be_counted_from_the_newest(desk: Desk) -> None:
    tom, una, room = await two(desk)
    for number in range(5):
        await say(tom, room, f"{number}")
    assert await history(una, room, limit=2, offset=0) == ["3", "4"]
    assert await history(una, room, limit=2, offset=2) == ["1", "2"]
    assert await history(una, room, limit=2, offset=4) == ["0"]
    page = (await una.get(f"/rooms/{room}/messages", params={"limit": 2, "offset": 2})).json()
    assert page["more_before"] and page["more_after"]


async def test_receipts_tell_whom_a_message_reached_and_who_read_it(desk: Desk) -> None:
    tom, una, vic = [await desk.member(name) for name in ("Tom", "Una", "Vic")]
    room = await tom.group(una, vic)
    first, second = await say(tom, room, "first"), await say(tom, room, "second")
    await una.post(f"/rooms/{room}/read", {"seq": first["seq"]})

    async def read_by(message: dict[str, Any]) -> dict[str, tuple[bool, bool]]:
        items = (await vic.get(f"/messages/{message['id']}/receipts")).json()["items"]
        return {item["user"]["id"]: (item["delivered"], item["read"]) for item in items}

    assert await read_by(first) == {una.id: (True, True), vic.id: (False, False)}
    assert await read_by(second) == {una.id: (False, False), vic.id: (False, False)}
    page = (await vic.get(f"/messages/{first['id']}/receipts", params={"limit": 1})).json()
    more = (await vic.get(f"/messages/{first['id']}/receipts", params={"cursor": page["next_cursor"]})).json()
    assert len(page["items"]) == len(more["items"]) == 1 and more["next_cursor"] is None
    eve = await desk.member("Eve")
    assert (await eve.get(f"/messages/{first['id']}/receipts")).status_code == 404


async def test_where_marks_are_not_shared_a_receipt_is_ones_own(sqlite_url: str) -> None:
    async with Desk.open(sqlite_url, channels={"group": {"receipts": "off"}}) as desk:
        tom, una, room = await two(desk)
        message = await say(tom, room, "Hello")
        await una.post(f"/rooms/{room}/read", {"seq": message["seq"]})
        own = (await una.get(f"/messages/{message['id']}/receipts")).json()["items"]
        assert [(item["user"]["id"], item["read"]) for item in own] == [(una.id, True)]
        assert (await tom.get(f"/messages/{message['id']}/receipts")).json()["items"] == []


async def test_pins_and_earlier_texts_are_read_page_by_page(desk: Desk) -> None:
    tom, una, room = await two(desk)
    message = await say(tom, room, "0")
    for number in range(1, 5):
        await tom.call("PATCH", f"/messages/{message['id']}", json={"content": f"{number}"})
        pinned = await say(tom, room, f"pin {number}")
        await tom.call("PUT", f"/messages/{pinned['id']}/pin")

    async def pages(person: Person, path: str) -> list[list[str]]:
        found: list[list[str]] = []
        query: dict[str, Any] = {"limit": 3}
        while True:
            page = (await person.get(path, params=query)).json()
            found.append([item["content"] for item in page["items"]])
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]

    assert await pages(una, f"/rooms/{room}/pins") == [["pin 4", "pin 3", "pin 2"], ["pin 1"]]
    assert await pages(tom, f"/messages/{message['id']}/revisions") == [["0", "1", "2"], ["3"]]


@pytest.mark.parametrize(
    "query",
    [
        {"around": "nonsense"},
        {"around": "9" * 16},
        {"around": 5, "at": "2020-01-01T00:00:00Z"},
        {"at": "yesterday"},
        {"at": "2020-01-01T00:00:00"},
        {"offset": -1},
        {"offset": 1, "before": 5},
        {"limit": 0},
        {"limit": 101},
        {"limit": "many"},
        {"before": -1},
        {"before": 2**53},
        {"before": 2**64},
        {"before": ""},
        {"before": 1, "after": 1},
        {"beforre": 1},
        {"limit": "5\x00"},
        {"limit": ["1", "2"]},
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(desk: Desk, query: dict[str, Any]) -> None:
    tom, _, room = await two(desk)
    answer = await tom.get(f"/rooms/{room}/messages", params=query)
    assert answer.status_code == 422, answer.text
    details = answer.json()["error"].get("details")
    assert details is None or details["path"] in query


async def test_an_edit_keeps_what_was_there_before(desk: Desk) -> None:
    tom, una, room = await two(desk)
    message = await say(tom, room, "Helo")
    edited = await tom.call("PATCH", f"/messages/{message['id']}", json={"content": "Hello"})
    assert edited.status_code == 200
    assert edited.json()["content"] == "Hello" and edited.json()["edited_at"] is not None
    assert edited.json()["seq"] == message["seq"] and edited.json()["changed_seq"] > message["changed_seq"]
    revisions = (await tom.get(f"/messages/{message['id']}/revisions")).json()["items"]
    assert [revision["content"] for revision in revisions] == ["Helo"]
    assert (await una.get(f"/messages/{message['id']}/revisions")).status_code == 403
    assert (await una.call("PATCH", f"/messages/{message['id']}", json={"content": "Mine"})).status_code == 403
    for forged in ({"content": ""}, {"content": "x", "sender": tom.id}, {"metadata": {}}, {"pinned": True}):
        assert (await tom.call("PATCH", f"/messages/{message['id']}", json=forged)).status_code == 422
    theirs = await say(una, room, "Mine")
    desk.clock.advance(1000)
    late = await una.post("/auth/refresh", {"refresh_token": una.refresh_token})
    una.token = late.json()["access_token"]
    over = await una.call("PATCH", f"/messages/{theirs['id']}", json={"content": "Too late"})
    assert over.status_code == 403 and over.json()["error"]["code"] == "window_over"


async def test_of_a_message_taken_back_remains_that_there_was_one(desk: Desk) -> None:
    tom, una, room = await two(desk)
    message = await say(tom, room, "My password is swordfish", metadata={"secret": "swordfish"})
    await una.call("PUT", f"/messages/{message['id']}/reactions/{quote('👍')}")
    await tom.call("PATCH", f"/messages/{message['id']}", json={"content": "It is swordfish"})
    assert (await una.call("DELETE", f"/messages/{message['id']}")).status_code == 403
    for _ in range(2):
        gone = await tom.call("DELETE", f"/messages/{message['id']}")
        assert gone.status_code == 200 and gone.json()["deleted"] is True and gone.json()["content"] == ""
    for path in (f"/messages/{message['id']}", f"/rooms/{room}/messages", f"/rooms/{room}/changes?since=0"):
        answer = await una.get(path)
        assert answer.status_code == 200 and "swordfish" not in answer.text and message["id"] in answer.text
    assert (await tom.get(f"/messages/{message['id']}/revisions")).json()["items"] == []
    assert (await una.get(f"/messages/{message['id']}/reactions")).json()["items"] == []
    edit = await tom.call("PATCH", f"/messages/{message['id']}", json={"content": "Back"})
    assert edit.status_code == 410 and edit.json()["error"]["code"] == "message_deleted"
    assert (await una.call("PUT", f"/messages/{message['id']}/reactions/{quote('👍')}")).status_code == 410


async def test_reactions_are_put_taken_back_and_listed(desk: Desk) -> None:
    tom, una, room = await two(desk)
    message = await say(tom, room, "Lunch?")
    thumb = f"/messages/{message['id']}/reactions/{quote('👍')}"
    for _ in range(2):
        assert (await una.call("PUT", thumb)).json()["reactions"] == [{"emoji": "👍", "count": 1, "users": [una.id]}]
    await tom.call("PUT", thumb)
    await una.call("PUT", f"/messages/{message['id']}/reactions/:party:")
    seen: list[tuple[str, str]] = []
    cursor: str | None = None
    while True:
        query = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = (await tom.get(f"/messages/{message['id']}/reactions", params=query)).json()
        seen += [(item["user"]["name"], item["emoji"]) for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == 3 and set(seen) == {("Tom", "👍"), ("Una", "👍"), ("Una", ":party:")}
    left = (await una.call("DELETE", thumb)).json()["reactions"]
    assert left == [{"emoji": "👍", "count": 1, "users": [tom.id]}, {"emoji": ":party:", "count": 1, "users": [una.id]}]
    for no_emoji in ("hello", "a", "%20", "1", "<b>", "👍" * 20, "%00"):
        answer = await una.call("PUT", f"/messages/{message['id']}/reactions/{no_emoji}")
        assert answer.status_code == 422, no_emoji


async def test_pins_are_the_moderators(desk: Desk) -> None:
    tom, una, room = await two(desk)
    message = await say(una, room, "Read this first")
    pin = f"/messages/{message['id']}/pin"
    assert (await una.call("PUT", pin)).status_code == 403
    for _ in range(2):
        assert (await tom.call("PUT", pin)).json()["pinned"] is True
    assert [item["id"] for item in (await una.get(f"/rooms/{room}/pins")).json()["items"]] == [message["id"]]
    assert (await tom.call("DELETE", pin)).json()["pinned"] is False
    assert (await una.get(f"/rooms/{room}/pins")).json()["items"] == []


async def test_a_thread_is_read_page_by_page(desk: Desk) -> None:
    tom, una, room = await two(desk)
    root = await say(tom, room, "Where shall we go?")
    for number in range(3):
        await say(una, room, f"Idea {number}", thread=root["id"])
    await say(tom, room, "By the way")
    first = (await tom.get(f"/messages/{root['id']}/thread", params={"limit": 2})).json()
    assert first["root"]["thread_count"] == 3 and first["more_after"] is True
    after = first["messages"][-1]["seq"]
    rest = (await tom.get(f"/messages/{root['id']}/thread", params={"limit": 2, "after": after})).json()
    found = [message["content"] for message in first["messages"] + rest["messages"]]
    assert found == ["Idea 0", "Idea 1", "Idea 2"] and rest["more_after"] is False


MESSAGE_ROUTES = [
    ("GET", "/messages/{id}", None),
    ("PATCH", "/messages/{id}", {"content": "Mine"}),
    ("DELETE", "/messages/{id}", None),
    ("GET", "/messages/{id}/revisions", None),
    ("GET", "/messages/{id}/thread", None),
    ("GET", "/messages/{id}/reactions", None),
    ("PUT", "/messages/{id}/reactions/%F0%9F%91%8D", None),
    ("DELETE", "/messages/{id}/reactions/%F0%9F%91%8D", None),
    ("PUT", "/messages/{id}/pin", None),
    ("DELETE", "/messages/{id}/pin", None),
]


@pytest.mark.parametrize(("method", "path", "body"), MESSAGE_ROUTES)
async def test_a_message_one_may_not_see_answers_as_one_that_is_not_there(
    desk: Desk, method: str, path: str, body: dict[str, str] | None
) -> None:
    tom, _, room = await two(desk)
    message = await say(tom, room, "Between us")
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    for outsider in (await desk.member("Oscar"), await desk.agent("Ana"), eve):
        told = []
        for id_ in (message["id"], new_id(), "not-an-id"):
            answer = await outsider.call(method, path.format(id=id_), **({} if body is None else {"json": body}))
            assert answer.status_code == 404, answer.text
            told.append(answer.json())
        assert told[0] == told[1] == told[2]
    assert (await tom.get(f"/messages/{message['id']}")).json() == message


class Slow:
    """A filter that takes its time: what a sender may hang up in the middle of."""

    name = "slow"
    order = 1

    def __init__(self) -> None:
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def check(self, submission: Submission) -> Verdict:
        self.asked.set()
        await self.go_on.wait()
        return Allow()

    @hookimpl
    def register_moderation_filters(self, settings: Any) -> list[Slow]:
        return [self]


async def test_a_sender_who_hangs_up_has_sent_all_the_same(sqlite_url: str) -> None:
    """What is under way when the connection ends goes on; the retry finds it, and there is one."""
    slow = Slow()
    settings = settings_for(sqlite_url, moderation={"timeout_s": 30.0})
    async with Desk.open(sqlite_url, settings=settings, plugins={"slow": slow}) as desk:
        tom, una, room = await two(desk)
        body = {"content": "Anybody?", "client_id": "c-9"}
        raw = msgspec.json.encode(body)
        _, writer = await asyncio.open_connection("127.0.0.1", int(desk.url.rpartition(":")[2]))
        writer.write(
            f"POST /api/v1/rooms/{room}/messages HTTP/1.1\r\nHost: desk\r\nAuthorization: Bearer {tom.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n".encode()
            + raw
        )
        await asyncio.wait_for(slow.asked.wait(), 10)
        writer.transport.abort()
        # The server must have noticed: whoever is asked now comes after it.
        assert (await una.get("/me")).status_code == 200
        await asyncio.sleep(0.05)
        slow.go_on.set()
        async with asyncio.timeout(10):
            while not await history(una, room):
                await asyncio.sleep(0.02)
        retry = await tom.post(f"/rooms/{room}/messages", body)
        assert retry.status_code == 200 and await history(una, room) == ["Anybody?"]
