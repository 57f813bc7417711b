"""The checker of the fault harness: it finds each kind of broken promise, and says nothing where none was broken.

A :class:`Tale` is a run as it would have been written down by a faultless installation. Each test tells one,
changes what would have been different had the promise been broken, and asks the checker.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from deskbell.testing.faults.checker import CHECKS, check
from deskbell.testing.faults.history import (
    Answered,
    BegunAnew,
    Called,
    Calm,
    Case,
    Closed,
    Entry,
    Excerpt,
    Fault,
    Heard,
    Kept,
    Mark,
    MarkShown,
    MarkStored,
    Opened,
    Paged,
    Reaction,
    Recorder,
    Room,
    Seen,
    Shown,
    Store,
    ToldToGo,
    Work,
    written,
)

ROOM = "r"


class Tale:
    """A room, some people, their sockets, and a store that does everything right."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.kept: dict[str, Kept] = {}
        self.seq = 0
        self.log: list[tuple[int, str, Seen | None]] = []
        self.live: dict[str, int] = {}
        self.reactions: list[Reaction] = []
        self.extra: dict[str, Any] = {}
        self._t = itertools.count(1)
        self._sockets = itertools.count(1)

    def t(self) -> float:
        return float(next(self._t))

    def add(self, entry: Entry) -> Any:
        self.entries.append(entry)
        return entry

    # what the installation does

    def store(self, key: str, who: str, content: str) -> Kept:
        self.seq += 1
        kept = Kept(
            id=f"id-{key}", room=ROOM, seq=self.seq, changed_seq=self.seq, sender=who, client_id=key, content=content
        )
        self._put(kept)
        return kept

    def _put(self, kept: Kept) -> None:
        self.kept[kept.id] = kept
        self.log.append((self.seq, "message", as_seen(kept)))

    def change(self, id_: str, content: str | None = None) -> Kept:
        self.seq += 1
        kept = replace(self.kept[id_], changed_seq=self.seq)
        if content is not None:
            kept = replace(kept, content=content)
        self._put(kept)
        return kept

    def joined(self) -> None:
        self.seq += 1
        self.log.append((self.seq, "participant", None))

    def tell(self, socket: str) -> None:
        """The socket hears the next number."""
        at = self.live[socket]
        present = next(item for item in self.log if item[0] == at + 1)
        client = socket.partition(".")[0]
        self.add(
            Heard(t=self.t(), client=client, socket=socket, room=ROOM, kind=present[1], seq=at + 1, message=present[2])
        )
        self.live[socket] = at + 1

    def tell_all(self) -> None:
        for socket in self.live:
            while self.live[socket] < self.seq:
                self.tell(socket)

    def page(self, since: int) -> list[Seen]:
        changed = [as_seen(kept) for kept in self.kept.values() if kept.changed_seq > since]
        return sorted(changed, key=lambda message: message.changed_seq)

    # what people do

    def opens(self, place: str, since: int | None = None, instance: int = 0) -> str:
        socket, client = f"{place}#{next(self._sockets)}", place.partition(".")[0]
        self.add(Opened(t=self.t(), client=client, socket=socket, instance=instance))
        asked = self.t()
        self.add(
            Paged(
                t=self.t(), client=client, socket=socket, room=ROOM, kind="subscribed", since=since, seq=self.seq,
                more=False, asked_at=asked, messages=self.page(since or 0)[-50:],
            )
        )  # fmt: skip
        self.live[socket] = self.seq
        return socket

    def ends(self, socket: str, code: int = 1006, instance: int = 0) -> int:
        client = socket.partition(".")[0]
        self.add(Closed(t=self.t(), client=client, socket=socket, instance=instance, code=code))
        return self.live.pop(socket)

    def calls(self, op: str, key: str, attempt: int = 1, who: str = "ana", **about: Any) -> Called:
        values = {"room": ROOM, "instance": 0, **about}
        return self.add(Called(t=self.t(), client=who, user=who, op=op, key=key, attempt=attempt, **values))  # type: ignore[no-any-return]

    def answers(self, call: Called, ok: bool = True, **values: Any) -> Answered:
        return self.add(  # type: ignore[no-any-return]
            Answered(t=self.t(), client=call.client, op=call.op, key=call.key, attempt=call.attempt, ok=ok, **values)
        )

    def sends(self, key: str, who: str = "ana", **about: Any) -> Kept:
        """Sent, stored, acknowledged."""
        call = self.calls("send", key, who=who, content=f"{key}!", **about)
        kept = self.store(key, who, f"{key}!")
        self.answers(call, id=kept.id, seq=kept.seq)
        return kept

    def edits(self, key: str, kept: Kept, content: str) -> None:
        call = self.calls("edit", key, target=kept.id, content=content)
        changed = self.change(kept.id, content)
        self.answers(call, id=kept.id, seq=changed.changed_seq)

    def calm(self) -> None:
        self.tell_all()
        self.add(Calm(t=self.t()))

    def end(self) -> Store:
        messages = sorted(self.kept.values(), key=lambda kept: kept.seq)
        values: dict[str, Any] = {
            "rooms": [Room(id=ROOM, seq=self.seq)],
            "messages": messages,
            "reactions": self.reactions,
            "shown": [Shown(instance=0, room=ROOM, messages=[as_seen(kept) for kept in messages])],
            **self.extra,
        }
        return Store(**values)

    def found(self) -> set[str]:
        """The promises that the checker finds broken."""
        if not any(isinstance(entry, Calm) for entry in self.entries):
            self.calm()
        return {broken.promise for broken in check(self.entries, self.end())}

    def rewrite(self, kind: type[Entry], change: Callable[[Any], Entry | None], *, last: bool = False) -> None:
        """Change the first, or the last, entry of a kind; None takes it out."""
        numbers = [number for number, entry in enumerate(self.entries) if isinstance(entry, kind)]
        number = numbers[-1 if last else 0]
        changed = change(self.entries[number])
        self.entries[number : number + 1] = [] if changed is None else [changed]


