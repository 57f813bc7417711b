"""The audit trail: what was done is written down with what did it, cannot be changed unseen, and admins read it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from deskbell.store.database import StoreError
from deskbell.testing.desk import Desk, Person, settings_for


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(shared_url: str) -> AsyncIterator[Desk]:
    channels = {
        "direct": {"audit": "reads"},
        "community": {"audit": "full", "who_may_create": ["member"], "join": "open"},
        "broadcast": {"audit": "minimal"},
    }
    words = {"moderation_words": {"settings": {"hold": ["casino"]}}}
    async with Desk.open(shared_url, settings=settings_for(shared_url, channels=channels, plugins=words)) as opened:
        yield opened


async def admin_of(desk: Desk) -> Person:
    return await desk.agent("Root", role="admin")


async def trail(admin: Person, **query: Any) -> list[dict[str, Any]]:
    """Oldest first."""
    answer = await admin.get("/audit", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items[::-1]


async def say(person: Person, room: str, content: str) -> str:
    return str((await person.post(f"/rooms/{room}/messages", {"content": content})).json()["id"])


async def test_what_moderators_do_is_written_down(desk: Desk) -> None:
    """In groups: the acts of those who moderate, and not what members do with their own words."""
    root, tom, una, ana = await admin_of(desk), await desk.member("Tom"), await desk.member("Una"), await desk.agent()
    room = await tom.group(una)
    own, theirs = await say(una, room, "mine"), await say(una, room, "hers")
    await una.call("PATCH", f"/messages/{own}", json={"content": "my own words"})
    await una.call("DELETE", f"/messages/{own}")
    await tom.call("DELETE", f"/messages/{theirs}")
    kept = await say(una, room, "keep")
    await tom.call("PUT", f"/messages/{kept}/pin")
    await tom.call("PATCH", f"/rooms/{room}/participants/{una.id}", json={"mute_s": 60, "role": "moderator"})
    await tom.call("PATCH", f"/rooms/{room}/participants/{una.id}", json={"mute_s": 0})
    held = (await tom.post(f"/rooms/{room}/messages", {"content": "casino"})).json()["id"]
    await ana.post(f"/moderation/held/{held}/reject")
    report = (await tom.post(f"/messages/{kept}/report", {"reason": "spam"})).json()["id"]
    await ana.post(f"/moderation/reports/{report}/dismiss")
    await tom.call("PATCH", f"/rooms/{room}/participants/{una.id}", json={"state": "banned"})
    await tom.post(f"/rooms/{room}/archive")
    found = await trail(root, room=room)
    assert [(entry["act"], entry["actor"], entry["subject"]) for entry in found] == [
        ("message_deleted", tom.id, theirs),
        ("pinned", tom.id, kept),
        ("member_changed", tom.id, una.id),
        ("member_changed", tom.id, una.id),
        ("held_rejected", ana.id, held),
        ("report_dismissed", ana.id, report),
        ("member_changed", tom.id, una.id),
        ("room_archived", tom.id, ""),
    ]
    assert found[2]["details"]["role"] == "moderator" and found[2]["details"]["muted_until"] > 0
    assert found[6]["details"] == {"state": "banned"}
    assert "words" not in str(found) and "casino" not in str(found), "ids alone, nothing that was said"
    assert [entry["act"] for entry in await trail(root, room=room, actor=ana.id)] == [
        "held_rejected",
        "report_dismissed",
    ]
    assert len(await trail(root, room=room, act="member_changed")) == 3


async def test_a_room_audited_in_full_keeps_everybodys_changes_and_one_audited_little_keeps_none(desk: Desk) -> None:
    root, tom, una = await admin_of(desk), await desk.member("Tom"), await desk.member("Una")
    room = await tom.group(channel_type="community")
    await una.post(f"/rooms/{room}/join")
    own = await say(una, room, "mine")
    await una.call("PATCH", f"/messages/{own}", json={"content": "else"})
    await una.call("DELETE", f"/messages/{own}")
    await una.post(f"/rooms/{room}/leave")
    await una.get(f"/rooms/{room}/messages")
    acts = [(entry["act"], entry["actor"]) for entry in await trail(root, room=room)]
    assert acts == [(act, una.id) for act in ("joined", "message_edited", "message_deleted", "left")]
    quiet = await root.group(una, channel_type="broadcast")
    await root.call("PATCH", f"/rooms/{quiet}/participants/{una.id}", json={"state": "banned"})
    assert await trail(root, room=quiet) == []


async def test_where_reading_is_audited_nothing_is_shown_before_it_is_written_down(desk: Desk) -> None:
    root, tom, una = await admin_of(desk), await desk.member("Tom"), await desk.member("Una")
    room = await tom.group(una, channel_type="direct")
    message = await say(tom, room, "between us")
    await una.get(f"/rooms/{room}/messages")
    await una.get(f"/messages/{message}")
    await una.get(f"/rooms/{room}/changes", params={"since": 0})
    async with una.line() as line:
        await line.subscribe(room)
    acts = [(entry["act"], entry["actor"], entry["subject"]) for entry in await trail(root, room=room)]
    assert acts == [
        ("read_history", una.id, ""),
        ("read_message", una.id, message),
        ("read_changes", una.id, ""),
        ("subscribed", una.id, ""),
    ]


async def test_whom_a_search_shows_what_was_said_is_written_down_once_for_all_its_letters(desk: Desk) -> None:
    """By room, and only where reading is audited; what was looked for is nobody's business."""
    root, tom, una = await admin_of(desk), await desk.member("Tom"), await desk.member("Una")
    kept, elsewhere = await tom.group(una, channel_type="direct"), await tom.group(una)
    other = await una.group(await desk.member("Eve"), channel_type="direct")
    for room, word in ((kept, "walrus"), (kept, "walruses"), (elsewhere, "walrus"), (other, "penguin")):
        await say(una, room, f"the {word} of Thursday")

    for letters in ("walr", "walru", "walrus"):
        found = (await tom.get("/search", params={"q": letters})).json()["results"]
        assert {hit["room"]["id"] for hit in found} == {kept, elsewhere}
    assert (await tom.get("/search", params={"q": "penguin"})).json()["results"] == [], "not his to see"

    entries = await trail(root, room=kept)
    assert [(entry["act"], entry["actor"], entry["subject"], entry["details"]) for entry in entries] == [
        ("found", tom.id, "", {})
    ]
    assert await trail(root, room=elsewhere) == await trail(root, room=other) == []
    await una.get("/search", params={"q": "walrus"})
    assert [entry["actor"] for entry in await trail(root, room=kept)] == [tom.id, una.id]
    await desk.advance(301)
    await tom.get("/search", params={"q": "walrus"})
    assert [entry["actor"] for entry in await trail(root, room=kept)] == [tom.id, una.id, tom.id]


