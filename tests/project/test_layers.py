"""Imports go strictly downward, and what is fenced in stays behind its fence.

They are read from the import statements,
so a wrong import fails here before anybody has to find it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE_ROOTS = ("platform", "plugins", "bots")

# A module may import what stands in a lower layer, or its own package.
LAYERS: dict[str, int] = {
    "version": 0,
    "errors": 0,
    "clock": 0,
    "ids": 0,
    "settings": 0,
    "spread": 0,
    "model": 1,
    "config": 2,
    "wire": 2,
    "contracts": 2,
    "hookspecs": 3,
    "explained": 3,
    "production": 3,
    "plugins": 4,
    "plugin_template": 4,
    "store": 4,
    "volatile": 4,
    "tokens": 4,
    "tasks": 4,
    "ports": 5,
    "actions": 6,
    "hub": 6,
    "server": 7,
    "jobs": 8,
    "app": 9,
    "logs": 9,
    "workers": 9,
    "offline": 9,
    "client": 3,
    "chat": 10,
    "demo": 10,
    "testing": 11,
    "bench": 12,
    "cli_plugin": 12,
    "cli_plugins": 12,
    "cli": 13,
    "manual": 14,
    "__main__": 14,
}

# Library -> where it may be imported.
FENCES: dict[str, tuple[str, ...]] = {
    "quart": ("server", "app"),
    "quart_schema": ("server",),
    "uvicorn": ("server",),
    "tortoise": ("store",),
    "asyncpg": ("store",),
    "aiosqlite": ("store",),
    "sqlite3": ("store",),
    "redis": ("volatile",),
    "pluggy": ("hookspecs", "plugins"),
    "apscheduler": ("jobs",),
    "jwt": ("tokens",),
    "argon2": ("tokens",),
    "click": ("cli", "cli_plugin", "cli_plugins", "bench", "manual"),
}
# The load and the peers of the benchmark are programs of their own; test support drives libraries by design.
FREE = ("bench", "testing")

# Where statements of SQL may stand: in the store, and where a rule and its question to it are one thing.
SQL = ("store", "actions", "jobs")
STATEMENT = re.compile(r"\s*(SELECT\b.+\bFROM|INSERT INTO|UPDATE\b.+\bSET|DELETE FROM)\b", re.DOTALL)

FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "util", "helper"}


def modules(package: str, root: str) -> Iterator[Path]:
    yield from sorted((ROOT / root / package).rglob("*.py"))


def our_files() -> Iterator[Path]:
    """Every Python file of the source roots, but for what npm has put there."""
    for root in SOURCE_ROOTS:
        yield from (path for path in (ROOT / root).rglob("*.py") if "node_modules" not in path.parts)


def part_of(path: Path) -> str:
    relative = path.relative_to(ROOT / "platform" / "deskbell")
    return relative.parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every absolute module name a file imports, with its line; type-only imports count as well."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            assert node.module is not None
            yield node.module, node.lineno
            if node.module == "deskbell":
                for name in node.names:
                    yield f"deskbell.{name.name}", node.lineno


def test_statements_of_sql_stand_in_the_store_and_in_what_is_decided_by_them() -> None:
    """Whatever else wants to know something of the database asks one of the store's functions."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules("deskbell", "platform")
        if part_of(path) not in (*SQL, *FREE)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and STATEMENT.match(node.value)
    ]
    assert not wrong, "\n".join(wrong)


def test_every_module_has_its_layer() -> None:
    """A new module is placed before it is used."""
    parts = {part_of(path) for path in modules("deskbell", "platform")} - {"__init__"}
    assert parts <= LAYERS.keys()


def test_imports_go_strictly_downward() -> None:
    """A module imports what stands below it; of its own layer only its own package."""
    wrong = []
    for path in modules("deskbell", "platform"):
        part = part_of(path)
        if part == "__init__":
            continue
        for name, line in imports(path):
            if not name.startswith("deskbell."):
                continue
            target = name.split(".")[1]
            if target in LAYERS and target != part and LAYERS[target] >= LAYERS[part]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} {part} imports {target}")
    assert wrong == []


@pytest.mark.parametrize("library", sorted(FENCES))
def test_a_library_stays_behind_its_fence(library: str) -> None:
    """Exchanging a library means changing one place."""
    outside = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules("deskbell", "platform")
        if part_of(path) not in (*FENCES[library], *FREE)
        for name, line in imports(path)
        if name == library or name.startswith(f"{library}.")
    ]
    assert outside == []


@pytest.mark.parametrize(("root", "package"), [("plugins", "deskbell_plugins"), ("bots", "deskbell_bots")])
def test_bundled_plugins_use_the_public_door(root: str, package: str) -> None:
    """What we ship as a plugin imports ``deskbell`` itself and nothing deeper."""
    deeper = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in modules(package, root)
        for name, line in imports(path)
        if name.startswith("deskbell.") and not _is_public(name)
    ]
    assert deeper == []


def _is_public(name: str) -> bool:
    import deskbell

    return name.removeprefix("deskbell.") in deskbell.__all__


@pytest.mark.parametrize("root", SOURCE_ROOTS)
def test_source_roots_are_no_packages(root: str) -> None:
    """A package called ``platform`` would shadow the standard library's module."""
    assert not (ROOT / root / "__init__.py").exists()


def test_modules_are_named_for_what_they_do() -> None:
    named = {path.stem for path in our_files()}
    assert named & FORBIDDEN_NAMES == set()


def test_modules_say_what_they_are_for() -> None:
    """A module begins with a sentence for its reader."""
    silent = [
        str(path.relative_to(ROOT))
        for path in our_files()
        if path.name != "__init__.py" and ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]
    assert silent == []