def as_seen(kept: Kept) -> Seen:
    return Seen(
        id=kept.id,
        seq=kept.seq,
        changed_seq=kept.changed_seq,
        sender=kept.sender,
        client_id=kept.client_id,
        content=kept.content,
    )


@pytest.fixture
def tale() -> Tale:
    return Tale()


# nothing wrong


def test_a_good_run_is_good(tale: Tale) -> None:
    tale.joined()
    ana, tom = tale.opens("ana.0"), tale.opens("tom.0")
    first = tale.sends("a", socket=ana)
    tale.edits("e", first, "better")
    tale.tell_all()
    at = tale.ends(tom)
    tale.sends("b", who="tom")
    tale.opens("tom.0", since=at, instance=1)

    assert tale.found() == set()


# lost


def test_an_acknowledged_message_that_is_not_stored_is_lost(tale: Tale) -> None:
    del tale.kept[tale.sends("a").id]
    assert tale.found() == {"lost"}


def test_a_message_that_was_never_acknowledged_may_be_missing(tale: Tale) -> None:
    tale.calls("send", "a", content="a!")
    assert tale.found() == set()


def test_an_ack_with_another_number_than_the_stored_one_is_a_loss(tale: Tale) -> None:
    tale.sends("a")
    tale.rewrite(Answered, lambda answer: replace(answer, seq=7))
    assert tale.found() == {"lost"}


def test_an_ack_for_somebody_elses_message_is_a_loss(tale: Tale) -> None:
    tale.sends("a")
    other = tale.sends("b", who="tom")
    tale.rewrite(Answered, lambda answer: replace(answer, id=other.id, seq=other.seq))
    assert "lost" in tale.found()


def test_an_acknowledged_edit_that_is_gone_is_lost(tale: Tale) -> None:
    kept = tale.sends("a")
    tale.edits("e", kept, "better")
    tale.kept[kept.id] = replace(tale.kept[kept.id], content=kept.content)
    assert "lost" in tale.found()


def test_an_edit_without_an_answer_may_come_late(tale: Tale) -> None:
    """It hung in a process that was stopped, and took effect after a later one had been acknowledged."""
    kept = tale.sends("a")
    tale.calls("edit", "e1", target=kept.id, content="hung")
    tale.edits("e2", kept, "better")
    tale.change(kept.id, "hung")
    assert tale.found() == set()


def test_an_acknowledged_reaction_that_is_gone_is_lost(tale: Tale) -> None:
    kept = tale.sends("a")
    tale.answers(tale.calls("react", "x", target=kept.id, content="👍"), id=kept.id, seq=tale.change(kept.id).seq)
    assert tale.found() == {"lost"}


def test_a_reaction_that_is_there_is_not_lost(tale: Tale) -> None:
    kept = tale.sends("a")
    tale.answers(tale.calls("react", "x", target=kept.id, content="👍"), id=kept.id, seq=tale.change(kept.id).seq)
    tale.reactions.append(Reaction(message=kept.id, user="ana", emoji="👍"))
    assert tale.found() == set()


