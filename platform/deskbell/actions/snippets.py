"""Snippets: texts that agents write again and again, called up by a shortcut.

A snippet is somebody's own, or *shared*: made by a supervisor for all agents of the tenant; one's own goes before a
shared one of the same shortcut. Its text may hold :data:`PLACEHOLDERS`, which whoever writes it into a message fills
in before it is sent; others are refused when it is saved, so that no visitor ever reads one.
"""

from __future__ import annotations

from deskbell.actions.content import checked_text
from deskbell.actions.own_or_shared import may_see, may_write
from deskbell.errors import Conflict, Invalid, LimitReached, NotFound, Unavailable
from deskbell.ids import SnippetId, is_id, new_id
from deskbell.model.placeholders import PLACEHOLDERS, unknown_in
from deskbell.model.records import Actor, Snippet
from deskbell.ports import Ports
from deskbell.store import snippets
from deskbell.store.database import StoreError, StoreIntegrity

WHAT = "snippets"
MAX_SNIPPETS = 1000


async def listed(ports: Ports, actor: Actor) -> list[Snippet]:
    """Shared ones and one's own, by shortcut; of two of one shortcut one's own comes first.

    Raises:
        Forbidden: Not staff.
    """
    may_see(actor, WHAT)
    return await snippets.listed(ports.db, actor.tenant, actor.id)


async def create(ports: Ports, actor: Actor, shortcut: str, text: str, *, shared: bool = False) -> Snippet:
    """Keep a snippet, for oneself or for all.

    Raises:
        Forbidden: Not staff; or a shared one, and no supervisor.
        Invalid, TooLarge: It could not be sent, or holds a placeholder that there is not.
        Conflict: The shortcut is taken, among one's own or among the shared ones.
        LimitReached: There are 1,000 of one's own, or 1,000 shared ones.
    """
    snippet = Snippet(SnippetId(new_id()), shortcut, _checked(ports, text), shared)
    may_write(actor, WHAT, shared=shared)
    return await _put(ports, actor, snippet, new=True)


async def change(
    ports: Ports, actor: Actor, snippet_id: SnippetId, *, shortcut: str | None = None, text: str | None = None
) -> Snippet:
    """Give a snippet another shortcut or text. What is None stays.

    Raises:
        NotFound: There is none, or it is a colleague's own.
        Forbidden, Invalid, TooLarge, Conflict: As for a new one.
    """
    found = await _own(ports, actor, snippet_id)
    changed = Snippet(
        found.id,
        found.shortcut if shortcut is None else shortcut,
        found.text if text is None else _checked(ports, text),
        found.shared,
    )
    return found if changed == found else await _put(ports, actor, changed, new=False)


async def drop(ports: Ports, actor: Actor, snippet_id: SnippetId) -> None:
    """Delete a snippet; what was written with it stays written.

    Raises:
        NotFound, Forbidden: As for a change.
    """
    await _own(ports, actor, snippet_id)
    await snippets.drop(ports.db, actor.tenant, snippet_id)


def _checked(ports: Ports, text: str) -> str:
    checked_text(ports, text, what="text", max_bytes=ports.settings.limits.text_bytes, empty=False)
    if unknown := unknown_in(text):
        raise Invalid(
            f"There is no placeholder {unknown[0][:60]}.",
            unknown=[name[:60] for name in unknown[:10]],
            known=list(PLACEHOLDERS),
        )
    return text


async def _put(ports: Ports, actor: Actor, snippet: Snippet, *, new: bool) -> Snippet:
    owner = None if snippet.shared else actor.id
    now_us = await ports.journal.now_us()
    try:
        async with ports.db.transaction() as tx:
            if new and await snippets.count(tx, actor.tenant, owner) >= MAX_SNIPPETS:
                raise LimitReached(f"There are {MAX_SNIPPETS} snippets at most. Delete some.", max=MAX_SNIPPETS)
            await snippets.put(tx, actor.tenant, owner, snippet, now_us)
    except StoreIntegrity:
        raise Conflict("There is a snippet of this shortcut.") from None
    except StoreError as error:
        raise Unavailable() from error
    return snippet


async def _own(ports: Ports, actor: Actor, snippet_id: SnippetId) -> Snippet:
    may_see(actor, WHAT)
    found = await snippets.get(ports.db, actor.tenant, actor.id, snippet_id) if is_id(snippet_id) else None
    if found is None:
        raise NotFound()
    may_write(actor, WHAT, shared=found.shared)
    return found
