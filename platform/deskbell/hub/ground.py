"""What all parts of the hub stand on: the store, the bus, the framing, and the tasks they begin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

from deskbell.hub.connection import Connection, Stream, Voice
from deskbell.ids import RoomId, TenantId
from deskbell.model.records import Channel, Room, RoomState
from deskbell.store import rows
from deskbell.store.database import Database
from deskbell.volatile.bus import Bus, Interest
from deskbell.wire import frames

log = structlog.get_logger(__name__)


class Ground:
    """One per hub. ``prepare`` frames an encoded text for the wire; ``bus`` is told what is of interest here."""

    def __init__(
        self, db: Database, channels: Mapping[str, Channel], prepare: Callable[[bytes], bytes], bus: Bus | None
    ) -> None:
        self.db = db
        self.bus = bus
        self.prepare = prepare
        self._channels = channels
        self._tasks: set[asyncio.Task[Any]] = set()

    def epoch_of(self, number: int) -> str:
        """A room's epoch as clients see it: its own, and which life of the store this is."""
        return f"{number}.{self.db.incarnation}"

    def state_of(self, room: Room) -> RoomState:
        """A room as its members see it."""
        return rows.room_state(room, self._channels[room.channel_type])

    def framed(self, frame: frames.Frame) -> bytes:
        return self.prepare(frames.encode(frame))

    def say(self, connection: Connection, frame: frames.Frame) -> None:
        """Tell one socket something, in its own dialect."""
        if connection.voice is None:
            connection.out.write(self.framed(frame))
        else:
            connection.voice.own(connection, frame)

    def page(self, stream: Stream, voice: Voice | None, frame: frames.Page) -> bytes:
        """Records of a room as sockets of a dialect are told them; empty where it has no word for them."""
        return self.framed(frame) if voice is None else voice.page(stream, frame)

    def interest(self, tenant: TenantId, topic: Interest, key: str, on: bool) -> None:
        if self.bus is not None:
            self.bus.interest(tenant, topic, key, on)

    async def listening(self, tenant: TenantId, room: RoomId) -> None:
        """Return once what is announced of a room is heard of here."""
        if self.bus is not None:
            await self.bus.listening(tenant, "room", room)

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold on to a task whose outcome somebody else looks at."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("hub_task_failed", task=task.get_name(), exc_info=error)

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
