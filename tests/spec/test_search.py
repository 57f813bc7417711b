"""Search over REST: what is found by which words, in which order, page by page, on each kind of database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deskbell.testing.desk import Desk, Person


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


async def say(person: Person, room: str, content: str, **fields: Any) -> str:
    answer = await person.post(f"/rooms/{room}/messages", {"content": content, **fields})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def search(person: Person, q: str, **query: Any) -> dict[str, Any]:
    answer = await person.get("/search", params={"q": q, **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def texts(person: Person, q: str, **query: Any) -> set[str]:
    return {result["message"]["content"] for result in (await search(person, q, **query))["results"]}


async def room_of_two(desk: Desk, *contents: str) -> tuple[Person, Person, str]:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    room = await tom.group(una, name="Router club")
    for content in contents:
        await say(tom, room, content)
    return tom, una, room


async def test_a_message_is_found_as_soon_as_it_is_acknowledged(desk: Desk) -> None:
    tom, una, room = await room_of_two(desk)
    said = await say(tom, room, "The router blinks red since Tuesday.")
    [result] = (await search(una, "router red"))["results"]
    assert result["message"] == (await una.get(f"/messages/{said}")).json()
    assert result["room"] == {"id": room, "name": "Router club", "channel_type": "group"}
    assert 0 < result["rank"] <= 1
    text, marks = result["snippet"]["text"], result["snippet"]["marks"]
    assert [text[start : start + length] for start, length in marks] == ["router", "red"]


async def test_words_phrases_what_is_not_wanted_and_a_word_being_typed(desk: Desk) -> None:
    red, blue = "Reset the red router", "The blue router wants a reset"
    tom, _, _ = await room_of_two(desk, red, blue, "Good morning")
    assert await texts(tom, "router reset") == {red, blue}
    assert await texts(tom, '"red router"') == {red}
    assert await texts(tom, '"router red"') == set()
    assert await texts(tom, "router -blue") == {red}
    assert await texts(tom, 'router -"red router"') == {blue}
    assert await texts(tom, "ROUT") == {red, blue}
    assert await texts(tom, "rout ") == set(), "a space ends the word"
    assert await texts(tom, "reset router cable") == set()


async def test_accents_case_and_what_joins_words_do_not_matter(desk: Desk) -> None:
    cafe, address = "Le Café Ünter", "write to help@example.com, or see https://example.org/manual_page"
    tom, _, _ = await room_of_two(desk, cafe, address)
    assert await texts(tom, "cafe unter") == await texts(tom, "CAFÉ") == {cafe}
    assert (
        await texts(tom, "example") == await texts(tom, "help@example.com") == await texts(tom, "manual") == {address}
    )


async def test_scripts_written_without_spaces_are_found_by_any_part(desk: Desk) -> None:
    tokyo, arabic, hebrew = "私は東京タワーに行きました。", "أين طلبي من فضلك", "איפה החבילה שלי"
    tom, _, _ = await room_of_two(desk, tokyo, "京都と東北", arabic, hebrew)
    assert await texts(tom, "東京") == await texts(tom, "京タワ") == await texts(tom, "塔 東") | {tokyo}
    assert await texts(tom, "طلبي") == await texts(tom, "طل") == {arabic}
    assert await texts(tom, "החבילה") == {hebrew}


async def test_where_nothing_is_found_slips_are_forgiven(desk: Desk) -> None:
    said = "Please reset my password"
    tom, una, _ = await room_of_two(desk, said)
    other = await una.group(name="Una's")
    await say(una, other, "passwort und kennwort")
    for slip in ("pasword", "passwrod", "reset pasword"):
        found = await search(tom, slip)
        assert [one["message"]["content"] for one in found["results"]] == [said], slip
        assert found["forgiving"] is True
        assert found["results"][0]["snippet"]["marks"]
    assert (await search(tom, "password"))["forgiving"] is False
    assert (await search(tom, "xylophone"))["results"] == []


async def test_narrowed_by_room_sender_kind_time_and_attachment(desk: Desk) -> None:
    tom, una, room = await room_of_two(desk, "lamp one")
    other = await tom.group(una)
    await say(una, other, "lamp two")
    await say(una, room, "lamp three", kind="status")
    assert await texts(tom, "lamp", room=room) == {"lamp one", "lamp three"}
    assert await texts(tom, "lamp", sender=una.id) == {"lamp two", "lamp three"}
    assert await texts(tom, "lamp", sender="01900000-0000-7000-8000-000000000000") == set()
    assert (await tom.get("/search", params={"q": "lamp", "sender": "nobody"})).status_code == 422
    assert await texts(tom, "lamp", kind="status") == {"lamp three"}
    assert await texts(tom, "lamp", has_attachment="true") == set()
    assert len(await texts(tom, "lamp", has_attachment="false")) == 3
    now = datetime.now(UTC) + timedelta(seconds=desk.clock.shift_us / 1e6)
    earlier, later = (now - timedelta(hours=1)).isoformat(), (now + timedelta(hours=1)).isoformat()
    assert len(await texts(tom, "lamp", after=earlier, before=later)) == 3
    assert await texts(tom, "lamp", before=earlier) == await texts(tom, "lamp", after=later) == set()
    assert (
        await tom.get("/search", params={"q": "lamp", "room": f"{other[:-1]}{'1' if other[-1] == '0' else '0'}"})
    ).status_code == 404


async def test_following_the_cursors_gives_each_match_once_whatever_is_said_meanwhile(desk: Desk) -> None:
    """More than one block of them, with new ones and deletions between the pages."""
    tom, una = await desk.member("Tom"), await desk.member("Una")
    room = await tom.group(una)
    async with tom.line() as line:
        said = [
            str((await line.says(room, f"kettle number {number}" + " and more" * (number % 7)))["id"])
            for number in range(230)
        ]
    found: list[str] = []
    cursor: str | None = None
    for number in range(60):
        query = {"limit": 50} | ({} if cursor is None else {"cursor": cursor})
        page = await search(una, "kettle", **query)
        ranks = [one["rank"] for one in page["results"]]
        assert ranks == sorted(ranks, reverse=True) and len(ranks) <= 50
        found += [one["message"]["id"] for one in page["results"]]
        cursor = page["cursor"]
        if cursor is None:
            break
        if number == 0:
            await say(una, room, "kettle from afterwards")
            taken = next(one for one in said if one not in found)
            assert (await tom.call("DELETE", f"/messages/{taken}")).status_code == 200
    assert cursor is None
    assert len(found) == len(set(found))
    assert set(found) == set(said) - {taken}


async def test_of_equal_fit_the_newer_comes_first(desk: Desk) -> None:
    tom, una, room = await room_of_two(desk, "teapot, white")
    await desk.advance(600)
    await say(una, room, "teapot, green")
    found = await search(tom, "teapot")
    assert [one["message"]["content"] for one in found["results"]] == ["teapot, green", "teapot, white"]


HOSTILE = [
    "x" * 500, "(" * 500, '"', '""', '"a', "-", "--", "- -a", "a -", "&|!():*<->", "' OR 1=1 --", "NEAR(a b)", "a AND",
    "said : a", "scope : r0", "a*", "^a", "{a b}", "\\", "a\\'b", "%_", "👍👍🏽", "\u202eabc", "\ufeff",
    "a\u0301" * 200, "東" * 400, "ก็", "\ud7ff\ue000", "a\nb\tc", "1e5 -3.5 0x1F", "$1 ?1 :x", "ﷺ", "İstanbul ǅ ﬁ",
    " ".join("ab" * 20), "ক্", "हिन्दी", '"東 x 京" -塔', "__proto__", "a" * 250 + " " + "b" * 249,
]  # fmt: skip


@pytest.mark.parametrize("q", HOSTILE)
async def test_no_text_is_a_failure_of_ours(desk: Desk, q: str) -> None:
    tom = await desk.member("Tom")
    answer = await tom.get("/search", params={"q": q})
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 422:
        assert answer.json()["error"]["code"] == "invalid"
        assert answer.json()["error"]["details"]["path"] == "q"


async def test_what_is_no_search_is_refused_by_name(desk: Desk) -> None:
    tom = await desk.member("Tom")
    refused: list[tuple[dict[str, str], str]] = [
        ({}, "q"), ({"q": ""}, "q"), ({"q": "x" * 10_240}, "q"), ({"q": "a\x00b"}, "q"),
        ({"q": " ".join(f"w{n}" for n in range(21))}, "q"), ({"q": "a", "offset": "3"}, "offset"),
        ({"q": "a", "limit": "101"}, "limit"), ({"q": "a", "before": "yesterday"}, "before"),
        ({"q": "a", "cursor": "AAAA"}, "cursor"), ({"q": "a", "has_attachment": "perhaps"}, "has_attachment"),
    ]  # fmt: skip
    for query, path in refused:
        answer = await tom.get("/search", params=query)
        assert answer.status_code == 422, (query, answer.text)
        assert answer.json()["error"]["details"]["path"] == path
    assert (await desk.http.get("/search", params={"q": "a"})).status_code == 401


async def test_searching_without_pause_is_slowed_down(desk: Desk) -> None:
    tom = await desk.member("Tom")
    answers = [(await tom.get("/search", params={"q": "a"})) for _ in range(40)]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert int(answers[-1].headers["Retry-After"]) >= 1
