"""What one plugin keeps in the store; see :class:`deskbell.contracts.context.Kept`."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

import msgspec

from deskbell.errors import Invalid, Unavailable
from deskbell.ids import TenantId, is_id
from deskbell.ports import Ports
from deskbell.store import kept
from deskbell.store.database import StoreError

NAME_CHARS = 200
VALUE_BYTES = 65_536
LISTED = 1_000

T = TypeVar("T")


class KeptValues:
    """The values of one plugin."""

    def __init__(self, ports: Ports, plugin: str) -> None:
        self._ports = ports
        self._plugin = plugin

    async def get(self, tenant: TenantId, name: str) -> Any:
        return await _asked(kept.get(self._ports.db, *self._under(tenant, name)))

    async def put(self, tenant: TenantId, name: str, value: Any) -> None:
        try:
            encoded = msgspec.json.encode(value)
        except (TypeError, ValueError) as error:
            raise Invalid(f"What is kept is JSON: {error}") from None
        if len(encoded) > VALUE_BYTES or b"\\u0000" in encoded:
            raise Invalid("The value is too large, or holds a NUL character.", max_bytes=VALUE_BYTES)
        under = self._under(tenant, name)
        await _asked(kept.put(self._ports.db, *under, encoded, self._ports.clock.now_us()))

    async def drop(self, tenant: TenantId, name: str) -> bool:
        return await _asked(kept.drop(self._ports.db, *self._under(tenant, name))) == 1

    async def list(
        self, tenant: TenantId, prefix: str, *, limit: int = 100, before: str | None = None
    ) -> Sequence[tuple[str, Any]]:
        under = self._under(tenant, prefix, empty=True)
        return await _asked(kept.listed(self._ports.db, *under, max(1, min(limit, LISTED)), before))

    async def drop_all(self, tenant: TenantId, prefix: str, *, below: str | None = None) -> int:
        return await _asked(kept.drop_all(self._ports.db, *self._under(tenant, prefix, empty=True), below))

    def _under(self, tenant: TenantId, name: str, *, empty: bool = False) -> tuple[TenantId, str, str]:
        if not is_id(tenant):
            raise Invalid("There is no such tenant.")
        if not (name or empty) or len(name) > NAME_CHARS or "\x00" in name:
            raise Invalid(f"A name has 1 to {NAME_CHARS} characters, none of them NUL.")
        return tenant, self._plugin, name


async def _asked(answer: Awaitable[T]) -> T:
    try:
        return await answer
    except StoreError as error:
        raise Unavailable() from error
