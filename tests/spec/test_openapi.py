"""The running API against its own description: schemathesis asks, as everybody who may come.

What it sends follows from ``openapi.json`` alone: requests that fit the description, and requests that do
not. Its checks: no failure of ours, only described statuses, headers and bodies, nothing accepted that does
not fit, nothing refused that does, no protected route without a token, 405 for other methods.

Here each route is asked a few times. ``DESKBELL_API_EXAMPLES=500 pytest tests/spec/test_openapi.py`` asks at length,
as members too, which takes about ten minutes for each kind of person.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import pytest

from deskbell.testing.desk import Desk, Person

EXAMPLES = int(os.environ.get("DESKBELL_API_EXAMPLES", "15"))
"""Examples of each route and phase; ``DESKBELL_API_EXAMPLES=500`` is the long run that releases are measured by."""
WITHIN_S = 120.0 + 6.0 * EXAMPLES
# Their refusals rest on what no schema can say: an emoji, a cursor of ours, one of two fields, people and channel
# types there are, a text that is not blank. There a 422 is an answer to a request that fits.
BEYOND_THE_SCHEMA = (
    "react", "unreact", "list_cases", "list_reactions", "list_rooms", "list_conversations", "list_messages",
    "list_held", "transfer", "assign", "open_room", "open_conversation", "send_message", "edit_message", "add_note",
    "add_participant", "change_participant", "search_messages", "report_message", "forward_message", "list_reports",
    "list_bans", "list_audit", "list_pins", "list_revisions", "list_receipts", "list_participants",
    "list_drafts", "put_draft", "create_label", "change_label", "label_case",
    "create_view", "change_view", "create_snippet", "change_snippet", "list_mentions", "introduce",
    "create_site", "change_site", "create_person", "change_person", "create_team", "rename_team", "list_people",
    "get_board",
)  # fmt: skip
# What ends what the others need comes after them.
LAST = (
    "end_conversation",
    "delete_room",
    "archive_room",
    "leave_room",
    "remove_participant",
    "change_participant",
    "change_person",
    "delete_team",
    "log_out",
)
FITTING = '"2xx", "304", "401", "403", "404", "409", "410", "412", "413", "429"'


def settings_of_the_run(names: dict[str, str]) -> str:
    """The configuration of schemathesis. NUL characters, which the description refuses in words, are left out."""
    parts = ["[generation]", "allow-x00 = false", "[parameters]"]
    parts += [f'"path.{name}" = "{value}"' for name, value in names.items()]
    parts += ["[checks.positive_data_acceptance]", f"expected-statuses = [{FITTING}]"]
    for operation in BEYOND_THE_SCHEMA:
        parts += [
            "[[operations]]",
            f'include-operation-id = "{operation}"',
            f'checks.positive_data_acceptance.expected-statuses = [{FITTING}, "422"]',
        ]
    return "\n".join(parts)


async def asked(desk: Desk, folder: Path, person: Person | None, names: dict[str, str], *options: str) -> None:
    """Let schemathesis ask, and fail with what it found."""
    config = folder / "schemathesis.toml"
    config.write_text(settings_of_the_run(names), encoding="utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    command += [f"{desk.url}/api/v1/openapi.json", "--checks", "all", "--phases", "coverage,fuzzing"]
    command += ["--max-examples", str(EXAMPLES), "--seed", "7", "--continue-on-failure", "--no-color"]
    command += options
    if person is not None:
        command += ["--header", f"Authorization: Bearer {person.token}"]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    report = output.decode()
    assert process.returncode == 0, report
    assert "generated" in report, report


async def ids_for(desk: Desk, person: Person | None) -> dict[str, str]:
    """What is there for this person to find: a room, a message in it, somebody, a case."""
    maya, ana = await desk.visitor(), await desk.agent("Ana")
    support = await maya.conversation()
    await maya.post(f"/rooms/{support}/escalate")
    case = (await ana.get(f"/rooms/{support}")).json()["case"]
    if person is None or person.user["kind"] == "visitor":
        owner = person or maya
        room = await owner.conversation()
    else:
        owner, room = person, await person.group(ana)
    message = (await owner.post(f"/rooms/{room}/messages", {"content": "Hello"})).json()["id"]
    other = await ana.post(f"/rooms/{room}/messages", {"content": "Hm"}) if owner is not person else None
    theirs = other.json().get("id", message) if other is not None else message
    report = (await (person or maya).post(f"/messages/{theirs}/report", {"reason": "spam"})).json().get("id", message)
    return {"room_id": room, "message_id": message, "user_id": owner.id, "case_id": case, "report_id": report}


@pytest.mark.parametrize("who", ["nobody", "visitor", "supervisor", "admin", *(["member"] if EXAMPLES > 15 else [])])
async def test_the_api_does_what_its_description_says(sqlite_url: str, tmp_path: Path, who: str) -> None:
    async with Desk.open(sqlite_url, auth={"access_token_s": 3600}) as desk:
        person: Person | None = None
        if who == "visitor":
            person = await desk.visitor()
        elif who == "member":
            person = await desk.member("Kim")
        elif who != "nobody":
            person = await desk.agent("Kim", role=who)
        names = await ids_for(desk, person)
        document = msgspec.json.decode((await desk.http.get("/openapi.json")).content)
        known = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
        assert known >= {*LAST, *BEYOND_THE_SCHEMA}
        await asked(desk, tmp_path, person, names, *(f"--exclude-operation-id={name}" for name in LAST))
        await asked(desk, tmp_path, person, names, *(f"--include-operation-id={name}" for name in LAST))
