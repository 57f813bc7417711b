"""Judges a run: which promise was broken, and by which entry one can tell. Pure functions over a history.

Each check is a generator of :class:`Broken`; :func:`check` runs them all. A check says nothing about what it
cannot know: a send without an answer may or may not be stored, an edit that hung in a stopped process
may come late, what was read while the store was away may be missing.

``python -m deskbell.testing.faults --check FOLDER`` judges a run that was written down.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from deskbell.testing.faults.history import (
    Answered,
    BegunAnew,
    Called,
    Calm,
    Closed,
    Entry,
    Excerpt,
    Fault,
    Heard,
    Kept,
    MarkShown,
    MarkStored,
    Opened,
    Paged,
    Seen,
    Store,
    ToldToGo,
)

WITHIN_S = 15.0
BACK_WITHIN_S = 30.0
FIRST_PAGE = 50
REFUSED_UNTOUCHED = frozenset({"unavailable", "rate_limited"})
DRAIN_CODE = 4001


@dataclass(frozen=True)
class Broken:
    """A promise that was not kept. ``t``: when it showed; 0 where the store shows it in the end."""

    promise: str
    sentence: str
    t: float = 0.0

    def __str__(self) -> str:
        return f"[{self.promise}] {self.sentence}" + (f" (at {self.t:.3f})" if self.t else "")


@dataclass(frozen=True)
class Ask:
    """One attempt at a wish, with its answer; None: it never came."""

    call: Called
    answer: Answered | None


@dataclass(frozen=True)
class Judged:
    """A history with what the checks look things up by. ``within_s``: how late news may be once all is calm."""

    entries: Sequence[Entry]
    store: Store
    within_s: float
    asks: list[Ask]
    wishes: dict[tuple[str, str], list[Ask]]
    by_id: dict[str, Kept]
    tips: dict[str, int]
    in_room: dict[str, list[Kept]]
    by_number: dict[tuple[str, int], Kept]

    @classmethod
    def of(cls, entries: Sequence[Entry], store: Store, within_s: float = WITHIN_S) -> Judged:
        answers = {(e.client, e.op, e.key, e.attempt): e for e in entries if isinstance(e, Answered)}
        asks = [Ask(e, answers.get((e.client, e.op, e.key, e.attempt))) for e in entries if isinstance(e, Called)]
        wishes: dict[tuple[str, str], list[Ask]] = defaultdict(list)
        for ask in asks:
            wishes[ask.call.op, ask.call.key].append(ask)
        in_room: dict[str, list[Kept]] = defaultdict(list)
        for kept in sorted(store.messages, key=lambda message: message.seq):
            in_room[kept.room].append(kept)
        return cls(
            entries=entries,
            store=store,
            within_s=within_s,
            asks=asks,
            wishes=dict(wishes),
            by_id={kept.id: kept for kept in store.messages},
            tips={room.id: room.seq for room in store.rooms},
            in_room=dict(in_room),
            by_number={(kept.room, kept.changed_seq): kept for kept in store.messages},
        )


Check = Callable[[Judged], Iterator[Broken]]


# What was acknowledged is there


def lost(run: Judged) -> Iterator[Broken]:
    """An acknowledged message, edit or reaction is in the store, as it was acknowledged."""
    reactions = {(r.message, r.user, r.emoji) for r in run.store.reactions}
    for ask in run.asks:
        call, answer = ask.call, ask.answer
        if answer is None or not answer.ok:
            continue
        if call.op == "send":
            kept = run.by_id.get(answer.id)
            if kept is None or kept.room != call.room:
                yield Broken("lost", f"{call.key} was acknowledged as {answer.id}, which is not there", answer.t)
            elif (kept.client_id, kept.sender) != (call.key, call.user):
                yield Broken("lost", f"{call.key} was acknowledged as {answer.id}, which is {kept.client_id}", answer.t)
            elif answer.seq != kept.seq:
                yield Broken("lost", f"{call.key} was acknowledged as number {answer.seq}, and is {kept.seq}", answer.t)
        elif call.op == "react" and (call.target, call.user, call.content) not in reactions:
            yield Broken("lost", f"the reaction {call.content} under {call.target} was acknowledged", answer.t)
    yield from _lost_edits(run)


def _lost_edits(run: Judged) -> Iterator[Broken]:
    """The last acknowledged text stands, unless an attempt at another was never answered: that one may come late."""
    edits: dict[str, list[Ask]] = defaultdict(list)
    for ask in run.asks:
        if ask.call.op == "edit":
            edits[ask.call.target].append(ask)
    for target, asks in edits.items():
        acknowledged = [ask for ask in asks if ask.answer is not None and ask.answer.ok]
        if not acknowledged:
            continue
        last = max(acknowledged, key=lambda ask: ask.answer.seq if ask.answer is not None else 0)
        open_ended = {ask.call.content for ask in asks if ask.answer is None or ask.answer.code == "unknown_outcome"}
        kept = run.by_id.get(target)
        if kept is None or (kept.content != last.call.content and kept.content not in open_ended):
            has = "nothing" if kept is None else repr(kept.content)
            yield Broken("lost", f"{target} was edited to {last.call.content!r} and holds {has}")


def duplicate(run: Judged) -> Iterator[Broken]:
    """One row per ``client_id``, one id for whoever asks, one text once."""
    rows: dict[tuple[str, str, str], list[Kept]] = defaultdict(list)
    texts: dict[tuple[str, str, str], list[Kept]] = defaultdict(list)
    sent = {(ask.call.room, ask.call.user, ask.call.content): ask.call.key for ask in run.asks if ask.call.op == "send"}
    for kept in run.store.messages:
        rows[kept.room, kept.sender, kept.client_id].append(kept)
        if (kept.room, kept.sender, kept.content) in sent:
            texts[kept.room, kept.sender, kept.content].append(kept)
    for (_, _, client_id), several in rows.items():
        if len(several) > 1:
            yield Broken("duplicate", f"{client_id} is stored {len(several)} times")
    for (_, _, content), several in texts.items():
        if len({kept.client_id for kept in several}) > 1:
            yield Broken("duplicate", f"the text {content!r} is stored under {len(several)} client ids")
    for (op, key), asks in run.wishes.items():
        if op != "send":
            continue
        ids = {ask.answer.id for ask in asks if ask.answer is not None and ask.answer.ok}
        if len(ids) > 1:
            yield Broken("duplicate", f"{key} was acknowledged under {len(ids)} ids")
        first = [ask for ask in asks if ask.answer is not None and ask.answer.ok and not ask.answer.duplicate]
        if len(first) > 1:
            yield Broken("duplicate", f"{key} was acknowledged as new {len(first)} times")


def refused_yet_stored(run: Judged) -> Iterator[Broken]:
    """What was refused as ``unavailable`` changed nothing: nobody finds it stored, nor is it there in the end."""
    stored = {(kept.room, kept.sender, kept.client_id) for kept in run.store.messages}
    for (op, key), asks in run.wishes.items():
        if op != "send":
            continue
        if all(_untouched(ask) for ask in asks) and (asks[0].call.room, asks[0].call.user, key) in stored:
            yield Broken("refused_yet_stored", f"{key} was refused each time, and is stored")
        refused_at: float | None = None
        for ask in asks:
            if refused_at is not None and ask.call.t < refused_at:
                break  # two at once: the other one may have done it
            if _untouched(ask):
                refused_at = ask.answer.t if ask.answer is not None else None
                continue
            answer = ask.answer
            if refused_at is not None and answer is not None and answer.ok and answer.duplicate:
                yield Broken("refused_yet_stored", f"{key} was refused, and had been stored", answer.t)
            break


def _untouched(ask: Ask) -> bool:
    return ask.answer is not None and ask.answer.code in REFUSED_UNTOUCHED


# What was told is true


def phantom(run: Judged) -> Iterator[Broken]:
    """Whatever anybody was shown is in the store, by the same number, from the same person."""
    for t, where, seen in _sights(run):
        kept = run.by_id.get(seen.id)
        if kept is None:
            yield Broken("phantom", f"{where} shows {seen.client_id}, which is not in the store", t)
        elif (kept.seq, kept.sender, kept.client_id) != (seen.seq, seen.sender, seen.client_id):
            yield Broken("phantom", f"{where} shows {seen.client_id} as number {seen.seq}, it is {kept.seq}", t)
        elif seen.changed_seq > kept.changed_seq:
            yield Broken("phantom", f"{where} shows version {seen.changed_seq} of {seen.client_id}", t)
        elif seen.changed_seq == kept.changed_seq and seen.content != kept.content:
            yield Broken("phantom", f"{where} shows another text for {seen.client_id}", t)


def _sights(run: Judged) -> Iterator[tuple[float, str, Seen]]:
    for entry in run.entries:
        if isinstance(entry, Heard) and entry.message is not None:
            yield entry.t, entry.socket, entry.message
        elif isinstance(entry, Paged):
            for seen in entry.messages:
                yield entry.t, entry.socket, seen
        elif isinstance(entry, Excerpt):
            for seen in entry.messages:
                yield entry.t, f"{entry.client} over REST", seen
    for shown in run.store.shown:
        for seen in shown.messages:
            yield 0.0, f"instance {shown.instance}", seen


def order(run: Judged) -> Iterator[Broken]:
    """Per room one total order, dense in the store, the same for all who hear it."""
    for room, tip in run.tips.items():
        kept = run.in_room.get(room, [])
        numbers = [message.seq for message in kept]
        if len(set(numbers)) != len(numbers):
            yield Broken("order", f"two messages of {room} have one number")
        if any(not 0 < message.seq <= message.changed_seq <= tip for message in kept):
            yield Broken("order", f"a message of {room} has a number that the room never had")
    told: dict[tuple[str, int], tuple[str, str, str]] = {}
    for entry in run.entries:
        if not isinstance(entry, Heard) or entry.kind == "skip":
            continue
        what = (entry.kind, entry.message.id if entry.message else "", entry.message.content if entry.message else "")
        before = told.setdefault((entry.room, entry.seq), what)
        if before != what:
            yield Broken("order", f"{entry.socket} was told another number {entry.seq} than others", entry.t)
    for shown in run.store.shown:
        expected = [message.id for message in run.in_room.get(shown.room, [])]
        if [seen.id for seen in shown.messages] != expected:
            yield Broken("order", f"instance {shown.instance} shows {shown.room} in another order, or not all of it")


def sender_order(run: Judged) -> Iterator[Broken]:
    """What one person says after an ack, or after it on the same socket, comes after it."""
    numbers = {(kept.room, kept.sender, kept.client_id): kept.seq for kept in run.store.messages}
    sends: dict[tuple[str, str], list[list[Ask]]] = defaultdict(list)
    for (op, _), asks in run.wishes.items():
        if op == "send":
            sends[asks[0].call.client, asks[0].call.room].append(asks)
    for (_, room), wishes in sends.items():
        acknowledged: list[tuple[float, int, str]] = []
        on_socket: dict[str, tuple[int, str]] = {}
        marks = sorted(
            (ask.answer.t, asks[0].call.key)
            for asks in wishes
            for ask in asks
            if ask.answer is not None and ask.answer.ok
        )
        due = iter(marks)
        mark = next(due, None)
        best = (0, "")
        for asks in sorted(wishes, key=lambda asks: asks[0].call.t):
            call = asks[0].call
            number = numbers.get((room, call.user, call.key))
            while mark is not None and mark[0] < call.t:
                known = numbers.get((room, call.user, mark[1]))
                if known is not None and known > best[0]:
                    best = (known, mark[1])
                mark = next(due, None)
            if number is None:
                continue
            acknowledged.append((call.t, number, call.key))
            if number < best[0]:
                yield Broken("sender_order", f"{call.key} was sent after the ack of {best[1]} and stands before it")
            if len(asks) == 1 and asks[0].answer is not None and asks[0].answer.ok and call.socket:
                last = on_socket.get(call.socket)
                if last is not None and number < last[0]:
                    yield Broken("sender_order", f"{call.key} was sent after {last[1]} on one socket, stands before it")
                on_socket[call.socket] = max(last or (0, ""), (number, call.key))


# What was subscribed to is heard


def sessions(run: Judged) -> Iterator[Broken]:
    """A subscribed socket hears every number once and in order, or a page that covers it, or an honest reset."""
    places: dict[tuple[str, str], int] = {}
    reached: dict[tuple[str, str], int] = {}
    for entry in run.entries:
        if isinstance(entry, Paged):
            place = (entry.socket, entry.room)
            before = places.get(place)
            if entry.kind == "subscribed" and (entry.since or 0) > reached.get((_place(entry.socket), entry.room), 0):
                yield Broken("gap", f"{entry.socket} goes on from {entry.since}, which it never reached", entry.t)
            if entry.kind == "changes":
                if before is None:
                    yield Broken("gap", f"{entry.socket} is sent changes it did not subscribe to", entry.t)
                elif entry.since is None or entry.since > before:
                    yield Broken(
                        "gap", f"{entry.socket} is at {before} and is sent what follows {entry.since}", entry.t
                    )
                elif entry.since < before:
                    yield Broken("repeat", f"{entry.socket} is at {before} and is sent {entry.since} again", entry.t)
            if entry.seq < (before if entry.kind == "changes" and before is not None else entry.since or 0):
                yield Broken("gap", f"{entry.socket} is sent back to {entry.seq}", entry.t)
            places[place] = reached[_place(entry.socket), entry.room] = entry.seq
            yield from _page_is_whole(run, entry)
        elif isinstance(entry, Heard):
            place = (entry.socket, entry.room)
            before = places.get(place)
            if before is None:
                yield Broken("gap", f"{entry.socket} hears {entry.seq} before it is subscribed", entry.t)
            elif entry.seq > before + 1:
                yield Broken("gap", f"{entry.socket} is at {before} and hears {entry.seq}", entry.t)
            elif entry.seq <= before:
                yield Broken("repeat", f"{entry.socket} is at {before} and hears {entry.seq} again", entry.t)
            places[place] = reached[_place(entry.socket), entry.room] = max(before or 0, entry.seq)
            yield from _number_is_whole(run, entry)
        elif isinstance(entry, BegunAnew):
            places.pop((entry.socket, entry.room), None)


def _page_is_whole(run: Judged, page: Paged) -> Iterator[Broken]:
    """What has not changed since is in the page that covers it."""
    held = {seen.id: seen.changed_seq for seen in page.messages}
    room = run.in_room.get(page.room, [])
    if page.since is None:
        born = [kept for kept in room if kept.seq <= page.seq]
        expected = [] if page.more else born[-FIRST_PAGE:]
        missing = [kept for kept in expected if kept.id not in held]
    else:
        missing = [
            kept for kept in room if page.since < kept.changed_seq <= page.seq and held.get(kept.id) != kept.changed_seq
        ]
    for kept in missing:
        yield Broken("gap", f"a page of {page.socket} up to {page.seq} is without {kept.client_id}", page.t)


def _number_is_whole(run: Judged, heard: Heard) -> Iterator[Broken]:
    """The number of a message's last change was told as that message."""
    if heard.kind == "message":
        return
    kept = run.by_number.get((heard.room, heard.seq))
    if kept is not None:
        yield Broken("gap", f"{heard.socket} hears {heard.seq} as {heard.kind}; it is {kept.client_id}", heard.t)


