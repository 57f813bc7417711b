"""What ``register_*`` hooks may return, and whether an object is such a thing."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from deskbell.contracts import (
    Alias,
    Bot,
    ChannelType,
    Dialect,
    EscalationRule,
    Job,
    MessageKind,
    ModerationFilter,
    Queue,
    Route,
)
from deskbell.model.policy import DEFAULT_KINDS, Policy
from deskbell.plugins.cron import Cron
from deskbell.plugins.found import NAME

# Below /plugins/<name>/ these are the platform's.
RESERVED_PATHS = ("enable", "disable", "dead", "replay")
RESERVED_ADDRESSES = ("/api/v1/ws", "/api/v1/health/live", "/api/v1/health/ready")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PART = re.compile(r"<[a-z_][a-z0-9_]*>|[A-Za-z0-9._~-]+")
WHO = ("anybody", "user", "staff", "supervisor", "admin")


@dataclass(frozen=True)
class Kind:
    """Objects of this type, whose methods take so many arguments.

    ``runs``: the one of its methods that may be run in a thread. ``shared``: their names are unique over
    all plugins, not just within one; so are their ``addresses``.
    """

    type: type[Any]
    methods: Mapping[str, int] = field(default_factory=dict)
    ordered: bool = False
    runs: str = ""
    shared: bool = True
    addresses: Callable[[Any], list[str]] = lambda offer: []


def _addresses(offer: Dialect) -> list[str]:
    """Where a dialect is found, a name in a path being a blank."""
    found = [f"WS {path}" for path in offer.sockets]
    found += [f"{alias.method} {alias.path}" for alias in offer.aliases]
    found += [f"GET {offer.health}"] if offer.health else []
    return [re.sub("<[^>]*>", "<>", address) for address in found]


KINDS: dict[str, Kind] = {
    "channel_types": Kind(ChannelType, {"may_create": 1, "may_enter": 2, "key_for": 3, "describe": 0}),
    "moderation_filters": Kind(ModerationFilter, {"check": 1}, ordered=True, runs="check"),
    "escalation_rules": Kind(EscalationRule, {"decide": 1}, ordered=True, runs="decide"),
    "bots": Kind(Bot, {"load": 1, "handle": 1, "greeting": 0}),
    "message_kinds": Kind(MessageKind),
    "routes": Kind(Route, {"handler": 1}, runs="handler", shared=False),
    "jobs": Kind(Job, {"handler": 1}, runs="handler", shared=False),
    "queues": Kind(Queue, {"handler": 1}, runs="handler", shared=False),
    "dialects": Kind(
        Dialect,
        {"welcome": 1, "receive": 2, "tell": 1, "refuse": 2, "refuse_request": 1, "health_answer": 1},
        addresses=_addresses,
    ),
}


def in_thread(offer: Any) -> bool:
    """Whether it asks to be called in a thread."""
    return getattr(offer, "run_in", "loop") == "thread"


def unusable(kind: Kind, offer: Any) -> str:
    """Why ``offer`` cannot be used; empty when it can."""
    if isinstance(offer, type):
        return f"it is the class {offer.__name__}, not an instance of it"
    wanted = kind.type.__name__
    if not isinstance(offer, kind.type):  # of a protocol: has all its parts
        parts = [*kind.methods, "name", *(["order"] if kind.ordered else ["title"])]
        missing = [part for part in parts if not hasattr(offer, part)]
        lacks = f": it has no {', '.join(missing)}" if missing and getattr(kind.type, "_is_protocol", False) else ""
        return f"{offer!r} is not a {wanted}{lacks}"
    if not isinstance(offer.name, str) or not NAME.fullmatch(offer.name):
        return f"its name is {offer.name!r}; a name is lower case letters, digits, '_', '-' and '.', at most 64"
    if kind.ordered and type(offer.order) is not int:
        return f"its order is {offer.order!r}, not a whole number"
    for method, count in kind.methods.items():
        if not takes(getattr(offer, method), count):
            return f"its {method} does not take {count} argument{'' if count == 1 else 's'}"
    if getattr(offer, "run_in", "loop") not in ("loop", "thread"):
        return f"its run_in is {offer.run_in!r}; it is 'loop' or 'thread'"
    if in_thread(offer) and (not kind.runs or inspect.iscoroutinefunction(getattr(offer, kind.runs))):
        return f"its run_in is 'thread', and {kind.runs or 'it'} cannot be called there: only plain functions can"
    check = _CHECKS.get(kind.type)
    return "" if check is None else check(offer)


def takes(function: Any, count: int) -> bool:
    """Whether it can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*[None] * count)
    except (TypeError, ValueError):
        return False
    return True


def incoherent(policy: Any) -> str:
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


