"""How a site wants its widget: what is taken, what is refused with which words, and when it is open."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskbell.model import site
from deskbell.model.site import Hours, SiteSettings, Theme, contrast, is_open, legible_on, opens_at, read_settings


def settings(**given: Any) -> SiteSettings:
    return msgspec.convert(given, SiteSettings)


def hours(timezone: str = "Europe/Berlin", **days: list[list[str]]) -> Hours:
    return msgspec.convert({"timezone": timezone, "days": days}, Hours)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


OFFICE = {day: [["09:00", "12:00"], ["13:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"colour": "#ffffff"}, "unknown field `colour`"),
        ({"theme": {"color": "#ffffff", "on_color": "#eeeeee"}}, "contrast of 1.16:1; it needs 4.5:1"),
        ({"theme": {"color": "#1f6feb", "glyph": "#c8963e"}}, "glyph: #c8963e on #1f6feb"),
        ({"theme": {"on_color": "#000000"}}, "goes with color, which is not given"),
        ({"theme": {"color": "red"}}, "$.theme.color"),
        ({"theme": {"color": "#ffffff\n"}}, "$.theme.color"),
        ({"theme": {"color": "#fff;background:url(//evil)"}}, "$.theme.color"),
        ({"languages": []}, "$.languages"),
        ({"languages": ["en", "en"]}, "named once"),
        ({"languages": ["en\n"]}, "line break"),
        ({"languages": ["<b>"]}, "$.languages[0]"),
        ({"greeting": {"ar": "x"}}, "speaks ar, which is not among languages"),
        ({"launcher": {"side": "top"}}, "$.launcher.side"),
        ({"prechat": {"fields": [{"name": name, "label": "?"} for name in "abcd"]}}, "$.prechat.fields"),
        ({"prechat": {"fields": [{"name": "a", "label": "?"}] * 2}}, "a name of their own"),
        ({"prechat": {"fields": [{"name": "a", "label": "?", "kind": "select"}]}}, "two or more"),
        ({"prechat": {"fields": [{"name": "a", "label": "?", "options": ["x", "y"]}]}}, "select alone"),
        ({"prechat": {"fields": [{"name": "__proto__", "label": "?"}]}}, "$.prechat.fields[0].name"),
        ({"hours": {"timezone": "Middle/Earth"}}, "'Middle/Earth' is not known"),
        ({"hours": {"timezone": "../../etc/passwd"}}, "$.hours.timezone"),
        ({"hours": {"timezone": "Europe"}}, "'Europe' is not known"),
        ({"hours": {"timezone": "localtime"}}, "'localtime' is not known"),
        ({"hours": {"timezone": "posixrules"}}, "'posixrules' is not known"),
        ({"hours": {"timezone": "Factory"}}, "'Factory' is not known"),
        ({"hours": {"timezone": "posix/Europe/Berlin"}}, "'posix/Europe/Berlin' is not known"),
        ({"hours": {"timezone": "right/UTC"}}, "'right/UTC' is not known"),
        ({"hours": {"timezone": "europe/berlin"}}, "'europe/berlin' is not known"),
        ({"hours": {"timezone": "UTC", "days": {"mon": [["9:00", "17:00"]]}}}, 'such as ["09:00", "17:30"]'),
        ({"hours": {"timezone": "UTC", "days": {"mon": [["17:00", "09:00"]]}}}, "times go forward"),
        ({"hours": {"timezone": "UTC", "days": {"mon": [["09:00", "12:00"], ["11:00", "13:00"]]}}}, "do not overlap"),
        ({"hours": {"timezone": "UTC", "days": {"monday": []}}}, "unknown field `monday`"),
    ],
)
def test_what_is_wrong_is_refused_with_what_would_be_right(given: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        settings(**given)
    assert words in str(refused.value)


@given(st.integers(0, 0xFFFFFF))
def test_on_every_colour_either_black_or_white_can_be_read(value: int) -> None:
    color = f"#{value:06x}"
    assert contrast(color, legible_on(color)) >= 4.5
    filled = Theme(color=color).filled()
    assert filled.on_color == filled.glyph == legible_on(color)


def test_contrast_is_what_wcag_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)
    assert Theme(color="#767676", on_color="#ffffff").filled().glyph == "#ffffff"


@pytest.mark.parametrize("name", ["UTC", "Etc/GMT+3", "US/Eastern", "America/Argentina/Buenos_Aires", "Asia/Kathmandu"])
def test_every_name_of_iana_is_a_time_zone_the_old_ones_too(name: str) -> None:
    assert hours(name).timezone == name


def test_a_machine_that_is_told_its_own_time_is_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system keeps its clock among the time zones, Python lists it as one of them."""
    monkeypatch.setattr(site, "available_timezones", lambda: {"UTC", "localtime", "Factory"})
    assert site.time_zones.__wrapped__() == {"UTC"}


