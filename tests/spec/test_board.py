"""What supervisors look at: how the counter stands, and what the day was like."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest

from deskbell.testing.desk import SITE_KEY, Desk, Person


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


async def board(person: Person, **query: Any) -> dict[str, Any]:
    answer = await person.get("/board", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def asked(desk: Desk, ana: Person, reason: str) -> tuple[Person, str, str]:
    maya = await desk.visitor()
    room = await maya.conversation()
    await maya.post(f"/rooms/{room}/escalate", {"reason": reason})
    return maya, room, str((await ana.get(f"/rooms/{room}")).json()["case"])


async def test_whoever_the_widget_shows_as_here_has_room_on_the_board_and_nobody_else(desk: Desk) -> None:
    """One rule for both, however somebody puts it: here, and willing."""
    lead, ana = await desk.agent("Lea", role="supervisor"), await desk.agent("Ana")
    site = desk.application.edge.sites
    async with ana.line():
        await desk.until(lambda: _is(ana, status="online"))
        for said, takes in (
            ({"status": "away", "accepting": True}, False),
            ({"status": "busy", "accepting": True}, False),
            ({"status": "online", "accepting": False}, False),
            ({"status": "busy"}, False),
            ({"status": "online"}, True),
        ):
            assert (await ana.call("PUT", "/agents/me/availability", json=said)).status_code == 200
            site.forget()
            shown = [face["name"] for face in (await desk.http.get(f"/sites/{SITE_KEY}")).json()["people"]]
            assert (shown, (await board(lead))["agents_with_room"]) == ((["Ana"], 1) if takes else ([], 0)), said


async def _is(person: Person, **wanted: str) -> bool:
    seen = next(item for item in (await person.get("/agents")).json()["items"] if item["user"]["id"] == person.id)
    return all(seen[name] == value for name, value in wanted.items())


async def _with_bot(person: Person, *, live: bool = False) -> list[str]:
    query = {"owner": "bot", "limit": 100, **({"live": "true"} if live else {})}
    return [item["id"] for item in (await person.get("/support/conversations", params=query)).json()["items"]]


async def test_the_board_says_how_the_counter_stands_and_what_the_day_was_like(desk: Desk) -> None:
    lead, ana = await desk.agent("Lea", role="supervisor"), await desk.agent("Ana")
    begun = desk.clock.now() - timedelta(minutes=1)
    with_bot, idle = await desk.visitor(), await desk.visitor()
    room = await with_bot.conversation()
    await with_bot.post(f"/rooms/{room}/messages", {"content": "Opening hours?"})
    await idle.conversation()
    _, quick_room, quick = await asked(desk, ana, "refund")
    _, slow_room, slow = await asked(desk, ana, "refund")
    _, _, still = await asked(desk, ana, "angry")
    gone, gone_room, _ = await asked(desk, ana, "angry")
    await gone.post(f"/rooms/{gone_room}/leave-queue")
    await ana.post(f"/cases/{quick}/claim")
    await ana.post(f"/rooms/{quick_room}/messages", {"content": "Hello"})
    await ana.post(f"/cases/{quick}/resolve")
    desk.clock.advance(400)
    await ana.post(f"/cases/{slow}/claim")
    await ana.post(f"/rooms/{slow_room}/messages", {"content": "Sorry"})

    async with lead.line() as line, ana.line():
        await line.wait("presence", user=ana.id, status="online")
        await lead.call("PUT", "/agents/me/availability", json={"status": "away"})
        seen = await board(lead, since=begun.isoformat())
    assert (seen["target_s"], seen["waiting"]) == (300, 1)
    assert seen["longest_waiting_since"] == (await ana.get(f"/cases/{still}")).json()["waiting_since"]
    assert (seen["agents_here"], seen["agents_with_room"], seen["free_places"]) == (2, 1, 4)
    # What is resolved or given up is the bot's again, and nothing is under way there until its visitor writes.
    assert seen["bot_conversations"] == 2
    assert len(await _with_bot(lead)) == 4 and len(await _with_bot(lead, live=True)) == 2
    await gone.post(f"/rooms/{gone_room}/messages", {"content": "One more thing"})
    assert gone_room in await _with_bot(lead, live=True) and quick_room not in await _with_bot(lead, live=True)
    today = seen["today"]
    assert (today["opened"], today["by_bot_alone"], today["escalated"], today["resolved"]) == (6, 1, 4, 1)
    assert today["reasons"] == [{"reason": "angry", "count": 2}, {"reason": "refund", "count": 2}]
    assert 400 <= today["first_reply_p90_s"] < 460 and 400 <= today["first_reply_median_s"] < 460
    assert today["late"] == 2
    slots = today["per_slot"]
    assert len(slots) == 12
    times = [datetime.fromisoformat(slot["at"]) for slot in slots]
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {timedelta(minutes=10)}
    assert times[-1] <= datetime.fromisoformat(seen["as_of"]) < times[-1] + timedelta(minutes=10)
    assert sum(slot["opened"] for slot in slots) == 6 and sum(slot["escalated"] for slot in slots) == 4
    assert 400 <= slots[-1]["longest_wait_s"] < 460 and slots[0]["longest_wait_s"] == 0

    later = await board(lead, since=(desk.clock.now() - timedelta(seconds=60)).isoformat())
    assert (later["today"]["opened"], later["today"]["late"], later["today"]["first_reply_median_s"]) == (0, 0, None)
    assert sum(slot["opened"] for slot in later["today"]["per_slot"]) == 6


async def test_the_board_is_for_those_who_lead_and_of_their_own_tenant(desk: Desk) -> None:
    ana, tom, maya = await desk.agent("Ana"), await desk.member("Tom"), await desk.visitor()
    for person in (ana, tom, maya):
        assert (await person.get("/board")).status_code == 403
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    await asked(desk, ana, "here")
    seen = await board(eve)
    assert (seen["waiting"], seen["bot_conversations"], seen["agents_here"]) == (0, 0, 0)
    assert (seen["today"]["opened"], seen["today"]["escalated"], seen["today"]["reasons"]) == (0, 0, [])
    for since in ("yesterday", "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"):
        assert (await eve.get("/board", params={"since": since})).status_code == 422
