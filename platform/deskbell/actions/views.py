"""Saved views: lists of cases that agents come back to, with how many are in each.

A view is somebody's own, or *shared*: made by a supervisor for all agents of the tenant. It holds the filter of a
list of cases and no cases; ``mine`` and ``queue`` mean those of whoever looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deskbell.actions import case_lists
from deskbell.actions.content import checked_text
from deskbell.actions.own_or_shared import may_see, may_write
from deskbell.errors import LimitReached, NotFound, Unavailable
from deskbell.ids import ViewId, is_id, new_id
from deskbell.model.records import Actor, CaseFilter, SavedView
from deskbell.ports import Ports
from deskbell.store import views
from deskbell.store.database import StoreError

WHAT = "views"
MAX_VIEWS = 50
MAX_NAME_BYTES = 240


@dataclass(frozen=True)
class Counts:
    """How many cases are in each list, counted to 1,000: in those that everybody has, and in saved ones by id."""

    lists: Mapping[str, int]
    views: Mapping[ViewId, int]


async def listed(ports: Ports, actor: Actor) -> list[SavedView]:
    """Shared ones, then one's own, each in the order they were made.

    Raises:
        Forbidden: Not staff.
    """
    may_see(actor, WHAT)
    return await views.listed(ports.db, actor.tenant, actor.id)


async def create(ports: Ports, actor: Actor, name: str, wanted: CaseFilter, *, shared: bool = False) -> SavedView:
    """Save a view, for oneself or for all.

    Raises:
        Forbidden: Not staff; or a shared one, and no supervisor.
        LimitReached: There are 50 of one's own, or 50 shared ones.
    """
    view = SavedView(ViewId(new_id()), _named(ports, name), wanted, shared)
    may_write(actor, WHAT, shared=shared)
    now_us = await ports.journal.now_us()
    try:
        async with ports.db.transaction() as tx:
            known = await views.listed(tx, actor.tenant, actor.id)
            if sum(other.shared is shared for other in known) >= MAX_VIEWS:
                raise LimitReached(f"There are {MAX_VIEWS} views at most. Delete some.", max=MAX_VIEWS)
            await views.put(tx, actor.tenant, None if shared else actor.id, view, now_us)
    except StoreError as error:
        raise Unavailable() from error
    return view


async def change(
    ports: Ports, actor: Actor, view_id: ViewId, *, name: str | None = None, wanted: CaseFilter | None = None
) -> SavedView:
    """Give a view another name or filter. What is None stays.

    Raises:
        NotFound: There is none, or it is a colleague's own.
        Forbidden: It is shared, and they are no supervisor.
    """
    found = await _own(ports, actor, view_id)
    changed = SavedView(
        found.id,
        found.name if name is None else _named(ports, name),
        found.filter if wanted is None else wanted,
        found.shared,
    )
    if changed != found:
        now_us = await ports.journal.now_us()
        await views.put(ports.db, actor.tenant, None if found.shared else actor.id, changed, now_us)
    return changed


async def drop(ports: Ports, actor: Actor, view_id: ViewId) -> None:
    """Delete a view; the cases in it are as before.

    Raises:
        NotFound, Forbidden: As for a change.
    """
    await _own(ports, actor, view_id)
    await views.drop(ports.db, actor.tenant, view_id)


async def counts(ports: Ports, actor: Actor) -> Counts:
    """How many cases the asker finds in each of their lists.

    Raises:
        Forbidden, RateLimited: Not staff; too often.
    """
    may_see(actor, WHAT)
    ports.limits.spend("counts", actor.id, per_min=240, burst=60)
    saved = await views.listed(ports.db, actor.tenant, actor.id)
    common = {name: CaseFilter(name) for name in case_lists.VIEWS}
    found = await case_lists.counted(ports, actor, [*common.values(), *(view.filter for view in saved)])
    names, ids = list(common), [view.id for view in saved]
    return Counts(dict(zip(names, found, strict=False)), dict(zip(ids, found[len(names) :], strict=True)))


def _named(ports: Ports, name: str) -> str:
    return checked_text(ports, name, what="name", max_bytes=MAX_NAME_BYTES, empty=False).strip()


async def _own(ports: Ports, actor: Actor, view_id: ViewId) -> SavedView:
    may_see(actor, WHAT)
    found = await views.get(ports.db, actor.tenant, actor.id, view_id) if is_id(view_id) else None
    if found is None:
        raise NotFound()
    may_write(actor, WHAT, shared=found.shared)
    return found
