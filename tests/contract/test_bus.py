"""What every bus promises. There is one for a single process; the next one joins the list below."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from deskbell.ids import TenantId
from deskbell.volatile.bus import Bus, MemoryBus
from deskbell.wire.events import Event

BUSES: dict[str, Callable[[], Bus]] = {"memory": MemoryBus}
TENANT = TenantId("01900000-0000-7000-8000-000000000001")


@pytest.fixture(params=BUSES)
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    bus = BUSES[request.param]()
    await bus.start()
    yield bus
    await bus.close()


def _event(seq: int, *, room: str = "room") -> Event:
    return Event(TENANT, "room", room, "message", seq, b"{}", born=seq, counts=True, sender="ana", mentions=("tom",))


async def test_what_is_published_is_heard_here_before_publish_returns(bus: Bus) -> None:
    """So an ack and the message that follows it keep their order."""
    heard: list[Event] = []
    bus.subscribe(heard.extend)
    bus.publish([_event(1), _event(2)])
    assert heard == [_event(1), _event(2)]


async def test_every_subscriber_hears_everything_in_order(bus: Bus) -> None:
    heard: tuple[list[Event], list[Event]] = ([], [])
    for each in heard:
        bus.subscribe(each.extend)
    for seq in range(100):
        bus.publish([_event(seq)])
    assert [[event.seq for event in each] for each in heard] == [list(range(100))] * 2


async def test_a_batch_stays_a_batch(bus: Bus) -> None:
    """Its frames then leave in one write per socket."""
    batches: list[int] = []
    bus.subscribe(lambda events: batches.append(len(events)))
    bus.publish([_event(n) for n in range(7)])
    assert batches == [7]


async def test_a_broken_subscriber_costs_neither_the_others_nor_the_publisher(bus: Bus) -> None:
    """The journal announces after COMMIT; nothing may fail there any more."""
    heard: list[Event] = []

    def broken(events: Sequence[Event]) -> None:
        raise RuntimeError("a bug")

    bus.subscribe(broken)
    bus.subscribe(heard.extend)
    bus.publish([_event(1)])
    bus.publish([_event(2)])
    assert [event.seq for event in heard] == [1, 2]


async def test_who_publishes_while_listening_is_heard_as_well(bus: Bus) -> None:
    heard: list[int] = []

    def echo(events: Sequence[Event]) -> None:
        heard.extend(event.seq for event in events)
        if events[0].seq == 1:
            bus.publish([_event(2)])

    bus.subscribe(echo)
    bus.publish([_event(1)])
    assert heard == [1, 2]


async def test_nothing_is_kept_for_who_comes_later(bus: Bus) -> None:
    """A bus is a hint; whoever comes asks the store."""
    bus.publish([_event(1)])
    heard: list[Event] = []
    bus.subscribe(heard.extend)
    bus.publish([_event(2)])
    assert [event.seq for event in heard] == [2]


async def test_a_closed_bus_tells_nobody_and_fails_nobody(bus: Bus) -> None:
    heard: list[Event] = []
    bus.subscribe(heard.extend)
    await bus.close()
    bus.publish([_event(1)])
    assert heard == []


async def test_it_says_whether_others_may_be_out_of_reach(bus: Bus) -> None:
    assert bus.degraded is False
