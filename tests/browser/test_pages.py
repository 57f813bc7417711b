"""The pages come, under a strict policy, and ask nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deskbell.testing.desk import Desk


async def test_the_console_comes_and_asks_nobody_else(desk: Desk, windows: Callable[..., Any]) -> None:
    async with windows(desk.address) as (context, _):
        page = await context.new_page()
        answer = await page.goto(f"{desk.url}/console")
        assert answer is not None and "script-src 'self'" in answer.headers["content-security-policy"]
        await page.locator("#console > *").first.wait_for()


SPEAKS = """
(url) => new Promise((tell) => {
  document.addEventListener("securitypolicyviolation", (refused) => tell(`refused by ${refused.effectiveDirective}`));
  const socket = new WebSocket(url);
  socket.onopen = () => { socket.close(); tell("open"); };
  socket.onerror = () => tell("no answer");
})
"""


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_a_page_reaches_its_own_socket_and_no_other(desk: Desk, windows: Callable[..., Any], name: str) -> None:
    """By whichever name this machine was called; the public address in the settings has only one of them."""
    port = desk.address.rpartition(":")[2]
    async with windows(f"{name}:{port}") as (context, troubles):
        page = await context.new_page()
        await page.goto(f"http://{name}:{port}/console")
        assert await page.evaluate(SPEAKS, f"ws://{name}:{port}/api/v1/ws") == "open"
        troubles.expected.append("violates the following Content Security Policy")
        assert await page.evaluate(SPEAKS, "ws://elsewhere.example/") == "refused by connect-src"
