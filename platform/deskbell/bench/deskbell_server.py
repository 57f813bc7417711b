"""All that the bench knows of Deskbell itself: how to start it, its routes, its configuration, its frames.

A server is started as an operator would (``deskbell serve --config FILE --port N``) with a
configuration of its own in a temporary folder: limits are raised so that they never refuse, but
every check still runs. People are made through REST.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from deskbell.bench.load import Caller, Speech, Step
from deskbell.bench.processes import BenchFailed, Cores, Program, free_port

SPEECH: Final = Speech(
    delivery=b'{"type":"message"',
    ack=b'{"type":"ack"',
    refusal=b'{"type":"error"',
    heartbeats={b'{"type":"ping"': b'{"type":"pong"}'},
)
SOCKET: Final = "/api/v1/ws"
READY: Final = "/api/v1/health/ready"
SITE_KEY: Final = "bench-site"
AGENT: Final = "ana@bench.example"
PASSWORD: Final = secrets.token_urlsafe(24)
SOCKETS_PER_USER: Final = 5
NO_LIMIT: Final = 1_000_000
KEEP_ALIVE_S: Final = 2.0  # uvicorn closes idle connections after 5
PEOPLE_AT_ONCE: Final = 1_000  # in the body that opens a room


@dataclass(frozen=True)
class User:
    id: str
    token: str


@dataclass(frozen=True)
class Position:
    """Where a subscription stands, from the ``subscribed`` frame."""

    epoch: str
    seq: int
    recovered: bool
    messages: int
    more: bool

    @classmethod
    def read(cls, subscribed: bytes) -> Position:
        frame = json.loads(subscribed)
        return cls(frame["epoch"], frame["seq"], frame["recovered"], len(frame["messages"]), frame["more"])


def caller(user: User, room: str | None = None, since: Position | None = None) -> Caller:
    """``user`` on a new socket, subscribing to ``room`` where one is given, from ``since`` on where given."""
    if room is None:
        return Caller(f"{SOCKET}?token={user.token}", (Step(b'{"type":"welcome"'),))
    asked: dict[str, Any] = {"id": room}
    if since is not None:
        asked |= {"epoch": since.epoch, "since": since.seq}
    subscribe = json.dumps({"type": "subscribe", "rooms": [asked]}).encode()
    return Caller(
        f"{SOCKET}?token={user.token}", (Step(b'{"type":"welcome"', subscribe), Step(b'{"type":"subscribed"'))
    )


def send(room: str, n: int, text: str) -> bytes:
    """The ``n``-th send of a run; its ``client_id`` is new."""
    return f'{{"type":"send","ref":{n},"room":"{room}","client_id":"bench-{n}","content":"{text}"}}'.encode()


def config(folder: Path, *, database_url: str | None, redis_url: str | None, crowded: bool) -> dict[str, Any]:
    """The configuration of a server under measurement.

    As in production, but for limits: they are so high that they never refuse. Groups take any number
    of members; ``crowded`` ones keep no roster, which is the rule above 200.
    """
    group: dict[str, Any] = {"rate_per_min": NO_LIMIT, "rate_burst": NO_LIMIT, "max_members": NO_LIMIT}
    return {
        "environment": "production",
        "store": {"url": database_url or f"sqlite:///{folder}/deskbell.sqlite3"},
        "bus": {"url": redis_url or "memory://"},
        "auth": {"secret": secrets.token_urlsafe(48), "access_token_s": 7200},
        "limits": {
            "frames_per_min": NO_LIMIT,
            "frame_burst": NO_LIMIT,
            "messages_per_min": NO_LIMIT,
            "message_burst": NO_LIMIT,
            "agent_messages_per_min": NO_LIMIT,
            "agent_burst": NO_LIMIT,
            "new_visitors_per_min_per_prefix": NO_LIMIT,
            "unauthenticated_sockets_per_prefix": NO_LIMIT,
            "connections_per_user": SOCKETS_PER_USER,
        },
        "channels": {"group": group | ({"roster": "counted"} if crowded else {})},
        "tenants": [
            {
                "slug": "bench",
                "name": "Bench",
                "sites": [{"name": "Bench", "public_key": SITE_KEY, "origins": ["https://bench.example"]}],
                "users": [{"email": AGENT, "name": "Ana", "password": PASSWORD, "teams": ["support"]}],
            }
        ],
    }


class Server:
    """A running Deskbell and the doors the bench uses."""

    def __init__(self, program: Program, port: int) -> None:
        self.program = program
        self.port = port
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._asked_at = 0.0

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        """One REST request; the JSON of the answer.

        Raises:
            BenchFailed: Any status but 2xx, or no answer.
        """
        if time.perf_counter() - self._asked_at > KEEP_ALIVE_S:
            self._http.close()  # the server may have done so already; the next request opens another
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            self._http.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self._http.getresponse()
            said = answer.read()
            self._asked_at = time.perf_counter()
        except (OSError, http.client.HTTPException) as failure:
            raise BenchFailed(f"{method} {path}: {failure!r}; {self.program.output(500)}") from None
        if answer.status // 100 != 2:
            raise BenchFailed(f"{method} {path}: {answer.status} {said[:300].decode(errors='replace')}")
        return json.loads(said) if said else None


@contextlib.contextmanager
def serving(
    cores: Cores, *, database_url: str | None = None, redis_url: str | None = None, crowded: bool = False
) -> Iterator[Server]:
    """Deskbell, ready, on the server's core; ended and its folder gone on leaving. See :func:`config`."""
    with instances(1, cores, database_url=database_url, redis_url=redis_url, crowded=crowded) as (server,):
        yield server