def _channel_type(offer: ChannelType) -> str:
    return incoherent(offer.policy)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _message_kind(offer: MessageKind) -> str:
    if offer.name in DEFAULT_KINDS or offer.name == "system" or len(offer.name) > 32:
        return f"{offer.name!r} is a kind of Deskbell's own, or longer than 32 characters"
    if not _is_struct(offer.metadata):
        return f"its metadata is {offer.metadata!r}, not a msgspec.Struct"
    if not isinstance(offer.who, tuple) or not all(isinstance(role, str) for role in offer.who):
        return "its who is not a tuple of roles"
    return ""


def _route(offer: Route) -> str:
    parts = offer.path.split("/")[1:] if isinstance(offer.path, str) and offer.path.startswith("/") else []
    if not parts or not all(parts):
        return f"its path is {offer.path!r}; a path begins with '/' and has no empty part"
    for part in parts:
        if not _PART.fullmatch(part):
            return f"its path holds {part!r}; a part is letters, digits, '.', '_', '~' and '-', or '<name>'"
    if parts[0] in RESERVED_PATHS or parts[0].startswith("<"):
        return (
            f"its path begins with {parts[0]!r}; the first part is plain text, not one of {', '.join(RESERVED_PATHS)}"
        )
    if offer.method not in METHODS:
        return f"its method is {offer.method!r}, not one of {', '.join(METHODS)}"
    if offer.who not in WHO:
        return f"its who is {offer.who!r}, not one of {', '.join(WHO)}"
    for what, kind in (("body", offer.body), ("query", offer.query)):
        if kind is None:
            continue
        if not _is_struct(kind):
            return f"its {what} is {kind!r}, not a msgspec.Struct"
        if not kind.__struct_config__.forbid_unknown_fields:
            return f"its {what} takes unknown fields; say forbid_unknown_fields=True"
    try:
        msgspec.json.schema(offer.answers)
    except TypeError as error:
        return f"what it answers cannot be described: {error}"
    if not isinstance(offer.summary, str) or not offer.summary.endswith("."):
        return "its summary is no sentence; it is what the API's description says of it"
    return _positive(offer.deadline_s, "deadline_s")


def _job(offer: Job) -> str:
    if (offer.every_s is None) == (offer.cron is None):
        return "it needs either every_s or cron"
    if offer.every_s is not None and not (isinstance(offer.every_s, int | float) and offer.every_s >= 1):
        return f"its every_s is {offer.every_s!r}; it must be 1 or more"
    if offer.cron is not None:
        try:
            Cron.parse(offer.cron)
        except ValueError as error:
            return f"its cron cannot be read: {error}"
    return _positive(offer.deadline_s, "deadline_s")


def _queue(offer: Queue) -> str:
    for key in ("max_attempts", "at_once", "at_once_per_key"):
        value = getattr(offer, key)
        if value is None and key == "at_once_per_key":
            continue
        if type(value) is not int or value < 1:
            return f"its {key} is {value!r}; it must be a whole number, 1 or more"
    wrong = (_positive(getattr(offer, key), key) for key in ("backoff_base_s", "backoff_cap_s", "deadline_s"))
    return next((problem for problem in wrong if problem), "")


def _dialect(offer: Dialect) -> str:
    for name in ("welcome", "receive"):
        if not inspect.iscoroutinefunction(getattr(offer, name)):
            return f"its {name} is not async"
    if inspect.iscoroutinefunction(offer.tell):
        return "its tell is async; it puts into words what it is given, and waits for nothing"
    if offer.frames is not None:
        try:
            msgspec.json.Decoder(offer.frames)
        except TypeError as error:
            return f"its frames cannot be told apart: {error}"
    for alias in offer.aliases:
        if not isinstance(alias, Alias) or alias.method not in METHODS or alias.who not in ("anybody", "user"):
            return f"{alias!r} is no Alias that can be used"
        for what, kind in (("body", alias.body), ("query", alias.query)):
            if kind is not None and not _is_struct(kind):
                return f"the {what} of its {alias.method} {alias.path} is {kind!r}, not a msgspec.Struct"
        if not inspect.iscoroutinefunction(alias.handler):
            return f"the handler of its {alias.method} {alias.path} is not async"
    paths = [*offer.sockets, *(alias.path for alias in offer.aliases), *([offer.health] if offer.health else [])]
    for path in paths:
        parts = path.split("/")[1:] if isinstance(path, str) and path.startswith("/api/") else [""]
        if not all(_PART.fullmatch(part) for part in parts):
            return f"its address {path!r} is none: it begins with /api/, and a part is plain text or <name>"
        if path in RESERVED_ADDRESSES:
            return f"its address {path!r} is the platform's"
    if len(set(_addresses(offer))) < len(paths):
        return "it has two things at one address"
    return _positive(offer.deadline_s, "deadline_s")


def _positive(value: Any, key: str) -> str:
    return "" if isinstance(value, int | float) and value > 0 else f"its {key} is {value!r}; it must be above 0"


_CHECKS: dict[type[Any], Callable[[Any], str]] = {
    ChannelType: _channel_type,
    MessageKind: _message_kind,
    Route: _route,
    Job: _job,
    Queue: _queue,
    Dialect: _dialect,
}
