"""Our own pages are known by the address at which browsers reach the desk, however it is written."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from deskbell.server.edge import Edge


def is_own(public_url: str, origin: str | None) -> bool:
    settings = SimpleNamespace(server=SimpleNamespace(public_url=public_url))
    edge: Any = SimpleNamespace(ports=SimpleNamespace(settings=settings))
    return Edge.is_own(edge, origin)


@pytest.mark.parametrize(
    ("public_url", "origin"),
    [
        ("https://desk.example", "https://desk.example"),
        ("https://Desk.example/", "https://desk.example"),
        ("https://desk.example:443", "https://desk.example"),
        ("https://desk.example/support/", "https://desk.example"),
        ("http://127.0.0.1:8000", "http://localhost:8000"),
        ("http://localhost:8000", "http://[::1]:8000"),
    ],
)
def test_a_page_of_the_desks_own_address_is_let_in(public_url: str, origin: str) -> None:
    assert is_own(public_url, origin)


@pytest.mark.parametrize(
    ("public_url", "origin"),
    [
        ("https://desk.example", None),
        ("https://desk.example", "null"),
        ("https://desk.example", "http://desk.example"),
        ("https://desk.example", "https://desk.example:8443"),
        ("https://desk.example", "https://desk.example.evil.example"),
        ("https://desk.example", "https://localhost"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:9000"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:80000"),
        ("http://127.0.0.1:8000", "http://[::1"),
        ("http://127.0.0.1:8000", "http://localhost.evil.example:8000"),
    ],
)
def test_a_page_of_any_other_is_not(public_url: str, origin: str | None) -> None:
    assert not is_own(public_url, origin)
