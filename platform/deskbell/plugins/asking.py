"""What the answers of several plugins come to: a verdict on a text, a hand-over, an event that all have heard.

No answer, a late one and nonsense have the outcome that the contract declares: a filter holds, a rule is passed
over, an observer is told again.
"""

from __future__ import annotations

import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from deskbell.contracts import Allow, Block, HandOver, Hold, PluginContext, Rewrite, Situation, Submission
from deskbell.model.records import Decision
from deskbell.model.text import normalise
from deskbell.plugins.door import Door
from deskbell.plugins.refusals import Fault, ObserverFailed, Resting


@dataclass(frozen=True, slots=True)
class Moderated:
    """What the filters made of a text.

    ``text`` is the text to store, also when it is held; ``original`` is what was written, if that
    differs. ``reason`` and ``filter`` say who held or blocked it: the first that held, or the one
    that blocked. ``decisions``: what each filter said that said more than Allow.
    """

    text: str
    verdict: Literal["allow", "hold", "block"] = "allow"
    reason: str = ""
    filter: str = ""
    original: str | None = None
    decisions: tuple[Decision, ...] = field(default=(), compare=False)


class Closed:
    """Stands where the filters of a refused plugin would: holds everything."""

    order = -(10**9)

    def __init__(self, plugin: str) -> None:
        self.name = f"{plugin} (refused)"
        self._reason = f"the moderation plugin {plugin} is not running"

    async def check(self, submission: Submission) -> Hold:
        return Hold(self._reason)


async def moderate(chain: Sequence[Door], submission: Submission) -> Moderated:
    """Pass a text through all filters, in order, as :func:`deskbell.hookspecs.register_moderation_filters` says.

    Never raises for a filter's sake: one that fails, is late or answers nonsense holds the message.
    """
    held = by = ""
    now = submission
    said: list[Decision] = []
    for door in chain:
        begun = time.perf_counter()
        try:
            verdict = await door.ask(now)
            if isinstance(verdict, Allow):
                continue
            if isinstance(verdict, Rewrite) and isinstance(verdict.text, str):
                if verdict.text != now.text:
                    now = replace(now, text=verdict.text, normalised=normalise(verdict.text))
                    said.append(_said(door, "rewrite", "", begun))
                continue
            if not isinstance(verdict, Hold | Block) or not isinstance(verdict.reason, str):
                raise door.fault(f"answered with a {type(verdict).__name__}, which is no verdict")
        except Fault:
            verdict = Hold(f"the filter {door.name} could not look at it")
        if isinstance(verdict, Block):
            said.append(_said(door, "block", verdict.reason, begun))
            return _moderated(submission, now, "block", verdict.reason, door.name, said)
        said.append(_said(door, "hold", verdict.reason, begun))
        if not by:
            held, by = verdict.reason, door.name
    return _moderated(submission, now, "hold" if by else "allow", held, by, said)


def _said(door: Door, verdict: Literal["rewrite", "hold", "block"], rule: str, begun: float) -> Decision:
    took_ms = round((time.perf_counter() - begun) * 1000, 3)
    return Decision(door.name, door.plugin.name, door.plugin.version, verdict, rule, took_ms)


def _moderated(
    submission: Submission,
    now: Submission,
    verdict: Literal["allow", "hold", "block"],
    reason: str,
    by: str,
    said: Sequence[Decision],
) -> Moderated:
    original = submission.text if now.text != submission.text else None
    return Moderated(now.text, verdict, reason, by, original, tuple(said))


async def decide(rules: Sequence[Door], situation: Situation) -> HandOver | None:
    """Ask the escalation rules in order; the first hand-over wins. Rules that fail are passed over."""
    for door in rules:
        try:
            answer = await door.ask(situation)
            if isinstance(answer, HandOver):
                return answer
            if answer is not None:
                raise door.fault(f"answered with a {type(answer).__name__}, which is no hand-over")
        except Fault:
            continue
    return None


@dataclass(frozen=True)
class Observer:
    """One plugin's hook, and which of the arguments it wants."""

    door: Door
    wants: tuple[str, ...]
    context: PluginContext


async def tell(
    hook: str,
    observers: Sequence[Observer],
    arguments: Mapping[str, Any],
    settings_of: Mapping[str, Any],
    only: Container[str] | None,
) -> None:
    """Tell observers what has happened, one after another; one that fails keeps none from hearing it.

    Raises:
        ObserverFailed: Some failed, were late, or rest.
    """
    failures: dict[str, str] = {}
    again_s: float | None = None
    for observer in observers:
        name = observer.door.name
        if only is not None and name not in only:
            continue
        given = {**arguments, "settings": settings_of.get(name), "context": observer.context}
        try:
            await observer.door.ask(*(given[wanted] for wanted in observer.wants))
        except Resting as resting:
            failures[name] = str(resting)
            again_s = max(again_s or 0.0, resting.again_s)
        except Fault as fault:
            failures[name] = str(fault)
    if failures:
        raise ObserverFailed(hook, failures, again_s)
