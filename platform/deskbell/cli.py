"""The command line. Each command parses, calls one thing, and says what came of it."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import shlex
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from deskbell.cli_plugin import plugin
from deskbell.cli_plugins import running
from deskbell.config import DEMO_PASSWORD, ConfigError, Loaded, Settings, find_file, load
from deskbell.explained import explain
from deskbell.production import check_production
from deskbell.version import __version__

if TYPE_CHECKING:
    from deskbell.app import Application

T = TypeVar("T")
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

CONFIG = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings file. Default: $DESKBELL_CONFIG, else ./config.yaml, else the built-in defaults.",
)


DEMO_FOLDER = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/demo"),
    show_default=True,
    help="Where the demo keeps its data.",
)


class _InOrder(click.Group):
    """Commands as they stand here: first what is needed first."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _examples(*lines: str) -> str:
    """What stands below a command's options. The manual prints it, and the suite parses each line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def _loaded(config_file: Path | None) -> Loaded:
    try:
        return load(config_file or find_file(os.environ), os.environ)
    except ConfigError as error:
        err.print("[bold red]The settings cannot be used.[/]")
        for problem in error.problems:
            err.print(f"  {problem}", markup=False)
        raise SystemExit(2) from None


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where it exists."""
    try:
        from uvloop import new_event_loop
    except ImportError:  # pragma: no cover - Windows
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


@click.group(
    cls=_InOrder,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_examples("deskbell demo", "deskbell chat", "deskbell COMMAND --help"),
)
@click.version_option(__version__, prog_name="deskbell")
def main() -> None:
    """Deskbell: when the bot does not know, the bell rings.

    To look around, start the demo, and talk to it from a second terminal.
    """


@main.command(
    epilog=_examples(
        "deskbell serve",
        "deskbell serve --config /etc/deskbell/config.yaml --port 9000",
        "deskbell serve --host 0.0.0.0 --workers 4",
    )
)
@CONFIG
@click.option("--host", help="Address to listen on; overrides the settings.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; overrides the settings.")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes behind the port; overrides the settings.")
@click.option("--fd", type=int, hidden=True, help="A listening socket that was handed over.")
@click.option("--parent-fd", type=int, hidden=True, help="A pipe that ends with the process that started this one.")
def serve(
    config_file: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    fd: int | None,
    parent_fd: int | None,
) -> None:
    """Serve until told to stop; SIGTERM and Ctrl+C drain first.

    Several workers need PostgreSQL and Redis. A database that does not answer yet is waited for (store.wait_s).
    Exit status: 2 for wrong settings, 3 when it cannot start.
    """
    if parent_fd is not None:
        from deskbell.workers import end_with_parent

        end_with_parent(parent_fd)
    settings = _loaded(config_file).settings
    count = workers if workers is not None else settings.server.workers
    if count > 1:
        raise SystemExit(_serve_many(settings, count, config_file, host, port))
    settings = msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, workers=1))
    raise SystemExit(_serve(settings, host, port, fd=fd))


def _serve_many(settings: Settings, count: int, config_file: Path | None, host: str | None, port: int | None) -> int:
    from deskbell import logs, workers
    from deskbell.store.database import StoreError
    from deskbell.store.waiting import until_there

    logs.configure(settings.logging)
    server = msgspec.structs.replace(settings.server, workers=count)
    problems = [p for p in check_production(msgspec.structs.replace(settings, server=server)) if "workers" in p]
    if problems:
        err.print("[bold red]Deskbell did not start.[/]")
        for problem in problems:
            err.print(problem, markup=False)
        return 3
    try:
        listener = workers.bind(host or settings.server.host, port if port is not None else settings.server.port)
    except OSError as error:
        err.print(_not_listening(error, host or settings.server.host, port or settings.server.port), markup=False)
        return 3
    try:
        _run(until_there(settings.store.url, settings.store.wait_s))  # once for all, rather than each by itself
    except StoreError as error:
        err.print("[bold red]Deskbell did not start.[/]")
        err.print(str(error), markup=False)
        return 3
    command = workers.serve_command(config_file or find_file(os.environ))
    return workers.Supervisor(command, count, listener, drain_s=settings.server.drain_s).run()


