"""Who is here: what presence promises in one process, and over several."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from deskbell.clock import Clock
from deskbell.ids import TenantId, UserId, new_id
from deskbell.testing.desk import FakeClock
from deskbell.testing.servers import ValkeyServer
from deskbell.volatile.presence import MemoryPresence, Presence, Seen
from deskbell.volatile.redis_link import Link
from deskbell.volatile.redis_presence import INSTANCES, RedisPresence

PATIENCE_S = 10.0


@asynccontextmanager
async def instance(
    url: str, clock: Clock | None = None, *, ttl_s: float = 20.0, beat_s: float = 5.0
) -> AsyncIterator[RedisPresence]:
    """Presence as one more instance has it."""
    link = Link(url)
    presence = RedisPresence(link, clock or FakeClock(), ttl_s=ttl_s, beat_s=beat_s)
    await link.start()
    await presence.start()
    try:
        yield presence
    finally:
        await presence.close()
        await link.close()


@pytest.fixture(params=["memory", "redis"])
def any_url(request: pytest.FixtureRequest) -> str:
    return "memory://" if request.param == "memory" else str(request.getfixturevalue("redis_url"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest_asyncio.fixture(loop_scope="session")
async def presence(any_url: str, clock: FakeClock) -> AsyncIterator[Presence]:
    if any_url == "memory://":
        yield MemoryPresence(clock)
        return
    async with instance(any_url, clock) as shared:
        yield shared


@pytest.fixture
def tenant() -> TenantId:
    return TenantId(new_id())


@pytest.fixture
def ana() -> UserId:
    return UserId(new_id())


async def status(presence: Presence, tenant: TenantId, user: UserId) -> str:
    return (await presence.seen(tenant, [user]))[user].status


async def test_a_user_is_here_from_the_first_socket_to_the_last(
    presence: Presence, tenant: TenantId, ana: UserId
) -> None:
    assert await status(presence, tenant, ana) == "offline"
    assert await presence.enter(tenant, ana) is True
    assert await presence.enter(tenant, ana) is False
    assert await status(presence, tenant, ana) == "online"
    assert await presence.leave(tenant, ana) is False
    assert await status(presence, tenant, ana) == "online"
    assert await presence.leave(tenant, ana) is True
    assert await status(presence, tenant, ana) == "offline"


async def test_of_who_has_left_it_is_known_when(
    presence: Presence, tenant: TenantId, ana: UserId, clock: FakeClock
) -> None:
    assert (await presence.seen(tenant, [ana]))[ana] == Seen("offline", None)
    await presence.enter(tenant, ana)
    clock.advance(100)
    before = clock.now_us()
    await presence.leave(tenant, ana)
    clock.advance(100)
    last = (await presence.seen(tenant, [ana]))[ana].last_seen_us
    assert last is not None
    assert before <= last < before + 50_000_000


async def test_what_one_says_of_oneself_holds_while_one_is_here(
    presence: Presence, tenant: TenantId, ana: UserId
) -> None:
    await presence.enter(tenant, ana)
    for said in ("away", "busy", "online"):
        await presence.choose(tenant, ana, said)  # type: ignore[arg-type]
        assert await status(presence, tenant, ana) == said
    await presence.choose(tenant, ana, "busy")
    await presence.leave(tenant, ana)
    assert await status(presence, tenant, ana) == "offline"


async def test_many_are_asked_of_at_once(presence: Presence, tenant: TenantId) -> None:
    users = [UserId(new_id()) for _ in range(100)]
    for user in users[::2]:
        await presence.enter(tenant, user)
    seen = await presence.seen(tenant, users)
    assert [seen[user].status for user in users] == ["online", "offline"] * 50
    assert await presence.seen(tenant, []) == {}


async def test_the_same_name_in_another_tenant_is_somebody_else(
    presence: Presence, tenant: TenantId, ana: UserId
) -> None:
    await presence.enter(tenant, ana)
    assert await status(presence, TenantId(new_id()), ana) == "offline"


async def test_sockets_that_come_and_go_at_once_end_in_the_truth(
    presence: Presence, tenant: TenantId, ana: UserId
) -> None:
    for _ in range(20):
        await asyncio.gather(*(presence.enter(tenant, ana) for _ in range(3)), presence.leave(tenant, ana))
        assert await status(presence, tenant, ana) == "online"
        await asyncio.gather(*(presence.leave(tenant, ana) for _ in range(2)))
        assert await status(presence, tenant, ana) == "offline"


# between instances


async def test_who_is_here_anywhere_is_here_everywhere(redis_url: str, tenant: TenantId, ana: UserId) -> None:
    async with instance(redis_url) as one, instance(redis_url) as two:
        assert await one.enter(tenant, ana) is True
        assert await status(two, tenant, ana) == "online"
        assert await two.enter(tenant, ana) is False, "they were here before, elsewhere"
        assert await one.leave(tenant, ana) is False, "they are still here, elsewhere"
        assert await status(one, tenant, ana) == "online"
        assert await two.leave(tenant, ana) is True
        assert await status(one, tenant, ana) == "offline"
        assert (await one.seen(tenant, [ana]))[ana].last_seen_us is not None


async def test_what_was_said_on_one_instance_is_known_on_the_other(
    redis_url: str, tenant: TenantId, ana: UserId
) -> None:
    async with instance(redis_url) as one, instance(redis_url) as two:
        await one.enter(tenant, ana)
        await two.choose(tenant, ana, "busy")
        assert await status(one, tenant, ana) == await status(two, tenant, ana) == "busy"
        await one.choose(tenant, ana, "online")
        assert await status(two, tenant, ana) == "online"


async def test_the_users_of_an_instance_that_stops_are_gone_at_once(
    redis_url: str, tenant: TenantId, ana: UserId
) -> None:
    async with instance(redis_url) as one:
        async with instance(redis_url) as two:
            await two.enter(tenant, ana)
            assert await status(one, tenant, ana) == "online"
        assert await status(one, tenant, ana) == "offline"


async def test_the_users_of_an_instance_that_died_are_gone_soon(redis_url: str, tenant: TenantId, ana: UserId) -> None:
    """Nobody tidies up after it; what it said runs out by itself. Who lives stays."""
    tom = UserId(new_id())
    async with instance(redis_url, ttl_s=1.0, beat_s=0.2) as one, instance(redis_url, ttl_s=1.0, beat_s=0.2) as two:
        await one.enter(tenant, ana)
        await two.enter(tenant, tom)
        assert two._task is not None
        two._task.cancel()  # it no longer says that it lives
        async with asyncio.timeout(PATIENCE_S):
            while await status(one, tenant, tom) == "online":
                await asyncio.sleep(0.05)
        async with instance(redis_url) as three:
            assert await status(three, tenant, ana) == "online"
            assert await status(three, tenant, tom) == "offline"
            alive, kept, life_ms = await three._link.ask(
                ("ZRANGE", INSTANCES, 0, -1),
                ("EXISTS", f"{tenant}:here:{two.instance}"),
                ("PTTL", f"{tenant}:here:{one.instance}"),
            )
            assert two.instance.encode() not in alive
            assert one.instance.encode() in alive
            assert kept == 0
            assert 0 < life_ms <= 3000


async def test_of_the_others_one_tells_who_is_gone_with_an_instance_that_died(
    redis_url: str, tenant: TenantId, ana: UserId
) -> None:
    """Not of those who are elsewhere by now; and when it was not dead after all, it tells that they are here."""
    tom, eve = UserId(new_id()), UserId(new_id())
    told: list[tuple[str, set[UserId]]] = []

    def listen(name: str, presence: RedisPresence) -> None:
        presence.watch(lambda of, users: told.append((name, set(users))) if of == tenant else None)

    quick = {"ttl_s": 1.0, "beat_s": 0.2}
    async with (
        instance(redis_url, **quick) as one,
        instance(redis_url, **quick) as two,
        instance(redis_url, **quick) as dying,
    ):
        for name, presence in (("one", one), ("two", two), ("dying", dying)):
            listen(name, presence)
        for user in (ana, tom, eve):
            await dying.enter(tenant, user)
        await one.enter(tenant, ana)
        assert dying._task is not None
        dying._task.cancel()
        async with asyncio.timeout(PATIENCE_S):
            while not told:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)  # time for a second to tell the same
        assert [users for _, users in told] == [{tom, eve}]
        assert told[0][0] != "dying"
        assert (await one.seen(tenant, [tom]))[tom].last_seen_us is not None

        told.clear()
        await dying._say()
        assert told == [("dying", {ana, tom, eve})]
        async with asyncio.timeout(PATIENCE_S):
            while await status(two, tenant, tom) != "online":
                await asyncio.sleep(0.02)


async def test_an_emptied_redis_is_told_again(redis_url: str, tenant: TenantId, ana: UserId) -> None:
    async with instance(redis_url, beat_s=0.1) as one, instance(redis_url, beat_s=0.1) as two:
        await one.enter(tenant, ana)
        await one.choose(tenant, ana, "away")
        await one._link.ask(("FLUSHDB",))
        async with asyncio.timeout(PATIENCE_S):
            while await status(two, tenant, ana) != "away":
                await asyncio.sleep(0.02)


@pytest.fixture
def own_valkey() -> ValkeyServer:
    return ValkeyServer()


async def test_without_redis_an_instance_knows_its_own_and_tells_when_it_is_back(
    own_valkey: ValkeyServer, tenant: TenantId, ana: UserId
) -> None:
    tom, eve = UserId(new_id()), UserId(new_id())
    with own_valkey:
        async with instance(own_valkey.url()) as one, instance(own_valkey.url()) as two:
            await one.enter(tenant, ana)
            await one.enter(tenant, eve)
            own_valkey.stop()
            async with asyncio.timeout(PATIENCE_S):
                while not one.degraded or not two.degraded:
                    await asyncio.sleep(0.01)
            assert await one.enter(tenant, tom) is True
            assert await one.leave(tenant, eve) is True
            await one.choose(tenant, tom, "away")
            seen = await one.seen(tenant, [ana, tom, eve])
            assert [seen[user].status for user in (ana, tom, eve)] == ["online", "away", "offline"]
            assert await status(two, tenant, ana) == "offline", "as far as it knows"
            own_valkey.start()
            async with asyncio.timeout(PATIENCE_S):
                while [(await two.seen(tenant, [who]))[who].status for who in (ana, tom)] != ["online", "away"]:
                    await asyncio.sleep(0.02)
            assert await status(two, tenant, eve) == "offline"


async def test_who_came_and_went_while_only_we_were_cut_off_is_put_right(
    redis_url: str, tenant: TenantId, ana: UserId
) -> None:
    """Redis kept our list, and it is wrong by now."""
    tom, eve = UserId(new_id()), UserId(new_id())
    async with instance(redis_url) as one, instance(redis_url) as two:
        for user in (ana, tom):
            await one.enter(tenant, user)
        one._link.up = False
        await one.leave(tenant, tom)
        await one.enter(tenant, eve)
        one._link.up = True
        one._link_turned(True)
        async with asyncio.timeout(PATIENCE_S):
            while [(await two.seen(tenant, [who]))[who].status for who in (ana, tom, eve)] != [
                "online",
                "offline",
                "online",
            ]:
                await asyncio.sleep(0.02)
