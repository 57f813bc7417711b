"""Hand-over: from the assistant to a person, from hand to hand, and that nobody answers who no longer may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deskbell.actions import cases, voices
from deskbell.actions import people as people_actions
from deskbell.model.records import Actor
from deskbell.testing.desk import Desk, Line, Person


@pytest.fixture
async def desk(empty_sqlite_url: str) -> AsyncIterator[Desk]:
    async with Desk.open(empty_sqlite_url) as opened:
        yield opened


async def actor(person: Person) -> Actor:
    return await people_actions.authenticate(person.desk.application.ports, person.token)


async def a_waiting_case(maya: Person, line: Line) -> tuple[str, str]:
    """The room and the id of its case."""
    room = await maya.conversation()
    await line.subscribe(room)
    assert (await line.ask({"type": "escalate", "room": room}))["type"] == "ok"
    row = await maya.desk.application.ports.db.fetchrow("SELECT id FROM cases WHERE room_id = $1", room)
    assert row is not None
    return room, row["id"]


async def test_of_agents_who_claim_at_once_exactly_one_wins_and_the_others_hear_who(database_url: str) -> None:
    async with Desk.open(database_url) as desk:
        maya = await desk.visitor()
        agents = [await desk.agent(f"Agent {n}") for n in range(6)]
        async with maya.line() as line:
            room, case = await a_waiting_case(maya, line)
            answers = await asyncio.gather(*(agent.post(f"/cases/{case}/claim") for agent in agents))

            won = [answer.json() for answer in answers if answer.status_code == 200]
            lost = [answer.json()["error"] for answer in answers if answer.status_code == 409]
            assert (len(won), len(lost)) == (1, 5)
            assert {error["code"] for error in lost} == {"already_claimed"}
            assert {error["details"]["agent"] for error in lost} == {won[0]["agent"]}
            state = (await maya.get(f"/rooms/{room}")).json()
            assert state["owner"] == {"kind": "agent", "user": won[0]["agent"]}
            joined = [text for text in line.heard(room, kind="system") if "joined" in text]
            assert len(joined) == 1


async def test_asking_for_a_person_again_and_at_once_opens_one_case(database_url: str) -> None:
    async with Desk.open(database_url) as desk:
        maya = await desk.visitor()
        async with maya.line() as line:
            room = await maya.conversation()
            await line.subscribe(room)
            asked = [maya.post(f"/rooms/{room}/escalate") for _ in range(5)]
            answers = await asyncio.gather(line.ask({"type": "escalate", "room": room}), *asked)
            assert answers[0]["type"] == "ok" and {a.status_code for a in answers[1:]} == {200}
            assert await desk.application.ports.db.fetchval("SELECT count(*) FROM cases") == 1
            assert len(line.heard(room, kind="system")) == 1, "and the visitor is told once"


async def test_an_answer_that_is_ready_just_after_somebody_took_the_case_is_not_stored(database_url: str) -> None:
    """The bot is done, the agent commits first: the answer is refused, whole, with its state and its sources."""
    async with Desk.open(database_url) as desk:
        maya, ana = await desk.visitor(), await desk.agent()
        engine, agent = desk.application.edge.turns, await actor(ana)
        original = engine._store

        async def store(*args: Any) -> None:
            await cases.take_over(desk.application.ports, agent, args[1].id)
            await original(*args)

        engine._store = store  # type: ignore[method-assign]
        async with maya.line() as line:
            room = await maya.conversation()
            await line.subscribe(room)
            await line.says(room, "Well?")
            await desk.until(lambda: engine.discarded == 1)
            stored = (await maya.get(f"/rooms/{room}/messages")).json()["messages"]
            assert [m["content"] for m in stored if m["kind"] == "text"] == ["Well?"]


@pytest.mark.parametrize("back", ["queue", "bot", "team", "agent", "resolve"])
async def test_every_change_of_hands_raises_the_owner_version(desk: Desk, back: str) -> None:
    maya, ana, tom = await desk.visitor(), await desk.agent("Ana"), await desk.agent("Tom")
    async with maya.line() as line:
        room, case = await a_waiting_case(maya, line)
        versions = [(await maya.get(f"/rooms/{room}")).json()["owner_version"]]
        assert versions == [2], "the hand-over itself was one"
        await ana.post(f"/cases/{case}/claim")
        versions.append((await maya.get(f"/rooms/{room}")).json()["owner_version"])
        body: dict[str, Any] = {
            "queue": ("return", {"to": "queue"}),
            "bot": ("return", {"to": "bot"}),
            "team": ("transfer", {"team": "billing"}),
            "agent": ("transfer", {"agent": tom.id}),
            "resolve": ("resolve", {}),
        }
        verb, given = body[back]
        assert (await ana.post(f"/cases/{case}/{verb}", given)).status_code == 200
        state = (await maya.get(f"/rooms/{room}")).json()
        versions.append(state["owner_version"])
        assert versions == [2, 3, 4]
        expected = {"queue": "nobody", "bot": "bot", "team": "nobody", "agent": "agent", "resolve": "bot"}
        assert state["owner"]["kind"] == expected[back]
        # Done again it changes nothing, and is not announced again.
        said = len(line.heard(room, kind="system"))
        await ana.post(f"/cases/{case}/{verb}", given)
        again = (await maya.get(f"/rooms/{room}")).json()
        assert again["owner_version"] == 4 and again["changed_seq"] == state["changed_seq"]
        assert len(line.heard(room, kind="system")) == said


async def test_asking_for_a_person_while_the_assistant_writes_ends_its_answer(desk: Desk) -> None:
    maya = await desk.visitor()
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        desk.bot.streams(*(["words "] * 100), pause_s=0.02)
        asked = await line.says(room, "Where is my parcel?")
        await line.wait("delta")

        await line.ask({"type": "escalate", "room": room})

        await desk.until(lambda: desk.application.edge.turns.discarded == 1)
        row = await desk.application.ports.db.fetchrow("SELECT id FROM cases WHERE room_id = $1", room)
        assert row is not None
        ana = await desk.agent()
        packet = (await ana.get(f"/cases/{row['id']}")).json()["handover"]
        assert packet["question"] == {"text": "Where is my parcel?", "message": asked["id"]}
        assert line.heard(room) == ["Where is my parcel?"]


async def test_an_agent_answers_as_owner_or_after_joining_and_not_over_a_colleagues_head(desk: Desk) -> None:
    maya, ana, tom = await desk.visitor(), await desk.agent("Ana"), await desk.agent("Tom")
    async with maya.line() as line, tom.line() as other:
        room, case = await a_waiting_case(maya, line)
        await ana.post(f"/cases/{case}/claim")
        await other.subscribe(room)
        refused = await other.ask({"type": "send", "room": room, "content": "Me too"})
        assert refused["code"] == "not_owner", "reading along is not taking part"
        assert (await tom.post(f"/rooms/{room}/join")).status_code == 200
        await other.says(room, "Me too")
        await line.hears(room, "Me too")


async def test_a_reply_written_before_the_conversation_changed_hands_is_refused_if_it_says_so(desk: Desk) -> None:
    maya, ana, tom = await desk.visitor(), await desk.agent("Ana"), await desk.agent("Tom")
    async with maya.line() as line, ana.line() as agent:
        room, case = await a_waiting_case(maya, line)
        await ana.post(f"/cases/{case}/claim")
        version = (await agent.subscribe(room))["state"]["owner_version"]
        await ana.post(f"/cases/{case}/transfer", {"agent": tom.id})
        late = {"type": "send", "room": room, "content": "Late", "expect": {"owner_version": version}}
        refused = await agent.ask(late)
        assert (refused["code"], refused["details"]["owner_version"]) == ("expectation_failed", version + 1)
        assert "Late" not in line.heard(room)


async def test_handing_over_takes_one_commit_so_nobody_sees_half_of_it(desk: Desk) -> None:
    """Owner, case and what the visitor reads change together or not at all."""
    maya = await desk.visitor()
    async with maya.line() as line:
        room = await maya.conversation()
        await line.subscribe(room)
        before = (await maya.get(f"/rooms/{room}")).json()
        original = voices.say_event

        async def fails(*args: Any, **facts: Any) -> None:
            await original(*args, **facts)
            raise RuntimeError("in the middle of it")

        voices.say_event = fails
        try:
            answer = await maya.post(f"/rooms/{room}/escalate")
        finally:
            voices.say_event = original
        assert answer.status_code == 500
        db = desk.application.ports.db
        assert (await maya.get(f"/rooms/{room}")).json() == before
        assert await db.fetchval("SELECT count(*) FROM cases") == 0
        assert await db.fetchval("SELECT count(*) FROM rooms WHERE backstage_of IS NOT NULL") == 0
        assert line.heard(room, kind="system") == []


async def test_a_hand_over_to_a_team_that_does_not_exist_goes_to_one_that_does(desk: Desk) -> None:
    """In the line of a team that nobody is in, nobody would look."""
    from deskbell.contracts import BotEvent, Escalate, Turn

    async def script(turn: Turn) -> AsyncIterator[BotEvent]:
        yield Escalate("legal", team="department-of-typing-errors", priority=99)

    desk.bot.script = script
    maya, ana = await desk.visitor(), await desk.agent()
    async with maya.line() as line, ana.line() as agent:
        room = await maya.conversation()
        await line.subscribe(room)
        await line.says(room, "Well?")
        case = (await agent.wait("case"))["case"]
        assert (case["team"], case["priority"]) == ("support", 2)


async def test_what_the_visitor_deletes_is_gone_from_the_packet_and_from_the_bots_notes(desk: Desk) -> None:
    """Also where others have put it in words of their own."""
    from deskbell.contracts import BotEvent, Escalate, Say, SetState, Turn

    async def script(turn: Turn) -> AsyncIterator[BotEvent]:
        noted = turn.state.get("question", "")
        if noted:
            yield Escalate("lost", summary=f"First: {noted}", facts={"asked": noted})
        else:
            yield SetState({"question": turn.text})
            yield Say("Hm.")

    desk.bot.script = script
    maya, ana = await desk.visitor(), await desk.agent()
    async with maya.line() as line, ana.line() as agent:
        room = await maya.conversation()
        await line.subscribe(room)
        first = await line.says(room, "My card is 4111-CANARY")
        await line.hears(room, "Hm.")
        await line.says(room, "Hello?")
        case = (await agent.wait("case"))["case"]
        assert "CANARY" in case["handover"]["summary"] and "CANARY" in str(case["handover"]["facts"])

        assert (await line.ask({"type": "delete", "message": first["id"]}))["type"] == "ack"

        seen = (await ana.get(f"/cases/{case['id']}")).text
        assert "CANARY" not in seen
        told = await agent.find(lambda f: f["type"] == "case" and f["case"]["version"] > case["version"])
        assert "CANARY" not in str(told), "and the agents are told so at once"
        row = await desk.application.ports.db.fetchrow("SELECT state FROM bot_states WHERE room_id = $1", room)
        assert row is not None and "CANARY" not in row["state"]
