"""A short bad day: real processes are killed, stopped, cut off and drained while people talk, and nothing is lost.

Each test is one plan of the fault harness on the same two instances. The verdict is the checker's; that
the faults were felt at all is looked at here. Longer runs with other seeds are the operator's:
``python -m deskbell.testing.faults``.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deskbell.testing.faults.history import Answered, Called, Closed, Fault
from deskbell.testing.faults.instances import Installation
from deskbell.testing.faults.plans import PLANS
from deskbell.testing.faults.rig import Rig, Size, Verdict, run

SEED = 7
SMALL = Size(members=4, rooms=2, visitors=1, agents=3, pause_s=0.3)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def installation() -> AsyncIterator[Installation]:
    async with Installation.open(2, random.Random(SEED), redis=True) as opened:
        yield opened


def done(verdict: Verdict, what: str) -> int:
    return sum(isinstance(entry, Fault) and entry.what == what for entry in verdict.entries)


def lost_sockets(verdict: Verdict, code: int) -> int:
    return sum(isinstance(entry, Closed) and entry.code == code for entry in verdict.entries)


def refused(verdict: Verdict) -> set[str]:
    return {entry.code for entry in verdict.entries if isinstance(entry, Answered) and not entry.ok}


def good(verdict: Verdict) -> None:
    """No promise was broken, and enough went on for that to mean something."""
    assert [str(broken) for broken in verdict.broken] == []
    assert verdict.figures["acknowledged_sends"] >= 10
    assert verdict.figures["frames_heard"] >= 20


async def test_the_folder_of_a_run_may_be_named_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async with Installation.open(1, random.Random(SEED), redis=False, folder=Path("run")) as opened:
        assert opened.instances[0].running
    assert (tmp_path / "run" / "instance-0.log").exists()


async def test_an_instance_that_is_killed_loses_nothing_that_was_acknowledged(installation: Installation) -> None:
    verdict = await run(installation, PLANS["kill"], seconds=3, seed=SEED, size=SMALL)

    good(verdict)
    assert done(verdict, "kill") >= 1
    assert verdict.figures["sockets_lost"] > 0


async def test_an_instance_that_stands_still_for_five_seconds_wakes_up_honest(installation: Installation) -> None:
    verdict = await run(installation, PLANS["pause"], seconds=3, seed=SEED, size=SMALL)

    good(verdict)
    assert done(verdict, "stop") == done(verdict, "go_on") == 1
    assert verdict.figures["unanswered"] > 0


async def test_a_crash_of_the_database_is_waited_out_and_no_socket_is_lost(installation: Installation) -> None:
    verdict = await run(installation, PLANS["postgres"], seconds=3, seed=SEED, size=SMALL)

    good(verdict)
    assert done(verdict, "postgres_stop_immediate") >= 1
    assert "unavailable" in refused(verdict)
    assert verdict.figures["sockets_lost"] == 0


async def test_a_bus_that_forgets_stalls_and_repeats_itself_costs_nobody_a_message(installation: Installation) -> None:
    verdict = await run(installation, PLANS["valkey"], seconds=3, seed=SEED, size=SMALL)

    good(verdict)
    assert all(done(verdict, f"valkey_{kind}") >= 1 for kind in ("restart", "flush", "black_hole", "repeat"))
    assert verdict.figures["sockets_lost"] == 0


async def test_all_sockets_cut_at_once_go_on_where_they_were(installation: Installation) -> None:
    verdict = await run(installation, PLANS["cut"], seconds=3, seed=SEED, size=SMALL)

    good(verdict)
    assert done(verdict, "cut_rst") + done(verdict, "cut_fin") >= 2
    assert verdict.figures["sockets_lost"] >= 2 * 8


async def test_a_rolling_restart_sends_everybody_elsewhere_in_order(installation: Installation) -> None:
    verdict = await run(installation, PLANS["drain"], seconds=0.1, seed=SEED, size=SMALL)

    good(verdict)
    assert done(verdict, "drain") == done(verdict, "ended") == 2
    assert lost_sockets(verdict, 4001) > 0


async def test_a_newer_schema_is_put_under_running_instances_which_then_restart_on_it(
    installation: Installation,
) -> None:
    """What a rolling upgrade does: the version before runs on, and may even be started again."""
    verdict = await run(installation, PLANS["upgrade"], seconds=0.1, seed=SEED, size=SMALL)

    good(verdict)
    assert done(verdict, "migrated") == 1
    assert done(verdict, "started") == done(verdict, "ended") == 2
    assert lost_sockets(verdict, 4001) > 0


async def test_twenty_sends_of_one_message_over_all_instances_are_one_message(installation: Installation) -> None:
    times = 20

    async def twenty(rig: Rig) -> None:
        for member in rig.members:
            await member.at_once(rig.rooms[0], times)

    verdict = await run(installation, PLANS["calm"], seconds=1, seed=SEED, size=SMALL, also=twenty)

    good(verdict)
    attempts: dict[str, set[int]] = {}
    for entry in verdict.entries:
        if isinstance(entry, Called) and entry.content.endswith("at once"):
            attempts.setdefault(entry.key, set()).add(entry.instance)
    assert len(attempts) == SMALL.members
    assert any(len(instances) == 2 for instances in attempts.values())
    stored = [message.client_id for message in verdict.store.messages if message.client_id in attempts]
    assert sorted(stored) == sorted(attempts)


@pytest.mark.parametrize("plan", ["database", "weather"])
async def test_ended_connections_locks_and_bad_links_cost_time_only(installation: Installation, plan: str) -> None:
    good(await run(installation, PLANS[plan], seconds=2, seed=SEED, size=SMALL))