def test_a_site_without_hours_is_always_open_and_one_without_days_never() -> None:
    now = at("2026-11-21T10:00")
    assert is_open(None, now) and opens_at(None, now) is None
    assert not is_open(hours(), now) and opens_at(hours(), now) is None


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-20T07:59", "2026-11-20T08:00"),  # Friday, a minute before nine in Berlin
        ("2026-11-20T08:00", None),
        ("2026-11-20T11:00", "2026-11-20T12:00"),  # lunch
        ("2026-11-20T15:59", None),
        ("2026-11-20T16:00", "2026-11-23T08:00"),  # the weekend
        ("2026-03-27T18:00", "2026-03-30T07:00"),  # over the night the clock is put forward: nine is an hour earlier
        ("2026-10-23T18:00", "2026-10-26T08:00"),  # and back
    ],
)
def test_opening_hours_are_what_the_sites_clock_shows(now: str, opens: str | None) -> None:
    open_ = hours(**OFFICE)
    assert is_open(open_, at(now)) is (opens is None)
    assert opens_at(open_, at(now)) == (None if opens is None else at(opens))


def test_a_site_that_opens_within_the_hour_that_is_left_out_opens_when_the_clock_jumps() -> None:
    """On 2026-03-29 Berlin's clock shows 03:00 after 01:59."""
    early = hours(sun=[["02:30", "05:00"]])
    assert opens_at(early, at("2026-03-29T00:00")) == at("2026-03-29T01:00")
    assert is_open(early, at("2026-03-29T01:00")) and not is_open(early, at("2026-03-29T00:59"))


def test_an_hour_that_comes_twice_is_open_twice() -> None:
    """On 2026-10-25 Berlin's clock shows 02:00 to 03:00 once more."""
    early = hours(sun=[["02:00", "02:30"]])
    assert opens_at(early, at("2026-10-25T00:00")) is None and is_open(early, at("2026-10-25T00:29"))
    assert opens_at(early, at("2026-10-25T00:30")) == at("2026-10-25T01:00")


def test_a_night_shift_is_written_as_two_days() -> None:
    night = hours("UTC", fri=[["22:00", "24:00"]], sat=[["00:00", "06:00"]])
    assert is_open(night, at("2026-11-20T23:59")) and is_open(night, at("2026-11-21T00:00"))
    assert not is_open(night, at("2026-11-21T06:00"))
    assert opens_at(night, at("2026-11-21T06:00")) == at("2026-11-27T22:00")


def test_what_another_version_stored_is_read_as_far_as_it_is_known() -> None:
    """A new version may write what this one does not know, while both run."""
    stored = {
        "greeting": {"ar": "x"},
        "choice": False,
        "sparkles": True,
        "theme": {"color": "#112233", "gloss": 1},
        "languages": ["en", "ar"],
    }
    assert read_settings(stored) == SiteSettings(choice=False, languages=("en", "ar"), greeting={"ar": "x"})
    assert read_settings({}) == SiteSettings()
