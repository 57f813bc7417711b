"""What the next process needs is in one file, for its owner and one process."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from deskbell.client import InUse, Notebook, Place

from .scripted import ROOM


def test_a_notebook_is_for_its_owner_and_one_process(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "me.jsonl"
    notebook = Notebook(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(InUse):
        Notebook(path)
    notebook.close()
    Notebook(path).close()


def test_a_notebook_survives_a_torn_line_and_lines_of_the_future(tmp_path: Path) -> None:
    path = tmp_path / "me.jsonl"
    notebook = Notebook(path)
    notebook.set_refresh_token("r")
    notebook.set_fact("room", ROOM)
    notebook.set_fact("gone", "x")
    notebook.set_fact("gone", None)
    notebook.set_place(ROOM, Place("e", 5, 4, {5}))
    notebook.reached(ROOM, 7, 6)
    notebook.put_out({"room": ROOM, "client_id": "a", "content": "1"})
    notebook.put_out({"room": ROOM, "client_id": "b", "content": "2"})
    notebook.taken((ROOM, "a"))
    notebook.close()
    with path.open("ab") as file:
        file.write(b'{"mood": "blue"}\n[1]\n{"token": "to')
    again = Notebook(path)
    assert again.refresh_token == "r"
    assert again.facts == {"room": ROOM}
    assert again.places == {ROOM: Place("e", 7, 4, {5, 6})}
    assert list(again.outbox) == [(ROOM, "b")]
    again.close()
    assert b"mood" not in path.read_bytes()


def test_a_notebook_does_not_grow_with_every_message(tmp_path: Path) -> None:
    notebook = Notebook(tmp_path / "me.jsonl")
    for number in range(5_000):
        notebook.set_place(ROOM, Place("e", number, number))
    notebook.close()
    assert len((tmp_path / "me.jsonl").read_bytes().splitlines()) < 2_100
    again = Notebook(tmp_path / "me.jsonl")
    assert again.places[ROOM].position == 4_999
    again.close()
