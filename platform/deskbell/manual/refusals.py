"""The page of errors and close codes, from the classes that are raised and the codes that are sent."""

from __future__ import annotations

from collections.abc import Iterator

from deskbell import errors
from deskbell.errors import DeskbellError
from deskbell.server.rest import errors as rest_errors
from deskbell.wire.close_codes import CloseCode, at_login, may_reconnect

_HEAD = """\
# Errors
<!-- asked: error codes; list of errors; what does the error code mean; status code; 409; 422; 429; 503 -->

Whatever is refused, by REST or on a socket, is refused with one of these codes. A program goes by `code` and
`temporary`; the sentence is for people, and may be another one where more is known. This page is printed from
the code by `python -m deskbell.manual`.

Over REST an error is the body `{"error": {code, message, temporary, retry_after_ms?, details?}}` with the status of the
table. On a socket it is the frame `error` with the same fields and the `ref` of what was asked; the socket
stays open, except while it is let in: then the close code of the last column follows.

- **Final:** the same request will be refused again. Change it, or tell the user.
- **Temporary:** the same request may succeed later: after `retry_after_ms` where it is given, else after a
  pause that grows. Sends are safe to repeat with the same `client_id`, everything else by its nature.
- A code that you do not know is as final or temporary as its `temporary` says: plugins may add some.

"""

_CLOSE = """\
## Close codes of the socket
<!-- asked: socket closed with code; disconnect code; what does close code mean; 4001; 4008; 4503; 4504 -->

The number alone says whether to come back: below 4500 reconnect, with growing pauses, each multiplied by a random
number between 0 and 1; from 4500 on reconnecting changes nothing. Codes below 4000 are the network's: reconnect.

"""


def kinds() -> Iterator[type[DeskbellError]]:
    """Every error that a client may be told, the general before the special."""
    for module in (errors, rest_errors):
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, DeskbellError) and kind.__module__ == module.__name__:
                yield kind


def markdown() -> str:
    parts = [_HEAD]
    for title, temporary in (("Final", False), ("Temporary", True)):
        parts.append(f"## {title} errors\n\n| code | status | sentence | at login |\n|---|---|---|---|\n")
        parts += [_row(kind) for kind in kinds() if kind.temporary is temporary]
        parts.append("\n")
    parts.append(_CLOSE + "| code | what has happened | then |\n|---|---|---|\n")
    parts += [f"| {int(code)} | {code.meaning} | {code.then} |\n" for code in CloseCode]
    assert all(may_reconnect(code) is not code.then.startswith("Final") for code in CloseCode)
    return "".join(parts)


def _row(kind: type[DeskbellError]) -> str:
    closes = at_login(kind)
    return f"| `{kind.code}` | {kind.status} | {kind.sentence} | {'' if closes is None else int(closes)} |\n"
