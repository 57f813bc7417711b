"""Traces: an agent can explain how a message came to be what it is, and it costs nothing where nothing happened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from deskbell import Allow, Rewrite, Submission, Verdict, hookimpl
from deskbell.ids import RoomId
from deskbell.testing.desk import Desk, Person, settings_for


class Softening:
    """A filter that makes another text of a rude one."""

    name = "softening"
    order = -10

    async def check(self, submission: Submission) -> Verdict:
        return Rewrite(submission.text.replace("darn", "d***")) if "darn" in submission.text else Allow()


class SofteningPlugin:
    @hookimpl
    def register_moderation_filters(self, settings: Any) -> list[Softening]:
        return [Softening()]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(shared_url: str) -> AsyncIterator[Desk]:
    words = {"moderation_words": {"settings": {"hold": ["casino"], "block": ["bomb"]}}}
    settings = settings_for(shared_url, plugins=words)
    async with Desk.open(shared_url, settings=settings, plugins={"softening": SofteningPlugin()}) as opened:
        yield opened


async def room_of(desk: Desk) -> tuple[Person, Person, str]:
    """A member's group with an agent in it."""
    tom, ana = await desk.member("Tom"), await desk.agent("Ana")
    return tom, ana, await tom.group(ana)


async def trace(person: Person, message: str) -> dict[str, Any]:
    answer = await person.get(f"/messages/{message}/trace")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def rows(desk: Desk, message: str) -> int:
    db = desk.application.ports.db
    return int(await db.fetchval("SELECT count(*) FROM traces WHERE message_id = $1", message))


async def test_a_message_nothing_happened_to_is_explained_without_being_written_down(desk: Desk) -> None:
    tom, ana, room = await room_of(desk)
    async with tom.line() as line:
        sent = await line.says(room, "Hello")
    found = await trace(ana, sent["id"])
    [step] = found["steps"]
    assert (found["message"], found["room"]) == (sent["id"], room)
    assert (step["what"], step["door"], step["by"], step["decisions"]) == ("posted", "socket", tom.id, [])
    assert step["original"] is None and step["at"] == sent["created_at"]
    assert await rows(desk, sent["id"]) == 0


async def test_a_message_tells_by_which_door_it_came(desk: Desk) -> None:
    tom, ana, room = await room_of(desk)
    sent = (await tom.post(f"/rooms/{room}/messages", {"content": "Hello"})).json()
    assert [step["door"] for step in (await trace(ana, sent["id"]))["steps"]] == ["rest"]
    plugin = desk.application.edge.desk.acting_as(desk.tenant, tom.id)
    acted = await plugin.send(RoomId(room), "For Tom")
    await plugin.edit(acted.id, "Still for Tom")
    assert [step["door"] for step in (await trace(ana, acted.id))["steps"]] == ["plugin", "plugin"]
    maya = await desk.visitor()
    support = await maya.conversation()
    async with maya.line() as line:
        await line.subscribe(support)
        await line.says(support, "Help")
        bot = (await line.hears(support, "You said: Help"))["message"]
    await ana.post(f"/rooms/{support}/take-over")
    messages = (await ana.get(f"/rooms/{support}/messages")).json()["messages"]
    found = await trace(ana, bot["id"])
    assert found["steps"][0]["door"] == "bot" and found["turn"] == bot["metadata"]["turn"]
    [said, *_] = [message for message in messages if message["kind"] == "system"]
    assert (await trace(ana, said["id"]))["steps"][0]["door"] == "platform"


