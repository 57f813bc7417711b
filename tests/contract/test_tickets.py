"""Tickets: once, for half a minute, on whichever instance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from deskbell.errors import Unavailable
from deskbell.ids import TenantId, UserId, new_id
from deskbell.testing.desk import FakeClock
from deskbell.testing.servers import ValkeyServer
from deskbell.volatile.redis_link import Link
from deskbell.volatile.redis_tickets import RedisTickets
from deskbell.volatile.tickets import MemoryTickets, Ticket, Tickets

TENANT, ANA = TenantId(new_id()), UserId(new_id())
PATIENCE_S = 10.0


@asynccontextmanager
async def instance(url: str, clock: FakeClock) -> AsyncIterator[RedisTickets]:
    link = Link(url, timeout_s=0.3)
    await link.start()
    try:
        yield RedisTickets(link, clock)
    finally:
        await link.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "redis"])
def any_url(request: pytest.FixtureRequest) -> str:
    return "memory://" if request.param == "memory" else str(request.getfixturevalue("redis_url"))


@pytest_asyncio.fixture(loop_scope="session")
async def tickets(any_url: str, clock: FakeClock) -> AsyncIterator[Tickets]:
    if any_url == "memory://":
        yield MemoryTickets(clock)
        return
    async with instance(any_url, clock) as shared:
        yield shared


async def issue(tickets: Tickets, origin: str | None = "https://shop.example") -> str:
    return await tickets.issue(TENANT, ANA, origin, 3, 9_000_000)


async def test_a_ticket_says_who_asked_for_it_and_from_where(tickets: Tickets, clock: FakeClock) -> None:
    name = await issue(tickets)
    found = await tickets.use(name)
    assert found is not None
    assert found == Ticket(TENANT, ANA, "https://shop.example", 3, found.expires_us, 9_000_000)
    assert 29_000_000 <= found.expires_us - clock.now_us() <= 30_000_000
    without = await tickets.use(await issue(tickets, None))
    assert without is not None
    assert without.origin is None


async def test_a_ticket_is_used_once(tickets: Tickets) -> None:
    name = await issue(tickets)
    used = await asyncio.gather(*(tickets.use(name) for _ in range(20)))
    assert sum(found is not None for found in used) == 1
    assert await tickets.use(name) is None


async def test_after_half_a_minute_it_is_over(tickets: Tickets, clock: FakeClock) -> None:
    late, good = await issue(tickets), await issue(tickets)
    clock.advance(29)
    assert await tickets.use(good) is not None
    clock.advance(1.5)
    assert await tickets.use(late) is None


async def test_no_two_are_the_same_and_none_is_guessed(tickets: Tickets) -> None:
    names = {await issue(tickets) for _ in range(100)}
    assert len(names) == 100
    assert min(len(name) for name in names) >= 32
    for guess in ("", "x", "a" * 5000, "\u00e9", next(iter(names))[:-1]):
        assert await tickets.use(guess) is None


async def test_a_ticket_of_one_instance_is_used_on_one_of_the_others(redis_url: str, clock: FakeClock) -> None:
    async with instance(redis_url, clock) as one, instance(redis_url, clock) as two:
        for _ in range(20):
            name = await issue(one)
            used = await asyncio.gather(one.use(name), two.use(name), two.use(name))
            assert sum(found is not None for found in used) == 1


async def test_redis_never_holds_what_opens_a_socket(redis_url: str, clock: FakeClock) -> None:
    """Whoever reads its memory, or its log, has nothing to come in with; and nothing stays there."""
    async with instance(redis_url, clock) as tickets:
        await tickets._link.ask(("FLUSHDB",))
        name = await issue(tickets)
        (keys,) = await tickets._link.ask(("KEYS", "*"))
        assert len(keys) == 1
        value, life_s = await tickets._link.ask(("GET", keys[0].decode()), ("TTL", keys[0].decode()))
        assert name.encode() not in keys[0] + value
        assert 1 <= life_s <= 30


@pytest.fixture
def own_valkey() -> ValkeyServer:
    return ValkeyServer()


async def test_without_redis_nobody_gets_in_whom_nobody_knows(own_valkey: ValkeyServer, clock: FakeClock) -> None:
    with own_valkey:
        async with instance(own_valkey.url(), clock) as one, instance(own_valkey.url(), clock) as two:
            before = await issue(one)
            own_valkey.stop()
            meanwhile = await issue(one)
            with pytest.raises(Unavailable) as refused:
                await two.use(meanwhile)
            assert refused.value.temporary
            assert await one.use(meanwhile) is not None, "the instance that issued it knows it"
            for name in (meanwhile, before, "a guess"):
                with pytest.raises(Unavailable):
                    await one.use(name)
            own_valkey.start()
            async with asyncio.timeout(PATIENCE_S):
                while one.degraded or two.degraded:
                    await asyncio.sleep(0.01)
            assert await two.use(meanwhile) is None
            assert await two.use(await issue(one)) is not None
