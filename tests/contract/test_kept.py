"""What plugins keep in the store: theirs alone, each tenant's apart, and in order of their names."""

from __future__ import annotations

from typing import Any

import pytest

from deskbell.actions.kept import VALUE_BYTES, KeptValues
from deskbell.errors import Invalid, Unavailable
from deskbell.ids import TenantId, new_id
from deskbell.testing.office import Office


async def test_a_value_is_kept_for_its_plugin_and_tenant_alone(database_url: str) -> None:
    async with Office.open(database_url) as office:
        mine, theirs = KeptValues(office.ports, "parcels"), KeptValues(office.ports, "letters")
        here, there = office.tenant, TenantId(new_id())
        await mine.put(here, "cursor", {"at": 7})
        await mine.put(here, "cursor", {"at": 8})

        assert await mine.get(here, "cursor") == {"at": 8}
        assert (await theirs.get(here, "cursor"), await mine.get(there, "cursor")) == (None, None)
        assert await theirs.drop(here, "cursor") is False
        assert await mine.drop(here, "cursor") is True
        assert await mine.get(here, "cursor") is None


async def test_names_are_listed_newest_first_page_by_page_and_dropped_by_their_beginning(database_url: str) -> None:
    async with Office.open(database_url) as office:
        kept = KeptValues(office.ports, "parcels")
        names = ["log/A", "log/a", "log/b", "log/é", "log/🙂"]
        for name in ["lo", *names, "loh"]:
            await kept.put(office.tenant, name, name)

        first = await kept.list(office.tenant, "log/", limit=2)
        rest = await kept.list(office.tenant, "log/", before=first[-1][0])
        assert [name for name, _ in [*first, *rest]] == sorted(names, key=str.encode, reverse=True)
        assert await kept.drop_all(office.tenant, "log/", below="log/b") == 2
        assert [name for name, _ in await kept.list(office.tenant, "")] == ["loh", "log/🙂", "log/é", "log/b", "lo"]
        assert await kept.drop_all(office.tenant, "log/") == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [("", 1), ("a\x00b", 1), ("x" * 201, 1), ("big", "x" * VALUE_BYTES), ("nul", "a\x00b"), ("odd", object())],
)
async def test_what_does_not_fit_is_refused(sqlite_url: str, name: str, value: Any) -> None:
    async with Office.open(sqlite_url) as office:
        with pytest.raises(Invalid):
            await KeptValues(office.ports, "parcels").put(office.tenant, name, value)


async def test_while_the_store_is_away_nothing_is_said_to_be_kept(sqlite_url: str) -> None:
    async with Office.open(sqlite_url) as office:
        kept = KeptValues(office.ports, "parcels")
        await office.db.close()
        with pytest.raises(Unavailable):
            await kept.put(office.tenant, "cursor", 1)
