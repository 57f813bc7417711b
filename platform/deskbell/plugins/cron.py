"""Times by the minute, as five fields: minute, hour, day of the month, month, day of the week; UTC.

A field is ``*``, a number, a range ``1-5``, either with a step (``*/15``), or several with commas. Days of the
week are 0 to 6 from Sunday; 7 is Sunday too. Where both kinds of day are given, either will do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_PART = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?")


@dataclass(frozen=True)
class Cron:
    """Which minutes are meant."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    @classmethod
    def parse(cls, text: str) -> Cron:
        """
        Raises:
            ValueError: It is no such thing. Says which part.
        """
        fields = text.split()
        if len(fields) != len(_RANGES):
            raise ValueError(f"{text!r} has {len(fields)} fields, not five")
        minutes, hours, days, months, weekdays = (
            _field(field, low, high) for field, (low, high) in zip(fields, _RANGES, strict=True)
        )
        weekdays = frozenset(day % 7 for day in weekdays)
        return cls(minutes, hours, days, months, weekdays, fields[2] == "*", fields[4] == "*")

    def matches(self, at: datetime) -> bool:
        """Whether the minute of ``at`` is one of them."""
        if at.minute not in self.minutes or at.hour not in self.hours or at.month not in self.months:
            return False
        day, weekday = at.day in self.days, at.isoweekday() % 7 in self.weekdays
        return (day and weekday) if self.any_day or self.any_weekday else (day or weekday)


def _field(text: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        parsed = _PART.fullmatch(part)
        if parsed is None:
            raise ValueError(f"{part!r} is no number, range or step")
        first, last, step = (None if group is None else int(group) for group in parsed.groups())
        begin = low if first is None else first
        end = high if first is None or (last is None and step is not None) else (begin if last is None else last)
        if not low <= begin <= end <= high or step == 0:
            raise ValueError(f"{part!r} is not within {low} to {high}")
        found.update(range(begin, end + 1, step or 1))
    return frozenset(found)
