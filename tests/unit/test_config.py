"""The configuration: what is taken, what is refused, and in which words."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from deskbell.config import (
    DEMO_PASSWORD,
    DEMO_TENANT,
    Auth,
    Bus,
    ConfigError,
    LadderStep,
    Loaded,
    Plugin,
    Server,
    Settings,
    SiteSeed,
    Store,
    Support,
    TenantSeed,
    UserSeed,
    find_file,
    load,
)
from deskbell.explained import Explained, explain
from deskbell.model.policy import Policy
from deskbell.production import check_production, development_secret

GOOD_SECRET = "k3J9-vQx7_Lm2Zp8RtY5wBn4HdGf6CsAaEoUi1Xq0TzKjWv"

Given = Callable[..., Loaded]
Refused = Callable[..., list[str]]


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """Load a file of this text, with these variables around it."""

    def given(text: str = "", environ: Mapping[str, str] | None = None) -> Loaded:
        file = tmp_path / "config.yaml"
        file.write_text(text, encoding="utf-8")
        return load(file, environ or {})

    return given


@pytest.fixture
def refused(given: Given, tmp_path: Path) -> Refused:
    """The sentences with which a file and variables are refused, the folder cut off."""

    def refused(text: str = "", environ: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            given(text, environ)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    return refused


def told(settings: Loaded) -> dict[str, Explained]:
    return {one.path: one for one in explain(settings.settings, settings.sources)}


# Where settings come from.


def test_without_file_and_environment_the_defaults_hold() -> None:
    assert load(None, {}).settings == Settings()


def test_a_file_changes_what_it_names_and_nothing_else(given: Given) -> None:
    settings = given("server:\n  port: 9000\n").settings
    assert settings == Settings(server=Server(port=9000))


def test_a_section_whose_lines_are_all_comments_keeps_its_defaults(given: Given) -> None:
    assert given("server:\n  # port: 9000\nplugins:\ntenants:\n").settings == Settings()


def test_words_are_what_yaml_1_2_says_they_are(given: Given) -> None:
    words = given("channels: {x: {y: [off, 2026-01-01, 12:30, 1_000, 1e3, ~, '1', !!str 1, -.5]}}").settings.channels
    assert words["x"]["y"] == ["off", "2026-01-01", "12:30", 1000, 1000.0, None, "1", "1", -0.5]


def test_an_empty_file_is_a_file(given: Given) -> None:
    assert given("# nothing yet\n").settings == Settings()


def test_a_variable_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "desk.yaml").write_text("server: {port: 9001}")
    assert load(None, {"DESKBELL_CONFIG": str(tmp_path / "desk.yaml")}).settings.server.port == 9001


def test_the_variable_goes_before_the_file_of_the_folder(tmp_path: Path) -> None:
    assert find_file({}, tmp_path) is None
    (tmp_path / "config.yaml").touch()
    assert find_file({}, tmp_path) == tmp_path / "config.yaml"
    assert find_file({"DESKBELL_CONFIG": "/etc/desk.yaml"}, tmp_path) == Path("/etc/desk.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read: No such file"):
        load(tmp_path / "nowhere.yaml", {})


def test_the_environment_wins_over_the_file(given: Given) -> None:
    settings = given("server: {port: 9000, host: desk}", {"DESKBELL_SERVER__PORT": "9002"}).settings
    assert (settings.server.port, settings.server.host) == (9002, "desk")


@pytest.mark.parametrize(
    ("variable", "text", "path", "value"),
    [
        ("ENVIRONMENT", "production", "environment", "production"),
        ("SERVER__PORT", " 81 ", "server.port", 81),
        ("SERVER__HOST", "81", "server.host", "81"),
        ("BUS__TIP_POLL_S", "2.5", "bus.tip_poll_s", 2.5),
        ("PLUGINS__FAQ__ENABLED", "False", "plugins.faq.enabled", False),
        ("AUTH__PUBLIC_KEYS", '{"2026": "a.pem"}', "auth.public_keys.2026", "a.pem"),
        ("TENANTS__0__NAME", "Acme", "tenants[0].name", "Acme"),
        ("TENANTS__0__SITES__0__ORIGINS", "[https://a.example]", "tenants[0].sites[0].origins", ("https://a.example",)),
    ],
)
def test_a_variable_is_read_as_what_the_setting_takes(variable: str, text: str, path: str, value: object) -> None:
    loaded = load(None, {f"DESKBELL_{variable}": text})
    one = told(loaded)[path]
    assert (one.value, one.source) == (value, "environment")


def test_a_variable_changes_one_entry_of_a_list_and_leaves_the_others(given: Given) -> None:
    text = "support:\n  ladder:\n  - {after_s: 5, action: re_offer}\n  - {after_s: 6, action: call_back}\n"
    ladder = given(text, {"DESKBELL_SUPPORT__LADDER__1__AFTER_S": "60"}).settings.support.ladder
    assert ladder == (LadderStep(after_s=5, action="re_offer"), LadderStep(after_s=60, action="call_back"))


def test_a_variable_finds_a_name_that_no_variable_can_spell(given: Given) -> None:
    settings = given("plugins: {My-Plugin: {}}", {"DESKBELL_PLUGINS__MY_PLUGIN__ENABLED": "false"}).settings
    assert settings.plugins["My-Plugin"] == Plugin(enabled=False)


def test_what_kubernetes_and_our_own_tests_put_into_the_environment_is_no_setting() -> None:
    environ = {
        "DESKBELL_PORT": "tcp://10.0.0.7:8000",
        "DESKBELL_SERVICE_HOST": "10.0.0.7",
        "DESKBELL_SERVER_PORT": "tcp://10.0.0.7:8000",
        "DESKBELL_CRASH_AT": "after_commit",
        "DESKBELL_TEST_POSTGRES": "postgresql://127.0.0.1/x",
        "PATH": "/bin",
    }
    assert load(None, environ).settings == Settings()


def test_naming_a_plugin_leaves_the_bundled_ones_running(given: Given) -> None:
    settings = given("plugins: {mine: {}, faq: {enabled: false}}").settings
    assert settings.plugins == Settings().plugins | {"mine": Plugin(), "faq": Plugin(enabled=False)}


def test_naming_tenants_replaces_the_demo(given: Given) -> None:
    assert given("tenants: [{slug: acme, name: Acme}]").settings.tenants == (TenantSeed(slug="acme", name="Acme"),)


# What is refused.


def test_all_mistakes_are_told_at_once_in_the_order_of_lines(refused: Refused) -> None:
    text = """\
