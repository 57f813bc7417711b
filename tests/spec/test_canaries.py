"""Strings put where not everybody may look, then looked for along every path everybody has.

Each canary has a list of who may see it. Everybody walks everything they can reach: all ``GET`` routes of the running
application with all ids there are, every socket frame, every way to page, quote and resume. A canary found by somebody
who is not on its list is a leak; a canary that nobody on its list finds means that the walk is blind.
"""

from __future__ import annotations

import itertools
import re
import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog

from deskbell.contracts import BotEvent, Escalate, Say, SetState, Turn
from deskbell.testing.desk import SITE_KEY, SITE_SECRET, Desk, Line, Person, settings_for

NOTE, EDITED_NOTE = "canary-note-1", "canary-note-2"
HANDOVER = "canary-handover-3"
MAYAS, BENS = "canary-mayas-4", "canary-bens-5"
HELD, HELD_GROUP = "canaryheld6 word", "canaryheld7 word"
DELETED, DELETED_GROUP, DELETED_NOTE = "canary-deleted-8", "canary-deleted-9", "canary-deleted-10"
EDITED, EDITED_GROUP = "canary-edited-11", "canary-edited-12"
BEFORE, AFTER = "canary-before-13", "canary-after-14"
FOREIGN, FOREIGN_NAME = "canary-foreign-15", "canary-foreign-16"
CLAIMED, CAME_FROM = "canary-claimed-17", "canary-page-18"
CALLED, LAST, RATED = "canary-called-19", "canary-last-20", "canary-rated-21"
SITE_ORIGIN = "shop.example"

MAY_SEE = {
    NOTE: {"Ana"},
    EDITED_NOTE: {"Ana"},
    HANDOVER: {"Ana"},
    MAYAS: {"Maya", "Ana"},
    BENS: {"Ben", "Ana"},
    HELD: {"Ana"},  # the reviewer
    HELD_GROUP: {"Ana"},
    DELETED: set(),
    DELETED_GROUP: set(),
    DELETED_NOTE: set(),
    EDITED: {"Maya", "Ana"},
    EDITED_GROUP: {"Tom"},
    BEFORE: {"Tom"},
    AFTER: {"Tom", "Liz"},
    FOREIGN: {"Spy", FOREIGN_NAME},
    FOREIGN_NAME: {"Spy", FOREIGN_NAME},
    CLAIMED: {"Maya", "Ana"},  # what a visitor says of themselves
    CAME_FROM: {"Maya", "Ana"},
    CALLED: {"Ana"},  # a note that calls her
    LAST: set(),  # what was said last, until it was taken back
    RATED: {"Ana"},
    SITE_SECRET: set(),
    SITE_ORIGIN: set(),  # for admins of the tenant, of whom none walks here
}


@dataclass
class World:
    """Who there is, and every id that somebody could try."""

    desk: Desk
    people: list[Person]
    lines: dict[str, Line] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    home: dict[str, str] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=lambda: {"public_key": [SITE_KEY]})

    def who(self, name: str) -> Person:
        return next(person for person in self.people if person.name == name)

    async def says(self, name: str, room: str, text: str, **fields: Any) -> str:
        reply = await self.lines[name].says(room, text, **fields)
        return str(reply["id"])


async def _script(turn: Turn) -> AsyncIterator[BotEvent]:
    yield SetState({"noted": turn.text})
    if "person" in turn.text:
        yield Escalate("asked", summary=f"{HANDOVER} {turn.text}", facts={"said": HANDOVER})
    elif "break" in turn.text:
        raise RuntimeError("the bot fell over")
    else:
        yield Say("Noted.")


@pytest.fixture
async def world(empty_sqlite_url: str) -> AsyncIterator[World]:
    settings = settings_for(
        empty_sqlite_url,
        plugins={"moderation_words": {"settings": {"hold": ["canaryheld6", "canaryheld7"]}}},
        channels={"group": {"history": "since_join"}},
    )
    async with Desk.open(empty_sqlite_url, settings=settings) as desk:
        desk.bot.script = _script
        other = await desk.other_tenant()
        people = [
            await desk.visitor("Maya"),
            await desk.visitor("Ben"),
            await desk.agent("Ana", role="agent"),
            await desk.member("Tom"),
            await desk.member("Liz"),
            await desk.person("Spy", kind="agent", role="admin", tenant=other),
            await desk.person(FOREIGN_NAME, kind="member", tenant=other),
        ]
        world = World(desk, people)
        for person in people:
            world.lines[person.name] = await person.connect()
        yield world


