"""What a plugin does beside conversations: its addresses, jobs, queues and kinds of messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import NoneType
from typing import Any

import msgspec
from msgspec import inspect as types

from deskbell.contracts import Dead, Done, Job, MessageKind, Queue, QueueItem, Retry, Route, RouteRequest
from deskbell.errors import DeskbellError
from deskbell.ids import new_id
from deskbell.testing.conformance import inputs
from deskbell.testing.conformance.inputs import Said
from deskbell.testing.conformance.subjects import Subject, Unaskable, shape

MAX_DEADLINE_S = 10.0  # of a job, say, that may take a minute: here its peers are away


class RouteSubject(Subject):
    """One address. Asked by somebody who may, with what was said wherever the body and the query take a text."""

    variants = ("usual",)
    may_raise = (DeskbellError,)
    offer: Route

    def __init__(self, label: str, offer: Any) -> None:
        super().__init__(label, offer)
        self.deadline_s = min(self.offer.deadline_s, MAX_DEADLINE_S)

    async def begin(self) -> None:
        ordinary = inputs.said(inputs.ORDINARY[0])
        if self._struct(self.offer.body, ordinary) is None or self._struct(self.offer.query, ordinary) is None:
            raise Unaskable("no body or query could be made up that its Struct takes")

    async def ask(self, what: Said, variant: str) -> Any:
        body, query = self._struct(self.offer.body, what), self._struct(self.offer.query, what)
        if body is None or query is None:
            return None  # refused before it is asked
        places = [part[1:-1] for part in self.offer.path.split("/") if part.startswith("<")]
        who = next((one for one in inputs.actors() if self.offer.who in ("user", one.kind, one.role)), None)
        if self.offer.who == "staff":
            who = next(one for one in inputs.actors() if one.is_staff)
        request = RouteRequest(
            who=None if self.offer.who == "anybody" else who,
            path=dict.fromkeys(places, what.text[:200] or "4711"),
            body=None if self.offer.body is None else body,
            query=None if self.offer.query is None else query,
            raw=b"" if self.offer.body is None else msgspec.json.encode(body),
            headers={"content-type": "application/json", "user-agent": "conformance"},
            address="203.0.113.7",
            settings=self.settings,
        )
        with self._lent(path=request.path, body=request.body, headers=request.headers):
            return [await self._call(self.offer.handler, request)]

    def _struct(self, struct: Any, what: Said) -> Any:
        """An instance; None: it takes none of what could be made up. For a route without one, anything."""
        return True if struct is None else sample(struct, what.text)

    def wrong(self, answer: Any) -> str:
        try:
            msgspec.json.decode(msgspec.json.encode(answer[0]), type=self.offer.answers)
        except Exception:
            declared = getattr(self.offer.answers, "__name__", str(self.offer.answers))
            return f"its handler answered {shape(answer[0])}, which is no {declared}"
        return ""


class JobSubject(Subject):
    """A job, due at once and once more."""

    variants = ("due",)
    offer: Job

    def __init__(self, label: str, offer: Any) -> None:
        super().__init__(label, offer)
        self.deadline_s = min(self.offer.deadline_s, MAX_DEADLINE_S)

    async def ask(self, what: Said, variant: str) -> Any:
        await self._call(self.offer.handler, inputs.NOW)

    def wrong(self, answer: Any) -> str:
        return ""  # nobody looks at it


class QueueSubject(Subject):
    """A queue. Its work is what the plugin left in it while everything else was asked."""

    variants = ("work",)
    offer: Queue

    def __init__(self, label: str, offer: Any) -> None:
        super().__init__(label, offer)
        self.deadline_s = min(self.offer.deadline_s, MAX_DEADLINE_S)
        self.left: Mapping[str, list[tuple[Mapping[str, Any], Any]]] = {}
        self._items: dict[Said, QueueItem] = {}

    async def begin(self) -> None:
        if not self.left.get(self.offer.name):
            raise Unaskable("nothing was left in it while the rest of the plugin was asked")

    async def ask(self, what: Said, variant: str) -> Any:
        work = self.left[self.offer.name]
        item = self._items.get(what)
        if item is None:
            payload, about = work[len(what.text) % len(work)]
            item = QueueItem(new_id(), inputs.TENANT, what.room, dict(payload), 1, 8, inputs.NOW, self.settings, about)
        else:
            item = replace(item, attempt=item.attempt + 1)
        if what.again:
            self._items[what] = item
        with self._lent(payload=item.payload):
            return [await self._call(self.offer.handler, item)]

    def wrong(self, answer: Any) -> str:
        outcome = answer[0]
        if isinstance(outcome, Done):
            return ""
        if not isinstance(outcome, Retry | Dead):
            return f"its handler answered {shape(outcome)}, which is no Done, Retry or Dead: it would be tried again"
        if not isinstance(outcome.reason, str) or not outcome.reason:
            return f"{type(outcome).__name__}.reason is {shape(outcome.reason)}; operators read it"
        if isinstance(outcome, Retry) and not isinstance(outcome.after_s, int | float | NoneType):
            return f"Retry.after_s is {shape(outcome.after_s)}, neither seconds nor None"
        return ""


class KindSubject(Subject):
    """A kind of message: its metadata must be refused in order, whatever it is."""

    variants = ("metadata",)
    may_raise = (msgspec.ValidationError,)
    offer: MessageKind

    async def ask(self, what: Said, variant: str) -> Any:
        struct = self.offer.metadata
        names = [each.encode_name for each in msgspec.structs.fields(struct)]
        for value in (what.text, 0, None, [what.text], {what.text: what.text}):
            try:
                msgspec.convert(dict.fromkeys(names, value), struct)
            except msgspec.ValidationError:
                continue
        return [sample(struct, what.text)]

    def wrong(self, answer: Any) -> str:
        return ""


def sample(struct: type[Any], text: str) -> Any:
    """An instance with every field filled, texts with ``text``; None: it takes no such thing."""
    try:
        return msgspec.convert(_made(types.type_info(struct), text), struct, strict=False)
    except (msgspec.ValidationError, TypeError):
        return None


def _made(type_: types.Type, text: str) -> Any:
    """A plain value of a type, with its bounds kept as far as they are simple."""
    if isinstance(type_, types.StructType):
        return {field.encode_name: _made(field.type, text) for field in type_.fields}
    if isinstance(type_, types.Metadata):
        return _made(type_.type, text)
    if isinstance(type_, types.UnionType):
        return _made(next((one for one in type_.types if not isinstance(one, types.NoneType)), type_.types[0]), text)
    if isinstance(type_, types.StrType):
        cut = text[: type_.max_length] if type_.max_length is not None else text
        return cut.ljust(type_.min_length or 0, "x")
    if isinstance(type_, types.IntType | types.FloatType):
        least = type_.ge if type_.ge is not None else type_.gt + 1 if type_.gt is not None else 0
        return min(least, type_.le) if type_.le is not None else least
    if isinstance(type_, types.LiteralType):
        return type_.values[0]
    if isinstance(type_, types.EnumType):
        return next(iter(type_.cls)).value
    if isinstance(type_, types.ListType | types.SetType | types.FrozenSetType | types.VarTupleType):
        return [_made(type_.item_type, text)]
    if isinstance(type_, types.TupleType):
        return [_made(one, text) for one in type_.item_types]
    plain: dict[type[Any], Any] = {
        types.BoolType: False,
        types.NoneType: None,
        types.DictType: {},
        types.DateTimeType: inputs.NOW.isoformat(),
        types.DateType: inputs.NOW.date().isoformat(),
        types.TimeType: "12:00:00",
        types.UUIDType: inputs.TENANT,
        types.DecimalType: "1",
        types.TimeDeltaType: "PT1S",
    }
    return plain.get(type(type_), text)
