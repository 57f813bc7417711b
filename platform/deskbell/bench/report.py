"""What a bench says: a bar while it runs, tables at the end, the same tables as Markdown."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import rich.box
import rich.table
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from deskbell.bench.stage import Window


FULL: Final = 0.92
"""From this share of a core on, a process is taken to be what limits the rate."""


@dataclass
class Table:
    """Figures of one scenario."""

    title: str
    method: str
    """How they were taken, in sentences for the reader of the manual."""
    columns: Sequence[str]
    """The first names the contestant; the others hold figures with their unit in the heading."""
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Verdicts against the project's own bars, and what could not be run."""
    failed: list[str] = field(default_factory=list)
    """Measurements that broke; their sentence is among the notes."""

    def add(
        self, cells: Sequence[str], seen: Window, rate_ratio: float, cpu_ratio: float, *, full: bool = True
    ) -> None:
        """A row of ``cells``, how busy both sides were, and Deskbell against this contestant (0: unknown).

        With ``full`` the measurement meant to fill the server's core; where it did not, a note says so.
        """
        busy = f"{seen.server_busy:.0%} / {seen.load_busy:.0%}"
        ratios = (f"{ratio:.2f}" if ratio else "–" for ratio in (rate_ratio, cpu_ratio))
        self.rows.append((*cells, busy, *ratios))
        if not full:
            return
        if seen.load_busy >= FULL:
            self._note(f"{cells[0]}: the load had no time left; its rate is a lower bound, its CPU stands.")
        elif seen.server_busy < FULL:
            self._note(
                f"{cells[0]}: the server's core was not full (others used the machine, or it waited for the disk or "
                "the database); its rate is a lower bound, its CPU stands."
            )

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def bar(self, sentence: str, met: bool) -> None:
        """Note whether a promise of the project held in this run."""
        self.notes.append(f"{sentence}: {'met' if met else 'MISSED'}.")


class Show:
    """The progress of a run, one line per measurement."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[doing]}"),
            TimeElapsedColumn(),
            console=console,
            refresh_per_second=4,  # it shares a core with the load
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Show:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done()
        self._progress.stop()

    def begin(self, what: str, steps: float) -> None:
        """A new measurement of ``steps`` seconds or items."""
        self.done()
        self._task = self._progress.add_task(escape(what), total=steps, doing="")

    def doing(self, what: str) -> None:
        if self._task is not None:
            self._progress.update(self._task, doing=escape(what))

    def advance(self, steps: float = 1) -> None:
        if self._task is not None:
            self._progress.advance(self._task, steps)

    def done(self) -> None:
        if self._task is not None:
            self._progress.update(self._task, doing="")
            self._progress.stop_task(self._task)
            self._task = None


def machine() -> str:
    """One sentence about where the figures come from."""
    return (
        f"{_processor()}, {len(os.sched_getaffinity(0))} cores, Linux {platform.release()}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def show(console: Console, tables: Sequence[Table]) -> None:
    """Print the tables to the terminal."""
    console.print(escape(machine()), style="dim")
    for table in tables:
        drawn = rich.table.Table(title=escape(table.title), title_justify="left", box=rich.box.SIMPLE, pad_edge=False)
        for index, column in enumerate(table.columns):
            # A heading may break between words; a figure never.
            widest = max(len(part) for part in [*column.split(), *(row[index] for row in table.rows)])
            drawn.add_column(escape(column), justify="left" if index == 0 else "right", min_width=widest)
        for row in table.rows:
            drawn.add_row(*map(escape, row))
        console.print(drawn)
        for note in table.notes:
            console.print(f"• {escape(note)}")
        console.print()


def markdown(tables: Sequence[Table], *, taken: datetime.date) -> str:
    """The tables for the manual, with date, machine and method."""
    parts = [
        f"Taken {taken:%Y-%m-%d} by `deskbell bench` on: {machine()}.\n\n"
        "Server (or peer) on one core, load on another, both on loopback. CPU is user and system time of the server's "
        "processes, children included, divided by operations. Rows of one table come from one run. *Rate ratio* is "
        "Deskbell's rate divided by that of the row, *CPU ratio* the CPU of the row divided by Deskbell's: above 1, "
        "Deskbell is ahead.\n"
    ]
    for table in tables:
        lines = [f"## {table.title}", "", table.method, ""]
        lines.append("| " + " | ".join(table.columns) + " |")
        lines.append("|---|" + "---:|" * (len(table.columns) - 1))
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table.rows]
        if table.notes:
            lines += ["", *(f"- {note}" for note in table.notes)]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)