def tip(run: Judged) -> Iterator[Broken]:
    """Once all is calm, whoever is subscribed is at the room's last number within seconds, a lost last one included."""
    calm = next((entry.t for entry in run.entries if isinstance(entry, Calm)), None)
    if calm is None:
        yield Broken("tip", "the run never became calm: some wish was never answered")
        return
    position: dict[tuple[str, str], int] = {}
    moved_at: dict[tuple[str, str], float] = {}
    current: dict[str, str] = {}
    ended: dict[str, Closed] = {}
    places: dict[str, set[str]] = defaultdict(set)
    for entry in run.entries:
        if isinstance(entry, Opened):
            place = _place(entry.socket)
            current[place] = entry.socket
            ended.pop(place, None)
        elif isinstance(entry, Closed):
            place = _place(entry.socket)
            if current.get(place) == entry.socket:
                ended[place] = entry
        elif isinstance(entry, Paged | Heard):
            places[_place(entry.socket)].add(entry.room)
            key = (entry.socket, entry.room)
            if entry.seq > position.get(key, -1):
                position[key] = entry.seq
                moved_at[key] = entry.t
    for place, socket in current.items():
        last = ended.get(place)
        if last is not None:
            if not last.wanted:
                yield Broken("tip", f"{place} ended with {last.code} and never came back", last.t)
            continue
        for room in places[place]:
            at, want = position.get((socket, room)), run.tips.get(room)
            if want is not None and at != want:
                yield Broken("tip", f"{socket} is at {at} of {room}, which is at {want}")
            elif want is not None and moved_at[socket, room] > calm + run.within_s:
                late = moved_at[socket, room] - calm
                yield Broken("tip", f"{socket} heard the last of {room} only after {late:.1f} s")


