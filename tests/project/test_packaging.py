"""What is shared holds the pages for people, and who installs it needs no Node for them.

Small stand-ins are packed here; that the pages themselves build is seen by `tests/browser`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

import deskbell

ROOT = Path(__file__).parents[2]
PARTS = ("platform", "plugins", "bots", "docs", "pyproject.toml", "README.md", "LICENSE", ".gitignore")
MADE = ("console.html", "widget.js", "assets/chat-0.js")
LEFT = shutil.ignore_patterns("faces", "faces.new", "node_modules", "__pycache__", ".building")


def tool(checkout: Path) -> Any:
    spec = importlib.util.spec_from_file_location("faces_node", checkout / "platform" / "web" / "scripts" / "node.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of its own, in which nothing was built."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, copy / part, ignore=LEFT)
        else:
            shutil.copy(ROOT / part, copy / part)
    return copy


def pretend(checkout: Path) -> None:
    """Faces as if they had been built of what lies there."""
    node = tool(checkout)
    for name in MADE:
        (node.FACES / name).parent.mkdir(parents=True, exist_ok=True)
        (node.FACES / name).write_text("made")
    (node.FACES / node.STAMP).write_text(node._fingerprint())


def build(checkout: Path, target: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Pack it as pip does, where npm's registry does not answer."""
    unreachable = {"npm_config_registry": "http://127.0.0.1:9", "npm_config_cache": str(checkout.parent / "npm")}
    kept = {key: value for key, value in os.environ.items() if key != "DESKBELL_FACES"}
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", checkout.parent / "dist"],
        cwd=checkout, env={**kept, **unreachable, **environment},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def wheel(checkout: Path) -> set[str]:
    """The pages in the one wheel there is."""
    (file,) = (checkout.parent / "dist").glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        faces = {name for name in archive.namelist() if name.startswith("deskbell/faces/")}
    file.unlink()
    return {name.removeprefix("deskbell/faces/") for name in faces}


def test_a_wheel_holds_the_pages(checkout: Path) -> None:
    pretend(checkout)
    done = build(checkout, "wheel")
    assert done.returncode == 0, done.stderr
    assert wheel(checkout) >= set(MADE)


def test_a_wheel_of_an_sdist_has_the_pages_and_needs_no_node(checkout: Path, tmp_path: Path) -> None:
    """Also where npm's packages lie among the sources, with their links to the folders beside them."""
    packages = checkout / "platform" / "web" / "node_modules" / "@deskbell"
    packages.mkdir(parents=True)
    for name in ("client", "ui", "widget", "console"):
        (packages / name).symlink_to(f"../../{name}")
    pretend(checkout)
    packed = build(checkout, "sdist")
    assert packed.returncode == 0, packed.stderr
    (archive,) = (tmp_path / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as files:
        assert not [name for name in files.getnames() if "node_modules" in name]
        files.extractall(tmp_path / "sdist", filter="data")
    (unpacked,) = (tmp_path / "sdist").iterdir()
    shutil.move(unpacked, tmp_path / "unpacked")

    node = tool(tmp_path / "unpacked")
    assert node.is_made(), "what it was made of is not all in the sdist"
    made = build(tmp_path / "unpacked", "wheel", DESKBELL_FACES="required", PATH="")
    assert made.returncode == 0, made.stderr
    assert wheel(checkout) >= set(MADE)


def test_pages_of_other_sources_are_not_taken_for_these(checkout: Path) -> None:
    pretend(checkout)
    node = tool(checkout)
    assert node.is_made()
    with open(checkout / "platform" / "web" / "console" / "index.html", "a") as page:
        page.write("\n")
    assert not node.is_made()


def test_without_npms_registry_all_else_is_installed(checkout: Path) -> None:
    done = build(checkout, "wheel")
    assert done.returncode == 0, done.stderr
    assert "goes without its pages" in done.stderr + done.stdout
    assert wheel(checkout) == set()


@pytest.mark.parametrize(("target", "environment"), [("wheel", {"DESKBELL_FACES": "required"}), ("sdist", {})])
def test_what_must_have_pages_is_not_made_without(checkout: Path, target: str, environment: dict[str, str]) -> None:
    done = build(checkout, target, **environment)
    assert done.returncode != 0
    assert "npm ci failed" in done.stderr


def test_skipping_builds_nothing_and_packs_what_is_there(checkout: Path) -> None:
    assert build(checkout, "wheel", DESKBELL_FACES="skip", PATH="").returncode == 0
    assert wheel(checkout) == set()
    pretend(checkout)
    (checkout / "platform" / "web" / "package.json").write_text("{}")
    done = build(checkout, "wheel", DESKBELL_FACES="skip")
    assert done.returncode == 0, done.stderr
    assert wheel(checkout) >= set(MADE)


def test_a_checkout_that_may_only_be_read_is_built_in_a_copy(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tool(checkout)
    monkeypatch.setattr(node, "writable", lambda folder: folder != node.WEB)
    (node.WEB / "package.json").chmod(0o444)
    with node._workshop() as web:
        assert web != node.WEB
        assert (web / "console" / "index.html").is_file()
        (web / "package.json").write_text("of the copy")
    assert not web.exists()
    assert (node.WEB / "package.json").read_text() != "of the copy"


def test_packages_whose_installation_was_broken_off_are_installed_afresh(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies in `node_modules` counts when npm has come to its end, and as long as the lock is the same."""
    node, done = tool(checkout), []
    modules = node.WEB / "node_modules"

    def npm(_: Path, *args: str, folder: Path) -> None:
        done.append(args[1])
        modules.mkdir(exist_ok=True)
        if len(done) == 2:
            raise node.NoNode("broken off")

    monkeypatch.setattr(node, "npm", npm)
    node._install(Path("node"), node.WEB)
    node._install(Path("node"), node.WEB)
    assert done == ["--omit=dev"]
    (node.WEB / "package-lock.json").write_text("{}")
    with pytest.raises(node.NoNode):
        node._install(Path("node"), node.WEB)
    node._install(Path("node"), node.WEB)
    node._install(Path("node"), node.WEB)
    assert len(done) == 3
    # Who works on the pages keeps the tools.
    (modules / "typescript").mkdir()
    node._install(Path("node"), node.WEB)
    assert done[3:] == ["--include=dev"]


def test_pages_are_built_once_by_however_many_want_them(checkout: Path) -> None:
    """The second comes when the first has them done."""
    node = tool(checkout)
    waits = f"import runpy; runpy.run_path({str(node.WEB / 'scripts' / 'node.py')!r}, run_name='__main__')"
    with node._workshop():
        other = subprocess.Popen([sys.executable, "-c", f"import sys; sys.argv[1:] = ['build']; {waits}"])
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(1)
        pretend(checkout)
    assert other.wait(30) == 0
    assert (node.FACES / "console.html").read_text() == "made"


def test_who_builds_by_hand_is_told_that_nothing_changed_and_that_another_copy_is_served(checkout: Path) -> None:
    pretend(checkout)
    script = checkout / "platform" / "web" / "scripts" / "node.py"
    by_hand = subprocess.run([sys.executable, script, "build"], capture_output=True, text=True, timeout=60, check=True)
    assert "Nothing has changed: the pages are made of what lies here.\n" in by_hand.stdout
    installed = Path(deskbell.__file__).parent / "faces"
    assert f"The installed Deskbell serves {installed}: pip install -e . makes it these.\n" in by_hand.stdout
    assert tool(ROOT).installed_elsewhere() is None
