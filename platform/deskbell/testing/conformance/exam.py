"""One thing that a plugin offers, asked in every way the desk may come to ask it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal

from deskbell.testing.conformance import inputs
from deskbell.testing.conformance.context import Context
from deskbell.testing.conformance.inputs import Said, said
from deskbell.testing.conformance.report import CHECKS, WHOLE, Result
from deskbell.testing.conformance.subjects import BotSubject, Subject, Unaskable
from deskbell.testing.conformance.watch import HELD_S, Ears, Holdings, LoopWatch, Peers, Places, unclosed

STOPS_S = 1.0  # how long something cancelled may take to stop
TRIES = 3  # before something is called slow: this machine may have been busy with something else
MOMENTS = (1, 2, 3, 5, 8, 13)  # steps of the loop after which a call is cancelled
WARM_UP, CALLS = 5, 20
SOON_S = 1.0  # what a call left behind may take to be done with


@dataclass(frozen=True)
class Instruments:
    """What the examination looks through."""

    places: Places
    peers: Peers
    ears: Ears
    watch: LoopWatch
    stuck: Callable[[], AbstractContextManager[None]]
    context: Context

    @property
    def reached(self) -> int:
        """How often the plugin tried to reach somebody: a peer, or the desk, which is not up."""
        return self.peers.spoken_to + self.context.asked


@dataclass(frozen=True)
class Answer:
    """What came of one question. ``held_s``: how long the loop was held up, seconds."""

    how: Literal["answered", "raised", "late", "unstoppable"]
    value: Any = None
    says: str = ""
    where: str = ""
    held_s: float = 0.0
    held_where: str = ""
    spoke: bool = False
    """Whether it tried to reach somebody."""


class Exam:
    """Puts one subject through all checks. ``done`` are those that were made before, in another process."""

    def __init__(
        self,
        subject: Subject,
        instruments: Instruments,
        *,
        begins: Callable[[str, str], None],
        emit: Callable[[Result], None],
        done: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._subject = subject
        self._with = instruments
        self._begins = begins
        self._emit = emit
        self._done = {check for check, label in done if label == subject.label}
        self._over = ""
        """Why nothing more is looked at; empty: the exam goes on."""
        self._stands_silence = False

    async def run(self) -> None:
        checks = {
            "answers": self._answers,
            "hostile": self._hostile,
            "large": self._large,
            "again": self._again,
            "rooms": self._rooms,
            "peer": self._peer,
            "cancelled": self._cancelled,
            "leaks": self._leaks,
        }
        for check, look in checks.items():
            if check in self._done:
                continue
            if self._over:
                self._tell(check, "skipped", self._over)
                continue
            self._begins(check, self._subject.label)
            await look()
            self._tell(check)
        for check in CHECKS:
            if check not in WHOLE:
                self._tell(check, "skipped" if self._over else "passed", self._over)

    def _tell(
        self, check: str, outcome: Literal["passed", "failed", "skipped"] = "passed", says: str = "", where: str = ""
    ) -> None:
        """The first word about a check stands."""
        if check not in self._done:
            self._done.add(check)
            self._emit(Result(check, self._subject.label, outcome, says, where))

    # Asking.

    async def _ask(self, what: Said, variant: str = "") -> Answer:
        """Ask once; again when that was slow."""
        variant = variant or self._subject.variants[0]
        answer = await self._asked(what, variant)
        for _ in range(TRIES - 1):
            if answer.held_s < HELD_S and answer.how not in ("late", "unstoppable"):
                break
            another = await self._asked(what, variant)
            answer = replace(another, held_where=another.held_where or answer.held_where)
            if answer.how == "late":
                break
        return answer

    async def _asked(self, what: Said, variant: str) -> Answer:
        subject, reached = self._subject, self._with.reached
        watch = self._with.watch
        await asyncio.sleep(0)
        with self._with.stuck(), watch.during():
            call = asyncio.create_task(subject.ask(what, variant))
            await asyncio.wait({call}, timeout=subject.deadline_s)
        held_s, held_where = watch.held_s, watch.where
        answer = await self._outcome(call)
        return replace(answer, held_s=held_s, held_where=held_where, spoke=self._with.reached > reached)

    async def _outcome(self, call: asyncio.Task[Any]) -> Answer:
        if not call.done():
            where = _waiting_at(call, self._with.places)
            call.cancel()
            with self._with.stuck():
                await asyncio.wait({call}, timeout=STOPS_S)
            says = f"did not answer within {self._subject.deadline_s:g} s"
            if not call.done():
                return Answer("unstoppable", says=f"{says}, and did not stop when it was cancelled", where=where)
            if not call.cancelled() and call.exception() is None:
                return Answer("unstoppable", says=f"{says}, and went on when it was cancelled", where=where)
            return Answer("late", says=says, where=where)
        if call.cancelled():
            return Answer("raised", says="raised CancelledError, and nobody had cancelled it")
        error = call.exception()
        if error is None or isinstance(error, self._subject.may_raise):
            return Answer("answered", None if error is not None else call.result())
        return Answer("raised", says=f"raised {type(error).__name__}", where=self._with.places.of_error(error))

    def _problem(self, answer: Answer, given: str) -> str:
        """What is wrong for the check at hand; what is wrong for others is told at once."""
        at = f"given {given}, " if given else ""
        if answer.held_s >= HELD_S:
            says = f"{at}held up the whole desk for {answer.held_s:.1f} s; such work belongs in a thread"
            self._tell("blocking", "failed", says, answer.held_where)
            return ""
        if answer.how == "answered" and answer.value is not None and (wrong := self._subject.wrong(answer.value)):
            self._tell("types", "failed", at + wrong)
        if self._subject.changed:
            self._tell("given", "failed", f"{at}changed {self._subject.changed}, which belongs to the desk")
        if answer.how in ("answered",) or answer.spoke:
            return ""  # that its peer is away is not its fault: raising has an outcome that its contract declares
        return at + answer.says

    # The checks.

    async def _answers(self) -> None:
        subject = self._subject
        with self._with.stuck():
            begin = asyncio.create_task(subject.begin())
            await asyncio.wait({begin}, timeout=60.0)
        if begin.done() and not begin.cancelled() and isinstance(nothing := begin.exception(), Unaskable):
            self._over = str(nothing)
            return self._tell("answers", "skipped", self._over)
        if not begin.done() or begin.cancelled() or begin.exception() is not None:
            answer = await self._outcome(begin)
            self._over = "it does not load"
            says = f"load {answer.says}" if begin.done() else "load was not done within 60 s"
            if self._with.reached:
                self._over = "it loads only where its peer answers, and nobody answers here"
                self._tell("answers", "skipped", self._over)
            return self._tell("answers", "failed", says, answer.where)
        for variant in subject.variants:
            for text in inputs.ORDINARY:
                answer = await self._ask(said(text), variant)
                if problem := self._problem(answer, f"{variant!r}" if len(subject.variants) > 1 else ""):
                    self._over = "it does not answer"
                    return self._tell("answers", "failed", problem, answer.where)
                if "blocking" in self._done and answer.held_s >= HELD_S:
                    self._over = "it holds up the desk at every call"
                    return None
        return None

    async def _hostile(self) -> None:
        await self._all("hostile", [(name, said(text)) for name, text in inputs.HOSTILE.items()])

    async def _large(self) -> None:
        texts = [(f"64 KiB of text ({name})", said(text)) for name, text in inputs.LARGE.items()]
        many = tuple(f"This is message {number}." for number in range(inputs.MANY_MESSAGES))
        await self._all("large", [*texts, (f"{len(many)} messages", said(*many, history=many))])

    async def _all(self, check: str, given: Iterable[tuple[str, Said]]) -> None:
        for name, what in given:
            answer = await self._ask(what)
            if problem := self._problem(answer, name):
                return self._tell(check, "failed", problem, answer.where)
        return None

    async def _again(self) -> None:
        for variant in self._subject.variants:
            first = replace(said(inputs.ORDINARY[0]), again=True)
            for time_ in ("", "the same a second time", "the same a third time"):
                answer = await self._ask(first, variant)
                if (problem := self._problem(answer, time_)) and time_:
                    return self._tell("again", "failed", f"{problem}; what is told again must do no harm", answer.where)
        return None

    async def _rooms(self) -> None:
        """Ask about several rooms, one after another and all at once; nothing of one may show in another's answer."""
        rooms = {
            mark: replace(said(f"My number is {mark}.", f"Please help with {mark}!"), history=(f"Hello {mark}",))
            for mark in inputs.ROOM_MARKS
        }
        order = [*rooms, *rooms]
        for variant in self._subject.variants[:2]:
            for mark in order:
                answer = await self._ask(rooms[mark], variant)
                self._problem(answer, "")
                if self._mixed(mark, answer.value):
                    return None
            with self._with.stuck():
                calls = [asyncio.create_task(self._subject.ask(rooms[mark], variant)) for mark in order]
                await asyncio.wait(calls, timeout=self._subject.deadline_s)
            for mark, call in zip(order, calls, strict=True):
                answer = await self._outcome(call)
                problem = self._problem(replace(answer, spoke=self._with.reached > 0), "")
                if self._mixed(mark, answer.value):
                    return None
                if problem:
                    return self._tell("rooms", "failed", f"with several rooms at work, {problem}", answer.where)
        return None

    def _mixed(self, mark: str, value: Any) -> bool:
        shown = repr(value)
        if any(other in shown for other in inputs.ROOM_MARKS if other != mark):
            self._tell("rooms", "failed", "what was said in one room shows in the answer to another")
            return True
        return False

    async def _cancelled(self) -> None:
        """Cancel a call after a few of its steps; where its peer is silent it is sure to be waiting."""
        await self._settled(before := _tasks())
        left = len(_tasks() - before)
        await self._ask(said(inputs.ORDINARY[0]))
        await self._settled(before)
        leaves_some_anyway = len(_tasks() - before) > left  # that is for another check
        with self._silent() if self._stands_silence else nullcontext():
            for moment in (*MOMENTS, 0.02, 0.1):
                before = _tasks()
                call = asyncio.create_task(self._subject.ask(said(inputs.ORDINARY[1]), self._subject.variants[0]))
                with self._with.stuck():
                    if not await _still_running(call, moment):
                        break
                    where = _waiting_at(call, self._with.places)
                    call.cancel()
                    await asyncio.wait({call}, timeout=STOPS_S)
                problem = _swallowed(call)
                if not problem and not leaves_some_anyway:
                    await self._settled(before)
                    if others := _tasks() - before:
                        problem = f"left work running when it was cancelled: {_named(others)}"
                if problem:
                    return self._tell("cancelled", "failed", problem, where)
            if isinstance(self._subject, BotSubject) and (problem := await self._closed(self._subject)):
                return self._tell("cancelled", "failed", problem)
        return None

    async def _closed(self, subject: BotSubject) -> str:
        """A person takes over in the middle of an answer: the generator is closed after its first event."""
        for text in inputs.ORDINARY:
            stream: Any = subject.offer.handle(subject.turn(said(text), subject.variants[0]))
            try:
                async with asyncio.timeout(subject.deadline_s):
                    await anext(stream)
            except (StopAsyncIteration, Exception):
                continue
            try:
                with self._with.stuck():
                    async with asyncio.timeout(STOPS_S):
                        await stream.aclose()
            except TimeoutError:
                return "did not stop when its answer was closed in the middle"
            except RuntimeError:
                return "went on speaking when its answer was closed in the middle"
        return ""

    async def _peer(self) -> None:
        if not self._with.peers.spoken_to:
            self._stands_silence = True
            return None
        with self._silent():
            answer = await self._ask(said(inputs.ORDINARY[0]))
        if answer.held_s >= HELD_S:
            says = f"held up the whole desk for {answer.held_s:.1f} s while its peer was silent"
            return self._tell("peer", "failed", f"{says}; use an async client, or a thread", answer.held_where)
        if answer.how == "unstoppable":
            return self._tell("peer", "failed", f"while its peer is silent, {answer.says}", answer.where)
        self._stands_silence = True
        if answer.how == "late":
            says = f"waits for a silent peer until it is cut off after {self._subject.deadline_s:g} s"
            return self._tell("peer", "passed", says, answer.where)
        return None

    async def _leaks(self) -> None:
        with unclosed() as forgotten:
            for _ in range(WARM_UP):
                await self._asked(said(inputs.ORDINARY[0]), self._subject.variants[0])
            await self._settled(before := _tasks())
            held = Holdings.now()
            for _ in range(CALLS):
                await self._asked(said(inputs.ORDINARY[0]), self._subject.variants[0])
            await self._settled(before)
            growth = Holdings.now().growth(held)
        for what, count in growth.items():
            if count >= CALLS // 2:
                named = f" ({_named(_tasks() - before)})" if what == "tasks" else ""
                return self._tell("leaks", "failed", f"after {CALLS} calls, {count} {what} more are open{named}")
        if forgotten:
            return self._tell("leaks", "failed", f"forgot something: {forgotten[0]}")
        return None

    # Waiting.

    @contextmanager
    def _silent(self) -> Iterator[None]:
        self._with.peers.mode = "silent"
        try:
            yield
        finally:
            self._with.peers.mode = "refusing"

    async def _settled(self, before: set[asyncio.Task[Any]]) -> None:
        """Give what was begun on the side a moment to be done with."""
        until = time.monotonic() + SOON_S
        while _tasks() - before and time.monotonic() < until:
            await asyncio.sleep(0.01)


