"""What may be done with messages: post, edit, delete, react, pin, read back.

Every function checks through :mod:`deskbell.actions.access`, decides, writes through the journal, and
leaves announcing to it. A retried send is answered with what its first attempt stored, before
anything else could refuse it.
"""

from __future__ import annotations

import asyncio
import hashlib
import unicodedata
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from deskbell.actions import access, packets
from deskbell.actions.access import Need, Place
from deskbell.clock import from_us, to_us
from deskbell.contracts import Submission
from deskbell.errors import (
    Blocked,
    ClientIdReused,
    DeskbellError,
    Forbidden,
    Invalid,
    KindNotAllowed,
    LimitReached,
    MessageDeleted,
    Muted,
    NotFound,
    NotYours,
    PreconditionFailed,
    RateLimited,
    RoomClosed,
    TooLarge,
    Unauthenticated,
    Unavailable,
    WindowOver,
)
from deskbell.ids import MessageId, RoomId, UserId, is_id, new_id
from deskbell.model.policy import AuditLevel, Policy, within_window
from deskbell.model.records import Actor, Message, PublicUser, Room, Trace
from deskbell.model.text import normalise
from deskbell.plugins import Moderated
from deskbell.ports import Ports
from deskbell.store import messages, rooms, traces
from deskbell.store.database import Queries, StoreError, StoreIntegrity
from deskbell.store.posting import NewMessage, Outcome, Posted
from deskbell.wire.commands import Draft, check_depth

PLATFORM_METADATA = frozenset({"turn", "sources", "choices", "event", "anchor_seq", "stopped", "forwarded"})
MAX_METADATA_BYTES = 8192
CHANGED_MEANWHILE = "This was changed in the meantime. Look again, then decide."


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
    from deskbell.actions import drafts  # a draft is checked as a message, a message may have been a draft

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
    from deskbell.actions import support  # reopening posts, posting reopens

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
    reply_to, thread = await _references(ports, actor, place, draft)
    mentions = await checked_mentions(ports, place.room, draft.mentions)
    trace = Trace(arrival.door)
    if ports.plugins.filters:
        verdict = await ports.plugins.moderate(
            Submission(room_id, place.room.channel_type, actor, draft.kind, content, normalise(content))
        )
        if verdict.verdict == "block":
            raise _blocked(verdict)
        trace = Trace(arrival.door, verdict.decisions, verdict.original)
        if verdict.verdict == "hold":
            # What was stored before goes before what would be held now.
            stored = await stored_before(ports, actor, room_id, client_id, digest)
            if isinstance(stored, Held):
                return stored
            if stored is not None:
                raise _blocked(verdict)
            kept = replace(
                draft, content=verdict.text, metadata=metadata, mentions=mentions, reply_to=reply_to or thread
            )
            return await _hold(ports, actor, place, kept, client_id, digest, verdict, trace)
        content = verdict.text
    command = _command(actor, room_id, draft, client_id, digest, content, metadata)
    command.reply_to, command.thread, command.mentions = reply_to, thread, mentions
    command.trace = trace if traces.worth_keeping(trace) else None
    return command


def _blocked(verdict: Moderated) -> Blocked:
    """The refusal of a text, naming its rule, so that whoever wrote it knows what to change."""
    return Blocked(rule=verdict.reason or verdict.filter, filter=verdict.filter)


def _permitted(ports: Ports, actor: Actor, draft: Draft, client_id: str, place: Place) -> tuple[str, dict[str, Any]]:
    """Text and metadata of a message that its sender may post here, as far as their place says.

    Raises:
        DeskbellError: Why not.
    """
    _spend(ports, actor, "message", place.policy)
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


def _spend(ports: Ports, actor: Actor, what: str, policy: Policy | None = None) -> None:
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


# Characters that show nothing: a text of them alone is empty to whoever reads it.
_INVISIBLE = "".join(
    character
    for character in map(chr, range(0x10000))
    if character.isspace() or unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Zs")
)


