"""The one line of commands from this process to Redis, and whether it holds.

Everything that is asked of Redis stands in one queue, in order, and leaves in pipelines: what gathers
while one is under way is the next. Nobody who may not wait is made to: :meth:`Link.tell` never waits,
and :meth:`Link.ask` fails at once while Redis is known to be away, so that only the first to ask
pays for finding out. Redis may be stopped, slow, emptied, or swallow all that is sent to it: here that
is the same after one timeout. What is lost then is lost; the store is the truth.

A cluster is recognised when it answers. Every command has one key, so each goes to the server that
has its slot. Subscriptions have lines of their own, see :mod:`deskbell.volatile.redis_bus`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

log = structlog.get_logger(__name__)

Word = str | bytes | int | float
Command = tuple[Word, ...]
Address = tuple[str, int]
"""Where a server is; ``("", 0)`` is the one of the settings."""

SEED: Address = ("", 0)
PIPELINE = 512
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 1.0

FAILURES = (RedisError, OSError, TimeoutError)


class Away(Exception):
    """Redis did not answer, or is known not to; whether it did what it was asked is not known."""


class Script:
    """A piece of Lua for one key, kept by the servers."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    def call(self, key: str, *arguments: Word) -> Command:
        return ("EVALSHA", self.sha, 1, key, *arguments)


class _Waiting:
    """Commands in line; ``answered`` None: nobody waits for what comes of them."""

    __slots__ = ("answered", "commands", "size")

    def __init__(self, commands: Sequence[Command], answered: asyncio.Future[list[Any]] | None, size: int = 0) -> None:
        self.commands = commands
        self.answered = answered
        self.size = size


