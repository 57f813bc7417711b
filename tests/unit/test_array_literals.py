"""Arrays of ids and numbers travel to PostgreSQL as text; nothing else does."""

from __future__ import annotations

import pytest

from deskbell.store.array_literals import bound

ID = "0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000"
SQL = "SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS k(a, b, c)"


def test_ids_and_numbers_are_joined() -> None:
    """Each value keeps its place, and a missing one is NULL."""
    text, values = bound(SQL, [[ID, None], [1, -2], ["x", 'a "quoted", one']])
    assert text == "SELECT * FROM unnest($1::text::uuid[], $2::text::bigint[], $3::text[]) AS k(a, b, c)"
    assert list(values) == [f"{{{ID},NULL}}", "{1,-2}", ["x", 'a "quoted", one']]


def test_an_empty_list_stays_one() -> None:
    assert list(bound("SELECT 1 WHERE id = ANY($1::uuid[])", [[]])[1]) == ["{}"]


@pytest.mark.parametrize("item", [f"{ID},{ID}", "}", '"', "\\", "x", "{1}", "1 ", "NULL,NULL"])
def test_what_is_no_id_is_never_pasted(item: str) -> None:
    """A value that could end or extend the literal goes the long way, where asyncpg refuses it."""
    args = [[item], [1], ["x"]]
    assert bound(SQL, args) == (SQL, args)


def test_statements_without_arrays_are_left_alone() -> None:
    args = [ID]
    assert bound("SELECT * FROM rooms WHERE id = $1", args) == ("SELECT * FROM rooms WHERE id = $1", args)
