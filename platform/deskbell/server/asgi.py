"""uvicorn, configured so that our promises hold, with a drain before its shutdown, and exit status 0 after it.

What it does at each socket is :mod:`deskbell.server.socket_protocol`'s; the words of the drain are left to others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, Final

import uvicorn

from deskbell.server.proxies import TrustedProxies
from deskbell.server.socket_protocol import WS_MAX_SIZE, SocketProtocol

DRAIN_TIMEOUT_S: Final = 20.0
GRACE_AFTER_DRAIN_S: Final = 8  # with the drain this stays below the promised 30 s

_log = logging.getLogger("deskbell.server")


class Config(uvicorn.Config):
    """uvicorn's configuration, with a number of proxies to trust instead of a list of their addresses."""

    def __init__(self, app: Any, *, trusted_proxies: int = 0, **settings: Any) -> None:
        super().__init__(app, proxy_headers=False, **settings)
        self.trusted_proxies = trusted_proxies

    def load(self) -> None:
        """Import and wrap the application."""
        super().load()
        if self.trusted_proxies:
            self.loaded_app = TrustedProxies(self.loaded_app, self.trusted_proxies)


def build_config(
    app: Any,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    trusted_proxies: int = 0,
    workers: int = 1,
    **settings: Any,
) -> Config:
    """Return the configuration under which our promises hold.

    Args:
        app: The application; for several workers its import string, ``module:name``, and
            ``factory=True`` if that is a function that makes it.
        trusted_proxies: How many proxies stand before us; 0 ignores what X-Forwarded-* say.
        settings: Further settings of ``uvicorn.Config``: ``uds``, ``fd``, ``ssl_certfile``, ``factory`` ….
    """
    fixed: dict[str, Any] = {
        "loop": "auto",  # uvloop wherever it exists
        "http": "httptools",
        "ws": SocketProtocol,
        "ws_max_size": WS_MAX_SIZE,
        "ws_per_message_deflate": False,  # costs 35 KiB per idle socket, and frames could not be shared
        # uvicorn's keepalive counts pongs it cannot read while we do not read: it would cut off
        # healthy clients whose messages we are not ready for. Our own heartbeat knows better.
        "ws_ping_interval": None,
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": GRACE_AFTER_DRAIN_S,
    }
    return Config(app, host=host, port=port, workers=workers, trusted_proxies=trusted_proxies, **{**fixed, **settings})


class Server(uvicorn.Server):
    """uvicorn's server with a drain before its shutdown.

    Told to stop (SIGTERM, SIGINT), it closes its listeners, awaits ``drain``, closes with 4001
    what the drain left open, and only then does what uvicorn does: let requests finish, end the
    lifespan. A second SIGINT skips what is left. Sockets that are still there when the time of
    the drain is up are cut.

    One of several workers is given its listener with ``serve([listener])``, see :mod:`deskbell.workers`.
    uvicorn's own ``Multiprocess`` is of no use for that: it makes stock servers, which do not drain.

    Args:
        drain: Makes readiness false, tells clients when to come back, flushes what is under way
            and closes sockets. Cancelled after ``drain_timeout_s``.
        drain_timeout_s: The hard limit of the drain, in seconds.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        drain: Callable[[], Awaitable[None]] | None = None,
        drain_timeout_s: float = DRAIN_TIMEOUT_S,
    ) -> None:
        super().__init__(config)
        self.drain = drain
        self.drain_timeout_s = drain_timeout_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where: what serves is otherwise silent until something goes wrong."""
        await super().startup(sockets=sockets)
        for listener in [listener for server in self.servers for listener in server.sockets]:
            _log.info("Serving on %s port %d", *listener.getsockname()[:2])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then shut down."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        if self.drain is not None and not await self._drained(self.drain):
            for connection in self._open_sockets():
                connection.abort()
        await super().shutdown(sockets=sockets)

    async def _drained(self, drain: Callable[[], Awaitable[None]]) -> bool:
        """Run the drain; False if it was cut short."""
        task = asyncio.ensure_future(drain())
        deadline = asyncio.get_running_loop().time() + self.drain_timeout_s
        # Looking every 100 ms, as uvicorn does, because a signal handler cannot wake a task.
        while not task.done() and not self.force_exit and asyncio.get_running_loop().time() < deadline:
            await asyncio.wait({task}, timeout=0.1)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=1.0)
            _log.warning("The drain was cut short: %s", "forced" if self.force_exit else "its time was up")
            return False
        if not task.cancelled() and (fault := task.exception()) is not None:
            _log.error("The drain failed; sockets are closed without it", exc_info=fault)
        return True

    def _open_sockets(self) -> Sequence[SocketProtocol]:
        return [each for each in self.server_state.connections if isinstance(each, SocketProtocol)]

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Stop on signals, and do not die of them afterwards: a clean stop is a success."""
        with super().capture_signals():
            yield
            if not self.force_exit:
                self._captured_signals.clear()


def run(
    config: uvicorn.Config,
    *,
    drain: Callable[[], Awaitable[None]] | None = None,
    drain_timeout_s: float = DRAIN_TIMEOUT_S,
) -> int:
    """Serve until told to stop; return the exit status: 0 after a clean stop, 130 when it was forced.

    Args:
        config: What :func:`build_config` returned.
        drain, drain_timeout_s: See :class:`Server`.

    Raises:
        ValueError: Several workers are configured; one call serves with one process.
        SystemExit: With 3, the application or its lifespan could not start, or the port is taken.
    """
    if config.workers > 1:
        raise ValueError("run() serves with one process; start a Server in each worker")
    try:
        Server(config, drain=drain, drain_timeout_s=drain_timeout_s).run()
    except KeyboardInterrupt:
        return 130
    return 0
