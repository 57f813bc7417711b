"""Threads for plugins that cannot await: a few per plugin, and none that keeps the process from ending.

The standard library's pool waits for its threads when the interpreter exits; one call that hangs would
keep a process from stopping. These threads are daemons: what hangs in one is left behind.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any

from deskbell.plugins.refusals import Busy

PER_PLUGIN = 4
WAITING_PER_PLUGIN = 32

_Call = tuple[
    asyncio.AbstractEventLoop, "asyncio.Future[Any]", contextvars.Context, Callable[..., Any], tuple[Any, ...]
]


class Threads:
    """The threads of one plugin, made when they are first needed."""

    def __init__(self, name: str, most: int = PER_PLUGIN) -> None:
        self._name = name
        self._most = most
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._made = 0
        self._under_way = 0  # given to a thread or waiting for one; touched by the loop's thread alone

    @property
    def under_way(self) -> int:
        """Calls that have not come back, those included for which nobody waits any more."""
        return self._under_way

    def run(self, call: Callable[..., Any], arguments: tuple[Any, ...]) -> asyncio.Future[Any]:
        """Call it in a thread, in the caller's context.

        Raises:
            Busy: More are waiting already than could be served.
        """
        if self._under_way >= self._most + WAITING_PER_PLUGIN:
            raise Busy("was late: all its threads are taken")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._under_way += 1
        self._calls.put((loop, answer, contextvars.copy_context(), call, arguments))
        if self._made < min(self._most, self._under_way):
            self._made += 1
            threading.Thread(target=self._work, name=f"plugin {self._name} {self._made}", daemon=True).start()
        return answer

    def close(self) -> None:
        """Let idle threads end. Those that hang are left behind."""
        for _ in range(self._made):
            self._calls.put(None)
        self._made = 0

    def _work(self) -> None:
        while (waiting := self._calls.get()) is not None:
            loop, answer, context, call, arguments = waiting
            result: Any = None
            error: BaseException | None = None
            if not answer.cancelled():  # nobody waits any more: not begun at all
                try:
                    result = context.run(call, *arguments)
                except BaseException as raised:
                    error = raised
            try:
                loop.call_soon_threadsafe(self._came_back, answer, result, error)
            except RuntimeError:  # the loop is closed: the process is ending
                return

    def _came_back(self, answer: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        self._under_way -= 1
        if answer.done():
            return
        if error is None:
            answer.set_result(result)
        elif isinstance(error, StopIteration):  # which a future cannot carry
            answer.set_exception(RuntimeError("StopIteration"))
        else:
            answer.set_exception(error)
