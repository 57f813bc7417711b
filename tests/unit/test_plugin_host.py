"""One broken plugin is refused or passed over; the rest goes on."""

from __future__ import annotations

import asyncio
import sys
import tomllib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pluggy
import pytest
import structlog

from deskbell import (
    Actor,
    Allow,
    Block,
    BotContext,
    BotEvent,
    ChannelType,
    HandOver,
    Hold,
    Policy,
    PublicUser,
    Rewrite,
    RoomId,
    Say,
    Situation,
    Submission,
    TenantId,
    Turn,
    UserId,
    Verdict,
    hookimpl,
    normalise,
)
from deskbell.hookspecs import GROUP
from deskbell.plugins import (
    BadOverride,
    Moderated,
    NoChannelTypes,
    ObserverFailed,
    PluginHost,
    Resting,
    UnknownPlugin,
    breaker,
    in_force,
)

ROOT = Path(__file__).parents[2]
TENANT, ROOM = TenantId("t1"), RoomId("r1")
VISITOR = PublicUser(UserId("v1"), "visitor", "Vera")


@dataclass(frozen=True)
class Switch:
    enabled: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)


def plugin(*functions: Callable[..., Any], **attributes: Any) -> ModuleType:
    """A plugin module holding these functions, those named like hooks marked as such."""
    module = ModuleType("acme")
    for function in functions:
        setattr(module, function.__name__, hookimpl(function))
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


def offering(kind: str, *offers: Any, **attributes: Any) -> ModuleType:
    """A plugin that offers these objects through ``register_<kind>``."""

    def register() -> Sequence[Any]:
        return list(offers)

    register.__name__ = f"register_{kind}"
    return plugin(register, **attributes)


def rooms(*names: str) -> ModuleType:
    return offering("channel_types", *(ChannelType(name=name, title=name.title()) for name in names))


def loaded(
    extra: Mapping[str, object],
    enabled: Mapping[str, Switch] | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    **more: Any,
) -> PluginHost:
    """A host with the plugin ``good``, which brings the channel type ``lobby``, and ``extra``."""
    more.setdefault("moderation_timeout_s", 0.05)
    off = {entry.name: Switch(enabled=False) for entry in metadata.entry_points(group=GROUP) if entry.name not in extra}
    return PluginHost.load({**off, **(enabled or {})}, overrides or {}, extra={"good": rooms("lobby"), **extra}, **more)


def state(host: PluginHost, name: str) -> tuple[str, str]:
    """State and reason of the last plugin of this name."""
    found = [described for described in host.describe() if described["name"] == name][-1]
    return found["state"], found["reason"]


def submission(text: str) -> Submission:
    sender = Actor(TENANT, UserId("v1"), "visitor", "Vera")
    return Submission(ROOM, "lobby", sender, "text", text, normalise(text))


def situation(trigger: str = "turn") -> Situation:
    return Situation(trigger, TENANT, ROOM, VISITOR, (), (), {})


class Filter:
    """Answers with a verdict, or with what a function makes of the submission."""

    def __init__(self, name: str, answer: Any, order: int = 100) -> None:
        self.name = name
        self.order = order
        self.answer = answer
        self.saw: list[Submission] = []

    async def check(self, submission: Submission) -> Verdict:
        self.saw.append(submission)
        answer = self.answer(submission) if callable(self.answer) else self.answer
        return await answer if asyncio.iscoroutine(answer) else answer


class Rule:
    def __init__(self, name: str, answer: Any, order: int = 100) -> None:
        self.name = name
        self.order = order
        self.answer = answer
        self.asked = 0

    async def decide(self, situation: Situation) -> HandOver | None:
        self.asked += 1
        answer = self.answer() if callable(self.answer) else self.answer
        return await answer if asyncio.iscoroutine(answer) else answer


class Parrot:
    title = "Parrot"

    def __init__(self, name: str = "parrot", load: Callable[[], Any] | None = None) -> None:
        self.name = name
        self._load = load
        self.context: BotContext | None = None

    async def load(self, context: BotContext) -> None:
        self.context = context
        if self._load is not None:
            await self._load()

    async def handle(self, turn: Turn) -> AsyncIterator[BotEvent]:
        yield Say(turn.text)

    def greeting(self) -> str:
        return ""


def fails(*_: Any) -> Any:
    raise ValueError("the visitor wrote: my password is hunter2")


