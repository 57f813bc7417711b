"""The command line says what it does, and why it does not."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from deskbell import cli


def commands(group: click.Group = cli.main, path: str = "deskbell") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{path} {name}", command


COMMANDS = dict(commands())


def examples(command: click.Command) -> list[str]:
    return [line.strip() for line in (command.epilog or "").partition("Examples:\n")[2].splitlines()]


def parsed(line: str) -> click.Context:
    """What the program makes of a line, without doing it."""
    words = shlex.split(line.partition(" > ")[0].rpartition(" | ")[2])
    assert words.pop(0) == "deskbell"
    group: click.Command = cli.main
    context = click.Context(cli.main, info_name="deskbell")
    while isinstance(group, click.Group) and words and words[0] in group.commands:
        group = group.commands[words.pop(0)]
        context = click.Context(group, parent=context)
    return group.make_context(group.name, words, parent=context.parent)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_an_example_that_it_understands(name: str) -> None:
    found = examples(COMMANDS[name])
    assert found, "give it epilog=_examples(…)"
    for line in found:
        assert f"{name} " in f"{line} ", line
        if "--help" not in line:
            parsed(line)


def test_an_example_with_an_option_that_is_gone_is_found() -> None:
    with pytest.raises(click.UsageError):
        parsed("deskbell serve --no-such-option")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_in_one_line_what_it_does(name: str) -> None:
    """The list of commands cuts what is longer."""
    assert not COMMANDS[name].get_short_help_str(limit=60).endswith("...")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_says_what_it_does(name: str) -> None:
    options = [param for param in COMMANDS[name].params if isinstance(param, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.fixture
def taken() -> Iterator[int]:
    """A port where somebody else answers."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def run(folder: Path, *arguments: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deskbell", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=folder, check=False)


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_port_that_is_taken_is_told_in_a_sentence(command: str, taken: int, tmp_path: Path) -> None:
    done = run(tmp_path, command, "--port", taken)

    assert done.returncode == 3
    assert f"Something answers on port {taken} already. Stop it, or give another with --port.\n" in done.stderr
    assert "Errno" not in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []  # nothing was made for a server that never was


def test_whoever_serves_is_told_where(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deskbell", "serve", "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as served:
        assert served.stderr is not None
        patience = threading.Timer(30, served.kill)
        patience.start()
        try:
            assert any("Serving on 127.0.0.1 port " in line for line in served.stderr)
        finally:
            patience.cancel()
            served.terminate()


def test_an_address_of_another_machine_is_told_in_a_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "--host", "192.0.2.1", "--port", 0)

    assert done.returncode == 3
    assert "192.0.2.1 is no address of this machine. Give another with --host.\n" in done.stderr