def _place(socket: str) -> str:
    return socket.partition("#")[0]


def own_writes(run: Judged) -> Iterator[Broken]:
    """Who reads after an ack finds what was acknowledged, on whatever instance."""
    acknowledged: dict[tuple[str, str], list[tuple[float, int, str]]] = defaultdict(list)
    for ask in run.asks:
        if ask.call.op in ("send", "edit", "react") and ask.answer is not None and ask.answer.ok:
            acknowledged[ask.call.client, ask.call.room].append((ask.answer.t, ask.answer.seq, ask.call.key))
    for entry in run.entries:
        if isinstance(entry, Excerpt):
            reached: int = entry.as_of
        elif isinstance(entry, Paged) and entry.asked_at and not entry.more:
            reached = entry.seq
        else:
            continue
        for t, seq, key in acknowledged.get((entry.client, entry.room), ()):
            if t < entry.asked_at and seq > reached:
                yield Broken("own_writes", f"{entry.client} is shown {reached} after {key} was {seq}", entry.t)
                break


# People and processes


def claims(run: Judged) -> Iterator[Broken]:
    """Of all who claim a case exactly one gets it; it is theirs in the store."""
    stored = {case.id: case for case in run.store.cases}
    by_case: dict[str, list[Ask]] = defaultdict(list)
    given_back: dict[str, list[float]] = defaultdict(list)
    for ask in run.asks:
        if ask.call.op == "claim":
            by_case[ask.call.target].append(ask)
        elif ask.call.op == "return":
            given_back[ask.call.target].append(ask.call.t)
    for case_id, asks in by_case.items():
        wins = sorted(
            ((ask.answer.t, ask.call.t, ask.call.user) for ask in asks if ask.answer is not None and ask.answer.ok),
        )
        for (_, _, first), (t, _, second) in itertools.pairwise(wins):
            if first != second and not any(at < t for at in given_back[case_id]):
                yield Broken("claims", f"{case_id} was given to two people", t)
        case = stored.get(case_id)
        everybody_knows = all(ask.answer is not None and ask.answer.code != "unknown_outcome" for ask in asks)
        told_too_late = any(ask.answer is not None and ask.answer.code == "already_claimed" for ask in asks)
        if not wins and everybody_knows and told_too_late and not given_back[case_id]:
            yield Broken("claims", f"{case_id} was refused to all who claimed it: nobody has it")
        if wins and (case is None or (case.agent != wins[-1][2] and not given_back[case_id])):
            yield Broken("claims", f"{case_id} was given to {wins[-1][2]}, in the store it is not theirs")


