"""What can be set: name, type, meaning and default of each field of a tree of Struct classes.

All of it stands in one place, at the field: ``Annotated[type, msgspec.Meta(description=…)] =
default``. The reader, ``deskbell check-config`` and the manual take it from here.

Two keys of ``Meta(extra={…})`` are understood. ``expects`` words what a ``pattern`` lets through.
``secret`` marks what must not be shown: ``"value"`` for all of it, ``"url"`` for the password
inside an address; such a field may also be given as ``<name>_file``, the path of a file whose
contents, without the line end, are the value.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec

MASK = "********"
_UNITS = {
    "_ms": "milliseconds",
    "_s": "seconds",
    "_bytes": "bytes",
    "_per_min": "per minute",
    "_per_min_per_prefix": "per minute",
}


@dataclass(frozen=True)
class Setting:
    """A field as it is declared. ``secret`` is ``""``, ``"value"`` or ``"url"``; see the module's text."""

    name: str
    type: Any
    description: str
    secret: str
    default: Any
    required: bool
    examples: tuple[Any, ...] = ()

    def shown(self, value: Any) -> Any:
        """``value`` as it may be printed."""
        return hidden(value, self.secret)


def hidden(value: Any, secret: str) -> Any:
    """``value`` without what is secret in it. An empty value is shown, so that one sees it is missing."""
    if not secret or not value:
        return value
    if secret == "url":
        try:
            password = urlsplit(str(value)).password
        except ValueError:
            return MASK
        return str(value).replace(f":{password}@", f":{MASK}@", 1) if password else value
    return MASK


@cache
def settings_of(struct: type[msgspec.Struct]) -> Mapping[str, Setting]:
    """The fields of a Struct class by name, in their order."""
    hints = get_type_hints(struct, include_extras=True)
    found: dict[str, Setting] = {}
    for info in msgspec.structs.fields(struct):
        kind = hints[info.name]
        metas = [meta for meta in get_args(kind)[1:] if isinstance(meta, msgspec.Meta)] if _annotated(kind) else []
        extra: dict[str, Any] = {}
        for meta in metas:
            extra |= meta.extra or {}
        if info.default_factory is not msgspec.NODEFAULT:
            default = info.default_factory()
        else:
            default = info.default
        found[info.name] = Setting(
            name=info.name,
            type=kind,
            description=" ".join(" ".join(meta.description for meta in metas if meta.description).split()),
            secret=str(extra.get("secret", "")),
            default=None if info.required else default,
            required=info.required,
            examples=tuple(example for meta in metas for example in meta.examples or ()),
        )
    return found


def _annotated(kind: Any) -> bool:
    return get_origin(kind) is Annotated


def bare(kind: Any) -> Any:
    """A type without its annotations."""
    return get_args(kind)[0] if _annotated(kind) else kind


def item_of(kind: Any) -> Any:
    """What a list holds (``list[X]`` or ``tuple[X, ...]``); None for all other types."""
    kind, arms = bare(kind), get_args(bare(kind))
    if get_origin(kind) is list or (get_origin(kind) is tuple and arms[1:] == (Ellipsis,)):
        return arms[0]
    return None


def value_of(kind: Any) -> Any:
    """What a mapping from names holds (``dict[str, X]``); None for all other types."""
    kind, arms = bare(kind), get_args(bare(kind))
    return arms[1] if get_origin(kind) is dict and arms[0] is str else None


def struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The Struct class that a type is, or is a list or mapping of; None for all others."""
    kind = bare(item_of(kind) or value_of(kind) or kind)
    return kind if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None


def is_plain(kind: Any) -> bool:
    """Whether a type is text, a number, a truth value or a choice between words."""
    return bare(kind) in (str, int, float, bool) or get_origin(bare(kind)) is Literal


def without_none(kind: Any) -> tuple[Any, bool]:
    """The type beside None in an optional type, with the bounds of both, and whether None is allowed."""
    inner = bare(kind)
    if get_origin(inner) in (Union, types.UnionType):
        others = [arm for arm in get_args(inner) if arm is not type(None)]
        if len(others) == 1 and len(others) < len(get_args(inner)):
            return (Annotated[others[0], *get_args(kind)[1:]] if _annotated(kind) else others[0]), True
    return kind, False


def expected(kind: Any, name: str = "") -> str:
    """What a field takes, in words: "a whole number, 1 or more (seconds)". ``name`` tells the unit."""
    inner, optional = without_none(kind)
    words = _expected(inner, name)
    return f"{words}, or null" if optional else words


def _expected(kind: Any, name: str) -> str:
    metas = [meta for meta in get_args(kind)[1:] if isinstance(meta, msgspec.Meta)] if _annotated(kind) else []
    inner = bare(kind)
    for meta in metas:
        if meta.extra and meta.extra.get("expects"):
            return str(meta.extra["expects"])
    if inner is bool:
        return "true or false"
    if inner in (int, float):
        low = next((meta.ge for meta in metas if meta.ge is not None), None)
        above = next((meta.gt for meta in metas if meta.gt is not None), None)
        high = next((meta.le for meta in metas if meta.le is not None), None)
        words = "a whole number" if inner is int else "a number"
        if low is not None and high is not None:
            words += f" from {low} to {high}"
        elif low is not None:
            words += f", {low} or more"
        elif above is not None:
            words += f" above {above}"
        unit = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")
        return f"{words} ({unit})" if unit else words
    if get_origin(inner) is Literal:
        return "one of " + ", ".join(str(option) for option in get_args(inner))
    if (item := item_of(inner)) is not None:
        return "a list of mappings" if struct_in(inner) else f"a list, each {expected(item)}"
    if get_origin(inner) is dict or struct_in(inner):
        return "a mapping (name: value)"
    if inner is str:
        return "text, not empty" if any(meta.min_length for meta in metas) else "text"
    return "any value"


def joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def paths(struct: type[msgspec.Struct], under: str = "") -> Iterator[str]:
    for name, setting in settings_of(struct).items():
        yield joined(under, name)
        if inner := struct_in(setting.type):
            yield from paths(inner, joined(under, name))
