"""Background tasks that somebody keeps: none is lost to the garbage collector, all end before we do."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Tasks:
    """Tracked tasks. ``start`` fires and remembers; ``once`` runs one at a time per key."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._by_key: dict[str, asyncio.Task[Any]] = {}
        self._closing = False

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any] | None:
        """Run ``work`` in the background; a failure is logged. None while closing."""
        if self._closing:
            work.close()
            return None
        # In a context of its own: begun inside a transaction, it must not take that for its own.
        task = asyncio.create_task(work, name=name, context=Context())
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def once(self, key: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any] | None:
        """The same, unless a task of this ``key`` is still running: then ``work`` is dropped."""
        running = self._by_key.get(key)
        if running is not None and not running.done():
            work.close()
            return running
        task = self.start(work, key)
        if task is not None:
            self._by_key[key] = task
            task.add_done_callback(lambda ended: self._forget(key, ended))
        return task

    def _forget(self, key: str, ended: asyncio.Task[Any]) -> None:
        if self._by_key.get(key) is ended:
            del self._by_key[key]

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_failed", task=task.get_name(), exc_info=error)

    async def close(self, timeout_s: float = 5.0) -> None:
        """Let what runs finish, for a while; then cancel it."""
        self._closing = True
        current = asyncio.current_task()
        pending = {task for task in self._running if task is not current}
        if pending:
            _, pending = await asyncio.wait(pending, timeout=timeout_s)
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.gather(*pending, return_exceptions=True)