async def test_what_filters_made_of_a_text_is_told_with_their_versions_and_the_original(desk: Desk) -> None:
    tom, ana, room = await room_of(desk)
    async with tom.line() as line:
        sent = await line.says(room, "that darn thing")
        await line.ask({"type": "edit", "message": sent["id"], "content": "that darn darn thing"})
    posted, edited = (await trace(ana, sent["id"]))["steps"]
    assert (posted["what"], posted["original"]) == ("posted", "that darn thing")
    [decision] = posted["decisions"]
    assert (decision["filter"], decision["plugin"], decision["verdict"]) == ("softening", "softening", "rewrite")
    assert "version" in decision and decision["took_ms"] >= 0
    assert (edited["what"], edited["original"], edited["by"]) == ("edited", "that darn darn thing", tom.id)
    assert (await tom.get(f"/messages/{sent['id']}")).json()["content"] == "that d*** d*** thing"


async def test_a_held_message_tells_who_held_and_who_approved_it(desk: Desk) -> None:
    tom, ana, room = await room_of(desk)
    held = (await tom.post(f"/rooms/{room}/messages", {"content": "darn casino"})).json()
    [waiting] = [i for i in (await ana.get("/moderation/held")).json()["items"] if i["id"] == held["id"]]
    assert (waiting["content"], waiting["original"]) == ("d*** casino", "darn casino")
    assert [decision["verdict"] for decision in waiting["decisions"]] == ["rewrite", "hold"]
    message = (await ana.post(f"/moderation/held/{held['id']}/approve")).json()
    posted, approved = (await trace(ana, message["id"]))["steps"]
    assert (posted["what"], posted["door"], posted["by"], posted["original"]) == (
        "posted",
        "rest",
        tom.id,
        "darn casino",
    )
    assert [decision["filter"] for decision in posted["decisions"]] == ["softening", waiting["filter"]]
    assert (approved["what"], approved["by"]) == ("approved", ana.id)


async def test_with_a_message_its_trace_is_deleted_but_for_who_and_when(desk: Desk) -> None:
    """Nothing of what was written is left, wherever it had been kept."""
    tom, ana, room = await room_of(desk)
    held = (await tom.post(f"/rooms/{room}/messages", {"content": "darn casino"})).json()
    message = (await ana.post(f"/moderation/held/{held['id']}/approve")).json()
    await tom.call("DELETE", f"/messages/{message['id']}")
    found = await trace(ana, message["id"])
    assert [(step["what"], step["by"]) for step in found["steps"]] == [("posted", tom.id), ("deleted", tom.id)]
    assert [step["door"] for step in found["steps"]] == ["", ""]  # it came by REST; that is not made up
    assert "casino" not in str(found) and "darn" not in str(found)
    db = desk.application.ports.db
    kept = await db.fetchrow("SELECT request, original, decisions FROM held_messages WHERE id = $1", held["id"])
    assert kept is not None and "casino" not in str(tuple(kept)) and await rows(desk, message["id"]) == 0


async def test_traces_are_for_agents_who_see_the_message(desk: Desk) -> None:
    tom, _, room = await room_of(desk)
    eve, bea, maya = await desk.member("Eve"), await desk.agent("Bea", role="admin"), await desk.visitor()
    foreign = await desk.person("Far", kind="agent", role="admin", tenant=await desk.other_tenant("trace"))
    sent = (await tom.post(f"/rooms/{room}/messages", {"content": "darn"})).json()["id"]
    assert (await tom.get(f"/messages/{sent}/trace")).status_code == 403
    for outsider in (eve, bea, maya, foreign):
        assert (await outsider.get(f"/messages/{sent}/trace")).status_code == 404
    assert (await desk.http.get(f"/messages/{sent}/trace")).status_code == 401


@pytest.mark.parametrize(
    ("content", "details"), [("a bomb", {"filter": "words"}), ("x" * 16_385, {"rule": "limits.text_bytes"})]
)
async def test_a_refusal_names_what_refused(desk: Desk, content: str, details: dict[str, str]) -> None:
    """So that a composer can keep the draft, and say what to change."""
    tom, _, room = await room_of(desk)
    answer = await tom.post(f"/rooms/{room}/messages", {"content": content})
    assert answer.status_code in (413, 422)
    told = answer.json()["error"]["details"]
    assert told["rule"] and told.items() >= details.items()