async def hangs(*_: Any) -> Any:
    await asyncio.Event().wait()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# Finding plugins.


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a distribution: its entry points and modules, as pip would leave them."""

    def installed(distribution: str, entry_points: Mapping[str, str], **modules: str) -> None:
        folder = tmp_path / distribution
        described = folder / f"{distribution}-7.1.dist-info"
        described.mkdir(parents=True)
        (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 7.1\n")
        lines = "\n".join(f"{name} = {value}" for name, value in entry_points.items())
        (described / "entry_points.txt").write_text(f"[deskbell.plugins]\n{lines}\n")
        for name, source in modules.items():
            (folder / f"{name}.py").write_text(source)
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.syspath_prepend(folder)

    return installed


@pytest.fixture
def deskbell(install: Callable[..., None]) -> None:
    """Deskbell's own distribution, with the entry points that its pyproject.toml declares."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    install("deskbell", project["entry-points"]["deskbell.plugins"])


LOUNGE = """
from deskbell import ChannelType, hookimpl

@hookimpl
def register_channel_types(settings):
    return [ChannelType(name="lounge", title="Lounge")]
"""


@pytest.mark.usefixtures("deskbell")
async def test_all_that_comes_with_deskbell_works_without_any_configuration() -> None:
    """The bundled plugins are found through the entry points that foreign ones use, and are on."""
    host = PluginHost.load({}, {}, moderation_timeout_s=1)
    await host.start()

    states = {described["name"]: described["state"] for described in host.describe()}
    at_work = {name for name, state in states.items() if state == "active"}
    assert at_work == {"channels", "escalation", "faq", "moderation_words"}
    assert states["webhooks"] == "disabled", "what sends things elsewhere waits to be named"
    assert host.channels.keys() >= {"support", "direct", "group", "community", "broadcast"}
    assert "faq" in host.bots
    assert [rule.name for rule in host.rules] == ["default"]
    assert not host.filters  # the word list is empty as delivered, and then costs nothing
    assert not host.observed


@pytest.mark.usefixtures("deskbell")
def test_a_bundled_plugin_can_be_switched_off() -> None:
    host = PluginHost.load({"faq": Switch(enabled=False)}, {}, moderation_timeout_s=1)

    assert state(host, "faq")[0] == "disabled"
    assert "faq" not in host.bots


@pytest.mark.usefixtures("deskbell")
def test_a_foreign_plugin_is_not_even_imported_until_it_is_enabled(install: Callable[..., None]) -> None:
    install("acme", {"lounge": "acme_lounge_1"}, acme_lounge_1=LOUNGE)

    host = PluginHost.load({}, {}, moderation_timeout_s=1)
    assert state(host, "lounge")[0] == "disabled"
    assert "acme_lounge_1" not in sys.modules

    host = PluginHost.load({"lounge": Switch()}, {}, moderation_timeout_s=1)
    assert state(host, "lounge")[0] == "active"
    assert "lounge" in host.channels
    assert [described["version"] for described in host.describe() if described["name"] == "lounge"] == ["7.1"]


def test_enabling_what_is_not_installed_stops_the_start_and_names_what_is() -> None:
    with pytest.raises(UnknownPlugin, match="Did you mean 'good'") as refused:
        loaded({}, {"goood": Switch()})
    assert "good" in refused.value.known


def test_what_is_switched_off_need_not_be_installed() -> None:
    assert "lobby" in loaded({}, {"gone": Switch(enabled=False)}).channels


def test_without_any_kind_of_room_there_is_nothing_to_serve() -> None:
    with pytest.raises(NoChannelTypes, match=r"good.*switched off|Enable the plugin 'channels'"):
        loaded({}, {"good": Switch(enabled=False)})


def test_the_start_that_fails_for_want_of_rooms_says_which_plugin_was_to_bring_them() -> None:
    with pytest.raises(NoChannelTypes, match="hide_and_seek"):
        loaded({}, {"good": Switch(settings={"hide_and_seek": 1})})


def test_of_two_distributions_with_a_plugin_of_one_name_the_second_is_refused(install: Callable[..., None]) -> None:
    """The second by name, not by where it is installed, so that every machine decides alike."""
    install("acme_a", {"lounge": "acme_lounge_a"}, acme_lounge_a=LOUNGE)
    install("acme_b", {"lounge": "acme_lounge_b"}, acme_lounge_b=LOUNGE.replace("lounge", "bar"))

    host = loaded({}, {"lounge": Switch()})

    assert [entry["state"] for entry in host.describe() if entry["name"] == "lounge"] == ["active", "refused"]
    assert "lounge" in host.channels and "bar" not in host.channels
    assert "another plugin has this name" in state(host, "lounge")[1]
    assert "acme_lounge_b" not in sys.modules


