"""The pages for people: the console, the widget's loader, and the assets of both.

They are files that the build put into ``deskbell/faces/``. What is in ``assets/`` has a hash in its name and may be
kept for ever; the loader and the pages are asked for again, and mostly answered with 304. Compressed files lie
ready, so that nothing is compressed while somebody waits. Nothing here knows a user.

How they are made is left to ``platform/web/scripts/build.ts``.
"""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from quart import Quart, Response, request
from werkzeug.exceptions import NotFound

log = structlog.get_logger(__name__)

FOLDER: Final = Path(__file__).parents[1] / "faces"

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; media-src 'self';"
    " connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""No inline script or style, nothing from elsewhere."""

FOR_EVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "public, no-cache"
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))


@dataclass(frozen=True)
class Face:
    """One file, as it is sent. ``encoded`` holds what lies beside it, by content coding, the smallest first."""

    body: bytes
    encoded: dict[str, bytes]
    kind: str
    tag: str


def read(folder: Path = FOLDER) -> dict[str, Face]:
    """All files by their path, read once: they are few, small and never change while the process runs."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix in (".br", ".gz"):
            continue
        body = path.read_bytes()
        beside = ((coding, path.with_name(path.name + suffix)) for coding, suffix in _ENCODINGS)
        encoded = {coding: other.read_bytes() for coding, other in beside if other.is_file()}
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        kind = "text/javascript" if path.suffix == ".js" else kind
        text = "; charset=utf-8" if kind.startswith("text/") else ""
        tag = hashlib.sha256(body).hexdigest()[:32]
        found[path.relative_to(folder).as_posix()] = Face(body, encoded, kind + text, tag)
    return found


def register(app: Quart, faces: dict[str, Face] | None = None) -> None:
    """Mount the pages: ``/console``, ``/widget.js`` and ``/assets/``."""
    known = read() if faces is None else faces
    if not known:
        log.warning("faces_missing", because="they were not built", hint="node --run build, in platform/web")

    def send(name: str, *, keep: str, page: bool = False) -> Response:
        face = known.get(name)
        if face is None:
            raise NotFound
        response = Response(b"", content_type=face.kind)
        response.set_etag(face.tag)
        response.headers["Cache-Control"] = keep
        response.headers["Vary"] = "Accept-Encoding"
        if page:
            response.headers["Content-Security-Policy"] = POLICY
            response.headers["Referrer-Policy"] = "same-origin"
        else:
            # Sites load the widget's files from here.
            response.headers["Access-Control-Allow-Origin"] = "*"
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        if face.tag in request.if_none_match:
            response.status_code = 304
            return response
        body = face.body
        for coding, smaller in face.encoded.items():
            if request.accept_encodings[coding] > 0:
                body = smaller
                response.headers["Content-Encoding"] = coding
                break
        response.set_data(body)
        return response

    async def console(rest: str = "") -> Response:
        return send("console.html", keep=ASK_AGAIN, page=True)

    async def widget() -> Response:
        return send("widget.js", keep=ASK_AGAIN)

    async def asset(name: str) -> Response:
        return send(f"assets/{name}", keep=FOR_EVER)

    app.add_url_rule("/console", "faces.console", console)
    app.add_url_rule("/console/<path:rest>", "faces.console_page", console)
    app.add_url_rule("/widget.js", "faces.widget", widget)
    app.add_url_rule("/assets/<path:name>", "faces.asset", asset)
