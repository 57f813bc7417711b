"""What a plugin offers, each kind under the same few questions, so that one examination fits them all.

A :class:`Subject` can be asked about something said, knows how long it may take, and tells what is wrong with
an answer. What it was given is compared with what it was given to begin with.
"""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from deskbell.contracts import (
    Allow,
    Block,
    Bot,
    BotContext,
    ChannelType,
    Escalate,
    EscalationRule,
    HandOver,
    Hold,
    ModerationFilter,
    Rewrite,
    Say,
    SetState,
    Situation,
    TextDelta,
    Turn,
)
from deskbell.errors import DeskbellError
from deskbell.ids import TurnId, new_id
from deskbell.plugins.threads import Threads
from deskbell.testing.conformance import inputs
from deskbell.testing.conformance.inputs import Said

FILTER_S, RULE_S, OBSERVER_S, CHANNEL_S = 1.0, 1.0, 5.0, 1.0
MAX_EVENTS = 10_000
MAX_KEY = 200
MAX_SAID = 16_384


class Wrong:
    """What was found while asking to be no answer at all; ``says`` why."""

    def __init__(self, says: str) -> None:
        self.says = says


class Unaskable(Exception):
    """There is nothing it could be asked; the words say why."""


class Subject:
    """One thing that a plugin offers.

    Attributes:
        label: ``filter acme``.
        deadline_s: How long it may take to answer.
        variants: The ways in which it can be asked; the first is the usual one.
        may_raise: Exceptions that are answers.
    """

    deadline_s: float = 1.0
    variants: Sequence[str] = ("text",)
    may_raise: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(self, label: str, offer: Any) -> None:
        self.label = label
        self.offer = offer
        self._threads = Threads(label)
        self.settings: Any = None
        self.changed = ""
        """What it changed of the things it was given; empty: nothing."""

    async def ask(self, what: Said, variant: str) -> Any:
        """Its answer. Raises whatever it raises."""
        raise NotImplementedError

    def wrong(self, answer: Any) -> str:
        """What is wrong with an answer's type; empty: nothing."""
        raise NotImplementedError

    async def begin(self) -> None:
        """Whatever the desk does once, before the first question."""

    async def _call(self, method: Callable[..., Any], argument: Any) -> Any:
        """As the desk does: on its loop, or in one of the plugin's threads where the offer asks for one."""
        if getattr(self.offer, "run_in", "loop") == "thread":
            return await self._threads.run(method, (argument,))
        return await _awaited(method(argument))

    def _lent(self, **given: Any) -> _Lent:
        return _Lent(self, given)


class _Lent:
    """Things that are given to a plugin, and looked at afterwards."""

    def __init__(self, subject: Subject, given: Mapping[str, Any]) -> None:
        self._subject = subject
        self._given = given

    def __enter__(self) -> None:
        self._before = copy.deepcopy(self._given)

    def __exit__(self, *_: object) -> None:
        for name, value in self._given.items():
            if value != self._before[name]:
                self._subject.changed = self._subject.changed or name


class FilterSubject(Subject):
    """A moderation filter."""

    deadline_s = FILTER_S
    variants = ("text", "image", "card", "announcement")
    offer: ModerationFilter

    async def ask(self, what: Said, variant: str) -> Any:
        sender = inputs.actors()[0 if variant == "text" else -1]
        submission = inputs.submission(what, sender, variant)
        with self._lent(**{"submission.sender.attributes": sender.attributes}):
            return await self._call(self.offer.check, submission)

    def wrong(self, answer: Any) -> str:
        if isinstance(answer, Rewrite):
            return _no_text("Rewrite.text", answer.text)
        if isinstance(answer, Hold | Block):
            return _no_text(f"{type(answer).__name__}.reason", answer.reason)
        return "" if isinstance(answer, Allow) else f"check answered {shape(answer)}, which is no verdict"


class RuleSubject(Subject):
    """An escalation rule."""

    deadline_s = RULE_S
    variants = ("turn", "visitor", "bot", "error")
    offer: EscalationRule

    async def ask(self, what: Said, variant: str) -> Any:
        state: dict[str, Any] = {} if variant == "turn" else {"misses": "many", "other": [{"a": None}]}
        written, before = inputs.messages(what.texts), inputs.history(what.history)
        situation = Situation(variant, inputs.TENANT, what.room, inputs.VISITOR, written, before, state)
        lent = {"situation.state": state, "situation.messages": written, "situation.history": before}
        with self._lent(**lent):
            return await self._call(self.offer.decide, situation)

    def wrong(self, answer: Any) -> str:
        if answer is None:
            return ""
        if not isinstance(answer, HandOver):
            return f"decide answered {shape(answer)}, which is neither a HandOver nor None"
        return _wrong_hand_over("HandOver", answer)


