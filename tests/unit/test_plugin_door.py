"""Nothing that a plugin does to a call reaches whoever asked: hanging, not stopping, leaving, flooding, leaking."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog

from deskbell.contracts import Allow, HandOver, Hold
from deskbell.hookspecs import hookimpl
from deskbell.ids import TenantId
from deskbell.plugins import Door, Fault, Late, PluginHost, Resting, breaker, watchdog
from deskbell.plugins.breaker import Breaker
from deskbell.plugins.door import STOPS_WITHIN_S
from deskbell.plugins.found import Given
from deskbell.plugins.record import Plugin
from deskbell.plugins.threads import PER_PLUGIN, WAITING_PER_PLUGIN
from deskbell.plugins.watchdog import Watchdog

PATIENCE_S = 10.0


def made() -> Plugin:
    return Plugin("acme", "1", Given(object()), state="active")


def door(plugin: Plugin, call: Callable[..., Any], timeout_s: float = 0.02, **more: Any) -> Door:
    return Door(plugin, "call", "call", call, timeout_s, **more)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.005)


# A deadline.


async def test_a_call_that_ignores_its_deadline_does_not_keep_its_caller() -> None:
    """It is taken out of the caller's way, told once more, and gone in the end."""
    told = 0

    async def stubborn() -> None:
        nonlocal told
        while told < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told += 1

    plugin = made()
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(Fault, match="does not stop"):
            await door(plugin, stubborn).ask()
    assert told == 1 and len(plugin.tasks) == 1
    await until(lambda: told == 2 and not plugin.tasks)
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_a_call_may_tidy_up_after_its_deadline() -> None:
    closed = asyncio.Event()

    async def tidies() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            async with asyncio.timeout(STOPS_WITHIN_S):
                await asyncio.sleep(0.01)
            closed.set()

    plugin = made()
    with pytest.raises(Fault):
        await door(plugin, tidies).ask()
    async with asyncio.timeout(PATIENCE_S):
        await closed.wait()
    await until(lambda: not plugin.tasks)


async def test_a_caller_that_is_cancelled_stays_cancelled_whatever_the_plugin_makes_of_it() -> None:
    async def keeps_it_to_itself() -> str:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "done"

    plugin = made()
    asking = asyncio.ensure_future(door(plugin, keeps_it_to_itself, timeout_s=60).ask())
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert plugin.faults == 0


async def test_a_plugin_that_leaves_ends_its_call_and_not_the_process() -> None:
    def leaves() -> None:
        raise SystemExit(3)

    async def leaves_later() -> None:
        await asyncio.sleep(0)
        raise SystemExit(3)

    plugin = made()
    for call in (leaves, leaves_later):
        with pytest.raises(Fault, match="SystemExit"):
            await door(plugin, call).ask()
    with pytest.raises(Fault, match="SystemExit"):
        await door(plugin, leaves, threads=plugin.threads).ask()
    plugin.own(leaves_later())
    await until(lambda: not plugin.tasks)
    assert plugin.faults == 4


# The breaker.


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_breaker_opens_on_lateness_and_closes_after_one_good_call() -> None:
    clock = Clock()
    tried = Breaker(clock)
    for _ in range(breaker.LATE_TO_REST):
        assert tried.state == "closed"
        tried.late(tried.admit())
    assert tried.state == "open"
    with pytest.raises(Resting) as resting:
        tried.admit()
    assert resting.value.again_s == breaker.REST_S

    clock.now += breaker.REST_S
    assert tried.state == "half-open"
    probe = tried.admit()
    with pytest.raises(Resting):  # one at a time
        tried.admit()
    tried.late(probe)
    assert tried.state == "open"

    clock.now += breaker.REST_S
    tried.forgotten(tried.admit())  # its caller went away: the next one is the probe
    tried.answered(tried.admit())
    assert tried.state == "closed" and tried.opened == 1


def test_a_breaker_forgets_what_is_long_ago_and_minds_what_goes_well() -> None:
    """Late now and then is not late always."""
    clock = Clock()
    seldom = Breaker(clock)
    for _ in range(10 * breaker.LATE_TO_REST):
        seldom.late(seldom.admit())
        clock.now += breaker.WINDOW_S / (breaker.LATE_TO_REST - 2)
    assert seldom.state == "closed"

    often_well = Breaker(clock)
    for _ in range(10 * breaker.LATE_TO_REST):
        often_well.late(often_well.admit())
        for _ in range(2):
            often_well.answered(often_well.admit())
    assert often_well.state == "closed"


def test_what_was_begun_before_a_breaker_opened_changes_nothing_afterwards() -> None:
    clock = Clock()
    tried = Breaker(clock)
    begun = [tried.admit() for _ in range(breaker.LATE_TO_REST + 2)]
    for call in begun[: breaker.LATE_TO_REST]:
        tried.late(call)
    tried.answered(begun[-1])
    clock.now += 1
    tried.late(begun[-2])
    assert tried.state == "open"
    with pytest.raises(Resting) as resting:
        tried.admit()
    assert resting.value.again_s == breaker.REST_S - 1


