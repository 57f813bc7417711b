"""Reading and writing tenants, sites, users, teams and refresh tokens.

Passwords and refresh tokens come here as hashes. Who may see or change whom is decided in
:mod:`deskbell.actions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from deskbell.clock import Clock
from deskbell.ids import SiteId, TenantId, UserId, new_id
from deskbell.model.records import Actor, PublicUser
from deskbell.store.database import Database, StoreIntegrity
from deskbell.store.tables import RefreshToken, Site, Team, Tenant, User

SYSTEM = "system"


def actor(user: User) -> Actor:
    """A user as somebody who acts; ``expires_us`` is the token's business."""
    return Actor(
        tenant=TenantId(user.tenant_id),
        id=UserId(user.id),
        kind=user.kind,  # type: ignore[arg-type]
        name=user.name,
        role=user.role,
        avatar=user.avatar,
        token_version=user.token_version,
        site=user.site_id,
        attributes=msgspec.json.decode(user.attributes),
    )


async def known(db: Database, tenant: TenantId, user_id: str) -> Actor | None:
    """Who this is, as of now; None: nobody, or disabled. By hand, since every socket and request asks it."""
    row = await db.fetchrow(
        "SELECT kind, name, role, avatar, token_version, disabled, site_id, attributes FROM users"
        " WHERE tenant_id = $1 AND id = $2",
        tenant,
        user_id,
    )
    if row is None or row["disabled"]:
        return None
    return Actor(
        tenant=tenant,
        id=UserId(user_id),
        kind=row["kind"],
        name=row["name"],
        role=row["role"],
        avatar=row["avatar"],
        token_version=row["token_version"],
        site=row["site_id"],
        attributes=msgspec.json.decode(row["attributes"]),
    )


def public(user: User) -> PublicUser:
    return PublicUser(UserId(user.id), user.kind, user.name, user.avatar)  # type: ignore[arg-type]


async def tenant_by_slug(db: Database, slug: str) -> Tenant | None:
    with db.orm():
        return await Tenant.get_or_none(slug=slug)


async def tenant_name(db: Database, tenant: TenantId) -> str:
    """What people call a tenant; empty where there is none."""
    return await db.fetchval("SELECT name FROM tenants WHERE id = $1", tenant) or ""


async def tenants(db: Database) -> list[Tenant]:
    with db.orm():
        return await Tenant.all()


async def ensure_tenant(db: Database, clock: Clock, slug: str, name: str) -> TenantId:
    """The tenant with this slug, made if it is missing; safe under race."""
    found = await tenant_by_slug(db, slug)
    if found is None:
        try:
            with db.orm():
                found = await Tenant.create(id=new_id(), slug=slug, name=name, created_at=clock.now_us())
        except StoreIntegrity:
            found = await tenant_by_slug(db, slug)
    assert found is not None
    return TenantId(found.id)


async def site_by_key(db: Database, public_key: str) -> Site | None:
    with db.orm():
        return await Site.get_or_none(public_key=public_key)


async def site(db: Database, tenant: TenantId, site_id: str) -> Site | None:
    with db.orm():
        return await Site.get_or_none(tenant_id=tenant, id=site_id)


async def sites(db: Database, tenant: TenantId | None = None) -> list[Site]:
    with db.orm():
        return await (Site.all() if tenant is None else Site.filter(tenant_id=tenant))


async def ensure_site(
    db: Database,
    clock: Clock,
    tenant: TenantId,
    *,
    name: str,
    public_key: str,
    secret: str,
    origins: Sequence[str],
    settings: dict[str, Any],
) -> SiteId:
    """The site with this public key, made if missing, otherwise as it is; safe under race."""
    found = await site_by_key(db, public_key)
    if found is None:
        try:
            with db.orm():
                found = await Site.create(
                    id=new_id(),
                    tenant_id=tenant,
                    public_key=public_key,
                    created_at=clock.now_us(),
                    name=name,
                    secret=secret,
                    origins=msgspec.json.encode(list(origins)).decode(),
                    settings=msgspec.json.encode(settings).decode(),
                )
        except StoreIntegrity:
            found = await site_by_key(db, public_key)
        assert found is not None
    return SiteId(found.id)


async def user(db: Database, tenant: TenantId, user_id: str) -> User | None:
    with db.orm():
        return await User.get_or_none(tenant_id=tenant, id=user_id)


async def users(db: Database, tenant: TenantId, user_ids: Sequence[str]) -> list[User]:
    with db.orm():
        return await User.filter(tenant_id=tenant, id__in=list(user_ids))