# duplicate


def test_two_rows_of_one_client_id_are_a_duplicate(tale: Tale) -> None:
    kept = tale.sends("a")
    tale.seq += 1
    twin = replace(kept, id="twin", seq=tale.seq, changed_seq=tale.seq)
    tale.kept["twin"] = twin
    tale.log.append((tale.seq, "message", as_seen(twin)))
    assert tale.found() == {"duplicate"}


def test_two_ids_acknowledged_for_one_client_id_are_a_duplicate(tale: Tale) -> None:
    call = tale.calls("send", "a", content="a!")
    again = tale.calls("send", "a", attempt=2, content="a!")
    kept = tale.store("a", "ana", "a!")
    tale.answers(call, id=kept.id, seq=kept.seq)
    tale.answers(again, id="other", seq=kept.seq, duplicate=True)
    assert "duplicate" in tale.found()


def test_one_message_acknowledged_as_new_twice_is_a_duplicate(tale: Tale) -> None:
    call = tale.calls("send", "a", content="a!")
    kept = tale.store("a", "ana", "a!")
    tale.answers(call, id=kept.id, seq=kept.seq)
    tale.answers(tale.calls("send", "a", attempt=2, content="a!"), id=kept.id, seq=kept.seq)
    assert tale.found() == {"duplicate"}


def test_one_text_under_another_client_id_is_a_duplicate(tale: Tale) -> None:
    tale.sends("a")
    tale.store("made-by-the-edge", "ana", "a!")
    assert tale.found() == {"duplicate"}


def test_a_retry_that_is_told_it_is_one_is_none(tale: Tale) -> None:
    tale.calls("send", "a", content="a!")
    kept = tale.store("a", "ana", "a!")
    tale.answers(tale.calls("send", "a", attempt=2, content="a!"), id=kept.id, seq=kept.seq, duplicate=True)
    assert tale.found() == set()


def test_two_people_may_use_the_same_client_id(tale: Tale) -> None:
    tale.sends("a")
    tale.seq += 1
    other = Kept(id="toms", room=ROOM, seq=tale.seq, changed_seq=tale.seq, sender="tom", client_id="a", content="hello")
    tale.kept["toms"] = other
    tale.log.append((tale.seq, "message", as_seen(other)))
    assert tale.found() == set()


# refused, yet stored


def test_a_message_that_was_refused_and_is_there_was_no_honest_refusal(tale: Tale) -> None:
    tale.answers(tale.calls("send", "a", content="a!"), ok=False, code="unavailable")
    tale.store("a", "ana", "a!")
    assert tale.found() == {"refused_yet_stored"}


def test_a_refusal_after_which_the_retry_finds_a_duplicate_was_none(tale: Tale) -> None:
    tale.answers(tale.calls("send", "a", content="a!"), ok=False, code="unavailable")
    kept = tale.store("a", "ana", "a!")
    tale.answers(tale.calls("send", "a", attempt=2, content="a!"), id=kept.id, seq=kept.seq, duplicate=True)
    assert tale.found() == {"refused_yet_stored"}


def test_an_unknown_outcome_may_be_found_stored(tale: Tale) -> None:
    tale.answers(tale.calls("send", "a", content="a!"), ok=False, code="unknown_outcome")
    kept = tale.store("a", "ana", "a!")
    tale.answers(tale.calls("send", "a", attempt=2, content="a!"), id=kept.id, seq=kept.seq, duplicate=True)
    assert tale.found() == set()


def test_of_several_attempts_at_once_another_one_may_have_done_it(tale: Tale) -> None:
    calls = [tale.calls("send", "a", attempt=number, content="a!") for number in range(3)]
    tale.answers(calls[0], ok=False, code="unavailable")
    kept = tale.store("a", "ana", "a!")
    tale.answers(calls[1], id=kept.id, seq=kept.seq, duplicate=True)
    tale.answers(calls[2], id=kept.id, seq=kept.seq)
    assert tale.found() == set()


# phantom


def test_a_message_that_was_shown_and_is_not_stored_is_a_phantom(tale: Tale) -> None:
    tale.opens("ana.0")
    kept = tale.store("a", "tom", "never committed")
    tale.calm()
    del tale.kept[kept.id]
    assert tale.found() == {"phantom"}


