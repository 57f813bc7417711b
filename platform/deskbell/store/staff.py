"""Reading and writing what admins manage: the people behind the counter, their teams, the tenant's sites.

What is written goes through a transaction that has called :func:`hold`, so that of two admins the second sees
what the first has done. Who may do what is decided in :mod:`deskbell.actions`.
"""

from __future__ import annotations

from collections.abc import Sequence

from deskbell.ids import TenantId, UserId, new_id
from deskbell.store.database import Queries, Row, Transaction

_PERSON = "SELECT id, kind, name, avatar, email, role, disabled FROM users WHERE tenant_id = $1 AND role <> ''"
_SITE = "SELECT id, name, public_key, origins, settings FROM sites WHERE tenant_id = $1"


async def hold(tx: Transaction, tenant: TenantId) -> None:
    """Let nobody else manage this tenant until the transaction ends."""
    await tx.fetchrow("SELECT id FROM tenants WHERE id = $1 FOR UPDATE", tenant)


# people


async def listed(db: Queries, tenant: TenantId, *, limit: int, after: UserId | None = None) -> Sequence[Row]:
    """The people behind the counter, disabled ones too, in the order they came."""
    if after is None:
        return await db.fetch(f"{_PERSON} ORDER BY id LIMIT $2", tenant, limit)
    return await db.fetch(f"{_PERSON} AND id > $3 ORDER BY id LIMIT $2", tenant, limit, after)


async def person(db: Queries, tenant: TenantId, user: UserId) -> Row | None:
    return await db.fetchrow(f"{_PERSON} AND id = $2", tenant, user)


async def has_other_admin(db: Queries, tenant: TenantId, user: UserId) -> bool:
    """Whether somebody else is an admin and can log in, as far as this one can: a password is not everybody's."""
    counting = (
        "SELECT count(*) FROM users WHERE tenant_id = $1 AND role = 'admin' AND NOT disabled AND id <> $2"
        " AND (password_hash IS NOT NULL"
        " OR (SELECT u.password_hash FROM users u WHERE u.tenant_id = $1 AND u.id = $2) IS NULL)"
    )
    return bool(await db.fetchval(counting, tenant, user))


async def create_person(
    tx: Transaction,
    tenant: TenantId,
    *,
    name: str,
    email: str,
    role: str,
    password_hash: str | None,
    teams: Sequence[str],
    now_us: int,
) -> UserId:
    """Somebody new behind the counter, in their teams.

    Raises:
        StoreIntegrity: The address is taken.
    """
    user = UserId(new_id())
    await tx.execute(
        "INSERT INTO users (tenant_id, id, kind, role, name, email, password_hash, created_at, changed_at)"
        " VALUES ($1,$2,'agent',$3,$4,$5,$6,$7,$7)",
        tenant,
        user,
        role,
        name,
        email.strip().lower(),
        password_hash,
        now_us,
    )
    await set_teams(tx, tenant, user, teams)
    return user


async def change_person(
    tx: Transaction,
    tenant: TenantId,
    user: UserId,
    *,
    name: str,
    role: str,
    disabled: bool,
    password_hash: str | None,
    now_us: int,
) -> None:
    """``password_hash``: None leaves the password as it is."""
    await tx.execute(
        "UPDATE users SET name = $3, role = $4, disabled = $5, password_hash = COALESCE($6, password_hash),"
        " changed_at = $7 WHERE tenant_id = $1 AND id = $2",
        tenant,
        user,
        name,
        role,
        disabled,
        password_hash,
        now_us,
    )


async def end_logins(tx: Transaction, tenant: TenantId, user: UserId, now_us: int) -> int:
    """End every token of a user, those they renew with too; the version that new ones will carry."""
    version = await tx.fetchval(
        "UPDATE users SET token_version = token_version + 1, changed_at = $3 WHERE tenant_id = $1 AND id = $2"
        " RETURNING token_version",
        tenant,
        user,
        now_us,
    )
    await tx.execute("UPDATE refresh_tokens SET revoked = true WHERE tenant_id = $1 AND user_id = $2", tenant, user)
    return int(version)


# teams


