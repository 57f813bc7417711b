"""A followed room is told once and in order, whatever the network and the server do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deskbell.client import MessageChanged, MessagesPurged, RoomLoaded, RoomLost
from deskbell.errors import NotFound

from .scripted import BOT, ROOM, Peer, ScriptedDesk, contents, until, visitor


async def test_a_followed_room_is_told_as_it_happens(desk: ScriptedDesk) -> None:
    """New messages and changes are told apart; the view holds the present state."""
    first = desk.post("one")
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        assert contents(view) == ["one"]
        assert seen.of(RoomLoaded) == [RoomLoaded(ROOM, again=False, gap=False)]
        desk.post("two")
        desk.change(first, content="one!")
        desk.join(BOT)
        desk.skip()
        desk.change_owner("agent")
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["two"]
        [changed] = seen.of(MessageChanged)
        assert (changed.before.content, changed.message.content) == ("one", "one!")
        assert contents(view) == ["one!", "two"]
        assert view.participants[BOT["id"]].state == "joined"
        assert view.owner_version == 2


async def test_each_socket_gets_a_ticket_of_its_own(desk: ScriptedDesk) -> None:
    """The access token is in no address."""
    async with visitor(desk) as (client, _):
        await client.ready()
        desk.peer.cut()
        await until(lambda: len(desk.peers) == 2 and client.state == "live")
    assert [peer.query for peer in desk.peers] == [{"ticket": ["ticket-1"]}, {"ticket": ["ticket-2"]}]
    assert [call[3] for call in desk.calls] == ["Bearer access-1"] * 2


async def test_where_there_are_no_tickets_the_first_frame_says_who(desk: ScriptedDesk) -> None:
    del desk.replies["POST", "/ws-tickets"]
    desk.welcomes = False
    desk.answer = lambda peer, frame: frame["type"] == "auth" and (desk.welcome(peer) or True)
    async with visitor(desk) as (client, _):
        await client.ready()
        assert desk.peer.heard[0] == {"type": "auth", "token": "access-1"}
        assert desk.peer.query == {}


async def test_an_ack_does_not_move_the_position(desk: ScriptedDesk) -> None:
    """The sender gets the message frame like everybody else; until then it is not theirs to count."""
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        before = view.position
        desk.deliver = lambda peer, frame: []  # the live frame is lost
        ack = await client.send(ROOM, "hello")
        assert ack.seq == before + 1
        assert view.position == before and seen.new == []
        desk.deliver = lambda peer, frame: [frame]
        desk.skip()
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["hello"]


async def test_a_hole_is_asked_for_once_and_told_in_order(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        position = view.position
        held: list[tuple[Peer, dict[str, Any]]] = []
        desk.deliver = lambda peer, frame: []
        desk.post("lost")
        desk.deliver = lambda peer, frame: [frame]
        desk.answer = lambda peer, frame: frame["type"] == "subscribe" and (held.append((peer, frame)) or True)
        desk.post("after the hole")
        desk.post("and one more")
        await until(lambda: held)
        desk.post("while asking")
        desk.answer = lambda peer, frame: False
        assert held[0][1]["rooms"] == [{"id": ROOM, "epoch": "e1", "since": position}]
        desk.hear(*held[0])
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["lost", "after the hole", "and one more", "while asking"]
        assert len(desk.peer.of("subscribe")) == 3  # at first, for the hole, and its late answer heard again
        assert len(held) == 1


async def test_a_frame_that_comes_twice_or_late_is_told_once(desk: ScriptedDesk) -> None:
    """An old state that arrives late does not undo a newer one."""
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        first_frames: list[dict[str, Any]] = []
        desk.deliver = lambda peer, frame: first_frames.append(frame) or [frame, frame]
        message = desk.post("typo")
        desk.change(message, content="fixed")
        desk.peer.say(first_frames[0])
        desk.post("end")
        await until(lambda: view.position == desk.seq)
        assert contents(view) == ["fixed", "end"]
        assert seen.new == ["typo", "end"]
        assert len(seen.of(MessageChanged)) == 1
        assert len(desk.peer.of("subscribe")) == 1


async def test_a_lost_last_message_is_found_through_tips(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.say({"type": "tips", "rooms": {ROOM: desk.seq}})
        await client.read(ROOM, 1)
        assert len(desk.peer.of("subscribe")) == 1  # a tip that tells nothing new asks for nothing
        desk.deliver = lambda peer, frame: []
        desk.post("the last word")
        desk.peer.say({"type": "tips", "rooms": {ROOM: desk.seq}})
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["the last word"]


async def test_changes_that_the_server_heals_by_itself_set_the_position(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        position = view.position
        desk.deliver = lambda peer, frame: []
        messages = [desk.post("a"), desk.post("b")]
        heal = {
            "type": "changes", "room": ROOM, "epoch": "e1", "since": position, "seq": desk.seq, "floor": 0,
            "messages": messages, "participants": [], "more": False,
        }  # fmt: skip
        desk.peer.say(heal)
        desk.peer.say(heal)
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["a", "b"]
        # A page that begins above the position leaves a hole like any frame.
        desk.post("c")
        desk.post("d")
        desk.peer.say({**heal, "since": desk.seq - 1, "seq": desk.seq, "messages": []})
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["a", "b", "c", "d"]


async def test_a_long_absence_comes_back_in_pages_without_repeating(desk: ScriptedDesk) -> None:
    """A message that was born early and changed late is new all the same, and told once."""
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.rooms.clear()  # as if nothing came through
        desk.page_size = 2
        early = desk.post("0")
        for number in range(1, 7):
            desk.post(str(number))
        desk.change(early, content="0!")
        desk.peer.cut()
        await until(lambda: view.position == desk.seq)
        assert sorted(seen.new) == ["0!", "1", "2", "3", "4", "5", "6"]
        assert contents(view) == ["0!", "1", "2", "3", "4", "5", "6"]
        assert seen.of(MessageChanged) == []


async def test_a_break_in_the_middle_of_pages_loses_and_repeats_nothing(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.rooms.clear()
        desk.page_size = 3
        early = desk.post("0")
        for number in range(1, 10):
            desk.post(str(number))
        desk.change(early, content="0!")
        said: list[dict[str, Any]] = []
        plain_say = Peer.say

        def say_two_pages(peer: Peer, frame: dict[str, Any]) -> None:
            if frame["type"] in ("subscribed", "changes"):
                said.append(frame)
                if len(said) == 3:
                    peer.close(4010)
            plain_say(peer, frame)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Peer, "say", say_two_pages)
            desk.peer.cut()
            await until(lambda: view.live and view.position == desk.seq)
        assert len(desk.peers) == 3
        assert sorted(seen.new) == ["0!", *map(str, range(1, 10))]


async def test_after_a_reset_the_room_is_loaded_afresh(desk: ScriptedDesk) -> None:
    """What was purged is dropped, what is new is told, and the reset is told too."""
    desk.post("old")
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.rooms.clear()
        desk.post("new")
        desk.peer.rooms.add(ROOM)
        desk.purge(floor=desk.seq)
        await until(lambda: len(seen.of(RoomLoaded)) == 2)
        assert desk.peer.of("subscribe")[-1]["rooms"] == [{"id": ROOM}]
        assert seen.of(RoomLoaded)[1].again
        await until(lambda: seen.new)
        assert seen.new == ["new"] and contents(view) == ["new"]
        assert view.epoch == "e1+"


async def test_a_server_that_lost_numbers_resets_those_who_are_ahead(desk: ScriptedDesk) -> None:
    """After a restored backup the client follows the server's numbers, not its own."""
    for number in range(5):
        desk.post(str(number))
    async with visitor(desk) as (client, _):
        view = await client.subscribe(ROOM)
        desk.seq = 3
        desk.messages = {k: m for k, m in desk.messages.items() if m["seq"] <= 3}
        desk.peer.cut()
        await until(lambda: view.live and view.position == 3)
        assert contents(view) == ["0", "1"]


