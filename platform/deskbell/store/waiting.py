"""Waiting at the start for a database that is not there yet.

Whoever starts everything at once has Deskbell up before PostgreSQL, so it waits for a while, and says what for.
A database that answers and does not let us in (a wrong password, no such database) is not waited for: that does
not mend itself.
"""

from __future__ import annotations

import asyncio

import asyncpg
import structlog

from deskbell.store.failures import StoreUnavailable
from deskbell.store.postgres_backend import not_connected

log = structlog.get_logger(__name__)

TELL_EVERY_S = 5.0
TRY_EVERY_S = 0.5
CONNECT_WITHIN_S = 5.0


async def until_there(url: str, within_s: float) -> None:
    """Come back once the store can be talked to. A SQLite file always can.

    Args:
        within_s: How long it may take.
    Raises:
        StoreUnavailable: It was not there in time; or, at once, it does not let us in (``why`` is ``refused``).
    """
    if url.startswith("sqlite:"):
        return
    clock = asyncio.get_running_loop().time
    began, told_at = clock(), float("-inf")
    while True:
        try:
            con = await asyncpg.connect(url, timeout=CONNECT_WITHIN_S)
        except (asyncpg.PostgresError, asyncpg.InternalClientError, ValueError, OSError, EOFError) as error:
            failure = not_connected(error)
        else:
            con.terminate()
            return
        left_s = began + within_s - clock()
        if failure.why == "refused":
            raise failure
        if left_s <= 0:
            raise StoreUnavailable(f"{failure} (waited for {within_s:g} s; store.wait_s)", why=failure.why)
        if clock() - told_at >= TELL_EVERY_S:
            told_at = clock()
            log.warning("waiting_for_the_store", because=str(failure), gives_up_in_s=round(left_s))
        await asyncio.sleep(min(TRY_EVERY_S, left_s))