async def test_a_supervisor_who_searches_the_conversations_of_others_leaves_a_trace(empty_sqlite_url: str) -> None:
    """Without a place in any of them, in notes behind them, and nothing is shown when it cannot be written down."""
    channels = {"support": {"audit": "reads"}}
    async with Desk.open(empty_sqlite_url, settings=settings_for(empty_sqlite_url, channels=channels)) as desk:
        root, lea, vera = await admin_of(desk), await desk.agent("Lea", role="supervisor"), await desk.visitor("Vera")
        room = await vera.conversation()
        await say(vera, room, "my walrus is ill")
        assert [hit["room"]["id"] for hit in (await lea.get("/search", params={"q": "walrus"})).json()["results"]] == [
            room
        ]
        assert [(entry["act"], entry["actor"]) for entry in await trail(root, room=room)] == [("found", lea.id)]

        def cannot(*_: object, **__: object) -> None:
            raise StoreError("no")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("deskbell.store.audit.append", cannot)
            refused = await root.get("/search", params={"q": "walrus"})
            assert refused.status_code >= 500 and "ill" not in refused.text


async def test_what_was_refused_or_undone_leaves_nothing(desk: Desk) -> None:
    root, tom, una, eve = await admin_of(desk), *[await desk.member(name) for name in ("Tom", "Una", "Eve")]
    room = await tom.group(una)
    message = await say(tom, room, "Hello")
    for person, path in ((una, f"/messages/{message}"), (eve, f"/messages/{message}")):
        assert (await person.call("DELETE", path)).status_code in (403, 404)
    assert (await una.call("PATCH", f"/rooms/{room}/participants/{tom.id}", json={"mute_s": 9})).status_code == 403
    assert (await tom.call("PATCH", f"/rooms/{room}/participants/{una.id}", json={"mute_s": 0})).status_code == 200
    assert await trail(root, room=room) == [], "nothing changed"


