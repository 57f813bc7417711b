"""How a site wants its widget: what it says, looks like and asks, and when people are there.

:class:`SiteSettings` is what an admin writes, in ``config.yaml`` or over REST; whatever it does not name is
refused. The rest are its rules, as pure functions: which colours can be read on which, whether it is open.

Opening hours are meant as the site's clock shows them. A site is open whenever that clock shows a time within
its hours, so nothing has to be added for the night it is put forward or back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from msgspec import Meta

from deskbell.settings.reader import Wrong

MIN_CONTRAST = 4.5
MAX_FIELDS = 3
MAX_SPANS_A_DAY = 4

_COLOR = Meta(pattern=r"^#[0-9a-f]{6}$", max_length=7, extra={"expects": 'a colour such as "#1f6feb", in lower case'})
_LANGUAGE = Meta(
    pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$", extra={"expects": 'a language such as "en" or "pt-BR"'}
)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
Color = Annotated[str, _COLOR]
Language = Annotated[str, _LANGUAGE]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)
Span = tuple[str, str]
"""From when to when, as the clock shows it: ``("09:00", "17:30")``. ``24:00`` is the end of the day."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of what is written: an unknown field is a mistake."""


def _one_line(field: str, value: str) -> None:
    if value.endswith("\n"):  # which the end of a pattern lets through
        raise Wrong(field, "ends in a line break; take it out")


class Theme(_Part, frozen=True):
    """The site's colours; where none is given, the widget's own."""

    color: Annotated[Color | None, Meta(description="The site's colour, of the launcher and the head.")] = None
    on_color: Annotated[
        Color | None, Meta(description="Words on `color`, 4.5:1 at least; null: black or white, what can be read.")
    ] = None
    glyph: Annotated[
        Color | None, Meta(description="Drawings on `color`, 4.5:1 at least; null: the same as `on_color`.")
    ] = None

    def __post_init__(self) -> None:
        for name, value in (("on_color", self.on_color), ("glyph", self.glyph)):
            if value is None:
                continue
            if self.color is None:
                raise Wrong(name, "goes with color, which is not given")
            found = contrast(self.color, value)
            if found < MIN_CONTRAST:
                raise Wrong(
                    name,
                    f"{value} on {self.color} has a contrast of {int(found * 100) / 100:g}:1; it needs"
                    f" {MIN_CONTRAST:g}:1 to be read. Leave it out for {legible_on(self.color)}",
                )

    def filled(self) -> Theme:
        """With what follows from ``color``."""
        if self.color is None:
            return self
        on_color = self.on_color or legible_on(self.color)
        return Theme(color=self.color, on_color=on_color, glyph=self.glyph or on_color)


class Launcher(_Part, frozen=True):
    """The button that opens the widget."""

    side: Annotated[Literal["right", "left"], Meta(description="The corner of the page it is in.")] = "right"
    label: Annotated[str, Meta(max_length=60, description="Words beside it; empty: the widget's own.")] = ""


