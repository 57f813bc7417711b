"""The REST routes that the client calls by name, with their bodies: the one place that knows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from deskbell.client.rest import NotUnderstood, Rest
from deskbell.errors import NotFound
from deskbell.model.records import (
    CaseEntry,
    Conversation,
    Label,
    Message,
    Participant,
    RoomState,
    SavedDraft,
    SavedView,
    Snippet,
)
from deskbell.wire.frames import OwnCaseFrame


def _id(value: str) -> str:
    return quote(value, safe="")


def _as(answer: Any, kind: Any, *keys: str) -> Any:
    """``answer`` as a record; where it is wrapped in an object, under one of ``keys``."""
    if isinstance(answer, dict):
        for key in keys:
            if key in answer:
                answer = answer[key]
                break
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise NotUnderstood(f"The answer is not understood: {error}") from None


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class ViewCounts(msgspec.Struct, frozen=True):
    """``lists``: of those everybody has, by name; ``views``: of saved ones, by id."""

    lists: dict[str, int]
    views: dict[str, int]


class Routes:
    """What support people and visitors do besides writing messages."""

    async def rest(self, method: str, path: str, json: object = None, headers: Mapping[str, str] | None = None) -> Any:
        raise NotImplementedError

    # -- visitors

    async def open_conversation(self, **fields: Any) -> RoomState:
        """The visitor's conversation: the one under way, or a new one."""
        room: RoomState = _as(await self.rest("POST", "/support/conversations", fields), RoomState)
        return room

    async def rate(self, room: str, rating: int, comment: str = "") -> None:
        """How the help was, from 1 to 5."""
        body: dict[str, Any] = {"rating": rating} | ({"comment": comment} if comment else {})
        await self.rest("POST", f"/rooms/{_id(room)}/rating", body)

    async def leave_queue(self, room: str) -> OwnCaseFrame:
        """Wait for a person no longer; the assistant goes on."""
        left: OwnCaseFrame = _as(await self.rest("POST", f"/rooms/{_id(room)}/leave-queue", {}), OwnCaseFrame)
        return left

    async def end(self, room: str) -> RoomState:
        """End the visitor's conversation; it can be rated then."""
        ended: RoomState = _as(await self.rest("POST", f"/rooms/{_id(room)}/end", {}), RoomState)
        return ended

    async def own_case(self, room: str) -> OwnCaseFrame:
        """How the visitor's case stands; ``status`` is ``none`` where there is none."""
        found: OwnCaseFrame = _as(await self.rest("GET", f"/rooms/{_id(room)}/case"), OwnCaseFrame)
        return found

    # -- rooms

    async def participants(self, room: str) -> list[Participant]:
        people: list[Participant] = []
        cursor = ""
        while True:
            found = await self.rest("GET", f"/rooms/{_id(room)}/participants{cursor}")
            people += _as(found, list[Participant], "items")
            more = found.get("next_cursor") if isinstance(found, dict) else None
            if not more:
                return people
            cursor = f"?{urlencode({'cursor': more})}"

    async def mark_unread(self, room: str, seq: int) -> int:
        """Have a room unread again from ``seq`` on, until it is read; how many messages that are."""
        found: int = _as(await self.rest("POST", f"/rooms/{_id(room)}/unread", {"seq": seq}), int, "unread")
        return found

    async def join(self, room: str) -> None:
        await self.rest("POST", f"/rooms/{_id(room)}/join", {})

    async def leave(self, room: str) -> None:
        await self.rest("POST", f"/rooms/{_id(room)}/leave", {})

    async def ban(self, room: str, user: str, *, reason: str = "", until: str | None = None) -> Participant:
        """Keep somebody out of a room one moderates; ``until`` is a time in RFC 3339, None for good."""
        body = {"state": "banned", "reason": reason} | ({} if until is None else {"until": until})
        return await self._place(room, user, body)

    async def unban(self, room: str, user: str) -> Participant:
        """Let somebody come back, if they may and want to."""
        return await self._place(room, user, {"state": "joined"})

    async def _place(self, room: str, user: str, body: dict[str, Any]) -> Participant:
        path = f"/rooms/{_id(room)}/participants/{_id(user)}"
        changed: Participant = _as(await self.rest("PATCH", path, body), Participant)
        return changed

    # -- messages

    async def forward(self, message: str, room: str, client_id: str) -> Message | None:
        """Pass a message on into another room; None: it waits for approval there.

        Sent again with the same ``client_id`` it is stored once.
        """
        answer = await self.rest("POST", f"/messages/{_id(message)}/forward", {"room": room, "client_id": client_id})
        if isinstance(answer, dict) and answer.get("held"):
            return None
        forwarded: Message = _as(answer, Message, "message")
        return forwarded

    async def report(self, message: str, reason: str, comment: str = "") -> None:
        """Tell those who moderate that a message should not be there."""
        body = {"reason": reason} | ({"comment": comment} if comment else {})
        await self.rest("POST", f"/messages/{_id(message)}/report", body)

    async def search(self, text: str, **fields: Any) -> dict[str, Any]:
        """Messages one may read that hold certain words: ``results``, and ``cursor`` for the next page.

        ``fields``: ``room``, ``sender``, ``kind``, ``before``, ``after``, ``has_attachment``, ``limit``, ``cursor``.
        """
        query = {"q": text} | {name: _written(value) for name, value in fields.items() if value is not None}
        found = await self.rest("GET", f"/search?{urlencode(query)}")
        if not isinstance(found, dict) or not isinstance(found.get("results"), list):
            raise NotUnderstood
        return found

    # -- drafts

    async def draft(self, room: str, kind: str = "reply") -> SavedDraft | None:
        """What one has begun to write in a room; ``kind`` is ``reply`` or, for agents, ``note``."""
        try:
            answer = await self.rest("GET", f"/rooms/{_id(room)}/draft?{urlencode({'kind': kind})}")
        except NotFound:
            return None
        found: SavedDraft = _as(answer, SavedDraft)
        return found

    async def save_draft(self, room: str, text: str, kind: str = "reply", **base: Any) -> SavedDraft:
        """Keep what one is writing; ``base``: ``seq`` and ``owner_version`` of the room when it was begun."""
        kept: SavedDraft = _as(
            await self.rest("PUT", f"/rooms/{_id(room)}/draft", {"text": text, "kind": kind, **base}), SavedDraft
        )
        return kept

    async def drop_draft(self, room: str, kind: str = "reply") -> None:
        await self.rest("DELETE", f"/rooms/{_id(room)}/draft?{urlencode({'kind': kind})}")

    async def drafts(self) -> list[SavedDraft]:
        """The latest hundred of what one has begun to write, the latest first."""
        found: list[SavedDraft] = _as(await self.rest("GET", "/drafts?limit=100"), list[SavedDraft], "items")
        return found

    # -- agents

    async def cases_in(self, view: str, **only: Any) -> list[CaseEntry]:
        """Cases; ``view`` is ``mine``, ``queue``, ``bot`` or ``all``; ``only``: ``label``, ``team``, ``priority``,
        ``sort``.
        """
        query = {"view": view} | {name: _written(value) for name, value in only.items()}
        found = await self.rest("GET", f"/cases?{urlencode(query)}")
        cases: list[CaseEntry] = _as(found, list[CaseEntry], "items")
        return cases

    async def conversations(self, owner: str) -> list[Conversation]:
        """Open conversations of the tenant in which a ``bot``, an ``agent`` or ``nobody`` answers."""
        found = await self.rest("GET", f"/support/conversations?{urlencode({'owner': owner})}")
        rooms: list[Conversation] = _as(found, list[Conversation], "items")
        return rooms

    async def case(self, case: str) -> CaseEntry:
        found: CaseEntry = _as(await self.rest("GET", f"/cases/{_id(case)}"), CaseEntry)
        return found

    async def claim(self, case: str) -> CaseEntry:
        """Make a waiting case, and its conversation, one's own.

        Raises:
            AlreadyClaimed: A colleague was faster.
        """
        return await self._case(case, "claim", {})

    async def take_over(self, room: str) -> CaseEntry:
        """Answer in a conversation oneself from now on, asked or not; the bot is silent."""
        changed: CaseEntry = _as(await self.rest("POST", f"/rooms/{_id(room)}/take-over", {}), CaseEntry)
        return changed

    async def transfer(self, case: str, team: str, note: str = "") -> CaseEntry:
        return await self._case(case, "transfer", {"team": team} | ({"note": note} if note else {}))

    async def give_back(self, case: str, to: str) -> CaseEntry:
        """Return a case; ``to`` is ``queue`` or ``bot``."""
        return await self._case(case, "return", {"to": to})

    async def merge(self, case: str, into: str) -> CaseEntry:
        """Have a case go on as another one of the same visitor."""
        return await self._case(case, "merge", {"into": into})

    async def board(self) -> dict[str, Any]:
        """How the counter stands, and what the day was like. Supervisors."""
        found: dict[str, Any] = _as(await self.rest("GET", "/board"), dict[str, Any])
        return found

    async def resolve(self, case: str) -> CaseEntry:
        return await self._case(case, "resolve", {})

    async def snooze(self, case: str, until: str) -> CaseEntry:
        """Set a case aside; ``until`` is a time in RFC 3339."""
        return await self._case(case, "snooze", {"until": until})

    async def _case(self, case: str, verb: str, body: dict[str, Any]) -> CaseEntry:
        changed: CaseEntry = _as(await self.rest("POST", f"/cases/{_id(case)}/{verb}", body), CaseEntry)
        return changed

    async def views(self) -> list[SavedView]:
        """Saved views: shared ones, then one's own."""
        found: list[SavedView] = _as(await self.rest("GET", "/views"), list[SavedView], "items")
        return found

    async def create_view(self, name: str, *, shared: bool = False, **filter_: Any) -> SavedView:
        """Save a view; ``filter_``: ``view``, ``label``, ``team``, ``priority``. ``shared``: supervisors."""
        body = {"name": name, "filter": filter_, "shared": shared}
        made: SavedView = _as(await self.rest("POST", "/views", body), SavedView)
        return made

    async def change_view(self, view: str, **fields: Any) -> SavedView:
        """``fields``: ``name``, ``filter``."""
        changed: SavedView = _as(await self.rest("PATCH", f"/views/{_id(view)}", fields), SavedView)
        return changed

    async def delete_view(self, view: str) -> None:
        await self.rest("DELETE", f"/views/{_id(view)}")

    async def view_counts(self) -> ViewCounts:
        """How many cases are in each of one's lists, counted to 1,000."""
        found: ViewCounts = _as(await self.rest("GET", "/views/counts"), ViewCounts)
        return found

    async def snippets(self) -> list[Snippet]:
        """Shared snippets and one's own, by shortcut."""
        found: list[Snippet] = _as(await self.rest("GET", "/snippets"), list[Snippet], "items")
        return found

    async def create_snippet(self, shortcut: str, text: str, *, shared: bool = False) -> Snippet:
        """Keep a text to be called up by its shortcut, see :meth:`Snippet.filled_in`. ``shared``: supervisors."""
        body = {"shortcut": shortcut, "text": text, "shared": shared}
        made: Snippet = _as(await self.rest("POST", "/snippets", body), Snippet)
        return made

    async def change_snippet(self, snippet: str, **fields: Any) -> Snippet:
        """``fields``: ``shortcut``, ``text``."""
        changed: Snippet = _as(await self.rest("PATCH", f"/snippets/{_id(snippet)}", fields), Snippet)
        return changed

    async def delete_snippet(self, snippet: str) -> None:
        await self.rest("DELETE", f"/snippets/{_id(snippet)}")

    async def labels(self) -> list[Label]:
        """All labels of the tenant, retired ones too."""
        found: list[Label] = _as(await self.rest("GET", "/labels"), list[Label], "items")
        return found

    async def create_label(self, name: str, color: str = "") -> Label:
        """Offer a new label; ``color`` is ``#rrggbb`` or empty. Supervisors."""
        made: Label = _as(await self.rest("POST", "/labels", {"name": name, "color": color}), Label)
        return made

    async def change_label(self, label: str, **fields: Any) -> Label:
        """``fields``: ``name``, ``color``, ``retired``."""
        changed: Label = _as(await self.rest("PATCH", f"/labels/{_id(label)}", fields), Label)
        return changed

    async def retire_label(self, label: str) -> Label:
        """Offer a label no more; it stays on the cases that carry it."""
        retired: Label = _as(await self.rest("DELETE", f"/labels/{_id(label)}"), Label)
        return retired

    async def label_case(self, case: str, labels: Sequence[str], *, version: int | None = None) -> CaseEntry:
        """Have a case carry exactly these labels; with ``version``: only if it is still this one."""
        body = {"labels": list(labels)} | ({} if version is None else {"version": version})
        changed: CaseEntry = _as(await self.rest("PUT", f"/cases/{_id(case)}/labels", body), CaseEntry)
        return changed

    async def backstage(self, room: str) -> RoomState:
        """The agents-only twin of a support room, where notes are written."""
        found: RoomState = _as(await self.rest("GET", f"/rooms/{_id(room)}/backstage"), RoomState)
        return found

    async def note(self, room: str, text: str, client_id: str, mentions: Sequence[str] = ()) -> None:
        """Write a private note to a support room; sent again with the same ``client_id`` it is written once."""
        body = {"text": text, "client_id": client_id} | ({"mentions": list(mentions)} if mentions else {})
        await self.rest("POST", f"/rooms/{_id(room)}/notes", body)

    async def mentions(self) -> list[dict[str, Any]]:
        """The latest hundred messages that mention one: ``message``, ``room``, ``case``, ``read``."""
        found: list[dict[str, Any]] = _as(await self.rest("GET", "/mentions?limit=100"), list[dict[str, Any]], "items")
        return found

    async def contact(self, room: str) -> dict[str, Any]:
        """Who the visitor of a support room is, with their conversations."""
        found: dict[str, Any] = _as(await self.rest("GET", f"/rooms/{_id(room)}/contact"), dict[str, Any])
        return found

    async def agents(self) -> list[dict[str, Any]]:
        """One's colleagues: ``user``, ``role``, ``status``, ``accepting``, ``load``, ``capacity``, ``teams``."""
        found: list[dict[str, Any]] = _as(await self.rest("GET", "/agents"), list[dict[str, Any]], "items")
        return found

    async def set_availability(self, status: str) -> None:
        """Whether one is there and takes conversations: ``online``, ``away`` or ``busy``."""
        await self.rest("PUT", "/agents/me/availability", {"status": status})