def test_a_phantom_in_a_page_and_in_what_is_looked_at_is_found_too(tale: Tale) -> None:
    ghost = Seen(id="g", seq=1, changed_seq=1, sender="tom", client_id="g")
    tale.joined()
    tale.add(Excerpt(t=tale.t(), client="ana", room=ROOM, instance=0, asked_at=1.0, as_of=1, messages=[ghost]))
    assert tale.found() == {"phantom"}


def test_a_text_that_nobody_wrote_is_a_phantom(tale: Tale) -> None:
    tale.opens("ana.0")
    tale.sends("a", who="tom")
    tale.calm()
    tale.rewrite(Heard, lambda heard: replace(heard, message=replace(heard.message, content="else")))
    assert tale.found() == {"phantom"}


def test_what_was_shown_before_it_was_edited_is_true(tale: Tale) -> None:
    tale.opens("ana.0")
    kept = tale.sends("a")
    tale.tell_all()
    tale.edits("e", kept, "better")
    assert tale.found() == set()


# order


def test_one_number_told_as_two_things_is_no_order(tale: Tale) -> None:
    tale.opens("ana.0")
    tale.opens("tom.0")
    first, second = tale.sends("a"), tale.sends("b", who="tom")
    tale.calm()
    swapped = {first.seq: as_seen(second), second.seq: as_seen(first)}
    for number, entry in enumerate(tale.entries):
        if isinstance(entry, Heard) and entry.client == "tom":
            tale.entries[number] = replace(entry, message=swapped[entry.seq])
    assert "order" in tale.found()


def test_two_messages_with_one_number_are_no_order(tale: Tale) -> None:
    tale.sends("a")
    kept = tale.sends("b", who="tom")
    tale.kept[kept.id] = replace(kept, seq=1)
    assert "order" in tale.found()


def test_an_instance_that_shows_another_order_is_found(tale: Tale) -> None:
    messages = [as_seen(tale.sends("a")), as_seen(tale.sends("b"))]
    tale.extra["shown"] = [Shown(instance=1, room=ROOM, messages=messages[::-1])]
    assert tale.found() == {"order"}


def test_a_skip_is_another_rendering_of_the_same_number(tale: Tale) -> None:
    tale.opens("ana.0")
    tale.opens("tom.0")
    tale.joined()
    tale.calm()
    tale.rewrite(Heard, lambda heard: replace(heard, kind="skip"), last=True)
    assert tale.found() == set()


# per sender


def test_what_was_said_after_an_ack_stands_after_it(tale: Tale) -> None:
    one, two = tale.sends("a"), tale.sends("b")
    tale.kept[one.id], tale.kept[two.id] = replace(one, seq=2, changed_seq=2), replace(two, seq=1, changed_seq=1)
    assert "sender_order" in tale.found()


def test_what_was_said_on_one_socket_stands_in_that_order(tale: Tale) -> None:
    calls = [tale.calls("send", key, content=f"{key}!", socket="ana.0#1") for key in ("a", "b")]
    for call in reversed(calls):
        kept = tale.store(call.key, "ana", call.content)
        tale.answers(call, id=kept.id, seq=kept.seq)
    assert tale.found() == {"sender_order"}


def test_of_two_sockets_either_may_be_faster(tale: Tale) -> None:
    calls = [tale.calls("send", key, content=f"{key}!", socket=f"ana.{key}#1") for key in ("a", "b")]
    for call in reversed(calls):
        kept = tale.store(call.key, "ana", call.content)
        tale.answers(call, id=kept.id, seq=kept.seq)
    assert tale.found() == set()


def test_what_had_to_be_sent_again_may_stand_later(tale: Tale) -> None:
    refused = tale.calls("send", "a", content="a!", socket="ana.0#1")
    tale.answers(refused, ok=False, code="unavailable")
    tale.sends("b", socket="ana.0#1")
    again = tale.calls("send", "a", attempt=2, content="a!", socket="ana.0#1")
    kept = tale.store("a", "ana", "a!")
    tale.answers(again, id=kept.id, seq=kept.seq)
    assert tale.found() == set()


# sessions


def test_a_number_that_was_not_heard_is_a_gap(tale: Tale) -> None:
    tale.opens("ana.0")
    tale.sends("a", who="tom")
    tale.sends("b", who="tom")
    tale.calm()
    tale.rewrite(Heard, lambda heard: None)
    assert tale.found() == {"gap"}


