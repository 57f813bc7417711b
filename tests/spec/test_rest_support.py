"""Support over REST: a conversation, a person asked for, the case through all hands, a rating, notes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from deskbell.ids import new_id
from deskbell.testing.desk import Desk, Person


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


async def texts(person: Person, room: str) -> list[str]:
    found = (await person.get(f"/rooms/{room}/messages", params={"limit": 100})).json()["messages"]
    return [message["content"] for message in found]


async def escalated(desk: Desk) -> tuple[Person, str, Person, str]:
    """A visitor who asked for a person, their room, an agent, the case."""
    maya, ana = await desk.visitor(), await desk.agent("Ana")
    room = await maya.conversation()
    assert (await maya.post(f"/rooms/{room}/escalate")).status_code == 200
    case = (await ana.get(f"/rooms/{room}")).json()["case"]
    assert case is not None
    return maya, room, ana, case


async def test_a_visitor_has_one_conversation_until_they_want_another(desk: Desk) -> None:
    maya = await desk.visitor("Maya")
    first = await maya.post("/support/conversations", {"page": "https://shop.example/cart"})
    assert first.status_code == 201
    room = first.json()
    assert room["channel_type"] == "support" and room["owner"]["kind"] == "bot"
    same = await maya.post("/support/conversations")
    assert same.status_code == 200 and same.json()["id"] == room["id"]
    other = await maya.post("/support/conversations", {"new": True})
    assert other.status_code == 201
    listed = (await maya.get("/support/conversations")).json()["items"]
    assert [item["id"] for item in listed] == [other.json()["id"], room["id"]]
    page = (await maya.get("/support/conversations", params={"limit": 1})).json()
    rest = (await maya.get("/support/conversations", params={"limit": 1, "cursor": page["next_cursor"]})).json()
    assert [page["items"][0]["id"], rest["items"][0]["id"]] == [item["id"] for item in listed]
    for wrong in ({"channel_type": "group"}, {"customer": "x"}, {"owner": "agent"}, {"new": 1}):
        assert (await maya.post("/support/conversations", wrong)).status_code == 422


async def test_agents_answer_conversations_and_see_those_of_their_tenant(desk: Desk) -> None:
    """By who answers in them; another tenant's are not among them, a visitor's own list holds their own."""
    maya, ana = await desk.visitor(), await desk.agent("Ana")
    with_bot, waiting = await maya.conversation(), await maya.conversation(new=True)
    await maya.post(f"/rooms/{waiting}/escalate")
    assert (await ana.post("/support/conversations")).status_code == 403

    async def seen(person: Person, **query: Any) -> set[str]:
        found = await person.get("/support/conversations", params={"limit": 100, **query})
        return {item["id"] for item in found.json()["items"]}

    assert with_bot in await seen(ana, owner="bot") and waiting not in await seen(ana, owner="bot")
    assert waiting in await seen(ana, owner="nobody")
    assert {with_bot, waiting} <= await seen(ana)
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    assert await seen(eve) == set()
    assert await seen(await desk.visitor()) == set()
    assert (await ana.get("/support/conversations", params={"owner": "me"})).status_code == 422


async def test_a_visitor_asks_for_a_person_and_learns_their_place(desk: Desk) -> None:
    """Asking again changes nothing; what they learn is their place, never the agents' packet."""
    maya, room, ana, case = await escalated(desk)
    told = (await maya.get(f"/rooms/{room}/case")).json()
    assert told["status"] == "waiting" and told["position"] >= 1 and len(told["wait"]) == 2
    assert told.keys() <= {"type", "room", "status", "position", "wait"}
    again = await maya.post(f"/rooms/{room}/escalate", {"reason": "please"})
    assert again.status_code == 200 and again.json().keys() <= {"type", "room", "status", "position", "wait"}
    assert (await ana.get(f"/rooms/{room}")).json()["case"] == case
    whole = (await ana.get(f"/cases/{case}")).json()
    assert whole["handover"]["reason"] and whole["status"] == "waiting"
    for path in (f"/cases/{case}", "/cases?view=all"):
        assert (await maya.get(path)).status_code == 404
    stranger = await desk.visitor("Sam")
    assert (await stranger.get(f"/rooms/{room}/case")).status_code == 404
    assert (await maya.get(f"/rooms/{await maya.conversation(new=True)}/case")).json()["status"] == "none"


