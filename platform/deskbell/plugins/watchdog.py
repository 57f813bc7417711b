"""Who holds up the whole process: a thread that watches the event loop.

A deadline holds only for what awaits. A plugin that computes, sleeps or asks a database in the ordinary way
stops every room at once, and nothing on the loop can notice. So a thread asks the loop for a sign of life ten
times a second; where none comes for :data:`BLOCKED_S`, it looks at what the loop's thread is doing, and the
innermost frame that is a plugin's says whose it is. Each hold-up is told once, when it is over or has lasted
:data:`TOLD_AFTER_S`.

The time is counted in the watchdog's own ticks: where the machine itself stands still, so does the count, and
nobody is blamed.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import structlog

log = structlog.get_logger(__name__)

TICK_S = 0.05
BEAT_EVERY_S = 0.1
BLOCKED_S = 0.25
TOLD_AFTER_S = 5.0

Report = Callable[[str, float, str], None]


@dataclass
class _HoldUp:
    module: str
    at: str
    seconds: float = 0.0
    told: bool = False


class Watchdog:
    """Watches the loop it is started on.

    Args:
        owner_of: The plugin a module belongs to; None where it is nobody's.
        report: Called on the loop: plugin, seconds, ``function, file:line``.
    """

    def __init__(self, owner_of: Callable[[str], str | None], report: Report) -> None:
        self._owner_of = owner_of
        self._report = report
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._beaten = True

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        watched = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, args=(loop, watched), name="watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()

    def _beat(self) -> None:
        self._beaten = True

    def _watch(self, loop: asyncio.AbstractEventLoop, watched: int) -> None:
        since_beat = waited = 0.0
        hold_up: _HoldUp | None = None
        last = time.monotonic()
        try:
            while not self._stop.wait(TICK_S):
                now = time.monotonic()
                ticked, last = min(now - last, 2 * TICK_S), now
                if self._beaten:
                    if hold_up is not None and not hold_up.told:
                        self._tell(loop, hold_up)
                    hold_up, waited = None, 0.0
                    since_beat += ticked
                    if since_beat >= BEAT_EVERY_S:
                        since_beat, self._beaten = 0.0, False
                        loop.call_soon_threadsafe(self._beat)
                    continue
                waited += ticked
                if waited < BLOCKED_S:
                    continue
                if hold_up is None:
                    hold_up = self._seen(watched)
                if hold_up is not None:
                    hold_up.seconds = waited
                    if waited >= TOLD_AFTER_S and not hold_up.told:
                        # It may never end; the loop cannot be told, so the log is, from here.
                        hold_up.told = True
                        log.error(
                            "plugin_blocks_the_loop", plugin=self._owner_of(hold_up.module), at=hold_up.at, lasting=True
                        )
                        self._tell(loop, hold_up)
        except RuntimeError:
            return  # the loop is closed

    def _seen(self, watched: int) -> _HoldUp | None:
        """What the loop's thread does now, if it is a plugin's."""
        frame: FrameType | None = sys._current_frames().get(watched)
        while frame is not None:
            module = str(frame.f_globals.get("__name__", ""))
            if self._owner_of(module) is not None:
                code = frame.f_code
                return _HoldUp(module, f"{code.co_qualname}, {code.co_filename.rpartition('/')[2]}:{frame.f_lineno}")
            frame = frame.f_back
        return None

    def _tell(self, loop: asyncio.AbstractEventLoop, hold_up: _HoldUp) -> None:
        hold_up.told = True
        owner = self._owner_of(hold_up.module)
        if owner is not None:
            loop.call_soon_threadsafe(self._report, owner, hold_up.seconds, hold_up.at)
