"""Cases as agents see them: one of them, the lists they are found in, and how many each holds."""

from __future__ import annotations

from collections.abc import Sequence

from deskbell.config import Settings
from deskbell.errors import NotFound
from deskbell.ids import CaseId, TenantId, is_id
from deskbell.model import case_rules
from deskbell.model.case_rules import Targets
from deskbell.model.records import Actor, CaseEntry, CaseFilter, CaseSort, CaseStatus, CaseView
from deskbell.ports import Ports
from deskbell.store import case_entries, cases, people

COUNTED_TO = 1000
VIEWS: dict[CaseView, tuple[CaseStatus, ...]] = {
    "mine": ("assigned", "waiting"),
    "queue": ("waiting",),
    "bot": ("waiting",),
    "all": ("waiting", "assigned", "snoozed"),
    "snoozed": ("snoozed",),
    "resolved": ("resolved",),
}


def targets(settings: Settings) -> Targets:
    """What visitors are to wait at most."""
    return Targets(settings.support.target_first_response_s, settings.support.agent_silent_s)


async def entry(ports: Ports, actor: Actor, case_id: CaseId) -> CaseEntry:
    """A case as agents see it, for staff of its tenant.

    Raises:
        NotFound: There is none, or it is not theirs to see.
    """
    found = await entries(ports, actor.tenant, [case_id]) if is_id(case_id) and actor.is_staff else []
    if not found:
        raise NotFound()
    return found[0]


async def entries(ports: Ports, tenant: TenantId, wanted: Sequence[CaseId]) -> list[CaseEntry]:
    """Cases as agents see them; who may, is the caller's to know."""
    return await case_entries.entries(ports.db, tenant, wanted, targets(ports.settings))


async def listed(
    ports: Ports,
    actor: Actor,
    wanted: CaseFilter,
    *,
    sort: CaseSort = "priority",
    limit: int = 50,
    after: tuple[case_entries.Place, CaseId] | None = None,
) -> tuple[list[CaseEntry], tuple[case_entries.Place, CaseId] | None]:
    """Cases of a view: mine, queue (of my teams), bot (the visitor goes on with it), all, snoozed, resolved.

    With them where the list goes on, None where it ends; ``after`` takes it.

    Raises:
        NotFound: Not staff.
    """
    if not actor.is_staff:
        raise NotFound()
    asked = await _wanted(ports, actor, wanted)
    async with ports.db.snapshot() as at:
        found = await case_entries.page(at, actor.tenant, asked, sort, limit=limit + 1, after=after)
        page = found[:limit]
        shown = await case_entries.entries(at, actor.tenant, [case for case, _ in page], targets(ports.settings))
    case, place = page[-1] if page else (None, ())
    return shown, (place, case) if case is not None and len(found) > limit else None


async def counted(ports: Ports, actor: Actor, lists: Sequence[CaseFilter]) -> list[int]:
    """How many cases :func:`listed` would find in each of some lists, counted to 1,000.

    Raises:
        NotFound: Not staff.
    """
    if not actor.is_staff:
        raise NotFound()
    counts: dict[CaseFilter, int] = {}
    for wanted in lists:
        if wanted not in counts:  # a few lists are everybody's, and often somebody's saved ones too
            asked = await _wanted(ports, actor, wanted)
            counts[wanted] = await cases.counted(ports.db, actor.tenant, asked, COUNTED_TO)
    return [counts[wanted] for wanted in lists]


async def _wanted(ports: Ports, actor: Actor, wanted: CaseFilter) -> cases.Wanted:
    """What a list holds for whoever looks."""
    view = wanted.view
    teams = None
    if view == "queue" and not actor.is_lead:
        teams = [*await people.teams_of(ports.db, actor.tenant, actor.id), case_rules.EVERY_TEAM]
    return cases.Wanted(
        statuses=("assigned",) if view == "mine" else VIEWS[view],
        agent=actor.id if view == "mine" else None,
        teams=teams,
        owner="bot" if view == "bot" else None,
        label=wanted.label,
        team=wanted.team,
        priority=wanted.priority,
    )
