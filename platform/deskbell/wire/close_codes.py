"""Why a socket was closed. From the range alone a client knows whether to come back.

4000-4499: reconnect, with full jitter. 4500-4999: final; reconnecting changes nothing.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self

from deskbell.errors import DeskbellError, Invalid, Revoked, Temporary, TokenExpired, TooLarge, Unauthenticated


class CloseCode(IntEnum):
    """A code, what has happened (``meaning``) and what the client does about it (``then``)."""

    meaning: str
    then: str

    def __new__(cls, code: int, meaning: str, then: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.then = then
        return member

    DRAIN = 4001, "The server is about to stop.", "Reconnect when `drain` said; any instance will do."
    SERVER_ERROR = 4002, "Something went wrong at the server, or its store is away.", "Reconnect."
    TOKEN_EXPIRED = 4004, "The access token has expired.", "Get a new token, then reconnect."
    TOO_SLOW = 4008, "More than 1 MiB waited to be read.", "Reconnect, and read faster than it comes."
    RESYNC = 4010, "The server cannot go on where this socket is.", "Reconnect, and subscribe with `since`."
    NO_HEARTBEAT = 4012, "Nothing was heard for `server.silence_s`.", "Reconnect, and answer `ping`."
    RATE = 4013, "Frames without end.", "Reconnect later, and send less."
    BAD_TOKEN = 4500, "The token or ticket is not accepted.", "Final. Log in again."
    PROTOCOL_ERROR = 4501, "The first frame was not understood, or was not `auth`.", "Final. Mend the client."
    AUTH_TIMEOUT = 4502, "No `auth` frame came in time.", "Final. Mend the client."
    REVOKED = 4503, "Logged out, banned, or a page of an origin that is not listed.", "Final."
    TOO_MANY_CONNECTIONS = 4504, "The user opened another socket than may be open at once.", "Final for this socket."
    TOO_MANY_ERRORS = 4509, "Too many frames were not understood.", "Final. Mend the client."


_AT_LOGIN: dict[type[DeskbellError], CloseCode] = {
    TokenExpired: CloseCode.TOKEN_EXPIRED,
    Revoked: CloseCode.REVOKED,
    Unauthenticated: CloseCode.BAD_TOKEN,
    Temporary: CloseCode.SERVER_ERROR,
    Invalid: CloseCode.PROTOCOL_ERROR,
    TooLarge: CloseCode.PROTOCOL_ERROR,
}


def at_login(error: type[DeskbellError]) -> CloseCode | None:
    """What a socket is closed with when it cannot be let in because of ``error``; None: that does not happen."""
    return next((_AT_LOGIN[kind] for kind in error.__mro__ if kind in _AT_LOGIN), None)


def may_reconnect(code: int) -> bool:
    """Whether a client should try again after ``code``; codes below 4000 are the network's."""
    return code < 4500
