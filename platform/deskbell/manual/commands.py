"""The page of the command line, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator

import click

from deskbell import cli

_HEAD = """\
# Commands
<!-- asked: command line; cli; deskbell commands; options of deskbell serve; terminal; exit status -->

What `deskbell` can do. `deskbell COMMAND --help` says the same in the terminal; `python -m deskbell` is the same
program. Each command that needs settings takes them from `--config`, else from the file that `DESKBELL_CONFIG` names,
else from `./config.yaml`, else uses the [defaults](settings.md). This page is printed from the program by
`python -m deskbell.manual`.
"""
_TYPES = {"text": "TEXT", "file": "FILE", "directory": "FOLDER", "path": "PATH", "integer": "N", "integer range": "N"}


def markdown() -> str:
    return "\n".join([_HEAD, *(_section(name, command) for name, command in each(cli.main, "deskbell"))])


def each(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command with all its words, in the order of the program. Groups that do nothing are left out."""
    for name, command in group.commands.items():
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from each(command, f"{path} {name}")


def _section(name: str, command: click.Command) -> str:
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    options = [param for param in command.params if isinstance(param, click.Option) and not param.hidden]
    parts = [f"## {name}\n"]
    parts += [" ".join(paragraph.split()) + "\n" for paragraph in (command.help or "").split("\n\n")]
    examples = (command.epilog or "").partition("Examples:\n")[2]
    parts.append("```sh\n" + "".join(f"{line.strip()}\n" for line in examples.splitlines()) + "```\n")
    if taken := [argument for argument in arguments if argument.nargs == 1]:
        shown = (f"`{_argument(argument)}`" for argument in taken)
        parts.append(f"Takes {', '.join(shown)}.\n")
    if options:
        parts.append("| option | default | meaning |\n|---|---|---|\n" + "".join(_row(option) for option in options))
    return "\n".join(parts)


def _argument(argument: click.Argument) -> str:
    if isinstance(argument.type, click.Choice):
        return "|".join(argument.type.choices)
    return (argument.name or "").upper()


def _row(option: click.Option) -> str:
    names = ", ".join(option.opts)
    takes = "" if option.is_flag else f" {_TYPES.get(option.type.name, option.type.name.upper())}"
    default = f"`{option.default}`" if option.show_default and option.default is not None else ""
    meaning = option.help or ""
    if isinstance(option.type, click.IntRange):
        meaning += f" From {option.type.min} to {option.type.max}."
    if option.envvar:
        meaning += f" Also `{option.envvar}`."
    return f"| `{names}{takes}` | {default} | {meaning} |\n"