async def test_what_rests_is_not_asked() -> None:
    asked = 0

    async def hangs() -> None:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()

    plugin = made()
    hung = door(plugin, hangs, timeout_s=0.001, breaker=Breaker(Clock()))
    for _ in range(breaker.LATE_TO_REST + 3):
        with pytest.raises(Fault):
            await hung.ask()
    described = plugin.describe()
    assert asked == breaker.LATE_TO_REST and described["passed_over"] == 3
    assert described["breakers"] == {"call": "open"}


# Threads.


async def test_a_call_in_a_thread_has_its_callers_context_and_its_deadline() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("of the caller")
    release = threading.Event()

    def where() -> tuple[str, bool]:
        return variable.get(), threading.current_thread() is threading.main_thread()

    plugin = made()
    try:
        assert await door(plugin, where, timeout_s=PATIENCE_S, threads=plugin.threads).ask() == ("of the caller", False)
        with pytest.raises(Fault, match="late"):
            await door(plugin, lambda: release.wait(PATIENCE_S), threads=plugin.threads).ask()
        assert plugin.describe()["threads"] == 1
    finally:
        release.set()
    await until(lambda: plugin.describe()["threads"] == 0)


async def test_threads_that_hang_are_bounded_and_refused_at_once() -> None:
    release = threading.Event()
    plugin = made()
    hung = door(plugin, lambda: release.wait(PATIENCE_S), timeout_s=0.05, threads=plugin.threads)
    before = threading.active_count()
    try:
        calls = [asyncio.ensure_future(hung.ask()) for _ in range(PER_PLUGIN + WAITING_PER_PLUGIN + 5)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(answer, Fault) for answer in answers)
        assert sum("all its threads" in str(answer) for answer in answers) == 5
        assert threading.active_count() - before <= PER_PLUGIN
    finally:
        release.set()
    await until(lambda: plugin.describe()["threads"] == 0)


async def test_threads_that_hang_do_not_keep_anybody_from_stopping() -> None:
    release = threading.Event()
    plugin = made()
    with pytest.raises(Fault):
        await door(plugin, lambda: release.wait(PATIENCE_S), threads=plugin.threads).ask()
    try:
        async with asyncio.timeout(PATIENCE_S / 2):
            await plugin.stop()
        hanging = [thread for thread in threading.enumerate() if thread.name.startswith("plugin acme")]
        assert hanging and all(thread.daemon for thread in hanging)
    finally:
        release.set()


# Tasks.


class Spawning:
    """A plugin that starts tasks, its own way and the right way."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.leaked: asyncio.Task[None] | None = None

    @hookimpl
    def register_escalation_rules(self, context: Any) -> list[Any]:
        self.context = context
        context.spawn(lambda: self.waits("early"))
        return []

    async def waits(self, name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append(name)


class Backing:
    desk: Any = None

    async def enqueue(self, *arguments: Any, **named: Any) -> bool:
        return True


def host_with(plugins: Mapping[str, object], **more: Any) -> PluginHost:
    return PluginHost.load({}, {}, moderation_timeout_s=1.0, extra=plugins, **more)


async def test_spawned_tasks_begin_with_the_desk_and_end_with_their_plugin() -> None:
    plugin = Spawning()
    host = host_with({"acme": plugin})
    host.open(Backing(), {})
    try:
        plugin.context.spawn(lambda: plugin.waits("late"))
        await asyncio.sleep(0)
        assert host.describe()[-1]["tasks"] == 2
        await host.follow({"acme": False})
        assert sorted(plugin.ended) == ["early", "late"]
        plugin.context.spawn(lambda: plugin.waits("never"))  # switched off, it starts nothing
        assert host.describe()[-1]["tasks"] == 0
    finally:
        await host.close()


async def test_a_spawned_task_that_fails_is_noted_and_told_nobody() -> None:
    async def fails() -> None:
        raise ValueError("the visitor wrote: hunter2")

    plugin = Spawning()
    host = host_with({"acme": plugin})
    with structlog.testing.capture_logs() as logs:
        host.open(Backing(), {})
        plugin.context.spawn(fails, "poll")
        await until(lambda: host.describe()[-1]["faults"] == 1)
        await host.close()
    assert host.describe()[-1]["last_fault"] == "poll raised ValueError" and "hunter2" not in str(logs)


LEAKS = """
import asyncio
from deskbell import Allow, hookimpl

class Leaking:
    name, order = "leaking", 1
    async def check(self, submission):
        asyncio.get_running_loop().create_task(forever(), name="let go of")
        return Allow()

async def forever():
    await asyncio.Event().wait()

@hookimpl
def register_moderation_filters():
    return [Leaking()]
