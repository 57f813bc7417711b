"""The assistant answers from its pages, with the source, or says that it does not know."""

from __future__ import annotations

import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deskbell import (
    Bot,
    BotContext,
    BotEvent,
    Escalate,
    MessageId,
    PublicUser,
    RoomId,
    Say,
    SetState,
    TenantId,
    TextDelta,
    Turn,
    TurnId,
    TurnMessage,
    UserId,
    demo,
)
from deskbell.plugins import PluginHost
from deskbell_bots import faq
from deskbell_plugins import channels

VERA = PublicUser(UserId("v"), "visitor", "Vera")

SHIPPING = """# Delivery

## How long does delivery take?

Parcels arrive within three working days. On islands it takes a day longer, and we tell you so when you order.

We send with two carriers.

## Can I change the delivery address?

Yes, until the parcel has left us. Open your order and choose *Change address*.
"""


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    (tmp_path / "delivery.md").write_text(SHIPPING)
    (tmp_path / "decisions").mkdir()
    (tmp_path / "decisions" / "secret.md").write_text("# Zebra\n\nThe zebra decision.\n")
    return tmp_path


async def assistant(**settings: Any) -> Bot:
    off = SimpleNamespace(enabled=False, settings={})
    switches = {"channels": off, "faq": off, "bot": SimpleNamespace(enabled=True, settings=settings)}
    host = PluginHost.load(switches, {}, moderation_timeout_s=1, extra={"rooms": channels, "bot": faq})
    await host.start()
    return host.bots["faq"]


async def asked(bot: Bot, *texts: str, state: dict[str, Any] | None = None) -> list[BotEvent]:
    messages = [TurnMessage(MessageId(f"m{n}"), VERA, text) for n, text in enumerate(texts)]
    turn = Turn(TurnId("t"), TenantId("t"), RoomId("r"), VERA, messages, (), state or {}, time.monotonic() + 10)
    return [event async for event in bot.handle(turn)]


def kept(events: list[BotEvent]) -> dict[str, Any]:
    return dict([event.state for event in events if isinstance(event, SetState)][-1])


async def test_an_answer_comes_with_its_source(pages: Path) -> None:
    events = await asked(await assistant(folder=str(pages)), "How long does the delivery take?")

    said = events[-1]
    assert isinstance(said, Say)
    assert "three working days" in said.text
    assert said.sources == [
        {
            "title": "Delivery",
            "path": "delivery.md",
            "anchor": "how-long-does-delivery-take",
            "heading": "Delivery › How long does delivery take?",
        }
    ]
    assert kept(events)["misses"] == 0


async def test_an_answer_is_streamed_in_whole_words_and_then_said_as_a_whole(pages: Path) -> None:
    events = await asked(await assistant(folder=str(pages)), "How long does the delivery take?")

    deltas = [event.text for event in events if isinstance(event, TextDelta)]
    said = events[-1]
    assert isinstance(said, Say)
    assert "".join(deltas) == said.text
    assert 10 <= len(deltas) <= faq.PIECES
    assert all(delta[-1].isspace() for delta in deltas[:-1])
    assert faq.PIECES * faq.PIECE_MS < 500  # milliseconds: seen to stream, not waited for


