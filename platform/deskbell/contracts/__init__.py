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
from deskbell.contracts.context import PluginContext
from deskbell.contracts.desk import (
    Acting,
    DeskApi,
    Excerpt,
    Presence,
    ReadMark,
    Revision,
    RoomEntry,
    Sent,
    Thread,
    Unread,
)
from deskbell.contracts.dialect import (
    Alias,
    Answer,
    ClientFrame,
    Dialect,
    Frames,
    Session,
    Told,
    ToldDrain,
    ToldHistory,
    ToldInbox,
    ToldMember,
    ToldMessage,
    ToldNotice,
    ToldPresence,
    ToldRead,
    ToldRoom,
    ToldTyping,
    Vitals,
)
from deskbell.contracts.escalation import EscalationRule, HandOver, Situation
from deskbell.contracts.job import Job
from deskbell.contracts.kind import MessageKind
from deskbell.contracts.moderation import Allow, Block, Hold, ModerationFilter, Rewrite, Submission, Verdict
from deskbell.contracts.queue import Dead, Done, Queue, QueueItem, Retry
from deskbell.contracts.route import Route, RouteRequest

__all__ = [
    "Acting",
    "Alias",
    "Allow",
    "Answer",
    "Block",
    "Bot",
    "BotContext",
    "BotEvent",
    "ChannelType",
    "ClientFrame",
    "Dead",
    "DeskApi",
    "Dialect",
    "Done",
    "Escalate",
    "EscalationRule",
    "Excerpt",
    "Frames",
    "HandOver",
    "Hold",
    "Job",
    "MessageKind",
    "ModerationFilter",
    "PluginContext",
    "Presence",
    "Queue",
    "QueueItem",
    "ReadMark",
    "Retry",
    "Revision",
    "Rewrite",
    "RoomEntry",
    "Route",
    "RouteRequest",
    "Say",
    "Sent",
    "Session",
    "SetState",
    "Situation",
    "Submission",
    "TextDelta",
    "Thread",
    "Told",
    "ToldDrain",
    "ToldHistory",
    "ToldInbox",
    "ToldMember",
    "ToldMessage",
    "ToldNotice",
    "ToldPresence",
    "ToldRead",
    "ToldRoom",
    "ToldTyping",
    "Turn",
    "TurnMessage",
    "Unread",
    "Verdict",
    "Vitals",
]
