"""What the manual names exists: commands with their options, routes, settings, variables, files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from deskbell import cli
from deskbell.app import openapi
from deskbell.config import Settings
from deskbell.settings.declared import item_of, joined, settings_of, struct_in, value_of

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if "decisions" not in path.parts)]
# Records of what was decided, and what stood where at that time, are not kept up to date.
SPANS = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^[ \t]*```(?:sh|console)?\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)


def texts() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        yield page.relative_to(ROOT).as_posix(), page.read_text("utf-8")


def spoken(pattern: str) -> set[tuple[str, str]]:
    """Where something is named: page and name."""
    found = re.compile(pattern)
    return {(page, match[1]) for page, text in texts() for match in found.finditer(text)}


def shown_commands() -> Iterator[tuple[str, str]]:
    for page, text in texts():
        lines = [line for body in FENCE.findall(text) for line in body.splitlines()]
        for line in [*lines, *SPANS.findall(text)]:
            for part in re.split(r"&&|\|(?!slots)", line.partition("  #")[0].partition(" > ")[0]):
                words = re.sub(r"^\S*\.venv/bin/", "", part.strip())
                if words.startswith("deskbell ") and "…" not in words and "COMMAND" not in words:
                    yield page, words


def parse(line: str) -> None:
    """As the program would; raises what it would say."""
    words = shlex.split(line)[1:]
    command: click.Command = cli.main
    context = click.Context(command, info_name="deskbell")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            if command.invoke_without_command:
                break
            raise click.UsageError(f"No such command: {words[0]}")
        command, words = found, words[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    if "--help" not in words and "--version" not in words and words:
        command.make_context(command.name, words, parent=context.parent)


def test_every_command_that_is_shown_is_understood() -> None:
    shown, wrong = set(shown_commands()), []
    assert len(shown) >= 20
    for page, line in shown:
        try:
            parse(line)
        except click.UsageError as error:
            if "Missing argument" not in str(error):  # named in a sentence, not shown as it is typed
                wrong.append(f"{page}: {line}: {error.format_message()}")
    assert wrong == []


@pytest.mark.parametrize("line", ["deskbell frobnicate", "deskbell serve --frob", "deskbell chat --url"])
def test_a_command_that_is_no_more_is_found(line: str) -> None:
    with pytest.raises(click.UsageError):
        parse(line)


async def test_every_route_that_is_named_exists() -> None:
    """A page may put a name of its own where the route takes one."""
    document = await openapi("webhooks")
    own = {"get": ["/openapi.json", "/docs", "/ws"]}
    served = [
        re.compile(re.sub(r"\\{\w+\\}", r"[^/]+", re.escape(f"{method.upper()} {path.removeprefix('/api/v1')}")))
        for path, methods in [*document["paths"].items(), *((path, own) for path in own["get"])]
        for method in methods
    ]
    named = {
        (page, f"{method} {path.removeprefix('/api/v1').partition('?')[0].rstrip('/')}")
        for page, text in texts()
        for method, path in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[\w/{}<>.-]+)", text)
    }
    assert len(named) > 50
    assert {(page, route) for page, route in named if not any(each.fullmatch(route) for each in served)} == set()


def declared(struct: type = Settings, under: str = "") -> Iterator[str]:
    for name, setting in settings_of(struct).items():
        path = joined(under, name)
        yield path
        if (inner := struct_in(setting.type)) is not None:
            nested = f"{path}[]" if item_of(setting.type) is not None else path
            yield from declared(inner, f"{path}.<name>" if value_of(setting.type) is not None else nested)


def test_every_setting_that_is_named_exists() -> None:
    known = set(declared())
    sections = "|".join(name for name in settings_of(Settings) if name not in ("plugins", "channels", "tenants"))
    named = spoken(rf"`((?:{sections})\.\w+)(?:`|:| )") | spoken(r"`(tenants\[\]\.[\w.\[\]]+)`")
    # Files and modules are written alike.
    code = ROOT / "platform" / "deskbell"
    named = {
        (page, name)
        for page, name in named
        if not name.endswith((".md", ".py", ".yaml", ".json")) and not (code / f"{name.replace('.', '/')}.py").exists()
    }
    assert len(named) > 15
    assert {(page, name) for page, name in named if name not in known} == set()


def test_every_variable_that_is_named_belongs_to_a_setting() -> None:
    known = {f"DESKBELL_{name.replace('.', '__').upper()}" for name in declared()}
    own = {"DESKBELL_CONFIG", "DESKBELL_URL", "DESKBELL_PASSWORD", "DESKBELL_SECTION__KEY", "DESKBELL_"}
    own |= {"DESKBELL_TOKEN"}
    own |= {"DESKBELL_API_EXAMPLES"}  # the tests'
    own |= {"DESKBELL_FACES"}  # the build's
    named = spoken(r"\b(DESKBELL_[A-Z_]*[A-Z](?:__\w+)*)\b")
    lists = ("DESKBELL_TENANTS__", "DESKBELL_PLUGINS__", "DESKBELL_CHANNELS")
    assert named
    assert {
        (page, name)
        for page, name in named
        if name.removesuffix("_FILE") not in known | own and not name.startswith(lists)
    } == set()


def test_every_file_of_the_project_that_is_named_exists() -> None:
    folders = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
    made_there = {"docker/.env", "docker/desk.yaml", "build/manual", "build/manual/index.html"}
    named = spoken(rf"`((?:{folders})/[\w./-]+)`")
    assert len(named) > 20
    assert {
        (page, name)
        for page, name in named
        if name not in made_there and not name.startswith("build/") and not (ROOT / name).exists()
    } == set()
