"""What authors of plugins and bots import: all of it, and nothing else of Deskbell's.

Names come from modules that do no I/O and bring neither the server nor the store, so importing
this is cheap. Whatever is listed here is kept, or named in the changelog; what is not listed may
move without notice. The manual has a page for each thing to write: ``docs/howto/write-a-*.md``.
"""

from deskbell.contracts import (
    Allow,
    Block,
    Bot,
    BotContext,
    BotEvent,
    ChannelType,
    DeskApi,
    Escalate,
    EscalationRule,
    HandOver,
    Hold,
    ModerationFilter,
    Rewrite,
    Say,
    SetState,
    Situation,
    Submission,
    TextDelta,
    Turn,
    TurnMessage,
    Verdict,
)
from deskbell.errors import (
    Conflict,
    DeskbellError,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    RateLimited,
    Refused,
    Temporary,
    Unavailable,
)
from deskbell.hookspecs import hookimpl
from deskbell.ids import CaseId, MessageId, RoomId, TenantId, TurnId, UserId
from deskbell.model.policy import ANYBODY, DEFAULT_KINDS, Policy
from deskbell.model.records import Actor, Case, Message, Participant, PublicUser, RoomState
from deskbell.model.text import Phrases, normalise, words
from deskbell.version import __version__

__all__ = [
    "ANYBODY",
    "DEFAULT_KINDS",
    "Actor",
    "Allow",
    "Block",
    "Bot",
    "BotContext",
    "BotEvent",
    "Case",
    "CaseId",
    "ChannelType",
    "Conflict",
    "DeskApi",
    "DeskbellError",
    "Escalate",
    "EscalationRule",
    "Forbidden",
    "Gone",
    "HandOver",
    "Hold",
    "Invalid",
    "Message",
    "MessageId",
    "ModerationFilter",
    "NotFound",
    "Participant",
    "Phrases",
    "Policy",
    "PublicUser",
    "RateLimited",
    "Refused",
    "Rewrite",
    "RoomId",
    "RoomState",
    "Say",
    "SetState",
    "Situation",
    "Submission",
    "Temporary",
    "TenantId",
    "TextDelta",
    "Turn",
    "TurnId",
    "TurnMessage",
    "Unavailable",
    "UserId",
    "Verdict",
    "__version__",
    "hookimpl",
    "normalise",
    "words",
]
