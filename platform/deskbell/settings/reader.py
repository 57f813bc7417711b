"""From what was written to one typed, frozen record, or every reason why not.

Nothing here knows Deskbell's own settings: :func:`read` takes any tree of
:class:`msgspec.Struct` classes. It promises that

- every mistake of a file and of the environment is reported at once, each with its file and
  line (or its variable), the path of the setting, and what would be right;
- an unknown key is a mistake, never ignored, and a near miss is answered with the right name;
- the value of a secret never appears in a report.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from deskbell.settings.declared import (
    Setting,
    bare,
    expected,
    is_plain,
    item_of,
    joined,
    paths,
    settings_of,
    struct_in,
    value_of,
    without_none,
)
from deskbell.settings.written import (
    ENVIRONMENT,
    ConfigError,
    Given,
    Problem,
    from_environment,
    laid_over,
    opened,
    parse,
)

_T = TypeVar("_T", bound=msgspec.Struct)


class Wrong(ValueError):
    """Raised by a Struct's ``__post_init__``: its ``field`` does not go with the others, and why."""

    def __init__(self, field: str, sentence: str) -> None:
        self.field = field
        super().__init__(f"{field}: {sentence}")
        self.sentence = sentence


_FAILED: Any = object()


@dataclass
class _Reading:
    """One pass over a tree: what went wrong, and where each value came from."""

    top: type[msgspec.Struct]
    problems: list[Problem] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)

    def wrong(self, given: Given, path: str, sentence: str) -> Any:
        self.problems.append(Problem(given.place, path, sentence, given.order))
        return _FAILED

    def value(self, kind: Any, given: Given, path: str, base: Any = None, secret: str = "") -> Any:
        """``given`` as ``kind``, laid over ``base``; ``_FAILED`` once a problem has been noted."""
        name = path.rpartition(".")[2]
        kind, optional = without_none(kind)
        if optional and (given.value is None or (given.text and given.value in ("", "null"))):
            self.sources[path] = given.source
            return None
        inner = bare(kind)
        if given.text and inner is not Any and not is_plain(inner):
            try:
                given = opened(given)
            except ConfigError as error:
                return self.wrong(given, path, error.problems[0].sentence)
        if item_of(inner) is not None:
            return self.checked(kind, self.items(kind, given, path, base), given, path)
        if value_of(inner) is not None:
            return self.checked(kind, self.named(kind, given, path, base), given, path)
        if struct_in(inner):
            return self.struct(inner, given, path, base)
        if inner is Any:
            return self.plain(given, path)
        return self.leaf(kind, given, path, name, secret)

    def struct(self, struct: type[msgspec.Struct], given: Given, path: str, base: Any = None) -> Any:
        given_here = {} if given.value is None else given.value  # a section whose lines are all comments
        if not isinstance(given_here, dict):
            return self.wrong(given, path, f"expected a mapping (name: value), got {_kind(given.value)}")
        known = settings_of(struct)
        values: dict[str, Any] = {} if base is None else msgspec.structs.asdict(base)
        before = len(self.problems)
        for key, item in given_here.items():
            setting = known.get(key)
            if setting is None:
                setting = known.get(key.removesuffix("_file"))
                if setting is None or not setting.secret:
                    self.wrong(item, joined(path, key), self.unknown(key, known, path))
                    continue
                values[setting.name] = self.from_file(setting, item, given_here.get(setting.name), path, values)
                continue
            rival = given_here.get(f"{key}_file") if setting.secret and f"{key}_file" not in known else None
            if rival is not None and rival.source == ENVIRONMENT != item.source:
                continue
            values[key] = self.value(
                setting.type, item, joined(path, key), values.get(key, setting.default), setting.secret
            )
        for name, setting in known.items():
            if setting.required and name not in values:
                needs = expected(setting.type, name)
                self.wrong(given, joined(path, name), f"is missing; expected {needs}")
        if len(self.problems) > before:
            return _FAILED
        try:
            return struct(**values)
        except Wrong as error:
            item = given_here.get(error.field, given)
            return self.wrong(item, joined(path, error.field), error.sentence)

    def from_file(self, setting: Setting, item: Given, direct: Given | None, path: str, values: dict[str, Any]) -> Any:
        path_here = joined(path, setting.name)
        if direct is not None and (direct.source == ENVIRONMENT) == (item.source == ENVIRONMENT):
            return self.wrong(item, path_here, f"given twice, as {setting.name} and as {setting.name}_file; use one")
        if direct is not None and direct.source == ENVIRONMENT:
            return values.get(setting.name, setting.default)  # the variable wins over the file's *_file
        if not isinstance(item.value, str) or not item.value:
            return self.wrong(item, f"{path_here}_file", "expected the path of a file")
        try:
            content = Path(item.value).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            return self.wrong(item, f"{path_here}_file", f"cannot read {item.value}: {why}")
        read = Given(content, item.place, item.source, item.order)
        return self.value(setting.type, read, path_here, setting.default, setting.secret)

    def checked(self, kind: Any, value: Any, given: Given, path: str) -> Any:
        """``value`` within the bounds that its type sets, such as a least length."""
        parts = value.values() if isinstance(value, dict) else value
        if value is _FAILED or kind is bare(kind) or any(part is _FAILED for part in parts):
            return value
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            return self.wrong(given, path, str(error))

    def items(self, kind: Any, given: Given, path: str, base: Any) -> Any:
        self.sources[path] = given.source
        if given.value is None:
            return base if base is not None else bare(kind)()
        items, inner = given.value, item_of(kind)
        if isinstance(items, dict) and given.source == ENVIRONMENT and all(key.isdigit() for key in items):
            # DESKBELL_TENANTS__0__… without a list in the file is laid over the default list.
            numbered = dict(enumerate(base or ()))
            for index, item in sorted((int(key), item) for key, item in items.items()):
                numbered[index] = self.value(inner, item, f"{path}[{index}]", numbered.get(index))
            return bare(kind)(numbered[index] for index in sorted(numbered))
        if not isinstance(items, list):
            return self.wrong(given, path, f"expected {expected(kind)}, got {_kind(items)}")
        return bare(kind)(self.value(inner, item, f"{path}[{number}]") for number, item in enumerate(items))

    def named(self, kind: Any, given: Given, path: str, base: Any) -> Any:
        self.sources[path] = given.source
        result = dict(base or {})
        if given.value is None:
            return result
        if not isinstance(given.value, dict):
            return self.wrong(given, path, f"expected {expected(kind)}, got {_kind(given.value)}")
        inner = value_of(kind)
        for key, item in given.value.items():
            result[key] = self.value(inner, item, joined(path, key), result.get(key))
        return result

    def plain(self, given: Given, path: str) -> Any:
        """Data whose type is known to somebody else, later."""
        if isinstance(given.value, dict):
            return {key: self.plain(item, joined(path, key)) for key, item in given.value.items()}
        if isinstance(given.value, list):
            return [self.plain(item, f"{path}[{number}]") for number, item in enumerate(given.value)]
        self.sources[path] = given.source
        return given.value

    def leaf(self, kind: Any, given: Given, path: str, name: str, secret: str) -> Any:
        self.sources[path] = given.source
        value = given.value
        needs = expected(kind, name)
        if value is None:
            return self.wrong(given, path, f"has no value; expected {needs}, or leave the line out for the default")
        if isinstance(value, dict | list):
            if is_plain(kind):
                return self.wrong(given, path, f"expected {needs}, got {_short(value)}")
            value = self.plain(given, path)
        try:
            # strict: in the file "8000" is text; in a variable it is what the setting takes.
            read = msgspec.convert(value.strip() if given.text and not secret else value, kind, strict=not given.text)
        except msgspec.ValidationError as error:
            if not is_plain(kind) and not secret:
                return self.wrong(given, path, str(error))
            got = "something else" if secret else _short(value)
            hint = "; put it in quotes" if bare(kind) is str and not isinstance(value, str) else ""
            return self.wrong(given, path, f"expected {needs}, got {got}{hint}")
        if isinstance(read, float) and not math.isfinite(read):
            return self.wrong(given, path, f"expected {needs}, got {_short(value)}")
        return read

    def unknown(self, key: str, known: Mapping[str, Setting], path: str) -> str:
        """The sentence about a key that nobody knows, with the one that was probably meant."""
        offered = [*known, *(f"{name}_file" for name, setting in known.items() if setting.secret)]
        elsewhere = [found for found in paths(self.top) if found.rpartition(".")[2] == key and found != key]
        # A slip of the pen in this section, else the right word in the wrong section, else what is nearest here.
        for cutoff, others in ((0.8, elsewhere), (0.6, [])):
            close = difflib.get_close_matches(key.lower().replace("-", "_"), offered, n=1, cutoff=cutoff)
            if meant := [joined(path, name) for name in close] or others:
                return f"unknown setting; did you mean {meant[0]}?"
        return f"unknown setting; known here: {', '.join(known)}"


