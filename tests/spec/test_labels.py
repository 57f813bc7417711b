"""Labels: made by supervisors, put on cases by agents, seen by colleagues at once and by visitors never."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deskbell.client import Client
from deskbell.errors import Invalid
from deskbell.ids import new_id
from deskbell.testing.desk import PASSWORD, Desk, Person


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


def fresh(name: str) -> str:
    """A name no other test has taken."""
    return f"{name} {new_id()[-12:]}"


async def made(lead: Person, name: str, **fields: Any) -> str:
    answer = await lead.post("/labels", {"name": name, **fields})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def escalated(desk: Desk, ana: Person) -> tuple[Person, str, str]:
    maya = await desk.visitor()
    room = await maya.conversation()
    await maya.post(f"/rooms/{room}/escalate")
    return maya, room, (await ana.get(f"/rooms/{room}")).json()["case"]


async def carried(agent: Person, case: str) -> list[str]:
    found: list[str] = (await agent.get(f"/cases/{case}")).json()["labels"]
    return found


async def labelled(agent: Person, case: str, *labels: str, **fields: Any) -> int:
    return (await agent.call("PUT", f"/cases/{case}/labels", json={"labels": labels, **fields})).status_code


async def test_supervisors_make_labels_and_all_agents_see_them(desk: Desk) -> None:
    lead, ana, maya = await desk.agent("Lea", role="supervisor"), await desk.agent("Ana"), await desk.visitor()
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    name = fresh("Refund")
    label = await made(lead, f"  {name} ", color="#ff8800")
    assert {"id": label, "name": name, "color": "#ff8800", "retired": False} in (await ana.get("/labels")).json()[
        "items"
    ]
    assert (await lead.post("/labels", {"name": name.upper()})).status_code == 409
    assert (await ana.post("/labels", {"name": fresh("Mine")})).status_code == 403
    assert (await ana.call("PATCH", f"/labels/{label}", json={"color": ""})).status_code == 403
    assert (await ana.call("DELETE", f"/labels/{label}")).status_code == 403
    for person in (maya, await desk.member("Tom")):
        assert (await person.get("/labels")).status_code == 403
    assert label not in {item["id"] for item in (await eve.get("/labels")).json()["items"]}
    assert (await eve.call("PATCH", f"/labels/{label}", json={"name": "Ours"})).status_code == 404
    assert (await eve.call("DELETE", f"/labels/{label}")).status_code == 404
    assert (await eve.post("/labels", {"name": name})).status_code == 201, "names are each tenant's own"
    renamed = (await lead.call("PATCH", f"/labels/{label}", json={"name": f"{name}!"})).json()
    assert (renamed["name"], renamed["color"]) == (f"{name}!", "#ff8800")
    for wrong in ({"name": " "}, {"name": ""}, {"name": "x", "color": "red"}, {"name": "x" * 61}):
        assert (await lead.post("/labels", wrong)).status_code == 422


async def test_a_label_on_a_case_is_seen_by_colleagues_at_once_and_by_the_visitor_never(desk: Desk) -> None:
    lead, ana = await desk.agent("Lea", role="supervisor"), await desk.agent("Ana")
    one, two = await made(lead, fresh("One")), await made(lead, fresh("Two"))
    maya, room, case = await escalated(desk, ana)
    async with lead.line() as line, maya.line() as own:
        await own.subscribe(room)
        before = (await ana.get(f"/cases/{case}")).json()["version"]
        assert await labelled(ana, case, two, one, two) == 200
        told = await line.find(lambda f: f["type"] == "case" and f["case"]["labels"] == [two, one])
        assert told["case"]["version"] == before + 1
        assert await labelled(ana, case, two, one) == 200
        assert (await ana.get(f"/cases/{case}")).json()["version"] == before + 1, "the same labels are no change"
        await own.ask({"type": "read", "room": room, "seq": 1})
        assert one not in str(own.frames)
    assert one not in (await maya.get(f"/rooms/{room}/case")).text
    assert await carried(ana, case) == [two, one]
    await ana.post(f"/cases/{case}/claim")
    assert await carried(ana, case) == [two, one], "what else happens to the case leaves them"
    assert await labelled(ana, case) == 200 and await carried(ana, case) == []


async def test_only_agents_of_the_tenant_label_cases_and_with_its_own_labels(desk: Desk) -> None:
    lead, ana = await desk.agent("Lea", role="supervisor"), await desk.agent("Ana")
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    label, foreign = await made(lead, fresh("Ours")), await made(eve, fresh("Theirs"))
    maya, _, case = await escalated(desk, ana)
    assert await labelled(maya, case, label) == 404
    assert await labelled(eve, case, foreign) == 404
    assert await labelled(ana, case, label, "no id") == 422
    for unknown in (foreign, new_id()):
        refused = await ana.call("PUT", f"/cases/{case}/labels", json={"labels": [label, unknown]})
        assert refused.status_code == 422 and refused.json()["error"]["details"]["labels"] == [unknown]
    assert await labelled(ana, case, *[label] * 21) == 422
    assert await carried(ana, case) == []


async def test_of_two_who_label_from_the_same_version_one_is_told_to_look_again(desk: Desk) -> None:
    lead, ana = await desk.agent("Lea", role="supervisor"), await desk.agent("Ana")
    one, two = await made(lead, fresh("One")), await made(lead, fresh("Two"))
    _, _, case = await escalated(desk, ana)
    version = (await ana.get(f"/cases/{case}")).json()["version"]
    answers = await asyncio.gather(
        labelled(ana, case, one, version=version), labelled(lead, case, two, version=version)
    )
    assert sorted(answers) == [200, 412]
    tag = (await ana.get(f"/cases/{case}")).headers["ETag"]
    path = f"/cases/{case}/labels"
    assert (await ana.call("PUT", path, json={"labels": []}, headers={"If-Match": tag})).status_code == 200
    assert (await ana.call("PUT", path, json={"labels": [one]}, headers={"If-Match": tag})).status_code == 412


async def test_a_retired_label_stays_where_it_is_and_goes_nowhere_else(desk: Desk) -> None:
    lead, ana = await desk.agent("Lea", role="supervisor"), await desk.agent("Ana")
    name = fresh("Old")
    label, other = await made(lead, name), await made(lead, fresh("New"))
    (_, _, case), (_, _, later) = await escalated(desk, ana), await escalated(desk, ana)
    assert await labelled(ana, case, label) == 200
    for _ in range(2):
        assert (await lead.call("DELETE", f"/labels/{label}")).json()["retired"] is True
    assert await labelled(ana, case, label, other) == 200 and await carried(ana, case) == [label, other]
    assert await labelled(ana, later, label) == 422
    again = await made(lead, name)
    assert (await lead.call("PATCH", f"/labels/{label}", json={"retired": False})).status_code == 409
    await lead.call("DELETE", f"/labels/{again}")
    assert (await lead.call("PATCH", f"/labels/{label}", json={"retired": False})).status_code == 200
    assert await labelled(ana, later, label) == 200


async def test_cases_are_found_by_their_label(desk: Desk) -> None:
    lead, ana = await desk.agent("Lea", role="supervisor"), await desk.agent("Ana")
    label, other = await made(lead, fresh("Wanted")), await made(lead, fresh("Other"))
    (_, _, one), (_, _, two), (_, _, three) = [await escalated(desk, ana) for _ in range(3)]
    await labelled(ana, one, label)
    await labelled(ana, two, other, label)
    await labelled(ana, three, other)

    async def found(view: str, wanted: str) -> list[str]:
        answer = await ana.get("/cases", params={"view": view, "label": wanted})
        assert answer.status_code == 200, answer.text
        return [case["id"] for case in answer.json()["items"]]

    assert await found("all", label) == [one, two] and await found("queue", label) == [one, two]
    assert await found("mine", label) == [] and await found("all", new_id()) == []
    await ana.post(f"/cases/{two}/claim")
    assert await found("mine", label) == [two]
    await ana.post(f"/cases/{two}/resolve")
    assert (await found("resolved", label), await found("all", label)) == ([two], [one])
    assert (await ana.get("/cases", params={"view": "all", "label": "%"})).status_code == 422


async def test_a_tenant_offers_five_hundred_labels_at_most(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    lead = await desk.person("Lea", kind="agent", role="supervisor", tenant=await desk.other_tenant(fresh("few")))
    monkeypatch.setattr("deskbell.actions.labels.MAX_LABELS", 2)
    first, _ = await made(lead, "One"), await made(lead, "Two")
    assert (await lead.post("/labels", {"name": "Three"})).json()["error"]["code"] == "limit_reached"
    await lead.call("DELETE", f"/labels/{first}")
    await made(lead, "Three")
    back = await lead.call("PATCH", f"/labels/{first}", json={"retired": False})
    assert back.json()["error"]["code"] == "limit_reached"


async def test_a_program_makes_labels_and_puts_them_on_cases(desk: Desk) -> None:
    lead = await desk.agent("Lea", role="supervisor")
    _, _, case = await escalated(desk, lead)
    async with Client.login(desk.url, lead.email, PASSWORD) as client:
        label = await client.create_label(fresh("Bug"), color="#aa0000")
        assert label in await client.labels()
        assert (await client.label_case(case, [label.id])).labels == [label.id]
        assert [found.id for found in await client.cases_in("all", label=label.id)] == [case]
        renamed = await client.change_label(label.id, name=fresh("Defect"))
        assert renamed.color == "#aa0000"
        assert (await client.retire_label(label.id)).retired
        with pytest.raises(Invalid):
            await client.label_case(case, ["nothing"])
