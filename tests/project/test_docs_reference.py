"""The reference cannot lie: what it lists is what the program has, in the program's words."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import deskbell
from deskbell import cli, manual
from deskbell.errors import DeskbellError
from deskbell.manual import commands, metrics, refusals
from deskbell.wire.close_codes import CloseCode, at_login, may_reconnect

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PRINTED = ["config.yaml", *(f"docs/reference/{name}.md" for name in ("settings", "errors", "commands", "metrics"))]
# Never sent: they arise on the client's side.
CLIENTS_OWN = "deskbell.client"
# Named alike in the manual: packages, and the channel on which PostgreSQL passes a word on.
NO_METRICS = {"deskbell_plugins", "deskbell_bots", "deskbell_look"}


async def test_the_printed_pages_are_what_the_program_says() -> None:
    made = {path.as_posix(): text for path, text in (await manual.pages()).items()}
    assert sorted(made) == sorted(PRINTED)
    stale = [name for name in PRINTED if (ROOT / name).read_text("utf-8") != made[name]]
    assert stale == [], "run: python -m deskbell.manual"


async def test_all_pages_are_written_to_their_places(tmp_path: Path) -> None:
    written = await manual.write(tmp_path)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in written) == sorted(PRINTED)
    assert (tmp_path / PRINTED[0]).read_text("utf-8") == (ROOT / PRINTED[0]).read_text("utf-8")


def defined_errors() -> set[type[DeskbellError]]:
    """Every error of the program, wherever it is defined."""
    for module in pkgutil.walk_packages(deskbell.__path__, "deskbell."):
        if module.name.split(".")[1] not in ("bench", "testing", "__main__") and not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    def under(kind: type[DeskbellError]) -> set[type[DeskbellError]]:
        return {kind}.union(*(under(each) for each in kind.__subclasses__()))

    return {kind for kind in under(DeskbellError) if kind.__module__.startswith("deskbell.")}


def test_every_error_that_can_be_told_is_on_the_page() -> None:
    told = {kind for kind in defined_errors() if not kind.__module__.startswith(CLIENTS_OWN)}
    assert set(refusals.kinds()) == told
    codes = re.findall(r"^\| `(\w+)` \| \d{3} \|", (REFERENCE / "errors.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(codes) == sorted(kind.code for kind in told)


def test_a_code_means_one_thing() -> None:
    codes = [kind.code for kind in refusals.kinds()]
    assert len(codes) == len(set(codes))


def test_every_close_code_says_what_to_do_and_agrees_with_its_range() -> None:
    for code in CloseCode:
        assert code.meaning.endswith(".") and code.then.endswith("."), code
        assert code.then.startswith("Final") is not may_reconnect(code)
    assert CloseCode(4008) is CloseCode.TOO_SLOW


def test_the_protocol_page_tells_the_same_of_close_codes() -> None:
    rows = re.findall(r"^\| (4\d{3}) \| .* \| (.*) \|$", (REFERENCE / "protocol.md").read_text("utf-8"), re.MULTILINE)
    assert {int(code) for code, _ in rows} == {int(code) for code in CloseCode}
    assert {int(code) for code, then in rows if not then.startswith("final")} == {
        int(code) for code in CloseCode if may_reconnect(code)
    }


def test_who_may_come_back_after_an_error_at_login_may_come_back_after_its_close_code() -> None:
    for kind in refusals.kinds():
        closes = at_login(kind)
        if closes is not None and closes is not CloseCode.TOKEN_EXPIRED:  # then with another token
            assert may_reconnect(closes) is kind.temporary, kind


def test_every_command_and_every_option_is_on_the_page() -> None:
    page = (REFERENCE / "commands.md").read_text("utf-8")
    for name, command in commands.each(cli.main, "deskbell"):
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert section, name
        shown = [param for param in command.params if not getattr(param, "hidden", False)]
        for option in (option for param in shown for option in param.opts):
            if option.startswith("-") and not getattr(command, "hidden", False):
                assert f"`{option}" in section, (name, option)


async def test_every_metric_that_the_manual_speaks_of_exists() -> None:
    known: set[str] = set()
    for family in await metrics.families():
        known |= {family.name, *(sample.name for sample in family.samples)}
    spoken = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in (ROOT / "docs").rglob("*.md")
        for name in re.findall(r"\bdeskbell_[a-z_]+\b", path.read_text("utf-8"))
        if name not in NO_METRICS
    }
    assert spoken and {(page, name) for page, name in spoken if name not in known} == set()
