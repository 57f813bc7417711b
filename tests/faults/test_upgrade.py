"""A newer version migrates the store under a running one: it goes on serving, and may be started again."""

from __future__ import annotations

import asyncio
import shutil
from importlib import resources
from pathlib import Path

from deskbell.app import Application
from deskbell.store.migrate import known, migrate, pending
from deskbell.testing.desk import Desk, settings_for
from deskbell.testing.faults.instances import NEWER
from deskbell.testing.sender import Sender

PATIENCE_S = 40.0
SENDERS = 6


async def test_a_store_is_migrated_under_load_and_nobody_notices(database_url: str, tmp_path: Path) -> None:
    """No send is refused or lost, no socket ends; the old version starts again on the newer schema."""
    newer = tmp_path / "migrations"
    shutil.copytree(str(resources.files("deskbell.store.migrations")), newer)
    number = len(known()) + 1
    (newer / f"{number:04}_newer.sql").write_text(NEWER.format(number=number))

    async with Desk.open(database_url) as desk, asyncio.timeout(90):
        ana, tom = await desk.member("Ana"), await desk.member("Tom")
        room = await ana.group(tom)
        speaking, listening = await ana.connect(), await tom.connect()
        await listening.subscribe(room)
        senders = [Sender(f"{n}", speaking, room) for n in range(SENDERS)]
        over = asyncio.Event()
        sending = [asyncio.create_task(sender.run(over)) for sender in senders]

        def acked() -> int:
            return sum(len(sender.acked) for sender in senders)

        await desk.until(lambda: acked() >= 50, patience_s=PATIENCE_S)
        # Two of the newer version start at once: one does the work, the other waits and finds it done.
        done = await asyncio.gather(*(migrate(database_url, folder=newer) for _ in range(2)))
        assert sorted(done) == [[], [f"{number:04}_newer"]]
        at_least = acked() + 50
        await desk.until(lambda: acked() >= at_least, patience_s=PATIENCE_S)
        edited = await ana.call("PATCH", f"/rooms/{room}", json={"name": "after the migration"})
        assert edited.status_code == 200, edited.text
        over.set()
        await asyncio.gather(*sending)

        assert [reply for sender in senders for reply in sender.refused] == []
        assert speaking.closed is None and listening.closed is None
        rows = await desk.application.ports.db.fetch("SELECT seq, client_id FROM messages WHERE room_id = $1", room)
        stored = {row["client_id"]: row["seq"] for row in rows}
        assert len(stored) == len(rows)
        assert stored == {key: ack["seq"] for sender in senders for key, ack in sender.acked.items()}
        await desk.until(lambda: len(listening.heard(room)) == len(stored), patience_s=PATIENCE_S)

    assert await pending(database_url) == []
    again = await Application.open(settings_for(database_url))
    try:
        assert await again.ports.db.fetchval("SELECT count(*) FROM messages WHERE room_id = $1", room) == len(stored)
    finally:
        await again.close()
