"""The hooks a plugin may implement: the whole contract between the platform and its plugins.

``register_*`` hooks are called once each, synchronously, while the platform starts; they return
typed objects and do no I/O. ``on_*`` hooks observe what has happened, after it was committed; they
may be ``async``. A plugin is a module (or object) that implements any of them, announced by an entry
point of the group ``deskbell.plugins`` and switched on in ``config.yaml`` under ``plugins:``.

A plugin with settings has an attribute ``Settings``, a :class:`msgspec.Struct`; ``settings`` below
is an instance of it, checked, or ``None`` for plugins without. The ``on_*`` hooks are given those of the
tenant in which it happened. ``context`` is what the plugin reaches the desk by, and the settings of a tenant.

Of several plugins those with a lower ``order`` (an attribute of the module, 100 where there is none) come
first, then by name. A plugin may say with the attribute ``requires_api`` for which versions of all this it
was made: ``">=1,<2"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pluggy

from deskbell.contracts import (
    Bot,
    ChannelType,
    Dialect,
    EscalationRule,
    Job,
    MessageKind,
    ModerationFilter,
    PluginContext,
    Queue,
    Route,
)
from deskbell.ids import RoomId, TenantId
from deskbell.model.records import Case, Message, Participant

GROUP = "deskbell.plugins"
hookspec = pluggy.HookspecMarker("deskbell")
hookimpl = pluggy.HookimplMarker("deskbell")


@hookspec
def register_channel_types(settings: Any, context: PluginContext) -> Sequence[ChannelType]:  # type: ignore[empty-body]
    """Offer kinds of rooms.

    Called once, synchronously, while the platform starts; do no I/O here. The names must be
    unique over all plugins: a second type of the same name refuses the plugin that came later.
    The operator's overrides from ``channels:`` in ``config.yaml`` are laid over each policy.
    Since 0.1. Example: ``plugins/deskbell_plugins/channels.py``.

    Args:
        settings: The plugin's checked settings.
        context: What it reaches the desk by, later.
    Returns: The types, possibly none.
    """


@hookspec
def register_moderation_filters(settings: Any, context: PluginContext) -> Sequence[ModerationFilter]:  # type: ignore[empty-body]
    """Offer filters that see each message before it is stored.

    Called once, synchronously, while the platform starts; do no I/O here.

    The filters of all plugins form one chain, sorted by ``order`` (low first), then by name. Each
    receives the text as the one before it left it:

    - ``Allow()``: no opinion. The next filter decides.
    - ``Rewrite(text)``: continue with this text; the original is kept for reviewers.
    - ``Hold(reason)``: show it to nobody until a person approves; the chain goes on.
    - ``Block(reason)``: refuse the message; later filters are not asked.

    A filter that raises, or takes longer than ``moderation.timeout_s`` seconds, counts as ``Hold``:
    a broken filter must neither lose a message nor wave it through.
    Since 0.1. Example: ``plugins/deskbell_plugins/moderation_words.py``.

    Args:
        settings: The plugin's checked settings.
        context: What it reaches the desk by, later.
    Returns: The filters, possibly none. Their names must be unique.
    """


@hookspec
def register_bots(settings: Any, context: PluginContext) -> Sequence[Bot]:  # type: ignore[empty-body]
    """Offer bots.

    Called once, synchronously, while the platform starts; ``Bot.load`` is the place for I/O. A
    support room is owned by the bot that its site names, else by the first in order of name.
    A bot that raises or is late ends in a person, never in silence.
    Since 0.1. Example: ``bots/deskbell_bots/faq.py``.

    Args:
        settings: The plugin's checked settings.
        context: What it reaches the desk by, later.
    Returns: The bots, possibly none. Their names must be unique.
    """


@hookspec
def register_dialects(settings: Any, context: PluginContext) -> Sequence[Dialect]:  # type: ignore[empty-body]
    """Offer other wire protocols on the same rooms.

    Called once, synchronously, while the platform starts; do no I/O here. Names and addresses must be unique over
    all plugins. An address that v1 has as well is the dialect's only for requests that its ``claims`` claims.
    What raises or is late is answered as a refusal, in the dialect's own words; v1 is not touched by it.
    Since 0.1. Example: ``plugins/deskbell_plugins/team_chat.py``.

    Args:
        settings: The plugin's checked settings.
        context: What the plugin reaches the desk by.
    Returns: The dialects, possibly none. Their names must be unique.
    """


@hookspec
def register_escalation_rules(settings: Any, context: PluginContext) -> Sequence[EscalationRule]:  # type: ignore[empty-body]
    """Offer rules that decide when a conversation goes to a person, and how.

    Called once, synchronously, while the platform starts; do no I/O here. Rules are asked in
    ``order`` (low first), then by name, before each bot turn and whenever somebody asks for a
    person; the first ``HandOver`` wins. A rule that raises or is late is passed over.
    Since 0.1. Example: ``plugins/deskbell_plugins/escalation.py``.

    Args:
        settings: The plugin's checked settings.
        context: What it reaches the desk by, later.
    Returns: The rules, possibly none. Their names must be unique.
    """


@hookspec
def register_message_kinds(settings: Any, context: PluginContext) -> Sequence[MessageKind]:  # type: ignore[empty-body]
    """Offer kinds of messages, each with the shape of its ``metadata``.

    Called once, synchronously, while the platform starts or the plugin is switched on; do no I/O here.
    The names must be unique over all plugins, and none of the platform's own. A message of such a kind whose
    ``metadata`` does not fit is refused with ``invalid``; without the plugin the kind is refused with
    ``kind_not_allowed``, and what was posted stays.
    Since 0.1. Example: ``docs/examples/plugins.d/lifts.py``.

    Args:
        settings: The plugin's checked settings.
        context: What it reaches the desk by, later.
    Returns: The kinds, possibly none.
    """


@hookspec
def register_routes(settings: Any, context: PluginContext) -> Sequence[Route]:  # type: ignore[empty-body]
    """Offer HTTP addresses under ``/api/v1/plugins/<plugin>/``.

    Called once, synchronously, while the platform starts or the plugin is switched on; do no I/O here.
    Who may ask, the body and the query are checked before the handler is called; its answer is checked too.
    The addresses stand in the API's description, and answer 404 as soon as the plugin is switched off.
    A handler that raises, is late or answers something else is answered with 503; one that is late again
    and again is not asked for a while.
    Since 0.1. Example: ``docs/examples/plugins.d/lifts.py``.

    Args:
        settings: The plugin's checked settings.
        context: What it reaches the desk by, later.
    Returns: The routes, possibly none. Their names must be unique within the plugin.
    """


@hookspec
def register_jobs(settings: Any, context: PluginContext) -> Sequence[Job]:  # type: ignore[empty-body]
    """Offer work that falls due by the clock.

    Called once, synchronously, while the platform starts or the plugin is switched on; do no I/O here.
    A job is run once per slot of time, by one instance of all. One that raises or is late is run again in
    its next slot.
    Since 0.1. Example: ``docs/examples/plugins.d/lifts.py``.

    Args:
        settings: The plugin's checked settings.
        context: What it reaches the desk by, later.
    Returns: The jobs, possibly none. Their names must be unique within the plugin.
    """


@hookspec
def register_queues(settings: Any, context: PluginContext) -> Sequence[Queue]:  # type: ignore[empty-body]
    """Offer queues for work that must be done in the world outside, and is kept until it is.

    Called once, synchronously, while the platform starts or the plugin is switched on; do no I/O here.
    ``context.enqueue`` leaves work; the handler does it at least once and answers ``Done``, ``Retry`` or
    ``Dead``. Raising and being late are a ``Retry``. What is dead is kept for an admin to look at and replay.
    While the plugin is switched off its work waits.
    Since 0.1. Example: ``docs/examples/plugins.d/lifts.py``.

    Args:
        settings: The plugin's checked settings.
        context: What it reaches the desk by, later.
    Returns: The queues, possibly none. Their names must be unique within the plugin.
    """


@hookspec
def on_message(
    tenant: TenantId, room: RoomId, what: str, message: Message, settings: Any, context: PluginContext
) -> Any:
    """A message was created, edited, deleted, reacted to, pinned or unpinned.

    Called after the commit, at least once, from the outbox: never from the bus, so nothing is
    missed. ``what`` is one of ``created edited deleted reacted unreacted pinned unpinned``;
    ``message`` is in its present state. Private notes are not told here, but by :func:`on_note`. May be
    ``async``. A plugin that raises or is late (5 s) is told again with back-off; after three attempts the row
    is kept as dead. One that is late again and again is left alone for a while; what it missed then costs no
    attempt.
    Since 0.1.
    """


@hookspec
def on_note(tenant: TenantId, room: RoomId, what: str, note: Message, settings: Any, context: PluginContext) -> Any:
    """A private note was written, edited, deleted, reacted to, pinned or unpinned.

    Agents alone may read notes: what a plugin does with one must reach nobody else. ``room`` is the
    conversation it belongs to, ``note.metadata.anchor_seq`` where in it. :func:`on_message` is never told of
    notes. Called, and called again, like it.
    Since 0.1.
    """


@hookspec
def on_participant(
    tenant: TenantId, room: RoomId, what: str, participant: Participant, settings: Any, context: PluginContext
) -> Any:
    """Somebody joined, left, was banned, muted or given a role.

    Called after the commit, at least once, from the outbox. ``what`` is one of ``joined left
    banned changed``. May be ``async``; failures as in :func:`on_message`.
    Since 0.1.
    """


@hookspec
def on_case(tenant: TenantId, room: RoomId, what: str, case: Case, settings: Any, context: PluginContext) -> Any:
    """A case was opened, claimed, transferred, returned, resolved, reopened, snoozed, escalated further or rated.

    Called after the commit, at least once, from the outbox. ``what`` names the change, also
    ``answered`` and ``customer_wrote`` where a message changed what is owed, ``left_queue`` and
    ``ended`` where the visitor did that, and ``merged``;
    ``case.version`` tells two apart. May be ``async``; failures as in :func:`on_message`.
    Since 0.1.
    """
