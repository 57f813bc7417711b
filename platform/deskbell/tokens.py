"""Who is asking: access tokens made and checked, passwords hashed and compared.

Access tokens are JWTs with one algorithm per key. ``kid``, ``iss``, ``aud``, ``exp`` and ``typ`` are
checked; keys named inside a token (``jku``, ``jwk``, ``x5u``) are never looked at. Whether a
checked token is still *wanted* (its version, the user's being disabled) is asked of the store by
:mod:`deskbell.actions.people`. Passwords are argon2id, computed in a thread: one takes tens of
milliseconds on purpose.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from deskbell.clock import Clock
from deskbell.errors import TokenExpired, Unauthenticated
from deskbell.ids import TenantId, UserId, new_id
from deskbell.model.records import Actor

ACCESS = "at+jwt"
LEEWAY_S = 5


@dataclass(frozen=True)
class Claims:
    """What a checked access token says. ``expires_us`` in microseconds since 1970."""

    tenant: TenantId
    user: UserId
    token_version: int
    expires_us: int
    login: str = ""


@dataclass(frozen=True)
class Key:
    """One key: its id, its one algorithm, and what signs or only checks with it."""

    id: str
    algorithm: str
    verifying: Any
    signing: Any = None


class Tokens:
    """Signs with the first key that can, checks with the one the token names."""

    def __init__(self, keys: list[Key], clock: Clock, *, issuer: str, audience: str, access_s: int) -> None:
        self._keys = {key.id: key for key in keys}
        self._signing = next(key for key in keys if key.signing is not None)
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self.access_s = access_s

    @classmethod
    def with_secret(cls, secret: str, clock: Clock, *, issuer: str, audience: str, access_s: int) -> Tokens:
        """HS256 with one secret; its key id is derived from it, so that a new secret is a new key."""
        key_id = hashlib.sha256(b"kid:" + secret.encode()).hexdigest()[:16]
        return cls([Key(key_id, "HS256", secret, secret)], clock, issuer=issuer, audience=audience, access_s=access_s)

    @classmethod
    def with_files(
        cls, private_key: Path, public_keys: dict[str, Path], clock: Clock, *, issuer: str, audience: str, access_s: int
    ) -> Tokens:
        """RS256: sign with a private key, check with its public half and those of ``public_keys``."""
        from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

        private = load_pem_private_key(private_key.read_bytes(), None)
        key_id = hashlib.sha256(b"kid:" + private_key.read_bytes()).hexdigest()[:16]
        keys = [Key(key_id, "RS256", private.public_key(), private)]
        keys += [Key(kid, "RS256", load_pem_public_key(path.read_bytes())) for kid, path in public_keys.items()]
        return cls(keys, clock, issuer=issuer, audience=audience, access_s=access_s)

    def sign(self, actor: Actor) -> tuple[str, int]:
        """A new access token for ``actor``, of their login if there is one, and the seconds it lives."""
        now_s = self._clock.now_us() // 1_000_000
        token = jwt.encode(
            {
                "iss": self._issuer,
                "aud": self._audience,
                "sub": actor.id,
                "tid": actor.tenant,
                "ver": actor.token_version,
                "iat": now_s,
                "exp": now_s + self.access_s,
                "jti": new_id(),
                **({"sid": actor.login} if actor.login else {}),
            },
            self._signing.signing,
            algorithm=self._signing.algorithm,
            headers={"kid": self._signing.id, "typ": ACCESS},
        )
        return token, self.access_s

    def check(self, token: str) -> Claims:
        """What a token says, if it is ours and alive.

        Raises:
            TokenExpired: It was ours, and is over.
            Unauthenticated: Anything else.
        """
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.get(str(header.get("kid")))
            if key is None or header.get("typ") != ACCESS:
                raise Unauthenticated()
            claims = jwt.decode(
                token,
                key.verifying,
                algorithms=[key.algorithm],
                issuer=self._issuer,
                audience=self._audience,
                options={
                    "require": ["exp", "iat", "sub", "iss", "aud"],
                    # Our clock decides, so that a test can move it; see below.
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            expires_s = int(claims["exp"])
            parsed = Claims(
                TenantId(str(claims["tid"])),
                UserId(str(claims["sub"])),
                int(claims["ver"]),
                expires_s * 1_000_000,
                str(claims.get("sid", "")),
            )
        except (jwt.PyJWTError, KeyError, ValueError, TypeError, UnicodeError) as error:
            raise Unauthenticated() from error
        if expires_s + LEEWAY_S < self._clock.now_us() // 1_000_000:
            raise TokenExpired()
        return parsed


def check_identity(token: str, secret: str, clock: Clock, max_age_s: int) -> dict[str, Any]:
    """The claims of a visitor's identity, signed by their site with HS256: ``sub, name?, email?, exp``.

    Raises:
        Unauthenticated: Not signed with this site's secret, over, or valid for too long.
    """
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            options={"require": ["sub", "exp"], "verify_exp": False, "verify_iat": False, "verify_aud": False},
        )
        subject, expires_s = claims["sub"], int(claims["exp"])
    except (jwt.PyJWTError, ValueError, TypeError, UnicodeError) as error:
        raise Unauthenticated("The site's signature under this identity is not valid.") from error
    now_s = clock.now_us() // 1_000_000
    if not isinstance(subject, str) or not 0 < len(subject) <= 200:
        raise Unauthenticated("An identity needs a subject of up to 200 characters.")
    if expires_s + LEEWAY_S < now_s:
        raise TokenExpired("The identity has expired. The site must sign a new one.")
    if expires_s > now_s + max_age_s + LEEWAY_S:
        raise Unauthenticated("An identity may be valid for 24 hours at most.")
    return claims


def hash_secret(secret: str) -> str:
    """What is stored of a random secret. It has 256 bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Passwords:
    """argon2id with the library's present defaults, off the loop, two at a time."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = asyncio.Semaphore(2)
        # Compared against when there is no such user, so that the answer takes as long.
        self._nobody = self._hasher.hash(new_id())

    async def hash(self, password: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether ``password`` is the one behind ``stored``; takes as long when there is none."""
        async with self._turns:
            return await asyncio.to_thread(self._verify, stored, password)

    def _verify(self, stored: str | None, password: str) -> bool:
        try:
            return self._hasher.verify(stored or self._nobody, password) and stored is not None
        except (VerificationError, InvalidHashError):
            return False
