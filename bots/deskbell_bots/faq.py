"""The assistant that answers from a folder of Markdown pages, and says so when they hold no answer.

As delivered it knows Deskbell's own manual; name another ``folder`` and it knows that. It never
guesses: a question the pages do not cover is met with that fact and the way to a person, and the
second such question in a row brings the person in. Several questions at once are answered one below the
other. What it knows is :mod:`deskbell_bots.knowledge`'s, what is one question :mod:`deskbell_bots.burst`'s.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from deskbell import Bot, BotContext, BotEvent, Escalate, Say, SetState, TextDelta, Turn, hookimpl, words
from deskbell_bots.burst import looks_asked, questions
from deskbell_bots.knowledge import Answer, Knowledge, Source, small_talk

PERSON = "Talk to a person"
HELLO = "Hello. What would you like to know?"
WELCOME = "You're welcome. Ask me anything else, any time."
UNKNOWN = (
    "I'm not sure of the answer, and I don't want to guess. Could you put it another way, or shall I ask a person?"
)
REST_UNKNOWN = (
    "As to the rest of what you asked, I'm not sure of the answer, and I don't want to guess."
    " Could you put it another way, or shall I ask a person?"
)
NOT_UNDERSTOOD = "I'm not sure of the answer, and I don't want to guess. I've asked a colleague to join."
NO_PERSON = "All right. You can ask for a person at any time."
EMPTY = "I can only read text. What would you like to know?"

MISSES = 2  # in a row, then a person is brought in
# An answer is there at once; it is shown in about so many pieces, as it would be read.
PIECES, PIECE_MS = 20, 15
MAX_QUESTION = 300  # characters of a question kept for whoever joins

_YES = frozenset(words("yes y yeah yep yup sure ok okay please do ja oui si"))
_NO = frozenset(words("no n nope nah not now thanks thank you nein non"))


class Pages(msgspec.Struct, forbid_unknown_fields=True):
    """What one assistant reads, and how it speaks."""

    folder: str = ""  # of Markdown pages; empty: Deskbell's own manual
    skip: tuple[str, ...] = ("decisions",)  # folders directly below it that are left out
    title: str = "Assistant"
    greeting: str = "Hello, I'm the assistant. What is it about?"
    answer_style: Literal["passage", "brief"] = "passage"  # the passage that answers, or its first paragraph
    link_base: str | None = None  # where the pages are published, e.g. https://docs.example.org/; null: no links
    piece_ms: Annotated[int, msgspec.Meta(ge=0, le=500)] = PIECE_MS  # pause after each piece of an answer


class Settings(Pages, forbid_unknown_fields=True):
    """What may be said under ``plugins.faq.settings``: the assistant ``faq``, and others for other sites."""

    also: dict[str, Pages] = {}  # by the name that a site's ``bot`` says


def manual() -> Path:
    """Deskbell's own manual: in the installed package, else in the source tree."""
    packaged = Path(__file__).with_name("manual")
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "docs"


