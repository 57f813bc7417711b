"""What operators ask of a running instance: whether it is fit to serve, and what it runs with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from deskbell.actions import observing, turns
from deskbell.errors import Forbidden
from deskbell.model.records import Actor
from deskbell.ports import Ports
from deskbell.store import cases, outbox
from deskbell.store.database import StoreError, StoreUnavailable
from deskbell.store.failures import Shortage

STORE_ANSWERS_WITHIN_S = 2.0

STORE_LACKS: dict[Shortage, str] = {
    "unreachable": "Nobody answers at the store's address.",
    "silent": "The database answers nothing: it was stopped, its disk hangs, or something in between drops what"
    " is said.",
    "refused": "The database does not let us in: the password, the user or the database's name in store.url is wrong.",
    "connections": "The database lets no more connections in. Raise its max_connections, or lower store.pool_size.",
    "pool": "All connections of this instance are in use and none became free. Raise store.pool_size, or find who"
    " waits.",
    "disk": "The store's disk is full, or cannot be written to. Make room; nothing has to be restarted.",
    "memory": "The database is out of memory.",
    "read_only": "The database only reads: it is a standby. Point store.url at the primary.",
    "slow": "A statement took longer than it may, and was ended.",
    "locks": "Somebody else does not let go of rows or tables. Messages of those rooms are refused; look for long"
    " transactions.",
}
"""What operators are told of each cause."""


@dataclass(frozen=True)
class Fitness:
    """Whether this instance can serve. ``problems`` are for operators, not for the public."""

    ready: bool
    problems: tuple[str, ...] = ()


async def fitness(ports: Ports, *, draining: bool) -> Fitness:
    """Ask the store, and look at ourselves."""
    problems: list[str] = []
    if draining:
        problems.append("This instance is stopping and takes nobody new.")
    try:
        async with asyncio.timeout(STORE_ANSWERS_WITHIN_S):
            await ports.db.fetchval("SELECT 1")
    except TimeoutError:
        problems.append(f"The store has not answered within {STORE_ANSWERS_WITHIN_S:g} s.")
        problems += refusals(ports)
    except StoreUnavailable as error:
        problems.append(f"The store cannot be reached: {STORE_LACKS[error.why]}")
    except StoreError as error:
        problems.append(f"The store cannot be reached: {type(error).__name__}.")
    return Fitness(not problems, tuple(problems))


@dataclass(frozen=True)
class Queue:
    """Work of one kind that commits left behind. ``late_s``: for how long the oldest has been due."""

    pending: int = 0
    late_s: float = 0.0
    dead: int = 0


@dataclass(frozen=True)
class Standing:
    """What the store alone knows, of all instances together. ``wait_s``: of the case that waits longest."""

    queues: dict[str, Queue]
    cases: dict[str, int]
    wait_s: float


async def standing(ports: Ports) -> Standing | None:
    """How much waits in the whole installation; None while the store does not answer. Reads indexes only."""
    try:
        async with asyncio.timeout(STORE_ANSWERS_WITHIN_S):
            now_us = await ports.journal.now_us()
            queues = await outbox.depths(ports.db, now_us)
            open_cases = await cases.standing(ports.db)
    except (TimeoutError, StoreError):
        return None
    found = {name: Queue(*figures) for name, figures in queues.items()}
    waiting_since = open_cases["waiting"][1]
    return Standing(
        {name: found.get(name, Queue()) for name in sorted({turns.QUEUE, observing.QUEUE, *found})},
        {status: count for status, (count, _) in open_cases.items()},
        0.0 if waiting_since is None else max(0.0, (now_us - waiting_since) / 1_000_000),
    )


def shared_parts(ports: Ports) -> dict[str, bool]:
    """The parts that instances share over Redis, and whether each does without it at the moment."""
    return {
        "bus": ports.bus.degraded,
        "presence": ports.presence.degraded,
        "limits": ports.limits.degraded,
        "tickets": ports.tickets.degraded,
        "connections": ports.roll.degraded,
    }


def degraded(ports: Ports) -> list[str]:
    """Which parts are not whole: those that do without the other instances, and ``store: cause`` where it refuses."""
    return [
        *(part for part, away in shared_parts(ports).items() if away),
        *(f"store: {why}" for why in ports.db.troubles.present),
    ]


def refusals(ports: Ports) -> list[str]:
    """What writes were refused for a moment ago, in words for operators."""
    return [STORE_LACKS[why] for why in ports.db.troubles.present]


def needs_admin(actor: Actor | None) -> None:
    """Refuse everybody but admins of a tenant.

    Raises:
        Forbidden: Somebody else, or nobody.
    """
    if actor is None or actor.role != "admin":
        raise Forbidden("This is for admins.")
