"""The printed texts about settings say what the code says, and forget nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from deskbell.config import Settings, TenantSeed, load
from deskbell.manual import settings as settings_manual
from deskbell.settings.declared import joined, settings_of, struct_in, value_of

ROOT = Path(__file__).parents[2]


def test_the_default_file_says_what_holds_without_it() -> None:
    """Nobody gets another system by deleting it, and each key in it is known."""
    assert load(ROOT / "config.yaml", {}).settings == Settings()


def _declared(struct: type[msgspec.Struct], data: Any, under: str = "") -> list[str]:
    """Each declared setting that ``data``, as any YAML reader sees it, does not hold."""
    missing = []
    for name, setting in settings_of(struct).items():
        if name not in data:
            missing.append(joined(under, name))
        elif (inner := struct_in(setting.type)) is not None:
            value = data[name]
            nested = value if isinstance(value, list) else list(value.values()) if value_of(setting.type) else [value]
            assert nested or setting.examples, f"{joined(under, name)} shows no entry"
            missing += [path for item in nested for path in _declared(inner, item, joined(under, name))]
    return missing


def test_the_default_file_holds_every_setting() -> None:
    data = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    assert _declared(Settings, data) == []
    del data["tenants"][0]["sites"][0]["bot"], data["server"]
    assert _declared(Settings, data) == ["server", "tenants.sites.bot"]


def test_every_setting_is_in_the_manual() -> None:
    manual = (ROOT / settings_manual.MANUAL).read_text(encoding="utf-8")
    for path in ("environment", "channels", "server.port", "tenants[].users[].password", "plugins.<name>.enabled"):
        assert f"\n| `{path}` | " in manual
    rows = [line for line in manual.splitlines() if line.startswith("| `")]
    assert len(rows) == _count(Settings)


def _count(struct: type[msgspec.Struct]) -> int:
    """Leaves of the tree of settings; below the top, a list or mapping is a setting itself."""
    count = 0
    for setting in settings_of(struct).values():
        inner = struct_in(setting.type)
        count += (inner is None or struct is not Settings) + (_count(inner) if inner else 0)
    return count


@pytest.mark.parametrize("struct", [Settings, TenantSeed], ids=lambda struct: str(struct.__name__))
def test_every_setting_has_an_explanation(struct: type[msgspec.Struct]) -> None:
    def silent(struct: type[msgspec.Struct]) -> list[str]:
        found = []
        for name, setting in settings_of(struct).items():
            inner = struct_in(setting.type)
            if not setting.description and not (inner and inner.__doc__):
                found.append(f"{struct.__name__}.{name}")
            found += silent(inner) if inner else []
        return found

    assert silent(struct) == []