async def visitor_tokens(rest: Rest, site_key: str, identity: str | None = None, name: str = "") -> dict[str, Any]:
    """Become a site's visitor, anonymous or vouched for by the site."""
    body = (
        {"site_key": site_key} | ({} if identity is None else {"identity": identity}) | ({"name": name} if name else {})
    )
    return await _tokens(rest, "/auth/visitors", body)


async def login_tokens(rest: Rest, email: str, password: str) -> dict[str, Any]:
    """Log in with a password."""
    return await _tokens(rest, "/auth/login", {"email": email, "password": password})


async def renewed_tokens(rest: Rest, refresh_token: str) -> dict[str, Any]:
    """Exchange a refresh token; it is spent afterwards."""
    return await _tokens(rest, "/auth/refresh", {"refresh_token": refresh_token})


async def _tokens(rest: Rest, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await rest.call("POST", path, body)
    if not isinstance(answer, dict):
        raise NotUnderstood
    return answer


async def ticket(rest: Rest, token: str) -> str:
    """A ticket for one socket, good for thirty seconds."""
    answer = await rest.call("POST", "/ws-tickets", {}, token=token)
    if not isinstance(answer, dict) or not isinstance(answer.get("ticket"), str):
        raise NotUnderstood
    found: str = answer["ticket"]
    return found
