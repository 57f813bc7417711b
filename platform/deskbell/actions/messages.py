"""A message on its way in: looked at, held or refused, put in line for the journal.

Every function checks through :mod:`deskbell.actions.access`, decides, writes through the journal, and
leaves announcing to it. A retried send is answered with what its first attempt stored, before
anything else could refuse it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from deskbell.actions import access, drafts, moderation, support
from deskbell.actions.access import Place
from deskbell.actions.content import checked_mentions, checked_metadata, checked_text, references
from deskbell.clock import from_us
from deskbell.contracts import Submission
from deskbell.errors import (
    Blocked,
    ClientIdReused,
    DeskbellError,
    Invalid,
    KindNotAllowed,
    Muted,
    NotYours,
    RateLimited,
    RoomClosed,
    Unauthenticated,
    Unavailable,
)
from deskbell.ids import MessageId, RoomId, is_id, new_id
from deskbell.model.policy import Policy
from deskbell.model.records import Actor, Trace
from deskbell.model.text import normalise
from deskbell.plugins import Moderated
from deskbell.ports import Ports
from deskbell.store import messages, rooms, traces
from deskbell.store.database import StoreError
from deskbell.store.posting import NewMessage, Outcome, Posted
from deskbell.wire.commands import Draft


@dataclass(frozen=True)
class Held:
    """The message waits for a person's approval; nobody sees it until then."""

    id: MessageId


Answer = Posted | Held | DeskbellError


@dataclass(frozen=True)
class Arrival:
    """How a message comes in.

    ``door``: by which way, a short word for its trace. ``digest``: what tells this request from another
    under the same ``client_id``, where the draft alone does not. ``forwarded``: what the platform says
    of the origin of a forwarded text.
    """

    door: str = traces.SOCKET
    digest: bytes | None = None
    forwarded: dict[str, Any] | None = None


BY_SOCKET = Arrival()
BY_REST = Arrival("rest")
BY_PLUGIN = Arrival("plugin")


def request_hash(draft: Draft) -> bytes:
    """Sixteen bytes that tell one request from another under the same ``client_id``."""
    parts = (draft.kind, draft.content, draft.metadata, draft.reply_to, draft.thread, draft.mentions, draft.attachments)
    return hashlib.blake2b(msgspec.json.encode(parts, order="deterministic"), digest_size=16).digest()


async def post(
    ports: Ports, actor: Actor, room_id: RoomId, draft: Draft, arrival: Arrival = BY_SOCKET
) -> Posted | Held:
    """Post a message and wait until it is stored.

    Raises:
        DeskbellError: Why it was not, see :func:`submit`.
    """
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[Answer] = loop.create_future()

    def answer(result: Answer) -> None:
        if not answered.done():
            answered.set_result(result)

    await submit(ports, actor, room_id, draft, answer, arrival=arrival)
    result = await answered
    if isinstance(result, DeskbellError):
        raise result
    return result


async def submit(
    ports: Ports,
    actor: Actor,
    room_id: RoomId,
    draft: Draft,
    done: Callable[[Answer], None],
    place: Place | None = None,
    arrival: Arrival = BY_SOCKET,
    *,
    connection: str = "",
) -> None:
    """Check a message and hand it to the journal; ``done`` hears exactly once what became of it.

    Returns as soon as the message is in line, so that the messages of one sender keep their order.
    ``place`` is the sender's place, where the caller knows it already; the journal looks again
    under the lock. ``connection``: the socket it came by, which need not be told that its draft is over.
    """
    if draft.draft:
        done = _ending_draft(ports, actor, done, connection)
    digest = arrival.digest or request_hash(draft)
    client_id = draft.client_id or new_id()
    try:
        command = await _checked(ports, actor, room_id, draft, client_id, digest, place, arrival)
    except Unauthenticated as refusal:
        done(refusal)
        return
    except DeskbellError as refusal:
        done(await stored_before(ports, actor, room_id, client_id, digest) or refusal)
        return
    except StoreError:
        done(Unavailable())
        return
    if isinstance(command, Held):
        done(command)
        return
    _put_in_line(ports, actor, command, done)


