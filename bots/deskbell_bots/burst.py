"""How many questions several messages are: each of its own, or all of them one.

People send a greeting, a question and its second half as three messages, and two questions as two. What
looks like a question, or has an answer by itself, begins a new one after a question, unless the pages answer
both together at least as surely as either alone. What is neither belongs to the one it stands beside. English.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from deskbell_bots.knowledge import Answer, Knowledge

MAX_QUESTIONS = 4  # answered in one turn: together they stay well below the longest message
MAX_COMPARED = 1000  # characters: many long messages must not keep everybody waiting

_OPENS = re.compile(
    r"(?:(?:and|also|but|so|then|ok|okay|hi|hello|hey|please)\b[\s,.!]*)*"
    r"(?:how|what|which|who|whom|whose|when|where|why|can|could|may|might|do|does|did|is|are|was|were"
    r"|will|would|should|shall|have|has|am|must)\b",
    re.IGNORECASE,
)


def questions(texts: Sequence[str], knowledge: Knowledge) -> list[list[str]]:
    """The messages of each question, in order; at most :data:`MAX_QUESTIONS`, the last of which takes what is left."""
    found: list[list[str]] = []
    for text in (text.strip() for text in texts):
        if not found or (len(found) < MAX_QUESTIONS and _begins_another(found[-1], text, knowledge)):
            found.append([text])
        else:
            found[-1].append(text)
    return found


def looks_asked(text: str) -> bool:
    """Whether it has the form of a question: its first word, or its mark."""
    return _OPENS.match(text) is not None or text.endswith("?")


def _begins_another(before: Sequence[str], text: str, knowledge: Knowledge) -> bool:
    if not any(map(looks_asked, before)):
        return False
    # A line break in the midst of a question, or no mark at its end: the pages tell the one from the other.
    asked = "\n".join(before), text, "\n".join((*before, text))
    one, other, both = (knowledge.ask(question[:MAX_COMPARED]) for question in asked)
    whole = isinstance(both, Answer) and both.score >= max(one.score, other.score)
    return not whole and (_OPENS.match(text) is not None or isinstance(other, Answer))
