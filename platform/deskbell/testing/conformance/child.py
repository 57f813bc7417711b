"""The process in which one plugin is examined, and which may hang, crash or be ended for it.

Started by :mod:`deskbell.testing.conformance.check`; tells what it finds line by line, as JSON, on a descriptor
of its own, so that what is known is known however it ends.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from deskbell.testing.conformance import inputs, source, whole
from deskbell.testing.conformance.exam import STOPS_S, Exam, Instruments
from deskbell.testing.conformance.report import Result
from deskbell.testing.conformance.source import Found
from deskbell.testing.conformance.subjects import BotSubject
from deskbell.testing.conformance.watch import Deeds, Ears, LoopWatch, Peers, Places
from deskbell.testing.conformance.whole import Whole


class Order(msgspec.Struct, frozen=True):
    """What to examine. ``settings`` None: the defaults. ``done``: checks made before, with their subjects."""

    name: str
    reference: str
    paths: tuple[str, ...]
    settings: dict[str, Any]
    patience_s: float
    turn_s: float
    done: tuple[tuple[str, str], ...] = ()


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is told: a check begins, a check's result, or that all is over."""

    begins: tuple[str, str] | None = None
    result: Result | None = None
    threads: tuple[str, ...] | None = None
    """Told at the end: the threads that keep this process alive, if any."""


class Child:
    """Carries out one order."""

    def __init__(self, order: Order, tell: Callable[[Line], None], stack: Any) -> None:
        self._order = order
        self._tell = tell
        self._stack = stack
        self._done = set(order.done)
        self._found = Found(order.name, order.reference, order.paths)
        sys.path[:0] = order.paths
        self._places = Places(source.own_files(self._found))
        marks = {inputs.TEXT_MARK: "what a visitor wrote", inputs.SECRET_MARK: "a secret of its settings"}
        self._ears = Ears(self._places, marks)

    def run(self) -> None:
        deeds, peers = Deeds(self._places), Peers()
        self._ears.install()
        plugin = Whole(self._found, self._order.settings, self._places, deeds, self._stuck)
        looks = {
            "import": plugin.imported,
            "hooks": plugin.hooked,
            "settings": plugin.set_up,
            "register": plugin.registered,
            "accepted": plugin.accepted,
        }
        for check, look in looks.items():
            self._begins(check, "")
            problems = look()
            self._conclude(check, problems)
            if problems and (check != "settings" or plugin.settings is None) and _ends_here(check, plugin):
                return
        asyncio.run(self._examine(plugin, peers))
        whole.forget(plugin)
        gc.collect()

    async def _examine(self, plugin: Whole, peers: Peers) -> None:
        """Every subject; then what was said meanwhile; then stop what the plugin left at work.

        What comes after this is for the parent to judge: this process is to end by itself.
        """
        reprs: dict[str, str] = {}
        watch = LoopWatch(self._places)
        instruments = Instruments(self._places, peers, self._ears, watch, self._stuck, plugin.context)
        plugin.context.begin()
        try:
            for subject in plugin.subjects():
                if isinstance(subject, BotSubject):
                    subject.deadline_s = self._order.turn_s
                exam = Exam(subject, instruments, begins=self._begins, emit=self._emit, done=self._done)
                await exam.run()
                for text in (repr(subject.offer), str(subject.offer)):
                    if shown := self._ears.shown(text):
                        reprs[subject.label] = shown
        finally:
            watch.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        still = (await asyncio.wait(others, timeout=STOPS_S))[1] if others else set()
        self._begins("redaction", "")
        leaked = [
            *(
                Result("redaction", "", "failed", f"logs or prints {what}", at)
                for what, at in self._ears.leaked.items()
            ),
            *(Result("redaction", label, "failed", f"shows {what} in its repr") for label, what in reprs.items()),
        ]
        self._conclude("redaction", leaked)
        self._begins("unload", "")
        if still:
            named = ", ".join(sorted(getattr(task.get_coro(), "__qualname__", "task") for task in still))
            self._conclude("unload", [Result("unload", "", "failed", f"does not stop when it is cancelled: {named}")])

    def _begins(self, check: str, subject: str) -> None:
        if (check, subject) not in self._done:
            self._tell(Line(begins=(check, subject)))

    def _emit(self, result: Result) -> None:
        self._done.add((result.check, result.subject))
        self._tell(Line(result=result))

    def _conclude(self, check: str, problems: list[Result]) -> None:
        if (check, "") not in self._done:
            for result in problems or [Result(check, "", "passed")]:
                self._emit(result)

    @contextmanager
    def _stuck(self) -> Iterator[None]:
        faulthandler.dump_traceback_later(self._order.patience_s, exit=True, file=self._stack)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def _ends_here(check: str, plugin: Whole) -> bool:
    """Whether there is nothing left to look at once a check has failed."""
    return (check in ("import", "hooks", "accepted") and (check != "import" or plugin.module is None)) or (
        check == "register" and not plugin.offers
    )


def main(ordered: str, lines_fd: str, stack_fd: str) -> None:
    """Carry out an order: JSON, and the descriptors for lines and for the stack of a hang."""
    order = msgspec.json.decode(ordered, type=Order)
    lines, stack = os.fdopen(int(lines_fd), "wb", buffering=0), os.fdopen(int(stack_fd), "wb", buffering=0)

    def tell(line: Line) -> None:
        lines.write(msgspec.json.encode(line) + b"\n")

    try:
        Child(order, tell, stack).run()
    except BaseException:
        sys.stderr = sys.__stderr__  # the kit itself is at fault; its words are shown
        raise
    here = (threading.main_thread(), threading.current_thread())
    tell(Line(threads=tuple(t.name for t in threading.enumerate() if not t.daemon and t not in here)))
