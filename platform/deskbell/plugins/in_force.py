"""What the active plugins offer, put together: the chain of filters, the observers, the policies in force.

:meth:`InForce._settle` does it anew whenever a plugin comes or goes. The views that are given out stay the same
objects, so whoever took one keeps seeing what is in force.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import msgspec
import structlog

from deskbell.contracts import (
    Bot,
    ChannelType,
    Dialect,
    EscalationRule,
    HandOver,
    Job,
    MessageKind,
    ModerationFilter,
    Queue,
    Route,
    Situation,
    Submission,
)
from deskbell.errors import DeskbellError, Invalid, Unavailable
from deskbell.ids import TenantId
from deskbell.model.policy import Policy, overridden
from deskbell.model.records import Actor, Channel
from deskbell.plugins import asking
from deskbell.plugins.activation import HOOK_ARGUMENTS, OBSERVERS, Implementations, readable, unknown_key
from deskbell.plugins.asking import Closed, Moderated, Observer
from deskbell.plugins.bot_turn import BotTurn
from deskbell.plugins.breaker import Breaker
from deskbell.plugins.context import Context, queue_name
from deskbell.plugins.door import Door, where
from deskbell.plugins.offers import in_thread, incoherent
from deskbell.plugins.record import Plugin
from deskbell.plugins.refusals import BadOverride, NoChannelTypes

log = structlog.get_logger(__name__)

RULE_S = 1.0
OBSERVER_S = 5.0
_RECORD_OF = {"on_note": "message"}  # a note is stored as a message; where it was written tells them apart

Offer = TypeVar("Offer", Route, Job, Queue, Dialect)


@dataclass(frozen=True)
class Asked(Generic[Offer]):
    """Something of a plugin's, and the door it is asked through."""

    plugin: Plugin
    offer: Offer
    door: Door


def _under(offer: ChannelType, policy: Policy) -> ChannelType:
    """A channel type that decides by the policy in force: by default it looks there who may open such rooms."""
    if offer.policy == policy:
        return offer
    changed = copy.copy(offer)
    object.__setattr__(changed, "policy", policy)
    return changed


