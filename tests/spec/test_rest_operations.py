"""What operators ask: health, metrics, plugins; and the description of the API itself."""

from __future__ import annotations

import re
from typing import Any

import pytest

from deskbell.store.database import StoreUnavailable
from deskbell.testing.desk import Desk


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


async def test_the_public_learns_one_word_and_admins_the_rest(desk: Desk) -> None:
    kim, ana = await desk.agent("Kim", role="admin"), await desk.agent("Ana")
    assert (await desk.http.get("/health/live")).json() == {"status": "live"}
    assert (await desk.http.get("/health/ready")).json() == {"status": "ready"}
    assert (await ana.get("/health/ready")).json() == {"status": "ready"}
    detail = (await kim.get("/health/ready")).json()["detail"]
    assert detail["store"] in ("sqlite", "postgresql") and detail["messages_waiting"] == 0
    stale = await desk.http.get("/health/ready", headers={"Authorization": "Bearer nonsense"})
    assert stale.json() == {"status": "ready"}


async def test_an_instance_that_is_stopping_or_has_no_store_is_not_ready(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A balancer sends nobody there; only admins and this machine learn why, and the process counts as alive."""
    kim = await desk.agent("Kim", role="admin")
    through = {"X-Forwarded-For": "127.0.0.1"}
    monkeypatch.setattr(desk.application.edge, "draining", True)
    public = await desk.http.get("/health/ready", headers=through)
    assert public.status_code == 503 and "details" not in public.json()["error"]
    assert public.headers["Retry-After"] == "1"
    assert "stopping" in (await kim.get("/health/ready")).json()["error"]["details"]["problems"][0]
    monkeypatch.setattr(desk.application.edge, "draining", False)

    async def away(*_: Any) -> None:
        raise StoreUnavailable("secret-host refused")

    monkeypatch.setattr(desk.application.ports.db, "fetchval", away)
    answer = await desk.http.get("/health/ready")
    assert answer.status_code == 503 and "secret-host" not in answer.text
    assert "Nobody answers" in answer.json()["error"]["details"]["problems"][0]
    assert (await desk.http.get("/health/live")).status_code == 200


async def test_metrics_are_for_admins_and_this_machine(desk: Desk) -> None:
    """A proxy on this machine stands here for everybody, so what comes through one does not count as local."""
    kim, ana = await desk.agent("Kim", role="admin"), await desk.agent("Ana")
    local = await desk.http.get("/metrics")
    assert local.status_code == 200 and local.headers["Content-Type"].startswith("text/plain")
    through = {"X-Forwarded-For": "127.0.0.1"}
    assert (await desk.http.get("/metrics", headers=through)).status_code == 403
    assert (await ana.get("/metrics", headers=through)).status_code == 403
    assert (await kim.get("/metrics", headers=through)).status_code == 200


async def test_metrics_count_by_route_and_never_by_address(desk: Desk) -> None:
    maya = await desk.visitor()
    room = await maya.conversation()
    await maya.get(f"/rooms/{room}")
    await maya.get("/nowhere/secret-path")
    await maya.call("FROB", "/nowhere")
    text = (await desk.http.get("/metrics")).text
    counted = re.search(r'requests_total\{method="GET",route="/api/v1/rooms/<room_id>",status="200"\} (\S+)', text)
    assert counted is not None and float(counted[1]) >= 1
    assert room not in text and "secret-path" not in text and "FROB" not in text
    async with maya.line():
        assert re.search(r"^deskbell_sockets 1\.0$", (await desk.http.get("/metrics")).text, re.M)
    for name in ("deskbell_deliveries_total", "deskbell_heals_total", "deskbell_turns_total", "process_resident"):
        assert name in text


async def test_plugins_are_described_to_admins(desk: Desk) -> None:
    kim = await desk.agent("Kim", role="admin")
    found = {plugin["name"]: plugin for plugin in (await kim.get("/plugins")).json()["items"]}
    assert found["channels"]["state"] == "active" and found["channels"]["offers"]["channel_types"] >= 5
    assert found["faq"]["state"] == "disabled"
    for other in (await desk.agent("Ana"), await desk.agent("Lea", role="supervisor"), await desk.visitor()):
        assert (await other.get("/plugins")).status_code == 403


async def test_the_api_describes_itself(desk: Desk) -> None:
    """Every route, what it takes, answers and refuses; and no reference leads nowhere."""
    document = (await desk.http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    served = {
        (re.sub(r"<(?:[^:>]+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in desk.application.quart.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and not rule.websocket and rule.endpoint != "plugin_address"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    own = {("/api/v1/openapi.json", "get"), ("/api/v1/docs", "get")}
    described = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert described == served - own
    components = document["components"]["schemas"].keys()
    for ref in re.findall(r'"#/components/schemas/([^"]+)"', (await desk.http.get("/openapi.json")).text):
        assert ref in components
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            statuses = operation["responses"].keys()
            assert operation["summary"].endswith("."), path
            assert {"500", "503"} <= statuses
            if operation.get("security") == [{"bearer": []}]:
                assert "401" in statuses
            if "_id}" in path:
                assert "404" in statuses
            if "requestBody" in operation:
                assert {"400", "413", "415", "422"} <= statuses
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                resolved = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
                assert resolved["additionalProperties"] is False, (method, path)


async def test_the_manual_page_needs_nothing_from_elsewhere(desk: Desk) -> None:
    """No script at all, its one style by its digest, every route on it."""
    answer = await desk.http.get("/docs")
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-") and "unsafe" not in policy
    page = answer.text
    assert "<script" not in page and "javascript:" not in page and not re.search(r'(?:src|href)="(?:https?:)?//', page)
    document = (await desk.http.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page and f"<code>{path}</code>" in page
    anchors = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= anchors
