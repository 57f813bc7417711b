"""Which conversations of the bot count as live: those in which something is under way, on both databases."""

from __future__ import annotations

from deskbell.actions import cases, escalation, leaving, support
from deskbell.ids import RoomId
from deskbell.store import boards, rooms
from deskbell.testing.office import Office


async def live(office: Office) -> set[RoomId]:
    found = await rooms.supported(office.db, office.tenant, owner="bot", live=True, limit=100)
    assert len(found) == await boards.with_bot(office.db, office.tenant)
    return {room.id for room in found}


async def test_what_is_done_is_live_again_when_its_visitor_writes(office: Office) -> None:
    ada, maya = await office.agent("Ada"), await office.person("Maya", kind="visitor")
    ports = office.ports
    talks, left, helped, back = [(await support.open_conversation(ports, maya, new=True))[0].id for _ in range(4)]
    for room in (left, helped, back):
        await office.desk.sends(maya, room, "Hello")
    assert await live(office) == {talks, left, helped, back}
    await escalation.escalate(ports, maya, left)
    await leaving.leave_queue(ports, maya, left)
    await cases.resolve(ports, ada, (await cases.take_over(ports, ada, helped)).id)
    await cases.give_back(ports, ada, (await cases.take_over(ports, ada, back)).id, "bot")
    assert await live(office) == {talks, back}
    await office.desk.sends(maya, helped, "One more thing")
    assert await live(office) == {talks, back, helped}