class InForce:
    """See the module; :class:`~deskbell.plugins.host.PluginHost` decides which plugins are active.

    Attributes:
        channels: The kinds of rooms as they are in force, the operator's overrides laid over.
        channel_types: The objects that offered them, for the decisions a policy cannot state.
        bots: By name.
        message_kinds: By name.
        filters, rules: In the order in which they are asked.
        routes, jobs, queues: With the door each is asked through; queues by their name in the outbox.
        dialects: With a door that is given what to call first, and then its arguments.
        observed: What any plugin wants to hear of: of ``message``, ``participant``, ``case``.
        generation: Rises whenever any of these changes.
    """

    def __init__(
        self,
        plugins: Sequence[Plugin],
        overrides: Mapping[str, Mapping[str, Any]],
        moderation_timeout_s: float,
        now: Callable[[], float],
    ) -> None:
        self._plugins = list(plugins)
        self._overrides = overrides
        self._moderation_timeout_s = moderation_timeout_s
        self._now = now
        self._implementations: dict[str, Implementations] = {}
        self._contexts: dict[str, Context] = {}
        self._slugs: dict[TenantId, str] = {}
        self._channel_types: dict[str, ChannelType] = {}
        self._channels: dict[str, Channel] = {}
        self._bots: dict[str, Bot] = {}
        self._kinds: dict[str, MessageKind] = {}
        self._observed: set[str] = set()
        self.channel_types: Mapping[str, ChannelType] = MappingProxyType(self._channel_types)
        self.channels: Mapping[str, Channel] = MappingProxyType(self._channels)
        self.bots: Mapping[str, Bot] = MappingProxyType(self._bots)
        self.message_kinds: Mapping[str, MessageKind] = MappingProxyType(self._kinds)
        self.observed: Collection[str] = self._observed
        self.filters: Sequence[ModerationFilter] = ()
        self.rules: Sequence[EscalationRule] = ()
        self.routes: Sequence[Asked[Route]] = ()
        self.jobs: Sequence[Asked[Job]] = ()
        self.queues: Mapping[str, Asked[Queue]] = {}
        self.dialects: Sequence[Asked[Dialect]] = ()
        self.generation = 0
        self._chain: tuple[Door, ...] = ()
        self._rules: tuple[Door, ...] = ()
        self._observers: dict[str, tuple[Observer, ...]] = {}
        self._owners: dict[tuple[str, str], Plugin] = {}

    def _active(self) -> list[Plugin]:
        return [plugin for plugin in self._plugins if plugin.state == "active"]

    # Putting together.

    def _door(self, plugin: Plugin, what: str, name: str, call: Any, timeout_s: float, offer: Any, **more: Any) -> Door:
        breaker = plugin.breakers.get(what) or Breaker(self._now)
        threads = plugin.threads if in_thread(offer) else None
        return Door(plugin, what, name, call, timeout_s, breaker=breaker, threads=threads, **more)

    def _settle(self) -> None:
        """Put together what the active plugins offer.

        Raises:
            NoChannelTypes, BadOverride: It would not be enough; then nothing has changed.
        """
        active = sorted(self._active(), key=lambda plugin: (plugin.order, plugin.name))

        def offered(kind: str) -> list[tuple[Plugin, Any]]:
            return [(plugin, offer) for plugin in self._active() for offer in plugin.offers.get(kind, ())]

        def in_order(pairs: Iterable[tuple[Plugin, Any]]) -> list[tuple[Plugin, Any]]:
            return sorted(pairs, key=lambda pair: (pair[1].order, pair[1].name))

        types = {offer.name: offer for _, offer in offered("channel_types")}
        kinds = {offer.name: offer for _, offer in offered("message_kinds")}
        refused = [plugin for plugin in self._plugins if plugin.refusal is not None]
        if not types:
            raise NoChannelTypes([plugin.refusal for plugin in refused if plugin.refusal])
        switched_off = any(plugin.why_disabled == SWITCHED_OFF for plugin in self._plugins)
        channels = self._in_force(types, kinds, lenient=bool(refused) or switched_off)
        _replace(self._channel_types, {name: _under(offer, channels[name].policy) for name, offer in types.items()})
        _replace(self._channels, channels)
        _replace(self._kinds, kinds)
        bots = sorted(offered("bots"), key=lambda pair: str(pair[1].name))
        _replace(self._bots, {bot.name: bot for _, bot in bots})
        self._owners = {
            (kind, offer.name): plugin for kind in ("channel_types", "bots") for plugin, offer in offered(kind)
        }

        guards = [plugin for plugin in refused if hasattr(plugin.module, "register_moderation_filters")]
        for plugin in guards:
            log.error("moderation_closed", plugin=plugin.name, effect="every message is held for review")
        filters = in_order([*offered("moderation_filters"), *((plugin, Closed(plugin.name)) for plugin in guards)])
        rules = in_order(offered("escalation_rules"))
        self.filters = tuple(offer for _, offer in filters)
        self.rules = tuple(offer for _, offer in rules)
        self._chain = tuple(
            self._door(plugin, f"filter {offer.name}", offer.name, offer.check, self._moderation_timeout_s, offer)
            for plugin, offer in filters
        )
        self._rules = tuple(
            self._door(plugin, f"rule {offer.name}", offer.name, offer.decide, RULE_S, offer) for plugin, offer in rules
        )
        self._observers = {hook: tuple(self._observers_of(hook, active)) for hook in OBSERVERS}
        self._observed.clear()
        told = [hook for hook, observers in self._observers.items() if observers]
        self._observed.update(_RECORD_OF.get(hook, hook.removeprefix("on_")) for hook in told)
        self.routes = tuple(self._asked("routes", "route", answers=(DeskbellError,)))
        self.jobs = tuple(self._asked("jobs", "job"))
        self.queues = {
            queue_name(asked.plugin.name, asked.offer.name): asked for asked in self._asked("queues", "queue")
        }
        self.dialects = tuple(
            Asked(
                plugin,
                offer,
                self._door(
                    plugin,
                    f"dialect {offer.name}",
                    offer.name,
                    _call,
                    offer.deadline_s,
                    offer,
                    answers=(DeskbellError,),
                ),
            )
            for plugin, offer in offered("dialects")
        )
        self.generation += 1

    def _asked(self, kind: str, what: str, **more: Any) -> Iterable[Asked[Any]]:
        for plugin in self._active():
            for offer in plugin.offers.get(kind, ()):
                named = f"{what} {offer.name}"
                door = self._door(plugin, named, offer.name, offer.handler, offer.deadline_s, offer, **more)
                yield Asked(plugin, offer, door)

    def _observers_of(self, hook: str, active: Iterable[Plugin]) -> list[Observer]:
        """In the order of the plugins; ``tryfirst`` and ``trylast`` mean what they mean in pluggy."""
        found = [
            (plugin, implementation)
            for plugin in active
            if (implementation := self._implementations[plugin.name].get(hook)) is not None
        ]
        found.sort(key=lambda pair: bool(pair[1].trylast) - bool(pair[1].tryfirst))
        return [
            Observer(
                self._door(plugin, hook, plugin.name, implementation.function, OBSERVER_S, plugin.module),
                tuple(implementation.argnames),
                self._contexts[plugin.name],
            )
            for plugin, implementation in found
        ]

    def _in_force(
        self, types: Mapping[str, ChannelType], kinds: Mapping[str, MessageKind], *, lenient: bool
    ) -> dict[str, Channel]:
        """The policies with the kinds that plugins add and the operator's changes.

        ``lenient``: some changes may be for types whose plugin is not running.
        """
        for name in self._overrides:
            if name in types:
                continue
            if not lenient:
                raise BadOverride(f"channels.{name}", f"no such channel type: {unknown_key(name, sorted(types))}")
            log.warning("channel_override_unused", channel=name)
        channels = {}
        for name, offer in types.items():
            policy, path = offer.policy, f"channels.{name}"
            added = {
                kind.name: kind.who
                for kind in kinds.values()
                if kind.name not in policy.kinds and (not kind.channel_types or name in kind.channel_types)
            }
            if added:
                policy = msgspec.structs.replace(policy, kinds={**policy.kinds, **added})
            if changes := self._overrides.get(name):
                for key in changes:
                    if key not in policy.__struct_fields__:
                        raise BadOverride(f"{path}.{key}", unknown_key(key, policy.__struct_fields__))
                try:
                    policy = overridden(policy, dict(changes))
                except msgspec.ValidationError as error:
                    key, _, problem = readable(error, path).partition(": ")
                    raise BadOverride(key, problem) from None
                if problem := incoherent(policy):
                    raise BadOverride(path, problem)
            channels[name] = Channel(name, offer.title, policy)
        return channels

    # Running.

    async def moderate(self, submission: Submission) -> Moderated:
        """See :func:`deskbell.plugins.asking.moderate`."""
        return await asking.moderate(self._chain, submission)

    async def decide(self, situation: Situation) -> HandOver | None:
        """See :func:`deskbell.plugins.asking.decide`."""
        return await asking.decide(self._rules, situation)

    async def observe(self, hook: str, /, *, only: Container[str] | None = None, **arguments: Any) -> None:
        """Tell observers what has happened, one after another; one that fails keeps none from hearing it.

        Args:
            hook: ``message``, ``participant`` or ``case``; ``on_message`` means the same.
            only: The plugins to tell; None: all.
            arguments: What the hook takes, by name, but for ``settings`` and ``context``.
        Raises:
            ObserverFailed: Some failed or were late; tell them again.
        """
        hook = hook if hook.startswith("on_") else f"on_{hook}"
        wanted = [name for name in HOOK_ARGUMENTS[hook] if name not in ("settings", "context")]
        if set(wanted) != set(arguments):
            raise TypeError(f"{hook} takes {', '.join(wanted)}, not {', '.join(arguments)}")
        observers = self._observers[hook]
        settings = {
            observer.door.name: self.settings_for(observer.door.plugin, arguments["tenant"]) for observer in observers
        }
        await asking.tell(hook, observers, arguments, settings, only)

    def settings_for(self, plugin: Plugin, tenant: TenantId | None) -> Any:
        """A plugin's settings with what the operator changed for a tenant."""
        slug = "" if tenant is None else self._slugs.get(tenant, "")
        return plugin.checked_of.get(slug, plugin.checked)

    def turn(self, bot: str) -> BotTurn:
        """Begin a turn of a bot; whoever runs it says how it ended.

        Raises:
            Resting: It was late too often, and is not asked now.
        """
        plugin = self._owners["bots", bot]
        breaker = plugin.breakers.setdefault(f"turn {bot}", Breaker(self._now))
        return BotTurn(plugin, f"turn {bot}", breaker)

    def greeting(self, bot: str) -> str:
        """A bot's first line; none where it fails at that."""
        said = self._said("bots", bot, "greeting", self._bots[bot].greeting, "")
        return said if isinstance(said, str) else ""

    def may_create(self, channel_type: str, actor: Actor) -> bool:
        """Whether they may open such a room; nobody may where the channel type cannot tell."""
        kind = self._channel_types[channel_type]
        return self._said("channel_types", channel_type, "may_create", lambda: kind.may_create(actor), False) is True

    def may_enter(self, channel_type: str, actor: Actor, role: str) -> bool:
        """Whether they may be in such a room at all; nobody may where the channel type cannot tell."""
        kind = self._channel_types[channel_type]
        return (
            self._said("channel_types", channel_type, "may_enter", lambda: kind.may_enter(actor, role), False) is True
        )

    def key_for(self, channel_type: str, actor: Actor, members: list[str], key: str | None) -> str | None:
        """The key of a room to be opened.

        Raises:
            Unavailable: The channel type cannot tell.
        """
        kind = self._channel_types[channel_type]
        made = self._said("channel_types", channel_type, "key_for", lambda: kind.key_for(actor, members, key), _UNSAID)
        if made is not None and not isinstance(made, str):
            raise Unavailable("This kind of room cannot be opened at the moment.")
        return made

    def _said(self, kind: str, name: str, what: str, call: Callable[[], Any], otherwise: Any) -> Any:
        """What a plugin's plain function answers; ``otherwise`` where it raises anything but a refusal."""
        try:
            return call()
        except DeskbellError:
            raise
        except (Exception, SystemExit) as error:
            self._owners[kind, name].failed(f"{what} {name}", where(error))
            return otherwise

    def checked_metadata(self, kind: str, metadata: Mapping[str, Any]) -> None:
        """Refuse metadata that does not fit the kind's Struct.

        Raises:
            Invalid: Says where.
        """
        offered = self._kinds.get(kind)
        if offered is None:
            return
        try:
            msgspec.convert(dict(metadata), offered.metadata)
        except msgspec.ValidationError as error:
            raise Invalid(f"metadata does not fit the kind {kind}: {error}", kind=kind) from None
        except Exception as error:  # a __post_init__ that raises something else
            raise Invalid(f"metadata does not fit the kind {kind}.", kind=kind) from error


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


_UNSAID = object()
SWITCHED_OFF = "switched off by an admin while Deskbell ran"


def _replace(kept: dict[str, Any], new: Mapping[str, Any]) -> None:
    """Change a dictionary that others look at."""
    for name in [name for name in kept if name not in new]:
        del kept[name]
    kept.update(new)