@pytest.mark.parametrize("text", ["", "one", "  two words  ", "word " * 500, "a\n\n- b\n- c\n"])
def test_pieces_joined_are_the_text_again(text: str) -> None:
    cut = faq.pieces(text)

    assert "".join(cut) == text
    assert len(cut) <= faq.PIECES
    assert len(cut) >= min(faq.PIECES // 2, math.ceil(len(text.split()) / 2))


async def test_a_brief_answer_is_the_first_paragraph(pages: Path) -> None:
    said = (await asked(await assistant(folder=str(pages), answer_style="brief"), "How long does delivery take?"))[-1]

    assert isinstance(said, Say)
    assert "three working days" in said.text
    assert "two carriers" not in said.text


async def test_what_it_does_not_know_it_says_and_offers_a_person(pages: Path) -> None:
    events = await asked(await assistant(folder=str(pages)), "Who won the chess championship?")

    said = events[-1]
    assert isinstance(said, Say)
    assert said.text.startswith("I'm not sure of the answer, and I don't want to guess.")
    assert said.choices == ["Talk to a person"]
    assert not said.sources
    assert kept(events)["misses"] == 1


async def test_the_second_miss_in_a_row_brings_a_person_who_need_not_ask_again(pages: Path) -> None:
    bot = await assistant(folder=str(pages))
    first = await asked(bot, "Who won the chess championship?")
    second = await asked(bot, "The one with the kings?", state=kept(first))

    rung = second[-1]
    assert isinstance(rung, Escalate)
    assert rung.reason == "not_understood"
    assert rung.summary == "Who won the chess championship?\nThe one with the kings?"
    assert rung.facts["first_question"] == "Who won the chess championship?"
    assert kept(second)["misses"] == 0  # who hands back finds the bot willing to try again


async def test_a_hit_between_two_misses_begins_the_count_anew(pages: Path) -> None:
    bot = await assistant(folder=str(pages))
    state = kept(await asked(bot, "Who won the chess championship?"))
    state = kept(await asked(bot, "How long does delivery take?", state=state))

    assert isinstance((await asked(bot, "And the kings?", state=state))[-1], Say)


@pytest.mark.parametrize("text", ["Talk to a person", "I want to talk to a human", "agent please"])
async def test_who_asks_for_a_person_gets_one(pages: Path, text: str) -> None:
    rung = (await asked(await assistant(folder=str(pages)), text))[-1]

    assert isinstance(rung, Escalate)
    assert rung.reason == "asked_human"
    assert rung.say == "", "the platform's usual words, in the visitor's language"


async def test_the_offer_of_a_person_can_be_taken_or_left(pages: Path) -> None:
    """ "Yes" and "no" answer the bot's own question, and are no questions themselves."""
    bot = await assistant(folder=str(pages))
    state = kept(await asked(bot, "Who won the chess championship?"))

    taken = (await asked(bot, "Yes, please", state=state))[-1]
    left = await asked(bot, "no thanks", state=state)

    assert isinstance(taken, Escalate)
    assert (taken.reason, taken.summary) == ("asked_human", "Who won the chess championship?\nYes, please")
    assert left[-1] == Say(faq.NO_PERSON)
    assert kept(left)["misses"] == 0


@pytest.mark.parametrize(("text", "answer"), [("Hello", faq.HELLO), ("thank you!", faq.WELCOME), ("  ", faq.EMPTY)])
async def test_small_talk_is_answered_and_no_miss(pages: Path, text: str, answer: str) -> None:
    events = await asked(await assistant(folder=str(pages)), text)

    assert events == [SetState({"misses": 0}), Say(answer)]


async def test_of_several_messages_the_last_may_be_the_question(pages: Path) -> None:
    said = (
        await asked(
            await assistant(folder=str(pages)),
            "my cat ate the receipt and the dog barked at the moon all through the night",
            "How long does delivery take?",
        )
    )[-1]

    assert isinstance(said, Say)
    assert "three working days" in said.text


TIME, ADDRESS, CHESS = (
    "How long does delivery take?",
    "Can I change the delivery address?",
    "Who won the chess championship?",
)


@pytest.mark.parametrize(
    "texts",
    [
        (TIME, ADDRESS),
        ("Hi", TIME, "And can I change the delivery address?", "Thanks"),
        ("how long does delivery take", "can i change the delivery address"),
        ("I ordered a lamp.", TIME, ADDRESS, "Do you?"),
        (TIME, "I must change the delivery address"),
    ],
)
async def test_two_questions_at_once_get_both_answers_each_with_its_source(pages: Path, texts: tuple[str, ...]) -> None:
    events = await asked(await assistant(folder=str(pages)), *texts)

    [said] = [event for event in events if isinstance(event, Say)]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == said.text
    assert 0 <= said.text.find("three working days") < said.text.find("until the parcel has left us")
    assert [source["anchor"] for source in said.sources] == [
        "how-long-does-delivery-take",
        "can-i-change-the-delivery-address",
    ]
    assert "not sure" not in said.text
    assert kept(events) == {"misses": 0}


@pytest.mark.parametrize(
    "texts",
    [
        ("Hi", TIME),
        ("How long", "does delivery take?"),
        ("how long does", "the delivery", "take?"),
        (TIME, "To islands?"),
        (TIME, "how long does the delivery take??"),
        (TIME, "Can you?"),
        (TIME, "the delivery address is 4 Main Street, third floor, and the bell does not ring"),
        (TIME, "my cat ate the receipt and the dog barked at the moon all through the night"),
    ],
)
async def test_one_question_in_several_messages_gets_one_answer(pages: Path, texts: tuple[str, ...]) -> None:
    events = await asked(await assistant(folder=str(pages)), *texts)

    [said] = [event for event in events if isinstance(event, Say)]
    assert [source["anchor"] for source in said.sources] == ["how-long-does-delivery-take"]
    assert "not sure" not in said.text
    assert said.text.count("three working days") == 1


@pytest.mark.parametrize("texts", [(TIME, CHESS), (CHESS, TIME), ("who won the chess championship", TIME.lower())])
async def test_of_two_questions_the_known_one_is_answered_and_the_other_admitted(
    pages: Path, texts: tuple[str, ...]
) -> None:
    events = await asked(await assistant(folder=str(pages)), *texts)

    said = events[-1]
    assert isinstance(said, Say)
    assert "three working days" in said.text
    assert said.text.endswith(faq.REST_UNKNOWN)
    assert said.choices == [faq.PERSON]
    assert len(said.sources) == 1
    assert kept(events)["misses"] == 1
    assert kept(events)["question"].lower() == CHESS.lower().removesuffix("?" if CHESS not in texts else "")


async def test_a_second_miss_beside_a_known_question_brings_a_person_and_the_answer(pages: Path) -> None:
    bot = await assistant(folder=str(pages))
    state = kept(await asked(bot, CHESS))
    events = await asked(bot, TIME, "Who is the king of the chess players?", state=state)

    said, rung = events[-2:]
    assert isinstance(said, Say)
    assert "three working days" in said.text
    assert "not sure" not in said.text, "the person who joins is announced once"
    assert isinstance(rung, Escalate)
    assert rung.summary == f"{CHESS}\nWho is the king of the chess players?"
    assert kept(events) == {"misses": 0}


async def test_two_questions_it_does_not_know_are_one_miss(pages: Path) -> None:
    events = await asked(await assistant(folder=str(pages)), CHESS, "What is the capital of Peru?")

    assert events[-1] == Say(faq.UNKNOWN, choices=[faq.PERSON])
    assert kept(events) == {"misses": 1, "question": f"{CHESS}\nWhat is the capital of Peru?"}


async def test_many_questions_at_once_stay_below_the_longest_message(pages: Path) -> None:
    for at in range(30):
        brass = "The part is made of brass. " * 60
        (pages / f"{at}.md").write_text(f"# Part\n\n## What is the zork{at}x?\n\n{brass}\n")
    said = (await asked(await assistant(folder=str(pages)), *(f"What is the zork{at}x?" for at in range(30))))[-1]

    assert isinstance(said, Say)
    assert 2 <= len(said.sources) <= 4
    assert len(said.text) < 16_384


async def test_the_demos_shop_answers_two_questions_at_once() -> None:
    shop = Path(demo.__file__).parent / "shop"
    bot = await assistant(folder=str(shop))

    said = (await asked(bot, "Which shade fits the Alder lamp?", TIME))[-1]

    assert isinstance(said, Say)
    assert "28 cm shade" in said.text
    assert "two to four working days" in said.text


async def test_folders_that_are_not_for_visitors_are_left_out(pages: Path) -> None:
    assert (await asked(await assistant(folder=str(pages)), "What is the zebra decision?"))[-1] == Say(
        faq.UNKNOWN, choices=[faq.PERSON]
    )


async def test_without_a_folder_it_knows_deskbells_own_manual() -> None:
    said = (await asked(await assistant(), "How do I write a bot?"))[-1]

    assert isinstance(said, Say)
    assert said.sources[0]["path"] == "howto/write-a-bot.md"


async def test_a_folder_without_pages_is_a_mistake_seen_at_the_start(tmp_path: Path) -> None:
    off = SimpleNamespace(enabled=False, settings={})
    switches = {
        "channels": off,
        "faq": off,
        "bot": SimpleNamespace(enabled=True, settings={"folder": str(tmp_path)}),
    }
    host = PluginHost.load(switches, {}, moderation_timeout_s=1, extra={"rooms": channels, "bot": faq})
    await host.start()

    assert "faq" not in host.bots
    assert host.describe()[-1]["state"] == "refused"


async def test_its_words_are_plain_and_its_name_is_the_sites_to_choose(pages: Path) -> None:
    bot = await assistant(folder=str(pages), title="Shop assistant", greeting="Hello, I'm the shop's assistant.")

    assert (bot.title, bot.greeting()) == ("Shop assistant", "Hello, I'm the shop's assistant.")
    spoken = [value for name, value in vars(faq).items() if name.isupper() and isinstance(value, str)]
    assert len(spoken) > 6
    assert not any("!" in words or "oops" in words.lower() for words in spoken)


async def test_it_follows_the_contract_of_bots(pages: Path) -> None:
    bot = await assistant(folder=str(pages))

    assert isinstance(bot, Bot)
    assert BotContext({}).settings == {}