class Question(_Part, frozen=True):
    """One field of the form before a conversation. Answers to ``name`` and ``email`` are said of the visitor."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z][a-z0-9_]{0,39}$",
            description="What the answer is called.",
            extra={"expects": "lower-case letters, digits and _"},
        ),
    ]
    label: Annotated[str, Meta(min_length=1, max_length=120, description="What visitors read.")]
    kind: Annotated[Literal["text", "email", "textarea", "select"], Meta(description="What is to be given.")] = "text"
    options: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=80)], ...],
        Meta(max_length=20, description="What a `select` offers."),
    ] = ()
    required: Annotated[bool, Meta(description="Whether it may be left empty.")] = False

    def __post_init__(self) -> None:
        _one_line("name", self.name)
        if self.kind == "select" and (len(self.options) < 2 or len(set(self.options)) < len(self.options)):
            raise Wrong("options", "are two or more, each once, for a select")
        if self.kind != "select" and self.options:
            raise Wrong("options", "go with the kind select alone")


class Prechat(_Part, frozen=True):
    """What visitors are asked before a conversation begins."""

    fields: Annotated[
        tuple[Question, ...],
        Meta(
            max_length=MAX_FIELDS,
            description="Three at most; none: no form.",
            examples=[[{"name": "email", "label": "Your address", "kind": "email", "required": True}]],
        ),
    ] = ()
    consent: Annotated[
        Annotated[str, Meta(min_length=1, max_length=500)] | None,
        Meta(description="What visitors agree to; null: nothing."),
    ] = None

    def __post_init__(self) -> None:
        names = [field.name for field in self.fields]
        if len(set(names)) < len(names):
            raise Wrong("fields", "each have a name of their own")


class Week(_Part, frozen=True):
    """When it is open on which day; a day that is not named is closed."""

    mon: tuple[Span, ...] = ()
    tue: tuple[Span, ...] = ()
    wed: tuple[Span, ...] = ()
    thu: tuple[Span, ...] = ()
    fri: tuple[Span, ...] = ()
    sat: tuple[Span, ...] = ()
    sun: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        for day in DAYS:
            last = ""
            spans: tuple[Span, ...] = getattr(self, day)
            if len(spans) > MAX_SPANS_A_DAY:
                raise Wrong(day, f"has {MAX_SPANS_A_DAY} times at most")
            for start, end in spans:
                if not (_TIME.fullmatch(start) and _TIME.fullmatch(end)):
                    raise Wrong(day, 'takes times from "00:00" to "24:00", such as ["09:00", "17:30"]')
                # Of times of one form, the later one comes later in the alphabet.
                if not last <= start < end:
                    raise Wrong(day, f"{start} to {end}: times go forward and do not overlap; at midnight begin anew")
                last = end


_NO_PLACES = frozenset({"localtime", "posixrules", "Factory"})
"""Files that lie among the time zones: what this machine happens to be set to, and what none is set to."""


@cache
def time_zones() -> frozenset[str]:
    """The names of IANA's time zones, old ones included. A machine's own clock is none of them."""
    return frozenset(available_timezones()) - _NO_PLACES


class Hours(_Part, frozen=True):
    """When people are there."""

    timezone: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_+-]{1,30}(/[A-Za-z0-9_+-]{1,30}){0,2}$",
            description="Where the clock hangs, such as `Europe/Berlin`.",
            extra={"expects": "a time zone such as Europe/Berlin"},
        ),
    ]
    days: Annotated[Week, Meta(description="Times by day: `mon` to `sun`, each a list of `[from, to]`.")] = Week()

    def __post_init__(self) -> None:
        # ZoneInfo would open whatever file lies there: localtime, posix/UTC, europe/berlin where case does not count.
        if self.timezone not in time_zones():
            raise Wrong("timezone", f"{self.timezone[:64]!r} is not known; names are such as Europe/Berlin")


class SiteSettings(_Part, frozen=True):
    """How a site wants its widget."""

    languages: Annotated[
        tuple[Language, ...],
        Meta(min_length=1, max_length=40, description="Languages of the widget, the usual one first."),
    ] = ("en",)
    theme: Annotated[Theme, Meta(description="The site's colours.")] = Theme()
    launcher: Annotated[Launcher, Meta(description="The button that opens it.")] = Launcher()
    greeting: Annotated[
        dict[Language, Annotated[str, Meta(min_length=1, max_length=500)]],
        Meta(max_length=40, description="What it says at first, by language; the widget's own where there is none."),
    ] = {}
    choice: Annotated[
        bool, Meta(description="Whether visitors are offered the assistant or a person at the start.")
    ] = True
    prechat: Annotated[Prechat, Meta(description="What visitors are asked before a conversation.")] = Prechat()
    offline_form: Annotated[
        bool, Meta(description="Whether visitors may leave a message and an address while it is closed.")
    ] = True
    hours: Annotated[Hours | None, Meta(description="When people are there; null: always.")] = None

    def __post_init__(self) -> None:
        if len(set(self.languages)) < len(self.languages):
            raise Wrong("languages", "are each named once")
        for language in self.languages:
            _one_line("languages", language)
        for language in self.greeting:
            if language not in self.languages:
                raise Wrong("greeting", f"speaks {language[:20]}, which is not among languages")


# colours


def _luminance(color: str) -> float:
    """How bright a colour is, from 0 to 1, as WCAG 2 reckons."""
    parts = []
    for at in (1, 3, 5):
        part = int(color[at : at + 2], 16) / 255
        parts.append(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
    red, green, blue = parts
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """From 1, the same, to 21, black on white."""
    dark, bright = sorted((_luminance(one), _luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def legible_on(color: str) -> str:
    """White or black: on every colour one of them has more than 4.5:1."""
    return max(("#ffffff", "#000000"), key=lambda ink: contrast(color, ink))


# hours


def _clock_time(moment: datetime) -> str:
    return f"{moment.hour:02}:{moment.minute:02}"


def is_open(hours: Hours | None, now: datetime) -> bool:
    """Whether the site's clock shows a time within its hours."""
    if hours is None:
        return True
    there = now.astimezone(ZoneInfo(hours.timezone))
    spans: tuple[Span, ...] = getattr(hours.days, DAYS[there.weekday()])
    shown = _clock_time(there)
    return any(start <= shown < end for start, end in spans)