server:
  port: 30s
  prot: 80
limits: {messages_per_min: 0}
jobs: 5
tenants:
  - name: Acme
    sites:
      - {name: Shop, public_key: shop, origins: ["https://shop.example/"]}
"""
    assert refused(text, {"DESKBELL_SERVER__WORKERS": "two"}) == [
        "config.yaml:2: server.port: expected a whole number from 0 to 65535, got '30s'",
        "config.yaml:3: server.prot: unknown setting; did you mean server.port?",
        "config.yaml:4: limits.messages_per_min: expected a whole number, 1 or more (per minute), got 0",
        "config.yaml:5: jobs: expected a mapping (name: value), got a single value",
        "config.yaml:7: tenants[0].slug: is missing; expected lower-case letters, digits, - and _",
        "config.yaml:9: tenants[0].sites[0].origins[0]: expected an origin such as"
        " \"https://shop.example\", without a path, got 'https://shop.example/'",
        "environment variable DESKBELL_SERVER__WORKERS: server.workers:"
        " expected a whole number from 1 to 256, got 'two'",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sevrer: {}", "config.yaml:1: sevrer: unknown setting; did you mean server?"),
        ("port: 80", "config.yaml:1: port: unknown setting; did you mean server.port?"),
        ("server: {max-body-bytes: 5000}", "did you mean server.max_body_bytes?"),
        ("server: {drain: 5}", "did you mean server.drain_s?"),
        ("auth: {secret_fiel: x}", "did you mean auth.secret_file?"),
        ("turns: {zzz: 1}", "turns.zzz: unknown setting; known here: collect_ms, deadline_s, history_messages"),
        ("server: {host_file: x}", "server.host_file: unknown setting"),
        ("server: {port: 70000}", "from 0 to 65535, got 70000"),
        ("server: {port: true}", "server.port: expected a whole number from 0 to 65535, got true"),
        ("server: {port: 010}", "server.port: expected a whole number from 0 to 65535, got '010'"),
        ("server: {drain_s: .inf}", "server.drain_s: expected a number from 0 to 3600 (seconds)"),
        ("server: {host: 127}", "server.host: expected text, got 127; put it in quotes"),
        ("server: {port: }", "server.port: has no value; expected a whole number"),
        ("server: {port: [1]}", "server.port: expected a whole number from 0 to 65535, got a list"),
        ("logging: {level: loud}", "expected one of debug, info, warning, error, got 'loud'"),
        ("plugins: {faq: {enabled: yes}}", "plugins.faq.enabled: expected true or false, got 'yes'"),
        ("store: {url: mysql://x}", "store.url: expected an address that begins with sqlite:/// or postgresql://"),
        ("support: {ladder: []}", "support.ladder: Expected `array` of length >= 1"),
        ("support: {ladder: {}}", "support.ladder: expected a list of mappings, got a mapping"),
        ("- server", "config.yaml:1: expected a mapping (name: value), got a list"),
        ("server:\n  port: 1\n  port: 2", "config.yaml:3: port: given twice; first at config.yaml:2"),
        ("server:\n\tport: 1", "config.yaml:2: this is no YAML: found character '\\t'"),
        ("server: {port: 1", "this is no YAML"),
        (
            "server: !!python/name:os.system {}",
            "config.yaml:1: tags such as !!python/name:os.system are not understood",
        ),
        ("server: {port: !!int x}", "config.yaml:1: tags such as !!int are not understood"),
        ("? [a]\n: b", "config.yaml:1: a key must be a single word"),
        ("x: &x {port: 1}\nserver: {<<: *x}", "config.yaml:2: <<: merge keys are not understood"),
        ("channels: &a {x: *a}", "config.yaml:1: an alias that contains itself"),
        # settings that do not go together
        ("server: {silence_s: 10}", "config.yaml:1: server.silence_s: must be above heartbeat_s (30)"),
        ("auth: {algorithm: RS256}", "auth.private_key_file: is missing"),
        ("limits: {text_bytes: 99999}", "limits.text_bytes: must fit into a frame"),
        ("jobs: {backoff_cap_s: 1}", "jobs.backoff_cap_s: must not be below backoff_base_s (2)"),
        ("turns: {deadline_s: 40}", "jobs: lease_s (30) must be above turns.deadline_s (40)"),
        ("support: {default_team: sales}", "tenants: default has no team sales"),
        (
            "support: {ladder: [{after_s: 1, action: other_team, team: sales}]}",
            "support: a step of the ladder names the team sales, which no tenant has",
        ),
        ("support: {ladder: [{after_s: 1, action: re_offer, team: support}]}", "goes with the action other_team alone"),
        ("tenants: [{slug: a, name: A}, {slug: a, name: B}]", "tenants: the slug a is used twice"),
        (
            "tenants: [{slug: a, name: A, sites: [{name: S, public_key: same}, {name: T, public_key: same}]}]",
            "tenants: the public_key same is used twice",
        ),
        (
            "tenants: [{slug: a, name: A, users: [{email: a@b.c, name: A, teams: [sales]}]}]",
            "tenants[0].users: a@b.c is in the team sales, which is not among teams",
        ),
        (
            "tenants: [{slug: a, name: A, users: [{email: a@b.c, name: A}, {email: A@b.c, name: B}]}]",
            "tenants[0].users: a@b.c is listed twice",
        ),
        ("tenants: [{slug: a, name: A, teams: [{slug: t}, {slug: t}]}]", "tenants[0].teams: t is listed twice"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(refused: Refused, text: str, sentence: str) -> None:
    problems = refused(text)
    assert any(sentence in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        ("DESKBELL_STORE__ULR", "variable DESKBELL_STORE__ULR: store.ulr: unknown setting; did you mean store.url?"),
        ("DESKBELL_SERVER_PORT", "variable DESKBELL_SERVER_PORT: unknown setting; did you mean DESKBELL_SERVER__PORT?"),
        ("DESKBELL_AUTH_SECRET_FILE", "did you mean DESKBELL_AUTH__SECRET_FILE?"),
        ("DESKBELL_ENVIROMENT", "did you mean DESKBELL_ENVIRONMENT?"),
        ("DESKBELL_SERVER__PORT", "server.port: expected a whole number from 0 to 65535, got ''"),
    ],
)
def test_a_misspelt_variable_is_refused_not_ignored(variable: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {variable: ""})
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "variable", "value", "sentence"),
    [
        ("", "BUS__TIP_POLL_S", "inf", "bus.tip_poll_s: expected a number above 0 (seconds), got 'inf'"),
        ("", "CHANNELS", "{a: 1", "channels: this is no YAML"),
        ("", "CHANNELS", "{a: {}, a: {}}", "channels: given twice"),
        ("server: 5", "SERVER__PORT", "80", "config.yaml:1: server: expected a mapping"),
        ("support: {ladder: []}", "SUPPORT__LADDER__X", "1", "support.ladder: expected a list of mappings"),
        ("", "TENANTS__1__NAME", "Acme", "tenants[1].slug: is missing"),
    ],
)
def test_a_variable_that_does_not_fit_is_refused(
    refused: Refused, text: str, variable: str, value: str, sentence: str
) -> None:
    (problem,) = refused(text, {f"DESKBELL_{variable}": value})
    assert sentence in problem


def test_a_variable_opens_an_empty_section_and_adds_to_a_list(given: Given) -> None:
    settings = given("server:\n", {"DESKBELL_SERVER__PORT": "81"}).settings
    assert settings.server.port == 81
    text = "tenants: [{slug: a, name: A, sites: [{name: S, public_key: shop, origins: [https://a.example]}]}]"
    more = given(text, {"DESKBELL_TENANTS__0__SITES__0__ORIGINS__1": "https://b.example"}).settings
    assert more.tenants[0].sites[0].origins == ("https://a.example", "https://b.example")


def test_one_mistake_is_told_in_one_line_and_several_in_a_list(given: Given) -> None:
    with pytest.raises(ConfigError) as one:
        given("a: 1")
    with pytest.raises(ConfigError) as two:
        given("a: 1\nb: 1")
    assert str(one.value).startswith("configuration: /") and "\n" not in str(one.value)
    assert str(two.value).startswith("configuration: 2 problems\n  /")


def test_a_section_cannot_come_whole_and_in_parts(refused: Refused) -> None:
    environ = {"DESKBELL_SERVER": "{port: 1}", "DESKBELL_SERVER__HOST": "x"}
    assert refused("", environ) == [
        "environment variable DESKBELL_SERVER__HOST: environment variable DESKBELL_SERVER already gives all of it;"
        " use one of the two"
    ]


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load(tmp_path / "c.yaml", {})


# Secrets.


def test_a_secret_may_come_from_a_file_named_in_a_variable(tmp_path: Path) -> None:
    (tmp_path / "auth").write_text(GOOD_SECRET + "\n")
    loaded = load(None, {"DESKBELL_AUTH__SECRET_FILE": str(tmp_path / "auth")})
    assert loaded.settings.auth.secret == GOOD_SECRET
    assert loaded.sources["auth.secret"] == "environment"


def test_a_secret_may_come_from_a_file_named_in_the_file(given: Given, tmp_path: Path) -> None:
    (tmp_path / "ana").write_text("long enough for Ana")
    users = f"[{{email: a@b.c, name: Ana, password_file: '{tmp_path}/ana'}}]"
    loaded = given(f"tenants: [{{slug: a, name: A, users: {users}}}]")
    assert loaded.settings.tenants[0].users[0].password == "long enough for Ana"
    assert loaded.sources["tenants[0].users[0].password"].endswith("config.yaml:1")


@pytest.mark.parametrize("in_file", ["secret: old", "secret_file: /nowhere"])
@pytest.mark.parametrize("variable", ["SECRET", "SECRET_FILE"])
def test_of_a_file_and_a_variable_the_variable_gives_the_secret(
    given: Given, tmp_path: Path, in_file: str, variable: str
) -> None:
    (tmp_path / "new").write_text("new")
    value = "new" if variable == "SECRET" else str(tmp_path / "new")
    assert given(f"auth: {{{in_file}}}", {f"DESKBELL_AUTH__{variable}": value}).settings.auth.secret == "new"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("auth: {secret: a, secret_file: b}", "auth.secret: given twice, as secret and as secret_file; use one"),
        ("auth: {secret_file: /nowhere/auth}", "auth.secret_file: cannot read /nowhere/auth: No such file"),
        ("auth: {secret_file: ''}", "auth.secret_file: expected the path of a file"),
    ],
)
def test_a_secret_that_cannot_be_had_stops_the_start(refused: Refused, text: str, sentence: str) -> None:
    (problem,) = refused(text)
    assert sentence in problem


@pytest.mark.parametrize(
    "text",
    [
        "auth: {secret: 8675309}",
        "auth: {secret: [8675309]}",
        "auth: 'it is 8675309'",
        "store: {url: 'mysql://desk:8675309@host/x'}",
        "tenants: [{slug: a, name: A, users: [{email: a@b.c, name: A, password: 8675309}]}]",
        "tenants: 'it is 8675309'",
        "plugins: 'it is 8675309'",
    ],
)
def test_no_refusal_repeats_a_secret(refused: Refused, text: str) -> None:
    assert "8675309" not in " ".join(refused(text))


def test_check_config_prints_no_secret(given: Given) -> None:
    loaded = given(
        f"""\