def _serve(
    settings: Settings,
    host: str | None,
    port: int | None,
    *,
    fd: int | None = None,
    front: str = "",
    beside: Callable[[Application], AbstractAsyncContextManager[object]] | None = None,
) -> int:
    """Serve until told to stop. ``front``: the page that is ``/``; ``beside``: what lives as long as the server."""
    from deskbell import logs
    from deskbell.app import Application, StartRefused
    from deskbell.plugins import PluginError
    from deskbell.store.database import StoreError
    from deskbell.store.waiting import until_there

    logs.configure(settings.logging)
    if fd is None:
        where = host or settings.server.host, port if port is not None else settings.server.port
        if problem := _unusable(*where):
            err.print(f"[bold red]Deskbell did not start.[/]\n{escape(problem)}")
            return 3

    async def work() -> int:
        try:
            await until_there(settings.store.url, settings.store.wait_s)
            application = await Application.open(settings, front=front)
        except (StartRefused, PluginError, StoreError) as error:
            err.print("[bold red]Deskbell did not start.[/]")
            err.print(str(error), markup=False)
            return 3
        try:
            # What was made at the start stays: looking through it at every collection costs for nothing.
            gc.collect()
            gc.freeze()
            # A message makes a few dozen objects that live for milliseconds: by default the collector would
            # look through thousands of sockets every 700 of them, and find nothing.
            gc.set_threshold(50_000, 20, 50)
            server = application.server(host=host, port=port)
            async with nullcontext() if beside is None else beside(application):
                await server.serve(None if fd is None else [socket.socket(fileno=fd)])
        except SystemExit as error:  # the port is taken, or the like
            return int(error.code or 0) if isinstance(error.code, int) else 1
        finally:
            await application.close()
        return 0

    return _run(work())


def _unusable(host: str, port: int) -> str:
    """Why nobody can listen there, and what to do; empty: somebody can."""
    from deskbell import workers

    try:
        workers.bind(host, port).close()
    except OSError as error:
        return _not_listening(error, host, port)
    return ""


