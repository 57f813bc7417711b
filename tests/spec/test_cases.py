"""Cases: the line, the ladder, and that nobody is forgotten whatever people do or leave undone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from deskbell.actions import ladder, waiting
from deskbell.clock import from_us
from deskbell.ids import TenantId, new_id
from deskbell.ports import Ports
from deskbell.store import cases as stored_cases
from deskbell.store.change import Change
from deskbell.testing.desk import Desk, Line, Person, settings_for


@pytest.fixture
async def desk(empty_sqlite_url: str) -> AsyncIterator[Desk]:
    # Time moves when a test says so: the jobs' own tick comes too late for any of them.
    settings = settings_for(empty_sqlite_url, jobs={"tick_s": 3600.0}, auth={"access_token_s": 86_400})
    async with Desk.open(empty_sqlite_url, settings=settings) as opened:
        yield opened


async def escalated(maya: Person) -> tuple[str, str]:
    """A new conversation of a visitor's that waits for a person: room and case."""
    room = await maya.conversation()
    assert (await maya.post(f"/rooms/{room}/escalate")).status_code == 200
    row = await maya.desk.application.ports.db.fetchrow("SELECT id FROM cases WHERE room_id = $1", room)
    assert row is not None
    return room, row["id"]


async def told(person: Person, room: str) -> list[str]:
    """What the platform has said in a room."""
    found = (await person.get(f"/rooms/{room}/messages")).json()["messages"]
    return [message["content"] for message in found if message["kind"] == "system"]


async def nobody_waits_for_ever(desk: Desk) -> None:
    assert await stored_cases.without_deadline(desk.application.ports.db) == []


# the line


async def test_who_asks_hears_their_place_however_long_the_commit_takes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is told as it is after the commit, not as it was before: nobody would tell it again."""
    finish = Change.finish

    async def slowly(change: Change) -> None:
        await finish(change)
        await asyncio.sleep(0.2)

    monkeypatch.setattr(Change, "finish", slowly)
    monkeypatch.setattr(waiting, "LINE_SETTLES_S", 0.0)
    maya = await desk.visitor()
    async with maya.line() as line:
        room, _ = await escalated(maya)
        told_place = await line.wait("case", room=room, status="waiting")
        assert told_place["position"] == 1


async def test_out_of_hours_nobody_is_promised_minutes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are told when it opens, by what they ask and by what they are told; and how long again, once it is open."""
    monkeypatch.setattr(waiting, "LINE_SETTLES_S", 0.0)
    now = from_us(desk.clock.now_us())
    opens = (now + timedelta(days=2)).replace(hour=9, minute=0, second=0, microsecond=0)
    kim, maya = await desk.agent("Kim", role="admin"), await desk.visitor()
    [site] = (await kim.get("/admin/sites")).json()["items"]
    day = {opens.strftime("%a").lower(): [["09:00", "10:00"]]}

    async def keeps(hours: dict[str, Any] | None) -> None:
        changed = await kim.call("PATCH", f"/admin/sites/{site['id']}", json={"settings": {"hours": hours}})
        assert changed.status_code == 200, changed.text

    async with maya.line() as line:
        await keeps({"timezone": "UTC", "days": day})
        room, _ = await escalated(maya)
        closed = {"status": "waiting", "open": False, "opens_at": f"{opens:%Y-%m-%dT%H:%M:%SZ}"}
        heard = await line.wait("case", room=room, status="waiting")
        asked = (await maya.get(f"/rooms/{room}/case")).json()
        assert [{**answer, **closed} for answer in (heard, asked)] == [heard, asked]
        assert not {"wait", "position"} & (set(heard) | set(asked))
        await keeps({"timezone": "UTC", "days": {}})
        asked = (await maya.get(f"/rooms/{room}/case")).json()
        assert asked["open"] is False and "wait" not in asked and "opens_at" not in asked, "it never opens"
        await keeps(None)
        asked = (await maya.get(f"/rooms/{room}/case")).json()
        assert len(asked["wait"]) == 2 and asked["position"] == 1 and "open" not in asked
        await escalated(await desk.visitor("Vera"))
        assert len((await line.wait("case", room=room, wait=asked["wait"]))["wait"]) == 2


