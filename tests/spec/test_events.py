"""What a visitor is told of what happens behind the counter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from deskbell.testing.desk import Desk


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(shared_url: str) -> AsyncIterator[Desk]:
    async with Desk.open(shared_url) as opened:
        yield opened


async def test_a_visitor_is_told_who_did_what_and_never_why(desk: Desk) -> None:
    """Names as they are shown; the words by name where they are ours; no reason, no team, no note."""
    desk.bot.escalates("angry_customer")
    leila, ines = await desk.visitor("Leila"), await desk.agent("Ines")
    room = await leila.conversation()
    async with leila.line() as line:
        await line.subscribe(room)
        await line.says(room, "A person, please")

        async def told(event: str) -> dict[str, Any]:
            def is_it(frame: dict[str, Any]) -> bool:
                return frame["type"] == "message" and frame["message"]["metadata"].get("event") == event

            found: dict[str, Any] = (await line.find(is_it))["message"]["metadata"]
            return found

        assert await told("case_opened") == {"event": "case_opened", "words": "keep_place"}
        case = (await ines.get("/cases?view=queue")).json()["items"][-1]["id"]
        await ines.post(f"/cases/{case}/claim")
        assert await told("agent_joined") == {"event": "agent_joined", "user": ines.id, "name": "Ines"}
        await ines.post(f"/cases/{case}/transfer", {"team": "support", "note": "She is angry"})
        assert await told("case_transferred") == {"event": "case_transferred"}
        await ines.post(f"/cases/{case}/claim")
        await ines.post(f"/cases/{case}/resolve")
        ended = {"event": "case_resolved", "case": case, "user": ines.id, "name": "Ines", "ask_rating": True}
        assert await told("case_resolved") == ended
        assert "angry" not in str(line.frames)
