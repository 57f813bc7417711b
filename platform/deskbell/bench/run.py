"""One run of the bench: its choices, and what happens when a measurement cannot be made."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import uvloop

from deskbell.bench.peers import NotRun
from deskbell.bench.processes import BenchFailed, Cores
from deskbell.bench.report import Show, Table

_T = TypeVar("_T")


@dataclass(frozen=True)
class Run:
    """The choices of one run."""

    cores: Cores
    show: Show
    seconds: float
    """How long each measurement looks, after warming up."""
    members: tuple[int, ...]
    """Room sizes of ``fanout``."""
    with_peers: bool

    @contextlib.contextmanager
    def measurement(self, what: str, table: Table, *, steps: float | None = None) -> Iterator[None]:
        """Show progress; what cannot be measured becomes a sentence under ``table`` and the run goes on."""
        self.show.begin(what, self.seconds if steps is None else steps)
        try:
            yield
        except NotRun as missing:
            table.notes.append(f"{what}: not run: {missing}.")
        except BenchFailed as failure:
            table.failed.append(what)
            table.notes.append(f"{what}: failed: {failure}.")
        finally:
            self.show.done()

    def wait_for(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run ``work`` in an event loop of its own, so that no measurement inherits another's timers."""
        return uvloop.run(work)