class _Stored(msgspec.Struct, frozen=True):
    """Of what is stored of a site, the hours."""

    hours: Hours | None = None


@lru_cache(maxsize=256)
def stored_hours(settings: str) -> Hours | None:
    """The hours in a site's settings as they are stored; None: always, also where they cannot be read."""
    try:
        return msgspec.json.decode(settings, type=_Stored).hours
    except msgspec.ValidationError:
        return None


def opens_at(hours: Hours | None, now: datetime) -> datetime | None:
    """When it opens again; None: it is open, or never opens."""
    if hours is None or is_open(hours, now):
        return None
    zone = ZoneInfo(hours.timezone)
    today = now.astimezone(zone).date()
    # A week and a day: the next opening may be today's of next week, and a night may be an hour longer.
    for ahead in range(9):
        for moment in _openings(hours, zone, today + timedelta(days=ahead)):
            if moment > now and is_open(hours, moment):
                return moment
    return None


def _openings(hours: Hours, zone: ZoneInfo, day: date) -> Iterator[datetime]:
    """The moments of a day at which it may open, in order."""
    found: set[datetime] = set()
    spans: tuple[Span, ...] = getattr(hours.days, DAYS[day.weekday()])
    for start, _ in spans:
        shown = datetime.combine(day, time(int(start[:2]), int(start[3:])), zone)
        # Twice, where the clock is put back.
        both = [shown.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
        found.update(
            moment for moment in both if moment.astimezone(zone).replace(tzinfo=None) == shown.replace(tzinfo=None)
        )
        if both[0] > both[1]:  # put forward over it: it opens at that moment
            found.add(_jump(zone, both[1], both[0]))
    yield from sorted(found)


def _jump(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The minute within which the clock is put forward."""
    while after - before > timedelta(minutes=1):
        middle = before + (after - before) // 2
        middle = middle.replace(second=0, microsecond=0)
        if middle.astimezone(zone).utcoffset() == before.astimezone(zone).utcoffset():
            before = middle
        else:
            after = middle
    return after


def chosen(settings: SiteSettings) -> dict[str, Any]:
    """What differs from the defaults, to be stored: where a later version has better ones, they hold."""
    usual = msgspec.to_builtins(SiteSettings())
    return {name: value for name, value in msgspec.to_builtins(settings).items() if value != usual[name]}


def read_settings(stored: dict[str, Any]) -> SiteSettings:
    """What was stored, without what a newer or older version wrote that this one does not know."""
    try:
        return msgspec.convert(stored, SiteSettings)
    except msgspec.ValidationError:
        kept = SiteSettings()
        for name in kept.__struct_fields__:
            try:
                kept = msgspec.convert({**msgspec.to_builtins(kept), name: stored[name]}, SiteSettings)
            except KeyError:
                continue
            except msgspec.ValidationError:
                continue
        return kept
