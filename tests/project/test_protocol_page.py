"""The protocol page names all that the server may say: each frame, each field, each event of a system message."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

import deskbell
from deskbell.actions.content import PLATFORM_METADATA
from deskbell.model.records import CaseEntry, Conversation, LastSaid, Message, Participant, RoomState, SavedDraft
from deskbell.wire import commands, frames
from deskbell.wire.schema import frames_schema

PAGE = (Path(__file__).parents[2] / "docs/reference/protocol.md").read_text("utf-8")
SOURCE = Path(deskbell.__file__).parent
IN_BACKTICKS = re.compile(r"`([^`]*)`")


def section(title: str) -> str:
    found = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert found, title
    return found


def rows(title: str) -> Iterator[list[str]]:
    """The cells of a section's table."""
    for line in section(title).splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def named(text: str) -> set[str]:
    """The fields in ``text``: ``a, b? {c, d}, e: [f]=1`` names a, b and e; what is inside of them is theirs."""
    listed = ", ".join(IN_BACKTICKS.findall(text))
    while (flat := re.sub(r"\{[^{}]*\}|\[[^\[\]]*\]|\"[^\"]*\"", "", listed)) != listed:
        listed = flat
    return {match[1] for part in listed.split(",") if (match := re.match(r"\s*([a-z_]+)\b", part))}


def fields(*kinds: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for kind in kinds for field in msgspec.structs.fields(kind)}


def tagged(kinds: tuple[type[Any], ...]) -> dict[str, set[str]]:
    """The fields of each frame, by its ``type``. Every reply carries ``ref``, which the page says once."""
    by_tag: dict[str, set[str]] = {}
    for kind in kinds:
        by_tag.setdefault(str(kind.__struct_config__.tag), set()).update(fields(kind) - {"ref"})
    return by_tag


def listed(title: str) -> dict[str, set[str]]:
    """What the page says the fields of each type are; after a semicolon it says more of them."""
    return {
        kind: named(cells[1] if kind == "case" else cells[1].partition(";")[0]) - {"ref"}
        for cells in rows(title)
        for kind in IN_BACKTICKS.findall(cells[0])
    }


def test_every_frame_of_the_server_is_on_the_page_with_its_fields() -> None:
    on_page = listed("Frames that the server sends")
    assert tagged(frames.FRAMES) == on_page
    assert set(frames_schema()["server"]) == set(on_page)


def test_every_frame_of_a_client_is_on_the_page_with_its_fields() -> None:
    assert tagged(commands.COMMANDS) == listed("Frames that a client sends")


def test_no_frame_is_missing_from_the_list_that_the_schema_is_made_of() -> None:
    def leaves(kind: type[Any]) -> set[type[Any]]:
        return set().union(*(leaves(each) for each in kind.__subclasses__())) or {kind}

    of_the_server = {kind for kind in leaves(frames.Frame) if not kind.__module__.startswith("deskbell.client")}
    assert of_the_server == set(frames.FRAMES)


def test_every_field_of_the_limits_is_on_the_page() -> None:
    inside = re.search(r"`[^`]*\blimits \{([^}]*)\}", section("Frames that the server sends"))
    assert inside is not None and set(inside[1].split(", ")) == fields(frames.Limits)


def test_every_field_of_what_frames_carry_is_on_the_page() -> None:
    example = json.loads(re.findall(r"```json\n(.*?)```", section("Message object"), re.DOTALL)[0])
    assert set(example) == fields(Message)
    told = dict(re.findall(r"^- \*\*([\w ]+?)\*\*(.*)$", section("Participant, room and case objects"), re.MULTILINE))
    for name, kind in {
        "Participant": Participant,
        "Room state": RoomState,
        "Draft": SavedDraft,
        "Case": CaseEntry,
        "Last": LastSaid,
    }.items():
        assert fields(kind) - named(told[name]) == set(), name
    in_lists = fields(Conversation) - fields(RoomState)
    assert in_lists - named(section("REST: support conversations and cases")) == set()


def said_events() -> dict[str, set[frozenset[str]]]:
    """Each event that the platform says in a room, and with which facts it is said."""
    events: dict[str, set[frozenset[str]]] = {}
    for path in sorted((SOURCE / "actions").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = node.func if isinstance(node, ast.Call) else None
            called = name.attr if isinstance(name, ast.Attribute) else name.id if isinstance(name, ast.Name) else ""
            if not isinstance(node, ast.Call) or called != "say_event":
                continue
            event = node.args[3]
            assert isinstance(event, ast.Constant), f"{path.name}:{node.lineno}: name the event where it is said"
            facts = frozenset(str(keyword.arg) for keyword in node.keywords)
            events.setdefault(str(event.value), set()).add(facts)
    return events


def test_every_event_of_a_system_message_is_on_the_page_with_its_facts() -> None:
    said = said_events()
    assert {"case_opened", "back_to_bot"} <= set(said)
    on_page = {
        IN_BACKTICKS.findall(cells[0])[0]: {frozenset(named(each)) for each in cells[1].split(" or ")}
        for cells in rows("Events of system messages")
    }
    assert on_page == said


def test_system_messages_with_events_come_from_one_place() -> None:
    """What writes ``metadata.event`` by itself would be missed above."""
    writers = [
        path.name
        for path in sorted(SOURCE.rglob("*.py"))
        if '{"event":' in path.read_text("utf-8") and "testing" not in path.parts
    ]
    assert len(writers) == 1


def test_every_word_that_is_the_platforms_in_metadata_is_on_the_page() -> None:
    spoken = set(IN_BACKTICKS.findall(section("Message object")))
    assert PLATFORM_METADATA - spoken == set()


def test_every_notice_is_on_the_page() -> None:
    codes = {
        code
        for path in sorted(SOURCE.rglob("*.py"))
        for code in re.findall(r"frames\.Notice\(\s*code=\"(\w+)\"", path.read_text("utf-8"))
    }
    line = next(line for line in section("What the server frames mean").splitlines() if line.startswith("- `notice`"))
    assert codes and codes - set(IN_BACKTICKS.findall(line)) == set()