async def test_a_visitor_keeps_their_place_and_goes_on_with_the_assistant(desk: Desk) -> None:
    maya, room, ana, case = await escalated(desk)
    kept = await maya.post(f"/rooms/{room}/assistant")
    assert kept.status_code == 200 and kept.json()["status"] == "waiting"
    assert (await maya.get(f"/rooms/{room}")).json()["owner"]["kind"] == "bot"
    waiting = (await ana.get("/cases", params={"view": "bot", "limit": 100})).json()["items"]
    assert case in {item["id"] for item in waiting}
    assert (await ana.post(f"/rooms/{room}/assistant")).status_code == 403
    await ana.post(f"/cases/{case}/claim")
    late = await maya.post(f"/rooms/{room}/assistant")
    assert late.status_code == 409


async def test_of_two_agents_exactly_one_gets_the_case(desk: Desk) -> None:
    maya, room, ana, case = await escalated(desk)
    ben = await desk.agent("Ben")
    answers = await asyncio.gather(ana.post(f"/cases/{case}/claim"), ben.post(f"/cases/{case}/claim"))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    winner, loser = (ana, ben) if answers[0].status_code == 200 else (ben, ana)
    refused = next(answer.json()["error"] for answer in answers if answer.status_code == 409)
    assert refused["code"] == "already_claimed" and refused["details"]["agent"] == winner.id
    assert (await winner.post(f"/cases/{case}/claim")).status_code == 200
    assert (await maya.get(f"/rooms/{room}")).json()["owner"] == {"kind": "agent", "user": winner.id}
    assert (await maya.get(f"/rooms/{room}/case")).json()["status"] == "assigned"
    assert (await winner.post(f"/rooms/{room}/messages", {"content": "Hello, I am here."})).status_code == 201
    over = await loser.post(f"/rooms/{room}/messages", {"content": "Me too"})
    assert over.status_code == 403 and over.json()["error"]["code"] == "not_owner"


async def test_an_agent_takes_over_what_nobody_escalated(desk: Desk) -> None:
    maya, ana, ben = await desk.visitor(), await desk.agent("Ana"), await desk.agent("Ben")
    room = await maya.conversation()
    assert (await maya.post(f"/rooms/{room}/take-over")).status_code == 403
    taken = await ana.post(f"/rooms/{room}/take-over")
    assert taken.status_code == 200 and taken.json()["agent"] == ana.id and taken.json()["status"] == "assigned"
    assert (await ana.post(f"/rooms/{room}/take-over")).json() == taken.json()
    assert (await ben.post(f"/rooms/{room}/take-over")).status_code == 409
    group = await (await desk.member("Tom")).group(ana)
    assert (await ana.post(f"/rooms/{group}/take-over")).status_code == 409


async def test_a_case_goes_from_hand_to_hand(desk: Desk) -> None:
    """Transferred with a note, returned, snoozed, resolved, reopened; the visitor never sees the note."""
    maya, room, ana, case = await escalated(desk)
    ben = await desk.agent("Ben", teams=("billing",))
    await ana.post(f"/cases/{case}/claim")
    moved = await ana.post(f"/cases/{case}/transfer", {"agent": ben.id, "note": "She is a VIP"})
    assert moved.status_code == 200 and moved.json()["agent"] == ben.id
    moved = await ben.post(f"/cases/{case}/transfer", {"team": "billing"})
    assert (moved.json()["status"], moved.json()["team"], moved.json()["agent"]) == ("waiting", "billing", None)
    await ben.post(f"/cases/{case}/claim")
    until = (desk.clock.now() + timedelta(hours=1)).isoformat()
    snoozed = await ben.post(f"/cases/{case}/snooze", {"until": until})
    assert snoozed.json()["status"] == "snoozed"
    past = (desk.clock.now() - timedelta(hours=1)).isoformat()
    assert (await ben.post(f"/cases/{case}/snooze", {"until": past})).status_code == 409
    back = await ben.post(f"/cases/{case}/return", {"to": "queue"})
    assert back.json()["status"] == "waiting"
    await ben.post(f"/cases/{case}/claim")
    for _ in range(2):
        assert (await ben.post(f"/cases/{case}/resolve")).json()["status"] == "resolved"
    assert (await ben.post(f"/cases/{case}/claim")).status_code == 410
    reopened = await ben.post(f"/cases/{case}/reopen")
    assert reopened.json()["status"] == "assigned" and reopened.json()["agent"] == ben.id
    ended = await ben.post(f"/cases/{case}/return", {"to": "bot"})
    assert ended.json()["status"] == "resolved"
    assert (await maya.get(f"/rooms/{room}")).json()["owner"]["kind"] == "bot"
    everything = await maya.get(f"/rooms/{room}/changes?since=0")
    assert "VIP" not in everything.text and not any("VIP" in text for text in await texts(maya, room))
    for verb, wrong in (
        ("transfer", {}),
        ("transfer", {"team": "billing", "agent": ben.id}),
        ("transfer", {"team": "no-such-team"}),
        ("transfer", {"agent": maya.id}),
        ("transfer", {"agent": new_id()}),
        ("return", {"to": "sender"}),
        ("snooze", {"until": "tomorrow"}),
        ("snooze", {"until": "2030-01-01T10:00:00"}),
        ("claim", {"agent": ana.id}),
        ("assign", {}),
    ):
        assert (await ben.post(f"/cases/{case}/{verb}", wrong)).status_code == 422, (verb, wrong)


