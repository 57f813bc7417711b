"""What lately kept writes from being stored: for operators, who are to hear the cause and not only "unavailable".

A cause is noted where a write was refused for it, and is over as soon as a write goes well, except for
``locks``, which are of some rooms only. What nobody has met again for a while is over as well: there is
no probing, so an idle instance forgets.
"""

from __future__ import annotations

import time

from deskbell.store.failures import Shortage

KEEP_S = 15.0


class Troubles:
    """The causes one database has met."""

    def __init__(self) -> None:
        self._met_at: dict[Shortage, float] = {}

    def note(self, why: Shortage) -> None:
        """A write was refused for this."""
        self._met_at[why] = time.monotonic()

    def wrote(self) -> None:
        """A write went well: whatever was short is there again."""
        if self._met_at:
            self._met_at = {why: at for why, at in self._met_at.items() if why == "locks"}

    @property
    def present(self) -> list[Shortage]:
        """What was met in the last :data:`KEEP_S` seconds and has not gone well since."""
        since = time.monotonic() - KEEP_S
        return sorted(why for why, at in self._met_at.items() if at > since)
