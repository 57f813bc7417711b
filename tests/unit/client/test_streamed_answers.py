"""The bot's answer as it grows, until the message or a person takes its place."""

from __future__ import annotations

from typing import Any

from deskbell.client import Writing, WritingVoid

from .scripted import ROOM, ScriptedDesk, until, visitor


def delta(text: str, offset: int, turn: str = "turn-1", owner_version: int = 1, **fields: Any) -> dict[str, Any]:
    return {"type": "delta", "room": ROOM, "turn": turn, "owner_version": owner_version, "offset": offset,
            "text": text, **fields}  # fmt: skip


async def test_a_streamed_answer_grows_and_is_replaced_by_the_message(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        for frame in (delta("Try ", 0), delta("Try ", 0), delta("this", 4), delta("lost", 99), delta("", 8, done=True)):
            desk.peer.say(frame)
        await until(lambda: seen.of(Writing) and seen.of(Writing)[-1].done)
        assert [event.text for event in seen.of(Writing)] == ["Try ", "Try this", "Try this"]
        desk.post("Try this.", metadata={"turn": "turn-1"})
        desk.peer.say(delta(" late", 8))
        desk.post("end")
        await until(lambda: "end" in seen.new)
        assert view.writing() == {}
        assert len(seen.of(Writing)) == 3


async def test_a_turn_that_begins_again_shows_its_new_words(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        for frame in (delta("First try", 0), delta("Second", 0)):
            desk.peer.say(frame)
        await until(lambda: len(seen.of(Writing)) == 2)
        assert view.writing() == {"turn-1": "Second"}


async def test_once_a_person_has_taken_over_the_bots_stream_is_void(desk: ScriptedDesk) -> None:
    """Pieces of an older owner's answer are neither kept nor taken."""
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.say(delta("Let me", 0))
        desk.change_owner("agent")
        desk.peer.say(delta(" think", 6))
        desk.post("Hello, this is Ines.")
        await until(lambda: seen.new)
        assert seen.of(WritingVoid) == [WritingVoid(ROOM, "turn-1")]
        assert [event.text for event in seen.of(Writing)] == ["Let me"]
        assert view.writing() == {}
