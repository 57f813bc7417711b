"""Plugins: found, checked, asked, and kept from hurting one another.

:class:`PluginHost` promises that

- a plugin is either whole or absent: one that does not import, implements a hook that does not exist,
  has wrong settings or offers something unusable is *refused*, with a reason and what to do, and the rest
  goes on;
- nothing a plugin does at run time reaches its caller: raising, being late and answering nonsense have
  the outcome that the plugin's contract declares;
- what is late again and again is left out for a while, so a plugin that hangs delays a few messages and not all.

A plugin that guards (offers moderation filters) and was refused is replaced by a filter that holds
everything: a typing error in its settings must not open the gate it was put up to keep.

What it cannot do: stop a plugin that blocks the event loop, or contain one that means harm. Plugins are
trusted code. pluggy registers, validates and orders; it does not await, so asking is done here.
"""

from __future__ import annotations

import asyncio
import difflib
import inspect
import re
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from types import CoroutineType, MappingProxyType, coroutine
from typing import Any, Literal, Protocol

import msgspec
import pluggy
import structlog

from deskbell import hookspecs
from deskbell.contracts import (
    Allow,
    Block,
    Bot,
    BotContext,
    ChannelType,
    EscalationRule,
    HandOver,
    Hold,
    ModerationFilter,
    Rewrite,
    Situation,
    Submission,
)
from deskbell.model.policy import Policy, overridden
from deskbell.model.records import Channel
from deskbell.model.text import normalise

log = structlog.get_logger(__name__)

BUNDLED = "deskbell"  # the distribution whose plugins are on unless they are switched off
BOT_LOAD_S = 60.0
RULE_S = 1.0
OBSERVER_S = 5.0
# What was late so often in a row is not asked for so long; then once, to see.
LATE_TO_REST, REST_S = 5, 30.0

OBSERVERS = ("on_message", "on_participant", "on_case")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


# What goes wrong.


class PluginError(Exception):
    """The base of all; as such, and unless it is a :class:`PluginRefused`, it stops the start."""


