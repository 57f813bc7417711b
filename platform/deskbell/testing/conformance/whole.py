"""The plugin as a whole, before anything it offers is asked: import, hooks, settings, registration."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import msgspec

from deskbell import hookspecs
from deskbell.testing.conformance.context import Context
from deskbell.testing.conformance.dialects import DialectSubject
from deskbell.testing.conformance.inputs import SECRET_MARK
from deskbell.testing.conformance.report import Result
from deskbell.testing.conformance.source import Found
from deskbell.testing.conformance.subjects import (
    BotSubject,
    ChannelSubject,
    FilterSubject,
    ObserverSubject,
    RuleSubject,
    Subject,
)
from deskbell.testing.conformance.watch import HELD_S, Deeds, Places
from deskbell.testing.conformance.work import JobSubject, KindSubject, QueueSubject, RouteSubject

IMPORT_S = 10.0
HOOKS = {
    name: list(inspect.signature(spec).parameters)
    for name, spec in vars(hookspecs).items()
    if hasattr(spec, "deskbell_spec")
}
# What a `register_*` hook offers: how one of it is called here, and how it is asked.
SUBJECTS: dict[str, tuple[str, type[Subject]]] = {
    "channel_types": ("channel type", ChannelSubject),
    "moderation_filters": ("filter", FilterSubject),
    "escalation_rules": ("rule", RuleSubject),
    "bots": ("bot", BotSubject),
    "message_kinds": ("message kind", KindSubject),
    "routes": ("route", RouteSubject),
    "jobs": ("job", JobSubject),
    "dialects": ("dialect", DialectSubject),
    "queues": ("queue", QueueSubject),
}
_SECRET = re.compile(r"token|secret|passw|api_?key|credential", re.IGNORECASE)


@dataclass
class Whole:
    """One plugin, as far as it has been looked at. Each method is a check; an empty list: nothing is wrong."""

    found: Found
    given: Mapping[str, Any]
    """The settings to examine it with; what is missing has its default."""
    places: Places
    deeds: Deeds
    stuck: Callable[[], AbstractContextManager[None]]
    """Ends this process when what is done within takes for ever."""
    module: Any = None
    hooks: dict[str, Callable[..., Any]] = field(default_factory=dict)
    settings: Any = None
    context: Context = field(default_factory=Context)
    offers: dict[str, list[Any]] = field(default_factory=dict)

    def imported(self) -> list[Result]:
        began = time.monotonic()
        name, _, attribute = self.found.reference.partition(":")
        with self.stuck(), self.deeds.forbidden() as deeds:
            try:
                self.module = importlib.import_module(name)
                for part in attribute.split(".") if attribute else ():
                    self.module = getattr(self.module, part)
            except (Exception, SystemExit) as error:
                said = " ".join(str(error).split())
                return [_failed("import", f"raised {type(error).__name__}: {said}", self.places.of_error(error))]
        results = [_failed("import", f"{deed} while it is imported", where) for deed, where in _first(deeds)]
        if (took := time.monotonic() - began) > IMPORT_S:
            results.append(_failed("import", f"took {took:.0f} s; what takes long belongs in Bot.load, or in a thread"))
        return results

    def hooked(self) -> list[Result]:
        """Which hooks it implements; also what looks like one and is none."""
        results = []
        for name, function in self._functions():
            marked = getattr(function, "deskbell_impl", None)
            hook = (marked.get("specname") if marked else None) or name
            where = self.places.of_function(function)
            meant = hook if hook in HOOKS else next(iter(difflib.get_close_matches(hook, HOOKS, n=1, cutoff=0.75)), "")
            if marked is None:
                if meant:
                    says = f"{name} is not marked as a hook: put @hookimpl above it"
                    says += "" if meant == name else f" and call it {meant}"
                    results.append(_failed("hooks", says, where))
            elif hook not in HOOKS:
                known = f"did you mean {meant}?" if meant else f"the hooks are {', '.join(sorted(HOOKS))}"
                results.append(_failed("hooks", f"{hook} is no hook; {known}", where))
            elif foreign := [argument for argument in _needed(function) if argument not in HOOKS[hook]]:
                says = f"{hook} has no argument {foreign[0]!r}; it has {', '.join(HOOKS[hook])}"
                results.append(_failed("hooks", says, where))
            elif hook.startswith("register_") and inspect.iscoroutinefunction(function):
                results.append(_failed("hooks", f"{hook} is async; it is called synchronously", where))
            else:
                self.hooks[hook] = function
        if not self.hooks and not results:
            results.append(_failed("hooks", f"implements no hook; the hooks are {', '.join(sorted(HOOKS))}"))
        return results

    def _functions(self) -> Iterator[tuple[str, Callable[..., Any]]]:
        for name in dir(self.module):
            value = getattr(self.module, name, None)
            if callable(value) and (hasattr(value, "deskbell_impl") or name.startswith(("on_", "register_"))):
                yield name, value

    def set_up(self) -> list[Result]:
        """Its settings: the defaults, what was given laid over, and a mark in each secret."""
        struct = getattr(self.module, "Settings", None)
        if struct is None:
            return [_failed("settings", f"takes no settings, and was given {min(self.given)}")] if self.given else []
        if not (isinstance(struct, type) and issubclass(struct, msgspec.Struct)):
            return [_failed("settings", "its Settings is no msgspec.Struct")]
        results = []
        if missing := [f.encode_name for f in msgspec.structs.fields(struct) if f.required]:
            results.append(_failed("settings", f"{missing[0]} has no default, so it cannot run as it is delivered"))
        for nested in _structs(struct):
            if not nested.__struct_config__.forbid_unknown_fields:
                says = f"{nested.__name__} accepts settings it does not know: a misspelt one would be passed over."
                results.append(_failed("settings", f"{says} Add forbid_unknown_fields=True"))
        try:
            self.settings = msgspec.convert({**dict.fromkeys(_secrets(struct), SECRET_MARK), **self.given}, struct)
        except Exception:  # perhaps it looks closer at its secrets
            try:
                self.settings = msgspec.convert(dict(self.given), struct)
            except Exception as error:
                if not results or self.given:
                    says = f"cannot be made of {'what was given' if self.given else 'its defaults'}: {error}"
                    results.append(_failed("settings", says))
        return results

    def registered(self) -> list[Result]:
        """Three times over: it must be the same each time."""
        results: list[Result] = []
        took: dict[str, list[float]] = {}
        rounds: list[dict[str, list[tuple[str, str]]]] = []
        for _ in range(3):
            found = self._register(took)
            if not rounds or any(result.says not in {known.says for known in results} for result in found):
                results += found
            if set(self.offers) != {hook.removeprefix("register_") for hook in self._registering()}:
                return results
            rounds.append({kind: [_called(offer) for offer in offers] for kind, offers in self.offers.items()})
        for hook, times in took.items():
            if min(times) > HELD_S:
                results.append(_failed("register", f"{hook} took {min(times):.1f} s; Bot.load is the place for work"))
        for kind, offered in rounds[0].items():
            if any(each[kind] != offered for each in rounds):
                results.append(_failed("register", f"register_{kind} offers something else when it is called again"))
        return results

    def _registering(self) -> list[str]:
        return sorted(hook for hook in self.hooks if hook.startswith("register_"))

    def _register(self, took: dict[str, list[float]]) -> list[Result]:
        """Call all its hooks with one context, as one desk does; what they offer is in ``offers``."""
        results: list[Result] = []
        self.context, self.offers = Context(self.found.name, self.settings), {}
        given = {"settings": self.settings, "context": self.context}
        for hook in self._registering():
            function, began = self.hooks[hook], time.monotonic()
            with self.stuck(), self.deeds.forbidden() as deeds:
                try:
                    offers = function(*(given[name] for name in _needed(function)))
                except Exception as error:
                    again = " when it is called once more" if took.get(hook) else ""
                    says = f"{hook} raised {type(error).__name__}{again}"
                    return [*results, _failed("register", says, self.places.of_error(error))]
            took.setdefault(hook, []).append(time.monotonic() - began)
            results += [_failed("register", f"{hook} {deed}", where) for deed, where in _first(deeds)]
            if not isinstance(offers, list | tuple):
                return [*results, _failed("register", f"{hook} answered a {type(offers).__name__}, not a list")]
            self.offers[hook.removeprefix("register_")] = list(offers)
        return results

    def accepted(self) -> list[Result]:
        """By the desk's own plugin host, beside the bundled plugins."""
        from deskbell.plugins import PluginError, PluginHost

        name = self.found.name
        settings = msgspec.to_builtins(self.settings) if self.settings is not None else {}
        announced = {entry.name: entry for entry in metadata.entry_points(group=hookspecs.GROUP)}
        own = name in announced and announced[name].load() is self.module
        if name in announced and not own:
            return [_failed("accepted", f"another plugin that is installed is called {name!r}. Rename the entry point")]
        extra = {} if own else {name: self.module}
        try:
            host = PluginHost.load({name: _Switch(settings)}, {}, moderation_timeout_s=1.0, extra=extra)
        except PluginError as error:
            return [_failed("accepted", str(error))]
        described = next(item for item in host.describe() if item["name"] == name)
        if described["state"] != "active":
            return [_failed("accepted", described["reason"])]
        self._register({})  # or it would go on with what the host gave it, which is not up
        return []

    def subjects(self) -> list[Subject]:
        """All it offers, ready to be asked."""
        subjects: list[Subject] = []
        for kind, (label, subject) in SUBJECTS.items():
            subjects += [subject(f"{label} {offer.name}", offer) for offer in self.offers.get(kind, ())]
        observers = [ObserverSubject(hook, function) for hook, function in self.hooks.items() if hook.startswith("on_")]
        for each in (*subjects, *observers):
            each.settings = self.settings
            if isinstance(each, ObserverSubject):
                each.context = self.context
            if isinstance(each, QueueSubject):
                each.left = self.context.left
        # Queues last: their work is what the others leave.
        return sorted((*subjects, *observers), key=lambda each: isinstance(each, QueueSubject))