# Refusing plugins.


class Sizes(msgspec.Struct):
    """Settings that do not forbid unknown fields themselves."""

    size: int = 3
    inner: list[int] = []


def sized(settings: Any) -> list[Any]:
    return []


sized.__name__ = "register_bots"


def test_a_plugin_that_does_not_import_is_refused_and_the_rest_goes_on(install: Callable[..., None]) -> None:
    install(
        "acme",
        {"broken": "acme_broken_1", "leaves": "acme_leaves_1", "absent": "acme_absent_1"},
        acme_broken_1="import no_such_package_anywhere",
        acme_leaves_1="raise SystemExit(3)",
    )

    host = loaded({}, {"broken": Switch(), "leaves": Switch(), "absent": Switch()})

    assert state(host, "broken")[0] == "refused"
    assert "no_such_package_anywhere" in state(host, "broken")[1]
    assert "SystemExit" in state(host, "leaves")[1]
    assert "acme_absent_1" in state(host, "absent")[1]
    assert list(host.channels) == ["lobby"]


def wrong_arguments(settings: Any, colour: str) -> list[Any]:
    return []


wrong_arguments.__name__ = "register_bots"


def keyword_only(*, needed: str) -> list[Any]:
    return []


keyword_only.__name__ = "register_bots"


def misspelt(settings: Any) -> list[Any]:
    return []


misspelt.__name__ = "register_channel_typos"


async def asynchronous(settings: Any) -> list[Any]:
    return []


asynchronous.__name__ = "register_bots"


def raising(settings: Any) -> list[Any]:
    raise RuntimeError("no licence found")


raising.__name__ = "register_channel_types"


def returns(what: Any, hook: str = "register_channel_types") -> ModuleType:
    def register(settings: Any) -> Any:
        return what

    register.__name__ = hook
    return plugin(register)


def unmarked() -> ModuleType:
    def on_case(case: Any) -> None: ...

    return plugin(on_case, register_bots=lambda settings: [])


def wrapping() -> ModuleType:
    module = ModuleType("acme")

    @hookimpl(wrapper=True)
    def on_case(case: Any) -> Any:
        return (yield)

    module.on_case = on_case  # type: ignore[attr-defined]
    return module


class LacksCheck:
    name = "lacks"
    order = 1


class TakesNothing(LacksCheck):
    async def check(self) -> Verdict:
        return Allow()


class SomeOrder(Filter):
    order: Any


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        pytest.param(plugin(misspelt), "unknown hook 'register_channel_typos'", id="a hook that does not exist"),
        pytest.param(plugin(wrong_arguments), "colour", id="an argument the hook does not have"),
        pytest.param(plugin(keyword_only), "cannot be called", id="a parameter nobody gives"),
        pytest.param(unmarked(), "not marked as a hook", id="the mark forgotten"),
        pytest.param(wrapping(), "is a wrapper", id="a hook wrapper"),
        pytest.param(ModuleType("empty"), "implements no hook", id="no hook at all"),
        pytest.param(plugin(sized, Settings=dict), "not a msgspec.Struct", id="settings of another kind"),
        pytest.param(plugin(raising), "no licence found", id="raises while it registers"),
        pytest.param(plugin(asynchronous), "is async", id="registers asynchronously"),
        pytest.param(returns(None), "returned None", id="forgets to return"),
        pytest.param(returns("support"), "not a list", id="returns a string"),
        pytest.param(returns([42]), "42 is not a ChannelType", id="offers nonsense"),
        pytest.param(returns([ChannelType]), "not an instance", id="offers a class"),
        pytest.param(returns([ChannelType(name="Bad Name", title="x")]), "'Bad Name'", id="an unusable name"),
        pytest.param(returns([LacksCheck()], "register_moderation_filters"), "it has no check", id="a method missing"),
        pytest.param(returns([TakesNothing()], "register_moderation_filters"), "take 1 argument", id="wrong arguments"),
        pytest.param(
            returns([Filter("f", Allow(), order="first")], "register_moderation_filters"),  # type: ignore[arg-type]
            "order is 'first'",
            id="an order that is no number",
        ),
        pytest.param(
            returns([ChannelType(name="odd", title="x", policy=Policy(default_role="guest"))]),
            "'guest', which is not among its roles",
            id="a policy that contradicts itself",
        ),
        pytest.param(
            returns([ChannelType(name="one", title="1"), ChannelType(name="one", title="2")]),
            "'one', which 'broken' offers already",
            id="one name twice",
        ),
    ],
)
def test_a_broken_plugin_is_refused_with_a_reason_and_the_rest_goes_on(broken: ModuleType, said: str) -> None:
    host = loaded({"broken": broken, "later": rooms("garden")})

    found, reason = state(host, "broken")
    assert found == "refused"
    assert said in reason
    assert list(host.channels) == ["lobby", "garden"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"size": "big"}, "plugins.broken.settings.size: expected `int`, got `str`"),
        ({"inner": [1, "2"]}, "plugins.broken.settings.inner[1]: expected `int`"),
        ({"siez": 4}, "plugins.broken.settings.siez: unknown; did you mean size?"),
    ],
)
def test_a_plugin_with_wrong_settings_is_refused_and_the_setting_named(settings: dict[str, Any], said: str) -> None:
    host = loaded({"broken": plugin(sized, Settings=Sizes)}, {"broken": Switch(settings=settings)})

    assert state(host, "broken")[0] == "refused"
    assert said in state(host, "broken")[1]
    assert "lobby" in host.channels


