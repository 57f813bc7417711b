"""Labels: words of a tenant that its agents sort cases by.

Supervisors make them; agents put them on cases, which tells colleagues as any change of a case does. A label that
is deleted is *retired*: it is not offered any more and stays on the cases that carry it, so that what was sorted
stays sorted and nobody reads an id without a name.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from deskbell.actions import access, cases
from deskbell.actions.content import checked_text
from deskbell.errors import Conflict, Forbidden, Invalid, LimitReached, NotFound, PreconditionFailed, Unavailable
from deskbell.ids import CaseId, LabelId, is_id, new_id
from deskbell.model.case_rules import MAX_ON_A_CASE
from deskbell.model.records import Actor, Case, Label
from deskbell.ports import Ports
from deskbell.store import cases as stored_cases
from deskbell.store import labels
from deskbell.store.database import StoreError, StoreIntegrity

MAX_LABELS = 500
MAX_NAME_BYTES = 240
TAKEN = "There is a label of this name."


async def listed(ports: Ports, actor: Actor) -> list[Label]:
    """All labels of the tenant, retired ones too, since cases may carry them.

    Raises:
        Forbidden: Not staff.
    """
    if not actor.is_staff:
        raise Forbidden("Labels are for agents.")
    return await labels.listed(ports.db, actor.tenant)


async def create(ports: Ports, actor: Actor, name: str, color: str = "") -> Label:
    """Offer a new label.

    Raises:
        Forbidden: Not a supervisor.
        Conflict: The name is taken, upper and lower case being the same.
        LimitReached: 500 are offered already.
    """
    return await _put(ports, actor, Label(LabelId(new_id()), _named(ports, name), color), new=True)


async def change(
    ports: Ports,
    actor: Actor,
    label_id: LabelId,
    *,
    name: str | None = None,
    color: str | None = None,
    retired: bool | None = None,
) -> Label:
    """Give a label another name or colour, retire it, or offer it again. What is None stays.

    Raises:
        Forbidden, NotFound, Conflict, LimitReached: As for a new one; or there is none.
    """
    _lead(actor)
    found = await labels.get(ports.db, actor.tenant, label_id) if is_id(label_id) else None
    if found is None:
        raise NotFound()
    changed = Label(
        found.id,
        found.name if name is None else _named(ports, name),
        found.color if color is None else color,
        found.retired if retired is None else retired,
    )
    return found if changed == found else await _put(ports, actor, changed, new=found.retired and not changed.retired)


def _lead(actor: Actor) -> None:
    if not actor.is_lead:
        raise Forbidden("Supervisors make labels.")


def _named(ports: Ports, name: str) -> str:
    return " ".join(checked_text(ports, name, what="name", max_bytes=MAX_NAME_BYTES, empty=False).split())


async def _put(ports: Ports, actor: Actor, label: Label, *, new: bool) -> Label:
    _lead(actor)
    now_us = await ports.journal.now_us()
    try:
        async with ports.db.transaction() as tx:
            if new and await labels.offered(tx, actor.tenant) >= MAX_LABELS:
                raise LimitReached(f"A tenant has {MAX_LABELS} labels at most. Delete some.", max=MAX_LABELS)
            await labels.put(tx, actor.tenant, label, label.name.casefold(), now_us)
    except StoreIntegrity:
        raise Conflict(TAKEN) from None
    except StoreError as error:
        raise Unavailable() from error
    return label


async def put_on_case(
    ports: Ports, actor: Actor, case_id: CaseId, label_ids: Sequence[LabelId], *, version: int | None = None
) -> Case:
    """Have a case carry exactly these labels. The same ones change nothing.

    Raises:
        NotFound: No such case, or not theirs to see.
        Invalid: A label that there is not, more than 20, or a retired one that the case does not carry yet.
        PreconditionFailed: ``version`` was given and is no longer the case's.
    """
    found = await cases.find(ports, actor, case_id)
    wanted = list(dict.fromkeys(label_ids))
    if len(wanted) > MAX_ON_A_CASE:
        raise Invalid(f"A case carries {MAX_ON_A_CASE} labels at most.", max=MAX_ON_A_CASE)
    known = {label.id: label for label in await labels.listed(ports.db, actor.tenant)}
    async with ports.journal.change(actor.tenant, found.room) as changing:
        await access.room_in(ports, changing, actor, found.room)
        case = await stored_cases.get(changing.tx, actor.tenant, case_id)
        if case is None or case.room != found.room:
            raise NotFound()
        if version is not None and version != case.version:
            raise PreconditionFailed(version=case.version)
        unknown = [label for label in wanted if label not in known]
        retired = [label for label in wanted if label in known and known[label].retired and label not in case.labels]
        if unknown or retired:
            raise Invalid("There is no such label to put on a case.", labels=[*unknown, *retired])
        if wanted == case.labels:
            return case
        return await changing.put_case(replace(case, labels=wanted), what="labelled")
