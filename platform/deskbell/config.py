"""Every setting of Deskbell: name, type, meaning and default, each in one place.

Settings come from a YAML file (``config.yaml``; the variable ``DESKBELL_CONFIG`` names another)
and from environment variables ``DESKBELL_SECTION__KEY``, which win. Without either, the defaults
are a working system for one machine: SQLite, memory bus, demo tenant. :func:`load` promises that
a mistake is never ignored and that all mistakes of a file are told at once, with their lines.

Durations have their unit in the name (``_s``, ``_ms``), sizes are bytes. ``config.yaml`` and
``docs/reference/settings.md`` are printed from this module by :mod:`deskbell.manual`.

What belongs to a plugin (``plugins.<name>.settings``) or to a channel type's policy
(``channels.<type>``) is kept as written here and checked against its own type by
:meth:`Loaded.section`, once that type is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from deskbell.model.site import SiteSettings
from deskbell.settings import reader
from deskbell.settings.reader import Wrong
from deskbell.settings.written import ConfigError, Given, Problem

__all__ = [
    "DEMO_PASSWORD",
    "DEMO_TENANT",
    "Auth",
    "Bus",
    "ConfigError",
    "Jobs",
    "LadderStep",
    "Limits",
    "Loaded",
    "Logging",
    "Moderation",
    "Plugin",
    "PluginHost",
    "Problem",
    "Server",
    "Settings",
    "SiteSeed",
    "Store",
    "Support",
    "TeamSeed",
    "TenantSeed",
    "Turns",
    "UserSeed",
    "find_file",
    "load",
]

PREFIX = "DESKBELL_"
DEMO_PASSWORD = "deskbell-demo"
MIN_PASSWORD_CHARACTERS = 12

_T = TypeVar("_T", bound=msgspec.Struct)
_M = msgspec.Meta
_SECRET = {"secret": "value"}
_NAME = _M(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}\Z", extra={"expects": "lower-case letters, digits, - and _"})
_ORIGIN = _M(
    pattern=r"^(\*|https?://[^/\s]+)\Z", extra={"expects": 'an origin such as "https://shop.example", without a path'}
)
_Origin = Annotated[str, _ORIGIN]
_Name = Annotated[str, _NAME]


def _first_twice(names: list[str]) -> str | None:
    return next((name for number, name in enumerate(names) if name in names[:number]), None)


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where this process listens, and how long it waits for whom."""

    host: Annotated[str, _M(description="Address to listen on; `0.0.0.0` for all of the machine's.")] = "127.0.0.1"
    port: Annotated[int, _M(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")] = 8000
    public_url: Annotated[
        str,
        _M(
            pattern=r"^https?://[^\s/]+(/[^\s]*)?\Z",
            description="Address under which browsers reach Deskbell; links and the widget's snippet are made from it.",
            extra={"expects": 'an address such as "https://desk.example"'},
        ),
    ] = "http://127.0.0.1:8000"
    workers: Annotated[
        int, _M(ge=1, le=256, description="Server processes on this machine. More than 1 needs PostgreSQL and Redis.")
    ] = 1
    trusted_proxies: Annotated[
        int,
        _M(
            ge=0,
            le=16,
            description="Proxies in front of this process; that many entries at the end of `X-Forwarded-For` are"
            " believed. Too many lets visitors invent their address, and with it escape limits.",
        ),
    ] = 0
    drain_s: Annotated[
        float, _M(ge=0, le=3600, description="How long a stopping process gives its sockets to go elsewhere.")
    ] = 20.0
    max_body_bytes: Annotated[int, _M(ge=1024, description="Largest JSON body of a request.")] = 1_048_576
    heartbeat_s: Annotated[float, _M(gt=0, description="Pause between the server's pings on a socket.")] = 30.0
    silence_s: Annotated[
        float, _M(gt=0, description="A socket from which nothing came for this long is closed (4012).")
    ] = 120.0
    auth_timeout_s: Annotated[
        float, _M(gt=0, description="How long a new socket may take to say who it is (else 4502).")
    ] = 5.0

    def __post_init__(self) -> None:
        if self.silence_s <= self.heartbeat_s:
            raise Wrong("silence_s", f"must be above heartbeat_s ({self.heartbeat_s:g}), or healthy sockets are closed")


class Store(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where everything is kept that must not be lost."""

    url: Annotated[
        str,
        _M(
            pattern=r"^(sqlite://.+|postgres(ql)?://.+)\Z",
            description="`sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://user:password@host/name`."
            " SQLite serves one process; PostgreSQL any number.",
            extra={"secret": "url", "expects": "an address that begins with sqlite:/// or postgresql://"},
        ),
    ] = "sqlite:///var/deskbell.sqlite3"
    pool_size: Annotated[
        int, _M(ge=1, le=1000, description="Connections of one process to PostgreSQL; readers of SQLite.")
    ] = 10
    lanes: Annotated[
        int,
        _M(
            ge=0,
            le=64,
            description="Queues that write messages side by side; a room always uses the same one."
            " 0 means 2 on PostgreSQL and 1 on SQLite.",
        ),
    ] = 0
    lane_capacity: Annotated[
        int, _M(ge=1, description="Messages that may wait in a lane; the next is refused with `unavailable`.")
    ] = 1000
    lane_wait_s: Annotated[
        float, _M(gt=0, description="How long a message may wait in a lane; then it is refused with `unavailable`.")
    ] = 5.0
    wait_s: Annotated[
        float,
        _M(
            ge=0,
            description="How long `deskbell serve` waits at its start for a PostgreSQL that does not answer yet."
            " One that answers and does not let us in is not waited for.",
        ),
    ] = 30.0
    batch_max: Annotated[int, _M(ge=1, le=10_000, description="Most messages in one transaction.")] = 256
    batch_bytes: Annotated[int, _M(ge=1024, description="Most text in one transaction.")] = 1_048_576

    @property
    def is_sqlite(self) -> bool:
        """Whether the store is a SQLite file, which only one process may use."""
        return self.url.startswith("sqlite")

    @property
    def sqlite_path(self) -> Path | None:
        """The file of a SQLite store; None on PostgreSQL and for ``sqlite://:memory:``."""
        if not self.is_sqlite:
            return None
        path = self.url.partition("://")[2].partition("?")[0].removeprefix("/")
        return None if path in ("", ":memory:") else Path(path)

    @property
    def lane_count(self) -> int:
        """``lanes``, with 0 resolved."""
        return self.lanes or (1 if self.is_sqlite else 2)


class Bus(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How processes tell each other that a room moved, and share limits and presence."""

    url: Annotated[
        str,
        _M(
            pattern=r"^(memory://|rediss?://.+|unix://.+)\Z",
            description="`memory://` within one process, `redis://host:6379/0` between several."
            " What is kept there may be lost at any time.",
            extra={"secret": "url", "expects": "memory:// or an address that begins with redis://"},
        ),
    ] = "memory://"
    tip_poll_s: Annotated[
        float, _M(gt=0, description="How often the store is asked which rooms moved, in case the bus lost an event.")
    ] = 5.0
    tip_poll_degraded_s: Annotated[
        float, _M(gt=0, description="The same while the bus is away, when nothing else brings the news.")
    ] = 0.25

    @property
    def is_memory(self) -> bool:
        """Whether events stay within this process."""
        return self.url.startswith("memory")


class Auth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How tokens are signed, and how long they hold."""

    secret: Annotated[
        str,
        _M(
            description="Signs tokens (HS256), tickets and cursors; at least 32 bytes, the same in all processes."
            " Empty in development: one is made and kept beside the store. Production refuses an empty one.",
            extra=_SECRET,
        ),
    ] = ""
    algorithm: Annotated[
        Literal["HS256", "RS256"],
        _M(description="How access tokens are signed: HS256 with `secret`, RS256 with `private_key_file`."),
    ] = "HS256"
    private_key_file: Annotated[str, _M(description="PEM file of the RSA key that signs tokens (RS256).")] = ""
    key_id: Annotated[
        str, _M(min_length=1, description="`kid` of the signing key, in tokens and at the JWKS address.")
    ] = "main"
    public_keys: Annotated[
        dict[str, str],
        _M(
            description="Further keys that are accepted (RS256), `kid` to PEM file: the old one while keys are changed,"
            " or those of a service that issues tokens for your users.",
            examples=[{"2026-01": "/etc/deskbell/2026-01.pub.pem"}],
        ),
    ] = {}
    issuer: Annotated[str, _M(min_length=1, description="`iss` of tokens; others are refused.")] = "deskbell"
    audience: Annotated[str, _M(min_length=1, description="`aud` of tokens; others are refused.")] = "deskbell"
    access_token_s: Annotated[int, _M(ge=30, le=86_400, description="How long an access token holds.")] = 900
    visitor_refresh_s: Annotated[
        int, _M(ge=60, description="How long a visitor is remembered after the last visit (30 days).")
    ] = 2_592_000
    member_refresh_s: Annotated[
        int, _M(ge=60, description="How long members and agents stay signed in without coming back (14 days).")
    ] = 1_209_600
    identity_max_s: Annotated[
        int, _M(ge=60, description="Longest life of the identity that a site signs for its visitor.")
    ] = 86_400

    def __post_init__(self) -> None:
        if self.algorithm == "RS256" and not self.private_key_file:
            raise Wrong("private_key_file", "is missing; algorithm RS256 signs with it")


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much one user, socket, room or network may ask for. Bots have no message limit."""

    messages_per_min: Annotated[
        int, _M(ge=1, description="Messages of one user, where the channel type does not say otherwise.")
    ] = 30
    message_burst: Annotated[int, _M(ge=1, description="Messages of one user at once, before that pace holds.")] = 10
    agent_messages_per_min: Annotated[int, _M(ge=1, description="The same for agents.")] = 120
    agent_burst: Annotated[int, _M(ge=1, description="Messages of one agent at once.")] = 30
    connections_per_user: Annotated[int, _M(ge=1, description="Sockets of one user over all processes.")] = 5
    connections_per_agent: Annotated[int, _M(ge=1, description="Sockets of one agent over all processes.")] = 10
    rooms_per_subscribe: Annotated[int, _M(ge=1, description="Rooms in one `subscribe` frame.")] = 100
    rooms_per_connection: Annotated[int, _M(ge=1, description="Rooms that one socket may follow.")] = 200
    frame_bytes: Annotated[int, _M(ge=1024, description="Largest frame that a client may send.")] = 65_536
    text_bytes: Annotated[int, _M(ge=1, description="Longest text of a message, in UTF-8.")] = 16_384
    json_depth: Annotated[int, _M(ge=4, le=200, description="How deep JSON from clients may be nested.")] = 32
    emoji_per_message: Annotated[int, _M(ge=1, description="Different reactions on one message.")] = 20
    mentions_per_message: Annotated[int, _M(ge=0, description="People that one message may mention.")] = 50
    site_reads_per_min_per_prefix: Annotated[
        int, _M(ge=1, description="How often the pages of one network may ask how a site wants its widget.")
    ] = 600
    new_visitors_per_min_per_prefix: Annotated[
        int, _M(ge=1, description="New visitors from one network (IPv4 /24, IPv6 /56).")
    ] = 60
    unauthenticated_sockets_per_prefix: Annotated[
        int, _M(ge=1, description="Sockets of one network that have not yet said who they are.")
    ] = 200
    login_attempts_per_min: Annotated[
        int, _M(ge=1, description="Attempts to sign in, for one account and for one address.")
    ] = 10
    in_flight_per_socket: Annotated[
        int, _M(ge=1, description="Commands of one socket at work; then it is not read until one is done.")
    ] = 32
    frames_per_min: Annotated[
        int, _M(ge=1, description="Frames of one socket, of whatever kind; above that it is closed (4013).")
    ] = 6000
    frame_burst: Annotated[int, _M(ge=1, description="Frames of one socket at once, before that pace holds.")] = 2000
    errors_per_socket: Annotated[
        int, _M(ge=1, description="Frames that are no protocol, after which a socket is closed (4509).")
    ] = 50

    def __post_init__(self) -> None:
        if self.text_bytes > self.frame_bytes:
            raise Wrong("text_bytes", f"must fit into a frame (frame_bytes is {self.frame_bytes})")


class Jobs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Work that falls due: bot turns, deadlines, webhooks, clean-up."""

    tick_s: Annotated[float, _M(gt=0, description="How often each process looks for due work.")] = 1.0
    outbox_batch: Annotated[int, _M(ge=1, le=10_000, description="Items one look may take.")] = 100
    lease_s: Annotated[
        float, _M(gt=0, description="How long an item belongs to the process that took it; then another may.")
    ] = 30.0
    max_attempts: Annotated[int, _M(ge=1, description="Attempts before an item is set aside as dead.")] = 3
    backoff_base_s: Annotated[
        float, _M(gt=0, description="Pause after the first failed attempt; doubled after each further one.")
    ] = 2.0
    backoff_cap_s: Annotated[float, _M(gt=0, description="Longest pause between attempts.")] = 300.0

    def __post_init__(self) -> None:
        if self.backoff_cap_s < self.backoff_base_s:
            raise Wrong("backoff_cap_s", f"must not be below backoff_base_s ({self.backoff_base_s:g})")


class Turns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a bot answers."""

    collect_ms: Annotated[int, _M(ge=0, description="What a visitor writes within this time is answered together.")] = (
        400
    )
    deadline_s: Annotated[
        float, _M(gt=0, description="How long a bot may take for an answer; then a person is called.")
    ] = 20.0
    history_messages: Annotated[int, _M(ge=0, le=100, description="Earlier messages that a bot is shown.")] = 20


class LadderStep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done when nobody took a waiting case in time."""

    after_s: Annotated[int, _M(ge=1, description="How long this step is given before the next one.")]
    action: Annotated[
        Literal["re_offer", "other_team", "call_back", "return_to_bot"],
        _M(
            description="`re_offer`: alert the team again. `other_team`: offer it to `team`."
            " `call_back`: ask the visitor how to be reached. `return_to_bot`: back to the bot, with an apology."
        ),
    ]
    team: Annotated[_Name | None, _M(description="Slug of the team for `other_team`; null means every team.")] = None

    def __post_init__(self) -> None:
        if self.team is not None and self.action != "other_team":
            raise Wrong("team", f"goes with the action other_team alone, not with {self.action}")


class Support(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long people wait for people."""

    default_team: Annotated[_Name, _M(description="Slug of the team that gets cases nobody routed.")] = "support"
    offer_s: Annotated[
        int, _M(ge=1, description="How long a new case is offered to its team before the ladder's first step.")
    ] = 120
    ladder: Annotated[
        tuple[LadderStep, ...],
        _M(
            min_length=1,
            description="Steps for a case that nobody took, in order; the last is repeated, so no case is forgotten.",
        ),
    ] = (
        LadderStep(after_s=120, action="re_offer"),
        LadderStep(after_s=180, action="other_team"),
        LadderStep(after_s=600, action="call_back"),
        LadderStep(after_s=600, action="return_to_bot"),
    )
    target_first_response_s: Annotated[
        int, _M(ge=1, description="Target for a person's first answer; supervisors see what misses it.")
    ] = 300
    capacity: Annotated[
        int,
        _M(
            ge=1,
            le=1000,
            description="Open conversations that are enough for one agent; who has fewer has room.",
        ),
    ] = 5
    agent_silent_s: Annotated[
        int, _M(ge=1, description="An agent who leaves a visitor without an answer this long is put on the ladder too.")
    ] = 600
    auto_close_s: Annotated[
        int,
        _M(
            ge=1,
            description="A conversation without a word for this long is closed; channel types may say else.",
        ),
    ] = 3600
    reopen_window_s: Annotated[
        int, _M(ge=0, description="A visitor who writes within this time after closing reopens it; later begins anew.")
    ] = 86_400


class Moderation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The filters that see each message before it is stored."""

    timeout_s: Annotated[
        float, _M(gt=0, le=60, description="How long one filter may take; a late one holds the message for review.")
    ] = 1.0


class Plugin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One plugin: whether it runs, and with what."""

    enabled: Annotated[bool, _M(description="Whether it runs.")] = True
    settings: Annotated[
        dict[str, Any], _M(description="The plugin's own settings; its page in the manual lists them.")
    ] = {}
    tenants: Annotated[
        dict[str, dict[str, Any]],
        _M(
            description="What of its settings differs for a tenant, by the tenant's slug.",
            examples=[{"acme": {"size": 9}}],
        ),
    ] = {}


class PluginHost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where plugins come from beside installed packages, and who may switch them."""

    folder: Annotated[
        str,
        _M(description="A folder of plugins: each `.py` file and each sub-folder is one. Empty: none is looked for."),
    ] = ""
    operators: Annotated[
        tuple[_Name, ...],
        _M(
            description="Slugs of the tenants whose admins may switch plugins on and off, for all tenants."
            " Empty: where there is one tenant, its admins; else nobody, but for `deskbell plugins` on the server."
        ),
    ] = ()


class SiteSeed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A web site with the widget on it. It is planted once; from then on admins change it."""

    name: Annotated[str, _M(min_length=1, description="What agents see.")]
    public_key: Annotated[
        str,
        _M(
            pattern=r"^[A-Za-z0-9_-]{4,64}\Z",
            description="Names the site in the widget's snippet; no secret. Unique over all tenants.",
            extra={"expects": "4 to 64 letters, digits, - and _"},
        ),
    ]
    origins: Annotated[
        tuple[_Origin, ...],
        _M(description='Origins whose pages may open the widget. "*" lets every page in; production refuses it.'),
    ] = ()
    secret: Annotated[
        str,
        _M(
            description="Signs the identity of visitors whom the site knows (HS256); at least 32 bytes."
            " Empty: visitors are anonymous.",
            extra=_SECRET,
        ),
    ] = ""
    bot: Annotated[str, _M(description="The bot that answers first; empty means the first by name.")] = ""
    settings: Annotated[SiteSettings, _M(description="How the widget looks, what it says, and when it is open.")] = (
        SiteSettings()
    )


class TeamSeed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Agents who share a queue."""

    slug: Annotated[_Name, _M(description="Short name, as settings and addresses use it.")]
    name: Annotated[str, _M(description="What people see; empty means the slug.")] = ""


class UserSeed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person behind the counter."""

    email: Annotated[
        str,
        _M(
            pattern=r"^[^@\s]+@[^@\s]+\Z",
            description="Address to sign in with. Unique within the tenant.",
            extra={"expects": "an e-mail address"},
        ),
    ]
    name: Annotated[str, _M(min_length=1, description="What visitors see.")]
    role: Annotated[Literal["agent", "supervisor", "admin"], _M(description="Standing in the tenant.")] = "agent"
    password: Annotated[str, _M(description="To sign in with; empty: not by password.", extra=_SECRET)] = ""
    teams: Annotated[tuple[_Name, ...], _M(description="Slugs of the teams they belong to.")] = ()


class TenantSeed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A customer organisation, which `deskbell serve` makes sure exists.

    What is there already, and what is not listed, is left alone.
    """

    slug: Annotated[_Name, _M(description="Short name, as addresses and tokens use it. Unique.")]
    name: Annotated[str, _M(min_length=1, description="What people see.")]
    search_language: Annotated[
        str,
        _M(
            pattern="^[a-z]{1,40}$",
            description="How search reduces words: `simple` takes them as they are; on PostgreSQL `english`, `german` "
            "and its other languages find a word by its other forms. After a change messages are indexed anew.",
        ),
    ] = "simple"
    teams: Annotated[tuple[TeamSeed, ...], _M(description="Teams of agents.")] = (
        TeamSeed(slug="support", name="Support"),
    )
    sites: Annotated[tuple[SiteSeed, ...], _M(description="Web sites with the widget.")] = ()
    users: Annotated[tuple[UserSeed, ...], _M(description="Agents, supervisors and admins.")] = ()

    def __post_init__(self) -> None:
        teams = [team.slug for team in self.teams]
        if twice := _first_twice(teams):
            raise Wrong("teams", f"{twice} is listed twice")
        if twice := _first_twice([user.email.lower() for user in self.users]):
            raise Wrong("users", f"{twice} is listed twice")
        for user in self.users:
            for team in user.teams:
                if team not in teams:
                    raise Wrong("users", f"{user.email} is in the team {team}, which is not among teams")


class Logging(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is written to standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], _M(description="The least important that is written.")
    ] = "info"
    format: Annotated[
        Literal["auto", "json", "console"],
        _M(description="`json` for machines, `console` for people, `auto`: console on a terminal, else json."),
    ] = "auto"


DEMO_TENANT = TenantSeed(
    slug="default",
    name="Demo",
    sites=(
        SiteSeed(name="Demo site", public_key="demo-site", origins=("http://127.0.0.1:8000", "http://localhost:8000")),
    ),
    users=(
        UserSeed(email="ana@demo.example", name="Ana", password=DEMO_PASSWORD, teams=("support",)),
        UserSeed(email="ben@demo.example", name="Ben", role="supervisor", password=DEMO_PASSWORD, teams=("support",)),
        UserSeed(email="kim@demo.example", name="Kim", role="admin", password=DEMO_PASSWORD),
    ),
)
"""What a first start holds. Its passwords are printed in the manual, so production refuses them."""

_BUNDLED = ("channels", "moderation_words", "escalation", "faq")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration."""

    environment: Annotated[
        Literal["development", "production"],
        _M(description="`production` refuses to start with what suits a laptop only, such as demo passwords."),
    ] = "development"
    server: Server = Server()
    store: Store = Store()
    bus: Bus = Bus()
    auth: Auth = Auth()
    limits: Limits = Limits()
    jobs: Jobs = Jobs()
    turns: Turns = Turns()
    support: Support = Support()
    moderation: Moderation = Moderation()
    plugins: Annotated[
        dict[str, Plugin],
        _M(
            description="Plugins by name. The bundled ones run unless switched off here; others run once named here.",
            examples=[{"my_plugin": {"settings": {"api_token_file": "/run/secrets/my_plugin"}}}],
        ),
    ] = msgspec.field(default_factory=lambda: {name: Plugin() for name in _BUNDLED})
    plugin_host: PluginHost = PluginHost()
    channels: Annotated[
        dict[str, dict[str, Any]],
        _M(
            description="Changes to the policies of channel types, key by key: edit windows, retention, receipts.",
            examples=[{"support": {"edit_window_s": 600, "retention_s": 31_536_000}}],
        ),
    ] = {}
    tenants: Annotated[
        tuple[TenantSeed, ...],
        _M(description="What `deskbell serve` makes sure exists. The default is the demo; replace it for your own."),
    ] = (DEMO_TENANT,)
    logging: Logging = Logging()

    def __post_init__(self) -> None:
        if self.jobs.lease_s <= self.turns.deadline_s:
            raise Wrong(
                "jobs",
                f"lease_s ({self.jobs.lease_s:g}) must be above turns.deadline_s ({self.turns.deadline_s:g}),"
                " or a second process repeats an answer that is still being written",
            )
        if twice := _first_twice([tenant.slug for tenant in self.tenants]):
            raise Wrong("tenants", f"the slug {twice} is used twice")
        if twice := _first_twice([site.public_key for tenant in self.tenants for site in tenant.sites]):
            raise Wrong("tenants", f"the public_key {twice} is used twice")
        for tenant in self.tenants:
            if self.support.default_team not in (team.slug for team in tenant.teams):
                raise Wrong("tenants", f"{tenant.slug} has no team {self.support.default_team} (support.default_team)")
        everywhere = {team.slug for tenant in self.tenants for team in tenant.teams}
        for step in self.support.ladder:
            if step.team is not None and self.tenants and step.team not in everywhere:
                raise Wrong("support", f"a step of the ladder names the team {step.team}, which no tenant has")


@dataclass(frozen=True)
class Loaded:
    """Checked settings, and where each came from.

    ``sources`` maps a path such as ``server.port`` or ``tenants[0].slug`` to ``<file>:<line>`` or
    ``environment``; what is missing there is a default.
    """

    settings: Settings
    sources: Mapping[str, str]
    given: Given

    def section(self, path: str, struct: type[_T], base: _T | None = None) -> _T:
        """What was given under ``path`` as ``struct``, laid over ``base`` or the struct's defaults.

        For what only others know the type of: ``section("plugins.faq.settings", FaqSettings)``,
        ``section("channels.support", Policy, support.policy)``. Fields marked ``extra={"secret":
        "value"}`` may also be given as ``<name>_file``.

        Raises:
            ConfigError: With all the mistakes of the section, each with its file and line.
        """
        return reader.section(struct, self.given, path, base)


def find_file(environ: Mapping[str, str], folder: Path = Path()) -> Path | None:
    """The file to load when nobody named one: ``DESKBELL_CONFIG``, else ``config.yaml`` if ``folder`` has it."""
    if environ.get("DESKBELL_CONFIG"):
        return Path(environ["DESKBELL_CONFIG"])
    here = folder / "config.yaml"
    return here if here.is_file() else None


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """The settings of ``path`` with the environment laid over them.

    Without ``path`` the variable ``DESKBELL_CONFIG`` names the file; without both the defaults hold.

    Raises:
        ConfigError: The file cannot be read, or anything in it or in a variable is wrong.
            ``.problems`` holds every mistake.
    """
    if path is None and environ.get("DESKBELL_CONFIG"):
        path = Path(environ["DESKBELL_CONFIG"])
    settings, sources, given = reader.read(Settings, path, environ, prefix=PREFIX)
    return Loaded(settings, sources, given)