def attempts(run: Judged) -> Iterator[Broken]:
    """Work ends done or dead, and is never tried more often than it may be."""
    for work in run.store.work:
        if work.attempts > work.max_attempts:
            yield Broken("attempts", f"{work.queue}:{work.id} was tried {work.attempts} times of {work.max_attempts}")
        if work.status not in ("done", "dead"):
            yield Broken("attempts", f"{work.queue}:{work.id} is {work.status}, and nobody will end it")


def drain(run: Judged) -> Iterator[Broken]:
    """Whoever is on an instance that is told to stop is told to go, closed with 4001, and comes back elsewhere."""
    here: dict[int, dict[str, Opened]] = defaultdict(dict)
    leaving: dict[str, float] = {}
    told: set[str] = set()
    away: dict[str, float] = {}
    for entry in run.entries:
        if isinstance(entry, Opened):
            here[entry.instance][entry.socket] = entry
            since = away.pop(_place(entry.socket), None)
            if since is not None and entry.t - since > BACK_WITHIN_S:
                yield Broken("drain", f"{entry.socket} was back only after {entry.t - since:.1f} s", entry.t)
        elif isinstance(entry, Fault) and entry.what == "drain":
            leaving |= dict.fromkeys(here[entry.instance], entry.t)
        elif isinstance(entry, ToldToGo):
            told.add(entry.socket)
        elif isinstance(entry, Closed):
            here[entry.instance].pop(entry.socket, None)
            if leaving.pop(entry.socket, None) is None or entry.wanted:
                continue
            if entry.code != DRAIN_CODE:
                yield Broken(
                    "drain", f"{entry.socket} was closed with {entry.code} by an instance that drained", entry.t
                )
            elif entry.socket not in told:
                yield Broken("drain", f"{entry.socket} was closed without having been told to go", entry.t)
            away[_place(entry.socket)] = entry.t
    for socket, t in leaving.items():
        yield Broken("drain", f"{socket} was never closed by its instance, which drained", t)
    for place, t in away.items():
        yield Broken("drain", f"{place} never came back after its instance drained", t)