async def settle(world: World) -> None:
    """Put a canary into every place where somebody's words are kept; then take away what is to be taken away."""
    desk, lines = world.desk, world.lines
    maya, ben, ana, tom, liz, spy, foreign = world.people
    assert (await maya.call("PATCH", "/me", json={"attributes": {"plan": CLAIMED}})).status_code == 200
    a, b = await maya.conversation(page=f"https://page.example/{CAME_FROM}"), await ben.conversation()
    for person, room in ((maya, a), (ben, b), (ana, a), (ana, b)):
        await lines[person.name].subscribe(room)

    mayas = await world.says("Maya", a, MAYAS)
    edited = await world.says("Maya", a, EDITED)
    deleted = await world.says("Maya", a, DELETED, reply_to=mayas)
    await world.says("Ben", b, BENS)
    held = await lines["Maya"].ask({"type": "send", "room": a, "content": HELD, "client_id": "held"})
    assert held["held"] is True
    await lines["Maya"].hears(a, "Noted.")
    await world.says("Maya", a, "a person please")
    case = (await lines["Ana"].find(lambda f: f["type"] == "case" and f["case"]["room"] == a))["case"]["id"]
    await world.says("Ben", b, "break down")
    await lines["Ben"].find(lambda f: f["type"] == "case" and f["status"] == "waiting")
    bens = (await ana.get(f"/rooms/{b}")).json()["case"]
    last = await world.says("Ben", b, LAST)

    note = (await ana.post(f"/rooms/{a}/notes", {"text": NOTE})).json()["id"]
    backstage = (await ana.get(f"/rooms/{a}/backstage")).json()["id"]
    gone = (await ana.post(f"/rooms/{a}/notes", {"text": DELETED_NOTE, "mentions": [ana.id]})).json()["id"]
    changed = (await ana.post(f"/rooms/{a}/notes", {"text": EDITED_NOTE})).json()["id"]
    await ana.post(f"/rooms/{a}/notes", {"text": CALLED, "mentions": [ana.id]})
    await lines["Ana"].subscribe(backstage)
    await lines["Ana"].ask({"type": "react", "message": note, "emoji": "👀"})

    group = await tom.group(name="Group")
    await lines["Tom"].subscribe(group)
    before = await world.says("Tom", group, BEFORE)
    early = await world.says("Tom", group, DELETED_GROUP)
    held = await lines["Tom"].ask({"type": "send", "room": group, "content": HELD_GROUP, "client_id": "held"})
    assert held["held"] is True
    assert (await tom.post(f"/rooms/{group}/participants", {"user": liz.id})).status_code in (200, 201)
    await lines["Liz"].subscribe(group)
    after = await world.says("Tom", group, AFTER, thread=before)
    rewritten = await world.says("Tom", group, EDITED_GROUP)
    # What happens to a message of before does not carry it to those who came after.
    await lines["Tom"].ask({"type": "react", "message": before, "emoji": "👍"})
    await tom.call("PUT", f"/messages/{before}/pin")

    abroad = await spy.group(foreign, name=FOREIGN, description=FOREIGN)
    await lines["Spy"].subscribe(abroad)
    foreign_id = await world.says("Spy", abroad, FOREIGN)

    for name, message, text in (("Maya", edited, "better"), ("Tom", rewritten, "better"), ("Ana", changed, "better")):
        assert (await lines[name].ask({"type": "edit", "message": message, "content": text}))["type"] == "ack"
    for name, message in (("Maya", deleted), ("Ben", last), ("Tom", early), ("Ana", gone)):
        assert (await lines[name].ask({"type": "delete", "message": message}))["type"] == "ack"
    assert (await ben.post(f"/rooms/{b}/end")).status_code == 200
    assert (await ben.post(f"/rooms/{b}/rating", {"rating": 2, "comment": RATED})).status_code == 200
    await desk.until(lambda: desk.application.ports.journal.waiting == 0)
    for name, line in lines.items():
        # What was sent before it was taken away was rightly sent.
        await line.ask({"type": "ping"})
        world.since[name] = len(line.frames)
    world.home = {
        "Maya": a,
        "Ben": b,
        "Ana": backstage,
        "Tom": group,
        "Liz": group,
        "Spy": abroad,
        FOREIGN_NAME: abroad,
    }
    world.ids["room_id"] = [a, b, backstage, group, abroad]
    world.ids["message_id"] = [mayas, edited, deleted, note, gone, changed, before, early, after, rewritten, foreign_id]
    world.ids["message_id"].append(last)
    world.ids["case_id"] = [case, bens]
    # Life goes on after that, and tells everybody what it tells.
    await world.says("Maya", a, "thank you")
    await world.says("Tom", group, "see above", reply_to=before)
    await world.says("Ana", backstage, "one more note")


