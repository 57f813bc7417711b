"""The pages for people are sent as browsers and caches want them, and take nothing from the API."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from quart import Quart

from deskbell.server import faces
from deskbell.testing.desk import Desk

CONSOLE = "<!doctype html><title>console</title>"
CHAT = "export const start = 1; /* " + "words " * 300 + "*/"
IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the build leaves it."""
    folder = tmp_path_factory.mktemp("faces")
    (folder / "assets").mkdir()
    for name, text in {
        ".made-of": "0000",
        "console.html": CONSOLE,
        "shop.html": "<!doctype html><title>shop</title>",
        "widget.js": "'loader'",
        "assets/chat-Ab_1-x.js": CHAT,
        "assets/look-0.css": "a {}",
        "assets/mark-0.svg": "<svg/>",
        "assets/bell-0.mp3": "ding",
        "assets/thing-0.unheard-of": "?",
    }.items():
        (folder / name).write_text(text)
    chat = folder / "assets" / "chat-Ab_1-x.js"
    Path(f"{chat}.gz").write_bytes(gzip.compress(CHAT.encode()))
    Path(f"{chat}.br").write_bytes(b"as brotli would have it")
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def web(built: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without a mind of its own: it takes nothing compressed and follows nothing, unless told."""
    with pytest.MonkeyPatch.context() as patch:
        found = faces.read(built)
        patch.setattr(faces, "read", lambda folder=built: found)
        store = f"sqlite:///{tmp_path_factory.mktemp('desk') / 'deskbell.sqlite3'}"
        async with (
            Desk.open(store) as desk,
            httpx.AsyncClient(base_url=desk.url, headers={"Accept-Encoding": ""}, trust_env=False) as web,
        ):
            yield web


def file(built: Path, name: str) -> bytes:
    return (built / name).read_bytes()


async def raw(web: httpx.AsyncClient, path: str, accepted: str) -> tuple[str | None, bytes]:
    """The content coding, and the bytes as they came over the wire."""
    async with web.stream("GET", path, headers={"Accept-Encoding": accepted}) as answer:
        assert answer.status_code == 200
        assert answer.headers["Vary"] == "Accept-Encoding"
        return answer.headers.get("Content-Encoding"), b"".join([part async for part in answer.aiter_raw()])


@pytest.mark.parametrize(
    "path", ["/console", "/console/", "/console/c/019f/notes", "/console?q=1", "/console/api/v1/me"]
)
async def test_the_console_is_at_every_address_below_its_own(web: httpx.AsyncClient, path: str) -> None:
    answer = await web.get(path)
    assert (answer.status_code, answer.text) == (200, CONSOLE)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, no-cache"


async def test_a_page_may_do_what_it_needs_and_no_more(web: httpx.AsyncClient) -> None:
    headers = (await web.get("/console")).headers
    policy = dict(rule.strip().split(" ", 1) for rule in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("chat-Ab_1-x.js", "text/javascript; charset=utf-8"),
        ("look-0.css", "text/css; charset=utf-8"),
        ("mark-0.svg", "image/svg+xml"),
        ("bell-0.mp3", "audio/mpeg"),
        ("thing-0.unheard-of", "application/octet-stream"),
    ],
)
async def test_an_asset_says_what_it_is_and_is_kept_for_ever(web: httpx.AsyncClient, name: str, kind: str) -> None:
    answer = await web.get(f"/assets/{name}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["Cache-Control"] == IMMUTABLE
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    # Opened by itself it is no page, whatever it holds.
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"


@pytest.mark.parametrize("path", ["/widget.js", "/assets/chat-Ab_1-x.js"])
async def test_any_site_may_load_the_widget(web: httpx.AsyncClient, path: str) -> None:
    answer = await web.get(path, headers={"Origin": "https://shop.example.com"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


async def test_the_loader_keeps_its_name_and_is_asked_for_again(web: httpx.AsyncClient) -> None:
    assert (await web.get("/widget.js")).headers["Cache-Control"] == "public, no-cache"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0.1, gzip;q=0.9", "gzip"),
        ("*", "br"),
        ("br;q=0, *", "gzip"),
        ("identity, br;q=0.5, gzip;q=0.5", None),
        ("deflate", None),
        ("*;q=0", None),
        ("", None),
    ],
)
async def test_it_is_compressed_as_the_browser_likes_it_best(
    web: httpx.AsyncClient, built: Path, accepted: str, coding: str | None
) -> None:
    suffix = {"br": ".br", "gzip": ".gz", None: ""}[coding]
    told, content = await raw(web, "/assets/chat-Ab_1-x.js", accepted)
    assert told == coding
    assert content == file(built, f"assets/chat-Ab_1-x.js{suffix}")


@pytest.mark.parametrize("path", ["/console", "/widget.js", "/assets/chat-Ab_1-x.js"])
async def test_what_a_browser_has_is_not_sent_again(web: httpx.AsyncClient, path: str) -> None:
    first = await web.get(path)
    tag = first.headers["ETag"]
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = await web.get(path, headers={"If-None-Match": known, "Accept-Encoding": "br"})
        assert (again.status_code, again.content) == (304, b""), known
        assert "Content-Encoding" not in again.headers
        for header in ("ETag", "Cache-Control", "Vary"):
            assert again.headers[header] == first.headers[header]
    assert (await web.get(path, headers={"If-None-Match": '"other"'})).content == first.content


@pytest.mark.parametrize("path", ["/", "/console", "/widget.js", "/assets/look-0.css"])
async def test_asking_for_the_head_tells_all_but_the_content(web: httpx.AsyncClient, path: str) -> None:
    whole, head = await web.get(path), await web.head(path)
    assert head.status_code == whole.status_code
    assert head.content == b""
    for header in ("Content-Type", "Content-Length", "ETag", "Cache-Control"):
        assert head.headers.get(header) == whole.headers.get(header)


@pytest.mark.parametrize(
    "path",
    [
        "/assets/gone-0.js",
        "/assets/",
        "/assets/../console.html",
        "/assets/%2e%2e/console.html",
        "/assets/..%2fconsole.html",
        "/assets/..%5cconsole.html",
        "/assets//etc/passwd",
        "/assets/chat-Ab_1-x.js.br",
        "/assets/%00",
        "/.made-of",
        "/console.html",
    ],
)
async def test_what_is_no_asset_is_not_found(web: httpx.AsyncClient, path: str) -> None:
    url = httpx.URL(str(web.base_url)).copy_with(raw_path=path.encode())
    answer = await web.get(url)
    assert answer.status_code == 404
    assert "console</title>" not in answer.text


async def test_a_file_of_another_version_is_missed_in_a_plain_sentence(web: httpx.AsyncClient) -> None:
    """And no cache remembers that, since during an upgrade the next instance may have it."""
    answer = await web.get("/assets/index-OLD.js")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.text == "There is no such file in this version of the desk.\n"


async def test_the_loader_of_another_version_is_led_to_the_chat_of_this_one(web: httpx.AsyncClient) -> None:
    """The page of a site may be open since before the upgrade."""
    answer = await web.get("/assets/chat-OLD.js")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/assets/chat-Ab_1-x.js")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_the_bare_address_leads_to_the_console(web: httpx.AsyncClient) -> None:
    answer = await web.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/console")


async def test_a_page_of_its_own_can_be_at_the_front(built: Path) -> None:
    app = Quart(__name__, static_folder=None)
    faces.register(app, faces.read(built), front="shop.html")
    answer = await app.test_client().get("/")
    assert answer.status_code == 200
    assert b"shop</title>" in await answer.get_data(as_text=False)
    assert answer.headers["Content-Security-Policy"] == faces.POLICY


async def test_a_desk_whose_pages_were_not_built_says_how_they_are() -> None:
    app = Quart(__name__, static_folder=None)
    faces.register(app, {}, front="shop.html")
    for path in ("/console", "/console/c/1", "/widget.js", "/assets/chat-0.js"):
        answer = await app.test_client().get(path)
        assert answer.status_code == 503
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "node.py build" in await answer.get_data(as_text=True)
    assert (await app.test_client().get("/")).headers["Location"] == "/console"


async def test_the_api_keeps_its_own_answers(web: httpx.AsyncClient) -> None:
    nowhere = await web.get("/api/v1/console")
    assert nowhere.status_code == 404
    assert nowhere.json()["error"]["code"] == "not_found"
    assert (await web.get("/api/v1/health/live")).status_code == 200
    documented = (await web.get("/api/v1/openapi.json")).json()["paths"]
    assert not [path for path in documented if "console" in path or "assets" in path or path == "/"]
    assert (await web.post("/console")).status_code == 405