async def opens_soon(desk: Desk) -> datetime:
    """When the site opens: for half an hour a week, the next time in one to two hours."""
    kim = await desk.agent("Kim", role="admin")
    opens = (from_us(desk.clock.now_us()) + timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    hours = {"timezone": "UTC", "days": {f"{opens:%a}".lower(): [[f"{opens:%H}:00", f"{opens:%H}:30"]]}}
    [site] = (await kim.get("/admin/sites")).json()["items"]
    changed = await kim.call("PATCH", f"/admin/sites/{site['id']}", json={"settings": {"hours": hours}})
    assert changed.status_code == 200, changed.text
    return opens


async def test_who_waits_is_told_when_their_site_opens_and_when_it_closes(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing moves in the line: once, however many look, and also where a look was missed."""
    monkeypatch.setattr(waiting, "LINE_SETTLES_S", 0.0)
    settings = settings_for(database_url, jobs={"tick_s": 3600.0}, auth={"access_token_s": 86_400})
    async with Desk.open(database_url, settings=settings) as desk:
        look, maya, opens = desk.application.jobs.hours, await desk.visitor(), await opens_soon(desk)
        async with maya.line() as line:
            room, _ = await escalated(maya)
            await line.wait("case", room=room, opens_at=f"{opens:%Y-%m-%dT%H:%M:%SZ}")

            async def hears() -> list[dict[str, Any]]:
                """What the line is told by two instances that look at this moment."""
                before = len(line.frames)
                await asyncio.gather(look(), look())
                await line.says(room, "Is anybody there?")  # what was told before is heard before the answer
                return [frame for frame in line.frames[before:] if frame["type"] == "case"]

            desk.clock.advance((opens - from_us(desk.clock.now_us())).total_seconds() - 30)
            assert await hears() == [], "it is still closed"
            desk.clock.advance(60)
            [told] = await hears()
            assert told["position"] == 1 and len(told["wait"]) == 2 and "open" not in told
            desk.clock.advance(35 * 60)
            [told] = await hears()
            assert told["open"] is False and not {"wait", "position"} & set(told)
            assert told["opens_at"] == f"{opens + timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}"
            desk.clock.advance(60)
            assert await hears() == [], "that was told"


async def test_that_a_site_has_opened_is_noticed_by_itself(
    empty_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here every second, that the test need not wait for a minute."""
    looks: list[int] = []
    turned_lines = waiting.turned_lines

    async def looked(ports: Ports, since_us: int, now_us: int) -> list[tuple[TenantId, str]]:
        looks.append(now_us)
        return await turned_lines(ports, since_us, now_us)

    monkeypatch.setattr("deskbell.jobs.HOURS_EVERY_S", 1)
    monkeypatch.setattr(waiting, "turned_lines", looked)
    settings = settings_for(empty_sqlite_url, jobs={"tick_s": 3600.0}, auth={"access_token_s": 86_400})
    async with Desk.open(empty_sqlite_url, settings=settings) as desk:
        maya, opens = await desk.visitor(), await opens_soon(desk)
        async with maya.line() as line:
            room, _ = await escalated(maya)
            await line.wait("case", room=room, open=False)
            await desk.until(lambda: looks)
            desk.clock.advance((opens - from_us(desk.clock.now_us())).total_seconds())
            await line.wait("case", room=room, position=1)


# the ladder


async def test_what_happens_to_a_case_nobody_takes(desk: Desk) -> None:
    """Offered again, to everybody, a call-back form, back to the bot with an apology; then the last step repeats."""
    maya, tom = await desk.visitor(), await desk.agent("Tom", teams=("billing",))
    async with maya.line() as line, tom.line() as agent:
        room, case = await escalated(maya)
        await line.subscribe(room)
        seen: list[tuple[str, str, str]] = []
        for wait_s in (120, 120, 180, 600, 600, 600):
            assert (await tom.get(f"/cases/{case}")).json()["status"] == "waiting"
            await desk.advance(wait_s - 2)
            await desk.advance(3)
            await nobody_waits_for_ever(desk)
            now, state = (await tom.get(f"/cases/{case}")).json(), (await maya.get(f"/rooms/{room}")).json()
            last = (await told(maya, room))[-1]
            seen.append((now["team"], state["owner"]["kind"], last[:20]))
        first = "I've asked a colleague"[:20]
        assert seen == [
            ("support", "nobody", first),
            ("*", "nobody", first),
            ("*", "nobody", "This takes longer th"),
            ("*", "bot", "I'm sorry, nobody is"),
            ("*", "bot", "I'm sorry, nobody is"),
            ("*", "bot", "I'm sorry, nobody is"),
        ]
        assert len(await told(maya, room)) == 3, "the last step is repeated, not said again"
        form = await line.find(lambda f: f["type"] == "message" and f["message"]["metadata"].get("form"))
        assert form["message"]["metadata"]["form"] == ["email"]
        # They kept their place all along, the assistant answers meanwhile, and another team's agent sees it.
        assert (await maya.get(f"/rooms/{room}/case")).json()["position"] == 1
        await line.says(room, "Are you there?")
        await line.hears(room, "You said: Are you there?")
        queue = (await tom.get("/cases", params={"view": "queue"})).json()["items"]
        assert [item["id"] for item in queue] == [case]
        assert (await tom.post(f"/cases/{case}/claim")).status_code == 200
        assert len([f for f in agent.frames if f["type"] == "case"]) >= 6, "the team was alerted each time"


async def test_a_step_is_taken_once_however_often_the_jobs_look(desk: Desk) -> None:
    maya = await desk.visitor()
    _, case = await escalated(maya)
    desk.clock.advance(121)
    jobs = desk.application.jobs
    await asyncio.gather(*(jobs.cases() for _ in range(4)))
    row = await desk.application.ports.db.fetchrow("SELECT step, version FROM cases WHERE id = $1", case)
    assert row is not None and row["step"] == 1


async def test_a_case_that_cannot_be_dealt_with_keeps_none_from_its_turn(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [await desk.visitor(f"V{n}") for n in range(3)]
    found = [await escalated(one) for one in people]
    original = ladder.step

    async def step(ports: Any, tenant: Any, case: Any, room: Any) -> Any:
        if case == found[0][1]:
            raise RuntimeError("this one is cursed")
        return await original(ports, tenant, case, room)

    monkeypatch.setattr(ladder, "step", step)
    await desk.advance(121)
    steps = {row["id"]: row["step"] for row in await desk.application.ports.db.fetch("SELECT id, step FROM cases")}
    assert [steps[case] for _, case in found] == [0, 1, 1]


async def test_a_ladder_of_the_operators_own_is_climbed(empty_sqlite_url: str) -> None:
    steps = [{"after_s": 10, "action": "other_team", "team": "billing"}, {"after_s": 20, "action": "call_back"}]
    settings = settings_for(empty_sqlite_url, support={"offer_s": 5, "ladder": steps}, jobs={"tick_s": 3600.0})
    async with Desk.open(empty_sqlite_url, settings=settings) as desk:
        maya, tom = await desk.visitor(), await desk.agent("Tom", teams=("billing",))
        _, case = await escalated(maya)
        await desk.advance(6)
        assert [c["id"] for c in (await tom.get("/cases", params={"view": "queue"})).json()["items"]] == [case]


async def test_an_agent_who_is_silent_is_reminded_then_the_case_goes_back_in_line_ahead_of_others(desk: Desk) -> None:
    maya, ben = await desk.visitor("Maya"), await desk.visitor("Ben")
    ana = await desk.agent("Ana")
    async with ana.line() as agent, maya.line() as line:
        room, case = await escalated(maya)
        await line.subscribe(room)
        await ana.post(f"/cases/{case}/claim")
        await desk.advance(601)
        alert = await agent.find(lambda f: f["type"] == "case" and f["case"]["id"] == case and f["case"]["step"] == 1)
        assert alert["case"]["status"] == "assigned", "a reminder first"
        await nobody_waits_for_ever(desk)

        await desk.advance(540)
        _, other = await escalated(ben)
        await desk.advance(61)
        back = (await ana.get(f"/cases/{case}")).json()
        assert (back["status"], back["agent"], back["priority"], back["position"]) == ("waiting", None, 1, 1)
        assert (await ana.get(f"/cases/{other}")).json()["position"] == 2
        assert (await maya.get(f"/rooms/{room}")).json()["owner"] == {"kind": "nobody"}
        assert line.heard(room, kind="system")[-1] == "I've asked another colleague to join."
        await nobody_waits_for_ever(desk)


async def test_an_agent_who_answers_owes_nothing_until_the_visitor_writes_again(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent()
    async with ana.line() as agent, maya.line() as line:
        room, case = await escalated(maya)
        await ana.post(f"/cases/{case}/claim")
        await agent.says(room, "Hello")
        assert (await ana.get(f"/cases/{case}")).json()["deadline_at"] is None
        await desk.advance(10_000)
        assert (await ana.get(f"/cases/{case}")).json()["agent"] == ana.id
        await line.says(room, "Hello Ana, one more thing")
        assert (await ana.get(f"/cases/{case}")).json()["deadline_at"] is not None
        await desk.advance(601)
        await desk.advance(601)
        assert (await ana.get(f"/cases/{case}")).json()["status"] == "waiting"


async def test_a_snoozed_case_wakes_with_its_agent(desk: Desk) -> None:
    maya, ana, tom = await desk.visitor(), await desk.agent("Ana"), await desk.agent("Tom")
    async with ana.line() as agent:
        _, case = await escalated(maya)
        await ana.post(f"/cases/{case}/claim")
        until = from_us(await desk.application.ports.journal.now_us()) + timedelta(hours=2)
        slept = await ana.post(f"/cases/{case}/snooze", {"until": until.isoformat()})
        assert slept.status_code == 200 and slept.json()["status"] == "snoozed", slept.text
        taken = await tom.post(f"/cases/{case}/claim")
        assert (taken.status_code, taken.json()["error"]["details"]["agent"]) == (409, ana.id)
        await desk.advance(3600)
        assert (await ana.get(f"/cases/{case}")).json()["status"] == "snoozed"
        await desk.advance(3700)
        awake = (await ana.get(f"/cases/{case}")).json()
        assert (awake["status"], awake["agent"]) == ("assigned", ana.id)
        assert awake["deadline_at"], "and is on the ladder again"
        await agent.find(lambda f: f["type"] == "case" and f["case"]["version"] == awake["version"])


async def test_a_snoozed_case_wakes_when_its_visitor_writes(desk: Desk) -> None:
    """They do not wait until the agent's alarm rings."""
    maya, ana = await desk.visitor(), await desk.agent("Ana")
    async with maya.line() as line:
        room, case = await escalated(maya)
        await ana.post(f"/cases/{case}/claim")
        until = from_us(await desk.application.ports.journal.now_us()) + timedelta(hours=20)
        await ana.post(f"/cases/{case}/snooze", {"until": until.isoformat()})
        await desk.tick()
        assert (await ana.get(f"/cases/{case}")).json()["status"] == "snoozed"
        await line.says(room, "It is urgent now")
        await desk.tick()
        awake = (await ana.get(f"/cases/{case}")).json()
        assert (awake["status"], awake["agent"]) == ("assigned", ana.id)
        await desk.advance(601)
        await desk.advance(601)
        assert (await ana.get(f"/cases/{case}")).json()["status"] == "waiting", "and is owed an answer as any other"


# the line


async def places(line: Line, *, after: int = 0) -> list[int]:
    return [f["position"] for f in line.frames[after:] if f["type"] == "case" and f["status"] == "waiting"]


async def test_the_visitor_is_told_their_place_after_each_change_in_the_line(desk: Desk) -> None:
    people = [await desk.visitor(f"V{n}") for n in range(4)]
    ana, boss = await desk.agent("Ana"), await desk.agent("Boss", role="supervisor")
    lines = [await one.connect() for one in people]
    found = [await escalated(one) for one in people]
    for n, line in enumerate(lines, 1):
        frame = await line.wait("case", position=n)
        low, high = frame["wait"]
        assert 0 <= low < high

    await ana.post(f"/cases/{found[0][1]}/claim")
    for n, line in enumerate(lines[1:], 1):
        await line.wait("case", position=n)
    await lines[0].wait("case", status="assigned")

    await boss.call("PATCH", f"/cases/{found[3][1]}", json={"priority": 2})
    await lines[3].wait("case", position=1)
    await lines[1].wait("case", position=2, after=len(lines[1].frames) - 1)

    for (room, _), line in zip(found, lines, strict=True):
        for frame in line.frames:
            if frame["type"] == "case":
                assert frame["room"] == room, "one's own, and nobody else's"
                assert set(frame) <= {"type", "room", "status", "position", "wait"}


async def test_a_change_while_the_line_is_being_told_is_told_as_well(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last word a visitor hears of their place is true."""
    maya, ben, ana = await desk.visitor("Maya"), await desk.visitor("Ben"), await desk.agent()
    async with ben.line() as line:
        _, first = await escalated(maya)
        await escalated(ben)
        await line.wait("case", position=2)
        reading, go_on = asyncio.Event(), asyncio.Event()
        db = desk.application.ports.db
        fetch = db.fetch

        async def slow(sql: str, *args: Any) -> Any:
            rows = await fetch(sql, *args)
            if "r.customer" in sql and "c.room_id" in sql and not reading.is_set():
                reading.set()
                await go_on.wait()
            return rows

        monkeypatch.setattr(db, "fetch", slow)
        async with desk.application.ports.journal.change(desk.tenant) as change:
            waiting.tell_line_later(desk.application.ports, change, "support")
        await asyncio.wait_for(reading.wait(), 5)
        await ana.post(f"/cases/{first}/claim")
        go_on.set()
        await line.wait("case", position=1)


async def test_the_wait_is_told_from_how_long_others_have_waited(desk: Desk) -> None:
    ana = await desk.agent()
    async with ana.line() as agent:
        for n in range(5):
            room, case = await escalated(await desk.visitor(f"V{n}"))
            await ana.post(f"/cases/{case}/claim")
            desk.clock.advance(100)
            await agent.says(room, "Hello")
            await ana.post(f"/cases/{case}/resolve")
    maya = await desk.visitor()
    room, _ = await escalated(maya)
    low, high = (await maya.get(f"/rooms/{room}/case")).json()["wait"]
    assert 99 <= low <= 105 and low < high <= 200


async def test_higher_priority_stands_ahead_and_among_equals_who_waits_longer(desk: Desk) -> None:
    boss = await desk.agent("Boss", role="supervisor")
    cases = []
    for n in range(3):
        cases.append((await escalated(await desk.visitor(f"V{n}")))[1])
        desk.clock.advance(1)
    await boss.call("PATCH", f"/cases/{cases[2]}", json={"priority": 1})
    queue = (await boss.get("/cases", params={"view": "queue"})).json()["items"]
    assert [item["id"] for item in queue] == [cases[2], cases[0], cases[1]]
    assert [item["position"] for item in queue] == [1, 2, 3]


async def test_returned_by_an_agent_who_never_answered_they_stand_where_they_stood(desk: Desk) -> None:
    maya, ben, ana = await desk.visitor("Maya"), await desk.visitor("Ben"), await desk.agent()
    room, first = await escalated(maya)
    desk.clock.advance(10)
    await escalated(ben)
    await ana.post(f"/cases/{first}/claim")
    await ana.post(f"/cases/{first}/return", {"to": "queue"})
    assert (await maya.get(f"/rooms/{room}/case")).json()["position"] == 1


async def test_returning_what_already_waits_changes_nothing(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent()
    room, case = await escalated(maya)
    await maya.post(f"/rooms/{room}/assistant")
    before = (await ana.get(f"/cases/{case}")).json()
    assert (await ana.post(f"/cases/{case}/return", {"to": "queue"})).json()["version"] == before["version"]
    moved = await ana.post(f"/cases/{case}/transfer", {"team": "billing"})
    assert moved.json()["team"] == "billing"
    assert (await maya.get(f"/rooms/{room}")).json()["owner"]["kind"] == "bot", "the assistant keeps them company"


# rating


async def test_the_visitor_alone_says_how_it_went_and_only_when_it_is_over(desk: Desk) -> None:
    maya, eve, ana = await desk.visitor("Maya"), await desk.visitor("Eve"), await desk.agent()
    room, case = await escalated(maya)
    await ana.post(f"/cases/{case}/claim")
    assert (await maya.post(f"/rooms/{room}/rating", {"rating": 5})).status_code == 409
    await ana.post(f"/cases/{case}/resolve")
    assert (await ana.post(f"/rooms/{room}/rating", {"rating": 5})).status_code == 403
    assert (await eve.post(f"/rooms/{room}/rating", {"rating": 5})).status_code == 404
    assert (await maya.post(f"/rooms/{room}/rating", {"rating": 6})).status_code == 422
    rated = await maya.post(f"/rooms/{room}/rating", {"rating": 4, "comment": "Good"})
    assert rated.status_code == 200
    seen = (await ana.get(f"/cases/{case}")).json()
    assert (seen["rating"], seen["rating_comment"]) == (4, "Good")


# hostile and mistaken input


async def test_what_is_not_theirs_does_not_exist_for_visitors_and_other_tenants(desk: Desk) -> None:
    maya, eve, ana = await desk.visitor("Maya"), await desk.visitor("Eve"), await desk.agent()
    spy = await desk.person("Spy", kind="agent", role="admin", tenant=await desk.other_tenant())
    room, case = await escalated(maya)
    verbs: list[tuple[str, str, Any]] = [
        ("GET", f"/cases/{case}", None),
        ("PATCH", f"/cases/{case}", {"priority": 2}),
        ("POST", f"/cases/{case}/claim", {}),
        ("POST", f"/cases/{case}/assign", {"agent": ana.id}),
        ("POST", f"/cases/{case}/transfer", {"team": "billing"}),
        ("POST", f"/cases/{case}/return", {"to": "queue"}),
        ("POST", f"/cases/{case}/resolve", {}),
        ("POST", f"/cases/{case}/reopen", {}),
        ("POST", f"/cases/{case}/snooze", {"until": "2030-01-01T00:00:00Z"}),
        ("GET", f"/rooms/{room}/backstage", None),
        ("POST", f"/rooms/{room}/notes", {"text": "hi"}),
    ]
    foreign = [
        ("POST", f"/rooms/{room}/take-over", {}),
        ("POST", f"/rooms/{room}/escalate", {}),
        ("POST", f"/rooms/{room}/assistant", {}),
        ("GET", f"/rooms/{room}/case", None),
        ("POST", f"/rooms/{room}/rating", {"rating": 5}),
    ]
    for who, asked in ((maya, verbs), (eve, verbs + foreign), (spy, verbs + foreign)):
        for method, path, body in asked:
            answer = await who.call(method, path, **({"json": body} if body is not None else {}))
            absent = await who.call(
                method,
                path.replace(case, new_id()).replace(room, new_id()),
                **({"json": body} if body is not None else {}),
            )
            assert answer.status_code in (404, 403), (who.name, method, path, answer.text)
            assert (answer.status_code, answer.json()) == (absent.status_code, absent.json()), (method, path)
    assert (await ana.get(f"/cases/{case}")).json()["version"] == 1, "and nothing was changed"


async def test_wrong_states_are_refused_by_name_and_change_nothing(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent()
    room, case = await escalated(maya)

    async def refused(path: str, body: Any, status: int, code: str) -> None:
        before = (await ana.get(f"/cases/{case}")).json()
        answer = await ana.post(path, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
        assert (await ana.get(f"/cases/{case}")).json() == before

    await refused(f"/cases/{case}/snooze", {"until": "2099-01-01T00:00:00Z"}, 409, "conflict")
    await refused(f"/cases/{case}/transfer", {}, 422, "invalid")
    await refused(f"/cases/{case}/transfer", {"team": "nobody"}, 422, "invalid")
    await refused(f"/cases/{case}/transfer", {"agent": maya.id}, 422, "invalid")
    await refused(f"/cases/{case}/transfer", {"agent": new_id()}, 422, "invalid")
    await refused(f"/cases/{case}/return", {"to": "sender"}, 422, "invalid")
    await refused(f"/cases/{case}/assign", {"agent": new_id()}, 403, "forbidden")
    await ana.post(f"/cases/{case}/claim")
    await refused(f"/cases/{case}/snooze", {"until": "2001-01-01T00:00:00Z"}, 409, "conflict")
    await refused(f"/cases/{case}/snooze", {"until": "2099-01-01T00:00:00"}, 422, "invalid")
    assert (await ana.call("PATCH", f"/cases/{case}", json={"priority": 1, "version": 1})).status_code == 412
    await ana.post(f"/cases/{case}/resolve")
    await refused(f"/cases/{case}/claim", {}, 410, "gone")
    await refused(f"/cases/{case}/return", {"to": "queue"}, 410, "gone")
    await refused(f"/cases/{case}/transfer", {"team": "billing"}, 410, "gone")
    assert (await maya.post(f"/rooms/{room}/escalate", {"reason": "x" * 201})).status_code == 422


async def test_only_support_conversations_are_handed_over(desk: Desk) -> None:
    tom, ana = await desk.member("Tom"), await desk.agent()
    group = await tom.group()
    answer = await tom.post(f"/rooms/{group}/escalate")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert (await tom.post(f"/rooms/{group}/assistant")).status_code == 409
    maya = await desk.visitor()
    room, _ = await escalated(maya)
    backstage = (await ana.get(f"/rooms/{room}/backstage")).json()["id"]
    assert (await ana.post(f"/rooms/{backstage}/escalate")).status_code == 409, "nor is a backstage room"
    assert (await ana.post(f"/rooms/{backstage}/take-over")).status_code == 409
    assert (await ana.get(f"/rooms/{backstage}/backstage")).status_code == 404