@contextlib.contextmanager
def instances(
    count: int, cores: Cores, *, database_url: str | None = None, redis_url: str | None = None, crowded: bool = False
) -> Iterator[list[Server]]:
    """As :func:`serving`, ``count`` processes of one installation, on cores of their own where there are enough."""
    with tempfile.TemporaryDirectory(prefix="deskbell-bench-") as name, contextlib.ExitStack() as ending:
        chosen = config(Path(name), database_url=database_url, redis_url=redis_url, crowded=crowded)
        file = Path(name) / "config.yaml"
        file.write_text(yaml.safe_dump(chosen))
        servers = []
        for n in range(count):
            program, port = launch(cores.servers[n % len(cores.servers)], file)
            ending.callback(program.stop, grace_s=35)  # its own hard stop is at 30 s
            wait_until_ready(program, port)  # one after the other: the first makes the tables
            servers.append(Server(program, port))
        yield servers


def launch(core: int, file: Path) -> tuple[Program, int]:
    """Start ``deskbell serve`` with the configuration in ``file`` and return at once, with the port it will have."""
    port = free_port()
    program = Program(
        "deskbell",
        [sys.executable, "-m", "deskbell", "serve", "--config", str(file), "--port", str(port)],
        core=core,
        env={"DESKBELL_CONFIG": str(file)},
        cwd=file.parent,
    )
    return program, port


def wait_until_ready(program: Program, port: int, *, timeout_s: float = 60) -> float:
    """Seconds from its start until readiness was answered.

    Raises:
        BenchFailed: It ended, or was not ready in time.
    """
    while (waited := time.perf_counter() - program.started) < timeout_s:
        if not program.running:
            raise BenchFailed(f"deskbell ended at start: {program.output()}")
        asking = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            asking.request("GET", READY)
            if asking.getresponse().status == 200:
                return time.perf_counter() - program.started
        except (OSError, http.client.HTTPException):
            pass
        finally:
            asking.close()
        time.sleep(0.01)
    raise BenchFailed(f"deskbell was not ready after {waited:.0f} s: {program.output()}")


def members(server: Server, count: int) -> list[User]:
    """New people, who come in as visitors of the site."""
    made = [server.ask("POST", "/api/v1/auth/visitors", {"site_key": SITE_KEY}) for _ in range(count)]
    return [User(answer["user"]["id"], answer["access_token"]) for answer in made]


def rooms(server: Server, groups: Sequence[Sequence[User]]) -> list[str]:
    """One group room for each group of people, opened by an agent who then stays away; their ids."""
    agent = server.ask("POST", "/api/v1/auth/login", {"email": AGENT, "password": PASSWORD})["access_token"]
    made = []
    for n, group in enumerate(groups):
        ids = [person.id for person in group]
        asked = {"channel_type": "group", "name": f"room {n}", "participants": ids[:PEOPLE_AT_ONCE]}
        room = server.ask("POST", "/api/v1/rooms", asked, agent)["id"]
        for late in ids[PEOPLE_AT_ONCE:]:
            server.ask("POST", f"/api/v1/rooms/{room}/participants", {"user": late}, agent)
        made.append(room)
    return made


def post(server: Server, person: User, room: str, n: int, text: str) -> None:
    """``person`` writes over REST."""
    body = {"content": text, "client_id": f"bench-{n}"}
    server.ask("POST", f"/api/v1/rooms/{room}/messages", body, person.token)
