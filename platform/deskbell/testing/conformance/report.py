"""What a plugin is examined for, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["passed", "failed", "skipped"]

# Check -> the promise it holds a plugin to, as the end of a sentence that begins with "It". In the order they run.
CHECKS: dict[str, str] = {
    # the plugin as a whole
    "import": "is imported quickly, without input or output",
    "hooks": "implements hooks that exist, with their arguments, each marked",
    "settings": "works with its defaults and refuses settings it does not know",
    "register": "registers at once, without input or output, the same each time",
    "accepted": "is accepted by the desk, beside the plugins that come with it",
    # each thing it offers
    "answers": "answers ordinary input in time and does not raise",
    "types": "answers with the declared types only",
    "blocking": "never holds up the desk for more than a quarter of a second",
    "hostile": "takes whatever people type",
    "large": "takes 64 KiB of text and hundreds of messages",
    "again": "takes the same thing twice",
    "given": "changes nothing that it was given",
    "rooms": "keeps two rooms apart that are at work at once",
    "peer": "stands a peer that is silent",
    "cancelled": "stops when it is cancelled, and leaves nothing running",
    "leaks": "leaves no tasks, threads, files or sockets behind",
    # the plugin as a whole, afterwards
    "redaction": "keeps what people wrote, and its secrets, out of logs and reprs",
    "unload": "ends when the desk ends",
}
WHOLE = ("import", "hooks", "settings", "register", "accepted", "redaction", "unload")


@dataclass(frozen=True)
class Result:
    """What one check found. ``subject`` is what was looked at (``filter acme``); empty: the plugin as a whole.

    ``says`` is a sentence: what is wrong, or what is worth knowing. ``where``: ``acme.py:12 in check``.
    """

    check: str
    subject: str
    outcome: Outcome
    says: str = ""
    where: str = ""

    def __str__(self) -> str:
        about = f"{self.subject}: " if self.subject else ""
        return f"{self.check}: {about}{self.says}" + (f" ({self.where})" if self.where else "")


@dataclass(frozen=True)
class Report:
    """All that was found about one plugin."""

    plugin: str
    results: Sequence[Result]

    @property
    def failed(self) -> list[Result]:
        return [result for result in self.results if result.outcome == "failed"]

    @property
    def passed(self) -> bool:
        """Whether nothing failed and something was looked at."""
        return bool(self.results) and not self.failed
