"""Cases in an agent's list: whose they are, who answers, what was said last, when an answer is due."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from deskbell.model.case_rules import Targets
from deskbell.store import case_entries, cases
from deskbell.store.case_entries import entries
from deskbell.testing.desk import Desk, Line, Person


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


async def asked_for_a_person(desk: Desk, visitor: Person, *said: str, claim: Person | None = None) -> tuple[str, str]:
    """A visitor's room and its case, after they said something."""
    room = await visitor.conversation()
    await visitor.post(f"/rooms/{room}/escalate")
    for text in said:
        assert (await visitor.post(f"/rooms/{room}/messages", {"content": text})).status_code == 201
    ana = claim or await desk.agent("Ana")
    case = str((await ana.get(f"/rooms/{room}")).json()["case"])
    if claim is not None:
        assert (await claim.post(f"/cases/{case}/claim")).status_code == 200
    return room, case


async def shown(person: Person, case: str) -> dict[str, Any]:
    """A case, alone and in the list of all, where it looks the same."""
    alone = (await person.get(f"/cases/{case}")).json()
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"view": "all", "limit": 100} | ({"cursor": cursor} if cursor else {})
        page = (await person.get("/cases", params=query)).json()
        items += page["items"]
        cursor = page["next_cursor"]
    (listed,) = [item for item in items if item["id"] == case]
    assert listed == alone
    return dict(alone)


def told(line: Line, case: str) -> list[dict[str, Any]]:
    """The frames that agents heard of a case."""
    return [frame["case"] for frame in line.frames if frame["type"] == "case" and frame["case"]["id"] == case]


