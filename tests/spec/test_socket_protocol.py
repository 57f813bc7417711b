"""Every frame of the protocol page's two tables: what it carries, what it is answered, how it is refused.

The page itself is read: a frame type that stands there without a test here fails, and so does any
frame that a socket was sent in these tests and that differs from its row.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deskbell.hub import hub, inboxes
from deskbell.testing.desk import Desk, Line, Person, settings_for
from deskbell.wire import commands, frames

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "protocol.md"
NOWHERE = "01900000-0000-7000-8000-000000000000"
# Additions to a row: a refusal of one room of several names the room; any reply repeats `ref`.
ALSO = {"error": {"room"}}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    path = tmp_path_factory.mktemp("desk") / "desk.sqlite3"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(hub, "TIPS_EVERY_S", 0.3)
        patched.setattr(inboxes, "INBOX_EVERY_S", 0.1)
        async with Desk.open(
            f"sqlite:///{path}",
            channels={"community": {"history": "since_join"}},
            server={"heartbeat_s": 0.5},
            limits={"rooms_per_connection": 120, "connections_per_user": 3},
        ) as desk:
            yield desk


@pytest.fixture
def desk(house: Desk) -> Iterator[Desk]:
    yield house
    for line in house.lines:
        for frame in line.frames:
            as_documented(frame)
    house.lines.clear()


@dataclass
class Pair:
    """Two people in a group, each with a socket that follows it."""

    ana: Person
    tom: Person
    room: str
    a: Line
    t: Line


@pytest_asyncio.fixture(loop_scope="session")
async def pair(desk: Desk) -> AsyncIterator[Pair]:
    ana, tom = await desk.member("Ana"), await desk.member("Tom")
    room = await ana.group(tom)
    async with ana.line() as a, tom.line() as t:
        await a.subscribe(room)
        await t.subscribe(room)
        yield Pair(ana, tom, room, a, t)


async def settle(line: Line) -> int:
    """Everything that was told until now has arrived; how many frames that makes."""
    await line.ask({"type": "ping"})
    return len(line.frames)


async def refused(line: Line, frame: dict[str, Any], code: str) -> dict[str, Any]:
    reply = await line.ask(frame)
    assert reply["type"] == "error", reply
    assert reply["code"] == code, reply
    return reply


def replies(line: Line, ref: str) -> list[dict[str, Any]]:
    return [frame for frame in line.frames if frame.get("ref") == ref]


# the page


def rows(heading: str) -> dict[str, str]:
    """The rows of the table under a heading of the page: ``{type: the other cells}``."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = {}
    for line in section.splitlines():
        first, _, rest = line.removeprefix("| ").partition(" | ")
        if line.startswith("| `"):
            for name in re.findall(r"`(\w+)`", first):
                found[name] = rest
    return found


CLIENT_FRAMES = rows("Frames that a client sends")
SERVER_FRAMES = rows("Frames that the server sends")


def as_documented(frame: dict[str, Any]) -> None:
    """The frame has what its row says, and nothing else."""
    kind = frame["type"]
    if kind == "case":
        named = {"case"} if "case" in frame else {"room", "status", "position", "wait"}
        assert frame.keys() <= named | {"type"}
        return
    required, optional = set(), {"type", "ref", *ALSO.get(kind, ())}
    row = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\([^)]*\)", "", SERVER_FRAMES[kind].split(";")[0])
    for name, question in re.findall(r"(\w+)(\??)", row):
        (optional if question else required).add(name)
    if kind == "subscribed" and frame["more"]:
        required.discard("reads")  # they come with the last page
    required.discard("ref")
    assert required <= frame.keys() <= required | optional, f"{kind}: {sorted(frame)}"


def test_every_frame_of_the_page_has_a_test() -> None:
    """And every frame of the code stands on the page, or at least has a test."""
    tested = [name for name in globals() if name.startswith("test_")]
    assert len(CLIENT_FRAMES) > 15
    assert len(SERVER_FRAMES) > 20
    for side, names in (("client", {*CLIENT_FRAMES, *commands.TYPES}), ("server", set(SERVER_FRAMES))):
        missing = [name for name in names if not any(test.startswith(f"test_{side}_{name}_") for test in tested)]
        assert missing == [], f"no test_{side}_<type>_… for these"
    assert CLIENT_FRAMES.keys() <= commands.TYPES
    assert {str(frame.__struct_config__.tag) for frame in frames.FRAMES} == SERVER_FRAMES.keys()


# what a client sends


async def test_client_auth_is_answered_with_welcome_and_only_once(desk: Desk) -> None:
    ana = await desk.member()
    line = await Line.open(desk.url, None)
    desk.lines.append(line)
    welcome = await line.ask({"type": "auth", "token": ana.token})
    assert welcome["type"] == "welcome"
    await refused(line, {"type": "auth", "token": ana.token}, "invalid")
    await line.close()


