"""One plugin that was found, and all there is to know about it: what it offers, how it behaves."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal, Protocol

import structlog

from deskbell.plugins.breaker import Breaker
from deskbell.plugins.found import Source
from deskbell.plugins.refusals import PluginRefused
from deskbell.plugins.threads import Threads

log = structlog.get_logger(__name__)

REMEMBERED_TIMES = 256


class Switch(Protocol):
    """What the configuration says of one plugin. ``tenants``: slug -> settings that differ there."""

    @property
    def enabled(self) -> bool: ...

    @property
    def settings(self) -> Mapping[str, Any]: ...

    @property
    def tenants(self) -> Mapping[str, Mapping[str, Any]]: ...


class Times:
    """How long something took: all of it in sums, the last calls one by one."""

    __slots__ = ("_last", "count", "max_s", "total_s")

    def __init__(self) -> None:
        self.count = 0
        self.total_s = 0.0
        self.max_s = 0.0
        self._last: deque[float] = deque(maxlen=REMEMBERED_TIMES)

    def add(self, seconds: float) -> None:
        self.count += 1
        self.total_s += seconds
        self._last.append(seconds)
        if seconds > self.max_s:
            self.max_s = seconds

    def describe(self) -> dict[str, float]:
        """Milliseconds; ``p50_ms`` and ``p95_ms`` are of the last 256 calls."""
        last = sorted(self._last)

        def at(share: float) -> float:
            return round(last[min(len(last) - 1, int(len(last) * share))] * 1000, 3) if last else 0.0

        return {
            "count": self.count,
            "total_ms": round(self.total_s * 1000, 3),
            "p50_ms": at(0.5),
            "p95_ms": at(0.95),
            "max_ms": round(self.max_s * 1000, 3),
        }


@dataclass(eq=False)
class Plugin:
    """See the module. ``settings`` are checked, as builtins; ``checked`` is the plugin's own Struct."""

    name: str
    version: str
    source: Source
    bundled: bool = False
    state: Literal["active", "disabled", "refused"] = "disabled"
    why_disabled: str = ""
    refusal: PluginRefused | None = None
    module: object = None
    api: str = ""
    order: int = 100
    checked: Any = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    checked_of: dict[str, Any] = field(default_factory=dict)  # tenant's slug -> settings that differ there
    offers: dict[str, list[Any]] = field(default_factory=dict)
    hooks: list[str] = field(default_factory=list)
    faults: int = 0
    last_fault: str = ""
    passed_over: int = 0  # calls that were not made because it rests
    blocked: int = 0  # times it held up the whole process
    last_block: str = ""
    times: dict[str, Times] = field(default_factory=dict)
    breakers: dict[str, Breaker] = field(default_factory=dict)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    _threads: Threads | None = None

    @property
    def threads(self) -> Threads:
        if self._threads is None:
            self._threads = Threads(self.name)
        return self._threads

    @property
    def package(self) -> str:
        """The name that all its modules begin with; empty where it was given as an object."""
        return self.module.__name__ if isinstance(self.module, ModuleType) else ""

    def timed(self, what: str) -> Times:
        return self.times.setdefault(what, Times())

    def failed(self, what: str, how: str) -> None:
        self.faults += 1
        self.last_fault = f"{what} {how}"
        log.warning("plugin_failed", plugin=self.name, what=what, how=how)

    def rests(self, what: str) -> None:
        log.error("plugin_rests", plugin=self.name, what=what, why="it was late too often; it is tried again later")

    def has_blocked(self, seconds: float, at: str) -> None:
        """It held up the whole process, seen at this place."""
        self.blocked += 1
        self.last_block = at
        log.error("plugin_blocks_the_loop", plugin=self.name, at=at, for_ms=round(seconds * 1000))

    # what runs on its behalf

    def own(self, work: Coroutine[Any, Any, Any], what: str = "left over") -> asyncio.Task[Any]:
        """Run something of the plugin's in the background; it ends with the plugin."""
        task = asyncio.get_running_loop().create_task(
            _contained(work), name=f"plugin {self.name}: {what}", context=Context()
        )
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed(task.get_name().partition(": ")[2], f"raised {type(error).__name__}")

    def running(self) -> list[asyncio.Task[Any]]:
        """Its tasks: those it was given, and those it made itself and let go of."""
        package = self.package
        return [
            task
            for task in asyncio.all_tasks()
            if task in self.tasks or (package and belongs(_module_of(task.get_coro()), package))
        ]

    async def stop(self, within_s: float = 1.0) -> None:
        """End what runs on its behalf. What does not stop is left alone, and said."""
        tasks = [task for task in self.running() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=within_s)
            if pending:
                log.error("plugin_does_not_stop", plugin=self.name, tasks=len(pending))
        if self._threads is not None:
            self._threads.close()
            self._threads = None

    def describe(self) -> dict[str, Any]:
        reason = f"{self.refusal.reason}. {self.refusal.remedy}" if self.refusal else self.why_disabled
        return {
            "name": self.name,
            "version": self.version,
            "state": self.state,
            "reason": reason,
            "requires_api": self.api,
            "source": str(self.source),
            "order": self.order,
            "offers": {kind: len(offered) for kind, offered in self.offers.items() if offered},
            "registers": {
                kind: sorted(str(offer.name) for offer in offered) for kind, offered in self.offers.items() if offered
            },
            "hooks": list(self.hooks),
            "faults": self.faults,
            "last_fault": self.last_fault,
            "passed_over": self.passed_over,
            "breakers": {what: breaker.state for what, breaker in self.breakers.items()},
            "blocked": self.blocked,
            "last_block": self.last_block,
            "tasks": len(self.tasks),
            "threads": self._threads.under_way if self._threads is not None else 0,
            "times": {what: times.describe() for what, times in self.times.items()},
        }


async def _contained(work: Coroutine[Any, Any, Any]) -> Any:
    """Its outcome; a task that ended with SystemExit would end the process."""
    try:
        return await work
    except SystemExit:
        raise RuntimeError("a plugin does not end the process") from None


def belongs(module: str, package: str) -> bool:
    """Whether a module is the package or inside it."""
    return module == package or module.startswith(f"{package}.")


def _module_of(work: Any) -> str:
    frame = getattr(work, "cr_frame", None)
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))
