"""The rooms that are followed, each from the place it has reached, over any number of sockets.

Every room is subscribed again when there is a new socket; what was missed comes in pages, and each new
message is told once and in order, or the room is loaded afresh and says so. A place is kept in the notebook
only after what led to it was told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from deskbell.client.events import Event, MessageNew, RoomLost
from deskbell.client.line import Link
from deskbell.client.notebook import Notebook
from deskbell.client.outbox import seen
from deskbell.client.patience import Patience
from deskbell.client.view import Place, RoomView, Step
from deskbell.clock import Clock
from deskbell.errors import DeskbellError, NotFound
from deskbell.model.records import Message
from deskbell.wire.frames import (
    Changes,
    Delta,
    MessageFrame,
    ParticipantFrame,
    Receipt,
    Reset,
    RoomFrame,
    Skip,
    Subscribed,
    Tips,
    TypingFrame,
)

_ANSWER_S = 30.0  # a subscribe unanswered for so long is asked again
_ROOMS_PER_FRAME = 100


class Following:
    """``rooms`` holds the view of each room by its id."""

    def __init__(
        self, link: Link, notebook: Notebook, clock: Clock, patience: Patience, tell: Callable[[Event], None]
    ) -> None:
        self.rooms: dict[str, RoomView] = {}
        self._link = link
        self._notebook = notebook
        self._clock = clock
        self._patience = patience
        self._tell = tell
        self._asked: dict[str, tuple[int, float]] = {}  # room -> ref and time of the subscribe under way
        self._subscribing: dict[str, asyncio.Future[RoomView]] = {}
        self._errands: set[asyncio.Task[None]] = set()

    async def follow(self, room: str) -> RoomView:
        """Follow a room; its view, once it is complete.

        Raises:
            DeskbellError: The room's refusal, or why there will be no socket.
        """
        view = self.rooms.get(room)
        if view is None:
            view = self.rooms[room] = RoomView(room, self._notebook.places.get(room), now=self._clock.monotonic)
        if view.live:
            return view
        waiting = self._subscribing.get(room)
        if waiting is None:
            waiting = self._subscribing[room] = asyncio.get_running_loop().create_future()
            waiting.add_done_callback(seen)
        self._ask([view])
        return await asyncio.shield(waiting)

    def drop(self, room: str, error: DeskbellError | None = None) -> None:
        """Follow a room no more, and forget its place; who still waits for it hears ``error``."""
        self.rooms.pop(room, None)
        self._asked.pop(room, None)
        self._notebook.leave(room)
        waiting = self._subscribing.pop(room, None)
        if waiting is not None and not waiting.done():
            waiting.set_exception(error or NotFound())

    def welcomed(self) -> None:
        """There is a socket: every room goes on."""
        self._ask(self.rooms.values())

    def lost(self) -> None:
        """The socket is gone."""
        self._asked.clear()
        for view in self.rooms.values():
            view.lost()

    def end(self, error: DeskbellError) -> None:
        """There will be no socket again: everybody who waits is told why."""
        for task in self._errands:
            task.cancel()
        for waiting in self._subscribing.values():
            if not waiting.done():
                waiting.set_exception(error)

    def _ask(self, views: Iterable[RoomView]) -> None:
        """Subscribe rooms from their positions, but for those where that is under way."""
        line = self._link.open
        if line is None:
            return
        now = self._clock.monotonic()
        rooms = [view for view in views if view.id not in self._asked]
        for start in range(0, len(rooms), _ROOMS_PER_FRAME):
            ref = self._link.next_ref()
            wanted: list[dict[str, Any]] = []
            for view in rooms[start : start + _ROOMS_PER_FRAME]:
                self._asked[view.id] = (ref, now)
                view.asking()
                if view.position is None:
                    wanted.append({"id": view.id})
                else:
                    wanted.append({"id": view.id, "epoch": view.epoch, "since": view.position})
            line.say({"type": "subscribe", "rooms": wanted, "ref": ref})

    def _took(self, view: RoomView, steps: list[Step], place: Place | None) -> None:
        """Tell what happened; remember how far it was told."""
        for step in steps:
            self._tell(step.event)
            if step.mark is not None and place is not None and len(steps) > 1:
                born = step.event.message.seq if isinstance(step.event, MessageNew) else None
                self._notebook.reached(view.id, step.mark, born)
        reached = view.place
        if reached is not None and reached != self._notebook.places.get(view.id):
            self._notebook.set_place(view.id, reached)
        if view.live:
            self._asked.pop(view.id, None)
            waiting = self._subscribing.pop(view.id, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(view)
            if view.behind:
                self._ask([view])

    # what the server says of them

    def durable(self, frame: MessageFrame | ParticipantFrame | RoomFrame | Skip) -> None:
        """Something happened in a room, and took its next number."""
        view = self.rooms.get(frame.room)
        if view is not None:
            place = self._notebook.places.get(frame.room)
            self._took(view, view.durable(frame), place)

    def passing(self, frame: Delta | TypingFrame | Receipt) -> None:
        """Something is going on in a room that takes no number."""
        view = self.rooms.get(frame.room)
        if view is not None:
            steps = (
                view.delta(frame)
                if isinstance(frame, Delta)
                else view.typed(frame)
                if isinstance(frame, TypingFrame)
                else view.receipt(frame)
            )
            for step in steps:
                self._tell(step.event)

    def page(self, frame: Subscribed | Changes) -> None:
        """A page of what was missed."""
        view = self.rooms.get(frame.room)
        if view is None:
            return
        if isinstance(frame, Subscribed):
            asked = self._asked.get(frame.room)
            if asked is None or (isinstance(frame.ref, int) and frame.ref != asked[0]):
                return  # the answer to a question that no longer stands, e.g. one from before a reset
        place = view.place
        self._took(view, view.page(frame), place)

    def reset(self, frame: Reset) -> None:
        """Nothing can be told from the place reached: the room is loaded afresh."""
        view = self.rooms.get(frame.room)
        if view is not None:
            view.reset()
            self._asked.pop(frame.room, None)
            self._ask([view])

    def tips(self, frame: Tips) -> None:
        """How far rooms have got: whoever is behind asks."""
        for room, seq in frame.rooms.items():
            view = self.rooms.get(room)
            if view is None:
                continue
            view.heard_of(seq)
            asked = self._asked.get(room)
            if asked is not None and self._clock.monotonic() - asked[1] > _ANSWER_S:
                del self._asked[room]
                self._ask([view])
            elif view.live and view.behind:
                self._ask([view])

    def learn(self, messages: Iterable[Message]) -> None:
        """Messages that came as an answer join the views of their rooms."""
        for message in messages:
            view = self.rooms.get(message.room)
            if view is not None:
                for step in view.learn(message):
                    self._tell(step.event)

    def refuse(self, ref: object, room: str | None, error: DeskbellError) -> bool:
        """A subscribe was refused, in one room or in all it named. False: it was none of these."""
        rooms = [asked for asked, (asked_ref, _) in self._asked.items() if asked_ref == ref]
        if room is not None:
            rooms = [asked for asked in rooms if asked == room]
        for refused in rooms:
            if error.temporary:
                del self._asked[refused]
                errand = asyncio.create_task(self._ask_later(refused, error), name="deskbell.client.errand")
                self._errands.add(errand)
                errand.add_done_callback(self._errands.discard)
                continue
            known = self.rooms[refused].position is not None
            self.drop(refused, error)
            if known:
                self._tell(RoomLost(refused, error))
        return bool(rooms)

    async def _ask_later(self, room: str, error: DeskbellError) -> None:
        await self._clock.sleep(self._patience.asked_s(error.retry_after_ms or 1000))
        view = self.rooms.get(room)
        if view is not None and not view.live:
            self._ask([view])
