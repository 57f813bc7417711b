"""The search index follows the texts, in the same commit; what was said before it is indexed piece by piece."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from deskbell.actions import editing, pins, reactions, search
from deskbell.actions.access import Need, place_of, reach
from deskbell.errors import NotFound
from deskbell.ids import RoomId, TenantId, new_id
from deskbell.model.records import Actor
from deskbell.store import migrations, rooms, search_index
from deskbell.store.database import Database, StoreMisuse
from deskbell.store.migrate import known, migrate
from deskbell.store.search import NOTHING, forgives_typos
from deskbell.testing.office import Office


async def found(office: Office, actor: Actor, text: str) -> list[str]:
    """What a search finds."""
    office.clock.advance(1)
    return [one.message.content for one in (await search.find(office.ports, actor, text)).found]


async def indexed(db: Database, word: str) -> int:
    """How often the index knows a word, whoever might read it."""
    if db.dialect == "sqlite":
        return int(await db.fetchval("SELECT count(*) FROM message_words_known WHERE term = $1 AND col = 'said'", word))
    return int(
        await db.fetchval("SELECT count(*) FROM message_words WHERE words @@ ('''' || $1 || '''')::tsquery", word)
    )


async def test_the_index_says_what_the_text_says_at_every_commit(office: Office) -> None:
    ana = await office.person("Ana")
    room = await office.room(ana)
    posted = await office.desk.sends(ana, room, "first marimba")
    assert await found(office, ana, "marimba") == ["first marimba"]
    await editing.edit(office.ports, ana, posted.message.id, "second balafon")
    assert (await found(office, ana, "marimba"), await indexed(office.db, "marimba")) == ([], 0)
    assert await found(office, ana, "balafon") == ["second balafon"]
    await editing.delete(office.ports, ana, posted.message.id)
    assert (await found(office, ana, "balafon"), await indexed(office.db, "balafon")) == ([], 0)


async def test_what_is_rolled_back_was_never_indexed(office: Office) -> None:
    ana = await office.person("Ana")
    room = await office.room(ana)
    with pytest.raises(RuntimeError):
        async with office.desk.journal.change(ana.tenant, room) as change:
            await change.post(room, ana.public(), "unsaid ocarina", kind="text")
            raise RuntimeError
    assert await indexed(office.db, "ocarina") == 0


async def test_only_a_change_of_text_touches_the_index(office: Office) -> None:
    ana = await office.person("Ana")
    room = await office.room(ana)
    posted = await office.desk.sends(ana, room, "stable sousaphone")
    version = (
        "SELECT xmin::text FROM message_words WHERE message_id = $1"
        if office.db.dialect == "postgresql"
        else "SELECT group_concat(rowid || ':' || length(block)) FROM message_words_data WHERE $1 <> ''"
    )
    before = await office.db.fetchval(version, posted.message.id)
    await pins.pin(office.ports, ana, posted.message.id, on=True)
    await reactions.react(office.ports, ana, posted.message.id, "👍", on=True)
    assert await office.db.fetchval(version, posted.message.id) == before


async def test_signs_of_scripts_without_spaces_are_taken_out_of_the_index_too(office: Office) -> None:
    ana = await office.person("Ana")
    room = await office.room(ana)
    posted = await office.desk.sends(ana, room, "昨日 三味線 shamisen")
    assert await found(office, ana, "味線") == ["昨日 三味線 shamisen"]
    await editing.edit(office.ports, ana, posted.message.id, "今日 koto")
    assert await found(office, ana, "味線") == []
    assert await found(office, ana, "今日") == ["今日 koto"]


async def test_reach_says_of_every_room_what_the_door_says(office: Office) -> None:
    """One rule, asked in two ways: room by room, and once for all."""
    ana, tom, una = await office.agent("Ana"), await office.person("Tom"), await office.person("Una", kind="visitor")
    made: list[RoomId] = []
    for channel_type in ("group", "support"):
        for backstage in (False, True):
            for state in (None, "joined", "left", "banned"):
                room = RoomId(new_id())
                await office.db.execute(
                    "INSERT INTO rooms (tenant_id, id, channel_type, backstage_of, seq, created_at, changed_at,"
                    " active_at) VALUES ($1, $2, $3, $4, 1, 0, 0, 0)",
                    office.tenant,
                    room,
                    channel_type,
                    new_id() if backstage else None,
                )
                for who in (ana, tom, una) if state is not None else ():
                    await office.db.execute(
                        "INSERT INTO participants (tenant_id, room_id, user_id, role, state, joined_at, changed_seq,"
                        " visible_from) VALUES ($1, $2, $3, 'member', $4, 0, 1, 7)",
                        office.tenant,
                        room,
                        who.id,
                        state,
                    )
                made.append(room)
    for actor in (ana, tom, una):
        async with office.db.snapshot() as at:
            whole = await reach(office.ports, at, actor)
        for room_id in made:
            stored = await rooms.get_with_member(office.db, actor.tenant, room_id, actor.id)
            assert stored is not None
            try:
                place = place_of(office.ports, actor, *stored)
                bound = place.visible_from
                assert place.allows(Need.READ)
            except NotFound:
                bound = NOTHING
            kinds = whole.types if stored[0].backstage_of is None else whole.backstage_types
            wide = 0 if stored[0].channel_type in kinds else NOTHING
            assert whole.rooms.get(room_id, wide) == bound, (actor.name, stored)


async def _before_the_index(url: str, folder: Path) -> tuple[TenantId, str]:
    """A desk as the version before left it, with something said in it."""
    await asyncio.to_thread(folder.mkdir)
    for migration in known():
        if migration.name.endswith("_search"):
            break
        source = Path(migrations.__file__).parent / f"{migration.name}.sql"
        await asyncio.to_thread(shutil.copy, source, folder)
    await migrate(url, folder=folder)
    db = await Database.open(url)
    tenant, room, user = TenantId(new_id()), new_id(), new_id()
    await db.execute("INSERT INTO tenants (id, slug, name, created_at) VALUES ($1, 'default', 'Old', 0)", tenant)
    await db.execute(
        "INSERT INTO users (tenant_id, id, kind, name, email, created_at, changed_at)"
        " VALUES ($1, $2, 'member', 'Old', 'old@example.org', 0, 0)",
        tenant,
        user,
    )
    await db.execute(
        "INSERT INTO rooms (tenant_id, id, channel_type, seq, created_at, changed_at, active_at)"
        " VALUES ($1, $2, 'group', 90, 0, 0, 0)",
        tenant,
        room,
    )
    await db.execute(
        "INSERT INTO participants (tenant_id, room_id, user_id, role, state, joined_at, changed_seq)"
        " VALUES ($1, $2, $3, 'owner', 'joined', 0, 1)",
        tenant,
        room,
        user,
    )
    for number in range(30):
        await db.execute(
            "INSERT INTO messages (tenant_id, id, room_id, seq, changed_seq, client_id, request_hash, sender_id, kind,"
            " content, created_at) VALUES ($1, $2, $3, $4, $4, $5, $6, $7, 'text', $8, $4)",
            tenant,
            new_id(),
            room,
            number + 2,
            str(number),
            b"",
            user,
            f"ancient lyre {number}",
        )
    await db.close()
    return tenant, user


async def test_what_was_said_before_there_was_an_index_is_found_after_the_upgrade(
    empty_database_url: str, tmp_path: Path
) -> None:
    tenant, user = await _before_the_index(empty_database_url, tmp_path / "before")
    assert any(name.endswith("_search") for name in await migrate(empty_database_url))
    async with Office.open(empty_database_url) as office:
        old = Actor(tenant=tenant, id=user, kind="member", name="Old")  # type: ignore[arg-type]
        if office.db.dialect == "postgresql":
            # What is said and deleted while older messages wait is as it should be.
            new = await office.desk.sends(old, *(await _room(office, tenant)), "modern lyre")
            gone = await office.db.fetchval("SELECT id FROM messages WHERE content = 'ancient lyre 3'")
            await office.db.execute("UPDATE messages SET content = '', deleted_at = 1 WHERE id = $1", gone)
            findings = await search.find(office.ports, old, "lyre")
            assert not findings.complete and [one.message.id for one in findings.found] == [new.message.id]
            rounds = 0
            while await search_index.fill(office.db, 7):
                rounds += 1
            assert rounds == 31 // 7 + 1 + 1
        else:
            assert not await search_index.fill(office.db)
        office.clock.advance(1)
        findings = await search.find(office.ports, old, "lyre", limit=100)
        assert findings.complete and len(findings.found) == 30


async def _room(office: Office, tenant: TenantId) -> list[RoomId]:
    return [await office.db.fetchval("SELECT id FROM rooms WHERE tenant_id = $1", tenant)]


async def test_a_text_deleted_while_older_ones_are_indexed_does_not_come_back(postgres_url: str) -> None:
    """The indexing waits for who is changing a message, and reads it as it is then."""
    async with Office.open(postgres_url) as office:
        ana = await office.person("Ana")
        room = await office.room(ana)
        said = (await office.desk.sends(ana, room, "fleeting kazoo")).message.id
        await office.db.execute("DELETE FROM message_words WHERE tenant_id = $1", ana.tenant)
        await office.db.execute(
            "INSERT INTO search_backfill (tenant_id, below) VALUES ($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff')",
            ana.tenant,
        )
        async with office.db.transaction() as tx:
            await tx.execute("UPDATE messages SET content = '', deleted_at = 1 WHERE id = $1", said)
            other = await Database.open(postgres_url, lock_timeout_ms=20_000)
            filling = asyncio.create_task(_outside(search_index.fill(other)))
            waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            async with asyncio.timeout(20):
                while not await tx.fetchval(waits):
                    await asyncio.sleep(0.01)
        assert await filling
        await other.close()
        assert await indexed(office.db, "kazoo") == 0


async def _outside(work: object) -> bool:
    return bool(await work)  # type: ignore[misc]


async def test_a_tenants_language_finds_other_forms_of_a_word_and_marks_them(postgres_url: str) -> None:
    async with Office.open(postgres_url) as office:
        ana = await office.person("Ana")
        room = await office.room(ana)
        await office.desk.sends(ana, room, "The routers were running")
        assert await found(office, ana, "router run ") == []
        assert await search_index.speak(office.db, ana.tenant, "english")
        while await search_index.fill(office.db):
            pass
        await office.desk.sends(ana, room, "A router runs")
        assert sorted(await found(office, ana, "routers run ")) == ["A router runs", "The routers were running"]
        office.clock.advance(1)
        cuts = [one.snippet for one in (await search.find(office.ports, ana, "routers run ")).found]
        assert sorted(cut.text[start : start + length] for cut in cuts for start, length in cut.marks) == [
            "router", "routers", "running", "runs",
        ]  # fmt: skip
        assert await found(office, ana, "the ") == [], "words without weight find nothing"
        assert len(await found(office, ana, "runn")) == 2, "a word being typed is reduced as well"
        with pytest.raises(StoreMisuse):
            await search_index.speak(office.db, ana.tenant, "klingon")


async def test_without_the_extension_typing_errors_are_not_forgiven_and_all_else_is_found(postgres_url: str) -> None:
    async with Office.open(postgres_url) as office:
        ana = await office.person("Ana")
        room = await office.room(ana)
        await office.desk.sends(ana, room, "solitary harpsichord")
        assert await found(office, ana, "harpsicord ") == ["solitary harpsichord"]
        await office.db.execute("DROP INDEX message_words_typos")
        assert not await forgives_typos(office.db)
        assert await found(office, ana, "harpsicord ") == []
        assert await found(office, ana, "harpsichord") == ["solitary harpsichord"]
