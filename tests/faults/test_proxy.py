"""The link that the fault harness puts between processes: what goes wrong on it is what was asked for."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from deskbell.testing.faults.proxy import Link

PATIENCE_S = 5.0


@dataclass
class Echo:
    """Somebody who repeats what they hear, in the pieces in which it came."""

    port: int = 0
    pieces: list[bytes] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                self.pieces.append(data)
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest_asyncio.fixture(loop_scope="session")
async def echo() -> AsyncIterator[Echo]:
    made = Echo()
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest_asyncio.fixture(loop_scope="session")
async def link(echo: Echo) -> AsyncIterator[Link]:
    made = Link(echo.port, random.Random(1))
    await made.start()
    yield made
    await made.close()


class Caller:
    """One connection through the link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def through(cls, link: Link) -> Caller:
        return cls(*await asyncio.open_connection("127.0.0.1", link.port))

    async def says(self, text: bytes) -> None:
        self.writer.write(text)
        await self.writer.drain()

    async def hears(self, size: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readexactly(size)

    async def hears_nothing(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await self.reader.read(1)

    def close(self) -> None:
        self.writer.transport.abort()


async def test_in_fair_weather_everything_arrives(link: Link) -> None:
    caller = await Caller.through(link)
    await caller.says(b"x" * 300_000)
    assert await caller.hears(300_000) == b"x" * 300_000
    assert link.open == link.carried == 1
    caller.close()


async def test_a_cut_with_rst_is_an_error_to_both(link: Link) -> None:
    caller = await Caller.through(link)
    await caller.says(b"hello")
    await caller.hears(5)
    assert link.cut(reset=True) == 1
    with pytest.raises(ConnectionResetError):
        await caller.hears(1)


async def test_a_cut_with_fin_is_an_end(link: Link) -> None:
    caller = await Caller.through(link)
    await caller.says(b"hello")
    await caller.hears(5)
    link.cut(reset=False)
    async with asyncio.timeout(PATIENCE_S):
        assert await caller.reader.read() == b""
    caller.close()


async def test_small_pieces_are_small_and_lose_nothing(link: Link, echo: Echo) -> None:
    link.weather.piece_bytes = 3
    link.weather.jitter_s = 0.001
    caller = await Caller.through(link)
    await caller.says(b"hello, is anybody there?")
    assert await caller.hears(24) == b"hello, is anybody there?"
    assert len(echo.pieces) > 4
    caller.close()


async def test_a_half_open_link_carries_one_direction(link: Link, echo: Echo) -> None:
    caller = await Caller.through(link)
    link.weather.swallow = ("back",)
    await caller.says(b"hello")
    await caller.hears_nothing()
    assert echo.pieces == [b"hello"]
    caller.close()


async def test_a_black_hole_takes_everything_and_answers_nothing(link: Link, echo: Echo) -> None:
    link.weather.swallow = ("there", "back")
    caller = await Caller.through(link)
    await caller.says(b"hello")
    await caller.hears_nothing()
    assert echo.pieces == []
    caller.close()


async def test_what_lost_bytes_is_cut_when_the_link_heals_and_what_comes_then_works(link: Link) -> None:
    """A stream with a hole in it must not go on as if nothing had been."""
    link.weather.swallow = ("there", "back")
    lost = await Caller.through(link)
    await lost.says(b"hello")
    await lost.hears_nothing()
    link.heal()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await lost.hears(5)

    caller = await Caller.through(link)
    await caller.says(b"again")
    assert await caller.hears(5) == b"again"
    caller.close()


async def test_the_same_seed_chooses_the_same_connections(echo: Echo) -> None:
    async def chosen() -> int:
        link = Link(echo.port, random.Random(7))
        await link.start()
        callers = [await Caller.through(link) for _ in range(20)]
        while link.open < 20:
            await asyncio.sleep(0.01)
        cut = link.cut(reset=True, share=0.5)
        for caller in callers:
            caller.close()
        await link.close()
        return cut

    assert 0 < await chosen() < 20
    assert await chosen() == await chosen()
