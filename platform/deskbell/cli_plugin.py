"""The command line for those who write plugins: begin one, and check what it owes the desk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from deskbell.plugin_template import KINDS, NotWritten, write

if TYPE_CHECKING:
    from deskbell.testing.conformance import Report, Result

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_NEXT = {
    "cd {folder}": "",
    "pip install -e '.[test]'": "into the environment of Deskbell",
    "pytest": "does it do what it is for?",
    "deskbell plugin check .": "does it keep what it owes the desk?",
    "deskbell serve": "config.yaml, there, switches it on",
}
_SIGNS = {"passed": "[green]✓[/]", "failed": "[red]✗[/]", "skipped": "[dim]–[/]"}


def _examples(*lines: str) -> str:
    """As below the other commands, in :mod:`deskbell.cli`."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@click.group()
def plugin() -> None:
    """For authors of plugins."""


@plugin.command(
    epilog=_examples("deskbell plugin new acme_rooms", "deskbell plugin new acme_bot --kind bot --into plugins")
)
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(list(KINDS)), default="channel", show_default=True, help="What the plugin is to be."
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    show_default=True,
    help="The folder in which the plugin's folder is made.",
)
def new(name: str, kind: str, into: Path) -> None:
    """Begin a plugin that works.

    Makes a folder with a module, its tests, a configuration that switches it on, and what pip needs.
    Exit status: 2 when nothing was made.
    """
    try:
        folder = write(name, kind, into)
    except NotWritten as error:
        err.print(str(error), markup=False, soft_wrap=True)
        raise SystemExit(2) from None
    out.print(f"[bold]{escape(str(folder))}[/] is {KINDS[kind]}. It works already:\n", soft_wrap=True)
    for command, meaning in _NEXT.items():
        line = command.format(folder=folder)
        out.print(Text(f"  {line:<26}" if meaning else f"  {line}"), Text(meaning, style="dim"), soft_wrap=True)


@plugin.command(
    epilog=_examples(
        "deskbell plugin check .",
        "deskbell plugin check acme_rooms.py --config config.yaml",
        "deskbell plugin check escalation --json",
    )
)
@click.argument("path")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Settings file whose plugins.NAME.settings the plugin is checked with. Default: its own defaults.",
)
@click.option(
    "--patience", "patience_s", type=click.FloatRange(1, 600), help="Seconds until a call counts as hung. Default: 15."
)
@click.option(
    "--turn", "turn_s", type=click.FloatRange(0.1, 600), help="Seconds that a bot may take for a turn. Default: 5."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def check(path: str, config_file: Path | None, patience_s: float | None, turn_s: float | None, as_json: bool) -> None:
    """Check that a plugin keeps what it owes the desk.

    That it is found, answers in time, stops when it is told to, keeps rooms apart, leaks nothing, and more.
    PATH is the plugin's folder, a Python file, a module, or the name of an installed plugin. It runs in a process
    of its own, without a network: whoever it talks to is away, or silent.
    Exit status: 1 when something failed, 2 when there is no plugin.
    """
    from deskbell.testing.conformance import PATIENCE_S, TURN_S, NoPlugin
    from deskbell.testing.conformance import check as examine

    try:
        reports = examine(
            path,
            settings=_settings(config_file),
            patience_s=PATIENCE_S if patience_s is None else patience_s,
            turn_s=TURN_S if turn_s is None else turn_s,
        )
    except NoPlugin as error:
        err.print(str(error), markup=False, soft_wrap=True)
        raise SystemExit(2) from None
    if as_json:
        shown = [{"plugin": r.plugin, "passed": r.passed, "results": r.results} for r in reports]
        click.echo(msgspec.json.encode(shown).decode())
    else:
        for report in reports:
            _show(report)
    raise SystemExit(0 if all(report.passed for report in reports) else 1)


def _settings(config_file: Path | None) -> dict[str, dict[str, Any]]:
    if config_file is None:
        return {}
    from deskbell.config import ConfigError, load

    try:
        loaded = load(config_file, os.environ)
    except ConfigError as error:
        for problem in error.problems:
            err.print(problem, markup=False, soft_wrap=True)
        raise SystemExit(2) from None
    return {name: dict(switch.settings) for name, switch in loaded.settings.plugins.items()}


def _show(report: Report) -> None:
    """A line for each check; one that failed for several things has a line for each."""
    from deskbell.testing.conformance import CHECKS

    def line(outcome: str, name: str, said: str) -> None:
        dim = "dim" if outcome == "skipped" else ""
        out.print(f"{_SIGNS[outcome]} {name:<{max(map(len, CHECKS))}}  ", Text(said, style=dim), sep="", soft_wrap=True)

    out.print(f"[bold]{escape(report.plugin)}[/]")
    for name, promise in CHECKS.items():
        found = [result for result in report.results if result.check == name]
        failed = [result for result in found if result.outcome == "failed"]
        passed = [result for result in found if result.outcome == "passed"]
        for result in failed:
            line("failed", name, _sentence(result))
        if passed and not failed:
            # What could not be asked at all is worth a word, once.
            notes = [result for result in (found if name == "answers" else passed) if result.says]
            line("passed", name, " ".join([f"It {promise}.", *map(_sentence, notes)]))
        elif not failed:
            why = "; ".join(sorted({result.says for result in found if result.says})) or "nothing to look at"
            line("skipped", name, f"Not looked at: {why}.")
    if report.passed:
        out.print(f"[green]{escape(report.plugin)} keeps what it owes the desk.[/]")
    else:
        count = len({result.check for result in report.failed})
        out.print(f"[red]{escape(report.plugin)} fails {count} of {len(CHECKS)} checks.[/]")


def _sentence(result: Result) -> str:
    about = f"{result.subject}: " if result.subject else ""
    stop = "" if result.says.endswith((".", "?", "!")) else "."
    return f"{about}{result.says}{stop}" + (f" ({result.where})" if result.where else "")
