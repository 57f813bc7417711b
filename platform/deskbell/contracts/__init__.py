"""What plugins implement, and what they may ask of the desk.

Plain classes and records, no I/O, nothing of the platform's inside. A plugin registers objects
of these types once, through the hooks in :mod:`deskbell.hookspecs`; the host awaits them
itself, in a declared order and under a deadline.
"""

from deskbell.contracts.bot import (
    Bot,
    BotContext,
    BotEvent,
    Escalate,
    Say,
    SetState,
    TextDelta,
    Turn,
    TurnMessage,
)
from deskbell.contracts.channel import ChannelType
from deskbell.contracts.desk import (
    Acting,
    DeskApi,
    Excerpt,
    Presence,
    Revision,
    RoomEntry,
    Sent,
    Thread,
    Unread,
)
from deskbell.contracts.escalation import EscalationRule, HandOver, Situation
from deskbell.contracts.moderation import Allow, Block, Hold, ModerationFilter, Rewrite, Submission, Verdict

__all__ = [
    "Acting",
    "Allow",
    "Block",
    "Bot",
    "BotContext",
    "BotEvent",
    "ChannelType",
    "DeskApi",
    "Escalate",
    "EscalationRule",
    "Excerpt",
    "HandOver",
    "Hold",
    "ModerationFilter",
    "Presence",
    "Revision",
    "Rewrite",
    "RoomEntry",
    "Say",
    "Sent",
    "SetState",
    "Situation",
    "Submission",
    "TextDelta",
    "Thread",
    "Turn",
    "TurnMessage",
    "Unread",
    "Verdict",
]
