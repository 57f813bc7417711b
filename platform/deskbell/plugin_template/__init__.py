"""The beginnings of a plugin: what ``deskbell plugin new`` writes.

:func:`write` makes a folder that is a package: a module with one working thing of the kind asked for, its
tests, a ``pyproject.toml`` that announces it, a configuration that switches it on. The files beside this one are
templates; ``$module``, ``$title``, ``$Class`` and ``$distribution`` in them stand for the plugin's names.
"""

from __future__ import annotations

import keyword
import re
import sys
from importlib import metadata, util
from pathlib import Path
from string import Template

from deskbell.hookspecs import GROUP

KINDS: dict[str, str] = {
    "channel": "a kind of room",
    "filter": "a filter that sees each message before it is stored",
    "bot": "a bot that answers visitors",
    "rule": "a rule that decides when a conversation goes to a person",
    "observer": "an observer that hears what has happened",
    "message": "a kind of message",
    "route": "an address that other programs ask",
    "queue": "a queue of work for the world outside, kept until it is done",
    "job": "a job that falls due by the clock",
    "dialect": "another wire protocol on the same rooms",
}
_HERE = Path(__file__).parent
_SUFFIX = ".tmpl"
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_MAX_NAME = 50


class NotWritten(Exception):
    """No plugin was begun; the words say why, and what to do instead."""


def write(name: str, kind: str, into: Path) -> Path:
    """Begin a plugin in a new folder ``into / name``; the folder.

    Raises:
        NotWritten: The name cannot be one, or is taken; the folder is there already, or cannot be made.
    """
    module = name.replace("-", "_")
    if problem := _misnamed(name, module):
        raise NotWritten(f"{name!r}: {problem}")
    folder = into / name
    if folder.exists():
        raise NotWritten(f"{folder} is there already. Choose another name, or remove it.")
    if problem := _taken(module):
        raise NotWritten(f"{name!r}: {problem}")
    words = module.split("_")
    names = {
        "module": module,
        "title": " ".join(words).capitalize(),
        "Class": "".join(word.capitalize() for word in words),
        "distribution": module.replace("_", "-"),
        "kind": KINDS[kind],
    }
    try:
        for template in (*sorted((_HERE / "shared").iterdir()), *sorted((_HERE / kind).iterdir())):
            if template.suffix == _SUFFIX:
                path = folder / _path(template.name.removesuffix(_SUFFIX), module)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(Template(template.read_text("utf-8")).substitute(names), "utf-8")
    except OSError as error:
        raise NotWritten(f"{folder} cannot be written: {error.strerror or error}.") from error
    return folder


def _path(name: str, module: str) -> str:
    if name == "gitignore":
        return ".gitignore"
    if name == "module.py":
        return f"{module}.py"
    return f"tests/test_{module}.py" if name == "tests.py" else name


def _misnamed(name: str, module: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
        return f"a name has lower case letters and digits, in words joined by '_' or '-', and at most {_MAX_NAME}"
    if keyword.iskeyword(module) or keyword.issoftkeyword(module) or module in sys.stdlib_module_names:
        return "this name is Python's own. A prefix makes it yours: acme_" + module
    if module.partition("_")[0] == "deskbell" or module in ("test", "tests", "conftest"):
        return "this name would be taken for a part of something else. A prefix makes it yours: acme_" + module
    return ""


def _taken(module: str) -> str:
    if module in {entry.name for entry in metadata.entry_points(group=GROUP)}:
        return "a plugin of this name is installed already. Choose another"
    if util.find_spec(module) is not None:
        return "a Python module of this name is installed already, and one would hide the other. Choose another"
    return ""
