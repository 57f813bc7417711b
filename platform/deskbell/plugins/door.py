"""The one door through which anything of a plugin's is asked while the desk runs.

A :class:`Door` gives the call a deadline, counts how long it took, and lets nothing out but an answer or a
:class:`~deskbell.plugins.refusals.Fault`. What a failure means is decided where the answer is wanted.

A call runs in its caller's task: one that answers at once costs no timer and no task. One that does not stop
when its time is over is taken out of that task, so that the caller goes on, and is ended beside it.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import CoroutineType, coroutine
from typing import Any

from deskbell.plugins.breaker import Breaker
from deskbell.plugins.record import Plugin
from deskbell.plugins.refusals import Fault, Late, Resting
from deskbell.plugins.threads import Threads

STOPS_WITHIN_S = 1.0


class _WontStop(Exception):
    """Its time was over, and it goes on. ``waits_for`` is what it waits for instead."""

    def __init__(self, started: Coroutine[Any, Any, Any], waits_for: Any) -> None:
        self.started = started
        self.waits_for = waits_for


@coroutine
def _rest_of(
    started: Coroutine[Any, Any, Any], waits_for: Any, limit: asyncio.Timeout | None
) -> Generator[Any, Any, Any]:
    """What is left of a coroutine that has been started by hand and waits for something."""
    while True:
        thrown: BaseException | None = None
        sent = None
        try:
            sent = yield waits_for
        except BaseException as error:  # a cancellation, above all: the coroutine's to deal with
            thrown = error
        try:
            waits_for = started.send(sent) if thrown is None else started.throw(thrown)
        except StopIteration as done:
            return done.value
        if limit is not None and limit.expired():
            raise _WontStop(started, waits_for)


async def _within(timeout_s: float, answer: Any, left_over: Callable[[Coroutine[Any, Any, Any]], object]) -> Any:
    """The answer, awaited if need be. A coroutine that answers without waiting costs no timer."""
    limit = asyncio.timeout(timeout_s)
    if isinstance(answer, CoroutineType):
        try:
            waits_for = answer.send(None)
        except StopIteration as done:
            return done.value
        answer = _rest_of(answer, waits_for, limit)
    elif not isinstance(answer, Awaitable):
        return answer
    task = asyncio.current_task()
    cancelling = 0 if task is None else task.cancelling()
    try:
        async with limit:
            answered = await answer
    except _WontStop as going_on:
        left_over(_ended(going_on.started, going_on.waits_for))
        raise Late(f"was late: no answer within {timeout_s:g} s, and it does not stop") from None
    except TimeoutError:
        if limit.expired():
            raise Late(f"was late: no answer within {timeout_s:g} s") from None
        raise
    if task is not None and task.cancelling() > cancelling:
        # Whoever asked is to stop, and the plugin kept that to itself.
        raise asyncio.CancelledError
    return answered


async def _ended(started: Coroutine[Any, Any, Any], waits_for: Any) -> None:
    """Let something that was told to stop finish tidying up; then tell it once more, and leave it."""
    rest = asyncio.ensure_future(_finished(started, waits_for))
    _, pending = await asyncio.wait({rest}, timeout=STOPS_WITHIN_S)
    for task in pending:
        task.cancel()
    if not pending and not rest.cancelled():
        rest.exception()  # looked at: it was late, which has been said


async def _finished(started: Coroutine[Any, Any, Any], waits_for: Any) -> None:
    await _rest_of(started, waits_for, None)


def where(error: BaseException) -> str:
    """An exception without its words, which may quote what a user wrote."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f" in {frames[-1].name}, {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"raised {type(error).__name__}{at}"


class Door:
    """Something of a plugin's that is asked while the desk runs. ``what`` and ``name`` are for operators."""

    __slots__ = ("_answers", "_call", "_threads", "_timeout_s", "_times", "breaker", "name", "plugin", "what")

    def __init__(
        self,
        plugin: Plugin,
        what: str,
        name: str,
        call: Callable[..., Any],
        timeout_s: float,
        *,
        breaker: Breaker | None = None,
        threads: Threads | None = None,
        answers: tuple[type[Exception], ...] = (),
    ) -> None:
        """
        Args:
            breaker: None for what must always be asked.
            threads: Where to call it; None: on the loop.
            answers: Exceptions that are an answer, not a failure.
        """
        self.plugin = plugin
        self.what = what
        self.name = name
        self.breaker = breaker
        self._call = call
        self._timeout_s = timeout_s
        self._threads = threads
        self._answers = answers
        self._times = plugin.timed(what)
        if breaker is not None:
            plugin.breakers[what] = breaker

    async def ask(self, *arguments: Any) -> Any:
        """The answer.

        Raises:
            Fault: There is none; :class:`Resting` where it was not even asked.
        """
        breaker = self.breaker
        try:
            probe = breaker.admit() if breaker is not None else False
        except Resting:
            self.plugin.passed_over += 1
            raise
        begun = time.perf_counter()
        try:
            made = self._call(*arguments) if self._threads is None else self._threads.run(self._call, arguments)
            answer = await _within(self._timeout_s, made, self.plugin.own)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                if breaker is not None:
                    breaker.forgotten(probe)
                raise  # it is us who are cancelled; else the plugin awaited something that was
            self._answered(probe)
            raise self.fault(where(error)) from None
        except Late as late:
            if breaker is not None and breaker.late(probe):
                self.plugin.rests(self.what)
            raise self.fault(str(late)) from None
        except (KeyboardInterrupt, GeneratorExit):
            if breaker is not None:
                breaker.forgotten(probe)
            raise
        except BaseException as error:  # SystemExit among them: it is not for a plugin to end the process
            self._answered(probe)
            if isinstance(error, self._answers):
                raise
            raise self.fault(where(error)) from None
        finally:
            self._times.add(time.perf_counter() - begun)
        self._answered(probe)
        return answer

    def _answered(self, probe: bool) -> None:
        if self.breaker is not None:
            self.breaker.answered(probe)

    def fault(self, how: str) -> Fault:
        """Note a failure, also one that only its caller can see: a nonsensical answer."""
        self.plugin.failed(self.what, how)
        return Fault(how)