def _tasks() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if not task.done()}


def _named(tasks: set[asyncio.Task[Any]]) -> str:
    return ", ".join(sorted({getattr(task.get_coro(), "__qualname__", "a task") for task in tasks})[:3])


async def _still_running(call: asyncio.Task[Any], moment: float) -> bool:
    """After so many steps of the loop; a fraction is seconds."""
    if isinstance(moment, int):
        for _ in range(moment):
            await asyncio.sleep(0)
    else:
        await asyncio.wait({call}, timeout=moment)
    if call.done() and not call.cancelled():
        call.exception()  # looked at by other checks
    return not call.done()


def _swallowed(call: asyncio.Task[Any]) -> str:
    if not call.done():
        return f"did not stop within {STOPS_S:g} s when it was cancelled"
    if call.cancelled():
        return ""
    error = call.exception()
    if error is not None:
        return f"raised {type(error).__name__} instead of passing the cancellation on"
    return "went on and answered when it was cancelled; let CancelledError through"


def _waiting_at(call: asyncio.Task[Any], places: Places) -> str:
    """The plugin's innermost line that a suspended call waits at."""
    found = ""
    waits: Any = call.get_coro()
    while waits is not None:
        frame = _first_of(waits, "cr_frame", "ag_frame", "gi_frame")
        if frame is not None and (place := places.of_frame_alone(frame)):
            found = place
        waits = _first_of(waits, "cr_await", "ag_await", "gi_yieldfrom")
    return found


def _first_of(waits: Any, *names: str) -> Any:
    return next((value for name in names if (value := getattr(waits, name, None)) is not None), None)
