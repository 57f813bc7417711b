"""What REST answers, and what an address may be."""

from __future__ import annotations

import pytest

from deskbell.client import Unreachable
from deskbell.client.rest import NotUnderstood, Rest, refusal
from deskbell.client.tokens import lifetime_s
from deskbell.errors import RateLimited, Temporary

from .scripted import ScriptedDesk


async def test_a_redirect_is_not_followed(desk: ScriptedDesk) -> None:
    """A token goes nowhere but to its server."""
    desk.replies["GET", "/me"] = (302, b"")
    with pytest.raises(NotUnderstood):
        await Rest(desk.url).call("GET", "/me", token="secret")


async def test_refusals_over_rest_come_back_by_class(desk: ScriptedDesk) -> None:
    desk.replies["GET", "/a"] = (429, {"error": {"code": "rate_limited", "message": "Slow.", "temporary": True}})
    desk.replies["GET", "/b"] = (503, b"<html>")
    desk.replies["GET", "/c"] = (200, b"<html>")
    desk.replies["GET", "/d"] = (204, b"")
    rest = Rest(desk.url)
    with pytest.raises(RateLimited, match=r"Slow\.") as limited:
        await rest.call("GET", "/a")
    assert limited.value.retry_after_ms == 3_000
    with pytest.raises(Unreachable) as away:
        await rest.call("GET", "/b")
    assert away.value.retry_after_ms == 3_000 and away.value.temporary
    with pytest.raises(NotUnderstood):
        await rest.call("GET", "/c")
    assert await rest.call("GET", "/d") is None
    with pytest.raises(Unreachable):
        await Rest("http://127.0.0.1:1").call("GET", "/a")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ws://127.0.0.1", "desk.example.com", ""])
def test_an_address_is_http(url: str) -> None:
    with pytest.raises(ValueError, match="an address looks like"):
        Rest(url)


def test_an_unknown_code_keeps_its_name_and_its_flag() -> None:
    error = refusal("quota_of_plugin", "Tomorrow.", temporary=True, retry_after_ms=5)
    assert (error.code, str(error), error.retry_after_ms) == ("quota_of_plugin", "Tomorrow.", 5)
    assert isinstance(error, Temporary)


def test_a_tokens_life_is_counted_from_its_making() -> None:
    """So a wrong clock on this machine does not matter."""
    assert lifetime_s("e30.eyJpYXQiOjUwMCwiZXhwIjoxMTAwfQ.x") == 600
    assert lifetime_s("no jwt") == 900
