"""What serving the public asks of the settings, and the secret of machines that do not."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from deskbell.config import DEMO_PASSWORD, MIN_PASSWORD_CHARACTERS, Settings, Store

MIN_SECRET_BYTES = 32


def check_production(settings: Settings) -> list[str]:
    """What must change before these settings may serve the public; each sentence says how. Empty: nothing.

    What would break the store or lose events (several processes on SQLite or the memory bus) is a
    problem in development too; all else only where ``environment`` is ``production``.
    """
    problems = []
    several = settings.server.workers > 1
    if several and settings.store.is_sqlite:
        problems.append("server.workers: SQLite serves one process; set it to 1, or store.url to a PostgreSQL address")
    if several and settings.bus.is_memory:
        problems.append("server.workers: the memory bus serves one process; set it to 1, or bus.url to a Redis address")
    if settings.environment != "production":
        return problems
    make = 'for example the output of: python -c "import secrets; print(secrets.token_urlsafe(48))"'
    if not settings.auth.secret:
        problems.append(f"auth.secret: is empty; set DESKBELL_AUTH__SECRET or DESKBELL_AUTH__SECRET_FILE, {make}")
    elif weakness := _weakness(settings.auth.secret):
        problems.append(f"auth.secret: {weakness}; use {make}")
    for t, tenant in enumerate(settings.tenants):
        for s, site in enumerate(tenant.sites):
            if "*" in site.origins:
                problems.append(f'tenants[{t}].sites[{s}].origins: "*" lets every page in; list those of {site.name}')
            if site.secret and (weakness := _weakness(site.secret)):
                problems.append(f"tenants[{t}].sites[{s}].secret: {weakness}; use {make}")
        for u, user in enumerate(tenant.users):
            where = f"tenants[{t}].users[{u}].password"
            if user.password == DEMO_PASSWORD:
                problems.append(f"{where}: {user.email} has the demo's password; give tenants and users of your own")
            elif user.password and len(user.password) < MIN_PASSWORD_CHARACTERS:
                problems.append(f"{where}: shorter than {MIN_PASSWORD_CHARACTERS} characters; choose a longer one")
    return problems


def _weakness(secret: str) -> str:
    """Why a secret could be guessed; empty when nothing speaks for it."""
    if len(secret.encode()) < MIN_SECRET_BYTES:
        return f"is shorter than {MIN_SECRET_BYTES} bytes"
    plain = secret.lower()
    if any(word in plain for word in ("change", "secret", "example", "default", "password")) or len(set(secret)) < 10:
        return "looks like a placeholder"
    return ""


def development_secret(store: Store) -> str:
    """The secret for a machine where nobody set one, made at the first call and kept beside the store.

    The file, ``deskbell.secret``, can be read by its owner only. Processes that start together
    get the same. A store in memory has no place, and a new secret each time.

    Raises:
        OSError: The folder cannot be written to.
    """
    if store.is_sqlite and store.sqlite_path is None:
        return secrets.token_urlsafe(48)
    folder = store.sqlite_path.parent if store.sqlite_path else Path("var")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "deskbell.secret"
    if not file.exists():
        # Written whole under another name, then linked: nobody ever reads half of it, and of
        # two that start together the second finds the first one's.
        draft = folder / f"deskbell.secret.{os.getpid()}.{secrets.token_hex(4)}"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as out:
                out.write(secrets.token_urlsafe(48))
            with contextlib.suppress(FileExistsError):
                os.link(draft, file)
        finally:
            draft.unlink()
    return file.read_text(encoding="ascii").strip()
