"""Places in a text that are filled in for each visitor: ``Hello {{visitor.name}}, this is {{agent.name}}.``"""

from __future__ import annotations

import re
from collections.abc import Mapping

PLACEHOLDERS = ("visitor.name", "agent.name")
_PLACE = re.compile(r"\{\{([^{}]*)\}\}")


def unknown_in(text: str) -> list[str]:
    """What stands between double braces and is none of :data:`PLACEHOLDERS`, as it is written, in order."""
    return [place[0] for place in _PLACE.finditer(text) if place[1].strip() not in PLACEHOLDERS]


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """The text with each known place filled in; in one go, so that a visitor's name is text, whatever it is."""
    return _PLACE.sub(lambda place: values.get(place[1].strip(), place[0]), text)
