"""Making a plugin active: looked at, imported, its hooks and settings checked, what it offers taken over.

Each step refuses with a reason and what to do. Nothing is kept of a plugin that is refused, and what one gets
wrong stays with that one: each is checked by a plugin manager of its own.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import pluggy
import structlog

from deskbell import hookspecs
from deskbell.contracts import PluginContext
from deskbell.plugins.found import Found
from deskbell.plugins.offers import KINDS, in_thread, takes, unusable
from deskbell.plugins.record import Plugin, Switch
from deskbell.plugins.refusals import (
    NameTaken,
    NotImportable,
    WrongHook,
    WrongOffer,
    WrongSettings,
    WrongVersion,
)
from deskbell.plugins.versions import API_VERSION, fits

log = structlog.get_logger(__name__)

HOOKS = sorted(name for name in dir(hookspecs) if hasattr(getattr(hookspecs, name), "deskbell_spec"))
HOOK_ARGUMENTS = {name: tuple(inspect.signature(getattr(hookspecs, name)).parameters) for name in HOOKS}
OBSERVERS = tuple(name for name in HOOKS if name.startswith("on_"))

Implementations = Mapping[str, pluggy.HookImpl]


def readable(error: msgspec.ValidationError, path: str) -> str:
    """msgspec's sentence with the path of the setting in front."""
    said, _, at = str(error).partition(" - at `$")
    return f"{path}{at.rstrip('`')}: {said[:1].lower()}{said[1:]}"