async def test_messages_below_the_floor_are_dropped(desk: ScriptedDesk) -> None:
    old = desk.post("old")
    desk.post("kept")
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.floor = old["seq"] + 1
        desk.messages.pop(old["id"])
        desk.peer.cut()
        await until(lambda: seen.of(MessagesPurged))
        assert contents(view) == ["kept"]
        desk.peer.say({"type": "message", "room": ROOM, "seq": 1, "message": old})
        desk.post("end")
        await until(lambda: "end" in contents(view))
        assert contents(view) == ["kept", "end"]


async def test_a_break_while_a_room_is_first_loaded_is_not_noticed(desk: ScriptedDesk) -> None:
    """It is loaded once, whole, and nothing of it counts as new."""
    for number in range(6):
        desk.post(str(number))
    desk.page_size = 2
    plain_say = Peer.say

    def say_one_page(peer: Peer, frame: dict[str, Any]) -> None:
        plain_say(peer, frame)
        if frame["type"] == "subscribed" and len(desk.peers) == 1:
            peer.close(4002)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Peer, "say", say_one_page)
        async with visitor(desk) as (client, seen):
            view = await client.subscribe(ROOM)
    assert len(desk.peers) == 2
    assert contents(view) == ["0", "1", "2", "3", "4", "5"]
    assert seen.of(RoomLoaded) == [RoomLoaded(ROOM, again=False, gap=False)] and seen.new == []


