"""The people behind the counter and their teams, as admins manage them.

Whoever is disabled, given a new password or a lesser role is out at once: their tokens end in the same commit,
and their sockets hear of it over the bus or, where that fails, within five seconds from the store.

Somebody must be left who can undo all this: the last admin who can log in is neither disabled nor dismissed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deskbell.actions.content import checked_text
from deskbell.actions.managing import Managing, managing
from deskbell.actions.operations import needs_admin
from deskbell.actions.people import tell_name, tell_revoked
from deskbell.config import DEMO_PASSWORD, MIN_PASSWORD_CHARACTERS
from deskbell.errors import Conflict, Forbidden, Invalid, LimitReached, NotFound
from deskbell.ids import TenantId, UserId, is_id
from deskbell.model.records import STAFF_ROLES, Actor, PublicUser
from deskbell.ports import Ports
from deskbell.store import people, staff
from deskbell.store.database import Row, StoreIntegrity

Role = Literal["agent", "supervisor", "admin"]
Status = Literal["online", "away", "busy", "offline"]
MAX_NAME_BYTES = 400
MAX_TEAMS = 200
LEAST_DIFFERENT = 5
LAST_ADMIN = "This is the last admin who can log in. Make somebody else one first."


@dataclass(frozen=True)
class Person:
    """Somebody behind the counter, as admins see them. ``status``: whether they are here now."""

    user: PublicUser
    email: str | None
    role: Role
    teams: list[str]
    disabled: bool
    status: Status


@dataclass(frozen=True)
class TeamEntry:
    """A team, how many are in it, and whether the asker is."""

    slug: str
    name: str
    mine: bool
    members: int


# people


async def listed(ports: Ports, actor: Actor, *, limit: int = 50, after: UserId | None = None) -> list[Person]:
    """The people behind the counter, disabled ones too, in the order they came; ``after`` continues a list.

    Raises:
        Forbidden: Not an admin.
    """
    needs_admin(actor)
    return await _shown(ports, actor.tenant, await staff.listed(ports.db, actor.tenant, limit=limit, after=after))


async def _shown(ports: Ports, tenant: TenantId, rows: Sequence[Row]) -> list[Person]:
    users = [UserId(row["id"]) for row in rows]
    in_teams = await staff.teams_of(ports.db, tenant, users)
    seen = await ports.presence.seen(tenant, users)
    return [
        Person(
            PublicUser(user, row["kind"], row["name"], row["avatar"]),
            row["email"],
            row["role"],
            in_teams[user],
            bool(row["disabled"]),
            seen[user].status,
        )
        for user, row in zip(users, rows, strict=True)
    ]


async def _one(ports: Ports, tenant: TenantId, user: UserId) -> Person:
    row = await staff.person(ports.db, tenant, user)
    if row is None:
        raise NotFound()
    return (await _shown(ports, tenant, [row]))[0]


async def create(
    ports: Ports, actor: Actor, *, name: str, email: str, role: Role, password: str, teams: Sequence[str] = ()
) -> Person:
    """Let somebody new behind the counter.

    Raises:
        Forbidden: Not an admin.
        Conflict: Somebody has this address.
        Invalid: A blank name, a password that can be guessed, or a team there is not.
    """
    needs_admin(actor)
    shown = _named(ports, name)
    _check_password(password, email, shown)
    ports.limits.spend("passwords", actor.id, per_min=60, burst=30)
    if await people.user_by_email(ports.db, actor.tenant, email) is not None:
        raise _address_taken()
    hashed = await ports.passwords.hash(password)
    try:
        async with managing(ports, actor) as change:
            user = await staff.create_person(
                change.tx,
                actor.tenant,
                name=shown,
                email=email,
                role=role,
                password_hash=hashed,
                teams=await _known_teams(change, teams),
                now_us=change.now_us,
            )
            change.note("person_created", user, role=role)
    except StoreIntegrity:
        raise _address_taken() from None
    return await _one(ports, actor.tenant, user)


async def change(
    ports: Ports,
    actor: Actor,
    user: UserId,
    *,
    name: str | None = None,
    role: Role | None = None,
    teams: Sequence[str] | None = None,
    disabled: bool | None = None,
    password: str | None = None,
) -> Person:
    """Change somebody behind the counter; what is None stays. See the module for whose logins end.

    Raises:
        Forbidden: Not an admin.
        NotFound: Nobody of this tenant's counter.
        Conflict: It would leave no admin.
        Invalid: As for somebody new.
    """
    needs_admin(actor)
    known = await staff.person(ports.db, actor.tenant, user) if is_id(user) else None
    if known is None:
        raise NotFound()
    shown = None if name is None else _named(ports, name)
    hashed = None
    if password is not None:
        _check_password(password, known["email"] or "", shown or known["name"])
        ports.limits.spend("passwords", actor.id, per_min=60, burst=30)
        hashed = await ports.passwords.hash(password)
    version = None
    async with managing(ports, actor) as managed:
        tx, tenant = managed.tx, actor.tenant
        before = await staff.person(tx, tenant, user)
        if before is None:
            raise NotFound()
        was = (before["name"], before["role"], bool(before["disabled"]))
        now = (
            was[0] if shown is None else shown,
            was[1] if role is None else role,
            was[2] if disabled is None else disabled,
        )
        if was[1:] == ("admin", False) != now[1:] and not await staff.has_other_admin(tx, tenant, user):
            raise Conflict(LAST_ADMIN)
        fields = [field for field, old, new in zip(("name", "role", "disabled"), was, now, strict=True) if old != new]
        fields += ["password"] if hashed is not None else []
        if fields:
            await staff.change_person(
                tx,
                tenant,
                user,
                name=now[0],
                role=now[1],
                disabled=now[2],
                password_hash=hashed,
                now_us=managed.now_us,
            )
        if teams is not None:
            wanted = await _known_teams(managed, teams)
            if sorted(wanted) != (await staff.teams_of(tx, tenant, [user]))[user]:
                await staff.set_teams(tx, tenant, user, wanted)
                fields.append("teams")
        less = STAFF_ROLES.index(now[1]) < STAFF_ROLES.index(was[1])
        if less or (now[2] and not was[2]) or hashed is not None:
            version = await staff.end_logins(tx, tenant, user, managed.now_us)
        if fields:
            managed.note("person_changed", user, fields=fields, role=now[1], disabled=now[2])
    if version is not None:
        tell_revoked(ports, actor.tenant, user, version)
    if "name" in fields:
        tell_name(ports, actor.tenant, user, now[0])
    return await _one(ports, actor.tenant, user)


def _named(ports: Ports, name: str) -> str:
    return " ".join(checked_text(ports, name, what="name", max_bytes=MAX_NAME_BYTES, empty=False).split())


def _address_taken() -> Conflict:
    return Conflict("Somebody has this address already.")


def _check_password(password: str, email: str, name: str) -> None:
    """Refuse what is guessed first.

    Raises:
        Invalid: Too short, of too few different characters, the demo's, or somebody's own name or address.
    """
    plain = password.strip().casefold()
    address = email.strip().casefold()
    if len(password.strip()) < MIN_PASSWORD_CHARACTERS:
        raise Invalid(f"A password has {MIN_PASSWORD_CHARACTERS} characters or more.", path="password")
    if len(set(plain)) < LEAST_DIFFERENT:
        raise Invalid(f"A password has {LEAST_DIFFERENT} different characters or more.", path="password")
    if plain in (DEMO_PASSWORD, address, address.partition("@")[0], name.casefold()):
        raise Invalid("This password is guessed first. Choose another one.", path="password")


# teams


async def teams(ports: Ports, actor: Actor) -> list[TeamEntry]:
    """The teams of the tenant, by name.

    Raises:
        Forbidden: Not staff.
    """
    if not actor.is_staff:
        raise Forbidden("This is for agents.")
    mine = await people.teams_of(ports.db, actor.tenant, actor.id)
    return [_entry(row, mine) for row in await staff.teams(ports.db, actor.tenant)]


async def create_team(ports: Ports, actor: Actor, slug: str, name: str) -> TeamEntry:
    """Make a team.

    Raises:
        Forbidden: Not an admin.
        Conflict: There is one of this slug.
        LimitReached: There are 200.
        Invalid: A blank name.
    """
    needs_admin(actor)
    if not slug.isprintable():  # a line break, which the end of a pattern lets through
        raise Invalid("A slug is one word.", path="slug")
    shown = _named(ports, name)
    try:
        async with managing(ports, actor) as change:
            if len(await staff.teams(change.tx, actor.tenant)) >= MAX_TEAMS:
                raise LimitReached(f"A tenant has {MAX_TEAMS} teams at most. Delete some.", max=MAX_TEAMS)
            change.note("team_created", await staff.create_team(change.tx, actor.tenant, slug, shown))
    except StoreIntegrity:
        raise Conflict("There is a team of this slug.") from None
    return await _team(ports, actor, slug)


async def rename_team(ports: Ports, actor: Actor, slug: str, name: str) -> TeamEntry:
    """Give a team another name; its slug, which settings and cases use, stays.

    Raises:
        Forbidden, NotFound, Invalid: Not an admin; no such team; a blank name.
    """
    needs_admin(actor)
    shown = _named(ports, name)
    async with managing(ports, actor) as change:
        team = await _team_row(change, slug)
        if team["name"] != shown:
            await staff.rename_team(change.tx, actor.tenant, team["id"], shown)
            change.note("team_changed", team["id"], fields=["name"])
    return await _team(ports, actor, slug)


async def delete_team(ports: Ports, actor: Actor, slug: str) -> None:
    """Delete a team that nobody needs any more.

    Raises:
        Forbidden, NotFound: Not an admin; no such team.
        Conflict: Somebody is in it, a case that is not over is its, or the settings send cases to it.
    """
    needs_admin(actor)
    support = ports.settings.support
    async with managing(ports, actor) as change:
        team = await _team_row(change, slug)
        if slug in (support.default_team, *(step.team for step in support.ladder)):
            raise Conflict("The settings send cases to this team (support). Change them first.")
        if team["members"]:
            raise Conflict("Somebody is in this team. Take them out first.", members=team["members"])
        if await staff.has_open_case(change.tx, actor.tenant, slug):
            raise Conflict("A case is in this team. Transfer or resolve it first.")
        await staff.delete_team(change.tx, actor.tenant, team["id"])
        change.note("team_deleted", team["id"])


def _entry(row: Row, mine: Sequence[str]) -> TeamEntry:
    return TeamEntry(row["slug"], row["name"], row["slug"] in mine, row["members"])


async def _team(ports: Ports, actor: Actor, slug: str) -> TeamEntry:
    for entry in await teams(ports, actor):
        if entry.slug == slug:
            return entry
    raise NotFound()


async def _team_row(change: Managing, slug: str) -> Row:
    for row in await staff.teams(change.tx, change.tenant):
        if row["slug"] == slug:
            return row
    raise NotFound()


async def _known_teams(change: Managing, wanted: Sequence[str]) -> list[str]:
    """The teams that are wanted, each once.

    Raises:
        Invalid: One of them does not exist.
    """
    slugs = {row["slug"] for row in await staff.teams(change.tx, change.tenant)}
    unknown = [slug for slug in wanted if slug not in slugs]
    if unknown:
        raise Invalid("There is no such team.", path="teams", teams=unknown)
    return list(dict.fromkeys(wanted))