async def test_client_subscribe_brings_the_last_fifty_messages_and_the_room(pair: Pair) -> None:
    for n in range(60):
        await pair.a.says(pair.room, f"{n}")
    await pair.a.ask({"type": "unsubscribe", "rooms": [pair.room]})
    subscribed = await pair.a.subscribe(pair.room)
    assert [message["content"] for message in subscribed["messages"]] == [f"{n}" for n in range(10, 60)]
    assert {p["user"]["name"] for p in subscribed["participants"]} == {"Ana", "Tom"}
    assert subscribed["participant_count"] == 2
    assert subscribed["recovered"] is False
    assert subscribed["more"] is False
    assert subscribed["floor"] == 0
    assert subscribed["seq"] == subscribed["messages"][-1]["seq"]
    assert subscribed["reads"].keys() == {pair.ana.id, pair.tom.id}
    assert subscribed["state"]["id"] == pair.room
    assert set(subscribed["state"]) >= {
        "id", "key", "channel_type", "name", "description", "owner", "owner_version", "archived", "policy",
        "created_at", "changed_seq",
    }  # fmt: skip


async def test_client_subscribe_refuses_one_room_without_refusing_the_others(pair: Pair, desk: Desk) -> None:
    """What does not exist, what is somebody else's and what is no id all look the same."""
    stranger = await desk.member("Eve")
    private = await stranger.group()
    await pair.a.ask({"type": "unsubscribe", "rooms": [pair.room]})
    start = len(pair.a.frames)
    wanted = [private, NOWHERE, "no id at all", pair.room]
    await pair.a.send({"type": "subscribe", "ref": "all", "rooms": [{"id": room} for room in wanted]})
    # Each room is answered on its own, in no order.
    for room in wanted:
        await pair.a.find(lambda frame, room=room: (frame.get("ref"), frame.get("room")) == ("all", room), after=start)
    answers = {reply["room"]: reply for reply in replies(pair.a, "all")}
    assert answers.keys() == set(wanted)
    assert answers[pair.room]["type"] == "subscribed"
    said = {(answers[room]["code"], answers[room]["message"]) for room in wanted[:3]}
    assert len(said) == 1, "absent and forbidden look the same"
    assert said.pop()[0] == "not_found"


async def test_client_subscribe_is_bounded(pair: Pair) -> None:
    many = [{"id": f"01900000-0000-7000-8000-{n:012d}"} for n in range(101)]
    await refused(pair.a, {"type": "subscribe", "rooms": many}, "invalid")
    await refused(pair.a, {"type": "subscribe", "rooms": []}, "invalid")
    await refused(pair.a, {"type": "subscribe", "rooms": [{"id": pair.room, "since": -1}]}, "invalid")
    # All of them are refused one by one, so there is room again afterwards.
    start = len(pair.a.frames)
    await pair.a.send({"type": "subscribe", "ref": "nowhere", "rooms": many[:100]})
    for _ in range(200):
        if len(replies(pair.a, "nowhere")) == 100:
            break
        await asyncio.sleep(0.01)
    assert {frame["code"] for frame in replies(pair.a, "nowhere")} == {"not_found"}
    await settle(pair.a)
    assert all(frame.get("ref") != "nowhere" for frame in pair.a.frames[:start])


async def test_client_unsubscribe_ends_what_is_told(pair: Pair) -> None:
    assert (await pair.t.ask({"type": "unsubscribe", "rooms": [pair.room, NOWHERE]}))["type"] == "ok"
    end = await settle(pair.t)
    await pair.a.says(pair.room, "unheard")
    await pair.a.send({"type": "typing", "room": pair.room, "on": True})
    await settle(pair.a)
    await settle(pair.t)
    assert {frame["type"] for frame in pair.t.frames[end:]} <= {"pong", "ping", "inbox"}


async def test_client_send_is_acknowledged_once_and_told_to_all(pair: Pair) -> None:
    ack = await pair.a.ask({"type": "send", "room": pair.room, "client_id": "c-1", "content": "Hello"})
    assert ack["type"] == "ack"
    assert (ack["room"], ack["client_id"]) == (pair.room, "c-1")
    assert "duplicate" not in ack
    for line in (pair.a, pair.t):
        told = await line.hears(pair.room, "Hello")
        assert told["seq"] == told["message"]["seq"] == told["message"]["changed_seq"] == ack["seq"]
        assert told["message"]["id"] == ack["id"]
        assert told["message"]["created_at"] == ack["created_at"]
    await settle(pair.a)
    assert len(replies(pair.a, ack["ref"])) == 1
    assert pair.a.heard(pair.room) == pair.t.heard(pair.room) == ["Hello"]


async def test_client_send_again_gets_the_stored_message(pair: Pair) -> None:
    """A lost ack costs nothing: the same client_id is the same message, in its present state."""
    first = await pair.a.says(pair.room, "Hello", client_id="c-1")
    await pair.a.ask({"type": "react", "message": first["id"], "emoji": "👍"})
    again = await pair.a.says(pair.room, "Hello", client_id="c-1")
    assert again["duplicate"] is True
    assert (again["id"], again["seq"]) == (first["id"], first["seq"])
    assert again["message"]["reactions"][0]["emoji"] == "👍"
    await refused(
        pair.a, {"type": "send", "room": pair.room, "client_id": "c-1", "content": "Other"}, "client_id_reused"
    )
    # The id is its sender's own: Tom may use the same.
    assert "duplicate" not in await pair.t.says(pair.room, "Hello", client_id="c-1")
    await settle(pair.t)
    assert pair.t.heard(pair.room) == ["Hello", "Hello"]