def _not_listening(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Something answers on port {port} already. Stop it, or give another with --port."
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"{host} is no address of this machine. Give another with --host."
    if error.errno == errno.EACCES:
        return f"Port {port} is not for ordinary users. Give one above 1023 with --port."
    return f"Nobody can listen on {host}, port {port}: {error.strerror or error}."


@main.command(epilog=_examples("deskbell demo", "deskbell demo --port 8080 --folder /tmp/demo"))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port to listen on.")
@DEMO_FOLDER
def demo(host: str, port: int, folder: Path) -> None:
    """Serve a ready-made desk, to look around.

    A small shop with the widget, its assistant and people, a week of conversations, and visitors on demand, on
    SQLite; nothing need be set up. Not for the public: its passwords are known.
    """
    from deskbell.app import StartRefused
    from deskbell.demo import settings_of
    from deskbell.demo.life import FRONT, life
    from deskbell.demo.week import play
    from deskbell.store.database import StoreError

    settings = settings_of(load(None, {}).settings, folder, host, port)
    if problem := _unusable(host, port):
        err.print(problem, markup=False)
        raise SystemExit(3)
    out.print(f"[bold]Deskbell {__version__}[/]  (data in {folder}, Ctrl+C stops)\n", soft_wrap=True)
    if not (folder / "deskbell.sqlite3").exists():
        out.print("  [dim]Playing a week of conversations first; it takes a few seconds.[/]\n")
    try:
        _run(play(settings))
    except (StartRefused, StoreError) as error:
        err.print(f"[bold red]Deskbell did not start.[/]\n{escape(str(error))}")
        raise SystemExit(3) from None
    except Exception as error:
        err.print(f"The week could not be played: {error}. The demo goes on without it.", markup=False)
    _show_ways_in(settings.server.public_url, folder)
    raise SystemExit(_serve(settings, host, port, front=FRONT, beside=life))


def _show_ways_in(url: str, folder: Path) -> None:
    """Where the demo is. What is to be copied stays on one line, however narrow the terminal is."""
    from deskbell.demo.week import SHOP

    suffix = "" if url == "http://127.0.0.1:8000" else f" --url {url}"
    elsewhere = "" if folder == Path("var/demo") else f" --folder {shlex.quote(str(folder))}"
    out.print(f"  Open [bold cyan]{url}[/]: a shop with the assistant, and doors to the console.\n", soft_wrap=True)
    for name, line in (
        ("Console", f"{url}/console"),
        ("", "ana@demo.example (agent), ben@… (supervisor), kim@… (admin)"),
        ("", f"password {DEMO_PASSWORD}"),
        ("In the terminal", f"deskbell chat --site {SHOP}{suffix}"),
        ("", f"deskbell chat --agent ana@demo.example{suffix}"),
        ("API", f"{url}/api/v1/docs"),
        ("", f"deskbell token --demo{elsewhere} kim@demo.example"),
    ):
        out.print(f"  {name:17}{line}", markup=False, soft_wrap=True)


@main.command(
    epilog=_examples(
        "deskbell chat --name Maya",
        "deskbell chat --agent ana@demo.example",
        "deskbell chat --url https://desk.example.com --site my-site --state maya.json",
        "echo 'How do I write a bot?' | deskbell chat",
    )
)
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, envvar="DESKBELL_URL", help="The server.")
@click.option("--site", "site_key", default="demo-site", show_default=True, help="The site's public key.")
@click.option("--name", default="", help="How you are called, as a visitor.")
@click.option("--agent", "email", help="Log in as this agent instead of talking as a visitor.")
@click.option("--password", envvar="DESKBELL_PASSWORD", help="The agent's password; asked for when missing.")
@click.option("--state", type=click.Path(path_type=Path, dir_okay=False), help="File that keeps you over restarts.")
@click.option("--plain", is_flag=True, help="No colours or cursor movement; for pipes.")
def chat(
    url: str, site_key: str, name: str, email: str | None, password: str | None, state: Path | None, plain: bool
) -> None:
    """Talk as a visitor, or answer as an agent, in the terminal.

    /help lists what can be done there. Lines of a pipe are sent one by one, and a transcript comes out. Exit
    status: 1 when the server ended it, refused or could not be reached.
    """
    from deskbell import chat as terminal

    if email is not None and password is None:
        password = click.prompt("Password", hide_input=True, err=True)
    raise SystemExit(
        _run(terminal.run(url, site_key=site_key, name=name, email=email, password=password, state=state, plain=plain))
    )


@main.command(epilog=_examples("deskbell migrate", "deskbell migrate --check", "deskbell migrate --restored"))
@CONFIG
@click.option("--check", is_flag=True, help="Only say what is missing; exit 1 if anything is.")
@click.option("--restored", is_flag=True, help="This database comes from a backup: clients start anew.")
def migrate(config_file: Path | None, check: bool, restored: bool) -> None:
    """Bring the database's schema up to this version.

    Safe while instances run, and when run twice. Exit status: 3 when the schema was not changed, because the
    database cannot be reached, or is newer.
    """
    from deskbell.store import migrate as migrations
    from deskbell.store.database import StoreError

    url = _loaded(config_file).settings.store.url
    try:
        if check:
            missing = _run(migrations.pending(url))
            for name in missing:
                out.print(f"missing: {name}")
            raise SystemExit(1 if missing else 0)
        applied = _run(migrations.migrate(url))
        out.print("applied: " + ", ".join(applied) if applied else "The schema is up to date.")
        if restored:
            out.print(f"New incarnation: {_run(migrations.restored(url))}. Clients will start anew.")
    except StoreError as error:
        err.print(f"[bold red]The schema was not changed.[/] {error}", markup=True)
        raise SystemExit(3) from None