async def test_supervisors_hand_out_cases_and_agents_take_their_own(desk: Desk) -> None:
    _, _, ana, case = await escalated(desk)
    lead, ben = await desk.agent("Lea", role="supervisor"), await desk.agent("Ben")
    assert (await ana.post(f"/cases/{case}/assign", {"agent": ben.id})).status_code == 403
    assert (await lead.post(f"/cases/{case}/assign", {"agent": ben.id})).json()["agent"] == ben.id
    assert (await ana.post(f"/cases/{case}/assign", {"agent": ana.id})).status_code == 409


async def test_a_priority_is_changed_only_on_the_case_one_has_seen(desk: Desk) -> None:
    _, _, ana, case = await escalated(desk)
    version = (await ana.get(f"/cases/{case}")).json()["version"]
    changed = await ana.call("PATCH", f"/cases/{case}", json={"priority": 2, "version": version})
    assert changed.json()["priority"] == 2 and changed.json()["version"] > version
    stale = await ana.call("PATCH", f"/cases/{case}", json={"priority": 0, "version": version})
    assert stale.status_code == 412 and stale.json()["error"]["details"]["version"] == changed.json()["version"]
    for forged in ({"priority": 3}, {"status": "resolved"}, {"agent": ana.id}, {"handover": {}}, {"priority": "2"}):
        assert (await ana.call("PATCH", f"/cases/{case}", json=forged)).status_code == 422
    assert (await ana.get(f"/cases/{case}")).json()["priority"] == 2