class BotSubject(Subject):
    """A bot."""

    deadline_s = 5.0
    variants = ("first turn", "later turn")
    offer: Bot

    async def begin(self) -> None:
        settings = msgspec.to_builtins(self.settings) if self.settings is not None else {}
        await _awaited(self.offer.load(BotContext(settings)))

    async def ask(self, what: Said, variant: str) -> Any:
        turn = self.turn(what, variant)
        with self._lent(**{"turn.state": turn.state, "turn.messages": turn.messages, "turn.history": turn.history}):
            stream: Any = self.offer.handle(turn)
            if not hasattr(stream, "__aiter__"):
                _close(stream)
                return Wrong(f"handle answered {shape(stream)}, not an async iterator: `async def` with `yield`")
            events = []
            try:
                async for event in stream:
                    events.append(event)
                    if len(events) > MAX_EVENTS:
                        return Wrong(f"handle yielded more than {MAX_EVENTS} events in one turn")
            finally:
                if hasattr(stream, "aclose"):
                    await stream.aclose()
        return [*events, self.offer.greeting()]

    def turn(self, what: Said, variant: str) -> Turn:
        state: dict[str, Any] = {} if variant == "first turn" else {"misses": 1, "question": "Where is it?"}
        before = what.history or (("Hello", "What is it?") if variant != "first turn" else ())
        return Turn(
            TurnId(new_id()),
            inputs.TENANT,
            what.room,
            inputs.VISITOR,
            inputs.messages(what.texts),
            inputs.history(before),
            state,
            deadline=time.monotonic() + self.deadline_s,
            attempt=2 if what.again else 1,
        )

    def wrong(self, answer: Any) -> str:
        if isinstance(answer, Wrong):
            return answer.says
        *events, greeting = answer
        if not isinstance(greeting, str):
            return f"greeting answered {shape(greeting)}, not a str"
        if not events:
            return "handle yielded nothing: the visitor would wait for an answer that never comes"
        return next((wrong for event in events if (wrong := _wrong_event(event))), "") or _too_long(events)


class ObserverSubject(Subject):
    """One ``on_*`` hook."""

    deadline_s = OBSERVER_S

    def __init__(self, hook: str, function: Callable[..., Any]) -> None:
        super().__init__(f"observer {hook}", function)
        self._record = hook.removeprefix("on_")
        self.context: Any = None
        self.variants = CHANGES.get(self._record, ("created",))
        self._names = list(inspect.signature(function).parameters)
        self._told: dict[Said, Any] = {}

    async def begin(self) -> None:
        if self._record not in _RECORDS:
            raise Unaskable(f"the kit does not know what an on_{self._record} is told")

    async def ask(self, what: Said, variant: str) -> Any:
        record = self._told.get(what)
        if record is None:
            record = _RECORDS[self._record](what, change=variant)
        if what.again:
            self._told[what] = record
        given = {"tenant": inputs.TENANT, "room": what.room, "what": variant, self._record: record}
        given |= {"settings": self.settings, "context": self.context}
        with self._lent(**{self._record: record}):
            return await _awaited(self.offer(**{name: given[name] for name in self._names}))

    def wrong(self, answer: Any) -> str:
        return ""  # nobody looks at it


_RECORDS: dict[str, Any] = {
    "message": inputs.message,
    "note": inputs.message,
    "participant": inputs.participant,
    "case": inputs.case,
}
CHANGES: dict[str, tuple[str, ...]] = {
    "message": ("created", "edited", "deleted", "reacted", "unreacted", "pinned", "unpinned"),
    "note": ("created", "edited", "deleted"),
    "participant": ("joined", "left", "banned", "changed"),
    "case": (
        *("opened", "claimed", "transferred", "returned", "returned_to_bot", "resolved", "reopened", "snoozed"),
        *("awake", "changed", "answered", "customer_wrote", "re_offer", "call_back", "agent_silent", "rated"),
    ),
}


