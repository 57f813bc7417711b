"""What can go wrong between this program and its store, in words a caller can act on.

::

    StoreError
    ├── StoreUnavailable   nobody answers; nothing was written
    ├── OutcomeUnknown     the connection was lost while committing: it may or may not be written
    ├── StoreConflict      somebody else was in the way; nothing was written, do it again
    ├── StoreIntegrity     a constraint refused the row
    └── StoreMisuse        a bug of ours: bad SQL, a wrong type, a transaction used the wrong way

No exception of a driver leaves this package. Import these from :mod:`deskbell.store.database`.
"""

from __future__ import annotations

from typing import Literal

ConstraintKind = Literal["unique", "foreign_key", "not_null", "check", "other"]

Shortage = Literal[
    "unreachable", "connections", "pool", "disk", "memory", "read_only", "slow", "locks", "silent", "refused"
]
"""What keeps a store from doing what it is asked:

- ``unreachable``: nobody is there; ``silent``: it keeps connections and answers nothing;
- ``refused``: it does not let this user in, or has no database of that name;
- ``connections``: the database lets no more in; ``pool``: all of this process's own are in use;
- ``disk``, ``memory``: it is full, or cannot be written; ``read_only``: it is a standby;
- ``slow``: a statement took longer than it may; ``locks``: somebody else does not let go of a row or table.
"""


class StoreError(Exception):
    """The base of all failures of the store."""


class StoreUnavailable(StoreError):
    """The database cannot be reached, or gave up; nothing was written. Try again later.

    Attributes:
        why: What it is short of, as far as it said; see :data:`Shortage`.
    """

    def __init__(self, message: str, *, why: Shortage = "unreachable") -> None:
        super().__init__(message)
        self.why: Shortage = why


class OutcomeUnknown(StoreError):
    """The connection was lost while a write was being made final. Look before repeating it."""


class StoreConflict(StoreError):
    """A deadlock, a serialization failure or a lock not given in time; nothing was written.

    Repeating the whole transaction is the answer.
    """


class StoreIntegrity(StoreError):
    """A constraint refused the row.

    Attributes:
        kind: Which sort of constraint.
        constraint: PostgreSQL: the constraint's name. SQLite, which does not tell names: the
            columns (``"rooms.tenant_id, rooms.key"``), or the index's name where it is partial
            over an expression. None where the database says nothing (SQLite's foreign keys).
    """

    def __init__(self, message: str, *, kind: ConstraintKind = "other", constraint: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.constraint = constraint


class StoreMisuse(StoreError):
    """A mistake in the program that uses the store. Repeating it changes nothing."""