async def test_the_trail_is_for_admins_of_the_tenant(desk: Desk) -> None:
    tom, una, lead = await desk.member("Tom"), await desk.member("Una"), await desk.agent("Lea", role="supervisor")
    foreign = await desk.person("Far", kind="agent", role="admin", tenant=await desk.other_tenant("audit"))
    room = await tom.group(una)
    await tom.call("PATCH", f"/rooms/{room}/participants/{una.id}", json={"mute_s": 60})
    for path in ("/audit", "/audit/verify"):
        for person in (tom, una, lead, await desk.visitor()):
            assert (await person.get(path)).status_code == 403
        assert (await desk.http.get(path)).status_code == 401
    assert await trail(foreign) == [] and await trail(foreign, room=room) == []
    assert len(await trail(await admin_of(desk), room=room)) == 1


async def test_acts_at_the_same_time_make_one_chain(desk: Desk) -> None:
    root, tom = await admin_of(desk), await desk.member("Tom")
    rooms = [await tom.group() for _ in range(6)]
    before = (await root.get("/audit/verify")).json()
    await asyncio.gather(*(tom.call("PATCH", f"/rooms/{room}", json={"name": f"{n}"}) for n, room in enumerate(rooms)))
    after = (await root.get("/audit/verify")).json()
    assert before["intact"] and after["intact"] and after["broken_at"] is None
    assert after["entries"] == before["entries"] + 6
    latest = await trail(root, limit=6)
    assert [entry["number"] for entry in latest] == list(range(before["entries"] + 1, after["entries"] + 1))
    assert latest[-1]["hash"] == after["hash"] != before["hash"]


async def test_the_store_itself_refuses_to_change_or_forget_what_was_done(desk: Desk) -> None:
    tom = await desk.member("Tom")
    await tom.call("PATCH", f"/rooms/{await tom.group()}", json={"name": "x"})
    for statement in ("UPDATE audit SET act = 'nothing'", "DELETE FROM audit"):
        with pytest.raises(StoreError):
            await desk.application.ports.db.execute(statement)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit SET actor_id = room_id WHERE number = 2",
        'UPDATE audit SET details = \'{"role":"member"}\' WHERE number = 2',
        "UPDATE audit SET at = at - 1 WHERE number = 2",
        "DELETE FROM audit WHERE number = 2",
        "UPDATE audit SET number = 9 WHERE number = 2",
    ],
)
async def test_what_somebody_changed_behind_our_back_shows(sqlite_url: str, tampering: str) -> None:
    """Whoever may take the guards off the table still cannot make the digests fit."""
    async with Desk.open(sqlite_url) as desk:
        root, tom = await admin_of(desk), await desk.member("Tom")
        room = await tom.group()
        for name in "abc":
            await tom.call("PATCH", f"/rooms/{room}", json={"name": name})
        assert (await root.get("/audit/verify")).json()["intact"]
        db = desk.application.ports.db
        for guard in ("audit_kept", "audit_not_emptied"):
            await db.execute(f"DROP TRIGGER {guard}")
        await db.execute(tampering)
        found = (await root.get("/audit/verify")).json()
        assert (found["intact"], found["broken_at"]) == (False, 2)


async def test_an_end_that_was_cut_off_shows(sqlite_url: str) -> None:
    async with Desk.open(sqlite_url) as desk:
        root, tom = await admin_of(desk), await desk.member("Tom")
        room = await tom.group()
        for name in "abc":
            await tom.call("PATCH", f"/rooms/{room}", json={"name": name})
        db = desk.application.ports.db
        await db.execute("DROP TRIGGER audit_not_emptied")
        await db.execute("DELETE FROM audit WHERE number = 3")
        assert (await root.get("/audit/verify")).json()["broken_at"] == 3
