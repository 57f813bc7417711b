"""Telling plugins what has happened: the ``on_*`` hooks, from outbox rows, at least once.

Whoever has heard it is not told again because another failed: the row keeps who is left. A plugin that rests
is not asked, and that costs the row no attempt.

Private notes are told by a hook of their own and by no other, so that no plugin passes one on by oversight.
"""

from __future__ import annotations

from typing import Any

import structlog

from deskbell.actions import present
from deskbell.ids import RoomId
from deskbell.plugins import ObserverFailed
from deskbell.ports import Ports
from deskbell.store import cases, messages, outbox, rooms
from deskbell.store.outbox import Work

log = structlog.get_logger(__name__)
QUEUE = "observe"


async def work_off(ports: Ports, limit: int = 50) -> int:
    """Tell what is due; the number of rows dealt with. Failures are due again, with back-off, or dead."""
    settings = ports.settings.jobs
    lease_us = int(settings.lease_s * 1_000_000)
    now_us = await ports.journal.now_us()
    claimed = await outbox.claim(ports.db, QUEUE, now_us, lease_us, limit)
    fresh_until_us = ports.clock.now_us() + lease_us // 2
    lost: set[int] = set()
    for number, work in enumerate(claimed):
        if ports.clock.now_us() > fresh_until_us:
            # Slow plugins: nobody else must begin on what is still in line here.
            fresh_until_us = ports.clock.now_us() + lease_us // 2
            until_us = await ports.journal.now_us() + lease_us
            lost.update([rest.id for rest in claimed[number:] if not await outbox.extend(ports.db, rest, until_us)])
        if work.id in lost:
            continue
        try:
            await _tell(ports, work)
        except ObserverFailed as failure:
            await outbox.note(ports.db, work, {**work.payload, "only": sorted(failure.failures)})
            if failure.again_s is not None:
                again_us = await ports.journal.now_us() + int(failure.again_s * 1_000_000)
                await outbox.put_off(ports.db, work, again_us)
            else:
                await _failed(ports, work, failure)
        except Exception as error:
            await _failed(ports, work, error)
        else:
            await outbox.done(ports.db, work, await ports.journal.now_us())
    return len(claimed)


async def _failed(ports: Ports, work: Work, error: Exception) -> None:
    settings = ports.settings.jobs
    now_us = await ports.journal.now_us()
    wait_s = min(settings.backoff_base_s * 2 ** (work.attempt - 1), settings.backoff_cap_s)
    dead = await outbox.failed(ports.db, work, repr(error), now_us, now_us + int(wait_s * 1_000_000))
    log.warning("observer_failed", work=work.stable_key, attempt=work.attempt, dead=dead, error=repr(error))


async def _tell(ports: Ports, work: Work) -> None:
    what, room, only = work.payload["what"], RoomId(work.key), work.payload.get("only")
    kind = work.payload["hook"]
    if kind == "case":
        case = await cases.get(ports.db, work.tenant, work.payload["id"])
        if case is not None:
            await ports.plugins.observe("on_case", only=only, tenant=work.tenant, room=room, what=what, case=case)
        return
    where = await rooms.get(ports.db, work.tenant, room)
    if where is None:
        return
    if kind == "message":
        message = await messages.by_id(ports.db, work.tenant, work.payload["id"])
        if message is None:
            return
        if where.backstage_of is None:
            told: dict[str, Any] = {"message": message}
            await ports.plugins.observe("on_message", only=only, tenant=work.tenant, room=room, what=what, **told)
        else:
            told = {"room": where.backstage_of, "what": what, "note": message}
            await ports.plugins.observe("on_note", only=only, tenant=work.tenant, **told)
    elif where.backstage_of is None:
        participant = await present.participant(ports, work.tenant, room, work.payload["user"])
        if participant is not None:
            await ports.plugins.observe(
                "on_participant", only=only, tenant=work.tenant, room=room, what=what, participant=participant
            )
