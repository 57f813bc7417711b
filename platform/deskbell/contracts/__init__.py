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
from deskbell.contracts.desk import DeskApi
from deskbell.contracts.escalation import EscalationRule, HandOver, Situation
from deskbell.contracts.moderation import Allow, Block, Hold, ModerationFilter, Rewrite, Submission, Verdict

__all__ = [
    "Allow",
    "Block",
    "Bot",
    "BotContext",
    "BotEvent",
    "ChannelType",
    "DeskApi",
    "Escalate",
    "EscalationRule",
    "HandOver",
    "Hold",
    "ModerationFilter",
    "Rewrite",
    "Say",
    "SetState",
    "Situation",
    "Submission",
    "TextDelta",
    "Turn",
    "TurnMessage",
    "Verdict",
]
