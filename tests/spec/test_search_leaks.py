"""Search finds nothing for anybody who may not read it: by words, phrase, first letters or a typing error.

A secret is put where only some may look, or where nobody may any more. Everybody then searches for it in every
way there is, in all rooms and in each, on both kinds of database. A secret that those who may read it do not
find would mean that the search was blind.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from deskbell.testing.desk import Desk, Person, settings_for


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    settings = settings_for(
        database_url,
        plugins={"moderation_words": {"settings": {"hold": ["heldback"]}}},
        channels={"group": {"history": "since_join"}},
    )
    async with Desk.open(database_url, settings=settings) as opened:
        yield opened


async def say(person: Person, room: str, content: str) -> str:
    answer = await person.post(f"/rooms/{room}/messages", {"content": content})
    assert answer.status_code in (201, 202), answer.text
    return str(answer.json()["id"])


def ways(secret: str) -> list[str]:
    """How one could ask for a secret of two words, the second a long one."""
    first, second = secret.split()
    slip = second[:4] + second[5] + second[4] + second[6:]
    return [secret, f'"{secret}"', f"{second} ", second[:6], f"{slip} ", f"{first} {slip} "]


async def finds(desk: Desk, person: Person, secret: str, rooms: list[str]) -> bool:
    """Whether a person finds a secret in any way, in any place."""
    found = False
    for q in ways(secret):
        for room in (None, *rooms):
            desk.clock.advance(1)  # within the limit of searches
            answer = await person.get("/search", params={"q": q} | ({} if room is None else {"room": room}))
            assert answer.status_code in (200, 404), answer.text
            if secret.split()[1] in answer.text:
                found = True
                if room is None:
                    assert answer.json()["results"], answer.text
            elif answer.status_code == 200:
                assert secret not in json.dumps(answer.json(), ensure_ascii=False)
    return found


async def who_finds(desk: Desk, secret: str, people: list[Person], rooms: list[str]) -> set[str]:
    return {person.name for person in people if await finds(desk, person, secret, rooms)}


async def test_conversations_are_found_by_their_visitor_and_by_agents_notes_by_agents_alone(desk: Desk) -> None:
    maya, ben, ana, tom = (
        await desk.visitor("Maya"),
        await desk.visitor("Ben"),
        await desk.agent("Ana"),
        await desk.member("Tom"),
    )
    other = await desk.other_tenant()
    spy = await desk.person("Spy", kind="agent", role="admin", tenant=other)
    people = [maya, ben, ana, tom, spy]
    room = await maya.conversation()
    await ben.conversation()
    await maya.post(f"/rooms/{room}/escalate")
    await say(maya, room, "quiet harmonica")
    assert (await ana.post(f"/rooms/{room}/notes", {"text": "secret bandoneon"})).status_code == 201
    backstage = (await ana.get(f"/rooms/{room}/backstage")).json()["id"]
    rooms = [room, backstage]
    assert await who_finds(desk, "quiet harmonica", people, rooms) == {"Maya", "Ana"}
    assert await who_finds(desk, "secret bandoneon", people, rooms) == {"Ana"}
    # Whoever put them there, a visitor is not staff.
    await desk.application.ports.db.execute(
        "UPDATE participants SET user_id = $2 WHERE room_id = $1 AND user_id = $3", backstage, maya.id, ana.id
    )
    assert await who_finds(desk, "secret bandoneon", people, rooms) == {"Ana"}
    case = (await ana.get(f"/rooms/{room}")).json()["case"]
    await ana.post(f"/cases/{case}/claim")
    await ana.post(f"/cases/{case}/resolve")
    assert await who_finds(desk, "quiet harmonica", people, rooms) == {"Maya", "Ana"}
    assert await who_finds(desk, "secret bandoneon", people, rooms) == {"Ana"}


async def test_the_losing_conversation_of_a_merge_stays_between_its_visitor_and_agents(desk: Desk) -> None:
    maya, ben, ana = await desk.visitor("Maya"), await desk.visitor("Ben"), await desk.agent("Ana")
    first, second = await maya.conversation(), await maya.conversation(new=True)
    await say(maya, first, "former clarinet")
    await say(maya, second, "present trombone")
    # As a merge leaves it: closed, and pointing to the other.
    await desk.application.ports.db.execute(
        "UPDATE rooms SET closed_at = 1, redirect_to = $2 WHERE id = $1", first, second
    )
    people, rooms = [maya, ben, ana], [first, second]
    assert await who_finds(desk, "former clarinet", people, rooms) == {"Maya", "Ana"}
    assert await who_finds(desk, "present trombone", people, rooms) == {"Maya", "Ana"}


async def test_groups_are_found_by_who_is_in_them_from_the_moment_they_joined(desk: Desk) -> None:
    tom, liz, out, ana = (
        await desk.member("Tom"),
        await desk.member("Liz"),
        await desk.member("Out"),
        await desk.agent("Ana"),
    )
    room = await tom.group(name="Group")
    await say(tom, room, "early saxophone")
    for one in (liz, out):
        assert (await tom.post(f"/rooms/{room}/participants", {"user": one.id})).status_code in (200, 201)
    await say(tom, room, "later violoncello")
    people, rooms = [tom, liz, out, ana], [room]
    assert await who_finds(desk, "early saxophone", people, rooms) == {"Tom"}
    assert await who_finds(desk, "later violoncello", people, rooms) == {"Tom", "Liz", "Out"}
    assert (await out.post(f"/rooms/{room}/leave")).status_code == 200
    banned = await tom.call("PATCH", f"/rooms/{room}/participants/{liz.id}", json={"state": "banned"})
    assert banned.status_code == 200
    assert await who_finds(desk, "later violoncello", people, rooms) == {"Tom"}
    # Who comes back sees what is said from then on.
    assert (await tom.post(f"/rooms/{room}/participants", {"user": out.id})).status_code in (200, 201)
    await say(tom, room, "newest tambourine")
    assert await who_finds(desk, "later violoncello", people, rooms) == {"Tom"}
    assert await who_finds(desk, "newest tambourine", people, rooms) == {"Tom", "Out"}


async def test_an_agent_who_was_banned_from_a_conversation_no_longer_finds_it(desk: Desk) -> None:
    maya, ana, lea = await desk.visitor("Maya"), await desk.agent("Ana"), await desk.agent("Lea")
    room = await maya.conversation()
    await say(maya, room, "mellow glockenspiel")
    await ana.post(f"/rooms/{room}/join")
    await desk.application.ports.db.execute(
        "UPDATE participants SET state = 'banned' WHERE room_id = $1 AND user_id = $2", room, ana.id
    )
    assert (await ana.get(f"/rooms/{room}")).status_code == 404
    assert await who_finds(desk, "mellow glockenspiel", [maya, ana, lea], [room]) == {"Maya", "Lea"}


async def test_what_was_deleted_edited_away_held_or_rejected_is_found_by_nobody(desk: Desk) -> None:
    tom, una, kim = await desk.member("Tom"), await desk.member("Una"), await desk.agent("Kim", role="admin")
    room = await tom.group(una)
    people, rooms = [tom, una, kim], [room]
    deleted = await say(tom, room, "sudden accordion")
    edited = await say(tom, room, "former mandoline")
    assert await who_finds(desk, "sudden accordion", people, rooms) == {"Tom", "Una"}
    assert (await tom.call("DELETE", f"/messages/{deleted}")).status_code == 200
    assert await who_finds(desk, "sudden accordion", people, rooms) == set()
    changed = await tom.call("PATCH", f"/messages/{edited}", json={"content": "present xylophone"})
    assert changed.status_code == 200
    assert await who_finds(desk, "former mandoline", people, rooms) == set()
    assert await who_finds(desk, "present xylophone", people, rooms) == {"Tom", "Una"}

    rejected = await say(tom, room, "heldback didgeridoo")
    approved = await say(tom, room, "heldback ukulelekin")
    for secret in ("heldback didgeridoo", "heldback ukulelekin"):
        assert await who_finds(desk, secret, people, rooms) == set()
    assert (await kim.post(f"/moderation/held/{rejected}/reject")).status_code == 200
    assert (await kim.post(f"/moderation/held/{approved}/approve")).status_code == 200
    assert await who_finds(desk, "heldback didgeridoo", people, rooms) == set()
    assert await who_finds(desk, "heldback ukulelekin", people, rooms) == {"Tom", "Una"}


async def test_what_was_purged_is_gone_from_the_index_in_the_same_moment(desk: Desk) -> None:
    maya, ana = await desk.visitor("Maya"), await desk.agent("Ana")
    room = await maya.conversation()
    await say(maya, room, "lasting vibraphone")
    assert await who_finds(desk, "lasting vibraphone", [maya, ana], [room]) == {"Maya", "Ana"}
    db = desk.application.ports.db
    await db.execute("DELETE FROM messages WHERE room_id = $1", room)
    assert await who_finds(desk, "lasting vibraphone", [maya, ana], [room]) == set()
    if db.dialect == "sqlite":
        known = "SELECT count(*) FROM message_words_known WHERE term = 'vibraphone'"
        left = await db.fetchval("SELECT count(*) FROM message_words_rows")
    else:
        known = "SELECT count(*) FROM message_words WHERE words @@ 'vibraphone'::tsquery"
        left = await db.fetchval("SELECT count(*) FROM message_words")
    assert await db.fetchval(known) == left == 0


async def test_a_rank_tells_nothing_of_what_others_say(desk: Desk) -> None:
    """The same message ranks the same, however often others use its words where one may not look."""
    tom, una, maya = await desk.member("Tom"), await desk.member("Una"), await desk.visitor("Maya")
    room = await tom.group()
    await say(tom, room, "unusual theremin")

    async def rank() -> float:
        desk.clock.advance(1)
        found = (await tom.get("/search", params={"q": "theremin"})).json()["results"]
        return round(float(found[0]["rank"]), 3)

    before = await rank()
    elsewhere, conversation = await una.group(), await maya.conversation()
    for n in range(5):
        await say(una, elsewhere, f"theremin theremin {n}")
        await say(maya, conversation, f"theremin {n}")
    assert await rank() == before
