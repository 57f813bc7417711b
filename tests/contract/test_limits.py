"""Limits: a bucket for all instances that never keeps a sender waiting, and a cap on sockets over all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from deskbell.clock import Clock
from deskbell.errors import RateLimited
from deskbell.ids import ConnectionId, TenantId, UserId, new_id
from deskbell.testing.servers import ValkeyServer
from deskbell.volatile.limits import Limits, MemoryLimits
from deskbell.volatile.redis_limits import RedisLimits, RedisRoll
from deskbell.volatile.redis_link import Link

PATIENCE_S = 10.0


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def instance(url: str) -> AsyncIterator[RedisLimits]:
    """The limits of one more instance."""
    link = Link(url)
    limits = RedisLimits(link, Clock())
    await link.start()
    await limits.start()
    try:
        yield limits
    finally:
        await limits.close()
        await link.close()


@pytest.fixture(params=["memory", "redis"])
def any_url(request: pytest.FixtureRequest) -> str:
    return "memory://" if request.param == "memory" else str(request.getfixturevalue("redis_url"))


@pytest_asyncio.fixture(loop_scope="session")
async def limits(any_url: str) -> AsyncIterator[Limits]:
    if any_url == "memory://":
        yield MemoryLimits(Clock())
        return
    async with instance(any_url) as shared:
        yield shared


@pytest.fixture
def who() -> str:
    return new_id()


def taken(limits: Limits, who: str, *, per_min: float = 1, burst: int = 10, name: str = "message") -> int:
    """How often one may, until one may not."""
    for count in range(10_000):
        try:
            limits.spend(name, who, per_min=per_min, burst=burst)
        except RateLimited:
            return count
    raise AssertionError("there is no end to it")


async def taken_strictly(limits: Limits, who: str, *, per_min: float = 1, burst: int = 10) -> int:
    for count in range(10_000):
        try:
            await limits.spend_strictly("login", who, per_min=per_min, burst=burst)
        except RateLimited:
            return count
    raise AssertionError("there is no end to it")


async def test_a_burst_is_allowed_and_no_more(limits: Limits, who: str) -> None:
    assert taken(limits, who) == 10
    assert taken(limits, who) == 0
    assert taken(limits, new_id()) == 10, "everybody has a bucket of their own"
    assert taken(limits, who, name="typing") == 10, "and everything"


async def test_a_refusal_says_when_and_then_it_is_allowed(limits: Limits, who: str) -> None:
    assert taken(limits, who, per_min=600, burst=3) == 3
    with pytest.raises(RateLimited) as refused:
        limits.spend("message", who, per_min=600, burst=3)
    wait_ms = refused.value.retry_after_ms
    assert wait_ms is not None
    assert 1 <= wait_ms <= 101
    await asyncio.sleep(0.15)
    limits.spend("message", who, per_min=600, burst=3)


async def test_the_strict_way_counts_in_the_same_bucket(limits: Limits, who: str) -> None:
    assert await taken_strictly(limits, who) == 10
    with pytest.raises(RateLimited) as refused:
        await limits.spend_strictly("login", who, per_min=1, burst=10)
    assert refused.value.retry_after_ms is not None
    assert 50_000 <= refused.value.retry_after_ms <= 60_001
    with pytest.raises(RateLimited):
        limits.spend("login", who, per_min=1, burst=10)


async def test_many_strict_ones_at_once_get_the_burst_together(limits: Limits, who: str) -> None:
    async def allowed() -> bool:
        try:
            await limits.spend_strictly("login", who, per_min=1, burst=10)
        except RateLimited:
            return False
        return True

    assert sum(await asyncio.gather(*(allowed() for _ in range(50)))) == 10


# between instances


async def test_what_one_instance_gave_the_other_does_not_give_again(redis_url: str, who: str) -> None:
    """Somebody whose next socket is elsewhere has left what they have left: not less, not all anew."""
    async with instance(redis_url) as one, instance(redis_url) as two:
        for _ in range(4):
            one.spend("message", who, per_min=1, burst=10)
        await _settled(one)
        two.spend("message", who, per_min=1, burst=10)
        await _settled(two)
        assert taken(two, who) == 5
        await _settled(two)
        one.spend("message", who, per_min=1, burst=10)
        await _settled(one)
        assert taken(one, who) == 0


async def test_a_flood_through_several_instances_is_a_flood(redis_url: str, who: str) -> None:
    """In turn, with a moment in between: all together give little more than one alone."""
    async with instance(redis_url) as one, instance(redis_url) as two, instance(redis_url) as three:
        allowed = 0
        for _ in range(40):
            for limits in (one, two, three):
                try:
                    limits.spend("message", who, per_min=1, burst=10)
                    allowed += 1
                except RateLimited:
                    pass
                await asyncio.sleep(0.002)
        assert 10 <= allowed <= 13


async def test_guesses_on_all_instances_at_once_share_one_bucket(redis_url: str, who: str) -> None:
    """Not one more, however they are spread."""
    async with instance(redis_url) as one, instance(redis_url) as two:

        async def allowed(limits: Limits) -> bool:
            try:
                await limits.spend_strictly("login", who, per_min=1, burst=10)
            except RateLimited:
                return False
            return True

        assert sum(await asyncio.gather(*(allowed(limits) for _ in range(30) for limits in (one, two)))) == 10


async def test_what_is_refused_elsewhere_costs_nothing_here(redis_url: str, who: str) -> None:
    async with instance(redis_url) as one, instance(redis_url) as two:
        assert await taken_strictly(one, who, per_min=600, burst=5) == 5
        for _ in range(20):
            with pytest.raises(RateLimited):
                await two.spend_strictly("login", who, per_min=600, burst=5)
        await asyncio.sleep(0.25)
        await two.spend_strictly("login", who, per_min=600, burst=5)


async def test_large_buckets_are_settled_ten_at_a_time(redis_url: str, who: str) -> None:
    """So that the limiter costs a message next to nothing."""
    async with instance(redis_url) as limits:
        asked: list[int] = []
        ask = limits._link.ask

        async def counted(*commands: object) -> object:
            asked.append(len(commands))
            return await ask(*commands)  # type: ignore[arg-type]

        limits._link.ask = counted  # type: ignore[method-assign, assignment]
        for _ in range(100):
            limits.spend("message", who, per_min=100_000, burst=1000)
            await asyncio.sleep(0.002)
        await _settled(limits)
        assert sum(asked) <= 15
        (left,) = await ask(("HGET", f"deskbell:limit:message:{who}", "n"))
        assert float(left) <= 1000


async def test_buckets_do_not_stay_in_redis(redis_url: str, who: str) -> None:
    async with instance(redis_url) as limits:
        limits.spend("message", who, per_min=600, burst=10)
        await _settled(limits)
        (life_ms,) = await limits._link.ask(("PTTL", f"deskbell:limit:message:{who}"))
        assert 0 < life_ms <= 1100 + 100


async def _settled(limits: RedisLimits) -> None:
    """Until what was given has been said, and the answer was heard."""
    limits._due.update(limits._accounts)
    limits._settle.set()
    await until(lambda: not limits._accounts)
    await limits._link.ask(("PING",))
    await asyncio.sleep(0.01)


@pytest.fixture
def own_valkey() -> ValkeyServer:
    return ValkeyServer()


async def test_without_redis_each_instance_limits_by_itself(own_valkey: ValkeyServer, who: str) -> None:
    """Never open: what has been spent stays spent, and a guess is still counted."""
    with own_valkey:
        async with instance(own_valkey.url()) as one, instance(own_valkey.url()) as two:
            assert await taken_strictly(one, who) == 10
            own_valkey.stop()
            await until(lambda: one.degraded and two.degraded)
            assert await taken_strictly(one, who) == 0
            assert taken(one, who) == 10, "messages have a bucket of their own"
            assert taken(one, who) == 0
            assert await taken_strictly(two, who) == 10, "it was not asked before, and cannot ask now"
            assert await taken_strictly(two, who) == 0
            own_valkey.start()
            await until(lambda: not one.degraded and not two.degraded)
            for limits in (one, two):
                assert await taken_strictly(limits, who) == 0, "an empty Redis fills no bucket here"


# sockets


TENANT = TenantId(new_id())


@asynccontextmanager
async def roll(url: str, *, ttl_s: float = 75.0, every_s: float = 25.0) -> AsyncIterator[RedisRoll]:
    link = Link(url)
    counted = RedisRoll(link, ttl_s=ttl_s, every_s=every_s)
    await link.start()
    try:
        yield counted
    finally:
        await counted.close()
        await link.close()


def names(count: int) -> list[ConnectionId]:
    return [ConnectionId(new_id()) for _ in range(count)]


async def test_the_socket_that_has_been_silent_longest_makes_room(redis_url: str) -> None:
    user = UserId(new_id())
    a, b, c, d, e = names(5)
    async with roll(redis_url) as one, roll(redis_url) as two:
        assert await one.enter(TENANT, user, a, 3, {}) == []
        assert await two.enter(TENANT, user, b, 3, {}) == []
        assert await one.enter(TENANT, user, c, 3, {a: 20.0}) == []
        # On one: a has been silent for long, c has just spoken.
        assert await one.enter(TENANT, user, d, 3, {a: 40.0, c: 0.0}) == [a]
        assert await two.enter(TENANT, user, e, 3, {b: 90.0}) == [b]


async def test_each_user_has_a_cap_of_their_own_and_a_lower_one_closes_several(redis_url: str) -> None:
    ana, tom = UserId(new_id()), UserId(new_id())
    sockets = names(5)
    async with roll(redis_url) as one:
        for socket in sockets:
            assert await one.enter(TENANT, ana, socket, 5, {}) == []
        assert await one.enter(TENANT, tom, names(1)[0], 1, {}) == []
        assert await one.enter(TenantId(new_id()), ana, names(1)[0], 1, {}) == []
        silence = {socket: float(10 - n) for n, socket in enumerate(sockets)}
        assert await one.enter(TENANT, ana, names(1)[0], 3, silence) == sockets[:3]


async def test_who_has_left_is_not_counted(redis_url: str) -> None:
    user = UserId(new_id())
    a, b, c = names(3)
    async with roll(redis_url) as one, roll(redis_url) as two:
        await one.enter(TENANT, user, a, 2, {})
        await one.enter(TENANT, user, b, 2, {})
        one.leave(TENANT, user, a)
        await one._link.ask(("PING",))
        assert await two.enter(TENANT, user, c, 2, {}) == []


async def test_sockets_of_an_instance_that_died_are_not_counted_for_long(redis_url: str) -> None:
    user = UserId(new_id())
    a, b, c, d = names(4)
    async with roll(redis_url, ttl_s=0.6, every_s=0.1) as lives, roll(redis_url, ttl_s=0.6) as died:
        await lives.start(lambda: [(TENANT, user, {a: 0.0})])
        await lives.enter(TENANT, user, a, 2, {})
        await died.enter(TENANT, user, b, 2, {})
        await asyncio.sleep(1.0)
        assert await died.enter(TENANT, user, c, 2, {}) == [], "b no longer counts"
        assert len(await died.enter(TENANT, user, d, 2, {c: 0.0})) == 1, "a still does"


async def test_an_emptied_redis_is_told_of_the_sockets_again(redis_url: str) -> None:
    user = UserId(new_id())
    a, b, c = names(3)
    async with roll(redis_url, every_s=0.05) as one, roll(redis_url) as two:
        await one.start(lambda: [(TENANT, user, {a: 5.0, b: 1.0})])
        await one.enter(TENANT, user, a, 2, {})
        await one.enter(TENANT, user, b, 2, {a: 0.0})
        await one._link.ask(("FLUSHDB",))
        await asyncio.sleep(0.3)
        assert await two.enter(TENANT, user, c, 2, {}) == [a]


async def test_without_redis_everybody_may_come(own_valkey: ValkeyServer) -> None:
    """Each instance goes on counting its own, which is the hub's business."""
    user = UserId(new_id())
    with own_valkey:
        async with roll(own_valkey.url()) as one:
            own_valkey.stop()
            await until(lambda: one.degraded)
            assert [await one.enter(TENANT, user, name, 1, {}) for name in names(3)] == [[], [], []]
            one.leave(TENANT, user, names(1)[0])
