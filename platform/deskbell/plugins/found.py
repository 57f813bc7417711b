"""Where plugins come from: installed packages, a folder, or objects handed over.

Looking for plugins runs none of their code; :meth:`Source.load` does. What is wrong with one (no manifest
that can be read, no module) is kept in its ``problem`` and hides no other.

In a folder each ``.py`` file and each sub-folder with an ``__init__.py`` (or a ``plugin.py``) is a plugin;
names that begin with ``.`` or ``_`` are left alone. A sub-folder may have a manifest, ``plugin.toml``::

    id = "lifts"                # else the name of the folder
    version = "1.2"
    requires_api = ">=1,<2"     # else the attribute of that name of the module
    description = "Does the lift run?"
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import msgspec

from deskbell import hookspecs

BUNDLED = "deskbell"
"""The distribution whose plugins are Deskbell's own."""
FROM_THE_START = ("channels", "moderation_words", "escalation", "faq")
"""Those of Deskbell's own that run unless they are switched off; the others run once they are named."""
MANIFEST = "plugin.toml"
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


class Source(Protocol):
    """Where a plugin comes from; as a string, for people."""

    problem: str

    def load(self) -> object:
        """Import it."""
        ...


@dataclass(frozen=True)
class Found:
    """A plugin nothing of which has run yet. ``requires_api``: as far as its manifest says."""

    name: str
    version: str
    source: Source
    bundled: bool = False
    requires_api: str = ""


@dataclass
class Installed:
    """An entry point of a package."""

    entry: metadata.EntryPoint
    distribution: str
    problem: str = ""

    def load(self) -> object:
        return self.entry.load()

    def __str__(self) -> str:
        return f"package {self.distribution or '?'} ({self.entry.value})"


@dataclass
class Given:
    """An object, for tests and for embedding."""

    plugin: object
    problem: str = ""

    def load(self) -> object:
        return self.plugin

    def __str__(self) -> str:
        return "given as an object"


@dataclass
class InFolder:
    """A file or folder. Its module gets a name that no other module has, also where two desks share a process."""

    path: Path
    file: Path
    problem: str = ""

    @property
    def module_name(self) -> str:
        place = hashlib.blake2s(str(self.path.resolve()).encode(), digest_size=4).hexdigest()
        return f"deskbell_folder_plugin_{re.sub(r'[^a-zA-Z0-9_]', '_', self.path.stem)}_{place}"

    def load(self) -> object:
        name = self.module_name
        if name in sys.modules:
            return sys.modules[name]
        within = [str(self.path)] if self.path.is_dir() else None
        spec = importlib.util.spec_from_file_location(name, self.file, submodule_search_locations=within)
        if spec is None or spec.loader is None:
            raise ImportError(f"{self.file} is no Python module")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            # What it imported of itself goes too, or a second attempt would find half of it.
            for other in [other for other in sys.modules if other == name or other.startswith(f"{name}.")]:
                del sys.modules[other]
            raise
        return module

    def __str__(self) -> str:
        return str(self.path)


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``plugin.toml``, see the module."""

    id: str = ""
    version: str = ""
    requires_api: str = ""
    description: str = ""


def find(extra: Mapping[str, object], folder: Path | None = None) -> list[Found]:
    """All plugins: Deskbell's own, then installed ones, then those of the folder, each by name; then ``extra``."""
    return [*_installed(), *(_in_folder(folder) if folder is not None else ()), *_given(extra)]


def _installed() -> list[Found]:
    found = []
    for entry in metadata.entry_points(group=hookspecs.GROUP):
        distribution = entry.dist
        name = distribution.name if distribution is not None else ""
        version = distribution.version if distribution is not None else ""
        found.append((name != BUNDLED, entry.name, name, Found(entry.name, version, Installed(entry, name))))
    found.sort(key=lambda item: item[:3])
    return [
        Found(plugin.name, plugin.version, plugin.source, bundled=not foreign and plugin.name in FROM_THE_START)
        for foreign, _, _, plugin in found
    ]


def _given(extra: Mapping[str, object]) -> Iterator[Found]:
    for name, plugin in extra.items():
        yield Found(name, "", Given(plugin), bundled=True)


def _in_folder(folder: Path) -> list[Found]:
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")):
            continue
        if path.suffix == ".py" and path.is_file():
            found.append(Found(path.stem, "", InFolder(path, path, _misnamed(path.stem))))
        elif path.is_dir():
            found.append(_of_folder(path))
    return sorted(found, key=lambda plugin: plugin.name)


def _of_folder(path: Path) -> Found:
    file = next((path / name for name in ("__init__.py", "plugin.py") if (path / name).is_file()), None)
    try:
        manifest = _manifest(path / MANIFEST)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        return Found(path.name, "", InFolder(path, path, f"its {MANIFEST} cannot be read: {error}"))
    name = manifest.id or path.name
    problem = _misnamed(name)
    if file is None:
        problem = "it has neither an __init__.py nor a plugin.py"
    return Found(name, manifest.version, InFolder(path, file or path, problem), requires_api=manifest.requires_api)


def _manifest(file: Path) -> Manifest:
    if not file.is_file():
        return Manifest()
    values: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    return msgspec.convert(values, Manifest)


def _misnamed(name: str) -> str:
    if NAME.fullmatch(name):
        return ""
    return f"its name is {name!r}; a name is lower case letters, digits, '_', '-' and '.', at most 64"