async def teams_of(db: Queries, tenant: TenantId, users: Sequence[UserId]) -> dict[UserId, list[str]]:
    """The teams that each of these is in, by slug."""
    found: dict[UserId, list[str]] = {user: [] for user in users}
    for row in await db.fetch(
        "SELECT user_id, team FROM team_members WHERE tenant_id = $1 AND user_id = ANY($2::uuid[]) ORDER BY team",
        tenant,
        list(users),
    ):
        found[row["user_id"]].append(row["team"])
    return found


async def set_teams(tx: Transaction, tenant: TenantId, user: UserId, teams: Sequence[str]) -> None:
    """Have somebody be in exactly these teams."""
    await tx.execute("DELETE FROM team_members WHERE tenant_id = $1 AND user_id = $2", tenant, user)
    rows = [(tenant, team, user) for team in teams]
    await tx.insert_many("team_members", {"tenant_id": "uuid", "team": "text", "user_id": "uuid"}, rows)


async def teams(db: Queries, tenant: TenantId) -> Sequence[Row]:
    """All teams: ``id, slug, name, members``, by name."""
    return await db.fetch(
        "SELECT t.id, t.slug, t.name, (SELECT count(*) FROM team_members m"
        " WHERE m.tenant_id = t.tenant_id AND m.team = t.slug) AS members"
        " FROM teams t WHERE t.tenant_id = $1 ORDER BY t.name, t.slug",
        tenant,
    )


async def create_team(tx: Transaction, tenant: TenantId, slug: str, name: str) -> str:
    """The id of a new team.

    Raises:
        StoreIntegrity: The slug is taken.
    """
    team = new_id()
    await tx.execute("INSERT INTO teams (tenant_id, id, slug, name) VALUES ($1,$2,$3,$4)", tenant, team, slug, name)
    return team


async def rename_team(tx: Transaction, tenant: TenantId, team: str, name: str) -> None:
    await tx.execute("UPDATE teams SET name = $3 WHERE tenant_id = $1 AND id = $2", tenant, team, name)


async def delete_team(tx: Transaction, tenant: TenantId, team: str) -> None:
    await tx.execute("DELETE FROM teams WHERE tenant_id = $1 AND id = $2", tenant, team)


async def has_open_case(db: Queries, tenant: TenantId, slug: str) -> bool:
    """Whether a case that is not over is a team's."""
    counting = (
        "SELECT count(*) FROM cases WHERE tenant_id = $1 AND team = $2 AND status IN ('waiting','assigned','snoozed')"
    )
    return bool(await db.fetchval(counting, tenant, slug))


# sites


async def sites(db: Queries, tenant: TenantId) -> Sequence[Row]:
    """A tenant's sites, in the order they were made, without their secrets."""
    return await db.fetch(f"{_SITE} ORDER BY created_at, id", tenant)


async def site(db: Queries, tenant: TenantId, site_id: str) -> Row | None:
    return await db.fetchrow(f"{_SITE} AND id = $2", tenant, site_id)


async def create_site(
    tx: Transaction,
    tenant: TenantId,
    site_id: str,
    *,
    name: str,
    public_key: str,
    secret: str,
    origins: str,
    settings: str,
    now_us: int,
) -> None:
    await tx.execute(
        "INSERT INTO sites (tenant_id, id, name, public_key, secret, origins, settings, created_at)"
        " VALUES ($1,$2,$3,$4,$5,$6,$7,$8)",
        tenant,
        site_id,
        name,
        public_key,
        secret,
        origins,
        settings,
        now_us,
    )


async def change_site(
    tx: Transaction, tenant: TenantId, site_id: str, *, name: str, origins: str, settings: str
) -> None:
    await tx.execute(
        "UPDATE sites SET name = $3, origins = $4, settings = $5 WHERE tenant_id = $1 AND id = $2",
        tenant,
        site_id,
        name,
        origins,
        settings,
    )


async def change_secret(tx: Transaction, tenant: TenantId, site_id: str, secret: str) -> None:
    await tx.execute("UPDATE sites SET secret = $3 WHERE tenant_id = $1 AND id = $2", tenant, site_id, secret)
