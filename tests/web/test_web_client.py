"""The web client against the real server, over a link that is cut, late and torn to pieces, and sockets that repeat."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deskbell.testing.desk import PASSWORD, SITE_KEY, Desk, Person
from deskbell.testing.faults.proxy import Link, Weather

Open = Callable[..., AbstractAsyncContextManager[Any]]
PATIENCE_S = 60.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(tmp_path_factory: Any) -> AsyncIterator[Desk]:
    async with Desk.open(f"sqlite:///{tmp_path_factory.mktemp('web') / 'deskbell.sqlite3'}") as desk:
        yield desk


@pytest_asyncio.fixture(loop_scope="session")
async def link(desk: Desk) -> AsyncIterator[Link]:
    """What lies between the client and the desk."""
    link = Link(int(desk.url.rpartition(":")[2]), random.Random(7))
    await link.start()
    yield link
    await link.close()


def address(link: Link) -> str:
    return f"http://127.0.0.1:{link.port}"


def login(person: Person) -> dict[str, Any]:
    return {"email": person.email, "password": PASSWORD}


async def stored(person: Person, room: str) -> list[dict[str, Any]]:
    """The room's log, as the server has it."""
    log: list[dict[str, Any]] = []
    while True:
        query = {"limit": 100, "after": log[-1]["seq"] if log else 0}
        page = (await person.get(f"/rooms/{room}/messages", params=query)).json()["messages"]
        log += page
        if len(page) < 100:
            return log


def texts(log: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(message["seq"], message["content"]) for message in log]


async def test_everything_is_there_once_and_in_order_whatever_the_link_does(
    desk: Desk, link: Link, open_page: Open
) -> None:
    """Both sides write, edit, react and delete while the link is cut again and again."""
    tom, ana = await desk.member("Tom"), await desk.member("Ana")
    room = await tom.group(ana)
    chance = random.Random(11)
    cuts = 0
    async with ana.line() as line, open_page(address(link), login(tom), repeat=True) as page:
        await page("connect")
        await page("subscribe", room)
        mine: list[str] = []
        hers: list[str] = []
        for number in range(40):
            await page("sendMessage", room, f"Tom {number}", {"clientId": f"t-{number}"}, detached=True)
            hers.append((await line.says(room, f"Ana {number}"))["id"])
            mine = [event["ack"]["id"] for event in await page.told("sent")]
            if mine and number % 3 == 0:
                await page("editMessage", chance.choice(mine), f"Tom again {number}", detached=True)
                await line.ask({"type": "edit", "message": chance.choice(hers[1:] or hers), "content": f"A {number}"})
            if number % 7 == 0:
                await page("react", chance.choice(hers), "👍", detached=True)
            if number % 5 == 4:
                await desk.until(lambda: desk.application.edge.hub.connections_of(desk.tenant, tom.id))
                cuts += bool(link.cut(reset=chance.random() < 0.5))
                link.weather = Weather(jitter_s=0.005, piece_bytes=chance.choice([0, 500, 5000]))
        await line.ask({"type": "delete", "message": hers[0]})
        link.cut(reset=True)
        link.heal()
        await desk.until(lambda: _has_none_unsent(page), patience_s=PATIENCE_S)
        # One more after all edits have had their answers, so that what follows is the end.
        await page("editMessage", mine[0], "the last edit")
        log = await stored(tom, room)
        await desk.until(lambda: _shows(page, room, log), patience_s=PATIENCE_S)
        told = [event["message"]["seq"] for event in await page.told("message")]
        sent = await page.told("sent")
        loaded = await page.told("loaded")

    assert cuts == 8 and link.carried > cuts
    assert told == [message["seq"] for message in log], "each new message is told once, and in order"
    assert sorted(event["clientId"] for event in sent) == sorted(f"t-{number}" for number in range(40))
    assert [message["id"] for message in log if message["sender"]["id"] == tom.id] == [
        event["ack"]["id"] for event in sorted(sent, key=lambda event: event["ack"]["seq"])
    ]
    assert len(log) == 80 and len(loaded) == 1, "a phantom, a loss, or a reset that was not called for"


async def _has_none_unsent(page: Any) -> bool:
    return not await page("unsent")


async def _shows(page: Any, room: str, log: list[dict[str, Any]]) -> bool:
    view = await page("view", room)
    return bool(view["live"] and view["messages"] == log)


async def test_what_was_unsent_when_the_page_died_is_sent_once_by_the_next(
    desk: Desk, link: Link, open_page: Open, tmp_path: Path
) -> None:
    tom = await desk.member("Tom")
    room = await tom.group()
    shelf = tmp_path / "shelf.json"
    async with open_page(address(link), login(tom), shelf=shelf) as page:
        await page("connect")
        await page("sendMessage", room, "arrives", {"clientId": "t-0"})
        link.weather = Weather(swallow=("back",))  # sent and stored, but never answered
        for number in range(1, 4):
            await page("sendMessage", room, f"unanswered {number}", {"clientId": f"t-{number}"}, detached=True)
        await desk.until(lambda: _has_stored(tom, room, 4))
        link.weather = Weather(swallow=("there", "back"))  # never even arrives
        await page("sendMessage", room, "never left", {"clientId": "t-4"}, detached=True)
        page.kill()
    link.heal()

    async with open_page(address(link), login(tom), shelf=shelf) as page:
        assert len(await page("unsent")) == 4
        await page("connect")
        await desk.until(lambda: _has_none_unsent(page))
        acks = [event["ack"].get("duplicate", False) for event in await page.told("sent")]

    expected = ["arrives", "unanswered 1", "unanswered 2", "unanswered 3", "never left"]
    assert [text for _, text in texts(await stored(tom, room))] == expected
    assert acks == [True, True, True, False]