@dataclass(frozen=True)
class _Switch:
    settings: Mapping[str, Any]
    enabled: bool = True
    tenants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def _failed(check: str, says: str, where: str = "") -> Result:
    return Result(check, "", "failed", says, where)


def _first(deeds: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The first deed of each place: looking up an address and connecting to it are one thing to its author."""
    return [(deed, where) for where, deed in dict(reversed([(where, deed) for deed, where in deeds])).items()]


def _called(offer: Any) -> tuple[str, str]:
    return type(offer).__name__, str(getattr(offer, "name", ""))


def _needed(function: Callable[..., Any]) -> list[str]:
    """The arguments it asks for; those with a default of their own are not passed."""
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.default is parameter.empty]


def _structs(struct: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """A struct and those in its fields, however deep."""
    found: dict[type[msgspec.Struct], None] = {}

    def look(type_: Any) -> None:
        if isinstance(type_, msgspec.inspect.StructType):
            if type_.cls in found:
                return
            found[type_.cls] = None
            for each in type_.fields:
                look(each.type)
            return
        for name in ("item_type", "value_type", "key_type"):
            look(getattr(type_, name, None)) if hasattr(type_, name) else None
        for name in ("types", "item_types"):
            for each in getattr(type_, name, ()):
                look(each)

    look(msgspec.inspect.type_info(struct))
    return list(found)


def _secrets(struct: type[msgspec.Struct]) -> list[str]:
    """The settings that hold a secret, going by their names; not those that name a file."""
    names = []
    for each in msgspec.inspect.type_info(struct).fields:  # type: ignore[attr-defined]
        types = getattr(each.type, "types", (each.type,))
        is_text = any(isinstance(type_, msgspec.inspect.StrType) for type_ in types)
        if is_text and _SECRET.search(each.encode_name) and not each.encode_name.endswith("_file"):
            names.append(each.encode_name)
    return names


def forget(whole: Whole) -> None:
    """Let go of all that is known of a plugin, as a desk that ends does."""
    whole.offers.clear()
    whole.hooks.clear()
    whole.settings = None
    sys.modules.pop(whole.found.module, None)
    whole.module = None
