"""A bot's turn, as far as the host is concerned: counted, timed, and not begun while the bot rests.

Turns are run elsewhere, since they stream and are put down from outside.
"""

from __future__ import annotations

import time

from deskbell.plugins.breaker import Breaker
from deskbell.plugins.record import Plugin


class BotTurn:
    """One turn. Exactly one of its methods is called when it is over."""

    def __init__(self, plugin: Plugin, what: str, breaker: Breaker) -> None:
        """Begin.

        Raises:
            Resting: The bot was late too often.
        """
        try:
            self._probe = breaker.admit()
        except Exception:
            plugin.passed_over += 1
            raise
        self._plugin = plugin
        self._what = what
        self._breaker = breaker
        self._begun = time.perf_counter()

    def _over(self) -> None:
        self._plugin.timed(self._what).add(time.perf_counter() - self._begun)

    def answered(self) -> None:
        self._over()
        self._breaker.answered(self._probe)

    def raised(self, how: str) -> None:
        self.answered()
        self._plugin.failed(self._what, how)

    def late(self) -> None:
        self._over()
        if self._breaker.late(self._probe):
            self._plugin.rests(self._what)
        self._plugin.failed(self._what, "was not done by its deadline")

    def put_down(self) -> None:
        """It was ended by others: the visitor wrote again, a person took over."""
        self._over()
        self._breaker.forgotten(self._probe)