def test_a_number_heard_twice_is_a_repeat(tale: Tale) -> None:
    tale.opens("ana.0")
    tale.sends("a", who="tom")
    tale.calm()
    heard = next(entry for entry in tale.entries if isinstance(entry, Heard))
    tale.entries.append(heard)
    assert tale.found() == {"repeat"}


def test_something_else_in_the_place_of_a_message_is_a_gap(tale: Tale) -> None:
    tale.opens("ana.0")
    tale.sends("a", who="tom")
    tale.calm()
    tale.rewrite(Heard, lambda heard: replace(heard, kind="skip", message=None))
    assert tale.found() == {"gap"}


def test_a_page_that_lacks_something_is_a_gap(tale: Tale) -> None:
    socket = tale.opens("ana.0")
    at = tale.ends(socket)
    tale.sends("a", who="tom")
    tale.sends("b", who="tom")
    tale.opens("ana.0", since=at)
    tale.rewrite(Paged, lambda page: replace(page, messages=page.messages[1:]), last=True)
    assert tale.found() == {"gap"}


def test_a_first_page_without_a_message_of_the_last_fifty_is_a_gap(tale: Tale) -> None:
    for number in range(60):
        tale.sends(f"a{number}")
    tale.opens("ana.0")
    tale.rewrite(Paged, lambda page: replace(page, messages=[*page.messages[:20], *page.messages[21:]]))
    assert tale.found() == {"gap"}


def test_a_first_page_without_older_messages_is_none(tale: Tale) -> None:
    for number in range(60):
        tale.sends(f"a{number}")
    tale.opens("ana.0")
    assert tale.found() == set()


def test_a_frame_before_the_page_is_a_gap(tale: Tale) -> None:
    socket = tale.opens("ana.0")
    tale.sends("a", who="tom")
    tale.calm()
    page = next(entry for entry in tale.entries if isinstance(entry, Paged))
    tale.entries.remove(page)
    assert "gap" in tale.found(), socket


def test_changes_heal_what_was_missed(tale: Tale) -> None:
    """The server noticed a hole by itself, and sent one page in place of the frames."""
    socket = tale.opens("ana.0")
    tale.sends("a", who="tom")
    tale.sends("b", who="tom")
    tale.add(
        Paged(
            t=tale.t(), client="ana", socket=socket, room=ROOM, kind="changes", since=0, seq=2, more=False,
            messages=tale.page(0),
        )
    )  # fmt: skip
    tale.live[socket] = 2
    assert tale.found() == set()


def test_changes_that_begin_later_than_one_is_are_a_gap(tale: Tale) -> None:
    socket = tale.opens("ana.0")
    tale.sends("a", who="tom")
    tale.sends("b", who="tom")
    tale.add(
        Paged(
            t=tale.t(), client="ana", socket=socket, room=ROOM, kind="changes", since=1, seq=2, more=False,
            messages=tale.page(1),
        )
    )  # fmt: skip
    tale.live[socket] = 2
    assert tale.found() == {"gap"}


def test_an_honest_reset_is_no_gap(tale: Tale) -> None:
    tale.sends("a", who="tom")
    socket = tale.opens("ana.0")
    tale.sends("b", who="tom")
    tale.add(BegunAnew(t=tale.t(), client="ana", socket=socket, room=ROOM))
    tale.add(
        Paged(
            t=tale.t(), client="ana", socket=socket, room=ROOM, kind="subscribed", since=None, seq=2, more=False,
            messages=tale.page(0),
        )
    )  # fmt: skip
    tale.live[socket] = 2
    assert tale.found() == set()


def test_a_message_edited_since_need_not_be_in_an_earlier_page(tale: Tale) -> None:
    """It has a later number by now; whoever had the page hears of it under that one."""
    kept = tale.sends("a", who="tom")
    socket = tale.opens("ana.0")
    tale.edits("e", kept, "better")
    at = tale.ends(socket)
    tale.opens("ana.0", since=at)
    assert tale.found() == set()


# the tip


def test_a_last_message_that_somebody_never_heard_of_is_late(tale: Tale) -> None:
    tale.opens("ana.0")
    tale.sends("a", who="tom")
    tale.calm()
    tale.rewrite(Heard, lambda heard: None)
    assert tale.found() == {"tip"}


def test_a_last_message_that_came_too_late_is_late(tale: Tale) -> None:
    tale.opens("ana.0")
    tale.sends("a", who="tom")
    tale.calm()
    tale.rewrite(Heard, lambda heard: replace(heard, t=heard.t + 17))
    assert tale.found() == {"tip"}


