"""Plugins that watch: told of what has happened, at least once; again where that failed, and not for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deskbell.actions import observing
from deskbell.clock import from_us
from deskbell.hookspecs import hookimpl
from deskbell.store import outbox
from deskbell.testing.desk import Desk, Person, settings_for


class Watching:
    """A plugin that notes what it is told, and fails as often as a test wants."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, Any]] = []
        self.failures = 0
        self.before: Any = None

    async def _note(self, hook: str, what: str, record: Any) -> None:
        if self.before is not None:
            await self.before()
        self.told.append((hook, what, record))
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the webhook is down")

    @hookimpl
    async def on_message(self, tenant: Any, room: Any, what: str, message: Any) -> None:
        await self._note("message", what, message)

    @hookimpl
    async def on_note(self, tenant: Any, room: Any, what: str, note: Any) -> None:
        await self._note("note", what, (room, note))

    @hookimpl
    async def on_participant(self, tenant: Any, room: Any, what: str, participant: Any) -> None:
        await self._note("participant", what, participant)

    @hookimpl
    async def on_case(self, tenant: Any, room: Any, what: str, case: Any) -> None:
        await self._note("case", what, case)

    def of(self, hook: str) -> list[str]:
        return [what for told, what, _ in self.told if told == hook]


@asynccontextmanager
async def watched(url: str, *plugins: Watching) -> AsyncIterator[Desk]:
    settings = settings_for(url, jobs={"tick_s": 3600.0})
    named = {f"watching_{number}": plugin for number, plugin in enumerate(plugins)}
    async with Desk.open(url, settings=settings, plugins=named) as desk:
        yield desk


async def quiet(desk: Desk) -> None:
    """Wait until nothing is due for observers."""
    await desk.application.jobs.observe()
    await desk.until(lambda: not desk.application.ports.tasks._running)


async def rows(desk: Desk) -> list[tuple[str, int]]:
    found = await desk.application.ports.db.fetch(
        "SELECT status, attempts FROM outbox WHERE queue = 'observe' ORDER BY id"
    )
    return [(row["status"], row["attempts"]) for row in found]


async def test_observers_are_told_of_messages_participants_and_cases_in_their_present_state(database_url: str) -> None:
    plugin = Watching()
    async with watched(database_url, plugin) as desk:
        maya, ana = await desk.visitor(), await desk.agent()
        async with maya.line() as line:
            room = await maya.conversation()
            await line.subscribe(room)
            said = await line.says(room, "Hello")
            await line.hears(room, "You said: Hello")
            await line.ask({"type": "react", "message": said["id"], "emoji": "👍"})
            await line.ask({"type": "edit", "message": said["id"], "content": "Hello!"})
            await line.ask({"type": "delete", "message": said["id"]})
            await quiet(desk)
        assert plugin.of("participant") == ["joined", "joined"]
        # Rows that fall due together are told side by side, so one may overtake another.
        assert sorted(what for what in plugin.of("message") if what != "created") == ["deleted", "edited", "reacted"]
        [last] = [record for hook, what, record in plugin.told if (hook, what) == ("message", "deleted")]
        assert (last.id, last.deleted, last.content) == (said["id"], True, ""), "what was deleted is not told any more"
        case = (await ana.post(f"/rooms/{room}/take-over")).json()["id"]
        await ana.post(f"/cases/{case}/resolve")
        await maya.post(f"/rooms/{room}/rating", {"rating": 5})
        await quiet(desk)
        assert sorted(plugin.of("case")) == ["claimed", "opened", "rated", "resolved"]
        assert [record.rating for hook, what, record in plugin.told if (hook, what) == ("case", "rated")] == [5]
        assert {status for status, _ in await rows(desk)} == {"done"}


async def test_private_notes_are_told_by_on_note_and_by_nothing_else(database_url: str) -> None:
    """A plugin that passes messages on cannot pass a note on by oversight."""
    plugin = Watching()
    async with watched(database_url, plugin) as desk:
        maya, ana = await desk.visitor(), await desk.agent()
        room = await maya.conversation()
        await ana.post(f"/rooms/{room}/take-over")
        note = (await ana.post(f"/rooms/{room}/notes", {"text": "Between us."})).json()
        await quiet(desk)
        [(where, told)] = [record for hook, _, record in plugin.told if hook == "note"]
        assert (where, told.id, told.content) == (room, note["id"], "Between us.")
        assert "Between us." not in str([record for hook, _, record in plugin.told if hook != "note"])
        entered = [record.user.id for hook, _, record in plugin.told if hook == "participant"]
        assert len(entered) == len(set(entered)), "coming in behind the counter is told of as well"


