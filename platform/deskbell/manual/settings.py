"""The two texts that are printed from the declared settings: their manual page and ``config.yaml``.

Both say what :mod:`deskbell.config` says, in its order, with its defaults.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from deskbell.config import Settings
from deskbell.settings.declared import Setting, expected, item_of, joined, settings_of, struct_in, value_of

MANUAL = Path("docs/reference/settings.md")
CONFIG = Path("config.yaml")
_WIDTH = 100

_MANUAL_HEAD = """\
# Settings

Deskbell reads one YAML file and the environment. Without either, the defaults below hold: one
process, SQLite, a demo tenant. `deskbell check-config` prints every setting in force and where it
came from. This page is printed from the code by `python -m deskbell.manual`.

- **File.** `config.yaml` in the working directory, or the file that `DESKBELL_CONFIG` names. An
  unknown key or a value of the wrong type stops the start; all mistakes are listed at once, each
  with its line. Only `true` and `false` are booleans; `on` and `off` are words.
- **Environment.** `DESKBELL_SECTION__KEY` (two underscores between the levels) wins over the file:
  `DESKBELL_SERVER__PORT=9000`, `DESKBELL_PLUGINS__FAQ__ENABLED=false`. Entries of a list are
  counted from 0: `DESKBELL_TENANTS__0__USERS__1__NAME=Ben`. A list or section may also be given
  whole, as YAML or JSON: `DESKBELL_CHANNELS='{"support": {"edit_window_s": 600}}'`.
- **Secrets.** Those marked *secret* may be given as the path of a file that holds the value: put
  `_file` behind the name, or `_FILE` behind the variable (`DESKBELL_AUTH__SECRET_FILE=/run/secrets/auth`).
  Of a file and a variable, the variable wins. Secrets are never printed.