def test_settings_for_a_plugin_that_has_none_are_a_mistake() -> None:
    host = loaded({"plain": rooms("garden")}, {"plain": Switch(settings={"size": 1})})

    assert "plugins.plain.settings.size: this plugin takes no settings" in state(host, "plain")[1]


def test_a_plugin_receives_its_settings_checked() -> None:
    given = []

    def register_bots(settings: Any) -> list[Any]:
        given.append(settings)
        return []

    loaded({"sized": plugin(register_bots, Settings=Sizes)}, {"sized": Switch(settings={"size": 9})})

    assert given == [Sizes(size=9)]


def test_a_refused_plugin_leaves_nothing_behind() -> None:
    """It is whole or absent: its good offers go with the bad one, and its observers hear nothing."""

    def register_escalation_rules(settings: Any) -> list[Any]:
        return [Rule("fine", None)]

    def register_bots(settings: Any) -> list[Any]:
        return ["no bot"]

    def on_message(message: Any) -> None: ...

    host = loaded({"half": plugin(register_escalation_rules, register_bots, on_message)})

    assert state(host, "half")[0] == "refused"
    assert not host.rules
    assert not host.observed


def test_what_a_plugin_does_wrong_does_not_spoil_the_plugin_after_it() -> None:
    """A hook that does not exist is a mistake of the one who implements it, not of whoever comes next."""
    host = loaded({"broken": plugin(misspelt), "fine": rooms("garden")})

    assert state(host, "fine") == ("active", "")


def test_the_second_plugin_that_offers_a_name_is_refused() -> None:
    host = loaded({"second": rooms("garden", "lobby")})

    assert "'lobby', which 'good' offers already" in state(host, "second")[1]
    assert list(host.channels) == ["lobby"]


def test_one_module_under_two_names_is_active_once() -> None:
    module = rooms("garden")
    host = loaded({"one": module, "two": module})

    assert state(host, "one")[0] == "active"
    assert state(host, "two")[0] == "refused"


# Kinds of rooms.


def test_register_channel_types_offers_kinds_of_rooms_and_the_operator_changes_their_policy() -> None:
    host = loaded({}, overrides={"lobby": {"edit_window_s": None, "rate_per_min": 60}})

    assert host.channels["lobby"].policy.edit_window_s is None
    assert host.channels["lobby"].policy.rate_per_min == 60
    assert host.channels["lobby"].policy.delete_window_s == Policy().delete_window_s
    assert host.channel_types["lobby"].policy == host.channels["lobby"].policy, "it decides by what is in force"