class Link:
    """See the module.

    Args:
        url: As in the settings.
        timeout_s: How long a pipeline may take; whoever takes longer is away.
        ping_s: A quiet line is tried this often.
        max_waiting, max_bytes: What may stand in line; more is dropped, see ``dropped``.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 1.0,
        ping_s: float = 1.0,
        max_waiting: int = 20_000,
        max_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        self._options: dict[str, Any] = dict(parse_url(url))
        self._timeout_s = timeout_s
        self._ping_s = ping_s
        self._max_waiting = max_waiting
        self._max_bytes = max_bytes
        self._line: deque[_Waiting] = deque()
        self._standing = 0
        self._bytes = 0
        self._something = asyncio.Event()
        self._sources: list[Callable[[], list[Command]]] = []
        self._watchers: list[Callable[[bool], None]] = []
        self._scripts: list[Script] = []
        self._servers: dict[Address, _Server] = {}
        self._slots: list[tuple[int, int, Address]] = []
        self._task: asyncio.Task[None] | None = None
        self._first_try = asyncio.Event()
        self.up = False
        self.cluster = False
        self._stale = False
        self.dropped = 0
        self.failures = 0

    # for those who use it

    def script(self, source: str) -> Script:
        """Lua that every server is to know. To be called before :meth:`start`."""
        script = Script(source)
        self._scripts.append(script)
        return script

    def watch(self, changed: Callable[[bool], None]) -> None:
        """Be called with ``up`` when it has changed."""
        self._watchers.append(changed)

    def feed(self, source: Callable[[], list[Command]]) -> None:
        """Ask ``source`` for commands whenever a pipeline is put together; :meth:`wake` says that it has some."""
        self._sources.append(source)

    def wake(self) -> None:
        self._something.set()

    def tell(self, *commands: Command) -> bool:
        """Put commands in line whose answers nobody needs. False: Redis is away, or the line is full."""
        return self._stand(commands, None)

    async def ask(self, *commands: Command) -> list[Any]:
        """The answers to some commands, in their order. An answer may be a ``ResponseError``.

        Raises:
            Away: There are none.
        """
        if not commands:
            return []
        answered: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        if not self._stand(commands, answered):
            raise Away
        return await answered

    def _stand(self, commands: Sequence[Command], answered: asyncio.Future[list[Any]] | None) -> bool:
        size = sum(len(word) for command in commands for word in command if isinstance(word, str | bytes))
        if (
            not self.up
            or self._standing + len(commands) > self._max_waiting
            or (self._bytes + size > self._max_bytes and self._line)
        ):
            self.dropped += len(commands)
            return False
        self._line.append(_Waiting(commands, answered, size))
        self._standing += len(commands)
        self._bytes += size
        self._something.set()
        return True

    # where things are

    @property
    def addresses(self) -> list[Address]:
        """The servers that keep something."""
        return list(dict.fromkeys(address for _, _, address in self._slots)) if self.cluster else [SEED]

    def address_of(self, key: str) -> Address | None:
        """Which server has a key's slot; None: nobody, as far as is known."""
        if not self.cluster:
            return SEED
        slot = key_slot(key.encode())
        return next((address for first, last, address in self._slots if first <= slot <= last), None)

    def connection(self, address: Address) -> AbstractConnection:
        """A connection of its own to a server, not yet opened, which fails instead of trying again by itself."""
        options = dict(self._options)
        made = options.pop("connection_class", Connection)
        if address != SEED:
            options["host"], options["port"] = address
            options.pop("db", None)
        # RESP2: with RESP3 servers push what nobody asked for between the answers.
        connection: AbstractConnection = made(
            **{
                **options,
                "protocol": 2,
                "socket_timeout": self._timeout_s,
                "socket_connect_timeout": self._timeout_s,
                "retry": Retry(NoBackoff(), 0),
                "health_check_interval": 0,
            }
        )
        return connection

    def reconsider(self) -> None:
        """Ask the cluster anew who has which slots."""
        self._stale = True
        self._something.set()

    # life

    async def start(self, patience_s: float = 1.0) -> None:
        """Begin to connect, and wait until that was tried once. Redis may be away: then it is tried on."""
        self._task = asyncio.create_task(self._run(), name="redis-link")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._first_try.wait()

    async def close(self) -> None:
        """Send what is in line, for a moment, and end."""
        if self.up and (self._line or self._sources):
            with contextlib.suppress(Away, TimeoutError):
                async with asyncio.timeout(self._timeout_s):
                    await self.ask(("PING",))
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with asyncio.timeout(self._timeout_s * 3):
                    await self._connect()
                pause_s = FIRST_PAUSE_S
                self._turned(True)
                await self._serve()
            except FAILURES as error:
                self.failures += 1
                # The address may hold a password: it is not logged.
                log.warning("redis_away", error=type(error).__name__, was_up=self.up)
            except Exception:
                log.exception("redis_link_failed")
            finally:
                await self._give_up()
            self._first_try.set()
            # Not all at the same moment: many instances lost it together.
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _connect(self) -> None:
        self._stale = False
        seed = await self._open(SEED)
        (info,) = await seed.execute([("INFO", "cluster")])
        self.cluster = b"cluster_enabled:1" in info if isinstance(info, bytes) else False
        if not self.cluster:
            return
        (slots,) = await seed.execute([("CLUSTER", "SLOTS")])
        if isinstance(slots, ResponseError):
            raise slots
        own = (str(self._options.get("host", "localhost")), int(self._options.get("port", 6379)))
        # An empty host means: where you have asked me.
        self._slots = [
            (first, last, ((node[0] or b"").decode() or own[0], int(node[1]))) for first, last, node, *_ in slots
        ]
        for address in self.addresses:
            await self._open(address)

    async def _open(self, address: Address) -> _Server:
        server = self._servers.get(address)
        if server is None:
            server = self._servers[address] = _Server(self.connection(address))
            loaded = [("SCRIPT", "LOAD", script.source) for script in self._scripts]
            for answer in await server.execute([("PING",), *loaded]):
                if isinstance(answer, ResponseError):
                    raise answer  # still loading, or we may not
        return server

    async def _give_up(self) -> None:
        if self.up:
            self._turned(False)
        waiting, self._line = self._line, deque()
        self._standing = self._bytes = 0
        for item in waiting:
            if item.answered is not None and not item.answered.done():
                item.answered.set_exception(Away())
        servers, self._servers = self._servers, {}
        for server in servers.values():
            await server.close()

    def _turned(self, up: bool) -> None:
        self.up = up
        self._first_try.set()
        log.info("redis_link", up=up)
        for watcher in self._watchers:
            try:
                watcher(up)
            except Exception:
                log.exception("redis_watcher_failed")

    async def _serve(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._ping_s):
                    await self._something.wait()
            except TimeoutError:
                await asyncio.gather(*(self._ping(server) for server in list(self._servers.values())))
                continue
            self._something.clear()
            if self._stale:
                raise ConnectionError("who has which slots is not known any more")
            while self._line:
                await self._send(self._taken())
            for source in self._sources:
                commands = source()
                for start in range(0, len(commands), PIPELINE):
                    await self._send([_Waiting(commands[start : start + PIPELINE], None)])

    async def _ping(self, server: _Server) -> None:
        async with asyncio.timeout(self._timeout_s):
            await server.execute([("PING",)])

    def _taken(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        count = 0
        while self._line and (not taken or count + len(self._line[0].commands) <= PIPELINE):
            item = self._line.popleft()
            taken.append(item)
            count += len(item.commands)
            self._bytes -= item.size
        self._standing -= count
        return taken

    async def _send(self, items: list[_Waiting]) -> None:
        commands = list(itertools.chain.from_iterable(item.commands for item in items))
        try:
            async with asyncio.timeout(self._timeout_s):
                answers = await self._execute(commands)
        except BaseException:
            for item in items:
                if item.answered is not None and not item.answered.done():
                    item.answered.set_exception(Away())
            raise
        at = 0
        for item in items:
            if item.answered is not None and not item.answered.done():
                item.answered.set_result(answers[at : at + len(item.commands)])
            at += len(item.commands)
        for answer in answers:
            if isinstance(answer, ResponseError):
                self._check(answer)

    async def _execute(self, commands: list[Command]) -> list[Any]:
        if not self.cluster:
            return await self._servers[SEED].execute(commands)
        shares: dict[_Server, list[int]] = {}
        for index, command in enumerate(commands):
            shares.setdefault(self._server_for(command), []).append(index)
        answers: list[Any] = [None] * len(commands)
        parts = await asyncio.gather(
            *(server.execute([commands[index] for index in share]) for server, share in shares.items())
        )
        for share, part in zip(shares.values(), parts, strict=True):
            for index, answer in zip(share, part, strict=True):
                answers[index] = answer
        return answers

    def _server_for(self, command: Command) -> _Server:
        if len(command) == 1:
            return self._servers[SEED]
        address = self.address_of(str(command[3] if command[0] == "EVALSHA" else command[1]))
        if address is None:
            raise ConnectionError("no server has this slot")
        return self._servers[address]

    def _check(self, error: ResponseError) -> None:
        """What a server says of itself, not of the command: slots have moved, scripts are gone, it is another now."""
        log.warning("redis_refused", error=type(error).__name__)
        if isinstance(error, AskError | ClusterDownError | MasterDownError | NoScriptError | ReadOnlyError):
            raise error  # connect again: that finds the slots, and loads the scripts


class _Server:
    """One connection for commands."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection

    async def execute(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together; an answer may be a ``ResponseError``. Afterwards a failed connection is of no use."""
        connection = self._connection
        await connection.send_packed_command(connection.pack_commands(commands))
        answers: list[Any] = []
        for _ in commands:
            try:
                answers.append(await connection.read_response())
            except ResponseError as error:
                answers.append(error)
        return answers

    async def close(self) -> None:
        with contextlib.suppress(*FAILURES):
            await self._connection.disconnect(nowait=True)