async def test_client_send_without_client_id_is_given_one(pair: Pair) -> None:
    ack = await pair.a.says(pair.room, "Hello")
    told = await pair.t.hears(pair.room, "Hello")
    assert ack["client_id"] == told["message"]["client_id"] != ""


async def test_client_send_carries_what_it_is_given(pair: Pair) -> None:
    root = await pair.a.says(pair.room, "root")
    ack = await pair.t.says(
        pair.room,
        "answer",
        kind="location",
        metadata={"lat": 46.05, "deep": [{"a": [1]}]},
        reply_to=root["id"],
        thread=root["id"],
        mentions=[pair.ana.id],
    )
    message = (await pair.a.hears(pair.room, "answer"))["message"]
    assert message["kind"] == "location"
    assert message["metadata"] == {"lat": 46.05, "deep": [{"a": [1]}]}
    assert (message["reply_to"], message["thread"], message["mentions"]) == (root["id"], root["id"], [pair.ana.id])
    changed = await pair.a.find(lambda f: f["type"] == "message" and f["message"]["thread_count"] == 1)
    assert changed["message"]["id"] == root["id"]
    assert changed["seq"] == changed["message"]["changed_seq"] > ack["seq"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"room": NOWHERE}, "not_found"),
        ({"room": "x"}, "not_found"),
        ({"content": ""}, "invalid"),
        ({"content": "\x00"}, "invalid"),
        ({"content": "x" * 16_385}, "too_large"),
        ({"content": "é" * 8_193}, "too_large"),
        ({"kind": "system"}, "kind_not_allowed"),
        ({"kind": "card"}, "kind_not_allowed"),
        ({"kind": "no such kind"}, "kind_not_allowed"),
        ({"metadata": {"turn": "1"}}, "invalid"),
        ({"metadata": {"sources": []}}, "invalid"),
        ({"metadata": {"a": "x" * 8_200}}, "too_large"),
        ({"reply_to": NOWHERE}, "not_found"),
        ({"thread": NOWHERE}, "not_found"),
        ({"mentions": [NOWHERE]}, "invalid"),
        ({"attachments": [NOWHERE]}, "invalid"),
        ({"expect": {"seq": 1}}, "expectation_failed"),
        ({"client_id": ""}, "invalid"),
        ({"client_id": "x" * 129}, "invalid"),
    ],
)
async def test_client_send_is_refused_by_name(pair: Pair, fields: dict[str, Any], code: str) -> None:
    await pair.t.says(pair.room, "before")
    tip = (await pair.a.subscribe(pair.room))["seq"]
    reply = await refused(pair.a, {"type": "send", "room": pair.room, "content": "x", **fields}, code)
    await settle(pair.a)
    assert len(replies(pair.a, reply["ref"])) == 1
    assert (await pair.a.subscribe(pair.room))["seq"] == tip, "nothing was stored"


async def test_client_send_with_an_expectation_that_holds_is_stored(pair: Pair) -> None:
    tip = (await pair.a.subscribe(pair.room))["seq"]
    await pair.a.says(pair.room, "nobody was faster", expect={"seq": tip})
    # One's own messages are no surprise to oneself.
    await pair.a.says(pair.room, "still nobody", expect={"seq": tip})


async def test_client_edit_changes_the_text_for_all(pair: Pair) -> None:
    sent = await pair.a.says(pair.room, "Helo")
    ack = await pair.a.ask({"type": "edit", "message": sent["id"], "content": "Hello"})
    assert (ack["type"], ack["id"]) == ("ack", sent["id"])
    assert ack["seq"] > sent["seq"]
    told = await pair.t.hears(pair.room, "Hello")
    assert told["seq"] == told["message"]["changed_seq"] == ack["seq"]
    assert told["message"]["seq"] == sent["seq"]
    assert told["message"]["edited_at"] is not None
    await refused(pair.t, {"type": "edit", "message": sent["id"], "content": "Hi"}, "forbidden")
    await refused(pair.t, {"type": "edit", "message": NOWHERE, "content": "Hi"}, "not_found")
    await refused(pair.a, {"type": "edit", "message": sent["id"], "content": " "}, "invalid")


async def test_client_delete_empties_the_message(pair: Pair) -> None:
    sent = await pair.t.says(pair.room, "regretted", metadata={"a": 1}, mentions=[pair.ana.id])
    await pair.a.ask({"type": "react", "message": sent["id"], "emoji": "👍"})
    stranger_ack = await pair.t.ask({"type": "delete", "message": sent["id"]})
    assert stranger_ack["type"] == "ack"
    told = await pair.a.find(lambda f: f["type"] == "message" and f["message"]["deleted"])
    message = told["message"]
    assert (message["id"], message["seq"], message["sender"]["id"]) == (sent["id"], sent["seq"], pair.tom.id)
    assert (message["content"], message["metadata"], message["mentions"], message["reactions"]) == ("", {}, [], [])
    assert (await pair.t.ask({"type": "delete", "message": sent["id"]}))["type"] == "ack", "again changes nothing"
    await refused(pair.t, {"type": "edit", "message": sent["id"], "content": "back"}, "message_deleted")
    await refused(pair.t, {"type": "delete", "message": NOWHERE}, "not_found")
    mine = await pair.a.says(pair.room, "Ana's")
    await refused(pair.t, {"type": "delete", "message": mine["id"]}, "forbidden")