@pytest.mark.parametrize(
    ("overrides", "key", "said"),
    [
        ({"lobby": {"edit_windows": 5}}, "channels.lobby.edit_windows", "did you mean edit_window_s?"),
        ({"lobby": {"reopen_window_s": "many"}}, "channels.lobby.reopen_window_s", "expected `int`"),
        ({"lobby": {"kinds": {"text": [3]}}}, "channels.lobby.kinds[...][0]", "expected `str`"),
        ({"lobby": {"rate_per_min": 0}}, "channels.lobby", "rate_per_min is 0"),
        ({"lobby": {"roles": ["guest"]}}, "channels.lobby", "default_role is 'member'"),
        ({"loby": {}}, "channels.loby", "did you mean lobby?"),
    ],
)
def test_a_wrong_override_stops_the_start_and_names_the_key(overrides: Any, key: str, said: str) -> None:
    with pytest.raises(BadOverride) as refused:
        loaded({}, overrides=overrides)

    assert refused.value.key == key
    assert said in str(refused.value)


def test_an_override_for_the_rooms_of_a_refused_plugin_does_not_stop_the_others() -> None:
    assert "lobby" in loaded({"broken": plugin(raising)}, overrides={"garden": {"rate_per_min": 5}}).channels


# Moderation.


async def test_register_moderation_filters_of_all_plugins_form_one_chain() -> None:
    """By order, then by name; each sees the text as the one before it left it."""
    shout = Filter("shout", lambda seen: Rewrite(seen.text + "!"), order=1)
    b = Filter("b", Allow(), order=5)
    a = Filter("a", lambda seen: Rewrite(seen.text.replace("Bad", "B**")), order=5)
    host = loaded({"one": offering("moderation_filters", b, a), "two": offering("moderation_filters", shout)})

    result = await host.moderate(submission("Bad"))

    assert [found.name for found in host.filters] == ["shout", "a", "b"]
    assert result == Moderated("B**!", original="Bad")
    assert [(said.filter, said.plugin, said.verdict) for said in result.decisions] == [
        ("shout", "two", "rewrite"),
        ("a", "one", "rewrite"),
    ], "who had no opinion is not written down"
    assert (a.saw[0].text, a.saw[0].normalised) == ("Bad!", "bad!")
    assert (b.saw[0].text, b.saw[0].normalised) == ("B**!", "b**!")


async def test_without_filters_every_text_passes() -> None:
    assert await loaded({}).moderate(submission("anything")) == Moderated("anything")


async def test_a_held_text_goes_on_through_the_chain_and_the_first_reason_counts() -> None:
    filters = [
        Filter("first", Hold("links"), order=1),
        Filter("second", Hold("words"), order=2),
        Filter("third", lambda seen: Rewrite("clean"), order=3),
    ]
    host = loaded({"x": offering("moderation_filters", *filters)})

    assert await host.moderate(submission("raw")) == Moderated("clean", "hold", "links", "first", "raw")


async def test_a_blocked_text_is_shown_to_no_further_filter() -> None:
    after = Filter("after", Allow(), order=3)
    filters = [Filter("hold", Hold("links"), order=1), Filter("block", Block("spam"), order=2), after]
    host = loaded({"x": offering("moderation_filters", *filters)})

    assert await host.moderate(submission("raw")) == Moderated("raw", "block", "spam", "block")
    assert not after.saw


@pytest.mark.parametrize(
    ("broken", "how"),
    [
        pytest.param(fails, "raised ValueError in fails, test_plugin_host.py:", id="raises"),
        pytest.param(hangs, "no answer within 0.05 s", id="hangs"),
        pytest.param(lambda _: None, "NoneType, which is no verdict", id="answers nothing"),
        pytest.param(lambda _: "ok", "str, which is no verdict", id="answers nonsense"),
        pytest.param(lambda _: Rewrite(None), "Rewrite", id="rewrites to nothing"),  # type: ignore[arg-type]
        pytest.param(lambda _: Hold(None), "Hold", id="holds without a word"),  # type: ignore[arg-type]
    ],
)
async def test_a_broken_filter_neither_loses_a_message_nor_waves_it_through(broken: Any, how: str) -> None:
    mask = Filter("mask", lambda seen: Rewrite("***"), order=200)
    host = loaded({"x": offering("moderation_filters", Filter("broken", broken), mask)})

    result = await host.moderate(submission("secret"))

    assert (result.verdict, result.filter, result.text) == ("hold", "broken", "***")
    described = host.describe()[-1]
    assert described["faults"] == 1
    assert how in described["last_fault"]