def checked_text(ports: Ports, text: str, *, what: str, max_bytes: int | None = None, empty: bool = True) -> str:
    """A text that may be stored and shown.

    Raises:
        TooLarge: More than the limit, in bytes of UTF-8.
        Invalid: Empty where it may not be, or with a NUL character, which no store keeps.
    """
    limit = max_bytes if max_bytes is not None else ports.settings.limits.text_bytes
    if len(text) > limit or len(text.encode("utf-8", "surrogatepass")) > limit:
        rule = "limits.text_bytes" if max_bytes is None else f"{what}.max_bytes"
        raise TooLarge(f"The {what} may have {limit} bytes.", max_bytes=limit, rule=rule)
    if "\x00" in text:
        raise Invalid(f"The {what} holds a NUL character. Leave it out.")
    if not empty and not text.strip(_INVISIBLE):
        raise Invalid(f"The {what} is empty.")
    return text


def checked_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """What a client may say beside the text.

    Raises:
        Invalid: A key of the platform's, which a client cannot set.
        TooLarge: More than 8 KiB.
    """
    if not metadata:
        return metadata
    forged = PLATFORM_METADATA & metadata.keys()
    if forged:
        raise Invalid(f"metadata.{min(forged)} is the platform's. Leave it out.", keys=sorted(forged))
    check_depth(metadata)
    if len(msgspec.json.encode(metadata)) > MAX_METADATA_BYTES:
        raise TooLarge("metadata may have 8 KiB.", max_bytes=MAX_METADATA_BYTES)
    return metadata


async def _references(
    ports: Ports, actor: Actor, place: Place, draft: Draft
) -> tuple[MessageId | None, MessageId | None]:
    """What is answered, and the root of the thread; both must be visible to the sender in this room."""
    reply_to = thread = None
    for name, message_id in (("reply_to", draft.reply_to), ("thread", draft.thread)):
        if message_id is None:
            continue
        found = await access.find_message(ports.db, actor, message_id)
        if found is None or found.room != place.room.id or found.seq <= place.visible_from:
            raise NotFound(f"There is no such message to refer to in this room ({name}).", field=name)
        if found.deleted and name == "thread":
            raise MessageDeleted()
        if name == "reply_to":
            reply_to = found.id
            # An answer to a message of a thread belongs to the thread.
            thread = thread or found.thread
        else:
            thread = found.thread or found.id
    return reply_to, thread


async def checked_mentions(ports: Ports, room: Room, wanted: list[UserId]) -> list[UserId]:
    """Whom a message in a room may mention, each once.

    Raises:
        TooLarge, Invalid: They are too many; somebody is not there.
    """
    if not wanted:
        return []
    limit = ports.settings.limits.mentions_per_message
    if len(wanted) > limit:
        raise TooLarge(f"A message may mention {limit} people.", max=limit, rule="limits.mentions_per_message")
    present = await access.members_among(ports, room, wanted)
    absent = [user for user in wanted if user not in present]
    if absent:
        raise Invalid("Only people in this room can be mentioned.", absent=absent[:10])
    return list(dict.fromkeys(wanted))


async def _hold(
    ports: Ports,
    actor: Actor,
    place: Place,
    draft: Draft,
    client_id: str,
    digest: bytes,
    verdict: Moderated,
    trace: Trace,
) -> Held:
    held = MessageId(new_id())
    try:
        await ports.db.execute(
            "INSERT INTO held_messages (tenant_id, id, room_id, sender_id, client_id, request_hash, request, original,"
            " reason, filter, created_at, decisions, door) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)",
            actor.tenant,
            held,
            place.room.id,
            actor.id,
            client_id,
            digest,
            msgspec.json.encode(draft).decode(),
            draft.content if trace.original is None else trace.original,
            verdict.reason,
            verdict.filter,
            await ports.journal.now_us(),
            msgspec.json.encode(trace.decisions).decode(),
            trace.door,
        )
    except StoreIntegrity:
        # The same send twice at once: the other one was held.
        stored = await messages.held_by_client_id(ports.db, actor.tenant, place.room.id, actor.id, client_id)
        if stored is None or stored[1] != digest:
            raise ClientIdReused() from None
        return Held(stored[0])
    return Held(held)