def submit_now(
    ports: Ports,
    actor: Actor,
    room_id: RoomId,
    draft: Draft,
    done: Callable[[Answer], None],
    place: Place,
    *,
    connection: str = "",
) -> bool:
    """The same at once, for a message that can be judged by what is at hand: nearly every one.

    False, and nothing has happened: it refers to other messages or people, a filter wants to see it, or
    it goes backstage; then :func:`submit` is the way.
    """
    if (
        draft.reply_to is not None
        or draft.thread is not None
        or draft.mentions
        or ports.plugins.filters
        or place.room.backstage_of is not None
    ):
        return False
    if draft.draft:
        done = _ending_draft(ports, actor, done, connection)
    digest = request_hash(draft)
    client_id = draft.client_id or new_id()
    try:
        content, metadata = _permitted(ports, actor, draft, client_id, place)
    except DeskbellError as refusal:
        answer = _answer_refused(ports, actor, room_id, client_id, digest, refusal, done)
        _answer_later(ports, answer, done)
        return True
    _put_in_line(ports, actor, _command(actor, room_id, draft, client_id, digest, content, metadata), done)
    return True


def _ending_draft(
    ports: Ports, actor: Actor, done: Callable[[Answer], None], connection: str
) -> Callable[[Answer], None]:
    """``done`` of a message that was a draft: where it was taken, the draft ends before that is said."""

    async def end_and_answer(answer: Posted | Held) -> None:
        try:
            await drafts.sent(ports, actor, answer.id if isinstance(answer, Held) else answer.message.id, connection)
        finally:
            done(answer)

    def answered(answer: Answer) -> None:
        if isinstance(answer, DeskbellError) or ports.tasks.start(end_and_answer(answer), "end a draft") is None:
            done(answer)

    return answered


def _put_in_line(ports: Ports, actor: Actor, command: NewMessage, done: Callable[[Answer], None]) -> None:
    def written(outcome: Outcome) -> None:
        if isinstance(outcome, RoomClosed) and _may_reopen(command, actor):
            _answer_later(ports, _reopen_and_post(ports, actor, command, done), done)
        elif isinstance(outcome, DeskbellError) and not outcome.temporary:
            # It may have been held the first time; then that is the answer, not today's refusal.
            refused = _answer_refused(
                ports, actor, command.room, command.client_id, command.request_hash, outcome, done
            )
            _answer_later(ports, refused, done)
        else:
            done(outcome)

    command.done = written
    ports.journal.post(command)


def _answer_later(ports: Ports, answering: Coroutine[Any, Any, None], done: Callable[[Answer], None]) -> None:
    """Let ``answering`` call ``done``; where no new work is taken any more, the sender is told to come back."""
    if ports.tasks.start(answering, "answer a send") is None:
        done(Unavailable())


def _may_reopen(command: NewMessage, actor: Actor) -> bool:
    """Whether it is worth trying to reopen a closed room; whose it is, is looked at then."""
    return actor.kind in ("visitor", "member") and not command.platform


async def _answer_refused(
    ports: Ports,
    actor: Actor,
    room_id: RoomId,
    client_id: str,
    digest: bytes,
    refusal: DeskbellError,
    done: Callable[[Answer], None],
) -> None:
    done(await stored_before(ports, actor, room_id, client_id, digest) or refusal)


async def _reopen_and_post(ports: Ports, actor: Actor, command: NewMessage, done: Callable[[Answer], None]) -> None:
    try:
        await support.reopen_by_customer(ports, actor, command.room)
    except DeskbellError as refusal:
        done(refusal)
        return
    except StoreError:
        done(Unavailable())
        return
    command.done = done
    ports.journal.post(command)


async def stored_before(
    ports: Ports, actor: Actor, room_id: RoomId, client_id: str, digest: bytes
) -> Posted | Held | ClientIdReused | None:
    """What an earlier attempt of the same send has become; None: there was none, or the store is away."""
    if not is_id(room_id):
        return None
    try:
        stored = await messages.by_client_id(ports.db, actor.tenant, room_id, actor.id, client_id)
        if stored is not None:
            return Posted(stored[0], duplicate=True) if stored[1] == digest else ClientIdReused()
        held = await messages.held_by_client_id(ports.db, actor.tenant, room_id, actor.id, client_id)
    except StoreError:
        return None
    if held is not None:
        return Held(held[0]) if held[1] == digest else ClientIdReused()
    return None