async def test_what_a_plugin_says_when_it_raises_is_told_nobody() -> None:
    """It may quote what a visitor wrote, which belongs in no log."""
    host = loaded({"x": offering("moderation_filters", Filter("broken", fails))})

    with structlog.testing.capture_logs() as logs:
        result = await host.moderate(submission("my password is hunter2"))

    assert "hunter2" not in result.reason
    assert "hunter2" not in str(host.describe())
    assert logs and "hunter2" not in str(logs)


async def test_a_filter_may_take_its_time_within_the_limit() -> None:
    async def slowly() -> Verdict:
        await asyncio.sleep(0)
        async with asyncio.timeout(1):
            await asyncio.sleep(0.005)
        return Block("spam")

    host = loaded({"x": offering("moderation_filters", Filter("slow", lambda _: slowly()))}, moderation_timeout_s=5)

    assert (await host.moderate(submission("raw"))).verdict == "block"


async def test_a_timeout_of_the_filters_own_is_a_failure_like_any_other() -> None:
    async def slowly() -> Verdict:
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()
        return Allow()

    host = loaded({"x": offering("moderation_filters", Filter("slow", lambda _: slowly()))}, moderation_timeout_s=5)

    assert (await host.moderate(submission("raw"))).verdict == "hold"
    assert "raised TimeoutError" in host.describe()[-1]["last_fault"]


async def test_a_filter_that_answers_at_once_costs_no_timer_and_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    host = loaded({"x": offering("moderation_filters", Filter("quick", Allow()))})
    loop = asyncio.get_running_loop()
    with monkeypatch.context() as watched:
        for name in ("call_at", "call_later", "call_soon", "create_task"):
            watched.setattr(loop, name, fails)
        result = await host.moderate(submission("raw"))

    assert result.verdict == "allow"


async def test_a_sender_who_goes_away_takes_the_filter_along() -> None:
    """Cancelling the caller is no failure of the filter."""
    ended = []

    async def waits() -> Verdict:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        return Allow()

    host = loaded({"x": offering("moderation_filters", Filter("slow", lambda _: waits()))}, moderation_timeout_s=60)
    sending = asyncio.ensure_future(host.moderate(submission("raw")))
    await asyncio.sleep(0)
    sending.cancel()

    with pytest.raises(asyncio.CancelledError):
        await sending
    assert ended
    assert host.describe()[-1]["faults"] == 0


async def test_a_filter_that_awaits_something_cancelled_does_not_cancel_the_sender() -> None:
    async def awaits_cancelled() -> Verdict:
        other = asyncio.ensure_future(asyncio.sleep(60))
        other.cancel()
        await other
        return Allow()

    host = loaded({"x": offering("moderation_filters", Filter("odd", lambda _: awaits_cancelled()))})

    assert (await host.moderate(submission("raw"))).verdict == "hold"


async def test_a_filter_that_is_late_again_and_again_is_left_out_for_a_while() -> None:
    """Messages are then held at once; after half a minute it is tried again."""
    clock = Clock()
    late = Filter("late", hangs)
    host = loaded({"x": offering("moderation_filters", late)}, moderation_timeout_s=0.001, now=clock)
    for _ in range(8):
        assert (await host.moderate(submission("raw"))).verdict == "hold"
    assert len(late.saw) == breaker.LATE_TO_REST

    clock.now += breaker.REST_S
    late.answer = Allow()
    assert (await host.moderate(submission("raw"))).verdict == "allow"
    assert (await host.moderate(submission("raw"))).verdict == "allow"


async def test_a_text_that_makes_a_filter_raise_does_not_switch_it_off_for_others() -> None:
    filter_ = Filter("fragile", lambda seen: fails() if seen.text == "poison" else Block("spam"))
    host = loaded({"x": offering("moderation_filters", filter_)})
    for _ in range(20):
        assert (await host.moderate(submission("poison"))).verdict == "hold"

    assert (await host.moderate(submission("buy"))).verdict == "block"


async def test_while_a_moderation_plugin_is_refused_every_message_waits_for_a_person() -> None:
    """A typing error in its settings must not open the gate it was put up to keep."""

    def register_moderation_filters(settings: Any) -> list[Any]:
        return [Filter("guard", Block("spam"))]

    guard = plugin(register_moderation_filters, Settings=Sizes)
    host = loaded({"guard": guard}, {"guard": Switch(settings={"siez": 1})})

    result = await host.moderate(submission("spam"))

    assert host.filters  # so that callers who look before they ask do ask
    assert (result.verdict, result.reason) == ("hold", "the moderation plugin guard is not running")