class ChannelSubject(Subject):
    """A channel type. All its methods are asked at once, by everybody who comes to a desk."""

    deadline_s = CHANNEL_S
    variants = ("in a room",)
    may_raise = (DeskbellError,)
    offer: ChannelType

    async def ask(self, what: Said, variant: str) -> Any:
        answers: list[tuple[str, Any]] = [("describe", self.offer.describe())]
        for actor in inputs.actors(what.text):
            with self._lent(**{"actor.attributes": actor.attributes}):
                answers.append(("may_create", self.offer.may_create(actor)))
                answers += [("may_enter", self.offer.may_enter(actor, role)) for role in self.offer.policy.roles]
                for count in range(3):
                    members = [str(inputs.AGENT.id), str(inputs.VISITOR.id)][:count]
                    try:
                        lent = list(members)
                        keys = [self.offer.key_for(actor, lent, key) for key in (None, what.text[:MAX_KEY], None)]
                    except DeskbellError:
                        continue  # it refuses: no such room
                    if lent != members:
                        self.changed = "members"
                    answers += [("key_for", key) for key in keys]
                    if keys[0] != keys[2]:
                        answers.append(("key_for twice", keys))
        for method, value in answers:
            if inspect.isawaitable(value):
                for _, each in answers:
                    _close(each)
                return Wrong(f"{method} is async, and nobody awaits it: what it answers counts as yes")
        return answers

    def wrong(self, answer: Any) -> str:
        if isinstance(answer, Wrong):
            return answer.says
        for method, value in answer:
            if method in ("may_create", "may_enter") and not isinstance(value, bool):
                return f"{method} answered {shape(value)}, not a bool"
            if method == "key_for" and not isinstance(value, str | None):
                return f"key_for answered {shape(value)}, neither a str nor None"
            if method == "key_for twice":
                return "key_for gave two keys for the same members: the same room would be opened twice"
            if method == "describe" and (wrong := _no_json("describe", value)):
                return wrong
        return ""


def _wrong_event(event: Any) -> str:
    if isinstance(event, TextDelta):
        return _no_text("TextDelta.text", event.text)
    if isinstance(event, Say):
        return (
            _no_text("Say.text", event.text)
            or _no_json("Say.sources", event.sources, list | tuple)
            or _no_json("Say.choices", event.choices, list | tuple)
            or next((wrong for choice in event.choices if (wrong := _no_text("a choice", choice))), "")
            or _no_json("Say.metadata", event.metadata, Mapping)
        )
    if isinstance(event, SetState):
        return _no_json("SetState.state", event.state, Mapping)
    if isinstance(event, Escalate):
        return _wrong_hand_over("Escalate", event)
    return f"handle yielded {shape(event)}, which is no TextDelta, Say, SetState or Escalate"


def _too_long(events: Sequence[Any]) -> str:
    count = sum(len(event.text) for event in events if isinstance(event, Say))
    count = max(count, sum(len(event.text) for event in events if isinstance(event, TextDelta)))
    if count <= MAX_SAID:
        return ""
    return f"handle said {count} characters in one turn, more than the {MAX_SAID} that `limits.text_bytes` allows"


def _wrong_hand_over(name: str, answer: HandOver | Escalate) -> str:
    if not isinstance(answer.reason, str) or not answer.reason:
        return f"{name}.reason is {shape(answer.reason)}; it is what agents read first"
    if type(answer.priority) is not int or answer.priority not in (0, 1, 2):
        return f"{name}.priority is {shape(answer.priority)}, not 0, 1 or 2"
    if not isinstance(answer.team, str | None):
        return f"{name}.team is {shape(answer.team)}, neither a team's slug nor None"
    facts = answer.facts
    if not isinstance(facts, Mapping) or not all(isinstance(text, str) for item in facts.items() for text in item):
        return f"{name}.facts does not hold texts under texts"
    return _no_text(f"{name}.say", answer.say) or _no_text(f"{name}.summary", answer.summary)


def _no_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        return f"{name} is {shape(value)}, not a str"
    if "\x00" in value:
        return f"{name} holds a NUL character, which no store keeps"
    try:
        value.encode()
    except UnicodeEncodeError:
        return f"{name} holds half a surrogate pair, which is no text"
    return ""


def _no_json(name: str, value: Any, type_: Any = Mapping) -> str:
    if not isinstance(value, type_):
        return f"{name} is {shape(value)}"
    try:
        msgspec.json.encode(value if isinstance(value, list | tuple) else dict(value))
    except Exception as error:
        return f"{name} cannot be written as JSON: {type(error).__name__}"
    return ""


def shape(value: Any) -> str:
    """A value by its type; numbers and constants as they are. Never what somebody wrote."""
    if value is None or isinstance(value, int | float):
        return repr(value)
    name = type(value).__name__
    if not value and isinstance(value, str | bytes | list | tuple | dict):
        return f"an empty {name}"
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


async def _awaited(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


def _close(value: Any) -> None:
    if inspect.iscoroutine(value):
        value.close()
