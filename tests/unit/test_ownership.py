"""Who may answer in a support room: one owner at a time, and a version that tells every change of hands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from deskbell.actions.rooms import new_room
from deskbell.ids import TenantId, UserId
from deskbell.model import ownership
from deskbell.model.records import Owner, Room

BOT, ANA, TOM = UserId("bot"), UserId("ana"), UserId("tom")
ROOM = replace(new_room(TenantId("t"), "support"), owner_kind="bot", owner_user=BOT, owner_version=7)

HANDS = {
    "bot": lambda room: ownership.to_bot(room, BOT),
    "ana": lambda room: ownership.to_agent(room, ANA),
    "tom": lambda room: ownership.to_agent(room, TOM),
    "nobody": ownership.to_nobody,
}


def test_each_change_of_hands_raises_the_version() -> None:
    room = ownership.to_agent(ROOM, ANA)
    assert (room.owner, room.owner_version) == (Owner("agent", ANA), 8)
    room = ownership.to_nobody(room)
    assert (room.owner, room.owner_version) == (Owner("nobody"), 9)
    room = ownership.to_bot(room, BOT)
    assert (room.owner, room.owner_version) == (Owner("bot", BOT), 10)


@pytest.mark.parametrize("hand", HANDS)
def test_handing_a_room_to_whom_it_belongs_changes_nothing(hand: str) -> None:
    once = HANDS[hand](ROOM)
    assert HANDS[hand](once) == once


def test_from_one_agent_to_another_is_a_change_of_hands() -> None:
    room = ownership.to_agent(ownership.to_agent(ROOM, ANA), TOM)
    assert (room.owner_user, room.owner_version) == (TOM, 9)


@given(st.lists(st.sampled_from(sorted(HANDS))))
def test_the_version_never_falls_and_tells_any_two_owners_in_a_row_apart(hands: list[str]) -> None:
    room: Room = ROOM
    for hand in hands:
        after = HANDS[hand](room)
        assert (after.owner_version > room.owner_version) == (after.owner != room.owner)
        assert after.owner_version >= room.owner_version
        assert replace(after, owner_kind="", owner_user=None, owner_version=0) == replace(
            room, owner_kind="", owner_user=None, owner_version=0
        ), "nothing else changes"
        room = after
