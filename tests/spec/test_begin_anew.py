"""Once a person has dealt with a visitor, the assistant begins anew."""

from __future__ import annotations

from collections.abc import AsyncIterator

from deskbell import BotEvent, Say, SetState, Turn
from deskbell.testing.desk import Desk


async def test_what_the_bot_noted_before_a_person_helped_is_over(shared_desk: Desk) -> None:
    """A miss from before does not count towards calling somebody again, and what was said since is history."""
    seen: list[tuple[int, list[str]]] = []

    async def counting(turn: Turn) -> AsyncIterator[BotEvent]:
        misses = int(turn.state.get("misses", 0)) + 1
        seen.append((misses, [message.text for message in turn.messages]))
        yield SetState({"misses": misses})
        yield Say(f"miss {misses}")

    shared_desk.bot.script = counting
    maya, ana = await shared_desk.visitor("Maya"), await shared_desk.agent("Ana")
    room = await maya.conversation()
    async with maya.line() as line, ana.line() as agent:
        await line.subscribe(room)
        await line.says(room, "What is the airspeed of a swallow?")
        await line.hears(room, "miss 1")
        await line.ask({"type": "escalate", "room": room})
        case = (await agent.find(lambda f: f["type"] == "case" and f["case"]["room"] == room))["case"]["id"]
        assert (await ana.post(f"/cases/{case}/claim")).status_code == 200
        await line.says(room, "An African one.")
        assert (await ana.post(f"/cases/{case}/resolve")).status_code == 200
        mark = len(line.frames)
        await line.says(room, "And where are the settings?")
        await line.find(lambda f: f["type"] == "message" and f["message"]["content"].startswith("miss"), after=mark)
    assert seen == [(1, ["What is the airspeed of a swallow?"]), (1, ["And where are the settings?"])]
