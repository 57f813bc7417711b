"""Who is behind the counter: let in, moved, dismissed by admins; and always somebody who can undo it."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect

from deskbell.actions import staff
from deskbell.config import UserSeed
from deskbell.errors import Forbidden, Revoked
from deskbell.ids import TenantId, new_id
from deskbell.store import people
from deskbell.testing.desk import PASSWORD, Desk, Person, settings_for

NEW_PASSWORD = "a good long password"
_numbers = itertools.count(1)


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


def address(name: str = "new") -> str:
    return f"{name}{next(_numbers)}@staff.example"


async def own_tenant(desk: Desk) -> TenantId:
    """A tenant in which nobody is yet."""
    tenant = await desk.other_tenant(f"t{new_id()[-12:]}")
    await people.ensure_team(desk.application.ports.db, tenant, "support", "Support")
    return tenant


async def boss_of(desk: Desk, tenant: TenantId | None = None) -> Person:
    return await desk.person("Kim", kind="agent", role="admin", tenant=tenant or await own_tenant(desk))


def one(email: str, **fields: Any) -> dict[str, Any]:
    return {"name": "Nora", "email": email, "password": NEW_PASSWORD, **fields}


async def change(by: Person, whom: Person | str, **body: Any) -> Any:
    user = whom if isinstance(whom, str) else whom.id
    return await by.call("PATCH", f"/people/{user}", json=body)


async def logged_in(desk: Desk, email: str, password: str = PASSWORD) -> bool:
    return (await desk.http.post("/auth/login", json={"email": email, "password": password})).status_code == 200


async def renewed(desk: Desk, person: Person) -> bool:
    answer = await desk.http.post("/auth/refresh", json={"refresh_token": person.refresh_token})
    return answer.status_code == 200


async def test_an_admin_lets_somebody_in_who_then_works(desk: Desk) -> None:
    kim, email = await boss_of(desk), address("Nora")
    answer = await kim.post("/people", one(email.upper(), role="supervisor", teams=["support", "support"]))
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made == {
        "user": {"id": made["user"]["id"], "kind": "agent", "name": "Nora", "avatar": None},
        "email": email.lower(),
        "role": "supervisor",
        "teams": ["support"],
        "disabled": False,
        "status": "offline",
    }
    session = await desk.http.post("/auth/login", json={"email": email, "password": NEW_PASSWORD})
    nora = Person(desk, session.json(), email)
    assert session.json()["role"] == "supervisor" and (await nora.get("/cases")).status_code == 200
    async with nora.line():
        listed = (await kim.get("/people")).json()["items"]
        assert [(item["user"]["name"], item["status"]) for item in listed] == [("Kim", "offline"), ("Nora", "online")]
    assert NEW_PASSWORD not in answer.text and "password" not in answer.text


async def test_only_admins_manage_and_nobody_is_told_of_another_tenant(desk: Desk) -> None:
    tenant = await own_tenant(desk)
    kim, eve = await boss_of(desk, tenant), await boss_of(desk)
    ana = await desk.person("Ana", kind="agent", role="agent", tenant=tenant)
    lea = await desk.person("Lea", kind="agent", role="supervisor", tenant=tenant)
    for person in (ana, lea, await desk.visitor(), await desk.member()):
        for method, path, body in (
            ("GET", "/people", None),
            ("POST", "/people", one(address())),
            ("PATCH", f"/people/{person.id}", {"role": "admin"}),
            ("POST", "/teams", {"slug": "mine", "name": "Mine"}),
            ("PATCH", "/teams/support", {"name": "Mine"}),
            ("DELETE", "/teams/support", None),
        ):
            answer = await person.call(method, path, json=body) if body is not None else await person.call(method, path)
            assert answer.status_code == 403, (method, path, person.name)
    assert (await desk.http.get("/people")).status_code == 401
    assert {item["user"]["id"] for item in (await kim.get("/people")).json()["items"]} == {kim.id, ana.id, lea.id}
    for whom in (ana, kim, new_id(), (await desk.visitor()).id):
        assert (await change(eve, whom, name="Mine")).status_code == 404
    assert (await change(kim, await desk.visitor(), role="admin")).status_code == 404, "visitors are not staff"
    for method, path in (("PATCH", "/teams/nights"), ("DELETE", "/teams/nights")):
        await kim.post("/teams", {"slug": "nights", "name": "Nights"})
        assert (await eve.call(method, path, json={"name": "x"} if method == "PATCH" else None)).status_code == 404


async def test_nothing_can_be_slipped_in(desk: Desk) -> None:
    kim = await boss_of(desk)
    for extra in ("id", "tenant", "kind", "disabled", "token_version", "avatar", "attributes", "external_id"):
        answer = await kim.post("/people", one(address(), **{extra: "x"}))
        assert answer.status_code == 422 and answer.json()["error"]["details"]["path"] == extra
    for extra in ("id", "tenant", "kind", "email", "token_version", "password_hash"):
        assert (await change(kim, kim, **{extra: "x"})).status_code == 422
    for wrong in ({"role": "owner"}, {"role": ""}, {"teams": ["nowhere"]}, {"name": "   "}, {"email": "nobody"}):
        assert (await kim.post("/people", one(address()) | wrong)).status_code == 422, wrong
    assert len((await kim.get("/people")).json()["items"]) == 1


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "eleven-char",
        "  letmein!     ",
        "aaaaaaaaaaaaaaa",
        "ababababababab",
        " " * 20,
        "deskbell-demo",
        "Nora Nightshift",
    ],
)
async def test_a_password_that_is_guessed_first_is_refused(desk: Desk, password: str) -> None:
    kim = await boss_of(desk)
    body = one(address(), name="Nora Nightshift", password=password)
    assert (await kim.post("/people", body)).status_code == 422
    for own in ("nora.the.first", "Nora.The.First@staff.example"):
        body = one("nora.the.first@staff.example", password=own)
        assert (await kim.post("/people", body)).status_code == 422
    assert (await change(kim, kim, password="short")).status_code == 422
    assert await logged_in(desk, kim.email), "a refused change ends no login"


async def test_an_address_is_one_persons(desk: Desk) -> None:
    """Also of two requests at the same moment; in another tenant it is free."""
    kim, eve, email = await boss_of(desk), await boss_of(desk), address()
    answers = await asyncio.gather(*(kim.post("/people", one(text)) for text in (email, email.upper())))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    refused = await kim.post("/people", one(email))
    assert refused.status_code == 409 and refused.json()["error"]["code"] == "conflict"
    assert (await eve.post("/people", one(email))).status_code == 201


async def test_names_stay_text(desk: Desk) -> None:
    kim = await boss_of(desk)
    for name in ("<script>alert(1)</script>", "'; DROP TABLE users; --", "‮evil", "{{agent.name}}", "山田 太郎"):
        made = (await kim.post("/people", one(address(), name=name))).json()
        assert made["user"]["name"] == name
    assert (await change(kim, made["user"]["id"], name=" Taro \n Yamada ")).json()["user"]["name"] == "Taro Yamada"


async def test_whoever_is_disabled_is_out_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens, those they renew with, tickets, sockets, the next login; without waiting for the job that looks."""

    async def unseen(*_: object) -> list[Any]:
        return []

    monkeypatch.setattr(people, "changed_since", unseen)
    tenant = await own_tenant(desk)
    kim = await boss_of(desk, tenant)
    ana = await desk.person("Ana", kind="agent", role="agent", tenant=tenant)
    ticket = (await ana.post("/ws-tickets")).json()["ticket"]
    async with ana.line() as line, kim.line() as own:
        answer = await change(kim, ana, disabled=True)
        assert answer.status_code == 200 and answer.json()["disabled"] is True
        assert await line.wait_closed() == 4503
        assert own.closed is None
    assert (await ana.get("/me")).status_code == 401
    assert not await renewed(desk, ana)
    socket = await connect(f"{desk.url.replace('http', 'ws', 1)}/api/v1/ws?ticket={ticket}", proxy=None)
    await socket.wait_closed()
    assert socket.close_code in (4500, 4503)
    assert not await logged_in(desk, ana.email)
    assert (await change(kim, ana, disabled=False)).json()["disabled"] is False
    assert await logged_in(desk, ana.email)
    assert (await ana.get("/me")).status_code == 401, "what was ended stays so"
    assert not await renewed(desk, ana)