def _kind(value: Any) -> str:
    """What stands where a section or list should, without its words: they may be a secret."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return "text" if isinstance(value, str) else "a single value"


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        return _kind(value)
    if isinstance(value, bool):
        return str(value).lower()
    words = repr(value)
    return words if len(words) <= 60 else words[:57] + "…'"


def read(
    struct: type[_T], file: Path | None, environ: Mapping[str, str], *, prefix: str
) -> tuple[_T, dict[str, str], Given]:
    """``struct`` from ``file`` (None: no file) with the environment laid over it.

    Returns: The record; for each path that was given its source (``<file>:<line>`` or
        ``environment``); and what was given, for :func:`section`.

    Raises:
        ConfigError: With all the mistakes found. Syntax errors stand alone, since what follows
            them cannot be read.
    """
    tree: Given | None = None
    problems: list[Problem] = []
    if file is not None:
        try:
            tree, problems = parse(file.read_text(encoding="utf-8-sig"), str(file))
        except OSError as error:
            raise ConfigError(Problem(str(file), "", f"cannot be read: {error.strerror}")) from None
        except UnicodeDecodeError:
            raise ConfigError(Problem(str(file), "", "is not UTF-8 text")) from None
    overlay, misnamed = from_environment(environ, prefix, struct)
    if tree is not None and tree.value is not None and not isinstance(tree.value, dict):
        raise ConfigError(Problem(tree.place, "", f"expected a mapping (name: value), got {_kind(tree.value)}"))
    given = laid_over(tree if tree is not None and tree.value is not None else None, overlay)
    reading = _Reading(struct, problems + misnamed)
    result = reading.struct(struct, given, "")
    if reading.problems:
        raise ConfigError(*reading.problems)
    return result, reading.sources, given


def section(struct: type[_T], given: Given, path: str, base: _T | None = None) -> _T:
    """The part of ``given`` under a dotted ``path`` as ``struct``, laid over ``base`` or the defaults.

    For settings whose type is known only later: a plugin's own, a channel type's overrides.
    Where nothing is given, that is all of it.

    Raises:
        ConfigError: With all the mistakes found, each with its line.
    """
    at = given
    for key in path.split("."):
        at = opened(at) if at.text else at
        if not isinstance(at.value, dict) or key not in at.value:
            at = Given(None, at.place, at.source, at.order)
            break
        at = at.value[key]
    at = opened(at) if at.text else at
    reading = _Reading(struct)
    result = reading.struct(struct, at, path, base)
    if reading.problems:
        raise ConfigError(*reading.problems)
    return result  # type: ignore[no-any-return]