async def user_by_email(db: Database, tenant: TenantId, email: str) -> User | None:
    """A member or agent; visitors may share an address and have no password."""
    with db.orm():
        return await User.get_or_none(tenant_id=tenant, email=email.strip().lower(), kind__not="visitor")


async def users_by_email(db: Database, email: str) -> list[User]:
    """The same over all tenants: who logs in without saying where."""
    with db.orm():
        return await User.filter(email=email.strip().lower(), kind__not="visitor")


async def staff(db: Database, tenant: TenantId) -> list[User]:
    with db.orm():
        return await User.filter(tenant_id=tenant, role__not="", disabled=False).order_by("name")


async def create_user(
    db: Database,
    clock: Clock,
    tenant: TenantId,
    *,
    kind: str,
    name: str,
    role: str = "",
    email: str | None = None,
    password_hash: str | None = None,
    site_id: str | None = None,
    external_id: str | None = None,
    attributes: dict[str, Any] | None = None,
) -> User:
    """Make a user.

    Raises:
        StoreIntegrity: The address or the external id is taken.
    """
    now_us = clock.now_us()
    with db.orm():
        return await User.create(
            id=new_id(),
            tenant_id=tenant,
            kind=kind,
            name=name,
            role=role,
            email=None if email is None else email.strip().lower(),
            password_hash=password_hash,
            site_id=site_id,
            external_id=external_id,
            attributes=msgspec.json.encode(attributes or {}).decode(),
            created_at=now_us,
            changed_at=now_us,
        )


async def user_by_external_id(db: Database, tenant: TenantId, site_id: str, external_id: str) -> User | None:
    with db.orm():
        return await User.get_or_none(tenant_id=tenant, site_id=site_id, external_id=external_id)


async def ensure_external_user(
    db: Database,
    clock: Clock,
    tenant: TenantId,
    site_id: str,
    external_id: str,
    *,
    kind: str,
    name: str,
    email: str | None = None,
) -> User:
    """The user a site, or the platform, knows by its own name for them; made if missing, safe under race."""
    found = await user_by_external_id(db, tenant, site_id, external_id)
    if found is None:
        try:
            return await create_user(
                db, clock, tenant, kind=kind, name=name, email=email, site_id=site_id, external_id=external_id
            )
        except StoreIntegrity:
            found = await user_by_external_id(db, tenant, site_id, external_id)
            assert found is not None
    if name and found.name != name:
        await change_user(db, clock, found, name=name)
    return found


async def change_user(db: Database, clock: Clock, who: User, **values: Any) -> None:
    """Change a user's own row; ``changed_at`` moves, so that other instances ask again."""
    with db.orm():
        await User.filter(tenant_id=who.tenant_id, id=who.id).update(changed_at=clock.now_us(), **values)
    for key, value in values.items():
        setattr(who, key, value)


async def raise_token_version(db: Database, clock: Clock, tenant: TenantId, user_id: UserId) -> int:
    """End every token of a user; the version that new ones will carry."""
    version = await db.fetchval(
        "UPDATE users SET token_version = token_version + 1, changed_at = $3 WHERE tenant_id = $1 AND id = $2"
        " RETURNING token_version",
        tenant,
        user_id,
        clock.now_us(),
    )
    return int(version)


async def changed_since(db: Database, since_us: int, limit: int = 10_000) -> list[tuple[TenantId, UserId, int, bool]]:
    """Whose rows changed since: ``(tenant, user, token_version, disabled)``."""
    found = await db.fetch(
        "SELECT tenant_id, id, token_version, disabled FROM users WHERE changed_at >= $1 ORDER BY changed_at LIMIT $2",
        since_us,
        limit,
    )
    return [(row["tenant_id"], row["id"], row["token_version"], bool(row["disabled"])) for row in found]


async def platform_user(db: Database, clock: Clock, tenant: TenantId, external_id: str, kind: str, name: str) -> User:
    """A user that is part of the platform: the system itself, or a bot. They belong to no site."""
    return await ensure_external_user(db, clock, tenant, tenant, external_id, kind=kind, name=name)


# teams


async def ensure_team(db: Database, tenant: TenantId, slug: str, name: str) -> None:
    with db.orm():
        if not await Team.exists(tenant_id=tenant, slug=slug):
            try:
                await Team.create(id=new_id(), tenant_id=tenant, slug=slug, name=name)
            except StoreIntegrity:
                return


async def teams(db: Database, tenant: TenantId) -> list[Team]:
    with db.orm():
        return await Team.filter(tenant_id=tenant).order_by("name")