def unknown_key(key: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(key, known, n=1)
    return f"unknown; did you mean {close[0]}?" if close else f"unknown; known are {', '.join(known) or 'none'}"


def manager_with_specs() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("deskbell")
    manager.add_hookspecs(hookspecs)
    return manager


def imported(plugin: Plugin, found: Found, active: Sequence[Plugin]) -> object:
    """The plugin's module, or the object it was given as.

    Raises:
        NameTaken, NotImportable, WrongVersion: Why there is none.
    """
    for other in active:
        if other.name == plugin.name and other is not plugin:
            raise NameTaken(
                plugin.name,
                f"another plugin has this name: {other.source}, and this one: {plugin.source}",
                "Remove one of them, or rename it.",
            )
    if found.source.problem:
        raise NotImportable(plugin.name, found.source.problem, f"Correct it in {found.source}, or move it away.")
    _compatible(plugin, found.requires_api)
    try:
        module = found.source.load()
    except (Exception, SystemExit) as error:
        log.exception("plugin_import_failed", plugin=plugin.name)
        raise NotImportable(
            plugin.name,
            f"importing it from {found.source} failed: {type(error).__name__}: {error}",
            "Install what it needs, or switch it off in config.yaml.",
        ) from error
    if any(other.module is module for other in active):
        raise NameTaken(plugin.name, "the same module is active under another name", "Enable it under one name only.")
    if not plugin.api:
        _compatible(plugin, getattr(module, "requires_api", ""))
    if not plugin.version and isinstance(version := getattr(module, "__version__", ""), str):
        plugin.version = version
    order = getattr(module, "order", 100)
    if type(order) is not int:
        raise WrongHook(plugin.name, f"its order is {order!r}, not a whole number", "Its author has to correct it.")
    plugin.order = order
    return module


def _compatible(plugin: Plugin, requires: Any) -> None:
    try:
        if not isinstance(requires, str):
            raise ValueError(f"its requires_api is {requires!r}, not a string")
        compatible = fits(requires)
    except ValueError as error:
        raise WrongVersion(plugin.name, str(error), "Its author has to correct requires_api.") from None
    plugin.api = requires
    if not compatible:
        raise WrongVersion(
            plugin.name,
            f"it needs the plugin API {requires}, and this Deskbell has {API_VERSION}",
            "Install a version of the plugin that was made for this Deskbell, or another Deskbell.",
        )


def hooks_of(plugin: Plugin, module: object) -> dict[str, pluggy.HookImpl]:
    """The hooks a plugin implements, each checked against its spec.

    Raises:
        WrongHook: One does not exist, has other arguments, or is none.
    """
    manager = manager_with_specs()
    try:
        manager.register(module, plugin.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise WrongHook(
            plugin.name, " ".join(str(error).split()), f"The hooks are {', '.join(HOOKS)}; see reference/hooks.md."
        ) from None
    found: dict[str, pluggy.HookImpl] = {}
    for name in HOOKS:
        for implementation in getattr(manager.hook, name).get_hookimpls():
            if implementation.wrapper or implementation.hookwrapper:
                raise WrongHook(plugin.name, f"its {name} is a wrapper", "Hooks are implemented, not wrapped.")
            if name in found:
                raise WrongHook(plugin.name, f"it implements {name} twice", "Implement each hook once.")
            if not takes(implementation.function, len(implementation.argnames)):
                raise WrongHook(
                    plugin.name,
                    f"its {name} cannot be called with {', '.join(implementation.argnames) or 'no arguments'}",
                    "Name the hook's arguments as plain parameters.",
                )
            if name in OBSERVERS and in_thread(module) and inspect.iscoroutinefunction(implementation.function):
                raise WrongHook(
                    plugin.name,
                    f"its {name} is async, and its run_in is 'thread'",
                    "Make it a plain function, or leave run_in out.",
                )
            found[name] = implementation
        if name not in found and callable(getattr(module, name, None)):
            raise WrongHook(
                plugin.name,
                f"its {name} is not marked as a hook",
                "Put @hookimpl above it (from deskbell import hookimpl).",
            )
    if not found:
        raise WrongHook(plugin.name, "it implements no hook", f"Implement one of {', '.join(HOOKS)}.")
    return found


def settle_settings(plugin: Plugin, module: object, switch: Switch | None) -> None:
    """Check the settings, and those that differ for a tenant, and keep them with the plugin.

    Raises:
        WrongSettings: They are not what the plugin declares.
    """
    given = dict(switch.settings) if switch is not None else {}
    path = f"plugins.{plugin.name}.settings"
    plugin.checked = _checked(plugin, module, given, path)
    plugin.settings = msgspec.to_builtins(plugin.checked) if plugin.checked is not None else {}
    plugin.checked_of = {}
    for slug, changes in (getattr(switch, "tenants", None) or {}).items():
        under = f"plugins.{plugin.name}.tenants.{slug}"
        plugin.checked_of[slug] = _checked(plugin, module, {**given, **changes}, under, only=changes)


def _checked(
    plugin: Plugin, module: object, given: Mapping[str, Any], path: str, only: Mapping[str, Any] | None = None
) -> Any:
    remedy = "Correct it in config.yaml."
    struct = getattr(module, "Settings", None)
    if struct is None:
        if given:
            raise WrongSettings(plugin.name, f"{path}.{min(given)}: this plugin takes no settings", remedy)
        return None
    if not (isinstance(struct, type) and issubclass(struct, msgspec.Struct)):
        raise WrongSettings(plugin.name, "its Settings is not a msgspec.Struct", "Its author has to make it one.")
    known = [setting.encode_name for setting in msgspec.structs.fields(struct)]
    for key in given if only is None else only:
        if key not in known:
            raise WrongSettings(plugin.name, f"{path}.{key}: {unknown_key(key, known)}", remedy)
    try:
        return msgspec.convert(dict(given), struct, strict=True)
    except msgspec.ValidationError as error:
        raise WrongSettings(plugin.name, readable(error, path), remedy) from None
    except Exception as error:
        raise WrongSettings(plugin.name, f"{path}: {type(error).__name__}: {error}", remedy) from error


def offers_of(
    plugin: Plugin, implementations: Implementations, context: PluginContext, active: Sequence[Plugin]
) -> dict[str, list[Any]]:
    """What its ``register_*`` hooks return, by kind.

    Raises:
        WrongOffer, NameTaken: It cannot be used.
    """
    return {kind: _offered(plugin, kind, implementations, context, active) for kind in KINDS}


def _offered(
    plugin: Plugin, kind: str, implementations: Implementations, context: PluginContext, active: Sequence[Plugin]
) -> list[Any]:
    hook = f"register_{kind}"
    implementation = implementations.get(hook)
    if implementation is None:
        return []
    remedy = f"Its author has to correct {hook}; see reference/hooks.md."
    given = {"settings": plugin.checked, "context": context}
    try:
        offers = implementation.function(*(given[name] for name in implementation.argnames))
    except (Exception, SystemExit) as error:
        log.exception("plugin_register_failed", plugin=plugin.name, hook=hook)
        raise WrongOffer(plugin.name, f"{hook} raised {type(error).__name__}: {error}", remedy) from error
    if inspect.iscoroutine(offers):
        offers.close()
        raise WrongOffer(plugin.name, f"{hook} is async; it is called synchronously", remedy)
    if not isinstance(offers, list | tuple):
        raise WrongOffer(plugin.name, f"{hook} returned {offers!r}, not a list", remedy)
    taken: dict[str, str] = {}
    if KINDS[kind].shared:
        taken = {other.name: owner.name for owner in active for other in owner.offers.get(kind, ())}
        for owner in active:
            for other in owner.offers.get(kind, ()):
                taken |= dict.fromkeys(KINDS[kind].addresses(other), owner.name)
    for offer in offers:
        try:
            problem = unusable(KINDS[kind], offer)
        except Exception as error:  # a property that raises, a broken __repr__
            problem = f"looking at it raised {type(error).__name__}"
        if problem:
            raise WrongOffer(plugin.name, f"{hook} offers something unusable: {problem}", remedy)
        for name in (offer.name, *KINDS[kind].addresses(offer)):
            if name in taken:
                raise NameTaken(
                    plugin.name,
                    f"{hook} offers {name!r}, which {taken[name]!r} offers already",
                    "Rename it, or switch one of the two plugins off.",
                )
            taken[name] = plugin.name
    return list(offers)
