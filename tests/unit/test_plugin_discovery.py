"""Plugins are found in a folder as well, each on its own; they say what they need, and differ by tenant."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deskbell.contracts import PluginContext
from deskbell.hookspecs import hookimpl
from deskbell.ids import TenantId
from deskbell.plugins import API_VERSION, PluginHost, UnknownTenant
from deskbell.plugins.cron import Cron
from deskbell.plugins.versions import fits

LOUNGE = """
from deskbell import ChannelType, hookimpl

@hookimpl
def register_channel_types():
    return [ChannelType(name="lounge", title="Lounge")]
"""


@dataclass(frozen=True)
class Switch:
    enabled: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    tenants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


Put = Callable[[str, str], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "plugins.d"


@pytest.fixture
def put(folder: Path) -> Put:
    """Write a file of the plugins folder."""

    def write(name: str, text: str) -> None:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return write


def loaded(folder: Path, *enabled: str, **more: Any) -> PluginHost:
    switches = {name: Switch() for name in enabled}
    return PluginHost.load({**switches, **more}, {}, moderation_timeout_s=1, folder=folder)


def entries(host: PluginHost, name: str) -> list[dict[str, Any]]:
    return [described for described in host.describe() if described["name"] == name]


def test_files_and_folders_of_the_folder_are_plugins(folder: Path, put: Put) -> None:
    put("lounge.py", LOUNGE)
    put("garden/__init__.py", "from .rooms import register_channel_types")
    put("garden/rooms.py", LOUNGE.replace("lounge", "garden"))
    put("attic/plugin.py", LOUNGE.replace("lounge", "attic"))
    put("attic/plugin.toml", 'id = "loft"\nversion = "3.1"\nrequires_api = ">=1,<2"\n')
    put("_draft.py", "raise RuntimeError")
    put(".hidden/plugin.py", "raise RuntimeError")
    put("notes.txt", "nothing")

    host = loaded(folder, "lounge", "garden", "loft")

    assert {"lounge", "garden", "attic"} <= host.channels.keys()
    (loft,) = entries(host, "loft")
    assert (loft["version"], loft["requires_api"], loft["source"]) == ("3.1", ">=1,<2", str(folder / "attic"))
    assert not [found for found in host.describe() if "draft" in found["name"] or "hidden" in found["name"]]


def test_what_nobody_named_is_not_even_imported(folder: Path, put: Put) -> None:
    put("lounge.py", "raise RuntimeError('imported')")

    (lounge,) = entries(loaded(folder), "lounge")

    assert (lounge["state"], lounge["reason"]) == ("disabled", "config.yaml does not name it")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"broken.py": "import no_such_package_anywhere"}, "no_such_package_anywhere"),
        ({"broken.py": "def ("}, "SyntaxError"),
        ({"broken/plugin.toml": "id = ["}, "plugin.toml cannot be read"),
        ({"broken/plugin.toml": 'id = "broken"\ncolour = "red"', "broken/plugin.py": LOUNGE}, "colour"),
        ({"broken/readme.md": "hello"}, "neither an __init__.py nor a plugin.py"),
        (
            {"broken/plugin.toml": 'requires_api = ">=2"', "broken/plugin.py": "raise RuntimeError"},
            "needs the plugin API",
        ),
    ],
)
def test_a_broken_one_is_refused_and_hides_no_other(folder: Path, put: Put, files: Any, said: str) -> None:
    for name, text in files.items():
        put(name, text)
    put("lounge.py", LOUNGE)

    host = loaded(folder, "broken", "lounge")

    (broken,) = entries(host, "broken")
    assert broken["state"] == "refused" and said in broken["reason"]
    assert "lounge" in host.channels
    assert not [name for name in sys.modules if name.startswith("deskbell_folder_plugin_broken")]


def test_a_name_that_is_no_name_is_refused(folder: Path, put: Put) -> None:
    put("Big Lounge.py", LOUNGE)

    (found,) = entries(loaded(folder, "Big Lounge"), "Big Lounge")

    assert found["state"] == "refused" and "lower case" in found["reason"]


def test_of_two_with_one_name_the_second_is_refused_and_both_places_are_named(folder: Path, put: Put) -> None:
    put("a/plugin.py", LOUNGE)
    put("a/plugin.toml", 'id = "lounge"')
    put("lounge.py", LOUNGE.replace('"lounge"', '"bar"'))

    first, second = entries(loaded(folder, "lounge"), "lounge")

    assert (first["state"], second["state"]) == ("active", "refused")
    assert str(folder / "a") in second["reason"] and str(folder / "lounge.py") in second["reason"]


def test_two_desks_with_a_plugin_of_one_name_each_have_their_own(tmp_path: Path) -> None:
    """Each file is a module of its own, so none is taken for the other."""
    hosts = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lounge.py").write_text(LOUNGE.replace('"lounge"', f'"{name}"'))
        hosts.append(loaded(tmp_path / name, "lounge"))
    assert "one" in hosts[0].channels and "two" not in hosts[0].channels
    assert "two" in hosts[1].channels and "one" not in hosts[1].channels


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert loaded(tmp_path / "nowhere").channels


# Versions.


@pytest.mark.parametrize(
    ("requires", "version", "fitting"),
    [
        ("", "1.0", True),
        (">=1,<2", "1.0", True),
        (">=1,<2", "1.7", True),
        (">=1,<2", "2.0", False),
        (">= 1.2 , != 1.5", "1.5", False),
        ("==1", "1.0", True),
        (">1.9", "1.10", True),
        ("<=1.4", "1.5", False),
    ],
)
def test_a_range_of_versions_holds_what_it_says(requires: str, version: str, fitting: bool) -> None:
    assert fits(requires, version) is fitting


@pytest.mark.parametrize("requires", ["1", "~=1", ">=one", ">=1,", "latest"])
def test_what_is_no_range_of_versions_is_refused(requires: str) -> None:
    with pytest.raises(ValueError, match=r"write it like '>=1,<2'"):
        fits(requires)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('requires_api = ">=9"', f"needs the plugin API >=9, and this Deskbell has {API_VERSION}"),
        ('requires_api = "new"', "is no range of versions"),
        ("requires_api = 1", "is 1, not a string"),
    ],
)
def test_a_plugin_made_for_another_api_is_refused_with_a_sentence(folder: Path, put: Put, line: str, said: str) -> None:
    put("lounge.py", f"{line}\n{LOUNGE}")

    (lounge,) = entries(loaded(folder, "lounge"), "lounge")

    assert lounge["state"] == "refused" and said in lounge["reason"]


# Order.


async def test_observers_are_told_in_the_order_of_their_plugins(folder: Path, put: Put) -> None:
    """By the module's ``order``, then by name."""
    for name, order in (("a", 200), ("b", 100), ("c", 50), ("d", 100)):
        put(
            f"{name}.py",
            f"from deskbell import hookimpl\norder = {order}\n"
            f"@hookimpl\ndef on_case(case):\n    case.append({name!r})\n",
        )
    host = loaded(folder, "a", "b", "c", "d")
    told: list[str] = []

    await host.observe("case", tenant=TenantId("t"), room=None, what="opened", case=told)

    assert told == ["c", "b", "d", "a"]
    assert entries(host, "a")[0]["order"] == 200


