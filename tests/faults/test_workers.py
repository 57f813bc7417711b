"""Several processes behind one port: one may die, and all stop cleanly together."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml

from deskbell.testing.desk import SECRET, free_port

PATIENCE_S = 40.0


def workers_of(parent: int) -> set[int]:
    """The processes a supervisor has now."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
    return {int(pid) for pid in children.split()}


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.1)


async def test_a_worker_that_dies_is_started_again_and_all_stop_together(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    """While one is away the other answers; told to stop, the parent's status says that all went well."""
    port = free_port()
    config = tmp_path / "config.yaml"
    settings = {"store": {"url": postgres_url}, "bus": {"url": redis_url}, "auth": {"secret": SECRET}}
    config.write_text(yaml.safe_dump({**settings, "server": {"port": port}}), encoding="utf-8")
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deskbell", "serve", "--workers", "2", "--config", str(config)
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False) as http:

            async def ready() -> bool:
                try:
                    return (await http.get("/health/ready")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(lambda: len(workers_of(supervisor.pid)) == 2)
            await eventually(ready)
            before = workers_of(supervisor.pid)
            os.kill(min(before), signal.SIGKILL)
            await eventually(lambda: len(workers_of(supervisor.pid) - before) == 1)
            assert len(workers_of(supervisor.pid)) == 2
            await eventually(ready)
        supervisor.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(supervisor.wait(), PATIENCE_S) == 0
    finally:
        if supervisor.returncode is None:
            supervisor.kill()
            await supervisor.wait()
