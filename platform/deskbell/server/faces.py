"""The pages for people: the console, the widget's loader, and the assets of both.

They are files that the build put into ``deskbell/faces/``. What is in ``assets/`` has a hash in its name and may be
kept for ever; the loader and the pages are asked for again, and mostly answered with 304. Compressed files lie
ready, so that nothing is compressed while somebody waits. Nothing here knows a user, and nothing under ``/api`` is
answered here.

How they are made is left to ``platform/web/scripts/build.ts``.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from quart import Quart, Response, request
from werkzeug.datastructures import Accept

log = structlog.get_logger(__name__)

FOLDER: Final = Path(__file__).parents[1] / "faces"

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; media-src 'self';"
    " connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""No inline script or style, nothing from elsewhere."""

FOR_EVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "public, no-cache"
NEVER: Final = "no-store"

NOT_BUILT: Final = (
    "The pages of this desk were not built when Deskbell was installed. Install it again where npm's registry"
    " answers, or run platform/web/scripts/node.py build in a checkout, and start the server anew.\n"
)

_PAGE: Final = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Robots-Tag": "noindex",
}
_SHARED: Final = {
    # Sites load the widget's files from here; opened by itself, none of them may do anything.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Content-Security-Policy": "default-src 'none'",
}
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
# Of our own, since what a system holds for the type of a name differs from machine to machine.
_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wav": "audio/wav",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
_CHAT: Final = re.compile(r"chat-[\w-]+\.js")


@dataclass(frozen=True)
class Face:
    """One file, as it is sent. ``encoded`` holds what lies beside it, by content coding, the smallest first."""

    body: bytes
    encoded: dict[str, bytes]
    kind: str
    tag: str

    def for_one_who_takes(self, accepted: Accept) -> tuple[str, bytes]:
        """The content coding that is liked best, ``""`` for none, and the bytes in it."""
        best = max(self.encoded, key=lambda coding: accepted[coding], default="")
        if not best or accepted[best] <= 0 or accepted["identity"] > accepted[best]:
            return "", self.body
        return best, self.encoded[best]


def read(folder: Path = FOLDER) -> dict[str, Face]:
    """All files by their path, read once: they are few, small and never change while the process runs."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix in (".br", ".gz") or path.name.startswith("."):
            continue
        body = path.read_bytes()
        beside = ((coding, path.with_name(path.name + suffix)) for coding, suffix in _ENCODINGS)
        encoded = {coding: other.read_bytes() for coding, other in beside if other.is_file()}
        kind = _KINDS.get(path.suffix, "application/octet-stream")
        found[path.relative_to(folder).as_posix()] = Face(body, encoded, kind, hashlib.sha256(body).hexdigest()[:32])
    return found


def register(app: Quart, faces: dict[str, Face] | None = None, *, front: str = "") -> None:
    """Mount the pages: ``/console`` and all below it, ``/widget.js``, ``/assets/``, and ``/``.

    Args:
        faces: The files; else those of the build.
        front: The page that is ``/``, by its name among the files. Without one, ``/`` leads to the console.
    """
    known = read() if faces is None else faces
    if not known:
        log.warning("faces_missing", because="they were not built", hint="platform/web/scripts/node.py build")
    chat = next((name for name in known if _CHAT.fullmatch(name.removeprefix("assets/"))), None)

    async def at_front() -> Response:
        if front and known:
            return _page(known, front)
        # Not for ever: it may be something else tomorrow.
        return Response(b"", 302, headers={"Location": "/console", "Cache-Control": ASK_AGAIN})

    async def console(rest: str = "") -> Response:
        return _page(known, "console.html")

    async def widget() -> Response:
        return _file(known, "widget.js", ASK_AGAIN)

    async def asset(name: str) -> Response:
        if f"assets/{name}" not in known and chat is not None and _CHAT.fullmatch(name):
            # A site's page still has the loader of another build, and cannot be told to load itself again.
            headers = {"Location": f"/{chat}", "Cache-Control": NEVER, "Access-Control-Allow-Origin": "*"}
            return Response(b"", 302, headers=headers)
        return _file(known, f"assets/{name}", FOR_EVER)

    app.add_url_rule("/", "faces.front", at_front, methods=["GET"])
    app.add_url_rule("/console", "faces.console", console, methods=["GET"])
    app.add_url_rule("/console/", "faces.console_slash", console, methods=["GET"])
    app.add_url_rule("/console/<path:rest>", "faces.console_page", console, methods=["GET"])
    app.add_url_rule("/widget.js", "faces.widget", widget, methods=["GET"])
    app.add_url_rule("/assets/<path:name>", "faces.asset", asset, methods=["GET"])


def _page(known: dict[str, Face], name: str) -> Response:
    if name not in known:
        return _sentence(NOT_BUILT, 503)
    return _send(known[name], {**_PAGE, "Cache-Control": ASK_AGAIN})


def _file(known: dict[str, Face], name: str, keep: str) -> Response:
    if not known:
        return _sentence(NOT_BUILT, 503)
    if name not in known:
        # Of an earlier build, perhaps, or of a later one that another instance has already: not to be remembered.
        return _sentence("There is no such file in this version of the desk.\n", 404)
    return _send(known[name], {**_SHARED, "Cache-Control": keep})


def _sentence(text: str, status: int) -> Response:
    headers = {"Cache-Control": NEVER, "X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": "*"}
    return Response(text, status, headers=headers, content_type="text/plain; charset=utf-8")


def _send(face: Face, headers: dict[str, str]) -> Response:
    response = Response(b"", content_type=face.kind, headers={**headers, "X-Content-Type-Options": "nosniff"})
    # Weak: the same content, whichever way it is compressed.
    response.set_etag(face.tag, weak=True)
    response.vary.add("Accept-Encoding")
    if request.if_none_match.contains_weak(face.tag):
        response.status_code = 304
        return response
    coding, body = face.for_one_who_takes(request.accept_encodings)
    if coding:
        response.headers["Content-Encoding"] = coding
    response.set_data(body)
    return response
