"""The conformance kit finds what is wrong with a plugin, by the check meant for it, and nothing where all is right.

``tests/data/broken_plugins`` holds plugins with one fault each.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from deskbell.cli import main
from deskbell.hookspecs import GROUP
from deskbell.testing.conformance import CHECKS, NoPlugin, Report, Result, check, suite

FOLDER = Path(__file__).parents[1] / "data" / "broken_plugins"
PATIENCE_S = 3.0
# Broken plugin -> the check that is to fail, and no other.
MEANT = {
    "works_at_import": "import",
    "misspells_a_hook": "hooks",
    "invents_an_argument": "hooks",
    "accepts_anything": "settings",
    "works_at_register": "register",
    "takes_a_taken_name": "accepted",
    "hangs": "answers",
    "raises": "answers",
    "answers_garbage": "types",
    "lets_everybody_in": "types",
    "answers_another_shape": "types",
    "forgets_to_say_done": "types",
    "tells_a_string": "types",
    "blocks_the_loop": "blocking",
    "fragile": "hostile",
    "loses_itself": "large",
    "ends_the_process": "large",
    "counts_twice": "again",
    "changes_state": "given",
    "mixes_rooms": "rooms",
    "waits_for_its_peer": "peer",
    "swallows_cancellation": "cancelled",
    "leaves_work_behind": "cancelled",
    "leaks_tasks": "leaks",
    "logs_texts": "redaction",
    "shows_its_secret": "redaction",
    "stays_alive": "unload",
}
BUNDLED = ["channels", "escalation", "faq", "moderation_words", "rides", "team_chat", "webhooks"]
WORDS = {"moderation_words": {"block": ["casino"], "hold": ["lawyer"], "mask": ["damn"]}}


@pytest.fixture(scope="module")
def examined() -> Iterator[dict[str, Future[list[Report]]]]:
    """All of them, two at a time: most of what they do is wait."""
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(check, str(FOLDER / f"{name}.py"), patience_s=PATIENCE_S) for name in MEANT}


def report(examined: dict[str, Future[list[Report]]], name: str) -> Report:
    (found,) = examined[name].result()
    return found


def test_every_check_has_a_plugin_that_fails_it() -> None:
    """A check that nothing fails may be one that looks at nothing."""
    assert set(MEANT.values()) == set(CHECKS)
    assert {path.stem for path in FOLDER.glob("*.py")} == set(MEANT)


@pytest.mark.parametrize(("name", "meant"), MEANT.items())
def test_a_broken_plugin_fails_the_check_meant_for_it_and_no_other(
    examined: dict[str, Future[list[Report]]], name: str, meant: str
) -> None:
    found = report(examined, name)

    assert {result.check for result in found.failed} == {meant}, [str(result) for result in found.failed]
    assert not found.passed
    assert all(result.says for result in found.failed)


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("raises", "raises.py:11 in decide"),
        ("hangs", "hangs.py:13 in check"),
        ("blocks_the_loop", "blocks_the_loop.py:13 in check"),
        ("loses_itself", "loses_itself.py:15 in check"),
        ("works_at_import", "works_at_import.py:9"),
        ("logs_texts", "logs_texts.py:12 in on_message"),
        ("waits_for_its_peer", "waits_for_its_peer.py:16 in decide"),
        ("swallows_cancellation", "swallows_cancellation.py:14 in check"),
    ],
)
def test_what_is_wrong_is_shown_at_its_line(examined: dict[str, Future[list[Report]]], name: str, where: str) -> None:
    assert [result.where for result in report(examined, name).failed] == [where]


@pytest.mark.parametrize("name", ["loses_itself", "ends_the_process"])
def test_a_plugin_that_does_not_survive_a_check_is_looked_at_further(
    examined: dict[str, Future[list[Report]]], name: str
) -> None:
    later = {result.check: result.outcome for result in report(examined, name).results}

    assert later["cancelled"] == later["leaks"] == later["unload"] == "passed"


def test_what_does_not_answer_is_not_asked_on_and_on(examined: dict[str, Future[list[Report]]]) -> None:
    skipped = [result for result in report(examined, "hangs").results if result.outcome == "skipped"]

    assert {"hostile", "large", "leaks"} <= {result.check for result in skipped}
    assert {result.says for result in skipped} == {"it does not answer"}


def test_no_result_repeats_what_a_visitor_wrote_or_a_secret(examined: dict[str, Future[list[Report]]]) -> None:
    said = " ".join(str(result) for name in MEANT for result in report(examined, name).results)

    assert "okapi" not in said
    assert "axolotl" not in said


@pytest.mark.parametrize("name", BUNDLED)
def test_the_bundled_plugins_keep_what_they_owe(name: str) -> None:
    (found,) = check(name, settings=WORDS)

    assert found.passed, [str(result) for result in found.failed]
    assert {result.check for result in found.results if result.outcome == "passed"} == set(CHECKS)


def test_all_bundled_plugins_are_examined() -> None:
    """One that was added is added here."""
    announced = metadata.entry_points(group=GROUP)
    assert sorted(BUNDLED) == sorted(entry.name for entry in announced if entry.dist and entry.dist.name == "deskbell")


PATIENT = """
import asyncio

