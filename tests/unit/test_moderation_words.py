"""The word list that comes with Deskbell, through the door its operator has: its settings."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from deskbell import Actor, RoomId, Submission, TenantId, UserId, normalise
from deskbell.plugins import Moderated, PluginHost
from deskbell_plugins import channels, moderation_words


def host(**settings: Any) -> PluginHost:
    switches = {
        "moderation_words": SimpleNamespace(enabled=False, settings={}),
        "channels": SimpleNamespace(enabled=False, settings={}),
        "words": SimpleNamespace(enabled=True, settings=settings),
    }
    extra = {"rooms": channels, "words": moderation_words}
    return PluginHost.load(switches, {}, moderation_timeout_s=1, extra=extra)


def written(text: str, channel_type: str = "support") -> Submission:
    sender = Actor(TenantId("t"), UserId("u"), "visitor", "Vera")
    return Submission(RoomId("r"), channel_type, sender, "text", text, normalise(text))


async def test_a_word_is_masked_and_the_original_kept_for_reviewers() -> None:
    result = await host(mask=["damn"]).moderate(written("Damn this DAMNED thing"))

    assert result == Moderated("**** this DAMNED thing", original="Damn this DAMNED thing")


async def test_a_word_is_held_for_a_person() -> None:
    result = await host(hold=["refund fraud"]).moderate(written("It is refund\u200b FRAUD."))

    assert (result.verdict, result.reason, result.filter) == ("hold", "word list: refund fraud", "words")


async def test_a_word_is_refused_and_the_sender_told_which() -> None:
    result = await host(block=["ｃａｓｉｎｏ"]).moderate(written("best Casino"))

    assert (result.verdict, result.reason) == ("block", "word list: ｃａｓｉｎｏ")


async def test_the_stricter_list_wins_and_what_is_held_is_masked_too() -> None:
    both = host(mask=["damn"], hold=["spam"], block=["casino"])

    assert (await both.moderate(written("damn spam"))).verdict == "hold"
    assert (await both.moderate(written("damn spam"))).text == "**** spam"
    assert (await both.moderate(written("spam casino"))).verdict == "block"


async def test_what_is_allowed_is_left_alone_though_it_holds_a_listed_word() -> None:
    lists = host(allow=["Damn Small Linux"], mask=["damn"], block=["small"])

    assert (await lists.moderate(written("I run Damn Small Linux"))).verdict == "allow"
    assert (await lists.moderate(written("I run Damn Small Linux, damn"))).text == "I run Damn Small Linux, ****"
    assert (await lists.moderate(written("a small one"))).verdict == "block"


async def test_only_the_named_kinds_of_rooms_are_looked_at() -> None:
    lists = host(block=["casino"], mask=["damn"], channels=["community"])

    assert (await lists.moderate(written("damn casino", "support"))).text == "damn casino"
    assert (await lists.moderate(written("casino", "support"))).verdict == "allow"
    assert (await lists.moderate(written("casino", "community"))).verdict == "block"


async def test_another_mask_can_be_chosen() -> None:
    assert (await host(mask=["damn"], mask_with="•").moderate(written("damn"))).text == "••••"


def test_empty_lists_cost_nothing() -> None:
    assert not host().filters


def test_the_filters_take_the_place_that_is_asked_for() -> None:
    assert [(found.name, found.order) for found in host(mask=["a"], block=["b"], order=7).filters] == [
        ("words", 7),
        ("words_mask", 8),
    ]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"block": ["fine", "?!"]}, "block: there is no word in '?!'"),
        ({"block": "casino"}, "plugins.words.settings.block: expected `array`"),
        ({"blocked": ["casino"]}, "did you mean block?"),
        ({"mask": ["x"], "mask_with": ""}, "mask_with: one character"),
    ],
)
async def test_a_mistake_in_the_lists_is_named_and_until_then_all_is_held(settings: dict[str, Any], said: str) -> None:
    lists = host(**settings)

    assert said in lists.describe()[-1]["reason"]
    assert (await lists.moderate(written("hello"))).verdict == "hold"


async def test_a_nasty_text_takes_no_more_steps_than_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: each word of the text is looked up once, however it is made."""
    words = ["a a a a a a b"]
    looked_up = 0

    class Counting(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            nonlocal looked_up
            looked_up += 1
            return super().get(key, default)

    lists = host(block=words)
    phrases = lists.filters[0]._lists.for_text(written("")).block  # type: ignore[attr-defined]
    monkeypatch.setattr(phrases, "_spaced", Counting(phrases._spaced))

    assert (await lists.moderate(written("a " * 5000))).verdict == "allow"
    assert looked_up == 5000


class _NoDesk:
    desk: Any = None

    async def enqueue(self, *arguments: Any, **named: Any) -> bool:
        return False


async def test_a_tenant_may_have_lists_of_its_own() -> None:
    """The others keep theirs, empty ones included."""
    switches = {
        "moderation_words": SimpleNamespace(enabled=False, settings={}),
        "channels": SimpleNamespace(enabled=False, settings={}),
        "words": SimpleNamespace(enabled=True, settings={}, tenants={"acme": {"hold": ["refund"], "mask": ["damn"]}}),
    }
    extra = {"rooms": channels, "words": moderation_words}
    lists = PluginHost.load(switches, {}, moderation_timeout_s=1, extra=extra)
    lists.open(_NoDesk(), {"acme": TenantId("t"), "other": TenantId("o")})
    try:
        theirs = written("damn refund")
        others = replace(theirs, sender=Actor(TenantId("o"), UserId("u"), "visitor", "Vera"))
        held = Moderated("**** refund", "hold", "word list: refund", "words", "damn refund")
        assert await lists.moderate(theirs) == held
        assert await lists.moderate(others) == Moderated("damn refund")
    finally:
        await lists.close()
