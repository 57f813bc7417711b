"""Who may see and write what agents keep: somebody's own, or shared by all of the tenant, as snippets and views are."""

from __future__ import annotations

from deskbell.errors import Forbidden
from deskbell.model.records import Actor


def may_see(actor: Actor, what: str) -> None:
    """Raise :class:`Forbidden` for whom such things are not. ``what``: their name in the plural, as in a sentence."""
    if not actor.is_staff:
        raise Forbidden(f"{what.capitalize()} are for agents.")


def may_write(actor: Actor, what: str, *, shared: bool) -> None:
    """Raise :class:`Forbidden` for who is no agent; of a shared one, for who is no supervisor."""
    may_see(actor, what)
    if shared and not actor.is_lead:
        raise Forbidden(f"Supervisors make {what} for all.")