"""


async def test_tasks_that_a_plugin_made_and_let_go_of_end_with_it(tmp_path: Path) -> None:
    """They are known by their code; nobody else's are touched."""
    (tmp_path / "leaky.py").write_text(LEAKS)
    host = PluginHost.load({"leaky": _On()}, {}, moderation_timeout_s=1.0, folder=tmp_path)
    mine = asyncio.ensure_future(asyncio.Event().wait())
    await host.moderate(_submission())
    leaked = [task for task in asyncio.all_tasks() if task.get_name() == "let go of"]
    assert len(leaked) == 1

    await host.follow({"leaky": False})

    assert leaked[0].cancelled() and not mine.done()
    mine.cancel()


class _On:
    enabled = True
    settings: Mapping[str, Any] = {}
    tenants: Mapping[str, Mapping[str, Any]] = {}


# The watchdog.


def blocks(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)


async def test_the_watchdog_names_who_holds_up_the_loop_and_where() -> None:
    reports: list[tuple[str, float, str]] = []
    guard = Watchdog(lambda module: "acme" if module == __name__ else None, lambda *report: reports.append(report))
    guard.start()
    try:
        await asyncio.sleep(0.2)
        assert reports == []
        async with asyncio.timeout(PATIENCE_S):
            while not reports:
                blocks(0.6)
                await asyncio.sleep(0.2)
        name, seconds, at = reports[0]
        assert name == "acme" and seconds >= 0.25 and at.startswith("blocks, test_plugin_door.py:")
    finally:
        guard.close()


async def test_who_lets_a_library_hold_up_the_loop_is_named_for_it() -> None:
    """The innermost frame is the library's; whose it is, is the plugin that called it."""
    reports: list[tuple[str, float, str]] = []
    guard = Watchdog(lambda module: "acme" if module == __name__ else None, lambda *report: reports.append(report))
    guard.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not reports:
                threading.Event().wait(0.6)
                await asyncio.sleep(0.2)
        assert reports[0][2].startswith(
            "test_who_lets_a_library_hold_up_the_loop_is_named_for_it, test_plugin_door.py:"
        )
    finally:
        guard.close()


async def test_who_holds_up_the_loop_for_a_moment_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "BLOCKED_S", 1000.0)
    reports: list[Any] = []
    guard = Watchdog(lambda module: "acme" if module == __name__ else None, lambda *report: reports.append(report))
    guard.start()
    try:
        blocks(0.6)
        await asyncio.sleep(0.3)
        assert reports == []
    finally:
        guard.close()


async def test_who_waits_properly_and_who_is_no_plugin_is_not_named() -> None:
    reports: list[Any] = []
    guard = Watchdog(lambda module: None, lambda *report: reports.append(report))
    guard.start()
    try:
        await asyncio.sleep(0.3)
        blocks(0.5)
        await asyncio.sleep(0.2)
        assert reports == []
    finally:
        guard.close()


# Settings of a tenant, and where contracts allow threads.


class Threaded:
    name = "threaded"
    order = 1
    run_in = "thread"

    def check(self, submission: Any) -> Any:
        return Hold(threading.current_thread().name)

    def decide(self, situation: Any) -> HandOver | None:
        return HandOver(threading.current_thread().name)


class InThreads:
    run_in = "thread"

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    @hookimpl
    def register_moderation_filters(self) -> list[Any]:
        return [Threaded()]

    @hookimpl
    def register_escalation_rules(self) -> list[Any]:
        return [Threaded()]

    @hookimpl
    def on_case(self, case: Any) -> None:
        self.told.append((threading.current_thread().name, case))


async def test_filters_rules_and_observers_may_run_in_threads() -> None:
    plugin = InThreads()
    host = host_with({"acme": plugin})
    moderated = await host.moderate(_submission())
    decided = await host.decide(None)  # type: ignore[arg-type]
    await host.observe("case", tenant=TenantId("t"), room=None, what="opened", case="c")

    assert moderated.reason.startswith("plugin acme") and decided is not None
    assert decided.reason.startswith("plugin acme")
    assert plugin.told[0][0].startswith("plugin acme") and plugin.told[0][1] == "c"
    await host.close()


def _submission() -> Any:
    from deskbell.contracts import Submission
    from deskbell.ids import RoomId, UserId
    from deskbell.model.records import Actor

    return Submission(RoomId("r"), "lobby", Actor(TenantId("t"), UserId("u"), "visitor", "V"), "text", "hi", "hi")


def test_what_is_asynchronous_is_refused_for_threads() -> None:
    class Wrong(Threaded):
        async def check(self, submission: Any) -> Any:
            return Allow()

    class Plugin_:
        @hookimpl
        def register_moderation_filters(self) -> list[Any]:
            return [Wrong()]

    described = host_with({"acme": Plugin_()}).describe()[-1]
    assert described["state"] == "refused" and "only plain functions" in described["reason"]


def test_an_asynchronous_observer_is_refused_for_threads() -> None:
    class Plugin_:
        run_in = "thread"

        @hookimpl
        async def on_case(self) -> None: ...

    described = host_with({"acme": Plugin_()}).describe()[-1]
    assert described["state"] == "refused" and "on_case is async" in described["reason"]


def test_late_is_a_fault() -> None:
    """Whoever catches faults catches lateness too."""
    assert issubclass(Late, Fault) and issubclass(Resting, Fault)
