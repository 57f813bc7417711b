"""Why a socket was closed. From the range alone a client knows whether to come back.

4000-4499: reconnect, with full jitter. 4500-4999: final; reconnecting changes nothing.
"""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    DRAIN = 4001
    SERVER_ERROR = 4002
    TOKEN_EXPIRED = 4004
    TOO_SLOW = 4008
    RESYNC = 4010
    NO_HEARTBEAT = 4012
    RATE = 4013
    BAD_TOKEN = 4500
    PROTOCOL_ERROR = 4501
    AUTH_TIMEOUT = 4502
    REVOKED = 4503
    TOO_MANY_CONNECTIONS = 4504
    TOO_MANY_ERRORS = 4509


def may_reconnect(code: int) -> bool:
    """Whether a client should try again after ``code``; codes below 4000 are the network's."""
    return code < 4500
