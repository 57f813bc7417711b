"""Every refusal Deskbell can give.

::

    DeskbellError
    ├── Refused                  final: asking again changes nothing
    │   ├── Invalid              what was sent is not understood            422
    │   ├── Unauthenticated      nobody knows who is asking                 401
    │   ├── Forbidden            known, and not allowed                     403
    │   ├── NotFound             absent, or not yours to see                404
    │   ├── Conflict             the world has moved on                     409
    │   ├── Gone                 it is over                                 410
    │   ├── PreconditionFailed   what you expected no longer holds          412
    │   ├── TooLarge             over a stated limit                        413
    │   └── Blocked              a moderation filter refused the text       422
    └── Temporary                try again, ``retry_after_ms`` says when
        ├── RateLimited                                                     429
        ├── Unavailable          nothing was changed                        503
        └── OutcomeUnknown       it may or may not have been changed        503

A class is at once a wire code, a temporary flag, an HTTP status and a public sentence. The
sentence is for the person who reads it: it says what to do, and holds nothing private.
"""

from __future__ import annotations

from typing import Any, ClassVar


class DeskbellError(Exception):
    """The base of all. ``details`` is shown to clients; put nothing private there."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    temporary: ClassVar[bool] = False
    sentence: ClassVar[str] = "Something went wrong here. It has been noted."

    def __init__(self, sentence: str = "", *, retry_after_ms: int | None = None, **details: Any) -> None:
        super().__init__(sentence or self.sentence)
        self.retry_after_ms = retry_after_ms
        self.details: dict[str, Any] = details

    def __str__(self) -> str:
        return str(self.args[0])


class Refused(DeskbellError):
    """Final: the same request will be refused again."""

    code = "refused"
    status = 400
    sentence = "This cannot be done."


class Temporary(DeskbellError):
    """Passing: the same request may succeed later."""

    code = "temporary"
    status = 503
    temporary = True
    sentence = "This cannot be done right now. Try again in a moment."


class Invalid(Refused):
    code = "invalid"
    status = 422
    sentence = "The request is not understood."


class UnknownType(Invalid):
    code = "unknown_type"
    sentence = "There is no frame of this type. The protocol page lists them."


class TooDeep(Invalid):
    code = "too_deep"
    sentence = "The JSON is nested too deeply."


class Unauthenticated(Refused):
    code = "unauthenticated"
    status = 401
    sentence = "Log in first: there is no valid token here."


class TokenExpired(Unauthenticated):
    code = "token_expired"
    sentence = "The token has expired. Refresh it and try again."


class Revoked(Unauthenticated):
    code = "revoked"
    sentence = "This token is no longer accepted. Log in again."


class Forbidden(Refused):
    code = "forbidden"
    status = 403
    sentence = "You may not do this."


class Muted(Forbidden):
    code = "muted"
    sentence = "You cannot write here for now."


class WindowOver(Forbidden):
    code = "window_over"
    sentence = "It is too late to change this message."


class KindNotAllowed(Forbidden):
    code = "kind_not_allowed"
    sentence = "You may not post a message of this kind here."


class NotYours(Forbidden):
    """The room belongs to somebody else; joining or taking over comes first."""

    code = "not_owner"
    sentence = "Somebody else answers here. Take over or join first."


class NotFound(Refused):
    code = "not_found"
    status = 404
    sentence = "There is no such thing, or it is not yours to see."


class Conflict(Refused):
    code = "conflict"
    status = 409
    sentence = "This was changed in the meantime. Look again, then decide."


class ClientIdReused(Conflict):
    code = "client_id_reused"
    sentence = "This client_id was already used for another message. Use a new one."


class AlreadyClaimed(Conflict):
    code = "already_claimed"
    sentence = "A colleague accepted this a moment ago."


class Stale(Conflict):
    """A message carries an ``owner_version`` that is no longer the room's."""

    code = "stale_owner"
    sentence = "The conversation has changed hands; this answer came too late."


class Gone(Refused):
    code = "gone"
    status = 410
    sentence = "This is over."


class RoomClosed(Gone):
    code = "room_closed"
    sentence = "This conversation is closed. Open a new one instead of trying again."


class MessageDeleted(Gone):
    code = "message_deleted"
    sentence = "This message was deleted."


CHANGED_MEANWHILE = "This was changed in the meantime. Look again, then decide."


class PreconditionFailed(Refused):
    code = "expectation_failed"
    status = 412
    sentence = "Somebody was faster. Read what is new, then decide whether to send."


class TooLarge(Refused):
    code = "too_large"
    status = 413
    sentence = "This is larger than allowed."


class Blocked(Refused):
    code = "blocked"
    status = 422
    sentence = "This text is not allowed here. Change it and send again."


class LimitReached(Refused):
    code = "limit_reached"
    status = 409
    sentence = "There is no room for more of these."


class RateLimited(Temporary):
    code = "rate_limited"
    status = 429
    sentence = "One moment, that was a lot at once."


class Unavailable(Temporary):
    code = "unavailable"
    status = 503
    sentence = "The store cannot be reached. Nothing was lost; try again in a moment."

    def __init__(self, sentence: str = "", *, retry_after_ms: int | None = 1000, **details: Any) -> None:
        super().__init__(sentence, retry_after_ms=retry_after_ms, **details)


class OutcomeUnknown(Temporary):
    code = "unknown_outcome"
    status = 503
    sentence = "It is not known whether this took effect. Send the same request again; it is safe."

    def __init__(self, sentence: str = "", *, retry_after_ms: int | None = 500, **details: Any) -> None:
        super().__init__(sentence, retry_after_ms=retry_after_ms, **details)