def test_a_last_message_that_was_healed_in_time_is_not(tale: Tale) -> None:
    tale.opens("ana.0")
    tale.sends("a", who="tom")
    tale.calm()
    tale.rewrite(Heard, lambda heard: replace(heard, t=heard.t + 14))
    assert tale.found() == set()


def test_a_place_that_never_came_back_is_found(tale: Tale) -> None:
    tale.ends(tale.opens("ana.0"))
    assert tale.found() == {"tip"}


def test_a_run_with_an_unfulfilled_wish_is_not_good(tale: Tale) -> None:
    tale.opens("ana.0")
    assert {broken.promise for broken in check(tale.entries, tale.end())} == {"tip"}


# own writes


def test_a_page_without_what_one_has_just_written_is_found(tale: Tale) -> None:
    tale.joined()
    before = tale.page(0)
    tale.sends("a")
    tale.opens("ana.0", instance=1)
    tale.rewrite(Paged, lambda page: replace(page, seq=1, messages=before))
    tale.live["ana.0#1"] = 1
    assert tale.found() == {"own_writes"}


def test_an_excerpt_that_was_asked_for_before_the_ack_may_be_without_it(tale: Tale) -> None:
    tale.joined()
    asked_at = tale.t()
    kept = tale.sends("a")
    excerpt = Excerpt(t=tale.t(), client="ana", room=ROOM, instance=1, asked_at=asked_at, as_of=kept.seq - 1)
    tale.add(excerpt)
    assert tale.found() == set()
    tale.add(replace(excerpt, asked_at=excerpt.t))
    assert tale.found() == {"own_writes"}


def test_somebody_elses_message_may_come_a_moment_later(tale: Tale) -> None:
    tale.joined()
    tale.sends("a", who="tom")
    tale.add(Excerpt(t=tale.t(), client="ana", room=ROOM, instance=1, asked_at=tale.t(), as_of=1))
    assert tale.found() == set()


# claims


def claimed(tale: Tale, who: str, *, ok: bool = True, code: str = "") -> None:
    call = tale.calls("claim", f"{who}-claim", who=who, target="case", room="")
    tale.answers(call, ok=ok, code=code, id="case" if ok else "", version=2)


def test_a_case_given_to_two_people_is_found(tale: Tale) -> None:
    claimed(tale, "ana")
    claimed(tale, "ben")
    tale.extra["cases"] = [Case(id="case", status="assigned", version=2, agent="ben")]
    assert tale.found() == {"claims"}


def test_a_case_refused_to_everybody_is_found(tale: Tale) -> None:
    claimed(tale, "ana", ok=False, code="already_claimed")
    claimed(tale, "ben", ok=False, code="already_claimed")
    tale.extra["cases"] = [Case(id="case", status="waiting", version=1)]
    assert tale.found() == {"claims"}


def test_a_case_that_is_somebody_elses_in_the_store_is_found(tale: Tale) -> None:
    claimed(tale, "ana")
    tale.extra["cases"] = [Case(id="case", status="assigned", version=2, agent="ben")]
    assert tale.found() == {"claims"}


def test_one_winner_who_asked_twice_is_one_winner(tale: Tale) -> None:
    claimed(tale, "ana")
    tale.answers(tale.calls("claim", "ana-claim", attempt=2, who="ana", target="case", room=""), id="case", version=2)
    claimed(tale, "ben", ok=False, code="already_claimed")
    tale.extra["cases"] = [Case(id="case", status="resolved", version=3, agent="ana")]
    assert tale.found() == set()


def test_a_case_that_was_given_back_may_be_claimed_again(tale: Tale) -> None:
    claimed(tale, "ana")
    tale.answers(tale.calls("return", "ana-back", who="ana", target="case", room=""), id="case", version=3)
    claimed(tale, "ben")
    tale.extra["cases"] = [Case(id="case", status="assigned", version=4, agent="ben")]
    assert tale.found() == set()


def test_a_winner_whose_answer_was_lost_explains_the_refusals(tale: Tale) -> None:
    tale.calls("claim", "ana-claim", who="ana", target="case", room="")
    claimed(tale, "ben", ok=False, code="already_claimed")
    tale.extra["cases"] = [Case(id="case", status="assigned", version=2, agent="ana")]
    assert tale.found() == set()


# work


