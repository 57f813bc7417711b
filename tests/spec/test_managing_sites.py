"""Sites made and changed by admins, and seen by their pages."""

from __future__ import annotations

from typing import Any

import jwt
import msgspec
import pytest

from deskbell.ids import new_id
from deskbell.testing.desk import Desk, Person, settings_for


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


async def boss_of(desk: Desk) -> Person:
    """The admin of a tenant of its own."""
    tenant = await desk.other_tenant(f"t{new_id()[-12:]}")
    return await desk.person("Kim", kind="agent", role="admin", tenant=tenant)


async def made(kim: Person, **body: Any) -> dict[str, Any]:
    answer = await kim.post("/admin/sites", {"name": "Shop", "origins": ["https://one.example"], **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def changed(kim: Person, site: dict[str, Any], **body: Any) -> Any:
    return await kim.call("PATCH", f"/admin/sites/{site['id']}", json=body)


async def page(desk: Desk, site: dict[str, Any], origin: str | None = None) -> Any:
    headers = {} if origin is None else {"Origin": origin}
    return await desk.http.get(f"/sites/{site['public_key']}", headers=headers)


async def test_a_site_is_made_and_its_pages_see_it(desk: Desk) -> None:
    kim = await boss_of(desk)
    site = await made(kim, settings={"greeting": {"en": "Hello"}}, bot="scripted")
    assert (site["name"], site["origins"], site["bot"]) == ("Shop", ["https://one.example"], "scripted")
    assert site["settings"]["greeting"] == {"en": "Hello"}
    assert site["settings"]["launcher"] == {"side": "right", "label": ""}, "what was not chosen is shown as it is"
    assert (await page(desk, site, "https://one.example")).json()["greeting"] == {"en": "Hello"}
    assert (await kim.get("/admin/sites")).json()["items"] == [site]
    visitor = await desk.http.post(
        "/auth/visitors", json={"site_key": site["public_key"]}, headers={"Origin": "https://one.example"}
    )
    assert visitor.status_code == 201
    other = await made(kim)
    assert other["public_key"] != site["public_key"] and len(site["public_key"]) == 20


async def test_a_change_is_seen_at_once_where_it_was_made(desk: Desk) -> None:
    """Also by whoever asked a moment before, and by CORS and the doors that look at origins."""
    kim = await boss_of(desk)
    site = await made(kim)
    two = "https://two.example"
    assert (await page(desk, site)).json()["name"] == "Shop"
    assert (await page(desk, site, two)).status_code == 404
    answer = await changed(kim, site, name="Store", origins=["https://Two.example:443"])
    assert answer.status_code == 200
    assert answer.json() == site | {"name": "Store", "origins": [two]}
    seen = await page(desk, site, two)
    assert seen.json()["name"] == "Store" and seen.headers["Access-Control-Allow-Origin"] == two
    assert (await page(desk, site, "https://one.example")).status_code == 404
    answer = await changed(kim, site, settings={"choice": False})
    assert answer.json()["settings"]["choice"] is False and answer.json()["name"] == "Store"
    assert (await page(desk, site)).json()["choice"] is False
    answer = await changed(kim, site, settings={"offline_form": False})
    assert answer.json()["settings"]["choice"] is True, "settings take the place of all there were"
    assert (await changed(kim, site)).json() == answer.json(), "what is left out stays"


async def test_only_admins_manage_sites_and_only_their_own(desk: Desk) -> None:
    kim, eve = await boss_of(desk), await boss_of(desk)
    site = await made(kim)
    lea, maya = await desk.agent("Lea", role="supervisor"), await desk.visitor()
    paths = (
        ("GET", "/admin/sites", None),
        ("POST", "/admin/sites", {"name": "Mine"}),
        ("PATCH", f"/admin/sites/{site['id']}", {"name": "Mine"}),
        ("POST", f"/admin/sites/{site['id']}/rotate-secret", {}),
    )
    for method, path, body in paths:
        for person in (lea, maya):
            assert (await person.call(method, path, json=body)).status_code == 403
        assert (await desk.http.request(method, f"/{path[1:]}", json=body)).status_code == 401
    for method, path, body in paths[2:]:
        assert (await eve.call(method, path, json=body)).status_code == 404
        assert (await kim.call(method, path.replace(site["id"], new_id()), json=body)).status_code == 404
    assert (await eve.get("/admin/sites")).json()["items"] == []
    assert (await kim.get("/admin/sites")).json()["items"] == [site]


@pytest.mark.parametrize(
    "body",
    [
        {"secret": "mine"},
        {"public_key": "mine"},
        {"tenant": "mine"},
        {"name": " "},
        {"origins": ["shop.example"]},
        {"origins": ["https://shop.example/path"]},
        {"origins": ["javascript:alert(1)"]},
        {"origins": ["https://*.shop.example"]},
        {"origins": ["https://somebody@shop.example"]},
        {"origins": ["https://shop.example#top"]},
        {"origins": ["https://shop.example:99999"]},
        {"origins": ["https://b\u00fccher.example"]},
        {"origins": "https://shop.example"},
        {"bot": "nobody"},
        {"settings": {"sparkles": True}},
        {"settings": {"theme": {"color": "#ffffff", "on_color": "#ffffee"}}},
        {"settings": {"hours": {"timezone": "Middle/Earth"}}},
    ],
)
async def test_what_is_wrong_is_refused_and_changes_nothing(desk: Desk, body: dict[str, Any]) -> None:
    kim = await boss_of(desk)
    site = await made(kim)
    refused = await kim.post("/admin/sites", {"name": "Shop", **body})
    assert refused.status_code == 422, refused.text
    assert (await changed(kim, site, **body)).status_code == 422
    assert (await kim.get("/admin/sites")).json()["items"] == [site]


async def test_the_reason_says_what_would_be_right(desk: Desk) -> None:
    kim = await boss_of(desk)
    theme = {"color": "#ffffff", "on_color": "#ffffee"}
    error = (await kim.post("/admin/sites", {"name": "Shop", "settings": {"theme": theme}})).json()["error"]
    assert "needs 4.5:1" in error["message"] and "#000000" in error["message"]
    assert error["details"]["path"] == "settings.theme"


async def test_a_secret_is_told_once_and_the_old_one_signs_nothing_any_more(desk: Desk) -> None:
    kim = await boss_of(desk)
    site = await made(kim)
    path = f"/admin/sites/{site['id']}/rotate-secret"
    first, second = [(await kim.post(path)).json()["secret"] for _ in range(2)]
    assert first != second and len(second) >= 32
    statuses = []
    for secret in (first, second):
        claims = {"sub": "customer-1", "exp": desk.clock.now_us() // 1_000_000 + 600}
        body = {"site_key": site["public_key"], "identity": jwt.encode(claims, secret, algorithm="HS256")}
        statuses.append((await desk.http.post("/auth/visitors", json=body)).status_code)
    assert statuses == [401, 201]
    for answer in (await kim.get("/admin/sites"), await changed(kim, site, name="x"), await page(desk, site)):
        assert "secret" not in answer.text and second not in answer.text


async def test_every_change_of_a_site_is_on_record(desk: Desk) -> None:
    kim = await boss_of(desk)
    site = await made(kim)
    await changed(kim, site, name="Store", origins=[], settings={"choice": False})
    await changed(kim, site, name="Store")
    secret = (await kim.post(f"/admin/sites/{site['id']}/rotate-secret")).json()["secret"]
    trail = await kim.get("/audit")
    entries = trail.json()["items"][::-1]
    assert [(entry["act"], entry["subject"], entry["details"]) for entry in entries] == [
        ("site_created", site["id"], {}),
        ("site_changed", site["id"], {"fields": ["name", "origins", "settings"]}),
        ("site_secret_rotated", site["id"], {}),
    ]
    assert secret not in trail.text and "Store" not in trail.text


async def test_production_lists_origins(sqlite_url: str) -> None:
    """On a laptop every page may be let in."""
    async with Desk.open(sqlite_url) as desk:
        kim = await desk.agent("Kim", role="admin")
        site = await made(kim, origins=["*"])
        assert (await page(desk, site, "https://anybody.example")).status_code == 200
    settings = settings_for(sqlite_url, auth={"secret": "q8Zt1xKp4Vn7Rb2Yw5Lc0Hs3Mf6Jd9Ga"}, environment="production")
    quiet = msgspec.structs.replace(settings.tenants[0].sites[0], secret="Zq8t1xKp4Vn7Rb2Yw5Lc0Hs3Mf6Jd9Ga")
    tenant = msgspec.structs.replace(settings.tenants[0], sites=(quiet,))
    async with Desk.open(sqlite_url, settings=msgspec.structs.replace(settings, tenants=(tenant,))) as desk:
        kim = await desk.agent("Kim", role="admin")
        assert (await kim.post("/admin/sites", {"name": "Shop", "origins": ["*"]})).status_code == 422