@main.command(
    "check-config", epilog=_examples("deskbell check-config", "deskbell check-config --config new.yaml --all")
)
@CONFIG
@click.option("--all", "everything", is_flag=True, help="Also settings that have their default.")
def check_config(config_file: Path | None, everything: bool) -> None:
    """Check the settings, and explain each.

    Shown are its value, where it came from and what it means, of those that are not at their default.
    Exit status: 2 for settings that cannot be used, 1 for plugins that are refused or, in production, unsafe values.
    """
    loaded = _loaded(config_file)
    shown = 0
    for item in explain(loaded.settings, loaded.sources):
        if everything or item.source != "default":
            # One under the other: a name that is cut to fit a column cannot be looked for.
            value, source = escape(str(item.value)), escape(item.source)
            out.print(f"[bold]{escape(item.path)}[/] = {value}  [dim]({source})[/]", soft_wrap=True)
            out.print(Padding(Text(item.description, style="dim"), (0, 0, 0, 4)))
            shown += 1
    problems = check_production(loaded.settings)
    wrong = _plugin_problems(loaded)
    for problem in wrong:
        err.print(f"[red]wrong[/] {problem}")
    for problem in problems:
        err.print(f"[yellow]not fit for production[/] {problem}")
    if not shown:
        out.print("All settings have their defaults. --all shows them.")
    strict = loaded.settings.environment == "production" and problems
    raise SystemExit(1 if wrong or strict else 0)


def _plugin_problems(loaded: Loaded) -> list[str]:
    from deskbell import offline
    from deskbell.plugins import PluginError

    try:
        host = offline.host_of(loaded.settings)
    except PluginError as error:
        return [str(error)]
    return [f"plugin {item['name']}: {item['reason']}" for item in host.describe() if item["state"] == "refused"]


main.add_command(plugin)


@main.group(cls=_InOrder, invoke_without_command=True, epilog=_examples("deskbell plugins", "deskbell plugins --json"))
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def plugins(context: click.Context, config_file: Path | None, as_json: bool) -> None:
    """List the plugins that are installed.

    With their state and version, what they offer, and why one was refused.
    Exit status: 1 when one is refused, 2 when the settings cannot be used.
    """
    if context.invoked_subcommand is None:
        _list_plugins(config_file, as_json)


def _list_plugins(config_file: Path | None, as_json: bool) -> None:
    from deskbell import offline
    from deskbell.plugins import PluginError

    settings = _loaded(config_file).settings
    try:
        host = offline.host_of(settings, _run(offline.switched(settings)))
    except PluginError as error:
        err.print(str(error), markup=False)
        raise SystemExit(2) from None
    described = host.describe()
    if as_json:
        click.echo(msgspec.json.encode(described).decode())
        return
    # A name that is cut cannot be given to the other commands.
    names = (Column(heading, no_wrap=True) for heading in ("Plugin", "Version", "State"))
    table = Table(*names, "Offers", "From", "Why not", box=None, pad_edge=False)
    colours = {"active": "green", "refused": "red", "disabled": "dim"}
    for item in described:
        offers = ", ".join(_counted(count, kind) for kind, count in item["offers"].items()) or "nothing as it is set"
        state, why = item["state"], escape(item["reason"])
        source = escape(item["source"].partition(" (")[0])
        table.add_row(item["name"], item["version"], f"[{colours[state]}]{state}[/]", offers, source, why)
    out.print(table)
    raise SystemExit(1 if any(item["state"] == "refused" for item in described) else 0)


plugins.add_command(running)


@plugins.command("enable", epilog=_examples("deskbell plugins enable moderation_words"))
@CONFIG
@click.argument("name")
def enable_plugin(config_file: Path | None, name: str) -> None:
    """Switch a plugin on, without a restart.

    What serves follows within seconds. What config.yaml switches off stays off.
    Exit status: 1 when it cannot be switched, 3 when the store does not answer.
    """
    _switch_plugin(config_file, name, True)


