"""Labels: what a tenant's agents sort cases by."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from quart import Blueprint

from deskbell.actions import case_lists, labels
from deskbell.errors import Conflict, Forbidden, LimitReached, PreconditionFailed
from deskbell.ids import CaseId, LabelId
from deskbell.model.records import CaseEntry, Label
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import Body, Items, OneLabel, Seq
from deskbell.server.rest.conditions import IF_MATCH, PROMISED
from deskbell.server.rest.routes import Ask, Routes

Name = Annotated[str, Meta(min_length=1, max_length=60)]
Color = Annotated[str, Meta(pattern="^(#[0-9a-f]{6})?$", description="`#rrggbb` in lower case, or empty.")]


class NewLabel(Body, frozen=True):
    name: Name
    color: Color = ""


class LabelChange(Body, frozen=True):
    """What is left out, or null, stays. ``retired``: not offered any more; false offers it again."""

    name: Name | None = None
    color: Color | None = None
    retired: bool | None = None


class CaseLabels(Body, frozen=True):
    """All labels the case is to carry. ``version``: only if the case is still this one."""

    labels: Annotated[list[OneLabel], Meta(max_length=labels.MAX_ON_A_CASE)]
    version: Seq | None = None


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("labels", edge), edge.ports

    @routes.get("/labels", Items[Label], refuses=[Forbidden])
    async def list_labels(ask: Ask) -> Items[Label]:
        """All labels, in the order they were made; retired ones too, since cases may carry them."""
        return Items(await labels.listed(ports, ask.actor))

    @routes.post("/labels", {201: Label}, body=NewLabel, refuses=[Forbidden, Conflict, LimitReached])
    async def create_label(ask: Ask) -> Label:
        """Offer a new label; supervisors."""
        return await labels.create(ports, ask.actor, ask.body.name, ask.body.color)

    @routes.patch("/labels/<label_id>", Label, body=LabelChange, refuses=[Forbidden, Conflict, LimitReached])
    async def change_label(ask: Ask, label_id: LabelId) -> Label:
        """Give a label another name or colour, or offer a retired one again; supervisors."""
        body: LabelChange = ask.body
        return await labels.change(ports, ask.actor, label_id, name=body.name, color=body.color, retired=body.retired)

    @routes.delete("/labels/<label_id>", Label, refuses=[Forbidden])
    async def retire_label(ask: Ask, label_id: LabelId) -> Label:
        """Offer a label no more; it stays on the cases that carry it. Supervisors."""
        return await labels.change(ports, ask.actor, label_id, retired=True)

    @routes.put(
        "/cases/<case_id>/labels",
        CaseEntry,
        body=CaseLabels,
        headers={IF_MATCH: PROMISED},
        refuses=[PreconditionFailed],
    )
    async def label_case(ask: Ask, case_id: CaseId) -> CaseEntry:
        """Have a case carry exactly these labels."""
        body: CaseLabels = ask.body
        version = ask.expected_version if body.version is None else body.version
        await labels.put_on_case(ports, ask.actor, case_id, body.labels, version=version)
        return await case_lists.entry(ports, ask.actor, case_id)

    return routes.blueprint
