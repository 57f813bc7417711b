"""Search: the messages somebody may read, by their words.

The whole of a search sees one moment: who is where, which texts there are, what they say. Matches are
taken in blocks of the newest, and within a block the best come first: what fits well and is new. So a
search looks at a bounded number of matches, however many there are, and following the cursors gives each
match once. A cursor holds the bounds of its block and the clock of the first page, so that neither new
messages nor the passing of time move what is still to come.

Where reading is audited it is written down which rooms somebody is shown something of, before they are.

Where nothing was found, words are taken for typing errors of others that differ by a slip or two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deskbell.actions import access
from deskbell.clock import to_us
from deskbell.errors import Invalid, NotFound, Unavailable
from deskbell.ids import MessageId, RoomId, is_id
from deskbell.model.records import Actor, Message
from deskbell.model.search_match import Cut, Match, match, rank, snippet
from deskbell.model.search_query import MAX_WORDS, Wanted, bare, understood
from deskbell.model.text import words
from deskbell.ports import Ports
from deskbell.store import messages, rooms, search, search_index
from deskbell.store.database import Queries, Snapshot, StoreError
from deskbell.store.search import LAST_PLACE, Asked, Narrowed, Reach

BLOCK = 200
TIED = 64
"""Room for matches at one and the same place, which belong to one block."""
WITHIN_S = 4.0
ANYTHING = Narrowed()
PER_MIN, BURST = 120.0, 30
"""Searches of one user: enough for one at every letter typed."""


@dataclass(frozen=True)
class Continued:
    """Where a list goes on: in the block between two places, below a rank and a message."""

    forgiving: bool
    now_us: int
    top: int
    bottom: int
    rank: int
    message: MessageId


@dataclass(frozen=True)
class Found:
    """A message that fits. ``rank`` is whole, of :data:`deskbell.model.search_match.UNIT`."""

    message: Message
    snippet: Cut
    rank: int
    room_name: str
    channel_type: str


@dataclass(frozen=True)
class Findings:
    """``forgiving``: words like those asked for were found, not they. ``complete``: nothing waits to be indexed."""

    found: Sequence[Found]
    more: Continued | None
    forgiving: bool
    complete: bool


_NO_MESSAGE = MessageId("ffffffff-ffff-ffff-ffff-ffffffffffff")
_FIRST_RANK = 2**40


async def find(
    ports: Ports,
    actor: Actor,
    text: str,
    *,
    room: RoomId | None = None,
    narrowed: Narrowed = ANYTHING,
    limit: int = 20,
    after: Continued | None = None,
) -> Findings:
    """One page of the messages that ``text`` asks for; see :mod:`deskbell.model.search_query`.

    Raises:
        Invalid: There is no word in ``text``, or there are too many; or ``sender`` is no id.
        NotFound: No such room, or ``actor`` may not see it.
        RateLimited: Too many searches at once.
        Unavailable: It took too long; fewer rooms or a shorter time may be asked for.
    """
    wanted = understood(text)
    if not wanted:
        raise Invalid("There is no word to look for.", path="q", where="query")
    if wanted.size > MAX_WORDS:
        raise Invalid(f"Look for at most {MAX_WORDS} words.", path="q", where="query")
    if narrowed.sender is not None and not is_id(narrowed.sender):
        raise Invalid("A sender is named by an id.", path="sender", where="query")
    ports.limits.spend("search", actor.id, per_min=PER_MIN, burst=BURST)
    now_us = after.now_us if after is not None else await ports.journal.now_us()
    try:
        async with asyncio.timeout(WITHIN_S), ports.db.snapshot() as at:
            reach = await _reach(ports, at, actor, room)
            alike: Mapping[str, frozenset[str]] = {}
            page = None
            if after is None or not after.forgiving:
                page = await _page(at, actor, wanted, alike, reach, narrowed, limit, after, now_us)
            if page is None and (after is None or after.forgiving):
                alike = await search.meant(at, actor.tenant, reach, wanted)
                if alike:
                    page = await _page(at, actor, wanted, alike, reach, narrowed, limit, after, now_us)
            complete = await search_index.is_complete(at, actor.tenant)
    except TimeoutError as error:
        raise Unavailable("This search takes too long. Name a room or a time.") from error
    except StoreError as error:
        raise Unavailable() from error
    if page is None:
        return Findings([], None, False, complete)
    found, more = page
    await access.note_found(ports, actor, {one.message.room: one.channel_type for one in found})
    return Findings(found, more, bool(alike) and bool(found), complete)


async def _reach(ports: Ports, at: Snapshot, actor: Actor, room: RoomId | None) -> Reach:
    if room is None:
        return await access.reach(ports, at, actor)
    stored = await rooms.get_with_member(at, actor.tenant, room, actor.id) if is_id(room) else None
    if stored is None:
        raise NotFound()
    return access.reach_of(access.place_of(ports, actor, *stored))


async def _page(
    at: Queries,
    actor: Actor,
    wanted: Wanted,
    alike: Mapping[str, frozenset[str]],
    reach: Reach,
    narrowed: Narrowed,
    limit: int,
    after: Continued | None,
    now_us: int,
) -> tuple[list[Found], Continued | None] | None:
    """A page, and where the next begins; None where nothing was found."""
    what = await search.asked(at, actor.tenant, wanted, alike)
    if what is None:
        return None
    top, bottom = (after.top, after.bottom) if after is not None else (LAST_PLACE, 0)
    hits = await search.newest(at, what, reach, narrowed, top=top, bottom=bottom, limit=BLOCK + TIED)
    if bottom == 0 and len(hits) > BLOCK:
        bottom = hits[BLOCK - 1][1]
    older = max(bottom - 1, 0)
    block = [hit for hit in hits if hit[1] >= bottom]
    next_block = Continued(bool(alike), now_us, older, 0, _FIRST_RANK, _NO_MESSAGE) if bottom else None
    if not block:
        return None if next_block is None else ([], next_block)
    ranked = await _ranked(at, actor, what, wanted, alike, [message for message, _ in block], now_us)
    if after is not None:
        ranked = [one for one in ranked if (-one[0], one[1].id) > (-after.rank, after.message)]
    shown = ranked[:limit]
    names = await rooms.names_of(at, actor.tenant, list({message.room for _, message, _ in shown}))
    found = [
        Found(message, snippet(message.content, matched), score, *names[message.room])
        for score, message, matched in shown
    ]
    if len(ranked) <= limit:
        return found, next_block
    newest = max(place for _, place in block)
    return found, Continued(bool(alike), now_us, newest, bottom, shown[-1][0], shown[-1][1].id)


async def _ranked(
    at: Queries,
    actor: Actor,
    what: Asked,
    wanted: Wanted,
    alike: Mapping[str, frozenset[str]],
    block: Sequence[MessageId],
    now_us: int,
) -> list[tuple[int, Message, Match]]:
    """The messages of a block, the best first; which of two equals comes first does not change."""
    said = await messages.by_ids(at, actor.tenant, block)
    known: dict[str, frozenset[str]] = {word: frozenset(map(bare, others)) for word, others in alike.items()}
    if what.language != "simple":
        spoken = sorted({word for message in said for word in words(message.content[:2000])})[:5000]
        for word, others in (await search.forms(at, what, wanted, spoken)).items():
            known[word] = known.get(word, frozenset()) | others
    ranked = []
    for message in said:
        matched = match(message.content, wanted, known)
        ranked.append((rank(matched.weight, now_us - to_us(message.created_at)), message, matched))
    ranked.sort(key=lambda one: (-one[0], one[1].id))
    return ranked