async def _checked(
    ports: Ports,
    actor: Actor,
    room_id: RoomId,
    draft: Draft,
    client_id: str,
    digest: bytes,
    place: Place | None,
    arrival: Arrival,
) -> NewMessage | Held:
    if place is None:
        place = await access.room_for(ports, actor, room_id)
    content, metadata = _permitted(ports, actor, draft, client_id, place)
    if arrival.forwarded is not None:
        metadata = {**metadata, "forwarded": arrival.forwarded}
    if place.room.backstage_of is not None:
        # A note, whichever way it came: it remembers where the conversation stood.
        front = await rooms.get(ports.db, actor.tenant, place.room.backstage_of)
        metadata = {**metadata, "anchor_seq": front.seq if front is not None else 0}
    reply_to, thread = await references(ports, actor, place, draft)
    mentions = await checked_mentions(ports, place.room, draft.mentions)
    trace = Trace(arrival.door)
    if ports.plugins.filters:
        verdict = await ports.plugins.moderate(
            Submission(room_id, place.room.channel_type, actor, draft.kind, content, normalise(content))
        )
        if verdict.verdict == "block":
            raise blocked(verdict)
        trace = Trace(arrival.door, verdict.decisions, verdict.original)
        if verdict.verdict == "hold":
            # What was stored before goes before what would be held now.
            stored = await stored_before(ports, actor, room_id, client_id, digest)
            if isinstance(stored, Held):
                return stored
            if stored is not None:
                raise blocked(verdict)
            kept = replace(
                draft, content=verdict.text, metadata=metadata, mentions=mentions, reply_to=reply_to or thread
            )
            return Held(await moderation.hold(ports, actor, place, kept, client_id, digest, verdict, trace))
        content = verdict.text
    command = _command(actor, room_id, draft, client_id, digest, content, metadata)
    command.reply_to, command.thread, command.mentions = reply_to, thread, mentions
    command.trace = trace if traces.worth_keeping(trace) else None
    return command


def _permitted(ports: Ports, actor: Actor, draft: Draft, client_id: str, place: Place) -> tuple[str, dict[str, Any]]:
    """Text and metadata of a message that its sender may post here, as far as their place says.

    Raises:
        DeskbellError: Why not.
    """
    spend(ports, actor, "message", place.policy)
    content = checked_text(ports, draft.content, what="content", empty=draft.kind != "text")
    checked_text(ports, client_id, what="client_id", max_bytes=512, empty=False)
    if draft.kind == "system":
        raise KindNotAllowed("Only the platform posts system messages.", kind=draft.kind)
    if draft.kind not in place.policy.kinds:
        raise KindNotAllowed(kind=draft.kind, allowed=sorted(place.policy.kinds), rule="policy.kinds")
    if place.member is None:
        raise NotYours()
    if not place.policy.may_post(draft.kind, place.role):
        raise KindNotAllowed(kind=draft.kind, rule="policy.kinds")
    if place.member.muted_until is not None and place.member.muted_until > ports.clock.now_us():
        raise Muted(until=from_us(place.member.muted_until).isoformat(), rule="mute")
    if draft.attachments:
        raise Invalid("Attachments are not offered by this installation.")
    metadata = checked_metadata(draft.metadata)
    if draft.kind in ports.plugins.message_kinds:
        ports.plugins.checked_metadata(draft.kind, metadata)
    return content, metadata


def _command(
    actor: Actor,
    room_id: RoomId,
    draft: Draft,
    client_id: str,
    digest: bytes,
    content: str,
    metadata: dict[str, Any],
) -> NewMessage:
    return NewMessage(
        tenant=actor.tenant,
        room=room_id,
        sender=actor.public(),
        client_id=client_id,
        request_hash=digest,
        content=content,
        done=_nobody_listens,
        kind=draft.kind,
        role=actor.role,
        metadata=metadata,
        expect=draft.expect,
    )


def _nobody_listens(outcome: Outcome) -> None:
    raise AssertionError("the command was posted before anybody could hear its outcome")


def spend(ports: Ports, actor: Actor, what: str, policy: Policy | None = None) -> None:
    limits = ports.settings.limits
    if actor.kind == "bot":
        return
    per_min, burst, rule = limits.messages_per_min, limits.message_burst, "limits.messages_per_min"
    if actor.is_staff:
        per_min, burst, rule = limits.agent_messages_per_min, limits.agent_burst, "limits.agent_messages_per_min"
    elif policy is not None and policy.rate_per_min is not None:
        per_min, burst, rule = policy.rate_per_min, policy.rate_burst or burst, "policy.rate_per_min"
    try:
        ports.limits.spend(what, actor.id, per_min=per_min, burst=burst)
    except RateLimited as refusal:
        refusal.details["rule"] = rule
        raise


def blocked(verdict: Moderated) -> Blocked:
    """The refusal of a text, naming its rule, so that whoever wrote it knows what to change."""
    return Blocked(rule=verdict.reason or verdict.filter, filter=verdict.filter)
