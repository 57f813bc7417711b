"""The client's routes against the real server: what is done with messages and people beside writing."""

from __future__ import annotations

import pytest

from deskbell.client import Client
from deskbell.errors import KindNotAllowed, NotFound
from deskbell.testing.desk import PASSWORD, Desk, Person


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


def client_of(person: Person) -> Client:
    return Client.login(person.desk.url, person.email, PASSWORD)


async def test_a_program_forwards_once_and_reports(desk: Desk) -> None:
    tom, una, vic = [await desk.member(name) for name in ("Tom", "Una", "Vic")]
    here, there = await tom.group(una), await tom.group(vic)
    said = (await una.post(f"/rooms/{here}/messages", {"content": "Meet at nine"})).json()["id"]
    async with client_of(tom) as client:
        first = await client.forward(said, there, client_id="f-1")
        again = await client.forward(said, there, client_id="f-1")
        assert first is not None and again is not None and first.id == again.id
        assert first.content == "Meet at nine" and first.metadata["forwarded"]["kind"] == "member"
        await client.report(said, "spam", comment="again")
        with pytest.raises(NotFound):
            await client.forward(said, here.replace(here[:8], "00000000"), client_id="f-2")
    [report] = (await tom.get("/moderation/reports", params={"room": here})).json()["items"]
    assert (report["reason"], report["comment"], report["reporter"]["id"]) == ("spam", "again", tom.id)


async def test_a_program_bans_and_unbans_and_lists_everybody(desk: Desk) -> None:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    others = [await desk.member(f"Other {n}") for n in range(3)]
    room = await tom.group(una, *others)
    async with client_of(tom) as client:
        assert len(await client.participants(room)) == 5
        banned = await client.ban(room, una.id, reason="spam", until="2999-01-01T00:00:00Z")
        assert banned.state == "banned" and len(await client.participants(room)) == 4
        assert (await tom.get("/bans", params={"room": room})).json()["items"][0]["reason"] == "spam"
        assert (await client.unban(room, una.id)).state == "left"


async def test_a_program_opens_history_at_a_message_or_a_moment(desk: Desk) -> None:
    tom = await desk.member("Tom")
    room = await tom.group()
    sent = [(await tom.post(f"/rooms/{room}/messages", {"content": f"{n}"})).json()["message"] for n in range(5)]
    async with client_of(tom) as client:
        for place in ({"around": sent[2]["id"]}, {"around": sent[2]["seq"]}, {"at": sent[0]["created_at"]}):
            found = await client.history(room, limit=1, **place)
            assert [message.seq for message in found.messages] == [found.around]
        with pytest.raises(NotFound):
            await client.history(room, around=room)


async def test_a_list_longer_than_a_page_comes_whole(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tom = await desk.member("Tom")
    others = [await desk.member(f"Other {n}") for n in range(2)]
    room = await tom.group(*others)
    async with client_of(tom) as client:
        whole = client.rest

        async def two_at_a_time(method: str, path: str, json: object = None, **options: object) -> object:
            return await whole(method, f"{path}{'&' if '?' in path else '?'}limit=2", json)

        monkeypatch.setattr(client, "rest", two_at_a_time)
        assert len(await client.participants(room)) == 3


async def test_a_program_is_told_why_something_is_not_forwarded(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent("Ana")
    room = await maya.conversation()
    await ana.post(f"/rooms/{room}/take-over")
    messages = (await ana.get(f"/rooms/{room}/messages")).json()["messages"]
    [told, *_] = [message["id"] for message in messages if message["kind"] == "system"]
    async with client_of(ana) as client:
        with pytest.raises(KindNotAllowed):
            await client.forward(told, room, client_id="f-1")