def of(case: str, match: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda frame: frame["type"] == "case" and frame["case"]["id"] == case and match(frame["case"])


def says(text: str) -> Callable[[dict[str, Any]], Any]:
    return lambda case: case["last"] is not None and case["last"]["text"] == text


async def test_an_agent_sees_whose_a_case_is_and_what_was_said_last(desk: Desk) -> None:
    maya, ana = await desk.visitor("Maya"), await desk.agent("Ana")
    long = "The parcel  has\nnot arrived. " * 20
    room, case = await asked_for_a_person(desk, maya, "Hello?", long)
    seen = await shown(ana, case)
    assert seen["visitor"] == {"id": maya.id, "kind": "visitor", "name": "Maya", "avatar": None}
    assert (seen["channel_type"], seen["site"], seen["owner"]) == ("support", "Shop", {"kind": "nobody"})
    last = seen["last"]
    assert last["text"].startswith("The parcel has not arrived. The") and len(last["text"]) == 140
    assert last["text"].endswith("…")
    assert (last["kind"], last["sender"]["id"], last["note"]) == ("text", maya.id, False)
    opened = datetime.fromisoformat(seen["opened_at"])
    target = timedelta(seconds=desk.application.settings.support.target_first_response_s)
    assert datetime.fromisoformat(seen["target_at"]) == opened + target
    assert datetime.fromisoformat(seen["changed_at"]) >= opened and seen["waiting_since"] == seen["opened_at"]

    claimed = (await ana.post(f"/cases/{case}/claim")).json()
    assert claimed["visitor"] == seen["visitor"] and claimed["owner"] == {"kind": "agent", "user": ana.id}
    await ana.post(f"/rooms/{room}/messages", {"content": "It is on its way."})
    answered = await shown(ana, case)
    assert answered["last"]["sender"]["name"] == "Ana" and answered["target_at"] is None
    await maya.post(f"/rooms/{room}/messages", {"content": "When?"})
    owed = await shown(ana, case)
    wrote = datetime.fromisoformat(owed["last"]["created_at"])
    assert datetime.fromisoformat(owed["target_at"]) == wrote + target


async def test_agents_hear_what_is_said_gathered_and_never_in_the_way_of_the_sender(desk: Desk) -> None:
    """At most once a second for each case, and then what is the last."""
    maya, ana = await desk.visitor(), await desk.agent("Ana")
    room, case = await asked_for_a_person(desk, maya, claim=ana)
    async with maya.line() as writing, ana.line() as listening:
        for number in range(20):
            await writing.says(room, f"Line {number}")
        await listening.find(of(case, says("Line 19")))
        assert len(told(listening, case)) <= 4
        heard = told(listening, case)[-1]
        assert {"visitor", "channel_type", "site", "owner", "target_at", "changed_at"} <= heard.keys()
        assert not [frame for frame in writing.frames if frame["type"] == "case" and "case" in frame]


async def test_what_was_taken_back_is_not_what_was_said_last(desk: Desk) -> None:
    """Deleted, edited: neither a list nor a frame shows what stood there."""
    maya, ana = await desk.visitor(), await desk.agent("Ana")
    room, case = await asked_for_a_person(desk, maya, "First", claim=ana)
    note = (await ana.post(f"/rooms/{room}/notes", {"text": "She is angry"})).json()["id"]
    async with maya.line() as writing, ana.line() as listening:
        secret = (await writing.says(room, "My password is hunter2"))["id"]
        await listening.find(of(case, says("My password is hunter2")))
        heard = len(listening.frames)
        assert (await writing.ask({"type": "delete", "message": secret}))["type"] == "ack"
        await listening.find(of(case, says("She is angry")), after=heard)
        assert (await shown(ana, case))["last"]["text"] == "She is angry"
        heard = len(listening.frames)
        assert (await listening.ask({"type": "delete", "message": note}))["type"] == "ack"
        await listening.find(of(case, says("First")), after=heard)
        first = (await maya.get(f"/rooms/{room}/messages")).json()["messages"]
        (said,) = [message["id"] for message in first if message["content"] == "First"]
        await writing.ask({"type": "edit", "message": said, "content": "Second"})
        await listening.find(of(case, says("Second")), after=heard)
        assert "hunter2" not in str([told(listening, case)[-1], await shown(ana, case)])
        # Also of a case that is over: whoever shows it learns that it is gone.
        later = (await writing.says(room, "hunter3"))["id"]
        await listening.find(of(case, says("hunter3")), after=heard)
        await ana.post(f"/cases/{case}/resolve")
        heard = len(listening.frames)
        await writing.ask({"type": "delete", "message": later})
        await listening.find(
            of(case, lambda known: known["status"] == "resolved" and says("Second")(known)), after=heard
        )


async def test_a_note_is_the_last_for_agents_alone(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent("Ana")
    room, case = await asked_for_a_person(desk, maya, "Help", claim=ana)
    async with maya.line() as writing, ana.line() as listening:
        await ana.post(f"/rooms/{room}/notes", {"text": "Refund her, she is a VIP"})
        heard = await listening.find(of(case, says("Refund her, she is a VIP")))
        assert heard["case"]["last"]["note"] is True
        backstage = (await ana.get(f"/rooms/{room}/backstage")).json()["id"]
        await listening.says(backstage, "VIP indeed")
        await listening.find(of(case, says("VIP indeed")))
        for path in (f"/rooms/{room}/case", f"/rooms/{room}", "/support/conversations", "/rooms", f"/cases/{case}"):
            assert "VIP" not in (await maya.get(path)).text
        await writing.ask({"type": "ping"})
        assert "VIP" not in str(writing.frames)
        own = (await maya.get(f"/rooms/{room}/case")).json()
        assert own.keys() <= {"type", "room", "status", "position", "wait"}


async def test_conversations_with_the_assistant_show_the_same(desk: Desk) -> None:
    maya, ana = await desk.visitor("Maya"), await desk.agent("Ana")
    room = await maya.conversation()
    await maya.post(f"/rooms/{room}/messages", {"content": "Is anybody there?"})

    async def listed(person: Person, **query: Any) -> dict[str, Any]:
        found = (await person.get("/support/conversations", params={"limit": 100, **query})).json()["items"]
        return next(item for item in found if item["id"] == room)

    async def answered() -> bool:
        return (await listed(ana, owner="bot"))["last"]["sender"]["kind"] == "bot"

    await desk.until(answered)
    seen = await listed(ana, owner="bot")
    assert (seen["room"], seen["site"], seen["visitor"]["id"]) == (room, "Shop", maya.id)
    assert seen["owner"]["kind"] == "bot" and seen["opened_at"] == seen["created_at"]
    assert seen["last"]["text"] == "You said: Is anybody there?"
    own = await listed(maya)
    assert not own.keys() & {"room", "visitor", "site", "last", "opened_at"}


async def test_a_list_is_sorted_as_asked_and_walked_without_hole_or_repeat(desk: Desk) -> None:
    """Also while the cases on the pages already read are taken."""
    ana, ben = await desk.agent("Ana", teams=("sorted",)), await desk.agent("Ben")
    label = (await (await desk.agent("Lea", role="supervisor")).post("/labels", {"name": f"Sorted {ana.id}"})).json()
    rooms, cases_ = [], []
    for _ in range(7):
        visitor = await desk.visitor()
        room, case = await asked_for_a_person(desk, visitor)
        await ana.call("PUT", f"/cases/{case}/labels", json={"labels": [label["id"]]})
        rooms.append((visitor, room))
        cases_.append(case)
    for at, priority in ((1, 2), (4, 2), (5, 1)):
        await ana.call("PATCH", f"/cases/{cases_[at]}", json={"priority": priority})
    for at in (3, 0, 6):
        visitor, room = rooms[at]
        assert (await visitor.post(f"/rooms/{room}/messages", {"content": "?"})).status_code == 201

    async def walked(sort: str | None, view: str = "all", *, take: bool = False) -> list[int]:
        seen: list[int] = []
        cursor = None
        while True:
            query = {"view": view, "label": label["id"], "limit": "2"} | ({"sort": sort} if sort else {})
            page = (await ana.get("/cases", params=query | ({"cursor": cursor} if cursor else {}))).json()
            seen += [cases_.index(case["id"]) for case in page["items"]]
            if take and len(seen) < 5:
                await ben.post(f"/cases/{page['items'][0]['id']}/claim")
            cursor = page["next_cursor"]
            if cursor is None:
                return seen

    assert await walked("priority") == await walked(None) == [1, 4, 5, 0, 2, 3, 6]
    assert await walked("waiting") == [0, 1, 2, 3, 4, 5, 6]
    assert await walked("created") == [6, 5, 4, 3, 2, 1, 0]
    assert (await walked("activity"))[:3] == [6, 0, 3]
    assert await walked("waiting", "all", take=True) == [0, 1, 2, 3, 4, 5, 6]
    for case in cases_:
        await ben.post(f"/cases/{case}/claim")
        assert (await ben.post(f"/cases/{case}/resolve")).status_code == 200
    assert await walked("priority", "resolved") == [1, 4, 5, 0, 2, 3, 6]
    assert await walked("created", "resolved") == [6, 5, 4, 3, 2, 1, 0]
    assert await walked("activity", "resolved") == [6, 5, 4, 3, 2, 1, 0]
    page = await ana.get("/cases", params={"view": "resolved", "sort": "created", "limit": 1})
    other = {"view": "resolved", "sort": "activity", "cursor": page.json()["next_cursor"]}
    assert (await ana.get("/cases", params=other)).status_code == 422
    assert (await ana.get("/cases", params={"sort": "name"})).status_code == 422


class Counted:
    """Stands where a database is expected, counts what is asked of it, and notes how it would be found."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self._explain = "EXPLAIN QUERY PLAN" if db.dialect == "sqlite" else "EXPLAIN"
        self.asked = 0
        self.plans = ""

    async def fetch(self, sql: str, *args: object) -> Sequence[Any]:
        self.asked += 1
        for row in await self._db.fetch(f"{self._explain} {sql}", *args):
            self.plans += " ".join(map(str, row)) + "\n"
        return list(await self._db.fetch(sql, *args))


async def test_a_list_takes_the_same_few_questions_however_many_cases_there_are(desk: Desk) -> None:
    """And each visitor in line is shown the place that they are told."""
    people = [await desk.visitor() for _ in range(12)]
    rooms = [await asked_for_a_person(desk, person, "Hello") for person in people]
    db = desk.application.ports.db
    counts = []
    for limit in (3, 12):
        counted = Counted(db)
        wanted = cases.Wanted(("waiting", "assigned", "snoozed"))
        page = await case_entries.page(counted, desk.tenant, wanted, "created", limit=limit, after=None)  # type: ignore[arg-type]
        found = await entries(counted, desk.tenant, [case for case, _ in page], Targets())  # type: ignore[arg-type]
        assert len(found) == limit and all(entry.last is not None for entry in found)
        counts.append(counted.asked)
        if db.dialect == "sqlite":
            assert "SCAN m\n" not in counted.plans and "SCAN messages" not in counted.plans
            assert "messages_order" in counted.plans
    assert counts[0] == counts[1] <= 4
    places = {entry.room: entry.position for entry in found}
    for person, (room, _) in zip(people, rooms, strict=True):
        assert (await person.get(f"/rooms/{room}/case")).json()["position"] == places[room]


async def test_colleagues_see_who_is_here_and_how_much_each_has_in_hand(desk: Desk) -> None:
    ana, ben = await desk.agent("Ana", teams=("support", "billing")), await desk.agent("Ben", role="supervisor")
    for _ in range(2):
        await asked_for_a_person(desk, await desk.visitor(), claim=ana)

    async def entry(person: Person) -> dict[str, Any]:
        found = (await ben.get("/agents")).json()["items"]
        return dict(next(item for item in found if item["user"]["id"] == person.id))

    seen = await entry(ana)
    assert seen["user"] == {"id": ana.id, "kind": "agent", "name": "Ana", "avatar": None}
    assert (seen["role"], seen["status"], seen["accepting"]) == ("agent", "offline", True)
    assert (seen["load"], seen["capacity"], seen["teams"]) == (2, 5, ["billing", "support"])
    async with ben.line() as b:
        async with ana.line() as a:
            await b.wait("presence", user=ana.id, status="online")
            await ana.call("PUT", "/agents/me/availability", json={"status": "busy"})
            await b.wait("presence", user=ana.id, status="busy")
            seen = await entry(ana)
            assert (seen["status"], seen["accepting"]) == ("busy", False)
            heard = len(b.frames)
            assert not a.closed
        await b.wait("presence", user=ana.id, status="offline", after=heard)
        # Who said that they are busy still is when they come back, whatever the process has forgotten.
        await desk.application.ports.presence.choose(desk.tenant, ana.id, "online")
        async with ana.line():
            await b.wait("presence", user=ana.id, status="busy", after=heard)
    for stranger in (await desk.visitor(), await desk.member("Tom")):
        assert (await stranger.get("/agents")).status_code == 403
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    assert not {ana.id, ben.id} & {item["user"]["id"] for item in (await eve.get("/agents")).json()["items"]}
