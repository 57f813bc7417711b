"""Several processes behind one port: one may die, and all stop cleanly together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml

from deskbell import workers
from deskbell.testing.desk import SECRET
from deskbell.testing.ports import free_port
from deskbell.testing.servers import children_of

PATIENCE_S = 40.0


def workers_of(parent: int) -> set[int]:
    """The processes a supervisor has now."""
    return set(children_of(parent))


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.1)


class Served:
    """``deskbell serve --workers 2``, the parent of which is :attr:`supervisor`."""

    def __init__(self, supervisor: asyncio.subprocess.Process, http: httpx.AsyncClient) -> None:
        self.supervisor = supervisor
        self._http = http

    @property
    def workers(self) -> set[int]:
        return workers_of(self.supervisor.pid)

    async def answers(self) -> bool:
        try:
            return (await self._http.get("/health/ready")).status_code == 200
        except httpx.TransportError:
            return False


@pytest_asyncio.fixture
async def served(postgres_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Served]:
    port = free_port()
    config = tmp_path / "config.yaml"
    settings = {"store": {"url": postgres_url}, "bus": {"url": redis_url}, "auth": {"secret": SECRET}}
    config.write_text(yaml.safe_dump({**settings, "server": {"port": port}}), encoding="utf-8")
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deskbell", "serve", "--workers", "2", "--config", str(config)
    )
    started: set[int] = set()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False) as http:
            served = Served(supervisor, http)
            await eventually(lambda: len(served.workers) == 2)
            await eventually(served.answers)
            started = served.workers
            yield served
    finally:
        if supervisor.returncode is None:
            started |= workers_of(supervisor.pid)
            supervisor.kill()
            await supervisor.wait()
        for pid in started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def gone(pids: set[int]) -> bool:
    """Whether none of these processes runs any more."""
    return not any(runs(pid) for pid in pids)


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # ended, and nobody has asked for its status


async def test_a_worker_that_dies_is_started_again_and_all_stop_together(served: Served) -> None:
    """While one is away the other answers; told to stop, the parent's status says that all went well."""
    before = served.workers

    os.kill(min(before), signal.SIGKILL)
    await eventually(lambda: len(served.workers - before) == 1)
    assert len(served.workers) == 2
    await eventually(served.answers)

    served.supervisor.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(served.supervisor.wait(), PATIENCE_S) == 0


@pytest.mark.parametrize("status", [2, 3])
def test_workers_that_refuse_to_start_are_not_started_for_ever(status: int) -> None:
    """What one of them is refused the next is refused as well: the whole ends, with their status."""
    # Only where they are started again and again is it ever needed to tell them to stop.
    stop = threading.Timer(PATIENCE_S, os.kill, (os.getpid(), signal.SIGTERM))
    stop.start()
    listener = workers.bind("127.0.0.1", 0)
    command = [sys.executable, "-S", "-c", f"raise SystemExit({status})"]

    try:
        assert workers.Supervisor(command, 2, listener, drain_s=1).run() == status
    finally:
        stop.cancel()


async def test_a_terminal_that_is_closed_stops_all_as_if_it_had_been_asked_to(served: Served) -> None:
    workers = served.workers

    served.supervisor.send_signal(signal.SIGHUP)

    assert await asyncio.wait_for(served.supervisor.wait(), PATIENCE_S) == 0
    assert gone(workers)


async def test_workers_do_not_outlive_a_parent_that_is_killed(served: Served) -> None:
    """Nobody is left at the port, so that it can be started again."""
    workers = served.workers

    served.supervisor.kill()
    await served.supervisor.wait()

    await eventually(lambda: gone(workers))
    assert not await served.answers()