async def test_client_react_and_unreact_change_the_message(pair: Pair) -> None:
    sent = await pair.a.says(pair.room, "Hello")
    for line in (pair.a, pair.t):
        assert (await line.ask({"type": "react", "message": sent["id"], "emoji": "👍"}))["type"] == "ack"
    await pair.t.ask({"type": "react", "message": sent["id"], "emoji": "👍"})
    told = await pair.a.find(lambda f: f["type"] == "message" and f["message"]["reactions"][:1] and f["message"]["reactions"][0]["count"] == 2)  # fmt: skip  # noqa: E501
    assert told["message"]["reactions"] == [{"emoji": "👍", "count": 2, "users": [pair.ana.id, pair.tom.id]}]
    await refused(pair.a, {"type": "react", "message": sent["id"], "emoji": "not one"}, "invalid")
    await refused(pair.a, {"type": "react", "message": NOWHERE, "emoji": "👍"}, "not_found")


async def test_client_unreact_takes_one_s_own_back(pair: Pair) -> None:
    sent = await pair.a.says(pair.room, "Hello")
    await pair.a.ask({"type": "react", "message": sent["id"], "emoji": "👍"})
    before = await pair.t.ask({"type": "unreact", "message": sent["id"], "emoji": "👍"})
    assert before["type"] == "ack", "there is nothing of Tom's to take back, and that is fine"
    after = await pair.a.ask({"type": "unreact", "message": sent["id"], "emoji": "👍"})
    assert after["seq"] == before["seq"] + 1
    await settle(pair.t)
    assert pair.t.frames[-2]["message"]["reactions"] == []
    await refused(pair.a, {"type": "unreact", "message": NOWHERE, "emoji": "👍"}, "not_found")


async def test_client_pin_is_for_those_who_keep_order(pair: Pair) -> None:
    sent = await pair.t.says(pair.room, "the rules")
    await refused(pair.t, {"type": "pin", "message": sent["id"]}, "forbidden")
    assert (await pair.a.ask({"type": "pin", "message": sent["id"]}))["type"] == "ack"
    await pair.t.find(lambda f: f["type"] == "message" and f["message"]["pinned"])


async def test_client_unpin_takes_the_pin_away(pair: Pair) -> None:
    sent = await pair.t.says(pair.room, "the rules")
    await pair.a.ask({"type": "pin", "message": sent["id"]})
    ack = await pair.a.ask({"type": "unpin", "message": sent["id"]})
    await pair.t.find(lambda f: f["type"] == "message" and f["seq"] == ack["seq"] and not f["message"]["pinned"])


async def test_client_read_moves_the_mark_up_and_never_past_the_tip(pair: Pair) -> None:
    first = await pair.a.says(pair.room, "one")
    second = await pair.a.says(pair.room, "two")
    for asked, holds in ((first["seq"], first["seq"]), (10**9, second["seq"]), (1, second["seq"])):
        start = len(pair.a.frames)
        assert (await pair.t.ask({"type": "read", "room": pair.room, "seq": asked}))["type"] == "ok"
        receipt = await pair.a.wait("receipt", after=start, user=pair.tom.id)
        assert receipt["read_seq"] == receipt["delivered_seq"] == holds
    reads = (await pair.a.subscribe(pair.room))["reads"]
    assert reads[pair.tom.id] == [second["seq"], second["seq"]]
    await refused(pair.t, {"type": "read", "room": NOWHERE, "seq": 1}, "not_found")
    await refused(pair.t, {"type": "read", "room": pair.room, "seq": -1}, "invalid")
    await refused(pair.t, {"type": "read", "room": pair.room, "seq": 10**30}, "invalid")


async def test_client_delivered_is_not_answered_and_is_told(pair: Pair) -> None:
    sent = await pair.a.says(pair.room, "one")
    await pair.t.send({"type": "delivered", "ref": "d", "room": pair.room, "seq": sent["seq"]})
    receipt = await pair.a.wait("receipt", user=pair.tom.id)
    assert (receipt["read_seq"], receipt["delivered_seq"]) == (0, sent["seq"])
    await settle(pair.t)
    assert replies(pair.t, "d") == []


async def test_client_typing_is_not_answered_and_is_told_to_others(pair: Pair) -> None:
    for on in (True, False):
        await pair.a.send({"type": "typing", "ref": "t", "room": pair.room, "on": on})
        await pair.t.wait("typing", room=pair.room, user=pair.ana.id, on=on)
    await settle(pair.a)
    assert replies(pair.a, "t") == []
    assert not [frame for frame in pair.a.frames if frame["type"] == "typing"], "not to oneself"
    await refused(pair.a, {"type": "typing", "room": NOWHERE, "on": True}, "not_found")


