"""When the rule that comes with Deskbell brings in a person."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from deskbell import HandOver, MessageId, PublicUser, RoomId, Situation, TenantId, TurnMessage, UserId
from deskbell.plugins import PluginHost
from deskbell_plugins import channels, escalation
from deskbell_plugins.escalation import asks_for_a_person

VERA = PublicUser(UserId("v"), "visitor", "Vera")
BOT = PublicUser(UserId("b"), "bot", "Assistant")
ANA = PublicUser(UserId("a"), "agent", "Ana")


def said(sender: PublicUser, text: str) -> TurnMessage:
    return TurnMessage(MessageId("m"), sender, text)


async def decide(*texts: str, trigger: str = "turn", settings: dict[str, Any] | None = None, **more: Any) -> Any:
    switches = {
        name: SimpleNamespace(enabled=False, settings={}) for name in ("channels", "escalation", "moderation_words")
    } | {"rule": SimpleNamespace(enabled=True, settings=settings or {})}
    extra = {"rooms": channels, "rule": escalation}
    host = PluginHost.load(switches, {}, moderation_timeout_s=1, extra=extra)
    more = {"history": (), "state": {}} | more
    messages = [said(VERA, text) for text in texts]
    return await host.decide(Situation(trigger, TenantId("t"), RoomId("r"), VERA, messages, **more))


@pytest.mark.parametrize(
    "text",
    [
        "Talk to a person",
        "I want to talk to a human.",
        "Can I speak with someone, please?",
        "get me an agent",
        "agent please",
        "HUMAN",
        "Can I get a real person?",
        "I need a human now",
        "no, I want a person",
        "please let me talk to a real human being",
        "put me through to a colleague",
        "I'd like to speak to a customer service representative.",
        "This is useless. Connect me with somebody!",
    ],
)
def test_a_wish_for_a_person_is_understood(text: str) -> None:
    assert asks_for_a_person(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I don't want to talk to a human",
        "no need to get me an agent",
        "How do agents claim a case?",
        "How does a visitor talk to a person?",
        "I have people in my room",
        "I need an agent token",
        "I want a person to be notified when a case opens",
        "what does the operator do",
        "I need someone's address",
    ],
)
def test_talk_about_people_is_no_wish_for_one(text: str) -> None:
    assert not asks_for_a_person(text)


async def test_asking_in_words_brings_a_person_before_the_bot_is_asked() -> None:
    """Without words of its own: the platform's usual ones are said in the visitor's language."""
    found = await decide("My order is late.", "I want to talk to a human.")

    assert found == HandOver(
        reason="asked_human",
        summary="My order is late.\nI want to talk to a human.",
    )


async def test_other_languages_by_phrase() -> None:
    assert (await decide("Ich möchte mit einem Menschen sprechen!")).reason == "asked_human"
    assert await decide("quiero a mi mama", settings={"phrases": []}) is None
    assert (await decide("chcę człowieka", settings={"phrases": ["chcę człowieka"]})).reason == "asked_human"


async def test_an_ordinary_question_goes_to_the_bot() -> None:
    assert await decide("How long can I edit a message?") is None


@pytest.mark.parametrize(
    ("trigger", "reason"), [("visitor", "asked_human"), ("bot", "bot_asked"), ("error", "bot_error")]
)
async def test_the_button_the_bot_and_a_failure_bring_a_person(trigger: str, reason: str) -> None:
    assert (await decide("hello", trigger=trigger)).reason == reason
    assert (await decide(trigger=trigger, reason="refund")).reason == "refund"


async def test_the_visitor_is_told_honestly_when_the_bot_failed() -> None:
    assert "did not work" in (await decide("hello", trigger="error")).say


async def test_two_misses_in_a_row_bring_a_person() -> None:
    assert await decide("well?", state={"misses": 1}) is None
    assert (await decide("well?", state={"misses": 2})).reason == "not_understood"
    assert (await decide("well?", state={"misses": 1}, settings={"misses": 1})).reason == "not_understood"
    assert await decide("well?", state={"misses": 9}, settings={"misses": 0}) is None
    assert await decide("well?", state={"misses": "many"}) is None


async def test_misses_that_a_person_has_seen_to_do_not_bring_one_again() -> None:
    """After a hand-back the conversation would otherwise bounce for ever."""
    seen_to = [said(BOT, "I am not sure."), said(ANA, "It ships today."), said(VERA, "Thanks")]
    missed_since = [*seen_to, said(BOT, "I am not sure.")]

    assert await decide("well?", state={"misses": 2}, history=seen_to) is None
    assert (await decide("well?", state={"misses": 2}, history=missed_since)).reason == "not_understood"


async def test_words_of_urgency_raise_the_priority_and_bring_nobody_by_themselves() -> None:
    assert await decide("this is urgent") is None
    assert (await decide("this is urgent", trigger="visitor")).priority == 1
    assert (await decide("an Emergency, urgently", trigger="visitor")).priority == 2
    assert (await decide("hello", trigger="visitor")).priority == 0


async def test_some_words_bring_a_person_at_once() -> None:
    found = await decide("I will see my lawyer", settings={"at_once": ["lawyer"], "team": "legal"})

    assert (found.reason, found.priority, found.team) == ("word:lawyer", 1, "legal")


async def test_a_long_story_is_cut_for_the_summary() -> None:
    summary = (await decide("word " * 200, trigger="visitor")).summary

    assert len(summary) == escalation.MAX_SUMMARY and summary.endswith("…")