@plugins.command("disable", epilog=_examples("deskbell plugins disable moderation_words"))
@CONFIG
@click.argument("name")
def disable_plugin(config_file: Path | None, name: str) -> None:
    """Switch a plugin off, without a restart.

    What serves follows within seconds. A plugin whose rooms or conversations would be left without
    what they need cannot be switched off so.
    Exit status: 1 when it cannot be switched, 3 when the store does not answer.
    """
    _switch_plugin(config_file, name, False)


def _switch_plugin(config_file: Path | None, name: str, on: bool) -> None:
    from deskbell import offline
    from deskbell.plugins import PluginError
    from deskbell.store.database import StoreError

    settings = _loaded(config_file).settings
    try:
        _run(offline.switch(settings, name, on))
    except PluginError as error:
        err.print(str(error), markup=False)
        raise SystemExit(1) from None
    except StoreError as error:
        err.print(str(error), markup=False)
        raise SystemExit(3) from None
    out.print(f"{name} is switched {'on' if on else 'off'}.", markup=False)


def _counted(count: int, kinds: str) -> str:
    words = kinds.replace("_", " ")
    return f"{count} {words.removesuffix('s') if count == 1 else words}"


@main.command(epilog=_examples("deskbell token nora@shop.example", "deskbell token --demo kim@demo.example"))
@CONFIG
@click.argument("email")
@click.option("--tenant", default="default", show_default=True, help="The tenant's short name.")
@click.option("--demo", "of_demo", is_flag=True, help="For the desk of deskbell demo, which has a store of its own.")
@DEMO_FOLDER
def token(config_file: Path | None, email: str, tenant: str, of_demo: bool, folder: Path) -> None:
    """Print an access token, to try the API by hand.

    EMAIL is the address that a member or agent logs in with. The people of the settings are there once
    deskbell serve has run. What serves need not be stopped.
    """
    from deskbell.app import access_token
    from deskbell.demo import settings_of
    from deskbell.store.database import StoreError

    if of_demo:
        settings = settings_of(load(None, {}).settings, folder, "127.0.0.1", 8000)
    else:
        settings = _loaded(config_file).settings
    try:
        made = _run(access_token(settings, tenant, email))
    except StoreError as error:
        err.print(f"{error}{_of_the_demo(email, of_demo)}", markup=False)
        raise SystemExit(3) from None
    if made is None:
        err.print(
            f"There is nobody with the address {email} in {tenant}. deskbell serve adds those of the settings."
            f"{_of_the_demo(email, of_demo)}",
            markup=False,
        )
        raise SystemExit(1)
    click.echo(made)


def _of_the_demo(email: str, of_demo: bool) -> str:
    """What to do when somebody of the demo was looked for elsewhere."""
    return "" if of_demo or not email.endswith("@demo.example") else " For those of deskbell demo add --demo."


@main.command(epilog=_examples("deskbell schema frames > frames.json", "deskbell schema openapi > openapi.json"))
@click.argument("what", type=click.Choice(["frames", "openapi"]), default="frames")
def schema(what: str) -> None:
    """Print the contract with clients, for programs.

    frames: the JSON Schema of all socket frames. openapi: the OpenAPI document of the REST routes.
    """
    if what == "frames":
        from deskbell.wire.schema import frames_schema

        click.echo(msgspec.json.format(msgspec.json.encode(frames_schema())).decode())
        return
    from deskbell.app import openapi

    click.echo(msgspec.json.format(msgspec.json.encode(_run(openapi()))).decode())


@main.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    epilog=_examples("deskbell bench --help", "deskbell bench fanout --members 200 --no-peers"),
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Measure Deskbell on this machine.

    Fan-out, sends, instances, growth and latency, with other servers beside it. Needs the extra bench. Its
    options: deskbell bench --help.
    """
    try:
        from deskbell.bench import main as measuring
    except ImportError as error:
        err.print(f"{error}. Install the extra: pip install 'deskbell\\[bench]'")
        raise SystemExit(2) from None
    raise SystemExit(measuring.run(list(arguments)))


if __name__ == "__main__":
    sys.exit(main())