def test_work_tried_too_often_or_left_lying_is_found(tale: Tale) -> None:
    tale.extra["work"] = [Work(id=1, queue="turn", status="done", attempts=4, max_attempts=3)]
    assert tale.found() == {"attempts"}
    tale.extra["work"] = [Work(id=1, queue="turn", status="pending", attempts=1, max_attempts=3)]
    assert tale.found() == {"attempts"}
    tale.extra["work"] = [
        Work(id=1, queue="turn", status="done", attempts=3, max_attempts=3),
        Work(id=2, queue="turn", status="dead", attempts=3, max_attempts=3),
    ]
    assert tale.found() == set()


# drain


def drained(tale: Tale, *, told: bool = True, code: int = 4001, back_after_s: float = 1.0) -> None:
    socket = tale.opens("ana.0")
    tale.add(Fault(t=tale.t(), what="drain", instance=0))
    if told:
        tale.add(ToldToGo(t=tale.t(), client="ana", socket=socket, instance=0))
    at = tale.ends(socket, code)
    for _ in range(int(back_after_s)):
        tale.t()
    tale.opens("ana.0", since=at, instance=1)


def test_who_is_told_to_go_closed_with_4001_and_back_has_been_drained(tale: Tale) -> None:
    drained(tale)
    assert tale.found() == set()


@pytest.mark.parametrize("how", [{"told": False}, {"code": 1006}, {"code": 1012}, {"back_after_s": 31}])
def test_any_other_end_of_a_drained_socket_is_found(tale: Tale, how: dict[str, Any]) -> None:
    drained(tale, **how)
    assert tale.found() == {"drain"}


def test_a_socket_that_a_drained_instance_leaves_open_is_found(tale: Tale) -> None:
    tale.opens("ana.0")
    tale.add(Fault(t=tale.t(), what="drain", instance=0))
    assert tale.found() == {"drain"}


def test_sockets_of_other_instances_need_not_go(tale: Tale) -> None:
    tale.opens("ana.0", instance=1)
    tale.add(Fault(t=tale.t(), what="drain", instance=0))
    assert tale.found() == set()


# read marks


def test_a_mark_that_goes_back_is_found_where_it_is_shown(tale: Tale) -> None:
    for seq in (5, 4):
        tale.add(MarkShown(t=tale.t(), client="tom", socket="tom.0#1", room=ROOM, user="ana", seq=seq))
    tale.extra["marks"] = [Mark(room=ROOM, user="ana", seq=5)]
    assert tale.found() == {"read_marks"}


def test_a_mark_that_goes_back_is_found_where_it_is_stored(tale: Tale) -> None:
    tale.add(MarkStored(t=tale.t(), room=ROOM, user="ana", seq=5))
    tale.extra["marks"] = [Mark(room=ROOM, user="ana", seq=4)]
    assert tale.found() == {"read_marks"}
    tale.entries.insert(0, MarkStored(t=0.5, room=ROOM, user="ana", seq=6))
    tale.extra["marks"] = [Mark(room=ROOM, user="ana", seq=6)]
    assert tale.found() == {"read_marks"}


def test_a_mark_that_was_shown_and_never_stored_is_found(tale: Tale) -> None:
    tale.add(MarkShown(t=tale.t(), client="tom", socket="tom.0#1", room=ROOM, user="ana", seq=5))
    tale.extra["marks"] = [Mark(room=ROOM, user="ana", seq=4)]
    assert tale.found() == {"read_marks"}


def test_a_mark_acknowledged_over_rest_is_stored(tale: Tale) -> None:
    for _ in range(9):
        tale.joined()
    tale.answers(tale.calls("read", "m", seq=7))
    tale.extra["marks"] = [Mark(room=ROOM, user="ana", seq=6)]
    assert tale.found() == {"read_marks"}
    tale.extra["marks"] = [Mark(room=ROOM, user="ana", seq=7)]
    assert tale.found() == set()


def test_a_mark_given_on_a_socket_may_be_lost_with_its_process(tale: Tale) -> None:
    """It is written a little later, with those of others."""
    for _ in range(9):
        tale.joined()
    tale.answers(tale.calls("read", "m", seq=7, socket="ana.0#1"))
    tale.extra["marks"] = [Mark(room=ROOM, user="ana", seq=6)]
    assert tale.found() == set()