async def test_a_case_that_a_message_changed_is_told_of_like_any_other(database_url: str) -> None:
    """To observers and to the agents' sockets: it was answered, it waits for an answer, its alarm rings now."""
    plugin = Watching()
    async with watched(database_url, plugin) as desk:
        maya, ana, kim = await desk.visitor(), await desk.agent("Ana"), await desk.agent("Kim")
        room = await maya.conversation()
        case = (await ana.post(f"/rooms/{room}/take-over")).json()["id"]
        async with kim.line() as agent:

            async def told_after(person: Person, text: str) -> dict[str, Any]:
                """The case as agents hear of it once that was said."""
                start = len(agent.frames)
                await person.post(f"/rooms/{room}/messages", {"content": text})
                frame = await agent.find(
                    lambda f: f["type"] == "case" and f["case"]["last"] and f["case"]["last"]["text"] == text,
                    after=start,
                )
                found: dict[str, Any] = frame["case"]
                return found

            answered = await told_after(ana, "Hello, this is Ana.")
            assert answered["first_response_at"] and answered["deadline_at"] is None
            assert (await told_after(ana, "Still here."))["version"] == answered["version"], "the case is the same"
            asked = await told_after(maya, "It is broken.")
            assert asked["deadline_at"] and asked["version"] == answered["version"] + 1
            assert (await told_after(maya, "Hello?"))["version"] == asked["version"]
            until = from_us(desk.clock.now_us() + 3_600_000_000).isoformat()
            assert (await ana.post(f"/cases/{case}/snooze", {"until": until})).status_code == 200
            woken = await told_after(maya, "Still broken.")
            assert woken["status"] == "snoozed" and woken["deadline_at"] < until
        await quiet(desk)
        told = ["opened", "claimed", "answered", "customer_wrote", "snoozed", "customer_wrote"]
        assert sorted(plugin.of("case")) == sorted(told)


async def test_nothing_is_told_of_what_was_undone(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from deskbell.actions import waiting

    plugin = Watching()
    async with watched(sqlite_url, plugin) as desk:
        maya = await desk.visitor()
        room = await maya.conversation()
        await quiet(desk)
        before = len(plugin.told)

        def fails(*args: Any) -> None:
            raise RuntimeError("at the last moment")

        monkeypatch.setattr(waiting, "tell_line_later", fails)
        assert (await maya.post(f"/rooms/{room}/escalate")).status_code == 500
        await quiet(desk)
        assert len(plugin.told) == before


async def test_an_observer_that_fails_is_told_again_later_and_others_are_not_kept_waiting(sqlite_url: str) -> None:
    """With growing pauses: 2 s, then 4 s."""
    failing, fine = Watching(), Watching()
    async with watched(sqlite_url, failing, fine) as desk:
        tom = await desk.member()
        group = await tom.group()
        await quiet(desk)
        failing.told.clear()
        fine.told.clear()
        failing.failures = 2
        async with tom.line() as line:
            await line.says(group, "Hello")
        await quiet(desk)
        assert (len(failing.told), len(fine.told)) == (1, 1)
        await desk.advance(1.5)
        assert len(failing.told) == 1, "not at once"
        await desk.advance(1)
        assert len(failing.told) == 2
        await desk.advance(2.5)
        assert len(failing.told) == 2, "and each time a little later"
        await desk.advance(2)
        assert len(failing.told) == 3
        assert (await rows(desk))[-1] == ("done", 3)
        await desk.advance(3600)
        assert len(failing.told) == 3


async def test_an_observer_that_always_fails_is_given_up_and_what_it_missed_is_kept(sqlite_url: str) -> None:
    plugin = Watching()
    async with watched(sqlite_url, plugin) as desk:
        tom = await desk.member()
        group = await tom.group()
        await quiet(desk)
        plugin.told.clear()
        plugin.failures = 1000
        async with tom.line() as line:
            said = await line.says(group, "Hello")
        for _ in range(6):
            await desk.advance(400)
        assert len(plugin.told) == 3, "three attempts"
        assert (await rows(desk))[-1] == ("dead", 3)
        dead = await outbox.dead(desk.application.ports.db, desk.tenant, "observe")
        assert dead[0]["payload"].count(said["id"]) == 1 and "RuntimeError" in dead[0]["last_error"]
        plugin.failures = 0
        now = await desk.application.ports.journal.now_us()
        assert await outbox.replay(desk.application.ports.db, desk.tenant, dead[0]["id"], now)
        await quiet(desk)
        assert (await rows(desk))[-1][0] == "done", "somebody who looks can try again"


async def test_what_is_in_line_behind_slow_plugins_is_not_begun_by_another_instance(sqlite_url: str) -> None:
    plugin = Watching()
    async with watched(sqlite_url, plugin) as desk:
        tom = await desk.member()
        group = await tom.group()
        await quiet(desk)
        plugin.told.clear()
        desk.application.jobs.observe_soon = lambda: None  # type: ignore[method-assign]
        ports, stolen = desk.application.ports, 0
        async with tom.line() as line:
            for number in range(6):
                await line.says(group, f"{number}")
        await desk.until(lambda: not ports.tasks._running)
        plugin.told.clear()
        await ports.db.execute("UPDATE outbox SET status = 'pending', attempts = 0 WHERE queue = 'observe'")

        async def slowly() -> None:
            nonlocal stolen
            desk.clock.advance(12)  # of a lease of 30
            now = await ports.journal.now_us()
            stolen += len(await outbox.claim(ports.db, "observe", now, 30_000_000, 100))

        plugin.before = slowly
        await observing.work_off(ports)
        assert stolen == 0
        assert {attempts for _, attempts in await rows(desk)} == {1}


async def test_what_is_finished_is_forgotten_after_a_day(sqlite_url: str) -> None:
    plugin = Watching()
    async with watched(sqlite_url, plugin) as desk:
        tom = await desk.member()
        await tom.group()
        await quiet(desk)
        assert await rows(desk)
        await desk.application.jobs.tidy()
        assert await rows(desk), "not yet"
        desk.clock.advance(25 * 3600)
        await desk.application.jobs.tidy()
        assert await rows(desk) == []
