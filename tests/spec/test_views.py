"""Saved views: an agent's own, and a supervisor's for all; what is in them, and how many."""

from __future__ import annotations

from typing import Any

import pytest

from deskbell.client import Client
from deskbell.ids import new_id
from deskbell.testing.desk import PASSWORD, Desk, Person


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


async def saved(person: Person, name: str, *, shared: bool = False, **filter_: Any) -> str:
    answer = await person.post("/views", {"name": name, "filter": filter_, "shared": shared})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def known(person: Person) -> dict[str, str]:
    """The names of the views somebody is shown."""
    return {view["id"]: view["name"] for view in (await person.get("/views")).json()["items"]}


async def escalated(desk: Desk, ana: Person, *, claim: bool = False, **change: Any) -> str:
    maya = await desk.visitor()
    room = await maya.conversation()
    await maya.post(f"/rooms/{room}/escalate")
    case = str((await ana.get(f"/rooms/{room}")).json()["case"])
    if change:
        await ana.call("PATCH", f"/cases/{case}", json=change)
    if claim:
        await ana.post(f"/cases/{case}/claim")
    return case


async def test_own_views_are_ones_own_and_shared_ones_a_supervisors_for_all(desk: Desk) -> None:
    lead, ana, ben = await desk.agent("Lea", role="supervisor"), await desk.agent("Ana"), await desk.agent("Ben")
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    own = await saved(ana, "Mine, urgent", view="mine", priority=2)
    shared = await saved(lead, "Urgent", shared=True, priority=2)
    assert (await ana.post("/views", {"name": "All", "filter": {}, "shared": True})).status_code == 403
    seen = [view["id"] for view in (await ana.get("/views")).json()["items"]]
    assert seen.index(shared) < seen.index(own)
    assert own not in await known(ben) and own not in await known(lead) and shared in await known(ben)
    assert not {own, shared} & (await known(eve)).keys()
    for person, view, status in ((ben, own, 404), (lead, own, 404), (eve, shared, 404), (ana, shared, 403)):
        assert (await person.call("PATCH", f"/views/{view}", json={"name": "x"})).status_code == status
        assert (await person.call("DELETE", f"/views/{view}")).status_code == status
    for stranger in (await desk.visitor(), await desk.member("Tom")):
        assert (await stranger.get("/views")).status_code == 403
        assert (await stranger.get("/views/counts")).status_code == 403
        assert (await stranger.post("/views", {"name": "x", "filter": {}})).status_code == 403
    changed = (await ana.call("PATCH", f"/views/{own}", json={"filter": {"view": "all"}})).json()
    assert (changed["name"], changed["filter"]["view"], changed["filter"]["priority"]) == ("Mine, urgent", "all", None)
    assert (await lead.call("PATCH", f"/views/{shared}", json={"name": "Now"})).status_code == 200
    assert (await known(ana))[shared] == "Now", "it stays shared"
    assert (await ana.call("DELETE", f"/views/{own}")).status_code == 200 and own not in await known(ana)
    assert (await ana.call("DELETE", f"/views/{own}")).status_code == 404
    for wrong in ({"view": "none"}, {"priority": 3}, {"label": "%"}, {"owner": "bot"}):
        assert (await ana.post("/views", {"name": "x", "filter": wrong})).status_code == 422


async def test_counts_are_of_what_the_lists_hold_for_whoever_asks(desk: Desk) -> None:
    """What a view counts is what ``GET /cases`` with its filter shows."""
    lead, ana, ben = await desk.agent("Lea", role="supervisor"), await desk.agent("Ana"), await desk.agent("Ben")
    label = (await lead.post("/labels", {"name": f"Wanted {new_id()}"})).json()["id"]
    urgent, plain = await escalated(desk, ana, priority=2), await escalated(desk, ana)
    taken = await escalated(desk, ana, claim=True, priority=1)
    for case in (urgent, taken):
        await ana.call("PUT", f"/cases/{case}/labels", json={"labels": [label]})
    filters: dict[str, dict[str, Any]] = {
        "labelled": {"label": label},
        "labelled and urgent": {"label": label, "priority": 2},
        "labelled and mine": {"label": label, "view": "mine"},
        "labelled, of billing": {"label": label, "team": "billing"},
        "labelled, of support": {"label": label, "team": "support"},
    }
    ids = {name: await saved(lead, name, shared=True, **wanted) for name, wanted in filters.items()}

    async def counted(person: Person) -> dict[str, int]:
        found = (await person.get("/views/counts")).json()["views"]
        return {name: found[view] for name, view in ids.items()}

    expected = dict(zip(filters, (2, 1, 1, 0, 2), strict=True))
    assert await counted(ana) == expected
    assert await counted(ben) == {**expected, "labelled and mine": 0}
    for name, wanted in filters.items():
        listed = (await ana.get("/cases", params={"view": "all", **wanted})).json()["items"]
        assert len(listed) == expected[name]
    lists = (await ana.get("/views/counts")).json()["lists"]
    for view in ("mine", "queue", "bot", "all", "snoozed", "resolved"):
        items = (await ana.get("/cases", params={"view": view, "limit": 100})).json()["items"]
        assert lists[view] == len(items)
    assert lists["mine"] == 1 and plain in str((await ana.get("/cases", params={"view": "queue"})).json())
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    assert set((await eve.get("/views/counts")).json()["lists"].values()) == {0}


async def test_there_are_fifty_views_of_a_kind_at_most(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = await desk.other_tenant(f"few-{new_id()}")
    lead = await desk.person("Lea", kind="agent", role="supervisor", tenant=tenant)
    ana = await desk.person("Ana", kind="agent", role="agent", tenant=tenant)
    monkeypatch.setattr("deskbell.actions.views.MAX_VIEWS", 1)
    await saved(lead, "Shared", shared=True)
    await saved(lead, "Own")
    await saved(ana, "Own, too")
    for person, shared in ((lead, True), (lead, False), (ana, False)):
        refused = await person.post("/views", {"name": "More", "filter": {}, "shared": shared})
        assert refused.json()["error"]["code"] == "limit_reached"


async def test_a_program_saves_views_and_counts(desk: Desk) -> None:
    lead = await desk.agent("Lea", role="supervisor")
    case = await escalated(desk, lead, claim=True)
    async with Client.login(desk.url, lead.email, PASSWORD) as client:
        view = await client.create_view("Mine", view="mine")
        assert view in await client.views()
        assert (await client.view_counts()).views[view.id] == 1
        changed = await client.change_view(view.id, name="Nobody's", filter={"view": "mine", "priority": 2})
        assert (await client.view_counts()).views[view.id] == 0 and changed.name == "Nobody's"
        assert [found.id for found in await client.cases_in("mine", team="support")] == [case]
        await client.delete_view(view.id)
        assert view.id not in {found.id for found in await client.views()}
