"""Who somebody is: visitors arriving, people logging in, tokens refreshed, revoked, exchanged for tickets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from deskbell.actions.content import checked_text
from deskbell.errors import (
    Forbidden,
    NotFound,
    Revoked,
    TokenExpired,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from deskbell.ids import SiteId, TenantId, UserId, new_id, new_secret
from deskbell.model.records import Actor, PublicUser
from deskbell.ports import Ports
from deskbell.store import claims, people
from deskbell.store.database import StoreError
from deskbell.store.tables import User
from deskbell.tokens import check_identity, hash_secret
from deskbell.volatile.limits import address_prefix
from deskbell.wire.events import Event

VISITOR_NAME = "Visitor"
LOST_ANSWER_S = 30
MAX_ATTRIBUTES_BYTES = 8192


@dataclass(frozen=True)
class Session:
    """What somebody gets who has said who they are. ``expires_in_s`` is the access token's life."""

    user: PublicUser
    tenant: TenantId
    access_token: str
    expires_in_s: int
    refresh_token: str
    role: str = ""


def _refresh_life_us(ports: Ports, actor: Actor) -> int:
    auth = ports.settings.auth
    return (auth.visitor_refresh_s if actor.kind == "visitor" else auth.member_refresh_s) * 1_000_000


def _session(ports: Ports, actor: Actor, refresh_token: str) -> Session:
    token, life_s = ports.tokens.sign(actor)
    return Session(actor.public(), actor.tenant, token, life_s, refresh_token, actor.role)


async def _begin(ports: Ports, actor: Actor) -> Session:
    """A new login, with a family of refresh tokens of its own."""
    refresh_token, login = new_secret(), new_id()
    now_us = ports.clock.now_us()
    await people.keep_refresh_token(
        ports.db,
        actor.tenant,
        actor.id,
        family=login,
        token_hash=hash_secret(refresh_token),
        created_us=now_us,
        expires_us=now_us + _refresh_life_us(ports, actor),
    )
    return _session(ports, msgspec.structs.replace(actor, login=login), refresh_token)


async def arrive(
    ports: Ports,
    site_key: str,
    *,
    identity: str | None = None,
    name: str | None = None,
    attributes: dict[str, Any] | None = None,
    address: str = "",
    origin: str | None = None,
) -> Session:
    """Let a visitor in by a site's public key: a new one, or whom the site's signature says it is.

    Raises:
        NotFound: No site has this key, or the page that asks is not one of the site's.
        Unauthenticated: The identity is not signed by the site, or over.
        TooLarge: More than 8 KiB of attributes.
        RateLimited: Too many new visitors from this neighbourhood.
    """
    if attributes and len(msgspec.json.encode(attributes)) > MAX_ATTRIBUTES_BYTES:
        raise TooLarge("attributes may have 8 KiB.", max_bytes=MAX_ATTRIBUTES_BYTES)
    limits = ports.settings.limits
    if identity is None:
        per_min = limits.new_visitors_per_min_per_prefix
        ports.limits.spend("visitor", address_prefix(address), per_min=per_min, burst=per_min)
    site = await people.site_by_key(ports.db, site_key)
    if site is None:
        raise NotFound("There is no site with this key.")
    if origin is not None and not origin_allowed(origin, msgspec.json.decode(site.origins)):
        raise NotFound("There is no site with this key.")
    tenant, site_id = TenantId(site.tenant_id), SiteId(site.id)
    shown = checked_text(ports, (name or "").strip()[:100], what="name") or VISITOR_NAME
    if identity is None:
        # What a browser says of its user opens no door: rules look at attributes, never at what was merely claimed.
        claimed = {"claimed": attributes} if attributes else None
        user = await people.create_user(
            ports.db, ports.clock, tenant, kind="visitor", name=shown, site_id=site_id, attributes=claimed
        )
    else:
        signed = check_identity(identity, site.secret, ports.clock, ports.settings.auth.identity_max_s)
        signed_name, email = signed.get("name"), signed.get("email")
        user = await people.ensure_external_user(
            ports.db,
            ports.clock,
            tenant,
            site_id,
            signed["sub"],
            kind="visitor",
            name=signed_name[:100] if isinstance(signed_name, str) and signed_name.strip() else shown,
            email=email[:320] if isinstance(email, str) else None,
        )
        if user.disabled:
            raise Revoked()
    if name or attributes:
        await claims.look_at(ports.db, tenant, UserId(user.id), ports.clock.now_us() + claims.SEEN_AGAIN_US)
    await claims.seen(ports.db, tenant, UserId(user.id), ports.clock.now_us())
    return await _begin(ports, people.actor(user))