# changing what was said


async def edit(
    ports: Ports,
    actor: Actor,
    message_id: MessageId,
    content: str,
    *,
    expect_changed_seq: int | None = None,
    door: str = traces.SOCKET,
) -> Message:
    """Give a message a new text; the old one is kept as a revision.

    ``expect_changed_seq``: only if the message is still the one with this ``changed_seq``.

    Raises:
        PreconditionFailed: It is not.
        NotFound, Forbidden: See :mod:`deskbell.actions.access`; only authors and admins of the room edit.
        WindowOver: The author's window has closed.
        MessageDeleted, RoomClosed, Blocked: It cannot be changed any more; the new text is not allowed.
    """
    found, place = await access.message_for(ports, actor, message_id)
    content = checked_text(ports, content, what="content", empty=False)
    _spend(ports, actor, "message", place.policy)
    trace = Trace(door)
    if ports.plugins.filters:
        verdict = await ports.plugins.moderate(
            Submission(found.room, place.room.channel_type, actor, found.kind, content, normalise(content))
        )
        if verdict.verdict != "allow":
            raise _blocked(verdict)
        trace = Trace(door, verdict.decisions, verdict.original)
        content = verdict.text
    async with ports.journal.change(actor.tenant, found.room) as change:
        place = await access.room_in(ports, change, actor, found.room, Need.TAKE_PART)
        message = await change.message(message_id)
        if message is None:
            raise NotFound()
        always = place.policy.is_admin(place.role)
        _may_change(place, actor, message, change.now_us, "edit_window_s", always, expect_changed_seq)
        if message.content == content:
            return message
        number = await change.tx.fetchval(
            "SELECT count(*) FROM revisions WHERE tenant_id = $1 AND message_id = $2", actor.tenant, message_id
        )
        await change.tx.execute(
            "INSERT INTO revisions (tenant_id, message_id, number, content, edited_by, edited_at)"
            " VALUES ($1,$2,$3,$4,$5,$6)",
            actor.tenant,
            message_id,
            number + 1,
            message.content,
            actor.id,
            change.now_us,
        )
        if traces.worth_keeping(trace):
            await traces.add(change.tx, actor.tenant, message_id, "edited", trace, actor.id, change.now_us)
        level: AuditLevel = "full" if message.sender.id == actor.id else "moderation"
        change.audit(place.policy, actor.id, "message_edited", message.room, message_id, level=level)
        changed = replace(message, content=content, edited_at=change.now)
        return await change.put_message(changed, what="edited")


def _may_change(
    place: Place,
    actor: Actor,
    message: Message,
    now_us: int,
    window: Literal["edit_window_s", "delete_window_s"],
    always: bool,
    expect_changed_seq: int | None,
) -> None:
    if message.seq <= place.visible_from:
        raise NotFound()
    if message.deleted:
        raise MessageDeleted()
    if expect_changed_seq is not None and expect_changed_seq != message.changed_seq:
        raise PreconditionFailed(CHANGED_MEANWHILE, changed_seq=message.changed_seq)
    if message.kind == "system":
        raise Forbidden("What the platform said cannot be changed.")
    if always:
        return
    if message.sender.id != actor.id:
        raise Forbidden("Only its author can change this message.")
    if place.room.closed_at is not None:
        raise RoomClosed()
    if place.member is not None and place.member.muted_until is not None and place.member.muted_until > now_us:
        raise Muted(rule="mute")
    window_s: int | None = getattr(place.policy, window)
    if not within_window(to_us(message.created_at), now_us, window_s):
        raise WindowOver(window_s=window_s, rule=f"policy.{window}")