async def test_client_history_reads_back(pair: Pair) -> None:
    seqs = [(await pair.a.says(pair.room, f"{n}"))["seq"] for n in range(10)]

    async def ask(**fields: Any) -> tuple[list[str], bool, bool, dict[str, Any]]:
        reply = await pair.t.ask({"type": "history", "room": pair.room, **fields})
        texts = [message["content"] for message in reply["messages"]]
        return texts, reply["more_before"], reply["more_after"], reply

    texts, before, after, reply = await ask(limit=3)
    assert (texts, before, after) == (["7", "8", "9"], True, False)
    assert reply["as_of_seq"] == seqs[-1]
    assert (await ask(before=seqs[2]))[:3] == (["0", "1"], False, True)
    assert (await ask(after=seqs[7]))[:3] == (["8", "9"], True, False)
    assert (await ask(around=seqs[5], limit=4))[:3] == (["3", "4", "5", "6"], True, True)
    await refused(pair.t, {"type": "history", "room": pair.room, "limit": 101}, "invalid")
    await refused(pair.t, {"type": "history", "room": pair.room, "before": 1, "after": 1}, "invalid")
    await refused(pair.t, {"type": "history", "room": NOWHERE}, "not_found")


async def test_client_escalate_may_be_repeated(desk: Desk) -> None:
    maya, ada = await desk.visitor(), await desk.agent("Ada")
    room = await maya.conversation()
    async with maya.line() as line, ada.line() as agents:
        await line.subscribe(room)
        for _ in range(3):
            assert (await line.ask({"type": "escalate", "room": room, "reason": "asked_human"}))["type"] == "ok"
        case = (await agents.wait("case"))["case"]
        await settle(agents)
        opened = [f for f in agents.frames if f["type"] == "case" and f["case"]["room"] == room]
        assert {frame["case"]["id"] for frame in opened} == {case["id"]}
        await refused(line, {"type": "escalate", "room": NOWHERE}, "not_found")
        await refused(line, {"type": "escalate", "room": room, "reason": "x" * 201}, "invalid")


async def test_client_escalate_is_for_support_conversations(pair: Pair) -> None:
    await refused(pair.a, {"type": "escalate", "room": pair.room}, "conflict")


async def test_client_stop_ends_the_running_answer(desk: Desk) -> None:
    maya = await desk.visitor()
    room = await maya.conversation()
    desk.bot.streams(*(f"{n} " for n in range(200)), pause_s=0.02)
    async with maya.line() as line:
        await line.subscribe(room)
        await line.says(room, "tell me everything")
        delta = await line.wait("delta")
        assert (await line.ask({"type": "stop", "room": room, "turn": delta["turn"]}))["type"] == "ok"
        stopped = await line.find(lambda f: f["type"] == "message" and f["message"]["sender"]["kind"] == "bot")
        assert "199" not in stopped["message"]["content"]
        assert (await line.ask({"type": "stop", "room": room, "turn": "no such turn"}))["type"] == "ok"
        await refused(line, {"type": "stop", "room": NOWHERE, "turn": "1"}, "not_found")
    desk.bot.script = None


async def test_client_refresh_puts_a_new_token_in_place(desk: Desk, pair: Pair) -> None:
    assert (await pair.a.ask({"type": "refresh", "token": pair.ana.token}))["type"] == "ok"
    await refused(pair.a, {"type": "refresh", "token": pair.tom.token}, "unauthenticated")
    await refused(pair.a, {"type": "refresh", "token": "nonsense"}, "unauthenticated")
    await pair.a.says(pair.room, "still Ana")
    assert (await pair.t.hears(pair.room, "still Ana"))["message"]["sender"]["id"] == pair.ana.id


async def test_client_ping_is_answered_with_pong(pair: Pair) -> None:
    assert await pair.a.ask({"type": "ping"}) == {"type": "pong", "ref": pair.a.frames[-1]["ref"]}
    await pair.a.send({"type": "ping"})
    await pair.a.find(lambda frame: frame == {"type": "pong"})


async def test_client_pong_is_not_answered(pair: Pair) -> None:
    start = await settle(pair.a)
    await pair.a.send({"type": "pong", "ref": "p"})
    await settle(pair.a)
    assert [f for f in pair.a.frames[start:] if f["type"] not in ("pong", "ping", "tips", "inbox")] == []
    assert replies(pair.a, "p") == []


@pytest.mark.parametrize("ref", ["r", 7, 0, -1, "", "é", 2**53, 10**40])
async def test_any_ref_is_repeated_as_it_was(pair: Pair, ref: Any) -> None:
    await pair.a.send({"type": "send", "ref": ref, "room": pair.room, "content": "x"})
    await pair.a.find(lambda f: f["type"] == "ack" and f.get("ref") == ref)
    await pair.a.send({"type": "nonsense", "ref": ref})
    await pair.a.find(lambda f: f["type"] == "error" and f.get("ref") == ref)


