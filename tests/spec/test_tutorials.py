"""The tutorials do what they say: a test follows them line by line, in an empty folder with a fresh environment.

What a page holds is done in order:

- ``sh``: run by one shell after another, which hands on its folder and its variables. ``deskbell serve`` and
  ``deskbell demo`` are left running, until the next of them or the end; ``deskbell chat`` is what follows it;
- ``text`` after a command: lines of what it printed, in their order; ``…`` stands for anything;
- ``text`` after ``deskbell chat``: a conversation. ``You: …`` is typed, everything else is waited for;
- ``python`` and ``yaml`` whose first line names a file: that file, replaced.

The environment is a new one, but pip fetches nothing: Deskbell comes as the wheel that is built of this source,
what it needs from the environment that runs the tests.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.name for path in (ROOT / "docs" / "tutorial").glob("*.md"))
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w./-]+\.(?:py|yaml))\n")
SERVES = ("deskbell serve", "deskbell demo")
PATIENCE_S = 180


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``wheels``: where pip finds Deskbell. ``packages``: what is installed here, but for Deskbell itself."""
    shelf = tmp_path_factory.mktemp("shelf")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", shelf / "wheels"]
    # The pages are not what it is about, and nothing is fetched.
    environment = {**os.environ, "DESKBELL_FACES": "skip"}
    subprocess.run([*build, ROOT], check=True, timeout=PATIENCE_S, capture_output=True, env=environment)
    (shelf / "packages").mkdir()
    for place in sys.path:
        if place.endswith(("site-packages", "dist-packages")):
            for item in Path(place).iterdir():
                link = shelf / "packages" / item.name
                if "deskbell" not in item.name and item.suffix != ".pth" and not link.exists():
                    link.symlink_to(item)
    return shelf


class Reader:
    """Somebody who follows a page."""

    def __init__(self, folder: Path, shelf: Path) -> None:
        self._place = folder
        self._state = folder.parent / "state"
        self._shelf = shelf
        self._server: subprocess.Popen[str] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._environment = {
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PATH": f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin",
            "COLUMNS": "200",
            "DESKBELL_SERVER__PORT": str(self._port),
            "DESKBELL_URL": f"http://127.0.0.1:{self._port}",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(shelf / "wheels"),
            "PIP_NO_BUILD_ISOLATION": "0",  # pip's way to say that there is to be none
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def follow(self, page: str) -> None:
        said, command = "", ""
        for kind, body in FENCE.findall(page):
            if kind == "sh" and body.strip().startswith(SERVES):
                self._serve(body.strip())
            elif kind == "sh":
                command = body.strip()
                if command.startswith("deskbell chat"):
                    continue
                status, said = self._shell(command)
                self._furnish()
                assert status == 0 or "plugin check" in command, f"{command}\n{said}"
            elif kind == "text" and command.startswith("deskbell chat"):
                self._chat(command, body.splitlines())
            elif kind == "text":
                assert_shown(body, said)
            else:
                named = FILE.match(body)
                assert named, f"the first line of this block names its file:\n{body}"
                (self._place / named[1]).write_text(body, "utf-8")

    def _shell(self, command: str) -> tuple[int, str]:
        script = f'{command}\ns=$?; pwd > "{self._state}"; env -0 > "{self._state}.env"; exit $s'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._place,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        self._place = Path(self._state.read_text().strip())
        lines = Path(f"{self._state}.env").read_text("utf-8").split("\0")
        self._environment = dict(line.split("=", 1) for line in lines if "=" in line)
        return done.returncode, done.stdout

    def _furnish(self) -> None:
        """Put what is installed here into an environment that was just made."""
        for site in self._place.glob(".venv/lib/python*/site-packages"):
            if not (site / "shelf.pth").exists():
                (site / "shelf.pth").write_text(f"{self._shelf / 'packages'}\n")
                program, runs = self._place / ".venv" / "bin" / "pytest", "import pytest; pytest.console_main()"
                program.write_text(f"#!{program.with_name('python')}\n{runs}\n")
                program.chmod(0o755)

    def _serve(self, command: str) -> None:
        self.leave()
        if command.startswith("deskbell demo"):
            command += f" --port {self._port}"
        self._server = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self._place,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            if self._server.poll() is not None:
                break
            time.sleep(0.05)
        self._server.kill()
        raise AssertionError(f"{command} did not start:\n{self._server.communicate()[0]}")

    def _chat(self, command: str, lines: list[str]) -> None:
        program = shutil.which("deskbell", path=self._environment["PATH"])
        assert program is not None
        words = command.split()[1:]
        if "--agent" in words:
            self._environment["DESKBELL_PASSWORD"] = "deskbell-demo"
        chat = subprocess.Popen(
            [program, *words],
            cwd=self._place,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        shown: list[str] = []
        assert chat.stdin is not None and chat.stdout is not None
        reader = threading.Thread(target=shown.extend, args=(chat.stdout,))
        reader.start()
        try:
            for line in lines:
                if line.startswith("You: "):
                    chat.stdin.write(line.removeprefix("You: ") + "\n")
                    chat.stdin.flush()
                until = time.monotonic() + PATIENCE_S
                while not any(line in one for one in shown):
                    assert time.monotonic() < until and chat.poll() is None, f"never shown: {line}\n{''.join(shown)}"
                    time.sleep(0.02)
            chat.stdin.write("/quit\n")
            chat.stdin.close()
            assert chat.wait(PATIENCE_S) == 0, "".join(shown)
        finally:
            chat.kill()
            chat.wait()
            reader.join(PATIENCE_S)
            chat.stdout.close()

    def leave(self) -> None:
        """Stop the desk, as somebody does who presses Ctrl+C."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.communicate(timeout=PATIENCE_S)
            finally:
                self._server.kill()
            self._server = None


def assert_shown(expected: str, said: str) -> None:
    """Each line of ``expected`` is in what was said, in this order; ``…`` stands for anything within a line."""
    at, printed = 0, said.splitlines()
    for line in expected.splitlines():
        wanted = re.compile(".*".join(re.escape(part.strip()) for part in line.split("…")))
        while at < len(printed) and not wanted.search(" ".join(printed[at].split())):
            at += 1
        assert at < len(printed), f"not shown, or not in this order: {line}\n\n{said}"


@pytest.fixture
def reader(tmp_path: Path, shelf: Path) -> Iterator[Reader]:
    (tmp_path / "empty").mkdir()
    somebody = Reader(tmp_path / "empty", shelf)
    yield somebody
    somebody.leave()


@pytest.mark.parametrize("page", PAGES)
def test_whoever_follows_a_tutorial_gets_what_it_shows(page: str, reader: Reader) -> None:
    reader.follow((ROOT / "docs" / "tutorial" / page).read_text("utf-8"))


def test_what_a_page_shows_and_a_program_does_not_say_is_found() -> None:
    assert_shown("a … c\nd", "a b c\nx\n d")
    with pytest.raises(AssertionError, match="not in this order"):
        assert_shown("d\na", "a\nd")
    with pytest.raises(AssertionError):
        assert_shown("a … z", "a b c")