async def delete(
    ports: Ports, actor: Actor, message_id: MessageId, *, expect_changed_seq: int | None = None
) -> Message:
    """Take a message back: what remains is that there was one. Deleting again changes nothing.

    Its text, its earlier texts and its reactions are gone from the store with the commit.

    Raises:
        NotFound, Forbidden, WindowOver, PreconditionFailed: See :func:`edit`; moderators delete at any time.
    """
    found, _ = await access.message_for(ports, actor, message_id)
    async with ports.journal.change(actor.tenant, found.room) as change:
        place = await access.room_in(ports, change, actor, found.room)
        message = await change.message(message_id)
        if message is None:
            raise NotFound()
        if message.deleted:
            return message
        moderator = place.policy.is_moderator(place.role) or (actor.is_staff and bool(place.room.owner_kind))
        _may_change(place, actor, message, change.now_us, "delete_window_s", moderator, expect_changed_seq)
        await traces.forget(change.tx, actor.tenant, message_id)
        await change.tx.execute(
            "DELETE FROM revisions WHERE tenant_id = $1 AND message_id = $2", actor.tenant, message_id
        )
        await change.tx.execute(
            "DELETE FROM reactions WHERE tenant_id = $1 AND message_id = $2", actor.tenant, message_id
        )
        if place.room.owner_kind:
            await packets.forget_in(change, message)
        level: AuditLevel = "full" if message.sender.id == actor.id else "moderation"
        change.audit(place.policy, actor.id, "message_deleted", message.room, message_id, level=level)
        gone = replace(message, deleted=True, pinned=False)
        return await change.put_message(gone, what="deleted", deleted_by=actor.id)


_NO_EMOJI = ("Cc", "Zs", "Zl", "Zp", "Cs", "Co")


def checked_emoji(emoji: str) -> str:
    """One emoji, or a short name like ``:party:``; nothing that could pass for text or hide itself.

    Raises:
        Invalid: It is neither.
    """
    if emoji.startswith(":") and emoji.endswith(":") and emoji[1:-1].replace("_", "").replace("-", "").isalnum():
        return emoji
    hidden = any(unicodedata.category(character) in _NO_EMOJI for character in emoji)
    if not emoji or len(emoji) > 16 or hidden or emoji.isascii() or all(c.isalnum() for c in emoji):
        raise Invalid("A reaction is one emoji.")
    return emoji


async def react(ports: Ports, actor: Actor, message_id: MessageId, emoji: str, *, on: bool) -> Message:
    """Put a reaction under a message, or take it back. Doing it again changes nothing.

    Raises:
        NotFound, Forbidden, MessageDeleted, RoomClosed: It cannot be reacted to.
        LimitReached: Twenty different emoji stand there already.
    """
    checked_emoji(emoji)
    found, _ = await access.message_for(ports, actor, message_id)
    _spend(ports, actor, "reaction")
    async with ports.journal.change(actor.tenant, found.room) as change:
        place = await access.room_in(ports, change, actor, found.room, Need.TAKE_PART)
        message = await change.message(message_id)
        if message is None or message.seq <= place.visible_from:
            raise NotFound()
        if message.deleted:
            raise MessageDeleted()
        if place.room.closed_at is not None:
            raise RoomClosed()
        if not on:
            taken = await change.tx.execute(
                "DELETE FROM reactions WHERE tenant_id = $1 AND message_id = $2 AND emoji = $3 AND user_id = $4",
                actor.tenant,
                message_id,
                emoji,
                actor.id,
            )
            return await change.put_message(message, what="unreacted") if taken else message
        limit = ports.settings.limits.emoji_per_message
        if len(message.reactions) >= limit and all(reaction.emoji != emoji for reaction in message.reactions):
            rule = "limits.emoji_per_message"
            raise LimitReached(f"A message may carry {limit} different emoji.", max=limit, rule=rule)
        given = await change.tx.execute(
            "INSERT INTO reactions (tenant_id, message_id, emoji, user_id, created_at) VALUES ($1,$2,$3,$4,$5)"
            " ON CONFLICT DO NOTHING",
            actor.tenant,
            message_id,
            emoji,
            actor.id,
            change.now_us,
        )
        return await change.put_message(message, what="reacted") if given else message


