"""The processes of a bench: started on a core, measured from outside, ended by id.

Linux only: cores are chosen with ``sched_setaffinity`` and memory is read from ``/proc``. What a
process costs is the user and system time of it and all its descendants, dead ones included.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # published without types


class BenchFailed(Exception):
    """A measurement could not be made; the sentence says why. Others go on."""


@dataclass(frozen=True)
class Cores:
    """Which core serves and which makes the load. On a machine with one core they are the same."""

    server: int
    load: int
    servers: Sequence[int]
    """One for each instance of a server that is several processes: all but that of the load."""

    @classmethod
    def of_this_machine(cls) -> Cores:
        allowed = sorted(os.sched_getaffinity(0))
        return cls(server=allowed[0], load=allowed[-1], servers=allowed[:-1] or allowed)


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Let the calling thread, and what it starts meanwhile, run on ``core`` alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def need_descriptors(count: int) -> None:
    """Raises :class:`BenchFailed` where this process may not open so many files and sockets."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed < count:
        raise BenchFailed(f"{count:,} descriptors are needed and {allowed:,} allowed (ulimit -n)")


def free_port() -> int:
    """A TCP port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_s(pid: int) -> float:
    """User and system seconds of a process somebody else started, and of its descendants, so far."""
    root = psutil.Process(pid)
    return _cpu_s([root, *root.children(recursive=True)])


def _cpu_s(tree: Sequence[psutil.Process]) -> float:
    total = 0.0
    for process in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


class Program:
    """A child process on one core, with its output kept for the case that it fails.

    Args:
        name: What to call it in sentences.
        argv: Command line.
        core: The only core it and its children may use.
        env: Added to this process's environment.
        user: Run as this user and group id (root only).
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        core: int,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: tuple[int, int] | None = None,
    ) -> None:
        self.name = name
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self.started = time.perf_counter()
        with on_core(core):  # affinity is inherited at fork
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                user=user[0] if user else None,
                group=user[1] if user else None,
                extra_groups=[] if user else None,
                start_new_session=True,  # ctrl-C reaches us alone; we end it in order
            )
        self._root = psutil.Process(self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def output(self, last_bytes: int = 2000) -> str:
        """The end of what it has written."""
        end = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), last_bytes, max(0, end - last_bytes)).decode(errors="replace").strip()

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            raise BenchFailed(f"{self.name} has ended: {self.output()}") from None

    def cpu_s(self) -> float:
        """User and system seconds of the process and its descendants so far."""
        return _cpu_s(self._tree())

    def memory_kib(self) -> int:
        """Memory of the process and its descendants, shared pages counted once (PSS)."""
        total = 0
        for process in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total // 1024

    def resident_kib(self) -> int:
        """Resident set of the process and its descendants, shared pages counted in each (RSS)."""
        total = 0
        for process in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total // 1024

    def wait_for_port(self, port: int, *, timeout_s: float = 30) -> None:
        """Return when it accepts connections on ``port``.

        Raises:
            BenchFailed: It ended, or did not listen in time.
        """
        deadline = time.perf_counter() + timeout_s
        while time.perf_counter() < deadline:
            if not self.running:
                raise BenchFailed(f"{self.name} ended at start: {self.output()}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.02)
        raise BenchFailed(f"{self.name} did not listen within {timeout_s:g} s: {self.output()}")

    def stop(self, *, grace_s: float = 10) -> None:
        """Ask it to end, then end it and whatever it started."""
        children: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            children = self._root.children(recursive=True)
        if self.running:
            self._process.terminate()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        self._output.close()
