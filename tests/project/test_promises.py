"""Every promise has its tests, and every test that is named exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "promises.md"
PROMISES = set(range(1, 18))


def rows() -> dict[int, str]:
    found: dict[int, str] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and cells[0].isdigit():
            assert int(cells[0]) not in found, f"promise {cells[0]} stands twice"
            found[int(cells[0])] = "|".join(cells[2:])
    return found


def named(cell: str) -> list[tuple[str, str]]:
    """The ``(file, test)`` pairs a cell names: a file, a colon, its tests, until the next file."""
    pairs: list[tuple[str, str]] = []
    file = ""
    for token in re.findall(r"`([^`]+)`", cell):
        if token.endswith(".py"):
            file = token
        elif token.startswith(("test_", "Test")):
            pairs.append((file, token))
    return pairs


def test_no_promise_is_without_tests() -> None:
    """A promise is on the page when its tests are; the page lists them all."""
    assert rows().keys() == PROMISES


@pytest.mark.parametrize("number", sorted(PROMISES))
def test_the_tests_of_a_promise_exist(number: int) -> None:
    pairs = named(rows().get(number, ""))
    assert pairs, f"promise {number} names no test"
    missing = [
        f"{file}: {test}"
        for file, test in pairs
        if not (ROOT / file).is_file()
        or not re.search(rf"(def|class) {re.escape(test)}\b", (ROOT / file).read_text(encoding="utf-8"))
    ]
    assert missing == []
