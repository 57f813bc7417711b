"""The processes of a run: ``deskbell serve`` several times, one PostgreSQL, one Valkey, and links between them.

Every process is ours and is ended by its id. All settings of a run are in one generated file; what differs
between instances (ports, addresses of their own links) is given by environment variables.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import yaml

from deskbell.store.migrate import known, migrate
from deskbell.testing.faults.proxy import Link
from deskbell.testing.ports import free_port
from deskbell.testing.servers import PostgresServer, ServerFailed, ValkeyServer

SECRET = "signs what the fault harness needs signed: 9f8e7d6c5b4a39281706"
READY_WITHIN_S = 60.0
DRAIN_S = 10.0
PING_S = 3.0

NEWER = """
CREATE TABLE newer_{number} (tenant_id uuid NOT NULL, id uuid NOT NULL, PRIMARY KEY (tenant_id, id));
ALTER TABLE messages ADD COLUMN newer_{number} text;
ALTER TABLE rooms ADD COLUMN newer_{number} bigint NOT NULL DEFAULT 0;
ALTER TABLE participants ADD COLUMN newer_{number} boolean NOT NULL DEFAULT false;
ALTER TABLE users ADD COLUMN newer_{number} text;
CREATE INDEX messages_newer_{number} ON messages (tenant_id, newer_{number}) WHERE newer_{number} IS NOT NULL;
"""
"""A migration as a newer version might bring it: over the tables that are busiest."""


def settings(database_url: str, bus_url: str, *, silence_s: float = 20.0) -> dict[str, Any]:
    """The settings of every instance of a run: roomy limits, short leases, quick heartbeats.

    Leases and bot deadlines are short so that what a killed process held is taken up within the run.
    """
    bus: dict[str, Any] = {"url": bus_url}
    if bus_url.startswith("memory"):
        # Without a bus the poll alone brings the news from other instances.
        bus["tip_poll_s"] = 0.25
    return {
        "server": {"drain_s": DRAIN_S, "heartbeat_s": PING_S, "silence_s": silence_s},
        "store": {"url": database_url, "pool_size": 6},
        "bus": bus,
        "auth": {"secret": SECRET},
        "jobs": {"tick_s": 0.5, "lease_s": 4.0, "backoff_base_s": 0.5, "backoff_cap_s": 4.0},
        "turns": {"collect_ms": 50, "deadline_s": 3.0},
        "limits": {
            "frames_per_min": 1_000_000,
            "messages_per_min": 100_000,
            "message_burst": 10_000,
            "agent_messages_per_min": 100_000,
            "agent_burst": 10_000,
            "connections_per_user": 100,
            "connections_per_agent": 100,
            "new_visitors_per_min_per_prefix": 100_000,
            "unauthenticated_sockets_per_prefix": 10_000,
            "login_attempts_per_min": 100_000,
        },
        "logging": {"level": "warning", "format": "json"},
    }


class Instance:
    """One ``deskbell serve``. Clients reach it through :attr:`door`, it reaches its database through :attr:`store`."""

    def __init__(self, number: int, config: Path, folder: Path, links: Mapping[str, Link]) -> None:
        self.number = number
        self.port = free_port()
        self.log_path = folder / f"instance-{number}.log"
        self.links = dict(links)
        self._config = config
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.stopped = False
        self.starts = 0

    @property
    def door(self) -> Link:
        """What clients connect through."""
        return self.links["door"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.door.port}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the instance was never started"
        return self._process.pid

    def launch(self, environ: Mapping[str, str]) -> None:
        """Start the process, without waiting for it."""
        assert not self.running, f"instance {self.number} runs"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deskbell", "serve", "--config", str(self._config), "--port", str(self.port)],
                env={**os.environ, **environ},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.starts += 1
        self.stopped = False

    async def ready(self) -> None:
        """Return when it takes sockets.

        Raises:
            ServerFailed: It ended, or was not ready in time; the text ends with its log.
        """
        deadline = time.monotonic() + READY_WITHIN_S
        async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
            while time.monotonic() < deadline:
                if not self.running:
                    raise ServerFailed(f"instance {self.number} ended at its start:\n{self.log()}")
                with contextlib.suppress(httpx.HTTPError):
                    answer = await http.get(f"http://127.0.0.1:{self.port}/api/v1/health/ready")
                    if answer.status_code == 200:
                        return
                await asyncio.sleep(0.1)
        raise ServerFailed(f"instance {self.number} was not ready within {READY_WITHIN_S:g} s:\n{self.log()}")

    def log(self, last_bytes: int = 4000) -> str:
        """The end of what it has written."""
        try:
            return self.log_path.read_bytes()[-last_bytes:].decode(errors="replace")
        except OSError:
            return "(no log)"

    def kill(self) -> None:
        """SIGKILL: what was not committed is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self.stopped = False

    def pause(self) -> None:
        """SIGSTOP: it lives, holds its locks and sockets, and does nothing."""
        self._signal(signal.SIGSTOP)
        self.stopped = True

    def go_on(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)
        self.stopped = False

    async def drain(self) -> int:
        """SIGTERM; the status it ends with.

        Raises:
            ServerFailed: It did not end in the time it is given.
        """
        self._signal(signal.SIGTERM)
        assert self._process is not None
        deadline = time.monotonic() + DRAIN_S + 20
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                self.kill()
                raise ServerFailed(f"instance {self.number} did not stop when it was told to:\n{self.log()}")
            await asyncio.sleep(0.02)
        return int(self._process.returncode)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