async def test_unknown_fields_are_ignored(pair: Pair) -> None:
    await pair.a.says(pair.room, "Hello", sender={"id": NOWHERE}, seq=1, id=NOWHERE, created_at="1970", priority=9)
    message = (await pair.t.hears(pair.room, "Hello"))["message"]
    assert message["sender"]["id"] == pair.ana.id
    assert message["seq"] > 1
    assert message["id"] != NOWHERE


# what the server sends


async def test_server_welcome_says_who_one_is_and_what_holds(pair: Pair, desk: Desk) -> None:
    welcome = pair.a.frames[0]
    assert welcome["type"] == "welcome"
    assert welcome["user"] == {"id": pair.ana.id, "kind": "member", "name": "Ana", "avatar": None}
    assert welcome["tenant"] == desk.tenant
    assert welcome["heartbeat_ms"] == 500
    assert welcome["limits"]["text_bytes"] == 16_384
    assert welcome["server_time"].endswith("Z")
    assert pair.t.frames[0]["connection"] != welcome["connection"]


async def test_server_subscribed_says_when_it_recovered(pair: Pair) -> None:
    position = (await pair.a.subscribe(pair.room))["seq"]
    await pair.t.says(pair.room, "meanwhile")
    again = await pair.a.subscribe(pair.room, since=position)
    assert again["recovered"] is True
    assert [message["content"] for message in again["messages"]] == ["meanwhile"]
    assert again["participants"] == []
    assert again["participant_count"] == 2


async def test_server_changes_are_the_further_pages(pair: Pair) -> None:
    position = (await pair.a.subscribe(pair.room))["seq"]
    for n in range(0, 250, 50):
        await asyncio.gather(*(pair.t.says(pair.room, f"{n + k}") for k in range(50)))
    await pair.a.ask({"type": "unsubscribe", "rooms": [pair.room]})
    start = await settle(pair.a)
    first = await pair.a.subscribe(pair.room, since=position)
    assert first["more"] is True
    assert first["participant_count"] == 2
    await pair.a.find(lambda f: f["type"] == "changes" and not f["more"], after=start)
    pages = [f for f in pair.a.frames[start:] if f["type"] in ("subscribed", "changes")]
    assert [len(page["messages"]) for page in pages] == [100, 100, 50]
    assert [page["since"] for page in pages[1:]] == [page["seq"] for page in pages[:-1]]
    assert ["reads" in page for page in pages] == [False, False, True]
    numbers = [message["changed_seq"] for page in pages for message in page["messages"]]
    assert numbers == list(range(position + 1, position + 251))


async def test_server_message_holds_the_whole_message(pair: Pair) -> None:
    await pair.a.says(pair.room, "Hello", client_id="c-17")
    frame = await pair.t.hears(pair.room, "Hello")
    message = frame["message"]
    assert list(frame) == ["type", "room", "seq", "message"]
    assert set(message) == {
        "id", "room", "seq", "changed_seq", "client_id", "sender", "kind", "content", "metadata", "attachments",
        "reply_to", "thread", "thread_count", "mentions", "reactions", "pinned", "edited_at", "deleted", "created_at",
    }  # fmt: skip
    assert message["client_id"] == "c-17"
    assert message["sender"] == {"id": pair.ana.id, "kind": "member", "name": "Ana", "avatar": None}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}Z", message["created_at"])


async def test_server_participant_tells_who_comes_and_changes(pair: Pair, desk: Desk) -> None:
    bob = await desk.member("Bob")
    await pair.ana.post(f"/rooms/{pair.room}/participants", {"user": bob.id})
    joined = await pair.t.find(lambda f: f["type"] == "participant" and f["participant"]["user"]["id"] == bob.id)
    assert set(joined["participant"]) == {"user", "role", "state", "joined_at", "muted_until", "changed_seq"}
    assert joined["participant"]["state"] == "joined"
    assert joined["seq"] == joined["participant"]["changed_seq"]


async def test_server_room_tells_the_room_s_new_state(pair: Pair) -> None:
    await pair.ana.call("PATCH", f"/rooms/{pair.room}", json={"name": "Kitchen"})
    frame = await pair.t.wait("room")
    assert frame["room"] == frame["state"]["id"] == pair.room
    assert frame["state"]["name"] == "Kitchen"
    assert frame["seq"] == frame["state"]["changed_seq"]


async def test_server_skip_stands_for_what_one_may_not_see(desk: Desk) -> None:
    ada, tom = await desk.agent("Ada"), await desk.member("Tom")
    room = await ada.group(channel_type="community")
    async with ada.line() as a, tom.line() as t:
        old = await a.says(room, "before Tom")
        await tom.post(f"/rooms/{room}/join")
        position = (await t.subscribe(room))["seq"]
        ack = await a.ask({"type": "react", "message": old["id"], "emoji": "👍"})
        assert await t.wait("skip") == {"type": "skip", "room": room, "seq": ack["seq"]}
        assert ack["seq"] == position + 1


async def test_server_ack_comes_before_the_message_itself(pair: Pair) -> None:
    ack = await pair.a.says(pair.room, "Hello")
    told = await pair.a.hears(pair.room, "Hello")
    assert pair.a.frames.index(ack) < pair.a.frames.index(told)