class UnknownPlugin(PluginError):
    """The configuration enables a plugin that is not installed."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name = name
        self.known = tuple(known)
        close = difflib.get_close_matches(name, known, n=1)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(
            f"plugins.{name}: no plugin of this name is installed.{meant} "
            f"Installed are: {', '.join(known) or 'none, not even those of Deskbell; install it with pip'}."
        )


class NoChannelTypes(PluginError):
    """No plugin offers a kind of room, so there is nothing to serve."""

    def __init__(self, refused: Sequence[PluginRefused]) -> None:
        why = " ".join(str(refusal) for refusal in refused) or "Enable the plugin 'channels'."
        super().__init__(f"No plugin offers a channel type, so no room could be opened. {why}")


class BadOverride(PluginError):
    """``channels:`` in the configuration changes a policy in a way that cannot be."""

    def __init__(self, key: str, problem: str) -> None:
        self.key = key
        super().__init__(f"{key}: {problem}")


class PluginRefused(PluginError):
    """One plugin cannot be used. ``reason`` says why, ``remedy`` what to do."""

    def __init__(self, plugin: str, reason: str, remedy: str) -> None:
        self.plugin = plugin
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"Plugin {plugin!r} was refused: {reason}. {remedy}")


class NotImportable(PluginRefused):
    """Its module raised while it was imported, or is not there."""


class WrongHook(PluginRefused):
    """It implements a hook that does not exist, or with other arguments."""


class WrongSettings(PluginRefused):
    """Its settings in the configuration are not what it declares."""


class WrongOffer(PluginRefused):
    """What a ``register_*`` hook returned cannot be used, or it raised."""


class NameTaken(PluginRefused):
    """It, or something it offers, has a name that came before it."""


class BotNotLoaded(PluginRefused):
    """``Bot.load`` raised or was not done in time."""


class ObserverFailed(Exception):
    """Some observers did not take an event; it should be told again. ``failures``: plugin -> what happened."""

    def __init__(self, hook: str, failures: Mapping[str, str]) -> None:
        self.hook = hook
        self.failures = dict(failures)
        super().__init__(f"{hook}: " + ", ".join(f"{plugin} {what}" for plugin, what in failures.items()))


class _Fault(Exception):
    """A plugin raised, was late or answered nonsense. Its words hold nothing of what a user wrote."""


class _Late(_Fault):
    """It has not answered in time."""


# What it is given and gives.


class Switch(Protocol):
    """What the configuration says of one plugin."""

    @property
    def enabled(self) -> bool: ...

    @property
    def settings(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Moderated:
    """What the filters made of a text.

    ``text`` is the text to store, also when it is held; ``original`` is what was written, if that
    differs. ``reason`` and ``filter`` say who held or blocked it: the first that held, or the one
    that blocked.
    """

    text: str
    verdict: Literal["allow", "hold", "block"] = "allow"
    reason: str = ""
    filter: str = ""
    original: str | None = None


@dataclass(slots=True)
class _Times:
    count: int = 0
    total_s: float = 0.0
    max_s: float = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.total_s += seconds
        if seconds > self.max_s:
            self.max_s = seconds

    def describe(self) -> dict[str, float]:
        return {
            "count": self.count,
            "total_ms": round(self.total_s * 1000, 3),
            "max_ms": round(self.max_s * 1000, 3),
        }


@dataclass
class _Plugin:
    """One plugin that was found, and all there is to know about it."""

    name: str
    version: str
    source: metadata.EntryPoint | object
    bundled: bool = False
    state: Literal["active", "disabled", "refused"] = "disabled"
    refusal: PluginRefused | None = None
    module: object = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    offers: dict[str, list[Any]] = field(default_factory=dict)
    hooks: list[str] = field(default_factory=list)
    faults: int = 0
    last_fault: str = ""
    times: dict[str, _Times] = field(default_factory=dict)

    def timed(self, what: str) -> _Times:
        return self.times.setdefault(what, _Times())

    def failed(self, what: str, how: str) -> None:
        self.faults += 1
        self.last_fault = f"{what} {how}"
        log.warning("plugin_failed", plugin=self.name, what=what, how=how)

    def describe(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "state": self.state,
            "reason": f"{self.refusal.reason}. {self.refusal.remedy}" if self.refusal else "",
            "offers": {kind: len(offered) for kind, offered in self.offers.items() if offered},
            "hooks": list(self.hooks),
            "faults": self.faults,
            "last_fault": self.last_fault,
            "times": {what: times.describe() for what, times in self.times.items()},
        }


# Asking.


@coroutine
def _rest_of(started: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    """What is left of a coroutine that has been started by hand and waits for something."""
    while True:
        thrown: BaseException | None = None
        sent = None
        try:
            sent = yield waits_for
        except BaseException as error:  # a cancellation, above all: the coroutine's to deal with
            thrown = error
        try:
            waits_for = started.send(sent) if thrown is None else started.throw(thrown)
        except StopIteration as done:
            return done.value


async def _within(timeout_s: float, answer: Any) -> Any:
    """The answer, awaited if need be. A coroutine that answers without waiting costs no timer."""
    if isinstance(answer, CoroutineType):
        try:
            waits_for = answer.send(None)
        except StopIteration as done:
            return done.value
        answer = _rest_of(answer, waits_for)
    elif not isinstance(answer, Awaitable):
        return answer
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            return await answer
    except TimeoutError:
        if limit.expired():
            raise _Late(f"was late: no answer within {timeout_s:g} s") from None
        raise


def _where(error: BaseException) -> str:
    """An exception without its words, which may quote what a user wrote."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f" in {frames[-1].name}, {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"raised {type(error).__name__}{at}"


class _Asked:
    """Something of a plugin's that is asked while the desk runs, and how it has behaved.

    Only lateness makes it rest: raising delays nobody, and strangers may know a text that makes it raise.
    """

    __slots__ = ("_call", "_late", "_now", "_resting_until", "_timeout_s", "_times", "_what", "name", "plugin")

    def __init__(
        self,
        plugin: _Plugin,
        what: str,
        name: str,
        call: Callable[..., Any],
        timeout_s: float,
        now: Callable[[], float] | None = None,
    ) -> None:
        """``now``: a clock for what may be left out for a while; None for what must always be asked."""
        self.plugin = plugin
        self.name = name
        self._what = what
        self._call = call
        self._timeout_s = timeout_s
        self._now = now
        self._times = plugin.timed(what)
        self._late = 0
        self._resting_until = 0.0

    async def ask(self, *arguments: Any) -> Any:
        """The answer, or :class:`_Fault`."""
        if self._late >= LATE_TO_REST and self._now is not None and self._now() < self._resting_until:
            raise _Fault(f"is not asked: it was late {self._late} times in a row")
        begun = time.perf_counter()
        try:
            answer = await _within(self._timeout_s, self._call(*arguments))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise  # it is us who are cancelled; else the plugin awaited something that was
            raise self.fault(_where(error)) from None
        except _Late as late:
            self._late += 1
            if self._now is not None:
                self._resting_until = self._now() + REST_S
            raise self.fault(str(late)) from None
        except Exception as error:
            self._late = 0
            raise self.fault(_where(error)) from None
        finally:
            self._times.add(time.perf_counter() - begun)
        self._late = 0
        return answer

    def fault(self, how: str) -> _Fault:
        """Note a failure, also one that only its caller can see: a nonsensical answer."""
        self.plugin.failed(self._what, how)
        return _Fault(how)


class _Closed:
    """Stands where the filters of a refused plugin would: holds everything."""

    order = -(10**9)

    def __init__(self, plugin: str) -> None:
        self.name = f"{plugin} (refused)"
        self._reason = f"the moderation plugin {plugin} is not running"

    async def check(self, submission: Submission) -> Hold:
        return Hold(self._reason)


# Checking.


@dataclass(frozen=True)
class _Kind:
    """What a ``register_*`` hook must return: objects of this type, whose methods take so many arguments."""

    type: type[Any]
    methods: Mapping[str, int] = field(default_factory=dict)
    ordered: bool = False


_KINDS: dict[str, _Kind] = {
    "channel_types": _Kind(ChannelType, {"may_create": 1, "may_enter": 2, "key_for": 3, "describe": 0}),
    "moderation_filters": _Kind(ModerationFilter, {"check": 1}, ordered=True),
    "escalation_rules": _Kind(EscalationRule, {"decide": 1}, ordered=True),
    "bots": _Kind(Bot, {"load": 1, "handle": 1, "greeting": 0}),
}


def _unusable(kind: _Kind, offer: Any) -> str:
    """Why ``offer`` cannot be used; empty when it can."""
    if isinstance(offer, type):
        return f"it is the class {offer.__name__}, not an instance of it"
    wanted = kind.type.__name__
    if not isinstance(offer, kind.type):  # of a protocol: has all its parts
        parts = [*kind.methods, "name", *(["order"] if kind.ordered else ["title"])]
        missing = [part for part in parts if not hasattr(offer, part)]
        lacks = f": it has no {', '.join(missing)}" if missing and kind.type is not ChannelType else ""
        return f"{offer!r} is not a {wanted}{lacks}"
    if not isinstance(offer.name, str) or not _NAME.fullmatch(offer.name):
        return f"its name is {offer.name!r}; a name is lower case letters, digits, '_', '-' and '.', at most 64"
    if kind.ordered and type(offer.order) is not int:
        return f"its order is {offer.order!r}, not a whole number"
    for method, count in kind.methods.items():
        if not _takes(getattr(offer, method), count):
            return f"its {method} does not take {count} argument{'' if count == 1 else 's'}"
    if isinstance(offer, ChannelType):
        return _incoherent(offer.policy)
    return ""


def _takes(function: Any, count: int) -> bool:
    try:
        inspect.signature(function).bind(*[None] * count)
    except (TypeError, ValueError):
        return False
    return True


def _incoherent(policy: Any) -> str:
    """What contradicts itself in a policy whose types are right; empty when nothing does."""
    if not isinstance(policy, Policy):
        return f"its policy is {policy!r}, not a Policy"
    for key in ("default_role", "creator_role"):
        if (role := getattr(policy, key)) not in policy.roles:
            return f"{key} is {role!r}, which is not among its roles ({', '.join(policy.roles)})"
    for key in policy.__struct_fields__:
        value = getattr(policy, key)
        least = 1 if key in ("rate_per_min", "rate_burst", "max_connections", "max_members") else 0
        if isinstance(value, int) and not isinstance(value, bool) and value < least:
            return f"{key} is {value}; it must be {least} or more"
    return ""


def _readable(error: msgspec.ValidationError, path: str) -> str:
    """msgspec's sentence with the path of the setting in front."""
    said, _, at = str(error).partition(" - at `$")
    return f"{path}{at.rstrip('`')}: {said[:1].lower()}{said[1:]}"


def _unknown_key(key: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(key, known, n=1)
    return f"unknown; did you mean {close[0]}?" if close else f"unknown; known are {', '.join(known) or 'none'}"


def _found(extra: Mapping[str, object]) -> list[_Plugin]:
    """All installed plugins: Deskbell's own, then others by name, then those given as objects."""
    found = []
    for entry in metadata.entry_points(group=hookspecs.GROUP):
        distribution = entry.dist
        name = distribution.name if distribution is not None else ""
        version = distribution.version if distribution is not None else ""
        found.append((name != BUNDLED, entry.name, name, version, entry))
    found.sort(key=lambda item: item[:4])
    plugins = [_Plugin(name, version, entry, not foreign) for foreign, name, _, version, entry in found]
    return plugins + [_Plugin(name, "", plugin, True) for name, plugin in extra.items()]


def _checker() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("deskbell")
    manager.add_hookspecs(hookspecs)
    return manager


class PluginHost:
    """The plugins of one process. Made by :meth:`load`, ready after :meth:`start`.

    Attributes:
        channels: The kinds of rooms as they are in force, the operator's overrides laid over.
        channel_types: The objects that offered them, for the decisions a policy cannot state.
        bots: By name.
        filters, rules: In the order in which they are asked.
        observed: What any plugin wants to hear of: of ``message``, ``participant``, ``case``.
    """

    def __init__(
        self,
        plugins: Sequence[_Plugin],
        overrides: Mapping[str, Mapping[str, Any]],
        moderation_timeout_s: float,
        now: Callable[[], float],
    ) -> None:
        self._plugins = list(plugins)
        self._overrides = overrides
        self._moderation_timeout_s = moderation_timeout_s
        self._now = now
        self._manager = _checker()
        self._channel_types: dict[str, ChannelType] = {}
        self._channels: dict[str, Channel] = {}
        self._bots: dict[str, Bot] = {}
        # Views: who took one keeps seeing what is in force, also after a bot's plugin was refused late.
        self.channel_types: Mapping[str, ChannelType] = MappingProxyType(self._channel_types)
        self.channels: Mapping[str, Channel] = MappingProxyType(self._channels)
        self.bots: Mapping[str, Bot] = MappingProxyType(self._bots)
        self.filters: Sequence[ModerationFilter] = ()
        self.rules: Sequence[EscalationRule] = ()
        self.observed: frozenset[str] = frozenset()
        self._chain: tuple[_Asked, ...] = ()
        self._rules: tuple[_Asked, ...] = ()
        self._observers: dict[str, tuple[tuple[_Asked, tuple[str, ...]], ...]] = {}

    # Starting.

    @classmethod
    def load(
        cls,
        enabled: Mapping[str, Switch],
        channel_overrides: Mapping[str, Mapping[str, Any]],
        *,
        moderation_timeout_s: float,
        extra: Mapping[str, object] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> PluginHost:
        """Find the installed plugins and activate the enabled ones. No I/O but importing.

        Args:
            enabled: What the configuration says, by entry point name. Deskbell's own plugins
                and those of ``extra`` are on, and all others off, unless it says otherwise.
            channel_overrides: Channel type -> keys of its policy that the operator changes.
            moderation_timeout_s: How long one filter may take, in seconds.
            extra: Plugins given as objects, by name; for tests and for embedding.
            now: Seconds on a clock that does not go back; how long failing things rest.
        Raises:
            UnknownPlugin: Something is enabled that is not installed.
            NoChannelTypes: No kind of room is left to serve.
            BadOverride: ``channel_overrides`` names no such channel type or key, or gives a wrong value.
        """
        plugins = _found(extra or {})
        known = sorted({plugin.name for plugin in plugins})
        for name, switch in enabled.items():
            if switch.enabled and name not in known:
                raise UnknownPlugin(name, known)
        host = cls(plugins, channel_overrides, moderation_timeout_s, now)
        for plugin in plugins:
            switch_ = enabled.get(plugin.name)
            if not (plugin.bundled if switch_ is None else switch_.enabled):
                continue
            try:
                host._activate(plugin, {} if switch_ is None else switch_.settings)
            except PluginRefused as refusal:
                host._refuse(plugin, refusal)
        host._settle()
        return host

    async def start(self, timeout_s: float = BOT_LOAD_S) -> None:
        """Load the bots, all at once. A bot that fails, or takes longer than ``timeout_s``, takes its plugin with it.

        Raises:
            NoChannelTypes, BadOverride: As :meth:`load`, when what is left is not enough.
        """
        loading = [(plugin, bot) for plugin in self._active() for bot in plugin.offers.get("bots", ())]
        refusals = await asyncio.gather(*(self._loaded(plugin, bot, timeout_s) for plugin, bot in loading))
        for (plugin, _), refusal in zip(loading, refusals, strict=True):
            if refusal is not None and plugin.state == "active":
                self._manager.unregister(name=plugin.name)
                self._refuse(plugin, refusal)
        if any(refusals):
            self._settle()

    async def _loaded(self, plugin: _Plugin, bot: Bot, timeout_s: float) -> PluginRefused | None:
        asked = _Asked(plugin, f"load {bot.name}", bot.name, bot.load, timeout_s)
        try:
            await asked.ask(BotContext(plugin.settings))
        except _Fault as fault:
            return BotNotLoaded(
                plugin.name, f"its bot {bot.name!r} {fault}", "See the bot's own settings and files, then restart."
            )
        return None

    def _active(self) -> list[_Plugin]:
        return [plugin for plugin in self._plugins if plugin.state == "active"]

    def _activate(self, plugin: _Plugin, settings: Mapping[str, Any]) -> None:
        if any(other.name == plugin.name and other is not plugin for other in self._active()):
            raise NameTaken(
                plugin.name, "another plugin has this name", "Uninstall one of them, or rename its entry point."
            )
        plugin.module = self._imported(plugin)
        implementations = self._hooks(plugin)
        checked = self._checked_settings(plugin, settings)
        plugin.settings = msgspec.to_builtins(checked) if checked is not None else {}
        offers = {kind: self._offered(plugin, kind, implementations, checked) for kind in _KINDS}
        try:
            self._manager.register(plugin.module, plugin.name)
        except ValueError:
            plugin.module = None
            raise NameTaken(
                plugin.name, "the same module is active under another name", "Enable it under one name only."
            ) from None
        plugin.offers = offers
        plugin.hooks = sorted(implementations)
        plugin.state = "active"

    def _imported(self, plugin: _Plugin) -> object:
        if not isinstance(plugin.source, metadata.EntryPoint):
            return plugin.source
        try:
            return plugin.source.load()
        except (Exception, SystemExit) as error:
            log.exception("plugin_import_failed", plugin=plugin.name)
            raise NotImportable(
                plugin.name,
                f"importing {plugin.source.value} failed: {type(error).__name__}: {error}",
                "Install what it needs, or switch it off in config.yaml.",
            ) from error

    def _hooks(self, plugin: _Plugin) -> dict[str, pluggy.HookImpl]:
        """The hooks a plugin implements, each checked against its spec.

        A manager of its own is asked, so that what one plugin gets wrong stays with that plugin.
        """
        manager = _checker()
        names = sorted(name for name in dir(hookspecs) if name.startswith(("register_", "on_")))
        try:
            manager.register(plugin.module, plugin.name)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise WrongHook(
                plugin.name, " ".join(str(error).split()), f"The hooks are {', '.join(names)}; see reference/hooks.md."
            ) from None
        found: dict[str, pluggy.HookImpl] = {}
        for name in names:
            for implementation in getattr(manager.hook, name).get_hookimpls():
                if implementation.wrapper or implementation.hookwrapper:
                    raise WrongHook(plugin.name, f"its {name} is a wrapper", "Hooks are implemented, not wrapped.")
                if name in found:
                    raise WrongHook(plugin.name, f"it implements {name} twice", "Implement each hook once.")
                if not _takes(implementation.function, len(implementation.argnames)):
                    raise WrongHook(
                        plugin.name,
                        f"its {name} cannot be called with {', '.join(implementation.argnames) or 'no arguments'}",
                        "Name the hook's arguments as plain parameters.",
                    )
                found[name] = implementation
            if name not in found and callable(getattr(plugin.module, name, None)):
                raise WrongHook(
                    plugin.name,
                    f"its {name} is not marked as a hook",
                    "Put @hookimpl above it (from deskbell import hookimpl).",
                )
        if not found:
            raise WrongHook(plugin.name, "it implements no hook", f"Implement one of {', '.join(names)}.")
        return found

    def _checked_settings(self, plugin: _Plugin, given: Mapping[str, Any]) -> Any:
        path = f"plugins.{plugin.name}.settings"
        remedy = "Correct it in config.yaml."
        struct = getattr(plugin.module, "Settings", None)
        if struct is None:
            if given:
                raise WrongSettings(plugin.name, f"{path}.{min(given)}: this plugin takes no settings", remedy)
            return None
        if not (isinstance(struct, type) and issubclass(struct, msgspec.Struct)):
            raise WrongSettings(plugin.name, "its Settings is not a msgspec.Struct", "Its author has to make it one.")
        known = [setting.encode_name for setting in msgspec.structs.fields(struct)]
        for key in given:
            if key not in known:
                raise WrongSettings(plugin.name, f"{path}.{key}: {_unknown_key(key, known)}", remedy)
        try:
            return msgspec.convert(dict(given), struct, strict=True)
        except msgspec.ValidationError as error:
            raise WrongSettings(plugin.name, _readable(error, path), remedy) from None
        except Exception as error:
            raise WrongSettings(plugin.name, f"{path}: {type(error).__name__}: {error}", remedy) from error

    def _offered(
        self, plugin: _Plugin, kind: str, implementations: Mapping[str, pluggy.HookImpl], settings: Any
    ) -> list[Any]:
        hook = f"register_{kind}"
        implementation = implementations.get(hook)
        if implementation is None:
            return []
        remedy = f"Its author has to correct {hook}; see reference/hooks.md."
        try:
            offers = implementation.function(*([settings] * len(implementation.argnames)))
        except Exception as error:
            log.exception("plugin_register_failed", plugin=plugin.name, hook=hook)
            raise WrongOffer(plugin.name, f"{hook} raised {type(error).__name__}: {error}", remedy) from error
        if inspect.iscoroutine(offers):
            offers.close()
            raise WrongOffer(plugin.name, f"{hook} is async; it is called synchronously", remedy)
        if not isinstance(offers, list | tuple):
            raise WrongOffer(plugin.name, f"{hook} returned {offers!r}, not a list", remedy)
        taken = {other.name: owner.name for owner in self._active() for other in owner.offers.get(kind, ())}
        for offer in offers:
            try:
                problem = _unusable(_KINDS[kind], offer)
            except Exception as error:  # a property that raises, a broken __repr__
                problem = f"looking at it raised {type(error).__name__}"
            if problem:
                raise WrongOffer(plugin.name, f"{hook} offers something unusable: {problem}", remedy)
            if offer.name in taken:
                raise NameTaken(
                    plugin.name,
                    f"{hook} offers {offer.name!r}, which {taken[offer.name]!r} offers already",
                    "Rename it, or switch one of the two plugins off.",
                )
            taken[offer.name] = plugin.name
        return list(offers)

    def _refuse(self, plugin: _Plugin, refusal: PluginRefused) -> None:
        plugin.state = "refused"
        plugin.refusal = refusal
        plugin.offers = {}
        plugin.hooks = []
        log.error("plugin_refused", plugin=plugin.name, reason=refusal.reason, remedy=refusal.remedy)

    def _settle(self) -> None:
        """Put together what the active plugins offer."""
        active = self._active()

        def offered(kind: str) -> list[tuple[_Plugin, Any]]:
            return [(plugin, offer) for plugin in active for offer in plugin.offers.get(kind, ())]

        types = {offer.name: offer for _, offer in offered("channel_types")}
        refused = [plugin for plugin in self._plugins if plugin.refusal is not None]
        if not types:
            raise NoChannelTypes([plugin.refusal for plugin in refused if plugin.refusal])
        channels = self._in_force(types, lenient=bool(refused))
        self._channel_types.clear()
        self._channel_types.update(types)
        self._channels.clear()
        self._channels.update(channels)
        self._bots.clear()
        self._bots.update({bot.name: bot for _, bot in sorted(offered("bots"), key=lambda item: item[1].name)})

        filters = offered("moderation_filters")
        for plugin in refused:
            if hasattr(plugin.module, "register_moderation_filters"):
                filters.append((plugin, _Closed(plugin.name)))
                log.error("moderation_closed", plugin=plugin.name, effect="every message is held for review")
        filters.sort(key=lambda item: (item[1].order, item[1].name))
        rules = sorted(offered("escalation_rules"), key=lambda item: (item[1].order, item[1].name))
        self.filters = tuple(offer for _, offer in filters)
        self.rules = tuple(offer for _, offer in rules)
        self._chain = tuple(
            _Asked(plugin, f"filter {offer.name}", offer.name, offer.check, self._moderation_timeout_s, self._now)
            for plugin, offer in filters
        )
        self._rules = tuple(
            _Asked(plugin, f"rule {offer.name}", offer.name, offer.decide, RULE_S, self._now) for plugin, offer in rules
        )
        by_name = {plugin.name: plugin for plugin in active}
        self._observers = {
            hook: tuple(
                (
                    _Asked(by_name[found.plugin_name], hook, found.plugin_name, found.function, OBSERVER_S),
                    tuple(found.argnames),
                )
                # Back to front, as pluggy calls them: that is where `tryfirst` stands.
                for found in reversed(getattr(self._manager.hook, hook).get_hookimpls())
            )
            for hook in OBSERVERS
        }
        self.observed = frozenset(hook.removeprefix("on_") for hook, asked in self._observers.items() if asked)

    def _in_force(self, types: Mapping[str, ChannelType], *, lenient: bool) -> dict[str, Channel]:
        """The policies with the operator's changes. ``lenient``: some may be for types whose plugin was refused."""
        for name in self._overrides:
            if name in types:
                continue
            if not lenient:
                raise BadOverride(f"channels.{name}", f"no such channel type: {_unknown_key(name, sorted(types))}")
            log.warning("channel_override_unused", channel=name)
        channels = {}
        for name, offer in types.items():
            policy, path = offer.policy, f"channels.{name}"
            if changes := self._overrides.get(name):
                for key in changes:
                    if key not in policy.__struct_fields__:
                        raise BadOverride(f"{path}.{key}", _unknown_key(key, policy.__struct_fields__))
                try:
                    policy = overridden(policy, dict(changes))
                except msgspec.ValidationError as error:
                    key, _, problem = _readable(error, path).partition(": ")
                    raise BadOverride(key, problem) from None
                if problem := _incoherent(policy):
                    raise BadOverride(path, problem)
            channels[name] = Channel(name, offer.title, policy)
        return channels

    # Running.

    async def moderate(self, submission: Submission) -> Moderated:
        """Pass a text through all filters, in order, as :func:`deskbell.hookspecs.register_moderation_filters` says.

        Never raises for a filter's sake: one that fails, is late or answers nonsense holds the message.
        """
        held = by = ""
        now = submission
        for asked in self._chain:
            try:
                verdict = await asked.ask(now)
                if isinstance(verdict, Allow):
                    continue
                if isinstance(verdict, Rewrite) and isinstance(verdict.text, str):
                    if verdict.text != now.text:
                        now = replace(now, text=verdict.text, normalised=normalise(verdict.text))
                    continue
                if not isinstance(verdict, Hold | Block) or not isinstance(verdict.reason, str):
                    raise asked.fault(f"answered with a {type(verdict).__name__}, which is no verdict")
            except _Fault:
                verdict = Hold(f"the filter {asked.name} could not look at it")
            if isinstance(verdict, Block):
                return _moderated(submission, now, "block", verdict.reason, asked.name)
            if not by:
                held, by = verdict.reason, asked.name
        return _moderated(submission, now, "hold" if by else "allow", held, by)

    async def decide(self, situation: Situation) -> HandOver | None:
        """Ask the escalation rules in order; the first hand-over wins. Rules that fail are passed over."""
        for asked in self._rules:
            try:
                answer = await asked.ask(situation)
                if isinstance(answer, HandOver):
                    return answer
                if answer is not None:
                    raise asked.fault(f"answered with a {type(answer).__name__}, which is no hand-over")
            except _Fault:
                continue
        return None

    async def observe(self, hook: str, /, **arguments: Any) -> None:
        """Tell all observers what has happened, one after another; one that fails keeps none from hearing it.

        Args:
            hook: ``message``, ``participant`` or ``case``; ``on_message`` means the same.
            arguments: What the hook takes, by name.
        Raises:
            ObserverFailed: Some failed or were late. Told again, all hear it again.
        """
        hook = hook if hook.startswith("on_") else f"on_{hook}"
        wanted = getattr(self._manager.hook, hook).spec.argnames
        if set(wanted) != set(arguments):
            raise TypeError(f"{hook} takes {', '.join(wanted)}, not {', '.join(arguments)}")
        failures = {}
        for asked, names in self._observers[hook]:
            try:
                await asked.ask(*(arguments[name] for name in names))
            except _Fault as fault:
                failures[asked.name] = str(fault)
        if failures:
            raise ObserverFailed(hook, failures)

    def note_turn(self, bot: str, seconds: float, fault: str = "") -> None:
        """Keep count of a bot's turn: how long it took and, if it failed, how. Turns are run elsewhere."""
        for plugin in self._active():
            if any(offer.name == bot for offer in plugin.offers.get("bots", ())):
                plugin.timed(f"turn {bot}").add(seconds)
                if fault:
                    plugin.failed(f"turn {bot}", fault)

    def describe(self) -> list[dict[str, Any]]:
        """Every plugin that was found: name, version, state, reason, offers, hooks, faults and times."""
        return [plugin.describe() for plugin in self._plugins]


def _moderated(
    submission: Submission, now: Submission, verdict: Literal["allow", "hold", "block"], reason: str, by: str
) -> Moderated:
    original = submission.text if now.text != submission.text else None
    return Moderated(now.text, verdict, reason, by, original)