from deskbell import HandOver, hookimpl


class Rule:
    name = "patient"
    order = 100

    async def decide(self, situation):
        try:
            async with asyncio.timeout(0.2):
                reader, writer = await asyncio.open_connection("hours.example", 80)
                try:
                    return HandOver("open") if await reader.readline() else None
                finally:
                    writer.close()
        except OSError:
            return None


@hookimpl
def register_escalation_rules():
    return [Rule()]
"""


def test_a_plugin_that_asks_a_peer_with_patience_of_its_own_is_right(tmp_path: Path) -> None:
    """Its peer is away, then silent; it never leaves this machine."""
    (tmp_path / "patient.py").write_text(PATIENT)

    (found,) = check(str(tmp_path / "patient.py"))

    assert found.passed, [str(result) for result in found.failed]


def test_everything_a_plugin_offers_is_looked_at() -> None:
    (found,) = check(str(FOLDER.parents[2] / "docs" / "examples" / "plugins.d" / "lifts.py"))

    assert found.passed, [str(result) for result in found.failed]
    looked_at = {result.subject for result in found.results if result.outcome == "passed"}
    assert {"message kind lift", "route scan", "route last_scan", "job forget"} <= looked_at
    idle = {result.says for result in found.results if result.subject == "queue scans"}
    assert idle == {"nothing was left in it while the rest of the plugin was asked"}


IN_THREADS = """
import time

from deskbell import Allow, hookimpl


class Filter:
    name = "unhurried"
    order = 100
    run_in = "thread"

    def check(self, submission):
        time.sleep(0.3 if "okapi" in submission.text else 0)
        return Allow()


@hookimpl
def register_moderation_filters():
    return [Filter()]