async def pin(ports: Ports, actor: Actor, message_id: MessageId, *, on: bool) -> Message:
    """Pin a message for everybody, or take the pin away. Moderators and staff do.

    Raises:
        NotFound, Forbidden, MessageDeleted: It cannot be pinned by this user.
    """
    found, _ = await access.message_for(ports, actor, message_id)
    async with ports.journal.change(actor.tenant, found.room) as change:
        place = await access.room_in(ports, change, actor, found.room)
        message = await change.message(message_id)
        if message is None or message.seq <= place.visible_from:
            raise NotFound()
        if not (place.policy.is_moderator(place.role) or (actor.is_staff and bool(place.room.owner_kind))):
            raise Forbidden("Only moderators pin messages here.")
        if message.deleted:
            raise MessageDeleted()
        if message.pinned == on:
            return message
        change.audit(place.policy, actor.id, "pinned" if on else "unpinned", message.room, message_id)
        return await change.put_message(replace(message, pinned=on), what="pinned" if on else "unpinned")


# reading back


@dataclass(frozen=True)
class Excerpt:
    """Part of a room's history, oldest first, with whether there is more on either side.

    ``around``: the ``seq`` of the message that was asked for, where one was.
    """

    messages: list[Message]
    as_of_seq: int
    more_before: bool
    more_after: bool
    around: int | None = None


async def history(
    ports: Ports,
    actor: Actor,
    room_id: RoomId,
    *,
    before: int | None = None,
    after: int | None = None,
    around: int | MessageId | None = None,
    at: datetime | None = None,
    offset: int = 0,
    limit: int = 50,
) -> Excerpt:
    """Messages before, after or around a place; the newest, where none is named. At most 100.

    Args:
        before, after: A ``seq``.
        around: A ``seq``, or a message of this room.
        at: A moment: around the first message written then or later; the newest, where none was.
        offset: That many of the newest are left out.

    Raises:
        Invalid: More than one of them.
        NotFound: See :func:`deskbell.actions.access.room_for`; or no such message in this room.
    """
    if sum(bound is not None for bound in (before, after, around, at, offset or None)) > 1:
        raise Invalid("Give one of before, after, around, at and offset.")
    place = await access.room_for(ports, actor, room_id)
    await access.note_read(ports, actor, place, "read_history")
    limit = max(1, min(limit, 100))
    tenant, bound = actor.tenant, place.visible_from
    async with ports.db.snapshot() as snapshot:
        tip = await snapshot.fetchval("SELECT seq FROM rooms WHERE tenant_id = $1 AND id = $2", tenant, room_id)
        centre = await _centre(snapshot, actor, place, around, at)
        if centre is not None:
            half = limit // 2
            older = await messages.before(snapshot, tenant, room_id, centre, half + 1, bound)
            newer = await messages.after(snapshot, tenant, room_id, centre - 1, limit - half + 1, bound)
            more_before, more_after = len(older) > half, len(newer) > limit - half
            found = older[-half:] if half else []
            found = [*found, *newer[: limit - half]]
        elif after is not None:
            found = await messages.after(snapshot, tenant, room_id, after, limit + 1, bound)
            more_after, found = len(found) > limit, found[:limit]
            first = found[0].seq if found else after + 1
            more_before = bool(await messages.before(snapshot, tenant, room_id, first, 1, bound))
        else:
            found = await messages.before(snapshot, tenant, room_id, before, limit + 1, bound, offset)
            more_before, found = len(found) > limit, found[-limit:]
            last = found[-1].seq if found else (before or 0)
            narrowed = before is not None or offset > 0
            more_after = narrowed and bool(await messages.after(snapshot, tenant, room_id, last, 1, bound))
    return Excerpt(found, int(tip or 0), more_before, more_after, centre)


