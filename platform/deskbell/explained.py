"""The settings in force, each with where it came from; no secret is among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from deskbell.config import Settings
from deskbell.settings.declared import Setting, hidden, joined, settings_of


@dataclass(frozen=True)
class Explained:
    """One setting as it is in force. ``default`` is None where there is none; secrets are masked."""

    path: str
    value: Any
    default: Any
    source: str
    description: str


def explain(settings: Settings, sources: Mapping[str, str]) -> list[Explained]:
    """Every setting in force, in the order of the manual, with where it came from.

    ``source`` is ``default``, ``environment`` or ``<file>:<line>``. No secret is in the result.
    """
    return list(_explained(settings, sources, ""))


def _explained(part: msgspec.Struct, sources: Mapping[str, str], under: str) -> Iterator[Explained]:
    for name, setting in settings_of(type(part)).items():
        yield from _explained_value(setting, getattr(part, name), setting.default, sources, joined(under, name))


def _explained_value(
    setting: Setting, value: Any, default: Any, sources: Mapping[str, str], path: str
) -> Iterator[Explained]:
    if isinstance(value, msgspec.Struct):
        yield from _explained(value, sources, path)
    elif isinstance(value, tuple | list) and any(isinstance(item, msgspec.Struct | dict) for item in value):
        for number, item in enumerate(value):
            yield from _explained_value(setting, item, None, sources, f"{path}[{number}]")
    elif isinstance(value, dict) and value:
        for key, item in value.items():
            below = default.get(key) if isinstance(default, dict) else None
            yield from _explained_value(setting, item, below, sources, joined(path, key))
    else:
        secret = setting.secret or _sounds_secret(path)
        source = sources.get(path, "default")
        yield Explained(path, hidden(value, secret), hidden(default, secret), source, setting.description)


def _sounds_secret(path: str) -> str:
    """Whether a plugin's setting, whose type is not known here, had better not be printed."""
    if not path.startswith("plugins."):
        return ""
    below = path.lower().split(".", 3)[-1]
    if below.endswith(("_file", "_s", "_ms")):
        return ""
    return "value" if any(word in below for word in ("secret", "password", "token", "key", "credential")) else "url"
