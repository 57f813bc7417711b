"""What an operator can see of a running instance, and that looking costs and tells no more than it should."""

from __future__ import annotations

import time
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deskbell.actions import operations
from deskbell.ports import Ports
from deskbell.server.rest import meters
from deskbell.store.database import StoreUnavailable
from deskbell.testing.desk import Desk

LABELS = {"method", "route", "status", "code", "part", "why", "queue", "plugin", "call", "version", "store", "le"}


@pytest.fixture
def desk(shared_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(meters, "STANDING_FOR_S", 0.0)  # so that each look is a fresh one
    return shared_desk


async def figures(desk: Desk) -> dict[tuple[str, ...], float]:
    """By name and the values of the labels, which are sorted by their names."""
    answer = await desk.http.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_stored_and_repeated_messages_are_counted_and_how_long_acks_took(desk: Desk) -> None:
    tom = await desk.member()
    room = await tom.group()
    before = await figures(desk)
    async with tom.line() as line:
        await line.subscribe(room)
        for number in range(3):
            await line.says(room, f"message {number}", client_id=f"c-{number}")
        await line.says(room, "message 0", client_id="c-0")
    after = await figures(desk)

    def more(*name: str) -> float:
        return after[name] - before[name]

    assert more("deskbell_messages_stored_total") == 3
    assert more("deskbell_messages_repeated_total") == 1
    assert 1 <= more("deskbell_message_batches_total") <= 4
    assert more("deskbell_ack_seconds_count") == 3
    assert 0 < more("deskbell_ack_seconds_sum") < 60
    assert more("deskbell_ack_seconds_bucket", "+Inf") == 3
    assert after["deskbell_messages_waiting",] == 0


async def test_sockets_are_counted_by_how_they_ended(desk: Desk) -> None:
    """What code a client closes with is its own choice; it makes no figure of its own."""
    maya = await desk.visitor()
    before = await figures(desk)
    async with maya.line() as line:
        [connection] = desk.application.edge.hub.connections_of(desk.tenant, maya.id)
        connection.out.close(4008, "too slow")
        assert await line.wait_closed() == 4008
    async with maya.line() as line:
        await line._connection.close(3999)
    await desk.until(lambda: desk.application.edge.closed[3999])
    after = await figures(desk)

    assert after["deskbell_sockets_opened_total",] - before["deskbell_sockets_opened_total",] == 2
    for code in ("4008", "other"):
        name = ("deskbell_sockets_closed_total", code)
        assert after[name] - before[name] == 1
    assert before.keys() == after.keys()


async def test_who_waits_is_counted_and_for_how_long(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent()
    room = await maya.conversation()
    before = await figures(desk)
    await maya.post(f"/rooms/{room}/escalate")
    await desk.advance(90)
    waiting = await figures(desk)
    case = (await ana.get("/cases", params={"view": "queue"})).json()["items"][-1]
    await ana.post(f"/cases/{case['id']}/claim")
    claimed = await figures(desk)

    name = ("deskbell_cases", "waiting")
    assert (waiting[name] - before[name], claimed[name] - waiting[name]) == (1, -1)
    assert waiting["deskbell_case_longest_wait_seconds",] >= 90
    assert claimed["deskbell_cases", "assigned"] == before["deskbell_cases", "assigned"] + 1


async def test_work_that_is_late_or_was_given_up_is_counted_by_queue(desk: Desk) -> None:
    db, now_us = desk.application.ports.db, await desk.application.ports.journal.now_us()
    for status, late_s in (("pending", 100), ("pending", 20), ("dead", 500)):
        await db.execute(
            "INSERT INTO outbox (tenant_id, queue, payload, status, due_at, created_at)"
            " VALUES ($1, 'letters', '{}', $2, $3, $3)",
            desk.tenant, status, now_us - late_s * 1_000_000,
        )  # fmt: skip
    found = await figures(desk)
    await db.execute("DELETE FROM outbox WHERE queue = 'letters'")

    assert found["deskbell_outbox_pending", "letters"] == 2
    assert 100 <= found["deskbell_outbox_late_seconds", "letters"] < 160
    assert found["deskbell_outbox_dead", "letters"] == 1
    # Queues are there before anything is in them, so that an alert need not ask whether they exist.
    assert {("deskbell_outbox_pending", "turn"), ("deskbell_outbox_pending", "observe")} <= found.keys()


async def test_a_bots_turns_and_the_time_of_plugins_are_counted(desk: Desk) -> None:
    maya = await desk.visitor()
    room = await maya.conversation()
    before = await figures(desk)
    async with maya.line() as line:
        await line.subscribe(room)
        await line.says(room, "hello")
        await line.hears(room, "You said: hello")
    await desk.until(lambda: sum(desk.application.edge.turns.seconds.counts) > before["deskbell_turn_seconds_count",])
    after = await figures(desk)

    assert after["deskbell_turns_total",] - before["deskbell_turns_total",] == 1
    assert after["deskbell_turn_seconds_count",] - before["deskbell_turn_seconds_count",] == 1
    calls = {
        name: value - before.get(name, 0) for name, value in after.items() if name[0] == "deskbell_plugin_calls_total"
    }
    assert [name[1] for name, more in calls.items() if more and name[1].startswith("turn ")]
    assert after["deskbell_plugin_active", "channels"] == 1 and after["deskbell_plugin_active", "faq"] == 0


async def test_a_loop_that_is_held_up_is_seen(desk: Desk) -> None:
    def long_lags(found: dict[tuple[str, ...], float]) -> float:
        return found["deskbell_loop_lag_seconds_count",] - found["deskbell_loop_lag_seconds_bucket", "0.25"]

    before = await figures(desk)
    time.sleep(0.7)  # noqa: ASYNC251 - what a bad plugin does
    lag = desk.application.edge.lag.spread
    await desk.until(lambda: sum(lag.counts) > before["deskbell_loop_lag_seconds_count",])

    assert long_lags(await figures(desk)) - long_lags(before) >= 1


async def test_without_the_store_the_rest_is_still_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await figures(desk))["deskbell_store_up",] == 1

    async def away(*_: Any) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(desk.application.ports.db, "fetch", away)
    found = await figures(desk)

    assert found["deskbell_store_up",] == 0
    assert ("deskbell_sockets",) in found and ("deskbell_cases", "waiting") not in found


async def test_the_store_is_not_asked_more_often_than_every_few_seconds(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meters, "STANDING_FOR_S", 3600.0)
    await figures(desk)
    asked = []

    async def standing(ports: Ports) -> None:
        asked.append(ports)

    # Jobs ask the store at any moment too: what counts is what a look asks of it.
    monkeypatch.setattr(operations, "standing", standing)
    await figures(desk)

    assert asked == []


async def test_no_label_holds_what_users_can_make_more_of(desk: Desk) -> None:
    text = (await desk.http.get("/metrics")).text
    labels = {
        label for family in text_string_to_metric_families(text) for sample in family.samples for label in sample.labels
    }
    assert labels == LABELS
