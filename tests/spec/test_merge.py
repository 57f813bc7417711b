"""Two cases of one visitor become one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deskbell.testing.desk import Desk, Person


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


async def asked(maya: Person, ana: Person, *, new: bool = False) -> tuple[str, str]:
    room = await maya.conversation(new=new)
    await maya.post(f"/rooms/{room}/escalate")
    return room, str((await ana.get(f"/rooms/{room}")).json()["case"])


async def case(person: Person, which: str) -> dict[str, Any]:
    return dict((await person.get(f"/cases/{which}")).json())


async def test_a_visitors_two_cases_become_one(desk: Desk) -> None:
    """The one that goes on is as pressing as the more pressing of both; the other's room says where it goes on."""
    maya, ana = await desk.visitor(), await desk.agent("Ana")
    first_room, first = await asked(maya, ana)
    second_room, second = await asked(maya, ana, new=True)
    await ana.call("PATCH", f"/cases/{first}", json={"priority": 2})
    since = (await case(ana, first))["waiting_since"]
    async with maya.line() as line, ana.line() as agent:
        merged = await ana.post(f"/cases/{first}/merge", {"into": second})
        assert merged.status_code == 200, merged.text
        assert (merged.json()["status"], merged.json()["merged_into"]) == ("merged", second)
        await line.wait("case", room=first_room, status="merged")
        await agent.find(lambda f: f["type"] == "case" and f["case"]["id"] == first and f["case"]["status"] == "merged")
    kept = await case(ana, second)
    assert (kept["status"], kept["priority"], kept["waiting_since"]) == ("waiting", 2, since)
    state = (await maya.get(f"/rooms/{first_room}")).json()
    assert state["archived"] is True and state["redirect_to"] == second_room and state["case"] is None
    closed = await maya.post(f"/rooms/{first_room}/messages", {"content": "Hello?"})
    assert closed.status_code == 410 and closed.json()["error"]["details"]["redirect_to"] == second_room
    assert (await maya.get(f"/rooms/{second_room}")).json()["archived"] is False
    said = (await maya.get(f"/rooms/{second_room}/messages")).json()["messages"]
    assert [m["metadata"]["room"] for m in said if m["metadata"].get("event") == "case_merged_here"] == [first_room]

    again = await ana.post(f"/cases/{first}/merge", {"into": second})
    assert again.status_code == 200 and again.json()["version"] == merged.json()["version"]
    for verb in ("claim", "resolve", "reopen"):
        assert (await ana.post(f"/cases/{first}/{verb}")).status_code in (409, 410)
    assert first not in [item["id"] for item in (await ana.get("/cases?view=all&limit=100")).json()["items"]]


async def test_of_two_merged_crosswise_at_once_one_goes_on(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent("Ana")
    (_, first), (_, second) = await asked(maya, ana), await asked(maya, ana, new=True)
    answers = await asyncio.gather(
        ana.post(f"/cases/{first}/merge", {"into": second}), ana.post(f"/cases/{second}/merge", {"into": first})
    )
    assert sorted(answer.status_code for answer in answers) == [200, 410]
    assert sorted([(await case(ana, first))["status"], (await case(ana, second))["status"]]) == ["merged", "waiting"]


async def test_only_what_belongs_together_is_merged(desk: Desk) -> None:
    """Not what two visitors wrote, nothing into itself, nothing that is over; and only by agents."""
    maya, sam, ana = await desk.visitor(), await desk.visitor("Sam"), await desk.agent("Ana")
    room, mayas = await asked(maya, ana)
    _, sams = await asked(sam, ana)
    _, other = await asked(maya, ana, new=True)
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    await ana.post(f"/cases/{other}/claim")
    await ana.post(f"/cases/{other}/resolve")
    tries = [
        (ana, mayas, sams, 409),
        (ana, mayas, mayas, 409),
        (ana, mayas, other, 410),
        (ana, other, mayas, 410),
        (ana, mayas, room, 404),
        (ana, room, mayas, 404),
        (maya, mayas, sams, 404),
        (eve, mayas, sams, 404),
        (ana, mayas, "x", 404),
    ]
    for person, which, into, status in tries:
        answer = await person.post(f"/cases/{which}/merge", {"into": into})
        assert answer.status_code == status, (person.name, status, answer.text)
    assert (await case(ana, mayas))["status"] == "waiting" and (await case(ana, sams))["status"] == "waiting"
