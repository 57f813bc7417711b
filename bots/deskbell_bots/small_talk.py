"""Telling a greeting, thanks and the wish for a person from a question.

These three need no knowledge, only manners. English.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_GREETING = _set(
    """
    hi hello hey hiya howdy greetings morning afternoon evening day moin yo there good
    """
)
_GREETING_SURE = _set(
    """
    hi hello hey hiya howdy greetings morning afternoon evening moin yo
    """
)
_GREETED = _set("to you all everyone team bot assistant dear again")
_THANKS = _set(
    """
    thanks thank thx ty cheers appreciated appreciate
    """
)
_POLITE = _set(
    """
    you so much very a lot many for your the help that this it was is great perfect nice good ok okay bot
    assistant again all everyone team dear there really i and bye goodbye helpful helped helping works worked now
    """
)
_PERSON = _set(
    """
    human humans person people agent agents representative rep operator someone somebody staff colleague employee
    anybody anyone supervisor manager
    """
)
_WISH = _set(
    """
    i d m id im a an the to with can could may might would will you me my please pls plz want wanna need like love
    talk talking speak speaking chat chatting connect transfer escalate get give put pass bring through real live
    actual human person support service customer now right instead rather just let is there any are available some
    one of your hi hello hey how do we us be this not bot asap immediately contact reach call ask for urgent
    urgently help from thanks thank ok okay yes no finally being
    """
)
_ASKING = re.compile(
    r"\b(?:i (?:really |just )?(?:want|need|would like|d like|wanna|have)"
    r"|(?:can|could|may) i(?: please)?|let me|i must)"
    r"(?: to)? (?:(?:please |finally )?(?:talk|speak|chat) (?:to|with) |(?:get|have|see|reach) )?"
    r"(?:a |an |the |some |your )?(?:real |live |actual |human )*"
    r"(?:human being|human|person|agent|representative|operator|someone|somebody)\b"
    r"|\b(?:get|give|connect|transfer|put|pass|bring|hand) me (?:\w+ ){0,2}?(?:to |with )?"
    r"(?:a |an |the )?(?:real |live |actual )*"
    r"(?:human|person|agent|representative|operator|someone|somebody)\b"
)
_GOES_ON = re.compile(r"\s*(?:$|[.,;:!?]|(?:about|now|please|who|because|asap|instead|right|and|here|today|as|real)\b)")
_REFUSED = re.compile(r"\b(?:don'?t|do not|no need|not|never|without|rather not)\b(?:\s+\w+){0,6}\s*$")


def small_talk(text: str) -> Literal["greeting", "thanks", "human"] | None:
    """What a message is when it is no question: a greeting, thanks, or the wish to talk to a person.

    ``None`` for everything else, also for a question that begins with a greeting or is *about*
    agents and people: a message counts only when it says nothing beside.
    """
    flat = " ".join(unicodedata.normalize("NFKC", text[:500]).lower().replace("’", "'").split())
    said = [word.split("'")[0] for word in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", flat)]
    if not said:
        return None
    if _wants_person(flat, said):
        return "human"
    if len(said) > 10 or "?" in flat:
        return None
    bag = set(said)
    if bag & _THANKS and bag <= _THANKS | _POLITE | _GREETING:
        return None if re.search(r"\bno thank", flat) else "thanks"
    if bag & _GREETING_SURE and bag <= _GREETING | _GREETED:
        return "greeting"
    return None


def _wants_person(flat: str, said: Sequence[str]) -> bool:
    spaced = re.sub(r"'", " ", flat)
    for found in _ASKING.finditer(spaced):
        if _GOES_ON.match(spaced, found.end()) and not _REFUSED.search(spaced[: found.start()]):
            return True
    if re.search(r"\b(?:don'?t|not|never|no)\b(?! a bot\b| the bot\b| bot\b)", flat):
        return False
    if re.match(r"(?:are|r) (?:you|u|there)\b|(?:is|was) (?:this|it|that)\b|am i\b", flat) and "there any" not in flat:
        return False  # asks whether it is one
    bag = set(said)
    return len(said) <= 14 and bool(bag & _PERSON) and bag <= _PERSON | _WISH