def get_routes(desk: Desk) -> list[Any]:
    """Every GET route of the running application, whoever added it."""
    return [
        rule for rule in desk.application.quart.url_map.iter_rules() if "GET" in rule.methods and not rule.websocket
    ]


QUERIES: dict[str, list[str]] = {
    "/api/v1/rooms/<room_id>/messages": [
        "",
        "?limit=100",
        "?before=1000",
        "?after=0",
        *(f"?around={n}" for n in (1, 5)),
        "?at=2020-01-01T00:00:00Z",
        "?offset=1",
    ],
    "/api/v1/rooms/<room_id>/changes": ["?since=0", "?since=1", "?since=3", "?since=6"],
    "/api/v1/cases": [f"?view={view}" for view in ("mine", "queue", "bot", "all", "snoozed", "resolved")],
    "/api/v1/support/conversations": ["", "?owner=bot", "?owner=agent", "?owner=nobody"],
    "/api/v1/search": [f"?limit=100&q={q}" for q in ("canary", "canaryheld", "canery", "deleted", "before", "note")],
    "/api/v1/rooms": ["", "?since=2020-01-01T00:00:00Z", "?channel_type=group"],
}


async def walk(world: World, person: Person) -> str:
    """All that somebody can be told, over REST and over a new socket, and what their old one was told since."""
    heard: list[str] = []

    async def get(path: str) -> None:
        answer = await person.get(path)
        heard.append(f"{answer.status_code} {answer.headers} {answer.text}")
        assert answer.status_code < 500, (path, answer.text)

    for rule in get_routes(world.desk):
        if not rule.rule.startswith("/api/v1/"):
            continue
        choices = [world.ids.get(name, ["👍"]) for name in sorted(rule.arguments)]
        for chosen in itertools.product(*choices):
            path = rule.rule.removeprefix("/api/v1")
            for name, value in zip(sorted(rule.arguments), chosen, strict=True):
                path = re.sub(rf"<(?:[^:>]+:)?{name}>", value, path)
            assert "<" not in path, path
            for query in QUERIES.get(rule.rule, [""]):
                await get(path + query)
    # Where nobody else is: what somebody passes on to others, they have told them.
    opened = await person.post("/rooms", {"channel_type": "group"})
    alone = opened.json()["id"] if opened.status_code == 201 else world.home[person.name]
    for message in world.ids["message_id"]:
        for room in world.ids["room_id"]:
            await get(f"/rooms/{room}/messages?around={message}")
        for verb, body in (("forward", {"room": alone}), ("report", {"reason": "curious"})):
            answer = await person.post(f"/messages/{message}/{verb}", body)
            heard.append(f"{answer.status_code} {answer.headers} {answer.text}")
    for case, into in itertools.permutations(world.ids["case_id"], 2):
        answer = await person.post(f"/cases/{case}/merge", {"into": into})
        assert answer.status_code in (404, 409, 410)
        heard.append(f"{answer.headers} {answer.text}")
    await get(f"/rooms/{alone}/messages")
    users = ",".join(one.id for one in world.people)
    await get(f"/presence?users={users}")

    async with person.line() as line:
        for room in world.ids["room_id"]:
            for since in (None, 0, 2, 5):
                entry = {"id": room} if since is None else {"id": room, "since": since}
                await line.ask({"type": "subscribe", "rooms": [entry]})
            for asked in ({"before": 1000}, {"after": 0}, {"around": 4}, {}):
                await line.ask({"type": "history", "room": room, "limit": 100, **asked})
        for number, message in enumerate(world.ids["message_id"]):
            for quoted in ("reply_to", "thread"):
                quote = {"type": "send", "room": world.home[person.name], "content": "quote"}
                await line.ask({**quote, "client_id": f"{number}{quoted}", quoted: message})
            for verb in ({"type": "react", "emoji": "🎈"}, {"type": "unreact", "emoji": "🎈"}):
                await line.ask({**verb, "message": message})
        await line.ask({"type": "ping"})
        heard += [str(frame) for frame in line.frames]
    heard += [str(frame) for frame in world.lines[person.name].frames[world.since[person.name] :]]
    return "\n".join(heard)