store: {{url: "postgresql://desk:{GOOD_SECRET}@db/desk"}}
bus: {{url: "redis://:{GOOD_SECRET}@cache/0"}}
auth: {{secret: {GOOD_SECRET}}}
plugins:
  mine:
    settings:
      api_token: {GOOD_SECRET}
      passwords: {{ana: {GOOD_SECRET}}}
      hooks: [{{secret: {GOOD_SECRET}}}]
      key_file: /run/secrets/key
      address: https://me:{GOOD_SECRET}@host/
      retries: 3
tenants:
  - slug: a
    name: A
    sites: [{{name: S, public_key: shop, secret: {GOOD_SECRET}}}]
    users: [{{email: a@b.c, name: A, password: {GOOD_SECRET}}}]
"""
    )
    one = told(loaded)
    assert GOOD_SECRET not in repr(list(one.values()))
    assert one["store.url"].value == "postgresql://desk:********@db/desk"
    assert one["auth.secret"].value == "********"
    assert one["plugins.mine.settings.key_file"].value == "/run/secrets/key"
    assert one["plugins.mine.settings.retries"].value == 3
    assert one["tenants[0].sites[0].bot"].value == ""


def test_an_empty_secret_is_shown_as_empty() -> None:
    assert told(load(None, {}))["auth.secret"].value == ""


# Explaining.


def test_each_setting_says_where_it_comes_from(given: Given, tmp_path: Path) -> None:
    one = told(given("server:\n  host: desk\n  port: 9000\n", {"DESKBELL_SERVER__PORT": "9001"}))
    assert one["server.host"].source == f"{tmp_path}/config.yaml:2"
    assert one["server.port"] == Explained(
        "server.port", 9001, 8000, "environment", "Port to listen on; 0 takes a free one."
    )
    assert one["server.workers"].source == "default"


def test_each_setting_of_the_product_is_explained() -> None:
    silent = [one.path for one in explain(Settings(), {}) if not one.description]
    assert silent == []


# Settings whose type is known later.


class Telegram(msgspec.Struct):
    token: Annotated[str, msgspec.Meta(extra={"secret": "value"})]
    retries: Annotated[int, msgspec.Meta(ge=0, le=9)] = 3
    rooms: list[str] = []
    since: datetime | None = None
    area: tuple[int, int] = (0, 0)
    extra: Any = None
    weights: dict[str, float] = {}


def test_a_plugins_settings_are_checked_with_the_lines_of_the_file(given: Given) -> None:
    loaded = given("plugins:\n  telegram:\n    settings:\n      retries: 12\n      romes: []\n")
    with pytest.raises(ConfigError) as caught:
        loaded.section("plugins.telegram.settings", Telegram)
    assert [str(problem).rpartition("config.yaml")[2] for problem in caught.value.problems] == [
        ":3: plugins.telegram.settings.token: is missing; expected text",
        ":4: plugins.telegram.settings.retries: expected a whole number from 0 to 9, got 12",
        ":5: plugins.telegram.settings.romes: unknown setting; did you mean plugins.telegram.settings.rooms?",
    ]


def test_a_plugins_settings_come_from_file_and_environment_alike(given: Given, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t-1\n")
    loaded = given(
        "plugins: {telegram: {settings: {rooms: [a, b], weights: {x: 1}}}}",
        {
            "DESKBELL_PLUGINS__TELEGRAM__SETTINGS__RETRIES": "5",
            "DESKBELL_PLUGINS__TELEGRAM__SETTINGS__TOKEN_FILE": str(tmp_path / "token"),
        },
    )
    settings = loaded.section("plugins.telegram.settings", Telegram)
    assert settings == Telegram(token="t-1", retries=5, rooms=["a", "b"], weights={"x": 1.0})


def test_a_plugins_settings_may_have_types_of_their_own(given: Given) -> None:
    where = "plugins.telegram.settings"
    text = "plugins: {telegram: {settings: {token: t, since: '2026-01-01T00:00:00Z', area: [1, 2], extra: {a: [1]}}}}"
    read = given(text).section(where, Telegram)
    assert read == Telegram(token="t", since=datetime(2026, 1, 1, tzinfo=UTC), area=(1, 2), extra={"a": [1]})
    for wrong in ("since: soon", "area: [1]", "area: here"):
        with pytest.raises(ConfigError, match=rf"config\.yaml:1: {where}\.{wrong.partition(':')[0]}: "):
            given(f"plugins: {{telegram: {{settings: {{token: t, {wrong}}}}}}}").section(where, Telegram)


def test_a_plugin_given_whole_in_a_variable_is_taken_apart() -> None:
    loaded = load(None, {"DESKBELL_PLUGINS__TELEGRAM": "{settings: {token: t-1}}"})
    assert loaded.section("plugins.telegram.settings", Telegram) == Telegram(token="t-1")


def test_a_required_setting_of_a_plugin_that_has_none_is_missed() -> None:
    with pytest.raises(ConfigError, match=r"plugins\.telegram\.settings\.token: is missing"):
        load(None, {}).section("plugins.telegram.settings", Telegram)


def test_a_channel_types_policy_changes_key_by_key(given: Given) -> None:
    loaded = given("channels: {support: {receipts: off, edit_window_s: null, kinds: {card: [agent]}}}")
    base = Policy(edit_window_s=600, owned=True)
    changed = loaded.section("channels.support", Policy, base)
    assert (changed.receipts, changed.edit_window_s, changed.owned) == ("off", None, True)
    assert changed.kinds["card"] == ("agent",)
    assert loaded.section("channels.direct", Policy, base) == base


# Production.

PRODUCTION = Settings(environment="production", auth=Auth(secret=GOOD_SECRET), tenants=())


def test_sound_settings_may_serve_the_public() -> None:
    tenant = TenantSeed(
        slug="acme",
        name="Acme",
        sites=(SiteSeed(name="Shop", public_key="shop", origins=("https://shop.example",), secret=GOOD_SECRET),),
        users=(
            UserSeed(email="a@b.c", name="A", password="a long one of one's own"),
            UserSeed(email="b@b.c", name="B"),
        ),
    )
    assert check_production(msgspec.structs.replace(PRODUCTION, tenants=(tenant,))) == []
    several = msgspec.structs.replace(
        PRODUCTION, server=Server(workers=4), store=Store(url="postgresql://db/x"), bus=Bus(url="redis://cache")
    )
    assert check_production(several) == []


def test_development_asks_for_none_of_it() -> None:
    assert check_production(Settings()) == []


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("", "is empty; set DESKBELL_AUTH__SECRET"),
        ("k3J9-vQx7_Lm2Zp8RtY5wBn4HdGf6Cs", "is shorter than 32 bytes"),
        ("please-change-me-before-going-live-0123456789", "looks like a placeholder"),
        ("a" * 64, "looks like a placeholder"),
    ],
)
def test_a_secret_that_can_be_guessed_is_refused_in_production(secret: str, why: str) -> None:
    (problem,) = check_production(msgspec.structs.replace(PRODUCTION, auth=Auth(secret=secret)))
    assert problem.startswith("auth.secret: ") and why in problem and "token_urlsafe" in problem
    assert not secret or secret not in problem


def test_the_demo_is_refused_in_production() -> None:
    problems = check_production(msgspec.structs.replace(PRODUCTION, tenants=(DEMO_TENANT,)))
    assert [problem.partition(":")[0] for problem in problems] == [
        f"tenants[0].users[{number}].password" for number in range(3)
    ]
    assert DEMO_PASSWORD not in " ".join(problems)


@pytest.mark.parametrize(
    ("tenant", "problem"),
    [
        ({"sites": (SiteSeed(name="S", public_key="shop", origins=("*",)),)}, "tenants[0].sites[0].origins"),
        ({"sites": (SiteSeed(name="S", public_key="shop", secret="short"),)}, "tenants[0].sites[0].secret"),
        ({"users": (UserSeed(email="a@b.c", name="A", password="short"),)}, "tenants[0].users[0].password"),
    ],
)
def test_a_tenant_open_to_everybody_is_refused_in_production(tenant: dict[str, object], problem: str) -> None:
    seed = msgspec.structs.replace(TenantSeed(slug="a", name="A"), **tenant)
    (found,) = check_production(msgspec.structs.replace(PRODUCTION, tenants=(seed,)))
    assert found.startswith(f"{problem}: ")


@pytest.mark.parametrize("environment", ["development", "production"])
def test_several_processes_need_a_store_and_a_bus_that_several_can_share(environment: str) -> None:
    settings = msgspec.structs.replace(PRODUCTION, environment=environment, server=Server(workers=2))
    problems = check_production(settings)
    assert ["SQLite" in problems[0], "memory bus" in problems[1], len(problems)] == [True, True, 2]


# What follows from settings.


def test_the_secret_of_a_development_machine_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    store = Store(url=f"sqlite:///{tmp_path}/var/desk.sqlite3")
    secret = development_secret(store)
    kept = tmp_path / "var" / "deskbell.secret"
    assert development_secret(store) == secret == kept.read_text()
    assert len(secret.encode()) >= 32
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert os.listdir(kept.parent) == ["deskbell.secret"]


def test_two_processes_that_start_together_end_with_one_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that comes second to the link takes the secret of the first."""
    store, link = Store(url=f"sqlite:///{tmp_path}/desk.sqlite3"), os.link

    def link_after_another_did(draft: Path, file: Path) -> None:
        file.write_text("of the other process")
        link(draft, file)

    monkeypatch.setattr(os, "link", link_after_another_did)
    assert development_secret(store) == "of the other process"
    assert os.listdir(tmp_path) == ["deskbell.secret"]


def test_a_store_in_memory_keeps_no_secret() -> None:
    store = Store(url="sqlite://:memory:")
    assert development_secret(store) != development_secret(store)


@pytest.mark.parametrize(
    ("url", "path", "lanes"),
    [
        ("sqlite:///var/desk.sqlite3", Path("var/desk.sqlite3"), 1),
        ("sqlite:////srv/desk.sqlite3?x=1", Path("/srv/desk.sqlite3"), 1),
        ("sqlite://:memory:", None, 1),
        ("postgresql://db/desk", None, 2),
    ],
)
def test_a_store_knows_its_file_and_its_lanes(url: str, path: Path | None, lanes: int) -> None:
    store = Store(url=url)
    assert (store.sqlite_path, store.lane_count) == (path, lanes)
    assert Store(url=url, lanes=7).lane_count == 7


def test_settings_made_in_code_are_held_to_the_same_rules() -> None:
    with pytest.raises(ValueError, match="silence_s: must be above heartbeat_s"):
        Server(silence_s=1)
    with pytest.raises(ValueError, match="has no team sales"):
        Settings(support=Support(default_team="sales"))
