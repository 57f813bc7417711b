"""What ``import deskbell`` gives to authors of plugins and bots, and what it spares them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import deskbell
from deskbell import contracts, hookspecs

ROOT = Path(__file__).parents[2]
# Adding here is a promise; taking away belongs in the changelog.
PUBLIC = [
    "ANYBODY",
    "Acting",
    "Actor",
    "Alias",
    "Allow",
    "Answer",
    "Block",
    "Bot",
    "BotContext",
    "BotEvent",
    "Case",
    "CaseId",
    "ChannelType",
    "ClientFrame",
    "Conflict",
    "DEFAULT_KINDS",
    "Dead",
    "DeskApi",
    "DeskbellError",
    "Dialect",
    "Done",
    "Escalate",
    "EscalationRule",
    "Excerpt",
    "Forbidden",
    "Frames",
    "Gone",
    "HandOver",
    "Hold",
    "Invalid",
    "Job",
    "Message",
    "MessageId",
    "MessageKind",
    "ModerationFilter",
    "NotFound",
    "Participant",
    "Phrases",
    "PluginContext",
    "Policy",
    "Presence",
    "PublicUser",
    "Queue",
    "QueueItem",
    "RateLimited",
    "ReadMark",
    "Refused",
    "Retry",
    "Revision",
    "Rewrite",
    "RoomEntry",
    "RoomId",
    "RoomState",
    "Route",
    "RouteRequest",
    "Say",
    "Sent",
    "Session",
    "SetState",
    "Situation",
    "Submission",
    "Temporary",
    "TenantId",
    "TextDelta",
    "Thread",
    "Told",
    "ToldDrain",
    "ToldHistory",
    "ToldInbox",
    "ToldMember",
    "ToldMessage",
    "ToldNotice",
    "ToldPresence",
    "ToldRead",
    "ToldRoom",
    "ToldTyping",
    "Turn",
    "TurnId",
    "TurnMessage",
    "Unavailable",
    "Unread",
    "UserId",
    "Verdict",
    "Vitals",
    "__version__",
    "hookimpl",
    "normalise",
    "words",
]
HEAVY = {"quart", "uvicorn", "tortoise", "asyncpg", "aiosqlite", "redis", "apscheduler", "structlog", "numpy", "yaml"}
OURS = [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "bots").rglob("*.py")]


def test_the_list_is_what_it_was() -> None:
    assert sorted(deskbell.__all__) == sorted(PUBLIC)
    assert len(set(deskbell.__all__)) == len(deskbell.__all__)


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_listed_is_there(name: str) -> None:
    assert hasattr(deskbell, name)


def test_every_contract_and_the_mark_of_hooks_are_public() -> None:
    for name in contracts.__all__:
        assert getattr(deskbell, name) is getattr(contracts, name)
    assert deskbell.hookimpl is hookspecs.hookimpl


def test_the_top_level_only_hands_on() -> None:
    """It defines nothing: each line is an import, the list, or the docstring."""
    tree = ast.parse((ROOT / "platform/deskbell/__init__.py").read_text())
    for node in tree.body[1:]:
        assert isinstance(node, ast.ImportFrom | ast.Assign), ast.unparse(node)
        if isinstance(node, ast.Assign):
            assert ast.unparse(node.targets[0]) == "__all__"


def test_importing_it_brings_neither_server_nor_store() -> None:
    code = "import deskbell, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    path = ":".join(str(ROOT / root) for root in ("platform", "plugins", "bots"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": path, "PATH": ""},
        check=True,
    )

    assert "deskbell" in done.stdout.split()
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_bundled_plugins_and_bots_have_no_private_door(path: Path) -> None:
    """They import ``deskbell`` itself, the packages they are in, and their own dependencies."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
            if node.module == "deskbell":
                assert {alias.name for alias in node.names} <= set(deskbell.__all__)
        for name in names:
            assert not name.startswith("deskbell."), f"{path.name} imports {name}"
