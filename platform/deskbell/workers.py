"""Several processes behind one port: started, watched, restarted, drained together.

Each worker is a ``deskbell serve`` of its own that was handed the listening socket; nothing is shared but
that. The parent serves nobody. A worker that dies is started again, with a pause that grows while
it keeps dying young; but where none has served yet and one refuses to start, it is over for all, since the
others are told the same. Told to stop, the parent tells all and waits for their drains. If the parent itself
is killed, its workers drain and end, or they would hold the port with nobody to stop them. uvicorn's own
supervisor is of no use here: the servers it makes do not drain.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import structlog

log = structlog.get_logger(__name__)

YOUNG_S = 10.0
MAX_PAUSE_S = 30.0
HARD_STOP_AFTER_DRAIN_S = 12.0
REFUSALS = (2, 3)
"""The statuses of ``deskbell serve`` that say: not with these settings, this store, these plugins."""


class _Worker:
    """One place at the port, and the process that holds it now."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.start_again_at = 0.0
        self.early_deaths = 0


class Supervisor:
    """Keeps ``count`` workers running until it is told to stop.

    Args:
        command: What to run; ``--fd N --parent-fd M`` is appended, see :func:`end_with_parent`.
        drain_s: How long a worker may take to stop before it is killed, beside a margin.
    """

    def __init__(self, command: Sequence[str], count: int, listener: socket.socket, *, drain_s: float) -> None:
        self._command = list(command)
        self._listener = listener
        self._workers = [_Worker(number) for number in range(count)]
        self._hard_stop_s = drain_s + HARD_STOP_AFTER_DRAIN_S
        self._stopping = False
        self._grown_up = False
        self._refused = 0
        # Nothing is ever written: the workers hold the reading end, and see it end with this process.
        self._alive, self._living = os.pipe()

    def run(self) -> int:
        """Run until SIGTERM, SIGINT or SIGHUP; 0 when every worker then stopped cleanly.

        Where none ever served and one refuses to start, the status is that one's.
        """
        before = {sig: signal.signal(sig, self._told) for sig in _stops()}
        try:
            while not self._stopping:
                for worker in self._workers:
                    if not self._stopping:
                        self._look_after(worker)
                time.sleep(0.1)
            stopped = self._stop_all()
            return self._refused or stopped
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)
            os.close(self._alive)
            os.close(self._living)

    def _told(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _look_after(self, worker: _Worker) -> None:
        now = time.monotonic()
        if worker.process is not None:
            status = worker.process.poll()
            young = now - worker.started_at < YOUNG_S
            self._grown_up = self._grown_up or not young
            if status is None:
                return
            if status in REFUSALS and not self._grown_up:
                log.error("worker_refused_to_start", worker=worker.number, status=status)
                worker.process, self._refused, self._stopping = None, status, True
                return
            worker.early_deaths = worker.early_deaths + 1 if young else 0
            pause_s = min(0.5 * 2**worker.early_deaths, MAX_PAUSE_S) if young else 0.0
            worker.process = None
            worker.start_again_at = now + pause_s
            log.error("worker_died", worker=worker.number, status=status, again_in_s=pause_s)
        if now >= worker.start_again_at:
            self._start(worker)

    def _start(self, worker: _Worker) -> None:
        fd = self._listener.fileno()
        worker.process = subprocess.Popen(
            [*self._command, "--fd", str(fd), "--parent-fd", str(self._alive)],
            pass_fds=[fd, self._alive],
            # Ctrl+C reaches the whole group of a terminal; only the parent decides when workers stop.
            start_new_session=True,
        )
        worker.started_at = time.monotonic()

    def _stop_all(self) -> int:
        running = [worker.process for worker in self._workers if worker.process is not None]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        # Nobody is to queue at a port that nobody will answer.
        self._listener.close()
        deadline = time.monotonic() + self._hard_stop_s
        clean = True
        for process in running:
            try:
                status = process.wait(max(0.0, deadline - time.monotonic()))
                # One that was still starting dies of the signal: it served nobody yet.
                clean = clean and status in (0, -signal.SIGTERM)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                clean = False
        return 0 if clean else 1


def _stops() -> list[signal.Signals]:
    """The signals that mean stop. A terminal that is closed says SIGHUP; ``nohup`` has it ignored, and that stays."""
    hup = getattr(signal, "SIGHUP", None)
    heard = [hup] if hup is not None and signal.getsignal(hup) != signal.SIG_IGN else []
    return [signal.SIGTERM, signal.SIGINT, *heard]


def end_with_parent(fd: int) -> None:
    """Have this process stop, as by SIGTERM, when the one that holds the other end of the pipe ``fd`` is gone."""

    def wait() -> None:
        os.read(fd, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    # A thread, because it must also hold before there is a loop. An end before that is as good: nobody is served yet.
    threading.Thread(target=wait, name="parent", daemon=True).start()


def bind(host: str, port: int) -> socket.socket:
    """The listening socket that all workers share.

    Raises:
        OSError: The port is taken, or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    listener.setblocking(False)
    os.set_inheritable(listener.fileno(), True)
    return listener


def serve_command(config_file: Path | None) -> list[str]:
    """How a worker is started: this Python, this program, the same settings."""
    command = [sys.executable, "-m", "deskbell", "serve", "--workers", "1"]
    return [*command, "--config", str(config_file)] if config_file is not None else command
