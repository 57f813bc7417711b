"""What somebody wrote, in a YAML file or in environment variables, and where each word of it stands.

YAML is read as its version 1.2 means it: only ``true`` and ``false`` are booleans, so
``receipts: off`` is the word "off"; a number with a colon or a leading zero is text.
Whether the words make sense is for :mod:`deskbell.settings.reader` to say.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import yaml

from deskbell.settings.declared import settings_of, struct_in

ENVIRONMENT = "environment"


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands, which setting it is about (may be empty), what would be right."""

    place: str
    path: str
    sentence: str
    order: int = field(default=0, compare=False)  # the line it is in; the environment comes last

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.path, self.sentence) if part)


class ConfigError(Exception):
    """The configuration cannot be used. ``problems`` holds every mistake found, in order of lines."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.order))
        super().__init__(*self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return f"configuration: {self.problems[0]}"
        return "\n  ".join([f"configuration: {len(self.problems)} problems", *map(str, self.problems)])


@dataclass(frozen=True)
class Given:
    """What somebody wrote, before it has a type: a scalar, ``dict[str, Given]`` or ``list[Given]``.

    ``text`` tells that it came from an environment variable, where everything is text.
    """

    value: Any
    place: str
    source: str
    order: int = 0
    text: bool = False


class _Loader(yaml.SafeLoader):
    """Composes nodes, which know their line, and types scalars as YAML 1.2 does."""


def _number(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(node.value.replace("_", ""))


def _fraction(loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(node.value.replace("_", ""))


_STR = "tag:yaml.org,2002:str"
_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern in (
    ("null", r"~|null|Null|NULL|"),
    ("bool", r"true|True|TRUE|false|False|FALSE"),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)"),
    ("float", r"[-+]?(?:(?:0|[1-9][0-9_]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?|(?:0|[1-9][0-9_]*)(?:\.|[eE][-+]?[0-9]+))"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), None)
_Loader.add_constructor("tag:yaml.org,2002:int", _number)
_Loader.add_constructor("tag:yaml.org,2002:float", _fraction)


def parse(text: str, name: str) -> tuple[Given | None, list[Problem]]:
    """The tree that ``text`` holds, None for an empty one, and what is wrong with its keys.

    ``name`` is the file as messages call it.

    Raises:
        ConfigError: The text is no YAML. Nothing can be said about what follows such a mistake.
    """
    problems: list[Problem] = []
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        tree = _given(loader, node, name, problems) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        sentence = f"this is no YAML: {error.problem or error.context}"
        if "\\t" in sentence:
            sentence += " (a tab; indent with spaces)"
        raise ConfigError(*problems, Problem(f"{name}:{line}", "", sentence, line)) from None
    except yaml.YAMLError as error:
        raise ConfigError(Problem(name, "", f"this is no YAML: {error}")) from None
    return tree, problems


def _natural_tag(loader: _Loader, node: yaml.Node) -> str:
    """What a node is when nobody wrote a tag before it."""
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return str(loader.resolve(type(node), node.value, (plain, not plain)))  # type: ignore[no-untyped-call]


def _given(
    loader: _Loader, node: yaml.Node, name: str, problems: list[Problem], above: tuple[yaml.Node, ...] = ()
) -> Given:
    line = node.start_mark.line + 1
    place = f"{name}:{line}"
    value: Any
    if any(node is one for one in above):
        problems.append(Problem(place, "", "an alias that contains itself", line))
        value = None
    elif node.tag not in (_STR, _natural_tag(loader, node)):
        shown = node.tag.replace("tag:yaml.org,2002:", "!!")
        problems.append(Problem(place, "", f"tags such as {shown} are not understood; write the value alone", line))
        value = None
    elif isinstance(node, yaml.MappingNode):
        value = {}
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            key_place = f"{name}:{key_line}"
            if not isinstance(key_node, yaml.ScalarNode):
                problems.append(Problem(key_place, "", "a key must be a single word", key_line))
                continue
            # Keys are taken as written: a plugin may be called `on`, a signing key 2026.
            key = key_node.value
            if key == "<<":
                problems.append(Problem(key_place, key, "merge keys are not understood; write the keys out", key_line))
                continue
            if key in value:
                problems.append(Problem(key_place, key, f"given twice; first at {value[key].place}", key_line))
            # A value that begins on a later line is still looked for at its key.
            child = _given(loader, value_node, name, problems, (*above, node))
            value[key] = Given(child.value, key_place, key_place, key_line)
    elif isinstance(node, yaml.SequenceNode):
        value = [_given(loader, item, name, problems, (*above, node)) for item in node.value]
    else:
        value = loader.construct_object(node)
    return Given(value, place, place, line)


def opened(given: Given) -> Given:
    """A section that one variable gives as a whole, as YAML or JSON, taken apart."""
    parsed, problems = parse(given.value, given.place)
    if problems:
        raise ConfigError(*problems)
    return _all_from(parsed, given) if parsed else Given(None, given.place, given.source, given.order)


def _all_from(given: Given, variable: Given) -> Given:
    """``given`` with every part attributed to ``variable``."""
    value = given.value
    if isinstance(value, dict):
        value = {key: _all_from(item, variable) for key, item in value.items()}
    elif isinstance(value, list):
        value = [_all_from(item, variable) for item in value]
    return Given(value, variable.place, variable.source, variable.order)


def from_environment(environ: Mapping[str, str], prefix: str, top: type[msgspec.Struct]) -> tuple[Given, list[Problem]]:
    """The tree that variables ``<prefix>SECTION__KEY`` spell out, and the mistakes in their names.

    A name without ``__`` counts only where it names a setting of the top level, or comes so
    close to a setting that it must be meant: Kubernetes puts variables of the form
    ``DESKBELL_PORT_8000_TCP`` into every pod beside a service of that name.
    """
    tree: dict[str, Given] = {}
    problems: list[Problem] = []
    known = settings_of(top)
    for number, name in enumerate(sorted(environ)):
        if not name.startswith(prefix):
            continue
        pieces = name.removeprefix(prefix).lower().split("__")
        place, order = f"environment variable {name}", 10_000_000 + number
        if len(pieces) == 1 and pieces[0] not in known:
            meant = _misspelt_variable(pieces[0], top)
            if meant and "://" not in environ[name]:
                right = prefix + meant.upper().replace(".", "__")
                problems.append(Problem(place, "", f"unknown setting; did you mean {right}?", order))
            continue
        at = tree
        for piece in pieces[:-1]:
            here = at.setdefault(piece, Given({}, place, ENVIRONMENT, order))
            if not isinstance(here.value, dict):
                problems.append(Problem(place, "", f"{here.place} already gives all of it; use one of the two", order))
                break
            at = here.value
        else:
            at[pieces[-1]] = Given(environ[name], place, ENVIRONMENT, order, text=True)
    return Given(tree, "", ENVIRONMENT, 10_000_000), problems


def _misspelt_variable(word: str, top: type[msgspec.Struct]) -> str | None:
    """The setting somebody meant who wrote DESKBELL_SERVER_PORT or DESKBELL_ENVIROMENT."""
    for section, setting in settings_of(top).items():
        struct = struct_in(setting.type)
        rest = word.removeprefix(f"{section}_")
        if struct and rest != word and {rest, rest.removesuffix("_file")} & set(settings_of(struct)):
            return f"{section}.{rest}"
    close = difflib.get_close_matches(word, settings_of(top), n=1, cutoff=0.85)
    return close[0] if close else None


def laid_over(below: Given | None, above: Given) -> Given:
    """Two trees as one; where both speak, ``above`` wins, key by key and item by item."""
    if below is None or not isinstance(above.value, dict):
        return above
    if isinstance(below.value, list) and above.value and all(key.isdigit() for key in above.value):
        items = list(below.value)
        for key, item in sorted(above.value.items(), key=lambda pair: int(pair[0])):
            if int(key) < len(items):
                items[int(key)] = laid_over(items[int(key)], item)
            else:
                items.append(item)
        return Given(items, below.place, below.source, below.order)
    if not isinstance(below.value, dict):
        # A section without lines, or a list with a key that is no number. A single word in place
        # of a section stays, so that the mistake is told.
        return above if below.value is None or isinstance(below.value, list) else below
    merged = dict(below.value)
    as_variable = {re.sub(r"\W", "_", key.lower()): key for key in merged}
    for key, item in above.value.items():
        key = as_variable.get(key, key)
        merged[key] = laid_over(merged.get(key), item)
    return Given(merged, below.place, below.source, below.order)
