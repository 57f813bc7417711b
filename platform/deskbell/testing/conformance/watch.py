"""What a plugin does on the side: holds up the loop, opens things, talks to peers, says too much.

All of this is for a process that exists to examine one plugin: the audit hook, the replaced sockets and the
replaced standard streams are never taken back.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import io
import logging
import os
import socket
import sys
import sysconfig
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Any, Literal

HELD_S = 0.25  # a plugin may hold up the loop for so long
_BEAT_S = 0.02

# What registering and importing must not do; reading has its exceptions, see `_is_allowed`.
_EVENTS = {
    "open": "opens the file {0}",
    "socket.connect": "connects to {1}",
    "socket.bind": "binds a socket to {1}",
    "socket.getaddrinfo": "looks up {0}",
    "socket.gethostbyname": "looks up {0}",
    "subprocess.Popen": "starts the program {0}",
    "os.system": "runs a command",
    "os.posix_spawn": "starts the program {0}",
    "os.fork": "forks",
    "os.mkdir": "makes the folder {0}",
    "os.remove": "removes {0}",
    "os.rename": "renames {0}",
    "os.listdir": "lists the folder {0}",
    "os.scandir": "lists the folder {0}",
    "sqlite3.connect": "opens the database {0}",
    "threading.Thread.start": "starts a thread",  # ours: Python tells of threads only since 3.12
}


class Places:
    """Finds the plugin's own line in a stack. ``own``: its folder, ending in a slash, or its file."""

    def __init__(self, own: str) -> None:
        self._own = own

    def is_own(self, filename: str) -> bool:
        if not self._own:
            return False
        return filename.startswith(self._own) if self._own.endswith("/") else filename == self._own

    def of_frame(self, frame: FrameType | None) -> str:
        """The innermost place of the plugin's; empty when it has no part in this."""
        while frame is not None:
            if self.is_own(frame.f_code.co_filename):
                return _place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
            frame = frame.f_back
        return ""

    def of_import(self, frame: FrameType | None) -> str:
        """The same, but not what a library does while the plugin imports it."""
        while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
            if self.is_own(frame.f_code.co_filename):
                return _place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
            frame = frame.f_back
        return ""

    def of_frame_alone(self, frame: FrameType) -> str:
        """This frame's place, if it is the plugin's."""
        code = frame.f_code
        return _place(code.co_filename, frame.f_lineno, code.co_name) if self.is_own(code.co_filename) else ""

    def of_function(self, function: Any) -> str:
        """Where a function begins, if it is the plugin's."""
        code = getattr(function, "__code__", None)
        if code is None or not self.is_own(code.co_filename):
            return ""
        return _place(code.co_filename, code.co_firstlineno, "<module>")

    def of_error(self, error: BaseException | None) -> str:
        return self.of_traceback(error.__traceback__ if error is not None else None)

    def of_traceback(self, trace: TracebackType | None) -> str:
        for entry in reversed(traceback.extract_tb(trace)):
            if self.is_own(entry.filename):
                return _place(entry.filename, entry.lineno or 0, entry.name)
        return ""


def _place(filename: str, line: int, name: str) -> str:
    return f"{filename.rpartition('/')[2]}:{line}" + (f" in {name}" if name != "<module>" else "")


class Deeds:
    """Input and output, and threads, while :meth:`forbidden` is entered. One per process: audit hooks stay."""

    def __init__(self, places: Places) -> None:
        self.seen: list[tuple[str, str]] = []
        self._places = places
        self._watching = False
        prefixes = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), "/usr/share/zoneinfo", "/dev/null"}
        self._readable = tuple(prefixes)
        sys.addaudithook(self._hook)
        start = threading.Thread.start

        def started(thread: threading.Thread) -> None:
            sys.audit("threading.Thread.start")
            start(thread)

        threading.Thread.start = started  # type: ignore[method-assign, assignment]

    @contextmanager
    def forbidden(self) -> Iterator[list[tuple[str, str]]]:
        """What was done within, each as a sentence's end and a place."""
        self.seen = []
        self._watching = True
        try:
            yield self.seen
        finally:
            self._watching = False

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching or event not in _EVENTS:
            return
        self._watching = False  # what is done here is not the plugin's
        try:
            if not self._is_allowed(event, arguments) and (place := self._places.of_import(sys._getframe(1))):
                self.seen.append((_EVENTS[event].format(*arguments, "", ""), place))
        finally:
            self._watching = True

    def _is_allowed(self, event: str, arguments: tuple[Any, ...]) -> bool:
        """Reading what is installed, and what lies beside the plugin's own code."""
        if event not in ("open", "os.listdir", "os.scandir") or not isinstance(arguments[0], str | os.PathLike):
            return False
        mode = arguments[1] if event == "open" else "r"
        if isinstance(mode, str) and set(mode) & set("wax+"):
            return False
        path = os.path.realpath(os.fspath(arguments[0]))
        return path.startswith(self._readable) or self._places.is_own(path)