async def test_a_refused_plugin_that_guards_nothing_holds_nothing() -> None:
    host = loaded({"broken": plugin(raising)})

    assert not host.filters
    assert (await host.moderate(submission("hello"))).verdict == "allow"


# Escalation.


async def test_register_escalation_rules_are_asked_in_order_and_the_first_hand_over_wins() -> None:
    last = Rule("last", HandOver("last"), order=9)
    rules = [last, Rule("b", HandOver("b"), order=5), Rule("a", None, order=5)]
    host = loaded({"x": offering("escalation_rules", *rules)})

    assert await host.decide(situation()) == HandOver("b")
    assert [rule.name for rule in host.rules] == ["a", "b", "last"]
    assert last.asked == 0


@pytest.mark.parametrize("broken", [fails, hangs, lambda: "please"], ids=["raises", "hangs", "answers nonsense"])
async def test_a_broken_rule_is_passed_over(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_force, "RULE_S", 0.02)
    rules = [Rule("broken", broken, order=1), Rule("works", HandOver("works"), order=2)]
    host = loaded({"x": offering("escalation_rules", *rules)})

    assert await host.decide(situation()) == HandOver("works")
    assert host.describe()[-1]["faults"] == 1


async def test_no_rule_no_hand_over() -> None:
    assert await loaded({}).decide(situation()) is None


# Bots.


async def test_register_bots_offers_bots_which_are_loaded_with_their_plugins_settings() -> None:
    zoe, ada = Parrot("zoe"), Parrot("ada")
    host = loaded({"x": offering("bots", zoe, ada, Settings=Sizes)}, {"x": Switch(settings={"size": 7})})

    await host.start()

    assert list(host.bots) == ["ada", "zoe"]
    assert zoe.context == BotContext({"size": 7, "inner": []})


@pytest.mark.parametrize(("load", "said"), [(fails, "raised ValueError"), (hangs, "was late")])
async def test_a_bot_that_does_not_load_takes_its_plugin_with_it_and_no_other(load: Any, said: str) -> None:
    async def failing() -> None:
        await asyncio.sleep(0)
        answer = load()
        if asyncio.iscoroutine(answer):
            await answer

    def register_bots(settings: Any) -> list[Any]:
        return [Parrot("broken", failing), Parrot("sibling")]

    def on_case(case: Any) -> None: ...

    host = loaded({"x": plugin(register_bots, on_case), "y": offering("bots", Parrot("works"))})
    bots = host.bots
    assert host.observed == {"case"}

    await host.start(timeout_s=0.05)

    assert state(host, "x")[0] == "refused"
    assert said in state(host, "x")[1]
    assert list(bots) == ["works"]  # also for who took the mapping before
    assert host.observed == frozenset()
    assert state(host, "y")[0] == "active"


def test_the_turns_of_a_bot_are_counted_with_its_plugin() -> None:
    host = loaded({"x": offering("bots", Parrot())})
    host.turn("parrot").answered()
    host.turn("parrot").raised("raised ValueError")
    host.turn("parrot").put_down()

    described = host.describe()[-1]
    assert described["times"]["turn parrot"]["count"] == 3
    assert described["faults"] == 1


def test_a_bot_that_is_late_again_and_again_is_not_asked_for_a_while() -> None:
    """Whoever writes to it meanwhile is not kept waiting for nothing."""
    clock = Clock()
    host = loaded({"x": offering("bots", Parrot())}, now=clock)
    for _ in range(breaker.LATE_TO_REST):
        host.turn("parrot").late()

    with pytest.raises(Resting):
        host.turn("parrot")
    clock.now += breaker.REST_S
    probe = host.turn("parrot")
    with pytest.raises(Resting):
        host.turn("parrot")  # one at a time, until it is seen to be well
    probe.answered()
    host.turn("parrot").answered()


# Observers.


def event(**more: Any) -> dict[str, Any]:
    return {"tenant": TENANT, "room": ROOM, "what": "created", **more}


async def test_on_message_is_told_to_each_plugin_with_the_arguments_it_asks_for() -> None:
    heard: list[Any] = []

    def on_message(message: Any, what: str) -> None:
        heard.append(("sync", what, message))

    sync = plugin(on_message)

    async def on_message(tenant: TenantId) -> None:  # type: ignore[no-redef]
        await asyncio.sleep(0)
        heard.append(("async", tenant))

    host = loaded({"a": sync, "b": plugin(on_message)})
    await host.observe("message", **event(message="m"))

    assert sorted(heard) == [("async", "t1"), ("sync", "created", "m")]
    assert host.observed == {"message"}


