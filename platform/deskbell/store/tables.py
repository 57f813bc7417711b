"""The tables that are not hot, as Tortoise models: tenants, sites, people, teams, tokens.

Rooms, participants, messages and cases are not here: the journal writes them, by hand. The schema
itself is in ``migrations/``; every primary key begins with the tenant there, which Tortoise cannot
say, so a model names ``id`` alone and every query names the tenant.
"""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class Tenant(Model):
    id = fields.CharField(36, primary_key=True)
    slug = fields.CharField(100)
    name = fields.CharField(200)
    created_at = fields.BigIntField()

    class Meta:
        table = "tenants"


class Site(Model):
    """Where visitors come from: a public key, a secret for signed identities, allowed origins."""

    id = fields.CharField(36, primary_key=True)
    tenant_id = fields.CharField(36)
    name = fields.CharField(200)
    public_key = fields.CharField(100)
    secret = fields.CharField(200)
    origins = fields.TextField(default="[]")
    settings = fields.TextField(default="{}")
    created_at = fields.BigIntField()

    class Meta:
        table = "sites"


class User(Model):
    id = fields.CharField(36, primary_key=True)
    tenant_id = fields.CharField(36)
    kind = fields.CharField(20)
    role = fields.CharField(20, default="")
    name = fields.CharField(200)
    avatar = fields.TextField(null=True)
    email = fields.CharField(320, null=True)
    password_hash = fields.TextField(null=True)
    site_id = fields.CharField(36, null=True)
    external_id = fields.CharField(200, null=True)
    attributes = fields.TextField(default="{}")
    token_version = fields.BigIntField(default=0)
    disabled = fields.BooleanField(default=False)
    accepting = fields.BooleanField(default=True)
    availability = fields.CharField(20, default="online")
    created_at = fields.BigIntField()
    changed_at = fields.BigIntField()

    class Meta:
        table = "users"


class RefreshToken(Model):
    """One use of a login; a family is what one login became. Only hashes are stored."""

    id = fields.CharField(36, primary_key=True)
    tenant_id = fields.CharField(36)
    family = fields.CharField(36)
    user_id = fields.CharField(36)
    token_hash = fields.CharField(64)
    created_at = fields.BigIntField()
    expires_at = fields.BigIntField()
    used_at = fields.BigIntField(null=True)
    revoked = fields.BooleanField(default=False)

    class Meta:
        table = "refresh_tokens"


class Team(Model):
    id = fields.CharField(36, primary_key=True)
    tenant_id = fields.CharField(36)
    slug = fields.CharField(100)
    name = fields.CharField(200)

    class Meta:
        table = "teams"
