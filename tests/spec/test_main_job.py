"""The main job, through the doors of those who do it: the assistant helps a visitor, and a person where it cannot.

Visitors and agents speak over their sockets and ask over REST; nothing here knows how the desk does it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from deskbell.testing.desk import Desk, Line, settings_for

AS_SHIPPED = {"faq": {"enabled": True}, "escalation": {"enabled": True}}
QUESTION = "Can the visitor see private notes?"
UNKNOWN = "Which colour is the moon cheese of my grandmother?"


@pytest.fixture
async def desk(empty_sqlite_url: str) -> AsyncIterator[Desk]:
    async with Desk.open(empty_sqlite_url) as opened:
        yield opened


async def waiting_case(agent: Line) -> dict[str, Any]:
    return (await agent.find(lambda f: f["type"] == "case" and f["case"]["status"] == "waiting"))["case"]


async def test_a_visitor_is_helped_by_the_assistant_then_by_a_person_and_says_how_it_went(database_url: str) -> None:
    """The whole job, with the assistant that is shipped, on the manual that is shipped."""
    async with Desk.open(database_url, settings=settings_for(database_url, plugins=AS_SHIPPED)) as desk:
        maya, ana = await desk.visitor("Maya"), await desk.agent("Ana")
        async with maya.line() as visitor, ana.line() as agent:
            room = await maya.conversation()
            first = await visitor.subscribe(room)
            assert [m["content"] for m in first["messages"]] == ["Hello, I'm the assistant. What is it about?"]

            await visitor.says(room, QUESTION)
            answer = await visitor.find(lambda f: f["type"] == "message" and f["message"]["metadata"].get("sources"))
            source = answer["message"]["metadata"]["sources"][0]
            assert source["path"] == "explanation/private-notes.md", "every answer names the page it is from"
            assert answer["message"]["sender"]["kind"] == "bot"

            asked = await visitor.says(room, UNKNOWN)
            offer = await visitor.find(lambda f: f["type"] == "message" and f["message"]["metadata"].get("choices"))
            assert "don't want to guess" in offer["message"]["content"], "it says that it does not know"
            assert "person" in offer["message"]["metadata"]["choices"][0].lower(), "and offers one"

            assert (await visitor.ask({"type": "escalate", "room": room}))["type"] == "ok"
            case = await waiting_case(agent)
            packet = case["handover"]
            assert packet["question"] == {"text": UNKNOWN, "message": asked["id"]}
            tried = {part["message"]: part["text"] for part in packet["tried"]}
            assert answer["message"]["id"] in tried and offer["message"]["id"] in tried
            place = await visitor.wait("case", status="waiting")
            assert place["position"] == 1 and place["wait"][0] <= place["wait"][1]
            assert set(place) == {"type", "room", "status", "position", "wait"}

            claimed = await ana.post(f"/cases/{case['id']}/claim")
            assert claimed.status_code == 200 and claimed.json()["agent"] == ana.id
            await visitor.wait("case", status="assigned")
            note = await ana.post(f"/rooms/{room}/notes", {"text": "She means the blue one."})
            assert note.status_code == 201

            await agent.subscribe(room)
            await agent.says(room, "Hello Maya, it is blue.")
            await visitor.hears(room, "Hello Maya, it is blue.")
            await visitor.says(room, "Thank you, Ana.")
            await agent.hears(room, "Thank you, Ana.")

            assert (await ana.post(f"/cases/{case['id']}/resolve")).json()["status"] == "resolved"
            await visitor.wait("case", status="resolved")
            rated = await maya.post(f"/rooms/{room}/rating", {"rating": 5, "comment": "Quick."})
            assert rated.status_code == 200, rated.text
            assert (await ana.get(f"/cases/{case['id']}")).json()["rating"] == 5

            assert not any("blue one" in str(frame) for frame in visitor.frames), "notes are for colleagues"
            texts = visitor.heard(room)
            assert texts.count("Hello Maya, it is blue.") == 1
            said_after = texts[texts.index("Hello Maya, it is blue.") :]
            assert said_after == ["Hello Maya, it is blue.", "Thank you, Ana."], "the assistant kept silent"


async def test_an_agent_sees_the_case_at_once_without_asking(desk: Desk) -> None:
    maya, ana = await desk.visitor("Maya"), await desk.agent("Ana")
    async with maya.line() as visitor, ana.line() as agent:
        room = await maya.conversation()
        await visitor.subscribe(room)
        asked = await visitor.says(room, "My parcel is lost.")
        await visitor.hears(room, "You said: My parcel is lost.")
        answer = await maya.post(f"/rooms/{room}/escalate", {"reason": "asked_human"})
        assert answer.status_code == 200 and answer.json()["status"] == "waiting"

        case = await waiting_case(agent)

        assert (case["room"], case["reason"], case["team"]) == (room, "asked_human", "support")
        assert case["deadline_at"], "a case that waits has a deadline from the first moment"
        assert case["handover"]["question"]["message"] == asked["id"]
        queue = (await ana.get("/cases", params={"view": "queue"})).json()["items"]
        assert [item["id"] for item in queue] == [case["id"]] and queue[0]["position"] == 1


async def test_asking_for_a_person_in_ones_own_words_brings_one(empty_sqlite_url: str) -> None:
    """The rule that is shipped understands it, whatever the bot would have said."""
    settings = settings_for(empty_sqlite_url, plugins={"escalation": {"enabled": True}})
    async with Desk.open(empty_sqlite_url, settings=settings) as desk:
        maya, ana = await desk.visitor("Maya"), await desk.agent("Ana")
        async with maya.line() as visitor, ana.line() as agent:
            room = await maya.conversation()
            await visitor.subscribe(room)

            await visitor.says(room, "I want to talk to a real person, it is urgent")

            case = await waiting_case(agent)
            assert (case["reason"], case["priority"]) == ("asked_human", 1)
            assert "urgent" in case["handover"]["summary"]
            assert desk.bot.turns == [], "there was nothing to ask the bot"


async def test_two_questions_the_assistant_cannot_answer_bring_a_person(empty_sqlite_url: str) -> None:
    async with Desk.open(empty_sqlite_url, settings=settings_for(empty_sqlite_url, plugins=AS_SHIPPED)) as desk:
        maya, ana = await desk.visitor("Maya"), await desk.agent("Ana")
        async with maya.line() as visitor, ana.line() as agent:
            room = await maya.conversation()
            await visitor.subscribe(room)
            await visitor.says(room, UNKNOWN)
            await visitor.find(lambda f: f["type"] == "message" and f["message"]["metadata"].get("choices"))
            second = await visitor.says(room, "And what does the cheese sing about on Sundays?")

            case = await waiting_case(agent)

            assert case["reason"] == "not_understood"
            assert case["handover"]["facts"]["first_question"] == UNKNOWN
            assert case["handover"]["messages"] == [second["id"]], "what the packet says, it says of messages"
            assert "don't want to guess" in visitor.heard(room, kind="system")[-1], "the visitor is told"


async def test_handed_back_to_the_assistant_the_assistant_answers_again(desk: Desk) -> None:
    """And only to what is said from then on: what was said to Ana was not said to it."""
    maya, ana = await desk.visitor("Maya"), await desk.agent("Ana")
    async with maya.line() as visitor, ana.line() as agent:
        room = await maya.conversation()
        await visitor.subscribe(room)
        await visitor.ask({"type": "escalate", "room": room})
        case = await waiting_case(agent)
        await ana.post(f"/cases/{case['id']}/claim")
        await visitor.says(room, "This is for Ana only.")
        await visitor.says(room, "This too.")

        assert (await ana.post(f"/cases/{case['id']}/return", {"to": "bot"})).status_code == 200
        await visitor.says(room, "And this is for the assistant.")
        await visitor.hears(room, "You said: And this is for the assistant.")

        turn = desk.bot.turns[-1]
        assert [m.text for m in turn.messages] == ["And this is for the assistant."]
        assert "This is for Ana only." in [m.text for m in turn.history], "it has read what came before"
        assert any("handed you back to the assistant" in text for text in visitor.heard(room, kind="system"))


async def test_keep_my_place_and_go_on_with_the_assistant(desk: Desk) -> None:
    """Waiting is a state of the case: the visitor goes on with the assistant, and the agent joins all the same."""
    maya, ana = await desk.visitor("Maya"), await desk.agent("Ana")
    async with maya.line() as visitor, ana.line() as agent:
        room = await maya.conversation()
        await visitor.subscribe(room)
        await visitor.ask({"type": "escalate", "room": room})
        case = await waiting_case(agent)

        kept = await maya.post(f"/rooms/{room}/assistant")
        assert (kept.json()["status"], kept.json()["position"]) == ("waiting", 1), "the place is kept"
        await visitor.says(room, "Meanwhile: when do you open?")
        await visitor.hears(room, "You said: Meanwhile: when do you open?")
        assert [c["id"] for c in (await ana.get("/cases", params={"view": "bot"})).json()["items"]] == [case["id"]]

        claimed = await ana.post(f"/cases/{case['id']}/claim")
        assert claimed.status_code == 200
        await visitor.says(room, "Hello Ana")
        await agent.subscribe(room)
        await agent.says(room, "Hello Maya")
        await visitor.hears(room, "Hello Maya")
        assert "You said: Hello Ana" not in visitor.heard(room)


async def test_an_assistant_that_gives_up_while_the_visitor_keeps_their_place_does_not_fall_silent(desk: Desk) -> None:
    maya = await desk.visitor("Maya")
    async with maya.line() as visitor:
        room = await maya.conversation()
        await visitor.subscribe(room)
        await visitor.ask({"type": "escalate", "room": room})
        await maya.post(f"/rooms/{room}/assistant")
        desk.bot.escalates("not_understood", "I do not know that either.")

        await visitor.says(room, "Why is the sky so high?")

        await visitor.hears(room, "I do not know that either.")
        assert (await maya.get(f"/rooms/{room}/case")).json()["position"] == 1


async def test_transferred_to_a_team_the_case_waits_in_its_line_with_the_note(desk: Desk) -> None:
    maya, ana = await desk.visitor("Maya"), await desk.agent("Ana")
    tom = await desk.agent("Tom", teams=("billing",))
    async with maya.line() as visitor, ana.line() as agent:
        room = await maya.conversation()
        await visitor.subscribe(room)
        await visitor.ask({"type": "escalate", "room": room})
        case = await waiting_case(agent)
        await ana.post(f"/cases/{case['id']}/claim")

        moved = await ana.post(f"/cases/{case['id']}/transfer", {"team": "billing", "note": "It is about the invoice."})

        assert moved.status_code == 200, moved.text
        assert (moved.json()["status"], moved.json()["team"], moved.json()["agent"]) == ("waiting", "billing", None)
        queue = (await tom.get("/cases", params={"view": "queue"})).json()["items"]
        assert [item["id"] for item in queue] == [case["id"]]
        assert (await ana.get("/cases", params={"view": "queue"})).json()["items"] == [], "it is not her team's"
        backstage = (await tom.get(f"/rooms/{room}/backstage")).json()["id"]
        notes = (await tom.get(f"/rooms/{backstage}/messages")).json()["messages"]
        assert "It is about the invoice." in [m["content"] for m in notes]
        assert not any("invoice" in str(frame) for frame in visitor.frames)


async def test_transferred_to_a_colleague_the_colleague_answers(desk: Desk) -> None:
    maya, ana, tom = await desk.visitor("Maya"), await desk.agent("Ana"), await desk.agent("Tom")
    async with maya.line() as visitor, ana.line() as agent, tom.line() as other:
        room = await maya.conversation()
        await visitor.subscribe(room)
        await visitor.ask({"type": "escalate", "room": room})
        case = await waiting_case(agent)
        await ana.post(f"/cases/{case['id']}/claim")

        given = await ana.post(f"/cases/{case['id']}/transfer", {"agent": tom.id, "note": "Yours, I think."})

        assert (given.json()["status"], given.json()["agent"]) == ("assigned", tom.id)
        state = (await tom.get(f"/rooms/{room}")).json()
        assert state["owner"] == {"kind": "agent", "user": tom.id}
        await other.subscribe(room)
        await other.says(room, "Hello, this is Tom.")
        await visitor.hears(room, "Hello, this is Tom.")


async def test_a_resolved_case_is_reopened_by_an_agent_with_all_that_was_said(desk: Desk) -> None:
    maya, ana = await desk.visitor("Maya"), await desk.agent("Ana")
    async with maya.line() as visitor, ana.line() as agent:
        room = await maya.conversation()
        await visitor.subscribe(room)
        await visitor.ask({"type": "escalate", "room": room})
        case = await waiting_case(agent)
        await ana.post(f"/cases/{case['id']}/claim")
        await ana.post(f"/rooms/{room}/notes", {"text": "Be kind."})
        backstage = (await ana.get(f"/rooms/{room}/backstage")).json()["id"]
        await ana.post(f"/cases/{case['id']}/resolve")

        again = await ana.post(f"/cases/{case['id']}/reopen")

        assert (again.json()["status"], again.json()["agent"]) == ("assigned", ana.id)
        assert (await ana.get(f"/rooms/{room}")).json()["owner"] == {"kind": "agent", "user": ana.id}
        assert (await ana.get(f"/rooms/{room}/backstage")).json()["id"] == backstage, "the notes are still there"
        assert (await maya.post(f"/rooms/{room}/rating", {"rating": 3})).status_code == 409, "it is not over"


async def test_taking_a_conversation_over_silences_the_assistant(desk: Desk) -> None:
    maya, ana = await desk.visitor("Maya"), await desk.agent("Ana")
    async with maya.line() as visitor:
        room = await maya.conversation()
        await visitor.subscribe(room)
        desk.bot.answers("Too late.", after_s=0.5)
        await visitor.says(room, "It is broken.")
        await desk.until(lambda: desk.bot.turns)

        taken = await ana.post(f"/rooms/{room}/take-over")
        assert taken.status_code == 200 and taken.json()["agent"] == ana.id
        async with ana.line() as agent:
            await agent.subscribe(room)
            await agent.says(room, "Hello, this is Ana.")
        await visitor.hears(room, "Hello, this is Ana.")

        await desk.until(lambda: desk.application.edge.turns.discarded == 1)
        assert visitor.heard(room) == ["It is broken.", "Hello, this is Ana."]
        assert not any("asked a colleague" in text for text in visitor.heard(room, kind="system")), "nobody was asked"


async def test_where_there_is_no_assistant_the_bell_rings_at_once(empty_sqlite_url: str) -> None:
    """Nobody waits in a conversation that nobody hears of."""
    settings = settings_for(empty_sqlite_url, plugins={"scripted_bot": {"enabled": False}})
    async with Desk.open(empty_sqlite_url, settings=settings) as desk:
        maya, ana = await desk.visitor("Maya"), await desk.agent("Ana")
        async with ana.line() as agent:
            room = await maya.conversation()
            case = await waiting_case(agent)
            assert (case["room"], case["reason"]) == (room, "no_assistant")
            assert (await maya.get(f"/rooms/{room}/case")).json()["position"] == 1
            await ana.post(f"/cases/{case['id']}/claim")
            await ana.post(f"/cases/{case['id']}/resolve")
            async with maya.line() as visitor:
                asked = await visitor.says(room, "One more thing")
                again = await agent.find(lambda f: f["type"] == "case" and f["case"]["id"] != case["id"])
                assert again["case"]["handover"]["question"]["message"] == asked["id"]
                assert (await maya.get(f"/rooms/{room}/case")).json()["position"] == 1


async def test_a_site_is_answered_by_the_assistant_it_names(empty_sqlite_url: str) -> None:
    settings = settings_for(empty_sqlite_url, plugins={"faq": {"enabled": True}})
    site = settings.tenants[0].sites[0]
    named = replace(settings.tenants[0], sites=(replace(site, bot="scripted"),))
    async with Desk.open(empty_sqlite_url, settings=replace(settings, tenants=(named,))) as desk:
        maya, ana = await desk.visitor("Maya"), await desk.agent("Ana")
        async with maya.line() as visitor:
            room = await maya.conversation()
            await visitor.subscribe(room)
            await visitor.says(room, "Hello?")
            await visitor.hears(room, "You said: Hello?")
            case = (await ana.post(f"/rooms/{room}/take-over")).json()
            await ana.post(f"/cases/{case['id']}/return", {"to": "bot"})
            await visitor.says(room, "Are you still the same?")
            await visitor.hears(room, "You said: Are you still the same?")