async def _has_stored(person: Person, room: str, count: int) -> bool:
    return len(await stored(person, room)) == count


async def test_one_tab_sends_for_all_and_when_it_is_closed_another_one_does(desk: Desk, open_page: Open) -> None:
    tom = await desk.member("Tom")
    room = await tom.group()
    async with open_page(desk.url, login(tom), tabs=2) as page:
        await page("connect", tab=0)
        ack = asyncio.create_task(page("sendMessage", room, "from a tab that is not connected", tab=1))
        assert (await ack)["seq"] > 0
        assert [event["ack"] for event in await page.told("sent", tab=0)] == [await ack]

        await page("connect", tab=1)
        assert len(desk.application.edge.hub.connections_of(desk.tenant, tom.id)) == 2
        await page("disconnect", tab=0)
        assert (await page("sendMessage", room, "from the one that is left", tab=1))["seq"] > 0
        assert len(await page.told("sent", tab=0)) == 1

    assert len(await stored(tom, room)) == 2


async def test_tabs_that_begin_together_are_one_visitor(desk: Desk, open_page: Open) -> None:
    """A refresh token works once: who does not look what another tab has kept ends the session of both."""
    async with open_page(desk.url, {"siteKey": SITE_KEY, "name": "Maya"}, tabs=3) as page:
        users = await asyncio.gather(*(page("connect", tab=number) for number in range(3)))

    assert len({user["id"] for user in users}) == 1


async def test_who_logs_out_leaves_nothing_for_the_next_user(desk: Desk, open_page: Open, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf.json"
    who = []
    for _ in range(3):
        async with open_page(desk.url, {"siteKey": SITE_KEY}, shelf=shelf) as page:
            who.append((await page("connect"))["id"])
            if len(who) == 2:
                await page("logout")
                assert shelf.read_text("utf-8") == "{}"
    assert who[0] == who[1] != who[2]


async def test_a_visitor_asks_reads_along_while_the_bot_writes_and_gets_a_person(desk: Desk, open_page: Open) -> None:
    """The offsets of what is streamed count characters, not the units of JavaScript."""
    desk.bot.streams("Hi 👋 ", "there 🎉", "!")
    async with open_page(desk.url, {"siteKey": SITE_KEY, "name": "Maya"}) as page:
        maya = await page("connect")
        room = (await page("openConversation"))["id"]
        await page("subscribe", room)
        await page("sendMessage", room, "Hello?")
        await desk.until(lambda: _said(page, room, "Hi 👋 there 🎉!"))
        writing = [event["text"] for event in await page.told("writing")]
        await page("escalate", room)
        view = await page("view", room)
        await page("markRead", room, view["position"])

    assert maya["name"] == "Maya"
    assert writing[-1] == "Hi 👋 there 🎉!" and all(writing[-1].startswith(text) for text in writing)


async def _said(page: Any, room: str, text: str) -> bool:
    return text in [shown for _, shown in await page.shown(room)]


async def test_the_inbox_tells_of_rooms_that_are_not_followed(desk: Desk, link: Link, open_page: Open) -> None:
    """Also of what came while the client was away."""
    tom, ana = await desk.member("Tom"), await desk.member("Ana")
    room = await tom.group(ana)
    async with ana.line() as line, open_page(address(link), login(tom)) as page:
        await page("connect")
        await line.says(room, "one")
        await desk.until(lambda: _unread(page, 1))
        link.weather = Weather(swallow=("there", "back"))
        await line.says(room, "two")
        link.heal()
        await desk.until(lambda: _unread(page, 2))


async def _unread(page: Any, count: int) -> bool:
    return bool(await page("unread") == count)


async def test_what_is_refused_leaves_the_outbox_and_says_why(desk: Desk, open_page: Open) -> None:
    tom, ana = await desk.member("Tom"), await desk.member("Ana")
    foreign = await ana.group()
    async with open_page(desk.url, login(tom)) as page:
        await page("connect")
        for call, args in {"sendMessage": [foreign, "let me in"], "subscribe": [foreign]}.items():
            with pytest.raises(Exception, match=r"^not_found$"):
                await page(call, *args)
        assert await page("unsent") == []
        [refusal] = await page.told("notSent")
        assert refusal["content"] == "let me in"


async def test_older_pages_join_what_is_shown(desk: Desk, open_page: Open) -> None:
    tom = await desk.member("Tom")
    room = await tom.group()
    async with tom.line() as line, open_page(desk.url, login(tom)) as page:
        for number in range(70):
            await line.says(room, f"{number}")
        await page("connect")
        await page("subscribe", room)
        oldest = (await page("view", room))["oldest"]
        assert len(await page.shown(room)) == 50
        await page("history", room, {"before": oldest})
        assert await page.shown(room) == texts(await stored(tom, room))


async def test_a_final_close_is_told_and_ends_it(desk: Desk, open_page: Open) -> None:
    tom = await desk.member("Tom")
    async with open_page(desk.url, login(tom)) as page:
        await page("connect")
        for connection in desk.application.edge.hub.connections_of(desk.tenant, tom.id):
            connection.out.close(4503, "for the test")
        await desk.until(lambda: page.told("closed"))
        [closed] = await page.told("closed")

    assert closed["code"] == 4503
