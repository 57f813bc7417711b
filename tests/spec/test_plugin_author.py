"""The way of somebody who writes a plugin: begin one, test it, check it, switch it on."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from deskbell import hookspecs
from deskbell.cli import main
from deskbell.plugin_template import KINDS

PATIENCE_S = 120


def new(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plugin", "new", *arguments])


def run(folder: Path, *command: str, path: str = "") -> str:
    """A command in a folder; what it printed."""
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plugin of each kind, fresh from the command."""
    into = tmp_path_factory.mktemp("plugins")
    for kind in KINDS:
        done = new(f"acme_{kind}", "--kind", kind, "--into", str(into))
        assert done.exit_code == 0, done.output
    return into


def test_a_plugin_of_each_kind_passes_its_own_tests_as_it_is_written(written: Path) -> None:
    """Its tests put it into a whole desk, and hold it to what every plugin owes."""
    places = [written / f"acme_{kind}" for kind in KINDS]
    tests = [f"acme_{kind}/tests" for kind in KINDS]
    said = run(
        written,
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *("-c", "acme_channel/pyproject.toml", "--rootdir", ".", *tests),
        path=os.pathsep.join(map(str, places)),
    )

    assert re.search(r"^\d+ passed in", said, re.MULTILINE), said


def test_what_is_written_is_tidy(written: Path) -> None:
    rules = "E,F,W,B,UP,ASYNC,RUF100"
    run(written, sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "120", "--select", rules, ".")
    run(written, sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "120", "--check", ".")


async def test_deskbell_serves_with_each_of_them_switched_on(written: Path, empty_sqlite_url: str) -> None:
    """By the configuration that was written, as installed packages would be."""
    from deskbell.config import load
    from deskbell.testing.desk import Desk, settings_for

    switches, plugins = {}, {}
    for kind in KINDS:
        folder = written / f"acme_{kind}"
        assert load(folder / "config.yaml", {}).settings.plugins[f"acme_{kind}"].enabled
        switches |= yaml.safe_load((folder / "config.yaml").read_text("utf-8"))["plugins"]
        plugins[f"acme_{kind}"] = _imported(folder, f"acme_{kind}")

    settings = settings_for(empty_sqlite_url, plugins=switches, site_bot="acme_bot")
    async with Desk.open(empty_sqlite_url, settings=settings, plugins=plugins) as desk:
        states = {item["name"]: item["state"] for item in desk.application.ports.plugins.describe()}
        assert {states[f"acme_{kind}"] for kind in KINDS} == {"active"}
        vera = await desk.visitor("Vera")
        async with vera.line() as line, asyncio.timeout(PATIENCE_S):
            room = await vera.conversation()
            await line.subscribe(room)
            await line.says(room, "open?")
            await line.hears(room, "We are open from Monday to Friday, 9:00 to 17:30.")


def _imported(folder: Path, name: str) -> object:
    from importlib import util

    spec = util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_says_what_to_do_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    done = new("parcel-tracker")

    assert "parcel-tracker is a kind of room. It works already:" in done.output
    for command in ("cd parcel-tracker", "pip install -e '.[test]'", "pytest", "deskbell plugin check ."):
        assert f"  {command}" in done.output
    assert (tmp_path / "parcel-tracker" / "parcel_tracker.py").is_file()
    assert sorted(path.name for path in (tmp_path / "parcel-tracker").iterdir()) == [
        *(".gitignore", "README.md", "config.yaml", "parcel_tracker.py", "pyproject.toml", "tests")
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Acme", "lower case letters"),
        ("2fast", "lower case letters"),
        ("a b", "lower case letters"),
        ("../up", "lower case letters"),
        ("x" * 51, "at most 50"),
        ("class", "Python's own. A prefix makes it yours: acme_class"),
        ("json", "Python's own"),
        ("deskbell_rooms", "a part of something else"),
        ("channels", "a plugin of this name is installed already"),
        ("yaml", "a Python module of this name is installed already"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_a_sentence(name: str, said: str, tmp_path: Path) -> None:
    done = new(name, "--into", str(tmp_path))

    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "acme_rooms").mkdir()

    done = new("acme_rooms", "--into", str(tmp_path))

    assert done.exit_code == 2
    assert "acme_rooms is there already. Choose another name, or remove it." in done.output
    assert list((tmp_path / "acme_rooms").iterdir()) == []


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    done = new("acme_rooms", "--into", str(tmp_path / "file"))

    assert done.exit_code == 2
    assert "is a file" in done.output or "cannot be written" in done.output


def test_each_kind_of_plugin_can_be_begun_by_the_command() -> None:
    """A hook without a kind here would be one that nobody is helped with."""
    from deskbell.plugin_template import _HERE

    hooks = {
        path.parent.name: re.findall(r"def ((?:register|on)_\w+)", path.read_text())
        for path in _HERE.glob("*/module.py.tmpl")
    }
    assert set(hooks) == set(KINDS)
    offering = [hook for found in hooks.values() for hook in found if hook.startswith("register_")]
    assert sorted(offering) == sorted(hook for hook in vars(hookspecs) if hook.startswith("register_"))