class LoopWatch:
    """Notices that nothing else on the event loop gets its turn, and at which line.

    The beat is the loop's own timer: it comes late also when the plugin is inside a call that lets no thread
    run, such as a regular expression that never ends. The thread only looks where the plugin is meanwhile.
    """

    def __init__(self, places: Places) -> None:
        self.held_s = 0.0
        self.where = ""
        self._places = places
        self._armed = 0.0
        self._last = time.monotonic()
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        self._timer = self._loop.call_later(_BEAT_S, self._beat)
        self._thread = threading.Thread(target=self._look, name="conformance-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._timer.cancel()
        self._stop.set()
        self._thread.join()

    @contextmanager
    def during(self) -> Iterator[None]:
        """Measure what is done within; the longest hold-up is in ``held_s``, its place in ``where``."""
        self.held_s, self.where, self._armed = 0.0, "", time.monotonic()
        try:
            yield
        finally:
            self._measure()
            self._armed = 0.0

    def _measure(self) -> None:
        now = time.monotonic()
        if self._armed:
            self.held_s = max(self.held_s, now - max(self._last, self._armed))
        self._last = now

    def _beat(self) -> None:
        self._measure()
        self._timer = self._loop.call_later(_BEAT_S, self._beat)

    def _look(self) -> None:
        while not self._stop.wait(_BEAT_S):
            since = max(self._last, self._armed)
            if self._armed and not self.where and time.monotonic() - since > HELD_S:
                self.where = self._places.of_frame(sys._current_frames().get(self._watched))


class Peers:
    """Stands for everybody a plugin might talk to over Python's sockets: nothing leaves this machine.

    ``refusing``: nobody is there. ``silent``: connected, and never a word.
    """

    def __init__(self) -> None:
        self.mode: Literal["refusing", "silent"] = "refusing"
        self.spoken_to = 0
        self._silent = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._connect = socket.socket.connect
        self._connect_ex = socket.socket.connect_ex
        peers = self

        def connect(sock: socket.socket, address: Any) -> None:
            return peers._connect(sock, peers._instead(sock, address))

        def connect_ex(sock: socket.socket, address: Any) -> int:
            try:
                return peers._connect_ex(sock, peers._instead(sock, address))
            except ConnectionRefusedError:
                return errno.ECONNREFUSED

        def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, *rest: Any, **more: Any) -> Any:
            sys.audit("socket.getaddrinfo", host)
            kind = type or socket.SOCK_STREAM
            number = int(port) if str(port or 0).isdigit() else 443
            return [(socket.AF_INET, socket.SocketKind(kind), 0, "", ("127.0.0.1", number))]

        socket.socket.connect = connect  # type: ignore[method-assign, assignment]
        socket.socket.connect_ex = connect_ex  # type: ignore[method-assign, assignment]
        socket.getaddrinfo = getaddrinfo

    def _instead(self, sock: socket.socket, address: Any) -> Any:
        self.spoken_to += 1
        sys.audit("socket.connect", sock, address)
        if self.mode == "refusing" or sock.family != socket.AF_INET:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        return self._silent.getsockname()


class _Stream(io.TextIOBase):
    """Standard output or error that is read along."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard

    def write(self, text: str) -> int:
        self._heard(text)
        return len(text)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False


@dataclass
class Ears:
    """Everything that is logged or printed, searched for words that should not be in it."""

    places: Places
    words: dict[str, str] = field(default_factory=dict)
    """Marker -> what it marks, e.g. ``a visitor's text``."""
    leaked: dict[str, str] = field(default_factory=dict)
    """What was said that should not be -> where."""

    def install(self) -> None:
        """Listen to both standard streams, and to every logger at every level."""
        sys.stdout, sys.stderr = _Stream(self.heard), _Stream(self.heard)
        ears = self

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                extra = " ".join(str(value) for value in vars(record).values() if isinstance(value, str | dict | tuple))
                place = _place(record.pathname, record.lineno, record.funcName)
                own = ears.places.is_own(record.pathname)
                ears.heard(f"{self.format(record)} {extra}", place if own else "")

        logging.basicConfig(level=logging.DEBUG, handlers=[Handler()], force=True)
        logging.getLogger("asyncio").setLevel(logging.WARNING)

    def heard(self, text: str, place: str = "") -> None:
        for marker, what in self.words.items():
            if marker in text:
                self.leaked.setdefault(what, place or self.places.of_frame(sys._getframe(1)))

    def shown(self, text: str) -> str:
        """What of the marked things ``text`` shows; empty: none."""
        return next((what for marker, what in self.words.items() if marker in text), "")


@dataclass(frozen=True)
class Holdings:
    """What this process has open."""

    tasks: int
    threads: int
    files: int

    @classmethod
    def now(cls) -> Holdings:
        gc.collect()
        # Those of the loop's own pool and of the plugin's come and go as work comes; there is one pool of each.
        threads = [thread for thread in threading.enumerate() if not thread.name.startswith(("asyncio_", "plugin "))]
        return cls(len(asyncio.all_tasks()), len(threads), len(os.listdir("/dev/fd")))

    def growth(self, since: Holdings) -> dict[str, int]:
        return {
            name: getattr(self, name) - getattr(since, name)
            for name in ("tasks", "threads", "files")
            if getattr(self, name) > getattr(since, name)
        }


@contextmanager
def unclosed() -> Iterator[list[str]]:
    """What was found forgotten within: files and sockets nobody closed, coroutines nobody awaited."""
    found: list[str] = []

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if issubclass(category, ResourceWarning) or "was never awaited" in str(message):
            found.append(str(message))

    # An exception in a destructor is reported beside the warning; there is nothing to be done about it here.
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = show
            yield found
            gc.collect()
    finally:
        sys.unraisablehook = hook