"""


def test_every_hook_there_is_can_be_examined() -> None:
    """Whoever adds a hook says here how it is asked: in ``SUBJECTS``, or for an observer in ``CHANGES``."""
    from deskbell.testing.conformance.subjects import CHANGES
    from deskbell.testing.conformance.whole import HOOKS, SUBJECTS

    assert {f"register_{kind}" for kind in SUBJECTS} | {f"on_{record}" for record in CHANGES} == set(HOOKS)


def test_what_asks_for_a_thread_may_take_its_time(tmp_path: Path) -> None:
    (tmp_path / "unhurried.py").write_text(IN_THREADS)

    (found,) = check(str(tmp_path / "unhurried.py"))

    assert found.passed, [str(result) for result in found.failed]


def test_settings_are_laid_over_the_defaults(tmp_path: Path) -> None:
    source = (FOLDER / "shows_its_secret.py").read_text().replace('api_token: str = ""', "api_token: str")
    (tmp_path / "demanding.py").write_text(source)
    target = str(tmp_path / "demanding.py")

    (bare,) = check(target)
    (given,) = check(target, settings={"demanding": {"api_tokken": "x"}})

    assert "api_token has no default" in str(bare.failed[0])
    assert any("api_tokken" in str(result) for result in given.failed)


def test_plugins_are_found_in_a_folder_that_announces_them(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "watcher.py").write_text((FOLDER / "logs_texts.py").read_text())
    project = '[project]\nname = "watcher"\n[project.entry-points."deskbell.plugins"]\nacme = "watcher"\n'
    (tmp_path / "pyproject.toml").write_text(project)

    (found,) = check(str(tmp_path))

    assert found.plugin == "acme"
    assert [result.check for result in found.failed] == ["redaction"]


@pytest.mark.parametrize(
    ("make", "target", "said"),
    [
        ({}, "nowhere.py", "there is no such file"),
        ({}, "no_such_module", "neither a file or folder"),
        ({}, ".", "holds neither a pyproject.toml nor"),
        ({"pyproject.toml": "[project]\nname = 'x'\n"}, ".", "announces no plugin"),
        ({"pyproject.toml": "[project"}, ".", "cannot be read"),
        ({"2nd-try.py": ""}, "2nd-try.py", "no Python identifier"),
    ],
)
def test_where_there_is_no_plugin_it_says_what_it_looked_for(
    make: dict[str, str], target: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in make.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(NoPlugin, match=said):
        check(target)


def test_the_suite_has_a_test_for_each_check_and_fails_the_right_one() -> None:
    test = suite(str(FOLDER / "answers_garbage.py"))
    (mark,) = test.pytestmark  # type: ignore[attr-defined]

    assert mark.args == ("check", list(CHECKS))
    test("hostile")
    with pytest.raises(AssertionError, match="which is no verdict"):
        test("types")


def test_the_suite_skips_what_there_is_nothing_to_look_at() -> None:
    test = suite("moderation_words")

    with pytest.raises(pytest.skip.Exception, match="nothing to look at"):
        test("rooms")


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["plugin", "check", *arguments])


def test_the_command_prints_a_line_for_each_check_and_exits_by_the_outcome() -> None:
    good, bad = run("escalation"), run(str(FOLDER / "misspells_a_hook.py"))

    assert good.exit_code == 0
    assert [line.split()[1] for line in good.output.splitlines()[1:-1]] == list(CHECKS)
    assert bad.exit_code == 1
    assert "✗ hooks      on_partcipant is not marked as a hook: put @hookimpl above it" in bad.output
    assert "misspells_a_hook fails 1 of 18 checks." in bad.output


def test_the_command_takes_settings_from_a_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("plugins:\n  moderation_words:\n    settings:\n      block: [casino]\n")

    found = run("moderation_words", "--config", str(config), "--json")

    (shown,) = msgspec.json.decode(found.output)
    assert found.exit_code == 0
    assert {result["subject"] for result in shown["results"]} == {"", "filter words"}


def test_the_command_says_when_there_is_no_plugin() -> None:
    found = run("no_such_module")

    assert found.exit_code == 2
    assert "no_such_module: neither a file or folder, nor an installed plugin" in found.output


def test_the_manual_lists_the_checks_that_there_are() -> None:
    page = (FOLDER.parents[2] / "docs" / "howto" / "check-a-plugin.md").read_text("utf-8")
    rows = [f"| `{name}` | It {promise}. |" for name, promise in CHECKS.items()]

    assert "\n".join(rows) in page


def test_a_result_reads_as_a_sentence() -> None:
    assert str(Result("answers", "filter a", "failed", "raised ValueError", "a.py:1")) == (
        "answers: filter a: raised ValueError (a.py:1)"
    )
