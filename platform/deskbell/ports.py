"""Everything an action may reach for, in one frozen record.

Actions take it as their first argument and reach for nothing else; :mod:`deskbell.app` is the only
place that fills it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from deskbell.clock import Clock
from deskbell.config import Settings
from deskbell.plugins import PluginHost
from deskbell.store.database import Database
from deskbell.store.journal import Journal
from deskbell.tasks import Tasks
from deskbell.tokens import Passwords, Tokens
from deskbell.volatile.bus import Bus
from deskbell.volatile.limits import Limits, MemoryRoll, Roll
from deskbell.volatile.presence import Presence
from deskbell.volatile.tickets import Tickets


@dataclass(frozen=True)
class Ports:
    settings: Settings
    clock: Clock
    db: Database
    journal: Journal
    bus: Bus
    plugins: PluginHost
    tokens: Tokens
    passwords: Passwords
    limits: Limits
    presence: Presence
    tickets: Tickets
    tasks: Tasks
    roll: Roll = field(default_factory=MemoryRoll)