class Installation:
    """Everything of a run that is a process or a link. Use :meth:`open`."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        # Absolute, because the instances work in it: a relative one they would look for there again.
        self.folder = folder.absolute()
        self.chance = chance
        self.postgres = PostgresServer()
        self.valkey: ValkeyServer | None = None
        self.instances: list[Instance] = []
        self.database_url = ""
        self._migrations: Path | None = None
        self._links: list[Link] = []
        self._environs: dict[int, dict[str, str]] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        count: int,
        chance: random.Random,
        *,
        redis: bool,
        folder: Path | None = None,
        change: Callable[[dict[str, Any]], None] = lambda config: None,
    ) -> Any:
        """Start ``count`` instances and what they need; end it all.

        Args:
            redis: With a Valkey between them; else the tip poll alone tells them of one another.
            folder: For configuration and logs; else a temporary one that is removed.
            change: May change the settings before they are written.
        """
        made = Path(tempfile.mkdtemp(prefix="deskbell-faults-")) if folder is None else folder
        made.mkdir(parents=True, exist_ok=True)
        self = cls(made, chance)
        try:
            await self._start(count, redis, change)
            yield self
        finally:
            await self._stop()
            if folder is None:
                shutil.rmtree(made, ignore_errors=True)

    async def _start(self, count: int, redis: bool, change: Callable[[dict[str, Any]], None]) -> None:
        await asyncio.to_thread(self.postgres.start)
        self.database_url = await asyncio.to_thread(self.postgres.create_database, "deskbell")
        await migrate(self.database_url)
        if redis:
            self.valkey = ValkeyServer()
            await asyncio.to_thread(self.valkey.start)
        config = settings(self.database_url, self.valkey.url() if self.valkey else "memory://")
        change(config)
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        for number in range(count):
            await self._add(number, path)
        for instance in self.instances:
            instance.launch(self._environs[instance.number])
        await asyncio.gather(*(instance.ready() for instance in self.instances))

    async def _add(self, number: int, config: Path) -> None:
        store = await self._link(self.postgres.port)
        environ = {"DESKBELL_STORE__URL": _with_port(self.database_url, store.port)}
        links = {"store": store}
        if self.valkey is not None:
            links["bus"] = await self._link(self.valkey.port)
            environ["DESKBELL_BUS__URL"] = _with_port(self.valkey.url(), links["bus"].port)
        instance = Instance(number, config, self.folder, links)
        instance.links["door"] = await self._link(instance.port)
        self._environs[number] = environ
        self.instances.append(instance)

    async def _link(self, target: int) -> Link:
        link = Link(target, random.Random(self.chance.random()))
        await link.start()
        self._links.append(link)
        return link

    async def _stop(self) -> None:
        for instance in self.instances:
            instance.kill()
        for link in self._links:
            await link.close()
        if self.valkey is not None:
            await asyncio.to_thread(self.valkey.remove)
        await asyncio.to_thread(self.postgres.remove)

    async def start_again(self, instance: Instance) -> None:
        """Start an instance that has ended, on its old port, and wait until it takes sockets."""
        instance.launch(self._environs[instance.number])
        await instance.ready()

    async def migrate_further(self) -> str:
        """What a newer version would do first: its migration is applied while all run. Its name."""
        if self._migrations is None:
            self._migrations = Path(tempfile.mkdtemp(prefix="migrations-", dir=self.folder))
            for migration in known():
                (self._migrations / f"{migration.name}.sql").write_text(migration.script, encoding="utf-8")
        number = len(list(self._migrations.iterdir())) + 1
        script = NEWER.format(number=number)
        (self._migrations / f"{number:04}_newer.sql").write_text(script, encoding="utf-8")
        (done,) = await migrate(self.database_url, folder=self._migrations)
        return done

    def heal(self) -> None:
        """Mend every link; let whoever is paused go on."""
        for link in self._links:
            link.heal()
        for instance in self.instances:
            if instance.stopped:
                instance.go_on()

    async def sql(self, statement: str) -> str:
        """Run something on the database, past all links.

        Raises:
            ServerFailed: It failed, or nobody answers.
        """
        return await asyncio.to_thread(self.postgres.run_sql, statement, dbname="deskbell")

    async def end_all_connections(self) -> None:
        """Every connection of every instance to PostgreSQL is terminated, wherever it is in its work."""
        await self.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = 'deskbell' AND pid <> pg_backend_pid()"
        )

    async def hold(self, what: str, seconds: float) -> None:
        """Hold a lock from outside for some seconds: ``what`` is a statement that takes one."""
        await self.sql(f"{what}; SELECT pg_sleep({seconds})")


def _with_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{host}:{port}"))
