"""The kinds of rooms that come with Deskbell say what the manual says of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from deskbell import Actor, ChannelType, Invalid, Policy, TenantId, UserId
from deskbell.plugins import PluginHost
from deskbell_plugins import channels


def host(**settings: Any) -> PluginHost:
    switches = {
        "channels": SimpleNamespace(enabled=False, settings={}),
        "rooms": SimpleNamespace(enabled=True, settings=settings),
    }
    return PluginHost.load(switches, {}, moderation_timeout_s=1, extra={"rooms": channels})


def kind(name: str, **settings: Any) -> ChannelType:
    return host(**settings).channel_types[name]


def policy(name: str) -> Policy:
    return host().channels[name].policy


def actor(kind: Any, role: str = "", id: str = "u1", **attributes: Any) -> Actor:
    return Actor(TenantId("t"), UserId(id), kind, "Ada", role=role, attributes=attributes)


VISITOR, MEMBER, AGENT = actor("visitor"), actor("member"), actor("agent", "agent")
ADMIN_MEMBER = actor("member", "admin")


@pytest.mark.parametrize(
    ("name", "may", "may_not"),
    [
        ("support", [VISITOR, MEMBER, AGENT], []),
        ("direct", [MEMBER, AGENT], [VISITOR]),
        ("group", [MEMBER, AGENT], [VISITOR]),
        ("community", [AGENT, ADMIN_MEMBER], [VISITOR, MEMBER]),
        ("broadcast", [AGENT, ADMIN_MEMBER], [VISITOR, MEMBER]),
    ],
)
def test_who_may_open_such_a_room(name: str, may: list[Actor], may_not: list[Actor]) -> None:
    assert all(kind(name).may_create(who) for who in may)
    assert not any(kind(name).may_create(who) for who in may_not)


@pytest.mark.parametrize(
    ("name", "edit_s", "delete_s", "auto_close_s", "retention_s", "receipts", "audit"),
    [
        ("support", 900, 300, 3600, 31_536_000, "marks", "full"),
        ("direct", 900, 300, None, None, "timed", "minimal"),
        ("group", 900, 300, None, None, "marks", "moderation"),
        ("community", 900, 300, None, None, "off", "moderation"),
        ("broadcast", 0, 0, None, None, "off", "moderation"),
    ],
)
def test_times_receipts_and_audit(
    name: str,
    edit_s: int,
    delete_s: int,
    auto_close_s: int | None,
    retention_s: int | None,
    receipts: str,
    audit: str,
) -> None:
    found = policy(name)

    assert (found.edit_window_s, found.delete_window_s) == (edit_s, delete_s)
    assert (found.auto_close_s, found.retention_s) == (auto_close_s, retention_s)
    assert (found.receipts, found.audit) == (receipts, audit)


def test_only_support_rooms_have_an_owner() -> None:
    assert {name for name, channel in host().channels.items() if channel.policy.owned} == {"support"}


@pytest.mark.parametrize(
    ("name", "role", "message_kind", "may"),
    [
        ("support", "visitor", "text", True),
        ("support", "visitor", "card", False),
        ("support", "bot", "card", True),
        ("support", "agent", "announcement", True),
        ("direct", "member", "text", True),
        ("direct", "member", "announcement", False),
        ("group", "member", "announcement", False),
        ("group", "moderator", "announcement", True),
        ("community", "member", "image", True),
        ("broadcast", "member", "text", False),
        ("broadcast", "admin", "text", True),
        ("broadcast", "owner", "announcement", True),
        ("group", "owner", "system", False),
    ],
)
def test_who_may_post_what(name: str, role: str, message_kind: str, may: bool) -> None:
    assert policy(name).may_post(message_kind, role) is may


@pytest.mark.parametrize(("name", "role", "admin"), [("support", "visitor", False), ("support", "agent", True)])
def test_agents_look_after_support_rooms_and_visitors_do_not(name: str, role: str, admin: bool) -> None:
    assert policy(name).is_admin(role) is policy(name).is_moderator(role) is admin


def test_nobody_removes_what_the_other_wrote_in_a_direct_room() -> None:
    assert not policy("direct").is_moderator("member")


def test_a_direct_room_is_the_same_room_whoever_opens_it() -> None:
    direct = kind("direct")

    assert direct.key_for(actor("member", id="a"), ["b"], None) == "a:b"
    assert direct.key_for(actor("member", id="b"), ["a", "b"], "chosen-by-the-client") == "a:b"
    assert policy("direct").max_members == 2


@pytest.mark.parametrize("members", [[], ["u1"], ["u2", "u3"]])
def test_a_direct_room_is_between_two_people(members: list[str]) -> None:
    with pytest.raises(Invalid, match="between two people"):
        kind("direct").key_for(MEMBER, members, None)


def test_other_rooms_keep_the_key_they_are_given() -> None:
    assert kind("group").key_for(MEMBER, ["b"], "team-7") == "team-7"
    assert kind("group").key_for(MEMBER, ["b"], None) is None


def test_large_rooms_are_open_and_do_not_announce_who_comes_and_goes() -> None:
    for name in ("community", "broadcast"):
        assert (policy(name).join, policy(name).roster) == ("open", "counted")
    assert (policy("group").join, policy("group").roster) == ("invite", "listed")


def test_a_kind_of_room_can_be_kept_for_those_with_an_attribute() -> None:
    premium = actor("member", premium=True)
    group = kind("group", requires={"group": "premium"})

    assert group.may_enter(premium, "member") and group.may_create(premium)
    assert group.may_enter(AGENT, "member")
    assert not group.may_enter(MEMBER, "member") and not group.may_create(MEMBER)
    assert kind("community", requires={"group": "premium"}).may_enter(MEMBER, "member")


def test_an_attribute_for_a_kind_of_room_that_is_not_here_is_a_mistake() -> None:
    from deskbell.plugins import NoChannelTypes

    with pytest.raises(NoChannelTypes, match=r"requires\.grup: this plugin brings support, direct"):
        host(requires={"grup": "premium"})