- **Units.** Names end in theirs: `_s` seconds, `_ms` milliseconds, `_bytes` bytes, `_per_min` per minute.
- **Paths** are relative to the working directory.
"""

_CONFIG_HEAD = """\
# The configuration of Deskbell. Everything here is a default: what you delete stays as it is.
#
# Every setting may also come from the environment, which wins: DESKBELL_SERVER__PORT=9000.
# Keep secrets out of this file: DESKBELL_AUTH__SECRET=..., or the path of a file that holds the
# secret, DESKBELL_AUTH__SECRET_FILE=/run/secrets/auth; here too: secret_file: /run/secrets/auth.
#
# `deskbell check-config` tells what is in force and where it came from. The same list with
# what is allowed: docs/reference/settings.md. Names end in their unit: _s seconds, _ms
# milliseconds, _bytes bytes, _per_min per minute. Paths are relative to the working directory.
"""


def _summary(struct: type[msgspec.Struct]) -> str:
    return " ".join((struct.__doc__ or "").split())


def _nested(setting: Setting, path: str) -> str:
    """The path of one entry of a list or mapping, as the manual writes it."""
    if item_of(setting.type) is not None:
        return f"{path}[]"
    return f"{path}.<name>" if value_of(setting.type) is not None else path


# The manual.


def reference_markdown() -> str:
    """``docs/reference/settings.md``: every setting with its default, what it takes and what it means."""
    alone = [setting for setting in settings_of(Settings).values() if struct_in(setting.type) is None]
    parts = [_MANUAL_HEAD, "## At the top\n", _table(_row(setting, setting.name) for setting in alone)]
    for name, setting in settings_of(Settings).items():
        if (struct := struct_in(setting.type)) is not None:
            about = [setting.description or _summary(struct)]
            about += ["For example:\n\n```yaml\n" + _example(name, one) + "```" for one in setting.examples]
            parts += [f"## {name}\n", "\n\n".join(about) + "\n", _table(_rows(struct, _nested(setting, name)))]
    return "\n".join(parts)


def _table(rows: Iterator[str]) -> str:
    return "\n".join(["| setting | default | takes | meaning |", "|---|---|---|---|", *rows, ""])


def _rows(struct: type[msgspec.Struct], under: str) -> Iterator[str]:
    for name, setting in settings_of(struct).items():
        path = joined(under, name)
        yield _row(setting, path)
        if (inner := struct_in(setting.type)) is not None:
            yield from _rows(inner, _nested(setting, path))


def _row(setting: Setting, path: str) -> str:
    if setting.required:
        default = "required"
    elif struct_in(setting.type) is not None and setting.default:
        default = "see `config.yaml`"
    else:
        default = f"`{_inline(setting.default)}`"
    meaning = setting.description
    if setting.secret == "value":
        meaning += f" *Secret*; also `{setting.name}_file`."
    if setting.secret == "url":
        meaning += f" *Secret* where it holds a password; also `{setting.name}_file`."
    if struct_in(setting.type) is None:
        meaning += "".join(f" Example: `{_inline(example)}`." for example in setting.examples)
    cells = (f"`{path}`", default, expected(setting.type, setting.name), meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


# The file.


def config_yaml() -> str:
    """``config.yaml``: every setting at its default, under a comment that says what it is for."""
    parts = [_CONFIG_HEAD]
    for name, setting in settings_of(Settings).items():
        struct = struct_in(setting.type)
        is_section = struct is not None and struct_in(setting.type) is not None and not setting.description
        lines = [*_comment(_summary(struct) if is_section and struct else setting.description, "")]
        for example in setting.examples:
            lines += ["# For example:", *(f"#   {line}" for line in _example(name, example).splitlines())]
        lines += _entry(setting, setting.default, "")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _comment(text: str, indent: str) -> list[str]:
    return [f"{indent}# {line}" for line in textwrap.wrap(text.replace("`", ""), _WIDTH - len(indent) - 2)]


def _entry(setting: Setting, value: Any, indent: str) -> list[str]:
    """The lines ``name: value``, with the explanation of what is inside, not of the setting itself."""
    head, inside = f"{indent}{setting.name}:", indent + "  "
    if isinstance(value, msgspec.Struct):
        return [head, *_fields(value, inside)]
    struct = struct_in(setting.type)
    if not value or struct is None:
        return [f"{head} {_inline(value)}"]
    lines = _legend(struct, inside) if not _is_deep(struct) else []
    if isinstance(value, dict):
        return [head, *lines, *(f"{inside}{key}: {_inline(item)}" for key, item in value.items())]
    for number, item in enumerate(value):
        if _is_deep(struct):
            lines.append(f"{inside}-")
            lines += _fields(item, inside + "  ", explained=number == 0)
        else:
            lines.append(f"{inside}- {_inline(item)}")
    return [head, *lines]


def _fields(value: msgspec.Struct, indent: str, *, explained: bool = True) -> list[str]:
    lines: list[str] = []
    for name, setting in settings_of(type(value)).items():
        lines += _comment(setting.description, indent) if explained else []
        if struct_in(setting.type) is None or not getattr(value, name):
            for example in setting.examples:
                lines.append(f"{indent}# For example: {{{name}: {_inline(example)}}}")
        lines += _entry(setting, getattr(value, name), indent)
    return lines


def _legend(struct: type[msgspec.Struct], indent: str) -> list[str]:
    return [line for s in settings_of(struct).values() for line in _comment(f"{s.name}: {s.description}", indent)]


def _is_deep(struct: type[msgspec.Struct]) -> bool:
    return any(struct_in(setting.type) is not None for setting in settings_of(struct).values())


def _example(name: str, example: Any) -> str:
    lines = [f"{name}:", *(f"  {key}: {_inline(item)}" for key, item in example.items())]
    return "\n".join(lines) + "\n"


def _inline(value: Any) -> str:
    """A value in one line of YAML. Words that YAML could take for something else are quoted."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_inline(key)}: {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int):
        return f"{value:_}" if value >= 1_000_000 else str(value)
    if isinstance(value, float):
        return f"{value:g}"
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", value) and value.lower() not in (
        *("true", "false", "null", "yes", "no", "on", "off", "y", "n"),
    )
    return str(value) if plain else json.dumps(value, ensure_ascii=False)