async def introduce(
    ports: Ports,
    actor: Actor,
    *,
    name: str | None = None,
    email: str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Actor:
    """Note what a visitor says of themselves, beside what they said before; an attribute of None is forgotten.

    It is merely claimed: rules do not look at it, and nobody logs in with it. Whom a site has vouched for keeps
    the name it gave them; what they call themselves is kept as a claim.

    Raises:
        Forbidden: Not a visitor.
        Invalid: The name is blank.
        TooLarge: More than 8 KiB in all.
        RateLimited: Too often.
    """
    if actor.kind != "visitor":
        raise Forbidden("Visitors say who they are; of others their desk knows it.")
    ports.limits.spend("introduce", actor.id, per_min=30, burst=10)
    shown = None
    if name is not None:
        shown = checked_text(ports, " ".join(name.split())[:100], what="name", empty=False)
    async with ports.db.transaction() as tx:
        row = await tx.fetchrow(
            "SELECT name, external_id, attributes FROM users WHERE tenant_id = $1 AND id = $2 FOR UPDATE",
            actor.tenant,
            actor.id,
        )
        if row is None:
            raise Revoked()
        known: dict[str, Any] = msgspec.json.decode(row["attributes"])
        said: dict[str, Any] = {**known.get("claimed", {}), **(attributes or {})}
        if email is not None:
            said["email"] = email.strip()
        vouched_for = row["external_id"] is not None
        if shown is not None and vouched_for:
            said["name"] = shown
        claimed = {key: value for key, value in said.items() if value is not None}
        if len(msgspec.json.encode(claimed)) > MAX_ATTRIBUTES_BYTES:
            raise TooLarge("attributes may have 8 KiB.", max_bytes=MAX_ATTRIBUTES_BYTES)
        named = row["name"] if shown is None or vouched_for else shown
        known = {**known, "claimed": claimed}
        await tx.execute(
            "UPDATE users SET name = $3, attributes = $4, changed_at = $5 WHERE tenant_id = $1 AND id = $2",
            actor.tenant,
            actor.id,
            named,
            msgspec.json.encode(known).decode(),
            ports.clock.now_us(),
        )
        await claims.look_at(tx, actor.tenant, actor.id, ports.clock.now_us() + claims.SEEN_AGAIN_US)
    if named != row["name"]:
        tell_name(ports, actor.tenant, actor.id, named)
    return msgspec.structs.replace(actor, name=named, attributes=known)


def tell_name(ports: Ports, tenant: TenantId, user: UserId, name: str) -> None:
    """Have the sockets of somebody speak under their new name; what others were shown before stays."""
    frame = msgspec.json.encode({"type": "named", "name": name})
    ports.bus.publish([Event(tenant, "user", user, "named", 0, frame)])


def origin_allowed(origin: str, allowed: list[str]) -> bool:
    """Whether a browser's origin is on a list; ``*`` is everything, for development."""
    return "*" in allowed or origin.rstrip("/").lower() in {entry.rstrip("/").lower() for entry in allowed}


async def login(ports: Ports, email: str, password: str, *, tenant: str | None = None, address: str = "") -> Session:
    """Let a member or agent in by address and password.

    Raises:
        Unauthenticated: Whatever of the two is wrong; it takes as long either way.
        RateLimited: Too many attempts, for this address or from this neighbourhood.
    """
    per_min = ports.settings.limits.login_attempts_per_min
    for key in (f"email:{email.strip().lower()[:320]}", f"from:{address_prefix(address)}"):
        await ports.limits.spend_strictly("login", key, per_min=per_min, burst=per_min)
    found = [] if "\x00" in email else await people.users_by_email(ports.db, email)
    if tenant is not None:
        known = None if "\x00" in tenant else await people.tenant_by_slug(ports.db, tenant)
        found = [user for user in found if known is not None and user.tenant_id == known.id]
    # The same address in two tenants: the password decides; none of them is told about the other.
    candidates: list[User | None] = [*found] or [None]
    for user in candidates:
        right = await ports.passwords.matches(None if user is None else user.password_hash, password)
        if right and user is not None and not user.disabled:
            return await _begin(ports, people.actor(user))
    raise Unauthenticated("The address or the password is wrong.")


async def refresh(ports: Ports, refresh_token: str) -> Session:
    """Exchange a refresh token for a new pair. A token used twice ends every token of its family.

    But for 30 seconds a token may be used again while what came of it never was: then the answer was
    lost on its way, and ending the login would punish a client for a bad network.

    Raises:
        Unauthenticated: Unknown, over, or used before.
    """
    token = await people.refresh_token(ports.db, hash_secret(refresh_token))
    now_us = ports.clock.now_us()
    if token is None:
        raise Unauthenticated("This refresh token is not known. Log in again.")
    tenant = TenantId(token.tenant_id)
    if token.revoked or token.expires_at < now_us:
        raise TokenExpired("This login is over. Log in again.")
    actor = await people.known(ports.db, tenant, token.user_id)
    if actor is None:
        raise Revoked()
    fresh = new_secret()
    renewed = await people.renew(
        ports.db,
        token,
        token_hash=hash_secret(fresh),
        now_us=now_us,
        expires_us=now_us + _refresh_life_us(ports, actor),
        grace_us=LOST_ANSWER_S * 1_000_000,
    )
    if not renewed:
        raise Revoked("This refresh token was used before, so this login was ended. Log in again.")
    await claims.seen(ports.db, tenant, actor.id, now_us)
    return _session(ports, msgspec.structs.replace(actor, login=token.family), fresh)


async def logout(
    ports: Ports, refresh_token: str | None = None, actor: Actor | None = None, *, everywhere: bool = False
) -> None:
    """End one login, or all of a user's, and the sockets of those that are ended."""
    if refresh_token is not None:
        token = await people.refresh_token(ports.db, hash_secret(refresh_token))
        if token is not None:
            await people.revoke_family(ports.db, TenantId(token.tenant_id), token.family)
            tell_ended(ports, TenantId(token.tenant_id), UserId(token.user_id), token.family)
    if everywhere and actor is not None:
        await people.revoke_all(ports.db, actor.tenant, actor.id)
        version = await people.raise_token_version(ports.db, ports.clock, actor.tenant, actor.id)
        tell_revoked(ports, actor.tenant, actor.id, version)


def tell_revoked(ports: Ports, tenant: TenantId, user: UserId, version: int) -> None:
    """Have the sockets of somebody close whose tokens have ended, but for those of ``version`` on.

    A hint, so that it is at once; whoever misses it finds it in the store within seconds.
    """
    ports.bus.publish([Event(tenant, "user", user, "revoked", 0, str(version).encode())])


def tell_ended(ports: Ports, tenant: TenantId, user: UserId, login: str) -> None:
    """Have the sockets of one login close.

    A hint: a socket that misses it closes when its token is over, since the login renews it no more.
    """
    frame = msgspec.json.encode({"type": "ended", "login": login})
    ports.bus.publish([Event(tenant, "user", user, "ended", 0, frame)])


async def authenticate(ports: Ports, access_token: str) -> Actor:
    """Whose token this is, as the store knows them now.

    Raises:
        Unauthenticated, TokenExpired, Revoked: It does not let anybody in.
        Unavailable: The store cannot say; nobody is let in on a guess.
    """
    claims = ports.tokens.check(access_token)
    return await _known(ports, claims.tenant, claims.user, claims.token_version, claims.expires_us, claims.login)


async def _known(
    ports: Ports, tenant: TenantId, user_id: UserId, token_version: int, expires_us: int, login: str
) -> Actor:
    try:
        actor = await people.known(ports.db, tenant, user_id)
    except StoreError as error:
        raise Unavailable() from error
    if actor is None or actor.token_version != token_version:
        raise Revoked()
    return msgspec.structs.replace(actor, expires_us=expires_us, login=login)


async def present(ports: Ports, tenant: TenantId, user_id: UserId) -> Actor | None:
    """A user as the store knows them now; None: nobody, or disabled.

    Raises:
        Unavailable: The store cannot say.
    """
    try:
        return await people.known(ports.db, tenant, user_id)
    except StoreError as error:
        raise Unavailable() from error


async def issue_ticket(ports: Ports, actor: Actor, origin: str | None) -> str:
    """A one-time ticket for a socket: 30 seconds, for this user and this browser origin only."""
    return await ports.tickets.issue(actor.tenant, actor.id, origin, actor.token_version, actor.expires_us, actor.login)


async def use_ticket(ports: Ports, name: str, origin: str | None) -> Actor:
    """Who comes in with a ticket.

    Raises:
        Unauthenticated: Unknown, over, used, or asked for from another origin.
    """
    ticket = await ports.tickets.use(name)
    if ticket is None or ticket.origin != origin:
        raise Unauthenticated("This ticket is not valid. Ask for a new one.")
    of = (ticket.token_version, ticket.token_expires_us, ticket.login)
    return await _known(ports, ticket.tenant, ticket.user, *of)


async def tenant_name(ports: Ports, actor: Actor) -> str:
    """What the actor's tenant is called."""
    return await people.tenant_name(ports.db, actor.tenant)


async def origins(ports: Ports, tenant: TenantId | None = None) -> list[str]:
    """The browser origins that sites of a tenant, or of any tenant, name as theirs."""
    found: list[str] = []
    for site in await people.sites(ports.db, tenant):
        found += msgspec.json.decode(site.origins, type=list[str])
    return found
