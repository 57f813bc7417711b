"""Finding messages by their words, among those somebody may read.

What somebody may read is a :class:`Reach`, and it is part of every query here, with the bound of their
history; a query without one cannot be made. Who has which reach is decided by
:mod:`deskbell.actions.access`. The index is kept by the database itself, see
``migrations/…_search.sql`` and :mod:`deskbell.store.search_index`.

Matches come newest first, by ``place``, a number that grows with time. Finding them takes one of two
ways on PostgreSQL: looking through the newest messages within reach, which is quick for words that many
messages have, and asking the index, which is quick for words that few have. SQLite's index gives its
matches in order by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from deskbell.ids import MessageId, RoomId, TenantId, UserId
from deskbell.model.search_match import distance_at_most, slips_forgiven
from deskbell.model.search_query import Term, Wanted, bare
from deskbell.model.text import is_unspaced
from deskbell.store.database import Queries

NOTHING = 2**62
"""The bound of a history of which nothing is visible."""
LAST_PLACE = 2**63 - 1

WALKED = 4_000
"""Messages that are looked through before the index is asked."""
_WORTH_WALKING_ON = 24
"""With as many matches among those, the index would give more than can be looked at quickly."""
_WALKED_AT_MOST = 50_000
_MOST_TOKENS = 64
_ALIKE_AT_MOST = 8
_KNOWN_AT_MOST = 20_000
_LIKELY = 0.4


@dataclass(frozen=True)
class Reach:
    """What somebody may read.

    ``rooms``: single rooms, with the bound above which messages are visible; :data:`NOTHING` excludes a
    room that would otherwise be within. ``types``: channel types all of whose rooms they may read;
    ``backstage_types``: the same for the backstage rooms of such.
    """

    rooms: Mapping[RoomId, int] = field(default_factory=dict)
    types: frozenset[str] = frozenset()
    backstage_types: frozenset[str] = frozenset()

    @property
    def wide(self) -> bool:
        return bool(self.types or self.backstage_types)

    def bound(self, room: RoomId, channel_type: str, *, backstage: bool) -> int:
        """Above which ``seq`` the messages of a room are visible; :data:`NOTHING`: none of them."""
        within = channel_type in (self.backstage_types if backstage else self.types)
        return self.rooms.get(room, 0 if within else NOTHING)

    def tokens(self, tenant: TenantId) -> list[str]:
        """The words in the index that stand for it; none where there would be too many."""
        rooms = [f"r{_hex(room)}" for room, bound in self.rooms.items() if bound < NOTHING]
        wide = [f"c{_hex(tenant)}{name.encode().hex()}" for name in sorted(self.types)]
        wide += [f"b{_hex(tenant)}{name.encode().hex()}" for name in sorted(self.backstage_types)]
        return [*wide, *rooms] if len(wide) + len(rooms) <= _MOST_TOKENS else []


@dataclass(frozen=True)
class Narrowed:
    """What else is asked of a message. Times are microseconds, both ends outside."""

    sender: UserId | None = None
    kind: str | None = None
    before_us: int | None = None
    after_us: int | None = None
    has_attachment: bool | None = None


@dataclass(frozen=True)
class Asked:
    """What is looked for, in the words of the database. ``language``: how words of this tenant are reduced."""

    tenant: TenantId
    query: str
    language: str


Hit = tuple[MessageId, int]


def _hex(name: str) -> str:
    return name.replace("-", "")


async def asked(at: Queries, tenant: TenantId, wanted: Wanted, alike: Mapping[str, frozenset[str]]) -> Asked | None:
    """What is wanted, ready to be looked for; None where nothing is left of it, as of words like "the".

    ``alike``: what single words may be found as instead.
    """
    if at.dialect == "sqlite":
        return Asked(tenant, _match(wanted, alike), "simple")
    row = await at.fetchrow(
        "SELECT to_tsquery(('deskbell_' || t.search_language)::regconfig, $2)::text AS query, t.search_language"
        " FROM tenants t WHERE t.id = $1",
        tenant,
        _tsquery(wanted, alike),
    )
    return Asked(tenant, row["query"], row["search_language"]) if row is not None and row["query"] else None


# The two languages. Words hold letters and digits only, so nothing in them can mean anything there.


def _tsquery(wanted: Wanted, alike: Mapping[str, frozenset[str]]) -> str:
    def one(word: str, unfinished: bool) -> str:
        choices = [f"'{word}'", *([f"'{word}':*"] if unfinished else [])]
        choices += [f"'{other}'" for other in sorted(alike.get(word, ()))]
        return f"({' | '.join(choices)})"

    def whole(term: Term) -> str:
        last = len(term.words) - 1
        return f"({' <-> '.join(one(word, term.unfinished and n == last) for n, word in enumerate(term.words))})"

    return " & ".join([*map(whole, wanted.terms), *(f"!{whole(term)}" for term in wanted.unwanted)])


def _match(wanted: Wanted, alike: Mapping[str, frozenset[str]]) -> str:
    def whole(term: Term) -> str:
        if len(term.words) == 1 and term.words[0] in alike:
            choices = [f'said : "{word}"' for word in sorted({term.words[0], *alike[term.words[0]]})]
            return f"({' OR '.join(choices)})"
        runs: list[tuple[str, list[str]]] = []
        for word in term.words:
            column = "signs" if is_unspaced(word) else "said"
            if not runs or runs[-1][0] != column:
                runs.append((column, []))
            runs[-1][1].append(word)
        parts = [f'{column} : "{" ".join(run)}"' for column, run in runs]
        if term.unfinished and runs[-1][0] == "said":
            parts[-1] += " *"
        return f"({' AND '.join(parts)})"

    found = " AND ".join(map(whole, wanted.terms))
    return f"({found}) NOT ({' OR '.join(map(whole, wanted.unwanted))})" if wanted.unwanted else f"({found})"


class _Values:
    """Values on their way into a statement."""

    def __init__(self) -> None:
        self.given: list[object] = []

    def __call__(self, value: object, kind: str) -> str:
        self.given.append(value)
        return f"${len(self.given)}::{kind}"


def _readable(values: _Values, reach: Reach) -> tuple[str, str]:
    """A join and a condition that leave of ``m`` and ``r`` what is within reach."""
    rooms = values(list(reach.rooms), "uuid[]"), values(list(reach.rooms.values()), "bigint[]")
    join = f" LEFT JOIN unnest({rooms[0]}, {rooms[1]}) AS k(room_id, visible_from) ON k.room_id = m.room_id"
    bound = "(k.room_id IS NOT NULL AND m.seq > k.visible_from)"
    if not reach.wide:
        return join, bound
    types, backstage = values(sorted(reach.types), "text[]"), values(sorted(reach.backstage_types), "text[]")
    return join, (
        f"({bound} OR (k.room_id IS NULL AND ((r.backstage_of IS NULL AND r.channel_type = ANY({types}))"
        f" OR (r.backstage_of IS NOT NULL AND r.channel_type = ANY({backstage})))))"
    )


def _narrowing(values: _Values, narrowed: Narrowed) -> str:
    said = " AND m.deleted_at IS NULL AND m.kind <> 'system'"
    if narrowed.sender is not None:
        said += f" AND m.sender_id = {values(narrowed.sender, 'uuid')}"
    if narrowed.kind is not None:
        said += f" AND m.kind = {values(narrowed.kind, 'text')}"
    if narrowed.before_us is not None:
        said += f" AND m.created_at < {values(narrowed.before_us, 'bigint')}"
    if narrowed.after_us is not None:
        said += f" AND m.created_at > {values(narrowed.after_us, 'bigint')}"
    if narrowed.has_attachment is not None:
        said += f" AND m.attachments {'<>' if narrowed.has_attachment else '='} '[]'"
    return said


async def newest(
    at: Queries, what: Asked, reach: Reach, narrowed: Narrowed, *, top: int, bottom: int, limit: int
) -> list[Hit]:
    """Up to ``limit`` messages that fit, the newest first, of those from ``bottom`` up to ``top``."""
    if not reach.wide and all(bound >= NOTHING for bound in reach.rooms.values()):
        return []
    if at.dialect == "sqlite":
        return await _by_sqlite(at, what, reach, narrowed, top, bottom, limit)
    walked = WALKED
    for _ in range(2):
        found, all_seen = await _walk(at, what, reach, narrowed, top, bottom, limit, walked)
        if all_seen or len(found) >= limit:
            return found
        if len(found) < _WORTH_WALKING_ON:
            break
        walked = min(walked * limit * 5 // 4 // len(found), _WALKED_AT_MOST)
    return await _by_index(at, what, reach, narrowed, top, bottom, limit)


async def _by_sqlite(
    at: Queries, what: Asked, reach: Reach, narrowed: Narrowed, top: int, bottom: int, limit: int
) -> list[Hit]:
    query = what.query
    tokens = reach.tokens(what.tenant)
    if tokens:
        query = f"scope : ({' OR '.join(tokens)}) AND {query}"
    if narrowed.sender is not None:
        query = f"scope : u{_hex(narrowed.sender)} AND {query}"
    values = _Values()
    bounds = (
        f"message_words MATCH {values(query, 'text')} AND f.rowid <= {values(top, 'bigint')}"
        f" AND f.rowid >= {values(bottom, 'bigint')}"
    )
    tenant = values(what.tenant, "uuid")
    join, readable = _readable(values, reach)
    # CROSS JOIN: in this order, so that the newest come first and the rest need not be looked at.
    found = await at.fetch(
        "SELECT m.id, f.rowid AS place FROM message_words f CROSS JOIN message_words_rows w ON w.place = f.rowid"
        " CROSS JOIN messages m ON m.tenant_id = w.tenant_id AND m.id = w.message_id"
        " CROSS JOIN rooms r ON r.tenant_id = m.tenant_id AND r.id = m.room_id"
        f"{join} WHERE {bounds} AND w.tenant_id = {tenant} AND {readable}{_narrowing(values, narrowed)}"
        f" ORDER BY f.rowid DESC LIMIT {values(limit, 'bigint')}",
        *values.given,
    )
    return [(row["id"], row["place"]) for row in found]


_JOINED = (
    " JOIN messages m ON m.tenant_id = w.tenant_id AND m.id = w.message_id"
    " JOIN rooms r ON r.tenant_id = m.tenant_id AND r.id = m.room_id"
)


async def _walk(
    at: Queries, what: Asked, reach: Reach, narrowed: Narrowed, top: int, bottom: int, limit: int, walked: int
) -> tuple[list[Hit], bool]:
    """Look through the newest; whether that were all there are within reach."""
    values = _Values()
    tenant, high, low = values(what.tenant, "uuid"), values(top, "bigint"), values(bottom, "bigint")
    within = f"w.tenant_id = {tenant} AND w.place <= {high} AND w.place >= {low}"
    rooms = [room for room, bound in reach.rooms.items() if bound < NOTHING]
    if reach.wide or len(rooms) > _MOST_TOKENS:
        each = walked
        source = f"SELECT * FROM message_words w WHERE {within} ORDER BY w.place DESC LIMIT {values(each, 'bigint')}"
        among = "(SELECT min(s.place) AS low, count(*) AS seen FROM seen s)"
    else:
        each = max(walked // max(len(rooms), 1), 200)
        source = (
            f"SELECT one.* FROM unnest({values(rooms, 'uuid[]')}) AS room(id) CROSS JOIN LATERAL (SELECT * FROM"
            f" message_words w WHERE {within} AND w.room_id = room.id ORDER BY w.place DESC"
            f" LIMIT {values(each, 'bigint')}) AS one"
        )
        among = "(SELECT min(s.place) AS low, count(*) AS seen FROM seen s GROUP BY s.room_id)"
    join, readable = _readable(values, reach)
    # Below the oldest that was seen of a part that goes on, other parts are not complete together with it.
    row = f"(SELECT max(a.low) FROM {among} AS a WHERE a.seen >= {values(each, 'bigint')})"
    found = await at.fetch(
        f"WITH seen AS MATERIALIZED ({source}), horizon AS MATERIALIZED (SELECT {row} AS low),"
        " fits AS MATERIALIZED (SELECT w.tenant_id, w.message_id, w.place FROM seen w, horizon h"
        f" WHERE (h.low IS NULL OR w.place >= h.low) AND w.words @@ {values(what.query, 'text')}::tsquery)"
        f" SELECT m.id, w.place, NULL::bigint AS low FROM fits w{_JOINED}{join}"
        f" WHERE {readable}{_narrowing(values, narrowed)} UNION ALL SELECT NULL, NULL, low FROM horizon",
        *values.given,
    )
    hits = sorted(((row["id"], row["place"]) for row in found if row["id"]), key=lambda hit: -hit[1])
    return hits[:limit], not any(row["low"] is not None for row in found)


async def _by_index(
    at: Queries, what: Asked, reach: Reach, narrowed: Narrowed, top: int, bottom: int, limit: int
) -> list[Hit]:
    # Nearly all that the index gives is readable, so a few more than wanted do; where not, all are looked at.
    for taken in (limit * 4, None):
        values = _Values()
        scope = _scope(values, what.tenant, reach, narrowed)
        within = (
            f"w.tenant_id = {values(what.tenant, 'uuid')} AND w.place <= {values(top, 'bigint')}"
            f" AND w.place >= {values(bottom, 'bigint')}"
        )
        query = values(what.query, "text")
        first = f" ORDER BY h.place DESC LIMIT {values(taken, 'bigint')}" if taken is not None else ""
        join, readable = _readable(values, reach)
        # Materialized, so that no plan walks through everything in the hope of finding enough soon.
        found = await at.fetch(
            "WITH hits AS MATERIALIZED (SELECT w.tenant_id, w.message_id, w.place FROM message_words w"
            f" WHERE w.words @@ {query}::tsquery{scope} AND {within}),"
            f" fits AS MATERIALIZED (SELECT h.* FROM hits h{first})"
            f" SELECT m.id, w.place, NULL::bigint AS fitting FROM fits w{_JOINED}{join}"
            f" WHERE {readable}{_narrowing(values, narrowed)}"
            " UNION ALL SELECT NULL, NULL, count(*) FROM fits",
            *values.given,
        )
        hits = sorted(((row["id"], row["place"]) for row in found if row["id"]), key=lambda hit: -hit[1])
        if taken is None or len(hits) >= limit or all((row["fitting"] or 0) < taken for row in found):
            break
    return hits[:limit]


def _scope(values: _Values, tenant: TenantId, reach: Reach, narrowed: Narrowed) -> str:
    tokens = reach.tokens(tenant)
    said = f" AND w.scope && {values(tokens, 'text[]')}" if tokens else ""
    if narrowed.sender is not None:
        said += f" AND w.scope @> ARRAY[{values(f'u{_hex(narrowed.sender)}', 'text')}]"
    return said


# What was meant


async def forgives_typos(at: Queries) -> bool:
    """Whether the database can tell what was meant."""
    return at.dialect == "sqlite" or bool(
        await at.fetchval("SELECT count(*) FROM pg_indexes WHERE indexname = 'message_words_typos'")
    )


async def meant(at: Queries, tenant: TenantId, reach: Reach, wanted: Wanted) -> dict[str, frozenset[str]]:
    """For single words, those in the index that differ by a slip or two. They are a guess, to be looked for.

    What they are found in is looked up again, within reach; on SQLite the guess itself is not bound to it.
    """
    found: dict[str, frozenset[str]] = {}
    for term in wanted.terms:
        word = term.words[0]
        plain = bare(word)
        slips = slips_forgiven(plain)
        if len(term.words) > 1 or is_unspaced(word) or not slips:
            continue
        if at.dialect == "sqlite":
            # Most slips are not at the beginning; all words with the same first letter are many.
            first, second, third = plain[0], plain[1], plain[2]
            near = await _known_by_sqlite(at, word, slips, (first + second, second + first, first + third))
            near = near or await _known_by_sqlite(at, word, slips, (first,))
        else:
            near = await _known(at, tenant, reach, word, slips)
        if near:
            found[word] = frozenset(near[:_ALIKE_AT_MOST])
    return found


def _near(known: Iterable[str], word: str, slips: int) -> list[str]:
    plain = bare(word)
    near = {one for one in known if bare(one) != plain and distance_at_most(plain, bare(one), slips)}
    return sorted(near, key=lambda one: (not distance_at_most(plain, bare(one), 1), one))


async def _known_by_sqlite(at: Queries, word: str, slips: int, starts: Iterable[str]) -> list[str]:
    known: list[str] = []
    for start in sorted(set(starts)):
        rows = await at.fetch(
            "SELECT term FROM message_words_known WHERE term >= $1 AND term < $2 AND col = 'said'"
            " AND length(term) BETWEEN $3 AND $4 LIMIT $5",
            start,
            start + "\U0010ffff",
            len(word) - slips,
            len(word) + slips,
            _KNOWN_AT_MOST,
        )
        known += [row["term"] for row in rows]
    return _near(known, word, slips)


async def _known(at: Queries, tenant: TenantId, reach: Reach, word: str, slips: int) -> list[str]:
    if not await forgives_typos(at):
        return []
    values = _Values()
    await at.fetchval("SELECT set_config('pg_trgm.word_similarity_threshold', $1, true)", str(_LIKELY))
    plain = values(bare(word), "text")
    tokens = _scope(values, tenant, reach, Narrowed())
    rows = await at.fetch(
        "WITH near AS MATERIALIZED (SELECT w.words FROM message_words w"
        f" WHERE {plain} <% deskbell_search_lexemes(w.words){tokens}"
        f" AND w.tenant_id = {values(tenant, 'uuid')} LIMIT 500)"
        " SELECT DISTINCT l.lexeme FROM near CROSS JOIN LATERAL unnest(near.words) AS l"
        f" WHERE length(l.lexeme) BETWEEN length({plain}) - {slips} AND length({plain}) + {slips}",
        *values.given,
    )
    return _near((row["lexeme"] for row in rows), word, slips)


async def forms(at: Queries, what: Asked, wanted: Wanted, said: Sequence[str]) -> dict[str, frozenset[str]]:
    """Which of the words that were ``said`` are forms of those wanted, in the language of the tenant."""
    if what.language == "simple" or not said:
        return {}
    asked_for = sorted({word for term in wanted.terms for word in term.words})
    rows = await at.fetch(
        "SELECT a.word AS wanted, s.word AS said FROM unnest($2::text[]) AS a(word), unnest($3::text[]) AS s(word)"
        " WHERE tsvector_to_array(to_tsvector(('deskbell_' || $1)::regconfig, a.word))"
        " && tsvector_to_array(to_tsvector(('deskbell_' || $1)::regconfig, s.word))",
        what.language,
        asked_for,
        list(said),
    )
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["wanted"], set()).add(bare(row["said"]))
    return {word: frozenset(others) for word, others in found.items()}