# Settings of a tenant.


class Sizes(msgspec.Struct, forbid_unknown_fields=True):
    size: int = 3
    colour: str = "red"


class Sized:
    Settings = Sizes

    def __init__(self) -> None:
        self.told: list[Any] = []

    @hookimpl
    def register_bots(self, context: PluginContext) -> Sequence[Any]:
        self.context = context
        return []

    @hookimpl
    def on_case(self, settings: Sizes) -> None:
        self.told.append(settings)


class Backing:
    desk: Any = None

    async def enqueue(self, *arguments: Any, **named: Any) -> bool:
        return True


ACME, OTHER = TenantId("tenant-acme"), TenantId("tenant-other")


def sized(switch: Switch) -> tuple[Sized, PluginHost]:
    plugin = Sized()
    return plugin, PluginHost.load({"sized": switch}, {}, moderation_timeout_s=1, extra={"sized": plugin})


async def test_a_tenant_may_have_settings_of_its_own() -> None:
    """Laid over the others key by key, checked like them, and given to what acts for the tenant."""
    plugin, host = sized(Switch(settings={"colour": "blue"}, tenants={"acme": {"size": 9}}))
    host.open(Backing(), {"acme": ACME, "other": OTHER})
    try:
        for tenant in (ACME, OTHER):
            await host.observe("case", tenant=tenant, room=None, what="opened", case=None)
        assert plugin.told == [Sizes(9, "blue"), Sizes(3, "blue")]
        assert plugin.context.settings == plugin.context.settings_for(OTHER) == Sizes(3, "blue")
        assert plugin.context.settings_for(ACME) == Sizes(9, "blue")
    finally:
        await host.close()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": "big"}, "plugins.sized.tenants.acme.size: expected `int`"),
        ({"siez": 4}, "plugins.sized.tenants.acme.siez: unknown; did you mean size?"),
    ],
)
def test_wrong_settings_of_a_tenant_refuse_the_plugin_and_are_named(changes: Any, said: str) -> None:
    _, host = sized(Switch(tenants={"acme": changes}))

    (described,) = entries(host, "sized")
    assert described["state"] == "refused" and said in described["reason"]


async def test_settings_for_a_tenant_that_does_not_exist_stop_the_start() -> None:
    _, host = sized(Switch(tenants={"acne": {"size": 9}}))

    with pytest.raises(UnknownTenant, match=r"plugins.sized.tenants.acne: there is no such tenant. There are: acme"):
        host.open(Backing(), {"acme": ACME})
    await host.close()


# Times by the minute.


@pytest.mark.parametrize(
    ("cron", "at", "meant"),
    [
        ("* * * * *", "2026-03-04T05:06", True),
        ("30 3 * * *", "2026-03-04T03:30", True),
        ("30 3 * * *", "2026-03-04T03:31", False),
        ("*/15 * * * *", "2026-03-04T03:45", True),
        ("10/20 * * * *", "2026-03-04T03:50", True),
        ("0 9-17/4 * * 1-5", "2026-03-04T13:00", True),  # a Wednesday
        ("0 0 * * 7", "2026-03-01T00:00", True),  # a Sunday
        ("0 0 1,15 * *", "2026-03-15T00:00", True),
        ("0 0 1 * 3", "2026-03-04T00:00", True),  # either kind of day
        ("0 0 1 * 3", "2026-03-05T00:00", False),
        ("0 0 1 2 *", "2026-03-01T00:00", False),
    ],
)
def test_times_by_the_minute(cron: str, at: str, meant: bool) -> None:
    from datetime import datetime

    assert Cron.parse(cron).matches(datetime.fromisoformat(at)) is meant


@pytest.mark.parametrize("cron", ["", "* * * *", "60 * * * *", "* * 0 * *", "5-1 * * * *", "*/0 * * * *", "a * * * *"])
def test_what_is_no_time_is_refused(cron: str) -> None:
    with pytest.raises(ValueError):
        Cron.parse(cron)
