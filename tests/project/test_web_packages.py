"""What is installed is named by name and version, so that any registry serves, and an installation is one of a kind."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WEB = ROOT / "platform" / "web"
GROUPS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")


def lock() -> dict[str, Any]:
    """By path; ``""`` is the project itself, and a workspace has the path of its folder."""
    packages: dict[str, Any] = json.loads((WEB / "package-lock.json").read_text("utf-8"))["packages"]
    return packages


def manifests() -> dict[str, Any]:
    """By path in the lock: the project, and its workspaces."""
    project = json.loads((WEB / "package.json").read_text("utf-8"))
    return {"": project} | {
        name: json.loads((WEB / name / "package.json").read_text("utf-8")) for name in project["workspaces"]
    }


def test_packages_are_asked_of_whichever_registry_is_set() -> None:
    with_address = [
        name for name, package in lock().items() if re.search(r"[:/]", package.get("resolved", "").removeprefix("./"))
    ]
    assert with_address == []
    constraints = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert [line for line in constraints if not re.fullmatch(r"(#.*|[\w.-]+(\[[\w,-]+\])?==[\w.!+-]+)?", line)] == []


def test_what_the_lock_names_is_known_by_its_content() -> None:
    """Else who stands between here and a registry decides what is built."""
    without = [
        name
        for name, package in lock().items()
        if "node_modules/" in name
        and not package.get("link")
        and not package.get("integrity", "").startswith("sha512-")
    ]
    assert without == []


def test_the_lock_holds_what_the_manifests_ask_for() -> None:
    """`npm ci` refuses one that does not, which would be noticed by whoever installs Deskbell."""
    packages = lock()
    for path, manifest in manifests().items():
        for group in GROUPS:
            assert packages[path].get(group, {}) == manifest.get(group, {}), f"{path or 'package.json'}: {group}"
            for name in manifest.get(group, {}):
                assert f"node_modules/{name}" in packages or f"{path}/node_modules/{name}" in packages, name


def test_the_pages_are_built_without_the_tools_for_working_on_them() -> None:
    """What the build needs is installed by everybody who installs Deskbell, so it is little and said to be needed."""
    assert manifests()[""]["dependencies"].keys() == {"vite", "preact", "@preact/signals", "axe-core"}
    for path, manifest in manifests().items():
        if path:
            assert not any(manifest.get(group) for group in GROUPS), f"{path} asks for packages of its own"
