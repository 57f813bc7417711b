"""Plugins: found, checked, asked, and kept from hurting one another.

:class:`PluginHost` promises that

- a plugin is either whole or absent: one that does not import, was made for another API, implements a hook
  that does not exist, has wrong settings or offers something unusable is *refused*, with a reason and what to
  do, and the rest goes on;
- nothing a plugin does at run time reaches its caller: raising, being late and answering nonsense have
  the outcome that the plugin's contract declares;
- what is late again and again is left out for a while, so a plugin that hangs delays a few messages and not all;
- what a plugin registered or started goes when it goes, and who holds up the whole process is named.

A plugin that guards (offers moderation filters) and was refused is replaced by a filter that holds
everything: a typing error in its settings must not open the gate it was put up to keep.

What it cannot do: stop a plugin that blocks the event loop, or contain one that means harm. Plugins are
trusted code. pluggy registers and validates; it does not await, so asking is done here.

From plain to whole: :mod:`.refusals`, :mod:`.breaker`, :mod:`.threads`, :mod:`.found` and :mod:`.record` know
nothing of one another's work; :mod:`.door` asks, :mod:`.asking` makes one answer of several; :mod:`.activation`
checks; :mod:`.in_force` puts together, :mod:`.host` decides which.
"""

from deskbell.plugins.asking import Moderated
from deskbell.plugins.bot_turn import BotTurn
from deskbell.plugins.context import Backing, queue_name
from deskbell.plugins.door import Door
from deskbell.plugins.host import PluginHost
from deskbell.plugins.in_force import Asked
from deskbell.plugins.record import Plugin, Switch
from deskbell.plugins.refusals import (
    BadOverride,
    BotNotLoaded,
    Fault,
    Late,
    NameTaken,
    NoChannelTypes,
    NotImportable,
    ObserverFailed,
    PluginError,
    PluginRefused,
    Resting,
    SwitchedOff,
    UnknownPlugin,
    UnknownTenant,
    WrongHook,
    WrongOffer,
    WrongSettings,
    WrongVersion,
)
from deskbell.plugins.versions import API_VERSION

__all__ = [
    "API_VERSION",
    "Asked",
    "Backing",
    "BadOverride",
    "BotNotLoaded",
    "BotTurn",
    "Door",
    "Fault",
    "Late",
    "Moderated",
    "NameTaken",
    "NoChannelTypes",
    "NotImportable",
    "ObserverFailed",
    "Plugin",
    "PluginError",
    "PluginHost",
    "PluginRefused",
    "Resting",
    "Switch",
    "SwitchedOff",
    "UnknownPlugin",
    "UnknownTenant",
    "WrongHook",
    "WrongOffer",
    "WrongSettings",
    "WrongVersion",
    "queue_name",
]