async def test_the_queue_is_ones_teams_and_is_walked_page_by_page(desk: Desk) -> None:
    cases = {(await escalated(desk))[3] for _ in range(3)}
    ana, biller = await desk.agent("Ana"), await desk.agent("Bill", teams=("billing",))

    async def walked(person: Person, view: str) -> list[str]:
        seen: list[str] = []
        cursor: str | None = None
        while True:
            query = {"view": view, "limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = (await person.get("/cases", params=query)).json()
            seen += [case["id"] for case in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return seen

    queue = await walked(ana, "queue")
    assert cases <= set(queue) and len(queue) == len(set(queue))
    assert not cases & set(await walked(biller, "queue"))
    assert cases <= set(await walked(biller, "all"))
    assert await walked(ana, "mine") == []
    await ana.post(f"/cases/{min(cases)}/claim")
    assert await walked(ana, "mine") == [min(cases)]
    assert (await ana.get("/cases", params={"view": "everything"})).status_code == 422


CASE_ROUTES = [
    ("GET", "", None),
    ("PATCH", "", {"priority": 1}),
    ("POST", "/claim", {}),
    ("POST", "/assign", {"agent": "01a1fc69-5aa6-7261-9351-f3ff66851eb9"}),
    ("POST", "/transfer", {"team": "billing"}),
    ("POST", "/return", {"to": "queue"}),
    ("POST", "/resolve", {}),
    ("POST", "/reopen", {}),
    ("POST", "/snooze", {"until": "2100-01-01T00:00:00Z"}),
]


@pytest.mark.parametrize(("method", "verb", "body"), CASE_ROUTES)
async def test_a_case_is_nobodys_but_its_tenants_staffs(
    desk: Desk, method: str, verb: str, body: dict[str, Any] | None
) -> None:
    """For visitors, members and another tenant's admin it is not there, as an id that is none is not."""
    maya, _, ana, case = await escalated(desk)
    before = (await ana.get(f"/cases/{case}")).json()
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    for outsider in (maya, await desk.member("Tom"), eve):
        told = []
        for id_ in (case, new_id(), "not-an-id"):
            answer = await outsider.call(method, f"/cases/{id_}{verb}", **({} if body is None else {"json": body}))
            # Handing out cases is the supervisors', and says so before looking at the case.
            assert answer.status_code == 404 or (verb == "/assign" and answer.status_code == 403), answer.text
            told.append(answer.status_code)
    assert (await ana.get(f"/cases/{case}")).json()["version"] == before["version"]


async def test_the_visitor_says_how_it_went(desk: Desk) -> None:
    maya, room, ana, case = await escalated(desk)
    rating = f"/rooms/{room}/rating"
    assert (await maya.post(rating, {"rating": 5})).status_code == 409
    await ana.post(f"/cases/{case}/claim")
    await ana.post(f"/cases/{case}/resolve")
    rated = await maya.post(rating, {"rating": 4, "comment": "Quick"})
    assert rated.json() == {"room": room, "rating": 4, "comment": "Quick"}
    assert (await ana.get(f"/cases/{case}")).json()["rating"] == 4
    assert (await ana.post(rating, {"rating": 5})).status_code == 403
    for wrong in ({"rating": 0}, {"rating": 6}, {"rating": "5"}, {"rating": 4.5}, {}, {"rating": 5, "agent": ana.id}):
        assert (await maya.post(rating, wrong)).status_code == 422


async def test_notes_are_behind_the_counter(desk: Desk) -> None:
    """Agents of the tenant read and write them; no visitor learns that there are any, by any route."""
    maya, room, ana, _ = await escalated(desk)
    written = await ana.post(f"/rooms/{room}/notes", {"text": "Looks like fraud", "client_id": "n-1"})
    assert written.status_code == 201
    again = await ana.post(f"/rooms/{room}/notes", {"text": "Looks like fraud", "client_id": "n-1"})
    assert again.json() == written.json()
    ben = await desk.agent("Ben")
    backstage = (await ben.get(f"/rooms/{room}/backstage")).json()["id"]
    assert (await texts(ben, backstage)).count("Looks like fraud") == 1
    note = (await ben.get(f"/messages/{written.json()['id']}")).json()
    assert note["metadata"]["anchor_seq"] >= 1 and note["sender"]["id"] == ana.id
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    for outsider in (maya, eve, await desk.member("Tom")):
        for path in (
            f"/rooms/{room}/backstage",
            f"/rooms/{backstage}",
            f"/rooms/{backstage}/messages",
            f"/rooms/{backstage}/changes?since=0",
            f"/rooms/{backstage}/participants",
            f"/messages/{note['id']}",
        ):
            assert (await outsider.get(path)).status_code == 404, path
        assert (await outsider.post(f"/rooms/{backstage}/join")).status_code == 404
        assert (await outsider.post(f"/rooms/{room}/notes", {"text": "x"})).status_code == 404
    for path in (f"/rooms/{room}/changes?since=0", f"/rooms/{room}", "/rooms", "/unread", "/support/conversations"):
        told = await maya.get(path)
        assert backstage not in told.text and "fraud" not in told.text
    for wrong in ({"text": ""}, {"text": "x" * 70_000}, {"text": "x", "anchor_seq": 1}):
        assert (await ana.post(f"/rooms/{room}/notes", wrong)).status_code == 422


async def test_agents_say_whether_they_are_there(desk: Desk) -> None:
    ana, maya = await desk.agent("Ana"), await desk.visitor()
    mine = "/agents/me/availability"
    assert (await ana.get(mine)).json() == {"status": "online", "accepting": True}
    away = await ana.call("PUT", mine, json={"status": "away"})
    assert away.json() == {"status": "away", "accepting": False} == (await ana.get(mine)).json()
    kept = await ana.call("PUT", mine, json={"status": "busy", "accepting": True})
    assert kept.json() == {"status": "busy", "accepting": True}
    for wrong in ({}, {"status": "gone"}, {"status": "online", "role": "admin"}):
        assert (await ana.call("PUT", mine, json=wrong)).status_code == 422
    for outsider in (maya, await desk.member("Tom")):
        assert (await outsider.get(mine)).status_code == 403
        assert (await outsider.call("PUT", mine, json={"status": "online"})).status_code == 403
        assert (await outsider.get("/teams")).status_code == 403


async def test_teams_are_those_of_ones_tenant(desk: Desk) -> None:
    ana = await desk.agent("Ana")
    teams = (await ana.get("/teams")).json()["items"]
    assert {team["slug"]: team["mine"] for team in teams} == {"support": True, "billing": False}
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    assert (await eve.get("/teams")).json()["items"] == []
