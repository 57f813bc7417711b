"""Every hook has an entry in the manual with the same arguments, and a test named after it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from deskbell import hookspecs

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "docs" / "reference" / "hooks.md"
ENTRY = re.compile(r"^## (\w+)\((.*)\)$", re.MULTILINE)
# The attribute by which pluggy knows a hook; asked of the program, so a new hook is found by itself.
HOOKS = {
    name: list(inspect.signature(spec).parameters)
    for name, spec in vars(hookspecs).items()
    if hasattr(spec, "deskbell_spec")
}


def test_there_are_hooks() -> None:
    assert len(HOOKS) >= 7


def test_the_manual_lists_the_hooks_that_exist_and_no_other() -> None:
    assert sorted(name for name, _ in ENTRY.findall(MANUAL.read_text())) == sorted(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_the_manual_gives_the_arguments_of_a_hook(name: str) -> None:
    entries = dict(ENTRY.findall(MANUAL.read_text()))

    assert entries.get(name, "").split(", ") == HOOKS[name]


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_says_since_when_it_exists(name: str) -> None:
    entry = MANUAL.read_text().partition(f"## {name}(")[2].partition("\n## ")[0]

    assert re.search(r"^Since \d+\.\d+\.", entry, re.MULTILINE)
    assert re.search(r"Since \d+\.\d+\.", inspect.getdoc(getattr(hookspecs, name)) or "")


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_has_a_test_named_after_it(name: str) -> None:
    named = re.compile(rf"^(?:async )?def test_\w*{name}\w*\(", re.MULTILINE)
    tests = [path for path in ROOT.glob("tests/*/test_*.py") if path != Path(__file__)]

    assert any(named.search(path.read_text()) for path in tests)


@pytest.mark.parametrize("name", [name for name in HOOKS if name.startswith("register_")])
def test_the_example_a_hook_names_is_there_and_implements_it(name: str) -> None:
    example = re.search(r"Example: ``([\w/.]+)``", inspect.getdoc(getattr(hookspecs, name)) or "")

    assert example is not None
    assert f"def {name}(" in (ROOT / example[1]).read_text()
