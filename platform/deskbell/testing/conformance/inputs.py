"""What a plugin is asked while it is examined: ordinary texts, odd ones, large ones, and those who send them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deskbell.contracts import Submission, TurnMessage
from deskbell.ids import CaseId, MessageId, RoomId, TenantId, UserId, new_id
from deskbell.model.records import Actor, Case, Message, Participant, PublicUser
from deskbell.model.text import normalise

KIB_64 = 65_536
# Stand in texts and in secrets. Whatever repeats them has repeated a text or a secret.
TEXT_MARK = "okapi7391"
SECRET_MARK = "secret-axolotl-52c8e1"
ROOM_MARKS = ("tapir4410", "gecko8826", "heron1937")
TENANT = TenantId("01900000-0000-7000-8000-000000000001")
NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Said:
    """What somebody wrote into a room. ``again``: the same thing is brought a second time."""

    texts: tuple[str, ...]
    room: RoomId
    history: tuple[str, ...] = ()
    again: bool = False

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def said(*texts: str, history: tuple[str, ...] = ()) -> Said:
    """In a room of its own."""
    return Said(texts, RoomId(new_id()), history)


ORDINARY = (
    f"Hello, {TEXT_MARK} here. When are you open?",
    f"My order 4711 did not arrive, I am angry, and I want to talk to a person! {TEXT_MARK} https://shop.example/o/4711",
)

HOSTILE: dict[str, str] = {
    "nothing": "",
    "blanks": " \t\n\r\u00a0\u3000 ",
    "control characters": "\x01\x02\x07\x08\x0b\x0c\x1b[31mred\x1b[0m\x7f\x85\x9b",
    "text from right to left": "\u202egnihtemos\u202c \u2067שלום\u2069 مرحبا",
    "invisible characters": "f\u200br\u200ce\u200de\u2060\ufeff\u00ad",
    "a lone emoji": "🙂",
    "joined emoji": "👩‍👩‍👧‍👦🏳️‍🌈👍🏿",
    "half a flag": "🇩",
    "stacked accents": "e" + "\u0301" * 300,
    "letters that change length": "ßİıſﬁŉǰΐΰև",
    "digits that are no numbers": "²③٣५ Ⅷ 1_000 1e999 -0 NaN",
    "a very long number": "9" * 5_000,
    "format strings": "%s %d %n {} {0} {name} {0.__class__} ${HOME} %(a)s",
    "markup": "<script>alert(1)</script> <img src=x onerror=y> **b** [a](javascript:1) ``` <!-- ]]>",
    "quotes": "'; DROP TABLE messages; -- \" ` \\ \\\\ \\x \\u12",
    "half of some JSON": '{"state": [[[[{"a": "\\ud800"',
    "an address that is none": "http://[::1 https://user:pa@ss@host:99999/%zz mailto:@ //",
    "line ends of all kinds": "a\rb\r\nc\u2028d\u2029e\x1cf\x85g",
    "characters that are none": "\ufffe\uffff\U0010ffff\ufdd0\ue000",
}

LARGE: dict[str, str] = {
    "one letter": "a" * KIB_64,
    "one letter, then another": "a" * (KIB_64 - 1) + "!",
    "words": "word " * (KIB_64 // 5),
    "digits": "4" * KIB_64,
    "emoji": "🙂" * (KIB_64 // 4),
    "brackets": "([{<" * (KIB_64 // 4),
    "blanks, then a letter": " " * (KIB_64 - 1) + "x",
    "empty lines": "\n" * KIB_64,
    "links": "http://a.example/b?c=d " * (KIB_64 // 23),
}
MANY_MESSAGES = 200

VISITOR = PublicUser(UserId("01900000-0000-7000-8000-000000000002"), "visitor", "Vera")
AGENT = PublicUser(UserId("01900000-0000-7000-8000-000000000003"), "agent", "Ana")


def actors(name: str = "Vera") -> list[Actor]:
    """Those who come to a desk: of each kind and role, with and without attributes, well-formed or not."""
    kinds = [("visitor", ""), ("member", ""), ("bot", ""), ("system", "")]
    staff = [("agent", role) for role in ("agent", "supervisor", "admin")]
    odd: dict[str, Any] = {"club": None, "premium": "no", "age": -1, "tags": ["a"], "": {}, "nested": {"a": {"b": []}}}
    plain = [Actor(TENANT, UserId(new_id()), kind, name, role) for kind, role in kinds + staff]  # type: ignore[arg-type]
    return [*plain, Actor(TENANT, UserId(new_id()), "member", name, attributes=odd)]


def submission(what: Said, sender: Actor, kind: str = "text") -> Submission:
    return Submission(what.room, "support", sender, kind, what.text, normalise(what.text))


def messages(texts: tuple[str, ...], sender: PublicUser = VISITOR) -> list[TurnMessage]:
    return [TurnMessage(MessageId(new_id()), sender, text) for text in texts]


def history(texts: tuple[str, ...]) -> list[TurnMessage]:
    """Said in turns by both."""
    return [TurnMessage(MessageId(new_id()), (VISITOR, AGENT)[at % 2], text) for at, text in enumerate(texts)]


def message(what: Said, *, change: str = "created") -> Message:
    """A stored message, as an observer is shown it after ``change``."""
    deleted = change == "deleted"
    return Message(
        MessageId(new_id()),
        what.room,
        1,
        1 if change == "created" else 2,
        "c-1",
        VISITOR,
        "text",
        "" if deleted else what.text,
        NOW,
        metadata={} if deleted else {"order": 4711},
        edited_at=NOW if change == "edited" else None,
        pinned=change == "pinned",
        deleted=deleted,
    )


def participant(what: Said, *, change: str = "joined") -> Participant:
    user = PublicUser(VISITOR.id, "visitor", what.text)
    state = change if change in ("left", "banned") else "joined"
    return Participant(user, "member", state, NOW, 1)  # type: ignore[arg-type]


def case(what: Said, *, change: str = "opened") -> Case:
    packet = {"reason": "asked_human", "summary": what.text, "facts": {"question": what.text}}
    status = "resolved" if change in ("resolved", "rated") else "assigned" if change == "claimed" else "waiting"
    return Case(
        CaseId(new_id()),
        what.room,
        status,  # type: ignore[arg-type]
        "asked_human",
        0,
        "support",
        AGENT.id if status != "waiting" else None,
        NOW,
        NOW if status == "waiting" else None,
        2,
        handover=packet,
    )
