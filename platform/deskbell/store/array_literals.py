"""Arrays of ids and numbers, as PostgreSQL reads them and asyncpg sends them fastest: as one text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

_ARRAY = re.compile(r"\$(\d+)::(uuid|bigint)\[\]")
_PLAIN_ITEMS = re.compile(r"[0-9a-fNUL,-]*")


@lru_cache(1024)
def _with_literals(sql: str) -> tuple[str, tuple[int, ...]]:
    """``sql`` taking its arrays of ids and numbers as text, and which arguments those are."""
    positions = tuple(sorted({int(number) - 1 for number, _ in _ARRAY.findall(sql)}))
    return (_ARRAY.sub(r"$\1::text::\2[]", sql), positions) if positions else (sql, ())


def _literal(items: object) -> str | None:
    """An array's text form; None where a value is not plainly an id or a number."""
    if not isinstance(items, list):
        return None
    try:
        text = ",".join(items)
    except TypeError:
        text = ",".join(["NULL" if item is None else str(item) for item in items])
    plain = _PLAIN_ITEMS.fullmatch(text) is not None and text.count(",") == max(len(items) - 1, 0)
    return f"{{{text}}}" if plain else None


def bound(sql: str, args: Sequence[object]) -> tuple[str, Sequence[object]]:
    """A statement and its arguments as asyncpg encodes them fastest.

    asyncpg encodes an array item by item, each through Python; a joined text costs a fraction of that
    and PostgreSQL reads it as fast. Whatever does not look like an id or a number stays as it was,
    and is refused by asyncpg.
    """
    text, positions = _with_literals(sql)
    if not positions:
        return sql, args
    values = list(args)
    for position in positions:
        literal = _literal(values[position]) if position < len(values) else None
        if literal is None:
            return sql, args
        values[position] = literal
    return text, values