async def test_where_the_hint_is_lost_the_store_says_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job that does this runs every five seconds on each instance."""
    tenant = await own_tenant(desk)
    kim = await boss_of(desk, tenant)
    ana = await desk.person("Ana", kind="agent", role="supervisor", tenant=tenant)
    monkeypatch.setattr(staff, "tell_revoked", lambda *_: None)
    async with ana.line() as line:
        await desk.application.jobs.tips()
        assert (await change(kim, ana, role="agent")).status_code == 200
        assert line.closed is None
        await desk.application.jobs.tips()
        assert await line.wait_closed() == 4503


async def test_a_lesser_role_or_a_new_password_ends_logins_and_a_greater_role_does_not(desk: Desk) -> None:
    tenant = await own_tenant(desk)
    kim = await boss_of(desk, tenant)
    ana = await desk.person("Ana", kind="agent", role="agent", tenant=tenant)
    assert (await change(kim, ana, role="supervisor", name="Ana B.", teams=["support"])).status_code == 200
    assert (await ana.get("/me")).json()["role"] == "supervisor"
    assert (await change(kim, ana)).json()["teams"] == ["support"], "what is left out stays"
    assert (await change(kim, ana, role="supervisor", disabled=False, teams=["support"])).status_code == 200
    assert (await ana.get("/me")).status_code == 200, "the same again changes nothing"
    assert (await change(kim, ana, role="agent")).json()["role"] == "agent"
    assert (await ana.get("/me")).status_code == 401
    again = Person(desk, (await desk.http.post("/auth/login", json={"email": ana.email, "password": PASSWORD})).json())
    assert (await change(kim, ana, password=NEW_PASSWORD, teams=[])).json()["teams"] == []
    assert (await again.get("/me")).status_code == 401 and not await renewed(desk, again)
    assert not await logged_in(desk, ana.email) and await logged_in(desk, ana.email, NEW_PASSWORD)


async def test_the_last_admin_stays_one(desk: Desk) -> None:
    tenant = await own_tenant(desk)
    kim = await boss_of(desk, tenant)
    lou = await desk.person("Lou", kind="agent", role="admin", tenant=tenant)
    assert (await change(lou, lou, disabled=True)).status_code == 200
    for body in ({"disabled": True}, {"role": "agent"}, {"role": "supervisor", "name": "Kim the Small"}):
        refused = await change(kim, kim, **body)
        assert refused.status_code == 409 and refused.json()["error"]["code"] == "conflict", "one who is out is no help"
    kept = (await kim.get("/people")).json()["items"][0]
    assert (kept["role"], kept["disabled"], kept["user"]["name"]) == ("admin", False, "Kim")
    assert (await change(kim, lou, disabled=False)).status_code == 200
    assert (await change(kim, kim, role="agent")).status_code == 200


async def test_an_admin_without_a_password_is_not_left_alone(desk: Desk) -> None:
    """The settings may plant one who does not log in by password, and so cannot undo what another has done."""
    tenant = await own_tenant(desk)
    kim = await boss_of(desk, tenant)
    ports = desk.application.ports
    lou = await people.create_user(
        ports.db, ports.clock, tenant, kind="agent", name="Lou", role="admin", email=address("lou")
    )
    assert (await change(kim, kim, role="agent")).status_code == 409
    assert (await change(kim, str(lou.id), disabled=True)).status_code == 200
    assert (await change(kim, str(lou.id), disabled=False, password=NEW_PASSWORD)).status_code == 200
    assert (await change(kim, kim, role="agent")).status_code == 200


async def test_of_two_admins_who_dismiss_each_other_at_the_same_moment_one_stays(desk: Desk) -> None:
    for body in ({"disabled": True}, {"role": "agent"}):
        for _ in range(3):
            tenant = await own_tenant(desk)
            kim = await boss_of(desk, tenant)
            lou = await desk.person("Lou", kind="agent", role="admin", tenant=tenant)
            answers = await asyncio.gather(change(kim, lou, **body), change(lou, kim, **body))
            assert sorted(answer.status_code for answer in answers)[0] == 200
            assert {answer.status_code for answer in answers} <= {200, 401, 403, 409}
            rows = await desk.application.ports.db.fetch(
                "SELECT role, disabled FROM users WHERE tenant_id = $1 AND role <> ''", tenant
            )
            assert [bool(row["disabled"]) for row in rows if row["role"] == "admin"].count(False) == 1


async def test_a_dismissed_admins_last_request_does_nothing(desk: Desk) -> None:
    """It was let in a moment before, and finds itself dismissed when it comes to its turn."""
    tenant = await own_tenant(desk)
    kim = await boss_of(desk, tenant)
    lou = await desk.person("Lou", kind="agent", role="admin", tenant=tenant)
    ports = desk.application.ports
    as_admin = await people.known(ports.db, tenant, lou.id)
    assert as_admin is not None and as_admin.role == "admin"
    await change(kim, lou, role="agent")
    with pytest.raises(Forbidden):
        await staff.change(ports, as_admin, kim.id, disabled=True)
    await change(kim, lou, role="admin", disabled=True)
    with pytest.raises(Revoked):
        await staff.create_team(ports, as_admin, "mine", "Mine")


async def test_a_long_list_comes_in_pages(desk: Desk) -> None:
    tenant = await own_tenant(desk)
    kim = await boss_of(desk, tenant)
    made = [kim.id] + [(await kim.post("/people", one(address()))).json()["user"]["id"] for _ in range(4)]
    found, path = [], "/people?limit=2"
    while path:
        page = (await kim.get(path)).json()
        found += [item["user"]["id"] for item in page["items"]]
        path = f"/people?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert found == made
    assert (await kim.get("/people?cursor=nonsense")).status_code == 422


async def test_every_change_is_on_record_and_names_no_word_that_was_written(desk: Desk) -> None:
    kim, email = await boss_of(desk), address("Secretive")
    user = (await kim.post("/people", one(email, role="supervisor"))).json()["user"]["id"]
    await change(kim, user, name="Zelda", role="agent")
    await change(kim, user, name="Zelda", role="agent")
    await change(kim, user, disabled=True, password="another good one")
    await kim.post("/teams", {"slug": "nights", "name": "Nightshift"})
    await kim.call("PATCH", "/teams/nights", json={"name": "Nights"})
    await kim.call("DELETE", "/teams/nights")
    trail = await kim.get("/audit")
    entries = trail.json()["items"][::-1]
    assert [(entry["act"], entry["details"]) for entry in entries] == [
        ("person_created", {"role": "supervisor"}),
        ("person_changed", {"fields": ["name", "role"], "role": "agent", "disabled": False}),
        ("person_changed", {"fields": ["disabled", "password"], "role": "agent", "disabled": True}),
        ("team_created", {}),
        ("team_changed", {"fields": ["name"]}),
        ("team_deleted", {}),
    ]
    assert {entry["actor"] for entry in entries} == {kim.id} and {entry["room"] for entry in entries} == {None}
    assert [entry["subject"] for entry in entries[:3]] == [user] * 3
    for word in (email, email.lower(), "Zelda", "Nora", "another good one", "Nightshift"):
        assert word not in trail.text
    assert (await kim.get("/audit/verify")).json()["intact"] is True


# teams


async def test_teams_are_made_renamed_and_deleted_once_nobody_needs_them(desk: Desk) -> None:
    tenant = await own_tenant(desk)
    kim = await boss_of(desk, tenant)
    made = await kim.post("/teams", {"slug": "nights", "name": "Night shift"})
    assert made.status_code == 201
    assert made.json() == {"slug": "nights", "name": "Night shift", "mine": False, "members": 0}
    assert (await kim.post("/teams", {"slug": "nights", "name": "Again"})).status_code == 409
    for slug in ("*", "", "Big", "a b", "../x", "x" * 64, "new\n"):
        assert (await kim.post("/teams", {"slug": slug, "name": "x"})).status_code == 422, slug
    assert (await kim.call("PATCH", "/teams/nights", json={"slug": "days"})).status_code == 422, "the slug stays"
    assert (await kim.call("PATCH", "/teams/nights", json={"name": "Nights"})).json()["name"] == "Nights"
    assert (await kim.call("PATCH", "/teams/days", json={"name": "Days"})).status_code == 404
    await change(kim, kim, teams=["nights"])
    teams = (await kim.get("/teams")).json()["items"]
    assert teams[0] == {"slug": "nights", "name": "Nights", "mine": True, "members": 1}
    assert (await kim.call("DELETE", "/teams/nights")).status_code == 409, "somebody is in it"
    await change(kim, kim, teams=[])
    assert (await kim.call("DELETE", "/teams/support")).status_code == 409, "the settings send cases there"
    assert (await kim.call("DELETE", "/teams/nights")).json() == {"ok": True}
    assert (await kim.call("DELETE", "/teams/nights")).status_code == 404
    assert [team["slug"] for team in (await kim.get("/teams")).json()["items"]] == ["support"]


async def test_a_team_is_kept_while_a_case_is_in_it(desk: Desk) -> None:
    kim, ana, maya = await desk.agent("Kim", role="admin", teams=()), await desk.agent("Ana"), await desk.visitor()
    await kim.post("/teams", {"slug": "returns", "name": "Returns"})
    room = await maya.conversation()
    await maya.post(f"/rooms/{room}/escalate")
    case = (await ana.get(f"/rooms/{room}")).json()["case"]
    assert (await ana.post(f"/cases/{case}/transfer", {"team": "returns"})).status_code == 200
    assert (await kim.call("DELETE", "/teams/returns")).status_code == 409
    await ana.post(f"/cases/{case}/claim")
    assert (await kim.call("DELETE", "/teams/returns")).status_code == 409
    assert (await ana.post(f"/cases/{case}/resolve")).status_code == 200
    assert (await kim.call("DELETE", "/teams/returns")).status_code == 200


async def test_the_configuration_plants_people_once(sqlite_url: str) -> None:
    """A restart takes nobody back into a team, and gives nobody their first password or role again."""
    settings = settings_for(sqlite_url)
    seeds = (
        UserSeed(email="kim@staff.example", name="Kim", role="admin", password=PASSWORD),
        UserSeed(email="ana@staff.example", name="Ana", role="supervisor", password=PASSWORD, teams=("support",)),
    )
    tenant = msgspec.structs.replace(settings.tenants[0], users=seeds)
    settings = msgspec.structs.replace(settings, tenants=(tenant,))

    async def kim_of(desk: Desk) -> Person:
        answer = await desk.http.post("/auth/login", json={"email": "kim@staff.example", "password": PASSWORD})
        return Person(desk, answer.json())

    async with Desk.open(sqlite_url, settings=settings) as desk:
        kim = await kim_of(desk)
        ana = (await kim.get("/people")).json()["items"][1]
        assert (ana["teams"], ana["role"]) == (["support"], "supervisor")
        body = {"teams": ["billing"], "role": "agent", "name": "Ana B.", "password": NEW_PASSWORD}
        changed = (await change(kim, ana["user"]["id"], **body)).json()
    async with Desk.open(sqlite_url, settings=settings) as desk:
        assert (await (await kim_of(desk)).get("/people")).json()["items"][1] == changed
        assert not await logged_in(desk, "ana@staff.example")