def test_marks_of_different_people_and_sockets_are_apart(tale: Tale) -> None:
    for socket, user, seq in (("tom.0#1", "ana", 5), ("tom.0#1", "ben", 2), ("tom.1#2", "ana", 3)):
        tale.add(MarkShown(t=tale.t(), client="tom", socket=socket, room=ROOM, user=user, seq=seq))
    tale.extra["marks"] = [Mark(room=ROOM, user="ana", seq=5), Mark(room=ROOM, user="ben", seq=2)]
    assert tale.found() == set()


# any good run


@st.composite
def good_runs(draw: st.DrawFn) -> Tale:
    """What a faultless installation under faults could have written down."""
    tale = Tale()
    people = ["ana", "tom", "eva"]
    places = {f"{who}.{number}": 0 for who in people for number in range(draw(st.integers(0, 2)))}
    sockets = {place: tale.opens(place) for place in places}
    keys = itertools.count(1)
    hung: list[Called] = []
    for _ in range(draw(st.integers(0, 40))):
        deed = draw(st.sampled_from(["send", "lost_ack", "refused", "unknown", "edit", "join", "hear", "cut", "look"]))
        who = draw(st.sampled_from(people))
        key = f"k{next(keys)}"
        mine = [kept for kept in tale.kept.values() if kept.sender == who]
        if deed == "send":
            tale.sends(key, who=who)
        elif deed in ("lost_ack", "refused", "unknown"):
            call = tale.calls("send", key, who=who, content=f"{key}!")
            stored = None if deed == "refused" else tale.store(key, who, f"{key}!")
            if deed == "lost_ack":
                hung.append(call)
            else:
                tale.answers(call, ok=False, code="unavailable" if deed == "refused" else "unknown_outcome")
            again = tale.calls("send", key, attempt=2, who=who, content=f"{key}!")
            kept = stored or tale.store(key, who, f"{key}!")
            tale.answers(again, id=kept.id, seq=kept.seq, duplicate=stored is not None)
        elif deed == "edit" and mine:
            kept = draw(st.sampled_from(mine))
            call = tale.calls("edit", key, who=who, target=kept.id, content=f"{key} better")
            tale.answers(call, id=kept.id, seq=tale.change(kept.id, f"{key} better").changed_seq)
        elif deed == "join":
            tale.joined()
        elif deed == "hear" and sockets:
            socket = sockets[draw(st.sampled_from(sorted(sockets)))]
            for _ in range(draw(st.integers(1, 5))):
                if tale.live[socket] < tale.seq:
                    tale.tell(socket)
        elif deed == "cut" and sockets:
            place = draw(st.sampled_from(sorted(sockets)))
            sockets[place] = tale.opens(place, since=tale.ends(sockets[place]), instance=draw(st.integers(0, 2)))
        elif deed == "look":
            messages = [as_seen(kept) for kept in tale.kept.values()]
            at = tale.t()
            tale.add(Excerpt(t=at, client=who, room=ROOM, instance=1, asked_at=at, as_of=tale.seq, messages=messages))
    return tale


@given(good_runs())
@settings(max_examples=150, deadline=None)
def test_whatever_a_faultless_installation_may_do_is_found_good(tale: Tale) -> None:
    tale.calm()
    assert check(tale.entries, tale.end()) == []


@given(good_runs(), st.data())
@settings(max_examples=150, deadline=None)
def test_any_message_taken_out_of_the_store_is_missed(tale: Tale, data: st.DataObject) -> None:
    """Each was acknowledged, so each loss is found, whatever else went on."""
    tale.calm()
    if tale.kept:
        del tale.kept[data.draw(st.sampled_from(sorted(tale.kept)))]
        assert "lost" in tale.found()


@given(good_runs(), st.data())
@settings(max_examples=150, deadline=None)
def test_any_frame_taken_away_from_a_socket_is_missed(tale: Tale, data: st.DataObject) -> None:
    tale.calm()
    heard = [number for number, entry in enumerate(tale.entries) if isinstance(entry, Heard)]
    if heard:
        del tale.entries[data.draw(st.sampled_from(heard))]
        assert tale.found() & {"gap", "tip"}


def test_a_run_that_was_written_down_is_judged_the_same(tale: Tale, tmp_path: Any) -> None:
    tale.opens("ana.0")
    tale.sends("a")
    tale.calm()
    recorder = Recorder(tmp_path / "history.jsonl")
    for entry in tale.entries:
        recorder.add(entry)
    recorder.close()

    assert written((tmp_path / "history.jsonl").read_bytes().splitlines()) == tale.entries


def test_every_check_says_what_it_is_for() -> None:
    assert all(one.__doc__ for one in CHECKS)
