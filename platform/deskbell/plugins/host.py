"""The plugins of one process: found, made active, switched on and off, looked after, described."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from deskbell.contracts import BotContext
from deskbell.ids import TenantId
from deskbell.plugins import activation, found
from deskbell.plugins.context import Backing, Context
from deskbell.plugins.door import Door
from deskbell.plugins.found import Found
from deskbell.plugins.in_force import SWITCHED_OFF, InForce
from deskbell.plugins.record import Plugin, Switch, belongs
from deskbell.plugins.refusals import (
    BadOverride,
    BotNotLoaded,
    Fault,
    NoChannelTypes,
    PluginRefused,
    SwitchedOff,
    UnknownPlugin,
    UnknownTenant,
    WrongOffer,
)
from deskbell.plugins.watchdog import Watchdog

log = structlog.get_logger(__name__)

BOT_LOAD_S = 60.0
NOT_NAMED = "config.yaml does not name it"
OFF_IN_CONFIG = "switched off in config.yaml"


class PluginHost(InForce):
    """The plugins of one process. Made by :meth:`load`, ready after :meth:`start`, reachable after :meth:`open`."""

    def __init__(
        self,
        plugins: Sequence[tuple[Plugin, Found]],
        enabled: Mapping[str, Switch],
        overrides: Mapping[str, Mapping[str, Any]],
        moderation_timeout_s: float,
        now: Callable[[], float],
        switches: Mapping[str, bool],
    ) -> None:
        super().__init__([plugin for plugin, _ in plugins], overrides, moderation_timeout_s, now)
        self._found = {id(plugin): source for plugin, source in plugins}
        self._enabled = enabled
        self._switches = dict(switches)
        self._backing: Backing | None = None
        self._watchdog: Watchdog | None = None
        self._up = False
        self._switching = asyncio.Lock()

    # Starting.

    @classmethod
    def load(
        cls,
        enabled: Mapping[str, Switch],
        channel_overrides: Mapping[str, Mapping[str, Any]],
        *,
        moderation_timeout_s: float,
        extra: Mapping[str, object] | None = None,
        folder: Path | None = None,
        switches: Mapping[str, bool] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> PluginHost:
        """Find the plugins and activate the enabled ones. No I/O but reading and importing them.

        Args:
            enabled: What the configuration says, by name. Deskbell's own plugins and those of ``extra``
                are on, and all others off, unless it says otherwise.
            channel_overrides: Channel type -> keys of its policy that the operator changes.
            moderation_timeout_s: How long one filter may take, in seconds.
            extra: Plugins given as objects, by name; for tests and for embedding.
            folder: Where plugins lie that are not installed.
            switches: What admins switched on and off since; the configuration's ``enabled: false`` stands.
            now: Seconds on a clock that does not go back; how long failing things rest.
        Raises:
            UnknownPlugin: Something is enabled that is not installed.
            NoChannelTypes: No kind of room is left to serve.
            BadOverride: ``channel_overrides`` names no such channel type or key, or gives a wrong value.
        """
        plugins = [
            (Plugin(source.name, source.version, source.source, source.bundled), source)
            for source in found.find(extra or {}, folder)
        ]
        known = sorted({plugin.name for plugin, _ in plugins})
        for name, switch in enabled.items():
            if switch.enabled and name not in known:
                raise UnknownPlugin(name, known)
        host = cls(plugins, enabled, channel_overrides, moderation_timeout_s, now, switches or {})
        for plugin, _ in plugins:
            if host._wanted(plugin):
                host._activate(plugin)
        host._settle()
        return host

    def _wanted(self, plugin: Plugin) -> bool:
        """Whether it is to run; why not is noted."""
        switch = self._enabled.get(plugin.name)
        plugin.why_disabled = ""
        if switch is not None and not switch.enabled:
            plugin.why_disabled = OFF_IN_CONFIG
        elif (switched := self._switches.get(plugin.name)) is not None:
            plugin.why_disabled = "" if switched else SWITCHED_OFF
        elif switch is None and not plugin.bundled:
            plugin.why_disabled = NOT_NAMED
        return not plugin.why_disabled

    async def start(self, timeout_s: float = BOT_LOAD_S) -> None:
        """Load the bots, all at once. A bot that fails, or takes longer than ``timeout_s``, takes its plugin with it.

        Raises:
            NoChannelTypes, BadOverride: As :meth:`load`, when what is left is not enough.
        """
        loading = self._active()
        refused = await asyncio.gather(*(self._load_bots(plugin, timeout_s) for plugin in loading))
        if any(refused):
            self._settle()

    def open(self, backing: Backing, tenants: Mapping[str, TenantId]) -> None:
        """The desk is up: from now on plugins may reach it, and what they spawned begins.

        Args:
            tenants: Slug -> id, of all tenants there are.
        Raises:
            UnknownTenant: The configuration changes settings for a tenant that does not exist.
        """
        for plugin in self._active():
            for slug in plugin.checked_of:
                if slug not in tenants:
                    raise UnknownTenant(plugin.name, slug, sorted(tenants))
        self._backing = backing
        self._slugs.update({tenant: slug for slug, tenant in tenants.items()})
        self._up = True
        for plugin in self._active():
            self._contexts[plugin.name].begin()
        self._watchdog = Watchdog(self._owner_of, self._blocked)
        self._watchdog.start()

    async def close(self) -> None:
        """End everything that runs on behalf of plugins. What does not stop is left behind."""
        self._up = False
        if self._watchdog is not None:
            self._watchdog.close()
        self._backing = None
        await asyncio.gather(*(plugin.stop() for plugin in self._plugins))

    def _activate(self, plugin: Plugin) -> None:
        """Make it active, or refuse it."""
        source, active = self._found[id(plugin)], self._active()
        context = Context(plugin, lambda: self._backing, self._slugs)
        try:
            plugin.module = activation.imported(plugin, source, active)
            implementations = activation.hooks_of(plugin, plugin.module)
            activation.settle_settings(plugin, plugin.module, self._enabled.get(plugin.name))
            plugin.offers = activation.offers_of(plugin, implementations, context, active)
        except PluginRefused as refusal:
            self._refuse(plugin, refusal)
            return
        self._contexts[plugin.name] = context
        self._implementations[plugin.name] = implementations
        plugin.hooks = sorted(implementations)
        plugin.refusal = None
        plugin.state = "active"

    def _refuse(self, plugin: Plugin, refusal: PluginRefused) -> None:
        plugin.state = "refused"
        plugin.refusal = refusal
        plugin.offers = {}
        plugin.hooks = []
        log.error("plugin_refused", plugin=plugin.name, reason=refusal.reason, remedy=refusal.remedy)

    async def _load_bots(self, plugin: Plugin, timeout_s: float = BOT_LOAD_S) -> bool:
        """True: one of them did not load, and the plugin is refused."""
        doors = [
            (bot, Door(plugin, f"load {bot.name}", bot.name, bot.load, timeout_s))
            for bot in plugin.offers.get("bots", ())
        ]
        answers = await asyncio.gather(
            *(door.ask(BotContext(plugin.settings)) for _, door in doors), return_exceptions=True
        )
        for (bot, _), answer in zip(doors, answers, strict=True):
            if isinstance(answer, Fault) and plugin.state == "active":
                how = f"its bot {bot.name!r} {answer}"
                self._refuse(plugin, BotNotLoaded(plugin.name, how, "See the bot's own settings and files."))
            elif isinstance(answer, BaseException) and not isinstance(answer, Fault):
                raise answer
        return plugin.state == "refused"

    # Switching.

    def named(self, name: str) -> Plugin | None:
        """The plugin of this name: of several the one that is, or may be, active."""
        found = [plugin for plugin in self._plugins if plugin.name == name]
        return next((plugin for plugin in found if plugin.state == "active"), found[0] if found else None)

    def check_switch(self, name: str, on: bool) -> Plugin:
        """Whether a plugin could be switched on or off now; what depends on rooms is asked elsewhere.

        Raises:
            UnknownPlugin: There is none of this name.
            SwitchedOff: It cannot be. Says why.
        """
        plugin = self.named(name)
        if plugin is None:
            raise UnknownPlugin(name, sorted({plugin.name for plugin in self._plugins}))
        configured = self._enabled.get(name)
        if on and configured is not None and not configured.enabled:
            raise SwitchedOff(f"config.yaml switches {name} off (plugins.{name}.enabled), and that stands.")
        if not on and plugin.state == "active":
            types = {offer.name for offer in plugin.offers.get("channel_types", ())}
            if types and not set(self._channel_types) - types:
                raise SwitchedOff(f"{name} brings the only kinds of rooms; without it there is nothing to serve.")
        return plugin

    async def follow(self, switches: Mapping[str, bool]) -> None:
        """Switch on and off what admins switched since, on whatever instance. What cannot be, stays as it is."""
        async with self._switching:
            if dict(switches) == self._switches:
                return
            self._switches = dict(switches)
            for plugin in self._plugins:
                wanted = self._wanted(plugin)
                if wanted and plugin.state == "disabled":
                    await self._switch_on(plugin)
                elif not wanted and plugin.state != "disabled":
                    await self._switch_off(plugin)

    async def _switch_on(self, plugin: Plugin) -> None:
        self._activate(plugin)
        if not await self._load_bots(plugin):
            try:
                self._settle()
            except BadOverride as error:
                self._refuse(plugin, WrongOffer(plugin.name, str(error), "Correct channels: in config.yaml."))
            else:
                if self._up:
                    self._contexts[plugin.name].begin()
        if plugin.state != "active":
            self._settle()  # a guard that does not run holds everything
        log.info("plugin_switched_on", plugin=plugin.name, state=plugin.state)

    async def _switch_off(self, plugin: Plugin) -> None:
        before = plugin.state, plugin.offers, plugin.refusal
        plugin.state, plugin.offers, plugin.refusal = "disabled", {}, None
        try:
            self._settle()
        except NoChannelTypes as error:
            plugin.state, plugin.offers, plugin.refusal = before
            log.error("plugin_not_switched_off", plugin=plugin.name, why=str(error))
            return
        plugin.hooks = []
        plugin.breakers.clear()
        if (context := self._contexts.pop(plugin.name, None)) is not None:
            context.end()
        await plugin.stop()
        log.info("plugin_switched_off", plugin=plugin.name)

    # Looking after.

    def _owner_of(self, module: str) -> str | None:
        """The plugin a module belongs to, asked from the watchdog's thread."""
        best = None
        for plugin in self._plugins:
            package = plugin.package
            if package and belongs(module, package) and (best is None or len(package) > len(best.package)):
                best = plugin
        return None if best is None else best.name

    def _blocked(self, name: str, seconds: float, at: str) -> None:
        if (plugin := self.named(name)) is not None:
            plugin.has_blocked(seconds, at)

    def describe(self) -> list[dict[str, Any]]:
        """Every plugin that was found: what became of it, what it offers, how it behaves."""
        return [plugin.describe() for plugin in self._plugins]