class FaqBot:
    """Keeps nothing but what it has read; what it remembers of a conversation is in the turn's state."""

    def __init__(self, settings: Pages, name: str = "faq") -> None:
        self.name = name
        self.title = settings.title
        self._settings = settings
        self._knowledge: Knowledge | None = None

    async def load(self, context: BotContext) -> None:
        self._knowledge = await asyncio.to_thread(self._read)

    def _read(self) -> Knowledge:
        settings = self._settings
        folder = Path(settings.folder).expanduser() if settings.folder else manual()
        knowledge = Knowledge.load(folder, skip=settings.skip, link_base=settings.link_base)
        if not len(knowledge):
            raise ValueError(f"there are no Markdown pages in {folder}")
        return knowledge

    def greeting(self) -> str:
        return self._settings.greeting

    async def handle(self, turn: Turn) -> AsyncIterator[BotEvent]:
        text = turn.text.strip()
        talk = small_talk(text)
        offered = bool(turn.state.get("misses"))
        if talk == "human" or (offered and _is(text, _YES)):
            yield SetState({"misses": 0})
            yield Escalate("asked_human", summary=_summary(turn.state, text))
        elif talk or (offered and _is(text, _NO)) or not text:
            yield SetState({"misses": 0})
            yield Say({"greeting": HELLO, "thanks": WELCOME}.get(talk or "", NO_PERSON if text else EMPTY))
        else:
            answers, unknown = self._answers(turn)
            misses = _misses(turn.state) + 1 if unknown else 0
            rings = misses >= MISSES
            if unknown and not rings:
                yield SetState({"misses": misses, "question": unknown[:MAX_QUESTION]})
            else:
                # Forgotten where it rings, so that whoever gets the conversation back begins anew.
                yield SetState({"misses": 0})
            if answers:
                rest = [REST_UNKNOWN] if unknown and not rings else []
                shown = "\n\n".join([*map(self._shown, answers), *rest])
                for piece in pieces(shown):
                    yield TextDelta(piece)
                    await asyncio.sleep(self._settings.piece_ms / 1000)
                yield Say(shown, [_described(answer.source) for answer in answers], [PERSON] if rest else [])
            elif not rings:
                yield Say(UNKNOWN, choices=[PERSON])
            if rings:
                yield Escalate(
                    "not_understood",
                    say=NOT_UNDERSTOOD,
                    summary=_summary(turn.state, unknown),
                    facts={
                        "first_question": str(turn.state.get("question", "")),
                        "question": unknown[:MAX_QUESTION],
                    },
                )

    def _answers(self, turn: Turn) -> tuple[list[Answer], str]:
        """What the pages answer, each passage once, and what was asked that they do not; empty: nothing."""
        assert self._knowledge is not None, "load() comes first"
        asked = questions([message.text for message in turn.messages], self._knowledge)
        if len(asked) < 2:
            asked = [[message.text for message in turn.messages]]
        answers: dict[tuple[str, str], Answer] = {}
        unknown = []
        for texts in asked:
            if (answer := self._answer(texts)) is not None:
                answers.setdefault((answer.source.path, answer.source.anchor), answer)
            else:
                unknown.append("\n".join(texts))
        return list(answers.values()), "\n".join(unknown).strip()

    def _answer(self, texts: Sequence[str]) -> Answer | None:
        """The answer to all of it as one question, else to the last that was written, else to what was asked."""
        assert self._knowledge is not None, "load() comes first"
        for question in dict.fromkeys(("\n".join(texts), *texts[-1:], *filter(looks_asked, texts))):
            found = self._knowledge.ask(question)
            if isinstance(found, Answer):
                return found
        return None

    def _shown(self, answer: Answer) -> str:
        if self._settings.answer_style == "passage":
            return answer.text
        # The heading, then the first paragraph; a fence or list that follows belongs to "more".
        heading, _, rest = answer.text.partition("\n\n")
        return f"{heading}\n\n{rest.partition(chr(10) * 2)[0]}" if rest else heading


def pieces(text: str, about: int = PIECES) -> list[str]:
    """``text`` cut between words into at most ``about`` pieces of like length; joined they are ``text`` again."""
    said = re.findall(r"\S+\s*|\s+", text)
    size = max(1, -(-len(said) // about))
    return ["".join(said[at : at + size]) for at in range(0, len(said), size)]


def _is(text: str, meaning: frozenset[str]) -> bool:
    said = words(text)
    return 0 < len(said) <= 4 and meaning.issuperset(said)


def _misses(state: Mapping[str, Any]) -> int:
    noted = state.get("misses", 0)
    return noted if isinstance(noted, int) else 0


def _summary(state: Mapping[str, Any], text: str) -> str:
    """What the visitor wanted to know, for whoever joins: the question left open before, and what they wrote now."""
    before = str(state.get("question", ""))
    now = text[:MAX_QUESTION]
    return f"{before}\n{now}" if before and before != now else now


def _described(source: Source) -> dict[str, str]:
    return {"title": source.title, "path": source.path, "anchor": source.anchor, "heading": source.heading}


@hookimpl
def register_bots(settings: Settings) -> Sequence[Bot]:
    return [FaqBot(settings), *(FaqBot(pages, name) for name, pages in settings.also.items())]