async def test_a_second_reset_while_loading_loses_no_new_message(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.rooms.clear()
        for number in range(6):
            desk.post(str(number))
        desk.page_size = 2
        plain_say = Peer.say

        def reset_after_a_page(peer: Peer, frame: dict[str, Any]) -> None:
            if frame["type"] == "changes" and not desk.epoch.endswith("++"):
                desk.purge(0)
            elif desk.epoch.count("+") < 2 or frame["type"] != "changes" or peer.of("subscribe")[2:]:
                plain_say(peer, frame)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Peer, "say", reset_after_a_page)
            desk.peer.rooms.add(ROOM)
            desk.purge(0)
            await until(lambda: view.live and view.position == desk.seq)
        assert view.epoch == "e1++"
        assert seen.new == ["0", "1", "2", "3", "4", "5"]
        assert [event.again for event in seen.of(RoomLoaded)] == [False, True]


async def test_an_answer_from_before_a_reset_is_not_taken_for_the_room(desk: ScriptedDesk) -> None:
    """It holds only what had changed; the question that was asked after the reset brings it all."""
    desk.post("one")
    async with visitor(desk) as (client, _):
        view = await client.subscribe(ROOM)
        asked: list[tuple[Peer, dict[str, Any]]] = []
        desk.answer = lambda peer, frame: frame["type"] == "subscribe" and (asked.append((peer, frame)) or True)
        desk.deliver = lambda peer, frame: []
        desk.post("two")
        desk.deliver = lambda peer, frame: [frame]
        desk.skip()
        await until(lambda: asked)
        desk.purge(0)
        await until(lambda: len(asked) == 2)
        desk.answer = lambda peer, frame: False
        late = {
            "type": "subscribed", "ref": asked[0][1]["ref"], "room": ROOM, "epoch": "e1", "seq": desk.seq, "floor": 0,
            "messages": [], "participants": [], "more": False, "recovered": True, "participant_count": 0,
        }  # fmt: skip
        desk.peer.say(late)
        desk.hear(*asked[1])
        await until(lambda: view.live)
        assert contents(view) == ["one", "two"]


async def test_two_who_follow_the_same_room_ask_once(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, _):
        await client.ready()
        first, second = await asyncio.gather(client.subscribe(ROOM), client.subscribe(ROOM))
        assert first is second
        assert await client.subscribe(ROOM) is first
        assert len(desk.peer.of("subscribe")) == 1