@pytest.mark.parametrize(("hook", "record"), [("on_participant", "participant"), ("on_case", "case")])
async def test_on_participant_and_on_case_are_told_as_well(hook: str, record: str) -> None:
    heard: list[Any] = []

    def on_participant(participant: Any, what: str) -> None:
        heard.append((participant, what))

    def on_case(case: Any, what: str) -> None:
        heard.append((case, what))

    host = loaded({"a": plugin(on_participant, on_case)})
    await host.observe(hook, **event(**{record: "it"}))

    assert heard == [("it", "created")]
    assert host.observed == {"participant", "case"}


async def test_an_observer_that_fails_is_named_and_keeps_no_other_from_hearing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_force, "OBSERVER_S", 0.02)
    heard: list[Any] = []

    def observing(answer: Callable[[Any], Any]) -> ModuleType:
        def on_case(case: Any) -> Any:
            return answer(case)

        return plugin(on_case)

    host = loaded({
        "before": observing(heard.append),
        "raising": observing(fails),
        "hanging": observing(hangs),
        "after": observing(heard.append),
    })  # fmt: skip

    with pytest.raises(ObserverFailed) as failed:
        await host.observe("case", **event(case="c"))

    assert heard == ["c", "c"]
    assert set(failed.value.failures) == {"raising", "hanging"}
    assert "hunter2" not in str(failed.value)


async def test_an_observer_that_rests_says_when_to_tell_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it misses is kept in the outbox until then, and costs no attempt."""
    monkeypatch.setattr(in_force, "OBSERVER_S", 0.001)
    clock = Clock()
    asked = []

    async def on_case(case: Any) -> None:
        asked.append(case)
        await hangs()

    host = loaded({"x": plugin(on_case)}, now=clock)
    for _ in range(breaker.LATE_TO_REST):
        with pytest.raises(ObserverFailed) as failed:
            await host.observe("case", **event(case="c"))
        assert failed.value.again_s is None
    with pytest.raises(ObserverFailed) as failed:
        await host.observe("case", **event(case="c"))

    assert len(asked) == breaker.LATE_TO_REST
    assert failed.value.again_s == breaker.REST_S


async def test_of_several_observers_only_those_that_missed_it_are_told_again() -> None:
    heard: list[str] = []

    def observing(name: str) -> ModuleType:
        def on_case(case: Any) -> None:
            heard.append(name)

        return plugin(on_case)

    host = loaded({"a": observing("a"), "b": observing("b")})
    await host.observe("case", only=["b"], **event(case="c"))

    assert heard == ["b"]


async def test_telling_observers_with_the_wrong_arguments_is_the_callers_mistake() -> None:
    with pytest.raises(TypeError, match="on_case takes tenant, room, what, case"):
        await loaded({}).observe("case", **event(message="m"))


# Describing.


async def test_every_plugin_is_described_with_what_it_offers_and_how_it_behaves() -> None:
    host = loaded({"x": offering("moderation_filters", Filter("f", Allow()))})
    await host.moderate(submission("hello"))

    described = host.describe()[-1]
    assert (described["name"], described["state"], described["reason"]) == ("x", "active", "")
    assert described["offers"] == {"moderation_filters": 1}
    assert described["hooks"] == ["register_moderation_filters"]
    assert described["times"]["filter f"]["count"] == 1
    assert described["faults"] == 0
    assert msgspec.json.encode(host.describe())


async def test_an_observer_may_ask_to_be_told_first_or_last() -> None:
    """``tryfirst`` and ``trylast`` mean what they mean in pluggy."""
    heard: list[str] = []
    marker = pluggy.HookimplMarker("deskbell")

    def module(name: str, **options: bool) -> ModuleType:
        def on_case(case: Any) -> None:
            heard.append(name)

        found = ModuleType(name)
        found.on_case = marker(**options)(on_case)  # type: ignore[attr-defined]
        return found

    host = loaded({"last": module("last", trylast=True), "first": module("first", tryfirst=True), "mid": module("mid")})
    await host.observe("case", **event(case="c"))

    assert heard == ["first", "mid", "last"]