async def test_nobody_finds_what_they_may_not_see_by_any_path(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with structlog.testing.capture_logs() as logged:
        await settle(world)
        found = {person.name: await walk(world, person) for person in world.people}
        await world.desk.tick()
    addresses: dict[str, set[str]] = {person.email: {"Spy"} for person in world.people if person.email}
    addresses |= {world.who("Ana").email: set()}  # Spy is an admin, of the other tenant
    leaks = [
        (canary, name)
        for canary, allowed in (MAY_SEE | addresses).items()
        for name, text in found.items()
        if canary in text and name not in allowed
    ]
    assert leaks == []
    unseen = [(canary, name) for canary, allowed in MAY_SEE.items() for name in allowed if canary not in found[name]]
    assert unseen == [], "the walk would not have found them"

    bot = "\n".join(map(str, world.desk.bot.turns))
    assert MAYAS in bot and BENS in bot
    for canary in (NOTE, EDITED_NOTE, DELETED_NOTE, HELD, HELD_GROUP, BEFORE, FOREIGN):
        assert canary not in bot

    lines = [str({**entry, "exc_info": ""}) for entry in logged]
    lines += [
        "".join(traceback.format_exception(e["exc_info"])) for e in logged if isinstance(e.get("exc_info"), Exception)
    ]
    assert any("bot_failed" in line for line in lines), "something was logged"
    everything = "\n".join([*lines, caplog.text])
    assert [canary for canary in MAY_SEE if canary in everything and canary != FOREIGN_NAME] == []


async def test_after_a_deletion_the_bot_is_not_shown_the_message_either(world: World) -> None:
    await settle(world)
    desk = world.desk
    room, case = world.ids["room_id"][0], world.ids["case_id"][0]
    await world.people[2].post(f"/cases/{case}/return", {"to": "bot"})
    turns = len(desk.bot.turns)
    await world.says("Maya", room, "are you there?")
    await desk.until(lambda: len(desk.bot.turns) > turns)
    assert DELETED not in str(desk.bot.turns[-1]) and MAYAS in str(desk.bot.turns[-1])


async def test_a_page_read_just_before_a_deletion_is_not_given_to_anybody_after_it(world: World) -> None:
    """Pages are shared among those who ask at the same time; not with those who ask after."""
    maya, _, ana, *_ = world.people
    room = await maya.conversation()
    said = await world.says("Maya", room, DELETED)
    await world.lines["Maya"].subscribe(room)
    await world.lines["Ana"].subscribe(room)
    assert (await world.lines["Maya"].ask({"type": "delete", "message": said}))["type"] == "ack"
    async with ana.line() as line:
        for since in (None, 0):
            await line.ask(
                {"type": "subscribe", "rooms": [{"id": room} if since is None else {"id": room, "since": since}]}
            )
        assert DELETED not in str(line.frames)


async def test_after_leaving_or_a_ban_nothing_more_arrives(world: World) -> None:
    _, _, _, tom, liz, *_ = world.people
    group = await tom.group(liz, name="Group")
    lines = world.lines
    await lines["Tom"].subscribe(group)
    await lines["Liz"].subscribe(group)
    assert (
        await tom.call("PATCH", f"/rooms/{group}/participants/{liz.id}", json={"state": "banned"})
    ).status_code == 200
    await world.says("Tom", group, AFTER)
    assert (await liz.get(f"/rooms/{group}/messages")).status_code == 404
    await lines["Liz"].ask({"type": "ping"})
    assert AFTER not in str(lines["Liz"].frames)