async def test_server_typing_names_room_and_user(pair: Pair) -> None:
    await pair.a.send({"type": "typing", "room": pair.room, "on": True})
    assert await pair.t.wait("typing") == {"type": "typing", "room": pair.room, "user": pair.ana.id, "on": True}


async def test_server_receipt_tells_how_far_somebody_is(pair: Pair) -> None:
    sent = await pair.a.says(pair.room, "Hello")
    await pair.t.ask({"type": "read", "room": pair.room, "seq": sent["seq"]})
    receipt = await pair.a.wait("receipt")
    assert receipt == {
        "type": "receipt", "room": pair.room, "user": pair.tom.id, "read_seq": sent["seq"],
        "delivered_seq": sent["seq"],
    }  # fmt: skip


async def test_server_presence_tells_who_comes_and_goes(pair: Pair) -> None:
    start = len(pair.a.frames)
    await pair.t.close()
    gone = await pair.a.wait("presence", after=start, user=pair.tom.id, status="offline")
    assert gone["last_seen"].endswith("Z")
    async with pair.tom.line():
        back = await pair.a.wait("presence", after=start, user=pair.tom.id, status="online")
        assert "last_seen" not in back


async def test_server_delta_is_replaced_by_the_message_of_its_turn(desk: Desk) -> None:
    maya = await desk.visitor()
    room = await maya.conversation()
    desk.bot.streams("Once ", "upon ", "a time")
    async with maya.line() as line:
        await line.subscribe(room)
        await line.says(room, "tell me a story")
        stored = (await line.hears(room, "Once upon a time"))["message"]
        deltas = [f for f in line.frames if f["type"] == "delta"]
        assert {delta["turn"] for delta in deltas} == {stored["metadata"]["turn"]}
        text = ""
        for delta in deltas:
            assert delta["offset"] == len(text)
            text += delta["text"]
        assert text == "Once upon a time"
        assert {delta["owner_version"] for delta in deltas} == {1}
    desk.bot.script = None


async def test_server_case_is_whole_for_agents_and_reduced_for_the_visitor(desk: Desk) -> None:
    maya, ada = await desk.visitor(), await desk.agent("Ada")
    room = await maya.conversation()
    async with maya.line() as line, ada.line() as agents:
        await line.ask({"type": "escalate", "room": room})
        whole = (await agents.find(lambda f: f["type"] == "case" and f["case"]["room"] == room))["case"]
        assert {
            "id", "room", "status", "reason", "priority", "team", "agent", "opened_at", "deadline_at", "position",
            "handover", "rating", "merged_into", "version",
        } <= set(whole)  # fmt: skip
        own = await line.wait("case", room=room)
        assert own.keys() <= {"type", "room", "status", "position", "wait"}
        assert own["status"] == "waiting"
        await ada.post(f"/cases/{whole['id']}/claim")
        assert await line.wait("case", status="assigned") == {"type": "case", "room": room, "status": "assigned"}


async def test_server_inbox_comes_without_a_subscription(pair: Pair) -> None:
    await pair.t.ask({"type": "unsubscribe", "rooms": [pair.room]})
    start = len(pair.t.frames)
    sent = await pair.a.says(pair.room, "Tom?", mentions=[pair.tom.id])
    inbox = await pair.t.wait("inbox", after=start, room=pair.room, unread=1)
    assert (inbox["seq"], inbox["mentioned"], inbox["last"]["content"]) == (sent["seq"], True, "Tom?")
    await pair.t.ask({"type": "read", "room": pair.room, "seq": sent["seq"]})
    inbox = await pair.t.wait("inbox", after=start, room=pair.room, unread=0)
    assert inbox["mentioned"] is False
    await pair.ana.call("DELETE", f"/rooms/{pair.room}/participants/{pair.tom.id}")
    await pair.t.wait("inbox", after=start, room=pair.room, removed=True)


async def test_server_conversations_tells_agents_that_the_bot_has_one_more(desk: Desk) -> None:
    ana, maya = await desk.agent("Ana"), await desk.visitor("Maya")
    async with ana.line() as line:
        start = len(line.frames)
        await maya.conversation()
        moved = await line.wait("conversations", after=start)
    as_documented(moved)
    assert moved["bot"] >= 1


async def test_server_mention_tells_an_agent_of_a_note_that_names_them(desk: Desk) -> None:
    ana, ben, maya = await desk.agent("Ana"), await desk.agent("Ben"), await desk.visitor("Maya")
    room = await maya.conversation()
    assert (await maya.post(f"/rooms/{room}/escalate")).status_code == 200
    async with ben.line() as line:
        note = await ana.post(f"/rooms/{room}/notes", {"text": "@Ben, yours?", "mentions": [ben.id]})
        assert note.status_code == 201
        told = await line.wait("mention", room=room)
    as_documented(told)
    assert told["message"] == note.json()["id"]


