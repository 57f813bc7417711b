"""What goes wrong with plugins, each with its own sentence.

A :class:`PluginRefused` concerns one plugin and is kept beside it; any other :class:`PluginError` stops
the start. A :class:`Fault` never leaves the host: whoever asks turns it into what the contract declares.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence


class PluginError(Exception):
    """The base of all; as such, and unless it is a :class:`PluginRefused`, it stops the start."""


class UnknownPlugin(PluginError):
    """The configuration enables a plugin that is not installed."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name = name
        self.known = tuple(known)
        close = difflib.get_close_matches(name, known, n=1)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(
            f"plugins.{name}: no plugin of this name is installed.{meant} "
            f"Installed are: {', '.join(known) or 'none, not even those of Deskbell; install it with pip'}."
        )


class NoChannelTypes(PluginError):
    """No plugin offers a kind of room, so there is nothing to serve."""

    def __init__(self, refused: Sequence[PluginRefused]) -> None:
        why = " ".join(str(refusal) for refusal in refused) or "Enable the plugin 'channels'."
        super().__init__(f"No plugin offers a channel type, so no room could be opened. {why}")


class BadOverride(PluginError):
    """``channels:`` in the configuration changes a policy in a way that cannot be."""

    def __init__(self, key: str, problem: str) -> None:
        self.key = key
        super().__init__(f"{key}: {problem}")


class UnknownTenant(PluginError):
    """The configuration changes a plugin's settings for a tenant that does not exist."""

    def __init__(self, plugin: str, slug: str, known: Sequence[str]) -> None:
        super().__init__(f"plugins.{plugin}.tenants.{slug}: there is no such tenant. There are: {', '.join(known)}.")


class PluginRefused(PluginError):
    """One plugin cannot be used. ``reason`` says why, ``remedy`` what to do."""

    def __init__(self, plugin: str, reason: str, remedy: str) -> None:
        self.plugin = plugin
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"Plugin {plugin!r} was refused: {reason}. {remedy}")


class NotImportable(PluginRefused):
    """Its module raised while it was imported, or is not there."""


class WrongHook(PluginRefused):
    """It implements a hook that does not exist, or with other arguments."""


class WrongSettings(PluginRefused):
    """Its settings in the configuration are not what it declares."""


class WrongOffer(PluginRefused):
    """What a ``register_*`` hook returned cannot be used, or it raised."""


class WrongVersion(PluginRefused):
    """It was made for another version of the plugin API, or does not say which in a way that is understood."""


class NameTaken(PluginRefused):
    """It, or something it offers, has a name that came before it."""


class BotNotLoaded(PluginRefused):
    """``Bot.load`` raised or was not done in time."""


class SwitchedOff(PluginError):
    """A plugin cannot be switched on or off while the desk runs. The sentence says why, and what to do instead."""


class ObserverFailed(Exception):
    """Some observers did not take an event; they should be told again.

    ``failures``: plugin -> what happened. ``again_s``: where some were not even asked, because they rest,
    the seconds until they will be; then no attempt should be counted.
    """

    def __init__(self, hook: str, failures: Mapping[str, str], again_s: float | None = None) -> None:
        self.hook = hook
        self.failures = dict(failures)
        self.again_s = again_s
        super().__init__(f"{hook}: " + ", ".join(f"{plugin} {what}" for plugin, what in failures.items()))


class Fault(Exception):
    """A plugin raised, was late or answered nonsense. Its words hold nothing of what a user wrote."""


class Late(Fault):
    """It has not answered in time."""


class Busy(Late):
    """All the threads of its plugin are taken, by calls that have not come back."""


class Resting(Fault):
    """It was not asked: it was late too often. ``again_s``: seconds until somebody may try."""

    def __init__(self, how: str, again_s: float) -> None:
        super().__init__(how)
        self.again_s = again_s
