"""The types of the web client are those of the frames that the code has."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deskbell.wire.schema import frames_schema

WEB = Path(__file__).parents[2] / "platform" / "web"
KEPT = WEB / "client" / "src" / "generated.ts"


def generated(node: str, to: Path, schema: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    command = [node, str(WEB / "scripts" / "types.ts"), str(to), "-"]
    return subprocess.run(command, input=json.dumps(schema), capture_output=True, text=True, timeout=60, check=False)


def test_each_frame_and_record_has_its_type(node: str, tmp_path: Path) -> None:
    schema, to = frames_schema(), tmp_path / "generated.ts"
    assert generated(node, to, schema).returncode == 0
    text = to.read_text("utf-8")

    assert len(re.findall(r"^export interface ", text, re.MULTILINE)) == len(schema["$defs"]) + 2
    unions = {name: text.partition(f"export interface {name} {{\n")[2].partition("}\n")[0]
              for name in ("ClientFrames", "ServerFrames")}  # fmt: skip
    assert re.findall(r"^  (\w+):", unions["ClientFrames"], re.MULTILINE) == list(schema["client"])
    assert re.findall(r"^  (\w+):", unions["ServerFrames"], re.MULTILINE) == list(schema["server"])


def test_a_field_of_a_kind_that_nobody_has_thought_of_is_an_error(node: str, tmp_path: Path) -> None:
    schema = frames_schema()
    schema["$defs"]["Skip"]["properties"]["odd"] = {"oneOf": [{"type": "string"}]}
    outcome = generated(node, tmp_path / "generated.ts", schema)

    assert outcome.returncode != 0 and 'Skip.odd: "oneOf" is not known' in outcome.stderr


def test_the_types_in_this_checkout_are_not_stale(node: str, tmp_path: Path) -> None:
    """They are not kept in git; where they are, an editor shows them."""
    if not KEPT.exists():
        pytest.skip("nothing was generated in this checkout; `npm run types` in platform/web does")
    generated(node, tmp_path / "generated.ts", frames_schema())

    assert KEPT.read_text("utf-8") == (tmp_path / "generated.ts").read_text("utf-8"), (
        "run `npm run types` in platform/web"
    )


def test_no_frame_of_the_server_is_overheard() -> None:
    """The type checker says so too, where it is installed."""
    heard = set(re.findall(r'case "(\w+)":', (WEB / "client" / "src" / "hearing.ts").read_text("utf-8")))
    assert heard == set(frames_schema()["server"])


def test_the_client_needs_no_package() -> None:
    manifest = json.loads((WEB / "client" / "package.json").read_text("utf-8"))
    assert "dependencies" not in manifest and "peerDependencies" not in manifest


def test_the_lock_file_holds_no_addresses() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text("utf-8"))
    assert lock["packages"] and not [
        name for name, entry in lock["packages"].items() if "://" in entry.get("resolved", "")
    ]