async def test_server_held_tells_the_sender_what_was_decided(empty_sqlite_url: str) -> None:
    words = {"moderation_words": {"settings": {"hold": ["guillotine"]}}}
    async with Desk.open(empty_sqlite_url, settings=settings_for(empty_sqlite_url, plugins=words)) as desk:
        maya, tom, ana = await desk.member("Maya"), await desk.member("Tom"), await desk.agent("Ana")
        room = await maya.group(tom)
        async with maya.line() as line:
            ack = await line.ask({"type": "send", "room": room, "content": "a guillotine", "client_id": "c-1"})
            assert (await ana.post(f"/moderation/held/{ack['id']}/reject")).status_code == 200
            told = await line.wait("held", room=room, id=ack["id"])
        as_documented(told)
        assert (told["client_id"], told["status"]) == ("c-1", "rejected")


async def test_server_draft_comes_to_the_other_sockets_of_who_writes(pair: Pair) -> None:
    async with pair.ana.line() as other:
        start = len(pair.t.frames)
        await pair.ana.call("PUT", f"/rooms/{pair.room}/draft", json={"text": "Tom, I", "seq": 3})
        told = await other.wait("draft", room=pair.room, kind="reply")
        as_documented(told)
        assert (told["draft"]["text"], told["draft"]["seq"]) == ("Tom, I", 3)
        await pair.ana.call("DELETE", f"/rooms/{pair.room}/draft")
        as_documented(await other.wait("draft", room=pair.room, draft=None))
    await settle(pair.t)
    assert all(frame["type"] != "draft" for frame in pair.t.frames[start:])


async def test_client_view_says_what_an_agent_looks_at_and_is_refused_to_others(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent("Ana")
    room = await maya.conversation()
    async with ana.line() as a, maya.line() as m:
        await a.send({"type": "view", "room": room, "ref": "v"})
        await a.wait("viewing", room=room)
        assert replies(a, "v") == []
        await refused(a, {"type": "view"}, "invalid")
        await refused(m, {"type": "view", "room": room}, "forbidden")


async def test_server_viewing_names_who_looks(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent("Ana")
    room = await maya.conversation()
    async with ana.line() as a:
        await a.send({"type": "view", "room": room})
        told = await a.wait("viewing", room=room)
        as_documented(told)
        assert [(user["id"], user["name"]) for user in told["users"]] == [(ana.id, "Ana")]
        await a.send({"type": "view", "room": None})
        await a.wait("viewing", room=room, users=[])


async def test_server_tips_name_rooms_that_moved(pair: Pair) -> None:
    start = len(pair.t.frames)
    sent = await pair.a.says(pair.room, "Hello")
    await pair.t.find(lambda f: f["type"] == "tips" and f["rooms"].get(pair.room, 0) >= sent["seq"], after=start)


async def test_server_reset_ends_the_subscription(pair: Pair) -> None:
    epoch = (await pair.a.subscribe(pair.room))["epoch"]
    reply = await pair.a.ask({"type": "subscribe", "rooms": [{"id": pair.room, "since": 1, "epoch": "1.another life"}]})
    assert reply == {"type": "reset", "ref": reply["ref"], "room": pair.room, "epoch": epoch}
    end = await settle(pair.a)
    await pair.t.says(pair.room, "unheard")
    await settle(pair.a)
    assert not [frame for frame in pair.a.frames[end:] if frame["type"] == "message"]


async def test_server_notice_is_for_one_user(desk: Desk) -> None:
    ana = await desk.member()
    first = await ana.connect()
    for _ in range(3):
        await ana.connect()
    notice = await first.wait("notice")
    assert notice["code"] == "too_many_connections"
    assert notice["text"]
    assert await first.wait_closed() == 4504


async def test_server_drain_says_when_to_come_back(tmp_path: Path) -> None:
    async with Desk.open(f"sqlite:///{tmp_path / 'drain.sqlite3'}") as desk:
        ana = await desk.member()
        line = await ana.connect()
        await desk.application.drain()
        drain = await line.wait("drain")
        as_documented(drain)
        assert 0 <= drain["reconnect_in_ms"] <= 5000
        assert await line.wait_closed() == 4001


async def test_server_error_says_what_to_do(pair: Pair) -> None:
    error = await refused(pair.a, {"type": "history", "room": NOWHERE}, "not_found")
    assert error["temporary"] is False
    assert error["message"] == "There is no such thing, or it is not yours to see."
    assert "details" not in error
    unknown = await refused(pair.a, {"type": "fly"}, "unknown_type")
    assert "send" in unknown["details"]["known"]


async def test_server_ok_repeats_the_ref(pair: Pair) -> None:
    reply = await pair.a.ask({"type": "read", "room": pair.room, "seq": 1})
    assert list(reply) == ["type", "ref"]


async def test_server_history_is_a_reply(pair: Pair) -> None:
    await pair.a.says(pair.room, "Hello")
    reply = await pair.a.ask({"type": "history", "room": pair.room})
    assert set(reply) == {"type", "ref", "room", "messages", "as_of_seq", "more_before", "more_after"}


async def test_server_ping_comes_at_every_heartbeat(pair: Pair) -> None:
    start = len(pair.a.frames)
    await pair.a.wait("ping", after=start)
    await pair.a.wait("ping", after=len(pair.a.frames))


async def test_server_pong_answers_ping(pair: Pair) -> None:
    assert (await pair.a.ask({"type": "ping"}))["type"] == "pong"