async def teams_of(db: Database, tenant: TenantId, user_id: UserId) -> list[str]:
    found = await db.fetch(
        "SELECT team FROM team_members WHERE tenant_id = $1 AND user_id = $2 ORDER BY team", tenant, user_id
    )
    return [row["team"] for row in found]


async def members_of_teams(db: Database, tenant: TenantId) -> dict[UserId, list[str]]:
    """The teams of everybody in a tenant who is in any."""
    found = await db.fetch("SELECT user_id, team FROM team_members WHERE tenant_id = $1 ORDER BY user_id, team", tenant)
    teams: dict[UserId, list[str]] = {}
    for row in found:
        teams.setdefault(row["user_id"], []).append(row["team"])
    return teams


async def staff_among(db: Database, tenant: TenantId, users: Sequence[UserId]) -> set[UserId]:
    """Those of some users who are staff."""
    found = await db.fetch(
        "SELECT id FROM users WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND role <> ''", tenant, list(users)
    )
    return {row["id"] for row in found}


async def join_team(db: Database, tenant: TenantId, team: str, user_id: UserId) -> None:
    await db.execute(
        "INSERT INTO team_members (tenant_id, team, user_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        tenant,
        team,
        user_id,
    )


async def members_of_team(db: Database, tenant: TenantId, team: str) -> list[User]:
    found = await db.fetch("SELECT user_id FROM team_members WHERE tenant_id = $1 AND team = $2", tenant, team)
    return await users(db, tenant, [row["user_id"] for row in found])


# refresh tokens


async def keep_refresh_token(
    db: Database,
    tenant: TenantId,
    user_id: UserId,
    *,
    family: str,
    token_hash: str,
    created_us: int,
    expires_us: int,
) -> None:
    with db.orm():
        await RefreshToken.create(
            id=new_id(),
            tenant_id=tenant,
            family=family,
            user_id=user_id,
            token_hash=token_hash,
            created_at=created_us,
            expires_at=expires_us,
        )


async def refresh_token(db: Database, token_hash: str) -> RefreshToken | None:
    with db.orm():
        return await RefreshToken.get_or_none(token_hash=token_hash)


async def renew(
    db: Database, token: RefreshToken, *, token_hash: str, now_us: int, expires_us: int, grace_us: int
) -> bool:
    """Exchange a refresh token for the one with ``token_hash``, in one transaction. False: its login is over now.

    A token can be used once. It may be used again within ``grace_us`` while what came of it never was:
    then the answer did not arrive, and its sender has nothing else; what came of it is revoked. Any
    other second use says that it is in two hands, and ends its whole family.
    """
    async with db.transaction() as tx:
        row = await tx.fetchrow(
            "SELECT used_at, revoked FROM refresh_tokens WHERE tenant_id = $1 AND id = $2 FOR UPDATE",
            token.tenant_id,
            token.id,
        )
        if row is None or row["revoked"]:
            return False
        used_at = row["used_at"]
        if used_at is not None:
            successors = "FROM refresh_tokens WHERE tenant_id = $1 AND family = $2 AND id <> $3 AND created_at >= $4"
            asked = (token.tenant_id, token.family, token.id, used_at)
            went_on = await tx.fetchval(f"SELECT count(*) {successors} AND used_at IS NOT NULL", *asked)
            if went_on or used_at < now_us - grace_us:
                await RefreshToken.filter(tenant_id=token.tenant_id, family=token.family).update(revoked=True)
                return False
            await RefreshToken.filter(
                tenant_id=token.tenant_id, family=token.family, id__not=token.id, created_at__gte=used_at
            ).update(revoked=True)
        await tx.execute(
            "UPDATE refresh_tokens SET used_at = COALESCE(used_at, $3) WHERE tenant_id = $1 AND id = $2",
            token.tenant_id,
            token.id,
            now_us,
        )
        await RefreshToken.create(
            id=new_id(),
            tenant_id=token.tenant_id,
            family=token.family,
            user_id=token.user_id,
            token_hash=token_hash,
            # Whoever waited for the row may have looked at the clock before its first use.
            created_at=now_us if used_at is None else max(now_us, used_at),
            expires_at=expires_us,
        )
        return True


async def revoke_family(db: Database, tenant: TenantId, family: str) -> None:
    with db.orm():
        await RefreshToken.filter(tenant_id=tenant, family=family).update(revoked=True)


async def revoke_all(db: Database, tenant: TenantId, user_id: UserId) -> None:
    with db.orm():
        await RefreshToken.filter(tenant_id=tenant, user_id=user_id).update(revoked=True)


async def forget_expired_tokens(db: Database, now_us: int) -> int:
    return await db.execute("DELETE FROM refresh_tokens WHERE expires_at < $1", now_us)
