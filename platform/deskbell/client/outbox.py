"""The outbox: what was asked of the server and has not had its one terminal reply.

A message stays in it, under one ``client_id``, until it was taken or refused: over any number of sockets and,
with a notebook that is a file, over a kill. To one room, messages go in the order in which they were put in.
Every other request is made again on the next socket, unless nobody waits for it any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from deskbell.client.events import Delayed, Event, NotSent, Sent
from deskbell.client.line import Link
from deskbell.client.notebook import Notebook
from deskbell.client.patience import Patience
from deskbell.client.rest import NotUnderstood
from deskbell.clock import Clock
from deskbell.errors import DeskbellError
from deskbell.wire.frames import Ack, HistoryFrame, Ok, Reply

R = TypeVar("R", Ack, Ok, HistoryFrame)


@dataclass(eq=False)
class _Request:
    """A frame that has not had its terminal reply. ``send`` frames are also in the notebook."""

    ref: int
    frame: dict[str, Any]
    done: asyncio.Future[Any] | None
    patient: bool = False
    flying: bool = False
    tries: int = 0

    @property
    def is_send(self) -> bool:
        return bool(self.frame["type"] == "send")


class Outbox:
    """``tell`` hears of every message what became of it."""

    def __init__(
        self, link: Link, notebook: Notebook, clock: Clock, patience: Patience, tell: Callable[[Event], None]
    ) -> None:
        self._link = link
        self._notebook = notebook
        self._clock = clock
        self._patience = patience
        self._tell = tell
        self._requests: dict[int, _Request] = {}
        self._pauses: dict[str, asyncio.Task[None]] = {}

    def restore(self) -> None:
        """Go on with what the process before this one has not sent."""
        for frame in self._notebook.outbox.values():
            self._enlist(frame, done=None, patient=True)

    def unsent(self, room: str | None = None) -> list[dict[str, Any]]:
        """The messages that wait, oldest first, as ``send`` frames."""
        frames = [request.frame for request in self._requests.values() if request.is_send]
        return [frame for frame in frames if room is None or frame["room"] == room]

    def put(self, frame: dict[str, Any], patient: bool) -> asyncio.Future[Ack]:
        """Put a ``send`` frame in; what is returned is done, or failed, with its terminal reply."""
        self._notebook.put_out(frame)
        done: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        done.add_done_callback(seen)
        self._post(self._enlist(frame, done, patient))
        return done

    async def ask(self, frame: dict[str, Any], kind: type[R]) -> R:
        """Make a request and wait for its answer.

        Raises:
            NotUnderstood: The answer is of another kind.
            DeskbellError: The refusal.
        """
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._post(self._enlist(frame, done))
        answer = await done
        if not isinstance(answer, kind):
            raise NotUnderstood
        return answer

    def _enlist(self, frame: dict[str, Any], done: asyncio.Future[Any] | None, patient: bool = False) -> _Request:
        request = _Request(self._link.next_ref(), frame, done, patient)
        self._requests[request.ref] = request
        if done is not None and not request.is_send:
            # Whoever waited and gave up wants it undone as little as possible: it is not repeated.
            done.add_done_callback(lambda _: self._requests.pop(request.ref, None))
        return request

    def _post(self, request: _Request) -> None:
        """Put a request on the line, if there is one and nothing of its room has to wait."""
        line = self._link.open
        if line is None or request.flying:
            return
        if request.is_send and request.frame["room"] in self._pauses:
            return
        request.flying = True
        line.say({**request.frame, "ref": request.ref})

    def welcomed(self) -> None:
        """There is a socket: everything without an answer goes out, in its order."""
        for request in list(self._requests.values()):
            self._post(request)

    def lost(self) -> None:
        """The socket is gone, and with it whatever answers were under way."""
        for request in self._requests.values():
            request.flying = False

    def settle(self, ref: object, answer: Reply) -> None:
        """A request was answered."""
        request = self._requests.pop(ref, None) if isinstance(ref, int) else None
        if request is None:
            return
        if request.is_send and isinstance(answer, Ack):
            room, client_id = request.frame["room"], request.frame["client_id"]
            self._notebook.taken((room, client_id))
            self._tell(Sent(room, client_id, answer))
        if request.done is not None and not request.done.done():
            request.done.set_result(answer)

    def refuse(self, ref: object, error: DeskbellError) -> bool:
        """A request was refused, for now or for good. False: it is none of these."""
        request = self._requests.get(ref) if isinstance(ref, int) else None
        if request is None:
            return False
        if request.is_send:
            room, client_id = request.frame["room"], request.frame["client_id"]
            if error.temporary and request.patient:
                self._pause(request, error)
                return True
            self._notebook.taken((room, client_id))
            self._tell(NotSent(room, client_id, request.frame["content"], error))
        self._requests.pop(request.ref, None)
        if request.done is not None and not request.done.done():
            request.done.set_exception(error)
        return True

    def _pause(self, request: _Request, error: DeskbellError) -> None:
        """Hold back what goes to this room for a while: later messages shall not overtake this one."""
        room = request.frame["room"]
        request.flying = False
        request.tries += 1
        wait_s = self._patience.refused_s(error, request.tries)
        self._tell(Delayed(room, request.frame["client_id"], wait_s, error))
        if room not in self._pauses:
            self._pauses[room] = asyncio.create_task(self._resume(room, wait_s), name="deskbell.client.pause")

    async def _resume(self, room: str, wait_s: float) -> None:
        await self._clock.sleep(wait_s)
        del self._pauses[room]
        for request in list(self._requests.values()):
            if request.frame.get("room") == room:
                self._post(request)

    def end(self, error: DeskbellError) -> None:
        """There will be no socket again: everybody who waits is told why."""
        for task in self._pauses.values():
            task.cancel()
        for request in list(self._requests.values()):
            if request.done is not None and not request.done.done():
                request.done.set_exception(error)
                seen(request.done)


def seen(future: asyncio.Future[Any]) -> None:
    """Nobody need look at this outcome."""
    if future.done() and not future.cancelled():
        future.exception()