def read_marks(run: Judged) -> Iterator[Broken]:
    """Read marks never move back; what was acknowledged over REST is stored."""
    shown: dict[tuple[str, str, str], int] = {}
    stored: dict[tuple[str, str], int] = {}
    for entry in run.entries:
        if isinstance(entry, MarkShown):
            key = (entry.socket, entry.room, entry.user)
            if entry.seq < shown.get(key, 0):
                yield Broken("read_marks", f"{entry.socket} sees {entry.user} go back to {entry.seq}", entry.t)
            shown[key] = max(shown.get(key, 0), entry.seq)
        elif isinstance(entry, MarkStored):
            if entry.seq < stored.get((entry.room, entry.user), 0):
                yield Broken("read_marks", f"the mark of {entry.user} went back to {entry.seq}", entry.t)
            stored[entry.room, entry.user] = max(stored.get((entry.room, entry.user), 0), entry.seq)
    last = {(mark.room, mark.user): mark.seq for mark in run.store.marks}
    for place, seq in stored.items():
        if last.get(place, seq) < seq:
            yield Broken("read_marks", f"the mark of {place[1]} went back to {last[place]}")
    for (_, room, user), seq in shown.items():
        if last.get((room, user), seq) < seq:
            yield Broken("read_marks", f"{user} was shown at {seq}, and is stored at {last[room, user]}")
    for ask in run.asks:
        call = ask.call
        if call.op == "read" and not call.socket and ask.answer is not None and ask.answer.ok:
            at = last.get((call.room, call.user))
            if at is not None and at < min(call.seq, run.tips.get(call.room, call.seq)):
                yield Broken("read_marks", f"{call.key} was acknowledged at {call.seq}, and is stored at {at}")


CHECKS: tuple[Check, ...] = (
    lost, duplicate, refused_yet_stored, phantom, order, sender_order, sessions, tip, own_writes, claims, attempts,
    drain, read_marks,
)  # fmt: skip


def check(entries: Sequence[Entry], store: Store, *, within_s: float = WITHIN_S) -> list[Broken]:
    """All promises that were broken, in no order of weight. Empty: the run was good, as far as it can tell."""
    run = Judged.of(entries, store, within_s)
    return [broken for one in CHECKS for broken in one(run)]
