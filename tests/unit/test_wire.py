"""Frames in, frames out, without a socket."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deskbell.errors import DeskbellError, Invalid, RateLimited, TooDeep, TooLarge, UnknownType
from deskbell.ids import ConnectionId, MessageId, RoomId, TenantId, UserId
from deskbell.model.records import Message, PublicUser
from deskbell.wire import commands, frames
from deskbell.wire.close_codes import CloseCode, may_reconnect
from deskbell.wire.events import Event

ROOM = RoomId("01900000-0000-7000-8000-00000000000a")
WHEN = datetime(2026, 11, 21, 10, tzinfo=UTC)


def _frame(**fields: Any) -> str:
    return json.dumps(fields)


# in


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        ({"type": "auth", "token": "t"}, commands.Auth(token="t")),
        (
            {"type": "subscribe", "rooms": [{"id": ROOM}, {"id": ROOM, "since": 4, "epoch": "1.a"}]},
            commands.Subscribe(rooms=[commands.SubscribeRoom(ROOM), commands.SubscribeRoom(ROOM, "1.a", 4)]),
        ),
        ({"type": "unsubscribe", "rooms": [ROOM]}, commands.Unsubscribe(rooms=[ROOM])),
        ({"type": "send", "room": ROOM, "content": "Hello"}, commands.Send(room=ROOM, content="Hello")),
        ({"type": "read", "room": ROOM, "seq": 3}, commands.Read(room=ROOM, seq=3)),
        ({"type": "history", "room": ROOM}, commands.History(room=ROOM, limit=50)),
        ({"type": "escalate", "room": ROOM}, commands.Escalate(room=ROOM, reason="asked_human")),
        ({"type": "typing", "room": ROOM, "on": False}, commands.Typing(room=ROOM, on=False)),
        ({"type": "ping", "ref": "r"}, commands.Ping(ref="r")),
        ({"type": "ping", "unknown": {"deep": []}}, commands.Ping()),
    ],
)
def test_a_frame_becomes_a_command(fields: dict[str, Any], command: Any) -> None:
    assert commands.decode(_frame(**fields)) == command


def test_every_command_says_its_type_and_takes_a_ref() -> None:
    for command in commands.COMMANDS:
        assert command.__struct_config__.tag in commands.TYPES
        assert "ref" in command.__struct_fields__
    assert len(commands.TYPES) == len(commands.COMMANDS)


@pytest.mark.parametrize(
    ("frame", "error", "ref"),
    [
        ("", Invalid, None),
        ("null", Invalid, None),
        ("[]", Invalid, None),
        ('"ping"', Invalid, None),
        ("{", Invalid, None),
        ('{"type":"ping"} and more', Invalid, None),
        ('{"type":"send","room":"r","content":"\\ud800","ref":"r"}', Invalid, None),
        ('{"ref":"r"}', Invalid, "r"),
        ('{"type":null,"ref":"r"}', Invalid, "r"),
        ('{"type":7,"ref":"r"}', Invalid, "r"),
        ('{"type":"fly","ref":"r"}', UnknownType, "r"),
        ('{"type":"welcome","ref":4}', UnknownType, 4),
        ('{"type":"ping","ref":true}', Invalid, None),
        ('{"type":"ping","ref":1.5}', Invalid, None),
        ('{"type":"ping","ref":{}}', Invalid, None),
        ('{"type":"read","room":"r","ref":"r"}', Invalid, "r"),
        ('{"type":"read","room":"r","seq":"3","ref":"r"}', Invalid, "r"),
        ('{"type":"read","room":"r","seq":-1,"ref":"r"}', Invalid, "r"),
        ('{"type":"read","room":"r","seq":9007199254740992,"ref":"r"}', Invalid, "r"),
        ('{"type":"read","room":"r","seq":1e400,"ref":"r"}', Invalid, "r"),
        ('{"type":"typing","room":"r","on":1,"ref":"r"}', Invalid, "r"),
        ('{"type":"history","room":"r","limit":0,"ref":"r"}', Invalid, "r"),
        ('{"type":"subscribe","rooms":[],"ref":"r"}', Invalid, "r"),
        ('{"type":"subscribe","rooms":["r"],"ref":"r"}', Invalid, "r"),
        ('{"type":"send","room":"r","content":5,"ref":"r"}', Invalid, "r"),
        ('{"type":"send","room":"r","content":"x","metadata":[],"ref":"r"}', Invalid, "r"),
        ('{"type":"send","room":"r","content":"x","expect":{"seq":-9e99},"ref":"r"}', Invalid, "r"),
        ('{"type":"ping","x":' + "[" * 30_000 + "]" * 30_000 + "}", TooDeep, None),
    ],
)
def test_what_is_not_understood_says_what_is_wrong(frame: str, error: type[Invalid], ref: Any) -> None:
    """And repeats the ref, where it could be read at all."""
    with pytest.raises(error) as refused:
        commands.decode(frame)
    assert type(refused.value) is error
    assert refused.value.details.get("ref") == ref
    assert str(refused.value)


def test_a_wrong_field_is_named_with_its_path() -> None:
    with pytest.raises(Invalid, match=r"\$\.rooms\[1\]\.since"):
        commands.decode('{"type":"subscribe","rooms":[{"id":"a"},{"id":"b","since":"x"}]}')


def test_a_frame_is_measured_in_bytes_not_in_characters() -> None:
    """Sixteen thousand emoji are 64 KiB."""
    fitting = _frame(type="send", room=ROOM, content="x" * 60_000)
    assert commands.decode(fitting)
    for content in ("x" * 66_000, "é" * 33_000, "👍" * 17_000):
        with pytest.raises(TooLarge) as refused:
            commands.decode(json.dumps({"type": "send", "room": ROOM, "content": content}, ensure_ascii=False))
        assert refused.value.details == {"max_bytes": 65_536}
    with pytest.raises(TooLarge):
        commands.decode(fitting, 1024)


def _nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def test_metadata_may_be_nested_thirty_two_levels() -> None:
    assert commands.decode(_frame(type="send", room=ROOM, content="x", metadata=_nested(32)))
    with pytest.raises(TooDeep) as refused:
        commands.decode(_frame(type="send", room=ROOM, content="x", metadata=_nested(33), ref="r"))
    assert refused.value.details == {"max_depth": 32, "ref": "r"}
    with pytest.raises(TooDeep):
        commands.decode(_frame(type="send", room=ROOM, content="x", metadata=_nested(5)), max_depth=4)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_fields = st.sampled_from(sorted({name for command in commands.COMMANDS for name in command.__struct_fields__}))


@settings(max_examples=300, deadline=None)
@given(
    frame=st.one_of(
        st.text(),
        st.binary().map(lambda raw: raw.decode("latin-1")),
        st.builds(
            lambda kind, fields: json.dumps({"type": kind, **fields}),
            st.sampled_from(sorted(commands.TYPES)) | st.text(max_size=8),
            st.dictionaries(_fields, _values, max_size=6),
        ),
    )
)
@example(frame='{"type":"send","room":"r","content":"\\udfff\\ud800"}')
def test_whatever_comes_is_a_command_or_a_refusal(frame: str) -> None:
    refusal = None
    try:
        assert isinstance(commands.decode(frame), commands.COMMANDS)
    except DeskbellError as error:
        refusal = error
    if refusal is not None:
        reply = msgspec.json.decode(frames.encode(frames.error_frame(refusal)))
        assert (reply["code"], reply["temporary"]) == (refusal.code, False)


# out


def test_a_message_frame_is_what_the_page_shows() -> None:
    message = Message(
        MessageId("m"), ROOM, 41, 44, "c-17", PublicUser(UserId("u"), "visitor", "Ana"), "text", "…", WHEN
    )
    frame = json.loads(frames.encode(frames.MessageFrame(room=ROOM, seq=44, message=message)))
    assert frame == {
        "type": "message",
        "room": ROOM,
        "seq": 44,
        "message": {
            "id": "m", "room": ROOM, "seq": 41, "changed_seq": 44, "client_id": "c-17",
            "sender": {"id": "u", "kind": "visitor", "name": "Ana", "avatar": None},
            "kind": "text", "content": "…", "metadata": {}, "attachments": [],
            "reply_to": None, "thread": None, "thread_count": 0, "mentions": [], "reactions": [], "pinned": False,
            "edited_at": None, "deleted": False, "created_at": "2026-11-21T10:00:00Z",
        },
    }  # fmt: skip


def test_a_reply_without_ref_has_none_and_zero_is_a_ref() -> None:
    assert json.loads(frames.encode(frames.Ok(ref=frames.reply_ref(None)))) == {"type": "ok"}
    assert json.loads(frames.encode(frames.Ok(ref=frames.reply_ref(0)))) == {"type": "ok", "ref": 0}


def test_an_ack_leaves_out_what_does_not_apply() -> None:
    ack = frames.Ack(ref="r", room=ROOM, id=MessageId("m"), held=True)
    assert json.loads(frames.encode(ack)) == {"type": "ack", "ref": "r", "room": ROOM, "id": "m", "held": True}


def test_an_inbox_always_says_how_much_is_unread() -> None:
    frame = json.loads(frames.encode(frames.Inbox(room=ROOM, seq=0, unread=0, mentioned=False)))
    assert frame == {"type": "inbox", "room": ROOM, "seq": 0, "unread": 0, "mentioned": False}


def test_an_error_carries_its_code_and_when_to_try_again() -> None:
    frame = json.loads(frames.encode(frames.error_frame(RateLimited(retry_after_ms=700), "r", ROOM)))
    assert frame == {
        "type": "error", "ref": "r", "code": "rate_limited", "message": "One moment, that was a lot at once.",
        "temporary": True, "retry_after_ms": 700, "room": ROOM,
    }  # fmt: skip


def test_an_error_s_ref_is_no_detail() -> None:
    frame = json.loads(frames.encode(frames.error_frame(Invalid("Wrong.", ref="r"))))
    assert (frame["ref"], "details" in frame) == ("r", False)


def test_every_frame_has_a_type_of_its_own_and_no_value_of_a_viewer() -> None:
    """What all sockets of a room share must be the same for all: only replies carry a ref."""
    tags = [frame.__struct_config__.tag for frame in frames.FRAMES]
    assert len(set(tags)) == len(tags) - 1, "`case` has two shapes"
    for frame in (frames.MessageFrame, frames.ParticipantFrame, frames.RoomFrame, frames.Skip, frames.Changes):
        assert "ref" not in frame.__struct_fields__


def test_a_welcome_can_be_read_back() -> None:
    welcome = frames.Welcome(
        user=PublicUser(UserId("u"), "visitor", "Ana"),
        tenant=TenantId("t"),
        connection=ConnectionId("c"),
        heartbeat_ms=30_000,
        limits=frames.Limits(1, 2, 3, 4, 5, 6),
        server_time=WHEN,
    )
    assert msgspec.json.decode(frames.encode(welcome), type=frames.Welcome) == welcome


def test_the_number_of_a_close_says_whether_to_come_back() -> None:
    final = {code for code in CloseCode if not may_reconnect(code)}
    assert {code.value for code in final} == {4500, 4501, 4502, 4503, 4504, 4509}
    assert {code.value for code in CloseCode if may_reconnect(code)} == {4001, 4002, 4004, 4008, 4010, 4012, 4013}
    assert may_reconnect(1006)


def test_an_event_survives_the_way_to_another_process() -> None:
    event = Event(TenantId("t"), "room", ROOM, "message", 7, b'{"type":"message"}', 7, True, "ana", ("tom",), 3)
    packed = msgspec.msgpack.encode([event])
    assert msgspec.msgpack.decode(packed, type=list[Event]) == [event]
