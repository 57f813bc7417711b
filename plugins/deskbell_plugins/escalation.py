"""The rule that comes with Deskbell for when a conversation goes to a person.

Asked before each turn of the bot and whenever somebody wants a person, it answers with a hand-over when

- the visitor used the button, or asks for a person in their own words;
- the bot asked, or failed;
- the bot has noted so many misses in a row (``misses`` in its state) and nobody has helped since;
- a word is said at which the site wants a person at once.

Words of urgency raise the priority of a hand-over; they cause none by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from deskbell import EscalationRule, HandOver, Phrases, PluginContext, Situation, TenantId, hookimpl, normalise, words

MAX_SUMMARY = 300  # characters
MAX_ASKED = 500  # characters of a message in which a wish for a person is looked for

NOT_SURE = "I'm not sure of the answer, and I don't want to guess. I've asked a colleague to join."
BROKEN = "Something did not work on my side. I've asked a colleague to join."


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """What may be said under ``plugins.escalation.settings``."""

    misses: int = 2  # misses in a row that bring a person; 0: never
    phrases: tuple[str, ...] = (  # other ways to ask for a person; English is understood without them
        "mit einem menschen sprechen",
        "mit einem mitarbeiter sprechen",
        "mit einer person sprechen",
        "parler à un humain",
        "parler à une personne",
        "parler à un conseiller",
        "hablar con una persona",
        "hablar con un humano",
        "hablar con un agente",
    )
    at_once: tuple[str, ...] = ()  # words at which a person is brought in whatever else is said
    high: tuple[str, ...] = ("urgent", "urgently", "asap", "lawyer", "legal action", "fraud")
    urgent: tuple[str, ...] = ("emergency",)
    team: str | None = None
    order: int = 100

    def __post_init__(self) -> None:
        if self.misses < 0:
            raise ValueError("misses: 0 or more")
        for name in ("phrases", "at_once", "high", "urgent"):
            try:
                Phrases(getattr(self, name))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None


_PERSON = "(?:human|humans|person|people|agent|agents|representative|operator|someone|somebody|colleague|employee)"
_ONE = "(?:human|human being|person|agent|representative|operator|colleague)"
_KIND_OF = "(?:(?:a|an|the|any|some|your|real|live|actual|human|support|service|customer) ){0,4}"
_I_WANT = "i (?:really |just )?(?:want|need|would like|d like|wanna)"
_ASKED = re.compile(
    # I want to talk to a person; can I speak with someone
    f"\\b(?:{_I_WANT}|i must|i have|(?:can|could|may) i|let me|please)(?: please)?(?: to)? "
    f"(?:talk|speak|chat) (?:to|with) {_KIND_OF}{_PERSON}\\b"
    # I need a human; can I get a person please. Not: I want a person to be told when ...
    f"|\\b(?:{_I_WANT}|(?:can|could|may) i (?:please )?(?:get|have|see|reach)) {_KIND_OF}{_ONE}"
    "(?=$| (?:please|now|asap|instead|right|who|to (?:talk|speak|chat|help))\\b)"
    # get me an agent; put me through to a person; connect me with somebody
    f"|\\b(?:get|give|connect|transfer|put|pass|bring) me (?:through |over )?(?:to |with )?{_KIND_OF}{_PERSON}\\b"
    # talk to a person, as the button says it
    f"|^(?:(?:hi|hello|hey|yes|ok|no) )?(?:talk|speak|chat) (?:to|with) {_KIND_OF}{_PERSON}\\b"
)
_ALONE = re.compile(f"(?:hi |hello |please )?{_KIND_OF}{_PERSON}(?: please| now| pls){{0,2}}")
_REFUSED = re.compile("\\b(?:don t|do not|didn t|no need|not|never|without|rather not)(?: \\w+){0,5} ?$")
# A person who does something else is not one to be talked to: "I need someone's address", "I have an agent account".
_SOMETHING_ELSE = re.compile(" (?:s|account|console|role|token|id|page|key|password|name)\\b")


def asks_for_a_person(text: str) -> bool:
    """Whether somebody says, in English, that they want to talk to a person; not whether they ask about people."""
    flat = " ".join(words(text[:MAX_ASKED]))
    if _ALONE.fullmatch(flat):
        return True
    return any(
        not _REFUSED.search(flat[: found.start()]) and not _SOMETHING_ELSE.match(flat, found.end())
        for found in _ASKED.finditer(flat)
    )


class Lists:
    """The words of some settings, made ready; each tenant may have its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.phrases = Phrases(settings.phrases)
        self.at_once = Phrases(settings.at_once)
        self.high = Phrases(settings.high)
        self.urgent = Phrases(settings.urgent)


class DefaultRule:
    """See the module."""

    name = "default"

    def __init__(self, context: PluginContext) -> None:
        self.order: int = context.settings.order
        self._context = context
        self._made: dict[int, Lists] = {}

    def _lists(self, tenant: TenantId) -> Lists:
        settings: Settings = self._context.settings_for(tenant)
        lists = self._made.get(id(settings))
        if lists is None or lists.settings is not settings:
            lists = self._made[id(settings)] = Lists(settings)
        return lists

    async def decide(self, situation: Situation) -> HandOver | None:
        lists = self._lists(situation.tenant)
        text = "\n".join(message.text for message in situation.messages)
        normalised = normalise(text)
        reason, say = _why(lists, situation, normalised)
        if not reason:
            return None
        priority = 2 if lists.urgent.find(normalised) else 1 if lists.high.find(normalised) else 0
        return HandOver(
            reason=reason,
            priority=priority,
            team=lists.settings.team,
            summary=text if len(text) <= MAX_SUMMARY else text[: MAX_SUMMARY - 1] + "…",
            say=say,
        )


def _why(lists: Lists, situation: Situation, normalised: str) -> tuple[str, str]:
    """The reason, in one word, and what the visitor reads, empty: what is usual; no reason: no hand-over."""
    if situation.trigger == "visitor":
        return situation.reason or "asked_human", ""
    if situation.trigger == "bot":
        return situation.reason or "bot_asked", ""
    if situation.trigger == "error":
        return situation.reason or "bot_error", BROKEN
    if any(asks_for_a_person(message.text) for message in situation.messages) or lists.phrases.find(normalised):
        return "asked_human", ""
    if word := lists.at_once.find(normalised):
        return f"word:{word}", ""
    limit = lists.settings.misses
    if limit and _misses(situation.state) >= limit and not _helped_since(situation):
        return "not_understood", NOT_SURE
    return "", ""


def _misses(state: Any) -> int:
    """What the bot has noted; anything but a number is none."""
    noted = state.get("misses", 0)
    return noted if isinstance(noted, int) else 0


def _helped_since(situation: Situation) -> bool:
    """Whether a person answered last: then the misses led to that person, and are not to do so once more."""
    answers = [message.sender.kind for message in situation.history if message.sender.id != situation.visitor.id]
    return bool(answers) and answers[-1] == "agent"


@hookimpl
def register_escalation_rules(context: PluginContext) -> Sequence[EscalationRule]:
    return [DefaultRule(context)]
