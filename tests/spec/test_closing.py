"""How a conversation ends, begins again, and is forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from deskbell.testing.desk import Desk, Person, settings_for

SECRET = "closing-canary-5150"


def settings(url: str, **policy: Any) -> Any:
    return settings_for(
        url, auth={"access_token_s": 86_400}, jobs={"tick_s": 3600.0}, channels={"support": policy} if policy else {}
    )


@pytest.fixture
async def desk(empty_sqlite_url: str) -> AsyncIterator[Desk]:
    async with Desk.open(empty_sqlite_url, settings=settings(empty_sqlite_url)) as opened:
        yield opened


async def archived(person: Person, room: str) -> bool:
    return bool((await person.get(f"/rooms/{room}")).json()["archived"])


async def stored_with(desk: Desk, canary: str) -> list[str]:
    """The tables in which a text still stands, anywhere."""
    db = desk.application.ports.db
    tables = await db.fetch(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        # The search index keeps no texts; its words are looked for as words.
        " AND sql NOT LIKE 'CREATE VIRTUAL %'"
    )
    words = await db.fetch("SELECT term FROM message_words_known")
    indexed = ["message_words"] if any(row["term"] == canary.rpartition("-")[2] for row in words) else []
    return indexed + [
        table["name"]
        for table in tables
        if any(canary in str(list(dict(row).values())) for row in await db.fetch(f"SELECT * FROM {table['name']}"))
    ]


async def test_a_conversation_without_a_word_for_an_hour_is_closed_and_says_so(desk: Desk) -> None:
    maya = await desk.visitor()
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        await line.says(room, "Thanks")
        await line.hears(room, "You said: Thanks")
        await desk.advance(3590)
        assert not await archived(maya, room)
        await desk.advance(20)
        assert await archived(maya, room)
        assert line.heard(room, kind="system") == ["This conversation was closed."]
        await desk.advance(3600)
        assert line.heard(room, kind="system") == ["This conversation was closed."], "once"


@pytest.mark.parametrize("who", ["visitor", "agent"])
async def test_every_word_puts_the_closing_off(desk: Desk, who: str) -> None:
    maya, ana = await desk.visitor(), await desk.agent()
    async with maya.line() as visitor, ana.line() as agent:
        room = await maya.conversation()
        await ana.post(f"/rooms/{room}/join")
        for _ in range(3):
            await desk.advance(3000)
            await (visitor if who == "visitor" else agent).says(room, "one more thing")
        await desk.advance(3000)
        assert not await archived(maya, room)


async def test_a_conversation_is_not_closed_while_its_case_is_open(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent()
    async with ana.line() as agent:
        room = await maya.conversation()
        case = (await ana.post(f"/rooms/{room}/take-over")).json()["id"]
        await agent.says(room, "I will look into it.")
        for _ in range(5):
            await desk.advance(3601)
            assert not await archived(maya, room)
        await ana.post(f"/cases/{case}/resolve")
        await desk.advance(3601)
        assert await archived(maya, room)


@pytest.mark.parametrize("door", ["socket", "rest"])
async def test_a_visitor_who_writes_within_the_window_opens_it_again(desk: Desk, door: str) -> None:
    maya = await desk.visitor()
    async with maya.line() as line:
        room = await maya.conversation()
        await desk.advance(3601)
        assert await archived(maya, room)
        await desk.advance(70_000)
        await line.subscribe(room)
        if door == "socket":
            await line.says(room, "I am back.")
        else:
            assert (await maya.post(f"/rooms/{room}/messages", {"content": "I am back."})).status_code == 201
        assert not await archived(maya, room)
        await line.hears(room, "You said: I am back.")
        assert await maya.conversation() == room
        await desk.advance(3601)
        assert await archived(maya, room), "and it closes as it did before"


async def test_too_late_the_visitor_is_told_to_begin_anew_and_can(empty_sqlite_url: str) -> None:
    async with Desk.open(empty_sqlite_url, settings=settings(empty_sqlite_url, reopen_window_s=1000)) as desk:
        maya = await desk.visitor()
        async with maya.line() as line:
            room = await maya.conversation()
            await desk.advance(3601)
            await desk.advance(1001)
            refused = await line.ask({"type": "send", "room": room, "content": "Hello?", "client_id": "late"})
            assert (refused["code"], refused["temporary"]) == ("room_closed", False)
            assert "Open a new one" in refused["message"]
            over_rest = await maya.post(f"/rooms/{room}/messages", {"content": "Hello?"})
            assert (over_rest.status_code, over_rest.json()["error"]["code"]) == (410, "room_closed")
            assert (await maya.post(f"/rooms/{room}/escalate")).status_code == 410
            fresh = await maya.conversation()
            assert fresh != room
            await line.subscribe(fresh)
            await line.says(fresh, "Hello?")
            await line.hears(fresh, "You said: Hello?")


async def test_only_the_visitor_opens_their_conversation_again_by_writing(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent()
    async with ana.line() as agent:
        room = await maya.conversation()
        await ana.post(f"/rooms/{room}/join")
        await desk.advance(3601)
        refused = await agent.ask({"type": "send", "room": room, "content": "Hello?", "client_id": "x"})
        assert refused["code"] == "room_closed"
        assert await archived(maya, room)


async def test_an_agent_who_reopens_a_case_opens_its_conversation_which_closes_in_time(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent()
    room = await maya.conversation()
    case = (await ana.post(f"/rooms/{room}/take-over")).json()["id"]
    await ana.post(f"/cases/{case}/resolve")
    await desk.advance(3601)
    assert await archived(maya, room)
    assert (await ana.post(f"/cases/{case}/reopen")).status_code == 200
    assert not await archived(maya, room)
    await ana.post(f"/cases/{case}/resolve")
    await desk.advance(3601)
    assert await archived(maya, room)


async def a_conversation_full_of(desk: Desk, maya: Person, ana: Person, canary: str) -> tuple[str, str]:
    """With what somebody wrote in every place where that is kept: room and case."""
    from deskbell.contracts import Escalate, Say, SetState

    async def script(turn: Any) -> Any:
        yield SetState({"noted": turn.text})
        yield Say(f"You said: {turn.text}")
        if len(turn.messages) > 1 or "person" in turn.text:
            yield Escalate("asked", summary=turn.text, facts={"asked": turn.text})

    desk.bot.script = script
    async with maya.line() as line, ana.line() as agent:
        room = await maya.conversation(page=f"https://shop.example/{canary}")
        await line.subscribe(room)
        first = await line.says(room, f"{canary} first")
        await line.hears(room, f"You said: {canary} first")
        await line.ask({"type": "edit", "message": first["id"], "content": f"{canary} edited"})
        await line.ask({"type": "react", "message": first["id"], "emoji": "👍"})
        await line.says(room, f"{canary} a person please")
        case = (await agent.wait("case"))["case"]["id"]
        await ana.post(f"/rooms/{room}/notes", {"text": f"{canary} note"})
        said = (await maya.post(f"/rooms/{room}/messages", {"content": f"{canary} without a socket"})).json()["id"]
        await ana.post(f"/messages/{said}/report", {"reason": "rude", "comment": f"{canary} she said"})
        assert await traced(desk) > 0
        return room, case


async def traced(desk: Desk) -> int:
    """How many messages something is kept of, beside themselves."""
    return int(await desk.application.ports.db.fetchval("SELECT count(*) FROM traces"))


async def test_what_lives_for_a_fixed_time_is_gone_after_it_whatever_happens(empty_sqlite_url: str) -> None:
    """All of it: messages, notes, revisions, what the bot noted and the hand-over packet; and everybody is told."""
    async with Desk.open(empty_sqlite_url, settings=settings(empty_sqlite_url, delete_after_s=3600)) as desk:
        maya, ana = await desk.visitor(), await desk.agent()
        room, case = await a_conversation_full_of(desk, maya, ana, SECRET)
        backstage = (await ana.get(f"/rooms/{room}/backstage")).json()["id"]
        assert {"messages", "message_words", "revisions", "bot_states", "cases", "reports"} <= set(
            await stored_with(desk, SECRET)
        )
        async with maya.line() as line, ana.line() as agent:
            before = await line.subscribe(room)
            await agent.subscribe(backstage)
            await desk.advance(1800)
            await line.says(room, "This does not put it off.")
            assert SECRET in str((await maya.get(f"/rooms/{room}/messages")).json())

            await desk.advance(1801)
            await desk.application.jobs.tips()

            assert await stored_with(desk, SECRET) == [] and await traced(desk) == 0
            reset = await line.wait("reset", room=room)
            assert reset["epoch"] != before["epoch"]
            await agent.wait("reset", room=backstage)
            again = await line.subscribe(room)
            assert (again["messages"], again["epoch"]) == ([], reset["epoch"])
            assert again["floor"] > before["seq"]
            changed = (
                await maya.get(f"/rooms/{room}/changes", params={"since": before["seq"], "epoch": before["epoch"]})
            ).json()
            assert changed["type"] == "reset"
            assert (await ana.get(f"/cases/{case}")).json()["status"] == "resolved", "nobody waits in what is gone"
            refused = await line.ask({"type": "send", "room": room, "content": "Hello?", "client_id": "c"})
            assert refused["code"] == "room_closed", "it would be kept for ever"
            assert (await ana.post(f"/cases/{case}/reopen")).status_code == 410


async def test_what_is_kept_for_a_time_after_closing_is_gone_after_that_and_not_before(empty_sqlite_url: str) -> None:
    async with Desk.open(empty_sqlite_url, settings=settings(empty_sqlite_url, retention_s=7200)) as desk:
        maya, ana = await desk.visitor(), await desk.agent()
        _, case = await a_conversation_full_of(desk, maya, ana, SECRET)
        await ana.post(f"/cases/{case}/claim")
        await ana.post(f"/cases/{case}/resolve")
        # Another one that no person was in, so that no case holds what was thought of it.
        alone = await maya.conversation(new=True)
        await maya.post(f"/rooms/{alone}/end")
        rated = await maya.post(f"/rooms/{alone}/rating", {"rating": 1, "comment": f"{SECRET} no help"})
        assert rated.status_code == 200
        await desk.advance(3601)
        await desk.advance(7100)
        assert {"messages", "rooms"} <= set(await stored_with(desk, SECRET))
        await desk.advance(200)
        assert await stored_with(desk, SECRET) == []
        kept = (await ana.get(f"/cases/{case}")).json()
        assert (kept["status"], kept["handover"]) == ("resolved", None), "that there was a case stays"


async def test_when_somebody_read_is_forgotten_with_what_they_read(empty_sqlite_url: str) -> None:
    policy = {"delete_after_s": 3600, "receipts": "timed"}
    async with Desk.open(empty_sqlite_url, settings=settings(empty_sqlite_url, **policy)) as desk:
        maya = await desk.visitor()
        room = await maya.conversation()
        said = (await maya.post(f"/rooms/{room}/messages", {"content": "Hello"})).json()
        await maya.post(f"/rooms/{room}/read", {"seq": said["seq"]})
        moves = "SELECT count(*) FROM read_moves"
        assert await desk.application.ports.db.fetchval(moves) > 0
        await desk.advance(3601)
        await desk.application.jobs.tips()
        assert await desk.application.ports.db.fetchval(moves) == 0


async def test_rooms_of_a_kind_that_is_switched_off_keep_none_from_closing(desk: Desk) -> None:
    """However many of them are due."""
    maya = await desk.visitor()
    room = await maya.conversation()
    db = desk.application.ports.db
    await db.execute(
        "INSERT INTO rooms (tenant_id, id, channel_type, created_at, changed_at, active_at, due_at)"
        " SELECT tenant_id, lower(hex(randomblob(4)) || '-0000-7000-8000-' || hex(randomblob(6))), 'gone', 0, 0, 0, n"
        " FROM rooms, (WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < 150) SELECT n FROM k)"
        " WHERE id = $1",
        room,
    )
    await desk.advance(3601)
    await desk.tick()
    assert await archived(maya, room)