async def test_an_answer_is_no_news(desk: ScriptedDesk) -> None:
    """History may hold what has not come live yet; it is told when its turn comes, once."""
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.deliver = lambda peer, frame: []
        desk.post("a")
        message = desk.post("b")
        found = await client.history(ROOM)
        assert [m.content for m in found.messages] == ["a", "b"]
        assert seen.new == [] and view.messages == {}
        desk.deliver = lambda peer, frame: [frame]
        desk.change(message, content="b!")
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["a", "b!"]


async def test_a_live_frame_quicker_than_its_page_is_kept(desk: ScriptedDesk) -> None:
    """A page that was read before it does not take the position back."""
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        asked: list[dict[str, Any]] = []
        desk.answer = lambda peer, frame: frame["type"] == "subscribe" and (asked.append(frame) or True)
        desk.peer.say({"type": "tips", "rooms": {ROOM: desk.seq + 1}})
        await until(lambda: asked)
        position = desk.seq
        desk.post("quick")
        desk.peer.say({
            "type": "subscribed", "ref": asked[0]["ref"], "room": ROOM, "epoch": "e1", "seq": position, "floor": 0,
            "messages": [], "participants": [], "more": False, "recovered": True, "participant_count": 0,
        })  # fmt: skip
        desk.post("next")
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["quick", "next"]
        assert len(asked) == 1


async def test_history_joins_the_view_and_moves_nothing(desk: ScriptedDesk) -> None:
    for number in range(60):
        desk.post(str(number))
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        assert contents(view)[0] == "10"
        position = view.position
        await client.history(ROOM, before=view.oldest, limit=5)
        assert contents(view)[:6] == ["5", "6", "7", "8", "9", "10"]
        assert view.position == position and seen.new == []


async def test_a_room_that_cannot_be_seen_is_refused(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, _):
        with pytest.raises(NotFound):
            await client.subscribe("01900000-0000-7000-8000-00000000000b")
        assert client.rooms == {}


async def test_who_was_put_out_of_a_room_is_told_after_the_next_break(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        await client.subscribe(ROOM)
        desk.answer = lambda peer, frame: (
            frame["type"] == "subscribe"
            and (
                peer.say(
                    {
                        "type": "error",
                        "ref": frame["ref"],
                        "room": ROOM,
                        "code": "not_found",
                        "message": "No.",
                        "temporary": False,
                    }
                )
                or True
            )
        )
        desk.peer.cut()
        await until(lambda: seen.of(RoomLost))
        assert client.rooms == {}


async def test_many_rooms_are_followed_with_few_frames(desk: ScriptedDesk) -> None:
    """A frame holds at most 100 rooms."""
    rooms = [f"01900000-0000-7000-8000-{number:012x}" for number in range(100, 350)]

    def answer(peer: Peer, frame: dict[str, Any]) -> bool:
        if frame["type"] != "subscribe":
            return False
        for room in frame["rooms"]:
            peer.say({"type": "subscribed", "ref": frame["ref"], "room": room["id"], "epoch": "e", "seq": 4, "floor": 0,
                      "messages": [], "participants": [], "more": False, "recovered": "since" in room,
                      "participant_count": 1})  # fmt: skip
        return True

    desk.answer = answer
    async with visitor(desk) as (client, _):
        await asyncio.gather(*(client.subscribe(room) for room in rooms))
        desk.peer.cut()
        await until(lambda: len(desk.peers) == 2 and all(view.live for view in client.rooms.values()))
        asked = desk.peer.of("subscribe")
        assert [len(frame["rooms"]) for frame in asked] == [100, 100, 50]
        assert all(room["since"] == 4 for frame in asked for room in frame["rooms"])


async def test_frames_of_the_future_are_passed_over(desk: ScriptedDesk) -> None:
    """A record that cannot be read takes its number; the room goes on."""
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.say({"type": "hologram", "room": ROOM, "shape": "cube"})
        desk.deliver = lambda peer, frame: [{**frame, "message": {"shape": "cube"}}]
        desk.post("a cube")
        desk.deliver = lambda peer, frame: [{**frame, "mood": "blue"}]
        desk.post("text")
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["text"]
        assert len(desk.peer.of("subscribe")) == 1
