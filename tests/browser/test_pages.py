"""The pages come, under a strict policy, and ask nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deskbell.testing.desk import Desk


async def test_the_console_comes_and_asks_nobody_else(desk: Desk, windows: Callable[..., Any]) -> None:
    async with windows(desk.address) as (context, _):
        page = await context.new_page()
        answer = await page.goto(f"{desk.url}/console")
        assert answer is not None and "script-src 'self'" in answer.headers["content-security-policy"]
        await page.locator("#console > *").first.wait_for()
