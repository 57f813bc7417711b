"""What a misbehaving plugin costs the rooms it has nothing to do with: ack times with and without it.

    python tests/benchmarks/plugin_isolation.py [seconds per window]

One process on SQLite serves calm rooms and troubled rooms, whose members all send at a steady pace. In every
second window what the troubled rooms say makes a filter hang, ignore its deadline, raise, answer garbage or leak
tasks; an observer hangs in threads all the while. Windows alternate, so that the machine's own moods fall on
both. Last, a plugin blocks the loop, and the watchdog says who. Bounded: about twelve windows.
"""

# ruff: noqa: T201 - it prints figures

from __future__ import annotations

import asyncio
import contextlib
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import structlog

from deskbell import Allow, Submission, hookimpl
from deskbell.testing.desk import Desk, Line, settings_for

CALM, TROUBLED = 20, 6
PACE_S = 0.05
ROUNDS = 5
TROUBLE = ("hang", "stubborn", "raise", "garbage", "leak", "observed")

BLOCKER = """
import time
from deskbell import Allow, hookimpl

class Blocker:
    name, order = "blocker", 9
    async def check(self, submission):
        if submission.text == "block":
            time.sleep(0.6)
        return Allow()

@hookimpl
def register_moderation_filters():
    return [Blocker()]
"""


class OnTheLoop:
    name, order = "on_the_loop", 1

    async def check(self, submission: Submission) -> Any:
        match submission.text:
            case "hang":
                await asyncio.Event().wait()
            case "stubborn":
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(60)
                await asyncio.sleep(60)
            case "raise":
                raise ValueError
            case "garbage":
                return 42
            case "leak":
                for _ in range(20):
                    asyncio.ensure_future(asyncio.sleep(1))  # noqa: RUF006 - this is what is shown
        return Allow()


class Bad:
    @hookimpl
    def register_moderation_filters(self) -> Sequence[Any]:
        return [OnTheLoop()]


class HangsInThreads:
    run_in = "thread"

    @hookimpl
    def on_message(self, message: Any) -> None:
        if message.content == "observed":
            time.sleep(2)


@contextlib.asynccontextmanager
async def sending(lines: Sequence[tuple[Line, str, str]], times: list[float] | None) -> AsyncIterator[None]:
    """Send in each room at a steady pace; note how long each ack took."""

    async def send(line: Line, room: str, text: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        while True:
            begun = time.perf_counter()
            with contextlib.suppress(AssertionError, TimeoutError):
                await line.ask({"type": "send", "room": room, "content": text})
                if times is not None:
                    times.append(time.perf_counter() - begun)
            await asyncio.sleep(PACE_S)

    tasks = [
        asyncio.ensure_future(send(line, room, text, PACE_S * number / len(lines)))
        for number, (line, room, text) in enumerate(lines)
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def shown(name: str, times: list[float]) -> tuple[float, float, float]:
    cuts = statistics.quantiles(times, n=100)
    p50, p95, p99 = cuts[49] * 1000, cuts[94] * 1000, cuts[98] * 1000
    print(f"{name:<26} {len(times):>6} acks   p50 {p50:7.2f} ms   p95 {p95:7.2f} ms   p99 {p99:7.2f} ms")
    return p50, p95, p99


async def main(window_s: float) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as folder:
        plugins = Path(folder) / "plugins.d"
        plugins.mkdir()
        (plugins / "sleepy.py").write_text(BLOCKER)
        settings = settings_for(
            f"sqlite:///{folder}/deskbell.sqlite3",
            plugin_host={"folder": str(plugins)},
            plugins={"sleepy": {}},
            moderation={"timeout_s": 0.2},
        )
        async with Desk.open("", settings=settings, plugins={"bad": Bad(), "bad_in_threads": HangsInThreads()}) as desk:

            async def rooms(texts: Sequence[str]) -> list[tuple[Line, str, str]]:
                found = []
                for number, text in enumerate(texts):
                    person = await desk.member(f"Member {number}")
                    room, line = await person.group(), await person.connect()
                    desk.lines.append(line)
                    await line.subscribe(room)
                    found.append((line, room, text))
                return found

            calm = await rooms(["hello"] * CALM)
            troubled = await rooms([TROUBLE[number % len(TROUBLE)] for number in range(TROUBLED)])
            alone: list[float] = []
            beside: list[float] = []
            async with sending(calm, []):
                await asyncio.sleep(window_s / 2)  # warm
            for _ in range(ROUNDS):
                async with sending(calm, alone), sending([(line, room, "hello") for line, room, _ in troubled], None):
                    await asyncio.sleep(window_s)
                async with sending(calm, beside), sending(troubled, None):
                    await asyncio.sleep(window_s)
            print(f"{CALM} calm rooms; {TROUBLED} troubled ones in every second window: {', '.join(TROUBLE)}")
            before, after = shown("all is well", alone), shown("beside troubled rooms", beside)
            moved = [
                f"{name} {(b / a - 1) * 100:+.0f} %"
                for name, a, b in zip(("p50", "p95", "p99"), before, after, strict=True)
            ]
            print("moved: " + ", ".join(moved))
            line, room, _ = calm[0]
            for _ in range(3):
                with contextlib.suppress(AssertionError, TimeoutError):
                    await line.ask({"type": "send", "room": room, "content": "block"})
                await asyncio.sleep(0.3)
            for found in desk.application.ports.plugins.describe():
                if found["name"] in ("bad", "bad_in_threads", "sleepy"):
                    print(
                        f"{found['name']}: faults {found['faults']}, passed over {found['passed_over']},"
                        f" breakers {found['breakers']}, blocked {found['blocked']} {found['last_block']}"
                    )


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 4.0))
