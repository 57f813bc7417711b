"""What operators ask of a running instance: whether it is fit to serve, and what it runs with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from deskbell.errors import Forbidden
from deskbell.model.records import Actor
from deskbell.ports import Ports
from deskbell.store.database import StoreError

STORE_ANSWERS_WITHIN_S = 2.0


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
    except StoreError as error:
        problems.append(f"The store cannot be reached: {type(error).__name__}.")
    return Fitness(not problems, tuple(problems))


def degraded(ports: Ports) -> list[str]:
    """Which parts do without the other instances at the moment. Everything goes on, a little worse."""
    parts = {
        "bus": ports.bus.degraded,
        "presence": ports.presence.degraded,
        "limits": ports.limits.degraded,
        "tickets": ports.tickets.degraded,
        "connections": ports.roll.degraded,
    }
    return [part for part, away in parts.items() if away]


def needs_admin(actor: Actor | None) -> None:
    """Refuse everybody but admins of a tenant.

    Raises:
        Forbidden: Somebody else, or nobody.
    """
    if actor is None or actor.role != "admin":
        raise Forbidden("This is for admins.")


async def plugins(ports: Ports, actor: Actor) -> list[dict[str, Any]]:
    """Every plugin that was found, what became of it, and how it behaves.

    Raises:
        Forbidden: Not an admin.
    """
    needs_admin(actor)
    return ports.plugins.describe()
