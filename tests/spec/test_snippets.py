"""Snippets: an agent's own, and a supervisor's for all; no visitor ever reads a placeholder."""

from __future__ import annotations

from typing import Any

import pytest

from deskbell.client import Client
from deskbell.ids import new_id
from deskbell.model.placeholders import PLACEHOLDERS, filled_in, unknown_in
from deskbell.testing.desk import PASSWORD, Desk, Person


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


def fresh() -> str:
    """A shortcut no other test has taken."""
    return f"s-{new_id()[-12:]}"


async def kept(person: Person, shortcut: str, text: str = "Hello.", *, shared: bool = False) -> str:
    answer = await person.post("/snippets", {"shortcut": shortcut, "text": text, "shared": shared})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def offered(person: Person, shortcut: str) -> list[dict[str, Any]]:
    found = (await person.get("/snippets")).json()["items"]
    return [snippet for snippet in found if snippet["shortcut"] == shortcut]


async def test_own_snippets_are_ones_own_and_shared_ones_a_supervisors_for_all(desk: Desk) -> None:
    lead, ana, ben = await desk.agent("Lea", role="supervisor"), await desk.agent("Ana"), await desk.agent("Ben")
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    shortcut = fresh()
    shared = await kept(lead, shortcut, "Dear {{visitor.name}},", shared=True)
    own = await kept(ana, shortcut, "Hi {{ visitor.name }}!")
    assert [snippet["id"] for snippet in await offered(ana, shortcut)] == [own, shared], "one's own goes first"
    assert [snippet["id"] for snippet in await offered(ben, shortcut)] == [shared]
    assert await offered(eve, shortcut) == []
    assert (await ana.post("/snippets", {"shortcut": fresh(), "text": "x", "shared": True})).status_code == 403
    for person, snippet, status in ((ben, own, 404), (lead, own, 404), (eve, shared, 404), (ana, shared, 403)):
        assert (await person.call("PATCH", f"/snippets/{snippet}", json={"text": "x"})).status_code == status
        assert (await person.call("DELETE", f"/snippets/{snippet}")).status_code == status
    for stranger in (await desk.visitor(), await desk.member("Tom")):
        assert (await stranger.get("/snippets")).status_code == 403
        assert (await stranger.post("/snippets", {"shortcut": "x", "text": "x"})).status_code == 403
    changed = await lead.call("PATCH", f"/snippets/{shared}", json={"text": "Good day."})
    assert changed.json() == {"id": shared, "shortcut": shortcut, "text": "Good day.", "shared": True}
    assert [snippet["text"] for snippet in await offered(ben, shortcut)] == ["Good day."]
    assert (await ana.call("DELETE", f"/snippets/{own}")).status_code == 200
    assert (await ana.call("DELETE", f"/snippets/{own}")).status_code == 404
    assert [snippet["id"] for snippet in await offered(ana, shortcut)] == [shared]


async def test_a_shortcut_calls_up_one_snippet_of_ones_own_and_one_of_all(desk: Desk) -> None:
    lead, ana, ben = await desk.agent("Lea", role="supervisor"), await desk.agent("Ana"), await desk.agent("Ben")
    one, two = fresh(), fresh()
    await kept(ana, one)
    other = await kept(ana, two)
    await kept(ben, one)
    await kept(lead, one, shared=True)
    for person, shared in ((ana, False), (lead, True)):
        taken = await person.post("/snippets", {"shortcut": one, "text": "x", "shared": shared})
        assert taken.status_code == 409
    assert (await ana.call("PATCH", f"/snippets/{other}", json={"shortcut": one})).status_code == 409
    assert (await ana.call("PATCH", f"/snippets/{other}", json={"shortcut": two, "text": "y"})).status_code == 200


async def test_what_could_not_be_sent_or_filled_in_is_not_kept(desk: Desk) -> None:
    ana = await desk.agent("Ana")
    for text in ("", " \n", "Dear {{visitor.nmae}},", "{{}}", "{{visitor.name}} {{customer}}"):
        assert (await ana.post("/snippets", {"shortcut": fresh(), "text": text})).status_code == 422
    refused = (await ana.post("/snippets", {"shortcut": fresh(), "text": "{{visitor.email}}"})).json()["error"]
    assert refused["details"] == {"unknown": ["{{visitor.email}}"], "known": list(PLACEHOLDERS)}
    limit = desk.application.ports.settings.limits.text_bytes
    assert (await ana.post("/snippets", {"shortcut": fresh(), "text": "é" * limit})).status_code == 413
    for shortcut in ("", "Hello", "a b", "/hi", "x" * 41, "-x"):
        assert (await ana.post("/snippets", {"shortcut": shortcut, "text": "x"})).status_code == 422
    own = await kept(ana, fresh())
    assert (await ana.call("PATCH", f"/snippets/{own}", json={"text": "{{agent}}"})).status_code == 422


def test_places_are_filled_in_once_and_braces_that_are_none_stay() -> None:
    text = "Dear {{visitor.name}}, use {{ agent.name }} {not this} {{"
    assert unknown_in(text) == []
    filled = filled_in(text, {"visitor.name": "{{agent.name}}", "agent.name": "Ana"})
    assert filled == "Dear {{agent.name}}, use Ana {not this} {{", "a name is text, whatever it is"


async def test_there_are_a_thousand_snippets_of_a_kind_at_most(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = await desk.other_tenant(f"few-{new_id()}")
    lead = await desk.person("Lea", kind="agent", role="supervisor", tenant=tenant)
    monkeypatch.setattr("deskbell.actions.snippets.MAX_SNIPPETS", 1)
    await kept(lead, "own")
    await kept(lead, "shared", shared=True)
    for shared in (True, False):
        refused = await lead.post("/snippets", {"shortcut": "more", "text": "x", "shared": shared})
        assert refused.json()["error"]["code"] == "limit_reached"


async def test_a_program_keeps_snippets_and_fills_them_in(desk: Desk) -> None:
    ana = await desk.agent("Ana")
    shortcut = fresh()
    async with Client.login(desk.url, ana.email, PASSWORD) as client:
        made = await client.create_snippet(shortcut, "Hello {{visitor.name}}, I am {{agent.name}}.")
        assert made in await client.snippets()
        assert made.filled_in(visitor="Maya", agent="Ana") == "Hello Maya, I am Ana."
        changed = await client.change_snippet(made.id, text="Bye {{visitor.name}}.")
        assert changed.filled_in(visitor="Maya", agent="Ana") == "Bye Maya."
        await client.delete_snippet(made.id)
        assert made.id not in {snippet.id for snippet in await client.snippets()}