async def _centre(
    db: Queries, actor: Actor, place: Place, around: int | MessageId | None, at: datetime | None
) -> int | None:
    """The ``seq`` around which history is wanted."""
    if at is not None:
        found = await messages.first_since(db, actor.tenant, place.room.id, to_us(at))
        return None if found is None else max(found, place.visible_from + 1)
    if isinstance(around, str):
        message = await access.find_message(db, actor, around)
        if message is None or message.room != place.room.id or message.seq <= place.visible_from:
            raise NotFound()
        return message.seq
    return around


async def thread(
    ports: Ports, actor: Actor, message_id: MessageId, *, after: int = 0, limit: int = 50
) -> tuple[Message, list[Message], bool]:
    """A thread's root, its answers after a ``seq``, and whether there are more."""
    root, place = await access.message_for(ports, actor, message_id)
    await access.note_read(ports, actor, place, "read_thread", root.id)
    found = await messages.in_thread(ports.db, actor.tenant, root.id, after, limit + 1, place.visible_from)
    return root, found[:limit], len(found) > limit


async def pinned(
    ports: Ports, actor: Actor, room_id: RoomId, *, limit: int = 100, before: int | None = None
) -> list[Message]:
    """The pinned messages of a room, newest first; ``before`` (a ``seq``) continues a list."""
    place = await access.room_for(ports, actor, room_id)
    await access.note_read(ports, actor, place, "read_pins")
    return await messages.pinned(ports.db, actor.tenant, room_id, limit, place.visible_from, before)


@dataclass(frozen=True)
class Revision:
    number: int
    content: str
    edited_by: UserId
    edited_at: datetime


async def revisions(
    ports: Ports, actor: Actor, message_id: MessageId, *, limit: int = 1000, after: int = 0
) -> list[Revision]:
    """The texts a message had before. Its author, moderators and staff see them; ``after`` continues a list.

    Raises:
        NotFound, Forbidden: Not theirs to see.
    """
    message, place = await access.message_for(ports, actor, message_id)
    if message.sender.id != actor.id and not place.policy.is_moderator(place.role) and not actor.is_staff:
        raise Forbidden()
    await access.note_read(ports, actor, place, "read_revisions", message_id)
    found = await messages.revisions(ports.db, actor.tenant, message_id, limit, after)
    return [
        Revision(item["number"], item["content"], item["edited_by"], from_us(item["edited_at_us"])) for item in found
    ]


async def get(ports: Ports, actor: Actor, message_id: MessageId) -> Message:
    """A message in its present state.

    Raises:
        NotFound: There is none, or it is not theirs to see.
    """
    message, place = await access.message_for(ports, actor, message_id)
    await access.note_read(ports, actor, place, "read_message", message_id)
    return message


@dataclass(frozen=True)
class Reacted:
    """One person's one reaction. ``at``: when they gave it."""

    emoji: str
    user: PublicUser
    at: datetime


async def reactors(
    ports: Ports, actor: Actor, message_id: MessageId, *, limit: int = 50, after: tuple[int, UserId, str] | None = None
) -> list[Reacted]:
    """Everybody who reacted to a message, oldest first; a message itself names the first twenty only.

    Raises:
        NotFound: There is no such message, or it is not theirs to see.
    """
    message, _ = await access.message_for(ports, actor, message_id)
    if message.deleted:
        return []
    found = await messages.reactors(ports.db, actor.tenant, message_id, limit, after)
    return [Reacted(emoji, user, from_us(at_us)) for emoji, user, at_us in found]
