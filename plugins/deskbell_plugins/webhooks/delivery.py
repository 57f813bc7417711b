"""Sending one event to one endpoint, signed after Standard Webhooks (https://www.standardwebhooks.com)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
from ssrfguard import SSRFGuardError
from ssrfguard.httpx import AsyncClient

from deskbell import Case, Dead, Done, Message, Participant, QueueItem, Retry, __version__
from deskbell_plugins.webhooks.endpoints import TEST_EVENT, Delivery, Endpoint, Endpoints, policy_of
from deskbell_plugins.webhooks.settings import Settings

LONGEST_WAIT_S = 24 * 3600.0

Outcome = Done | Retry | Dead


class Sender:
    """Handles the queue of deliveries."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    async def deliver(self, item: QueueItem) -> Outcome:
        """Send one event, note what became of it, and say whether to try again."""
        endpoint = await self._endpoints.get(item.tenant, item.payload["endpoint"])
        if endpoint is None:
            return Done()  # deleted, and with it whatever was left for it
        if endpoint.disabled:
            return Dead(f"the endpoint is off: {endpoint.disabled}")
        event = item.payload["event"]
        if item.about is None and event != TEST_EVENT:
            return Done()  # purged meanwhile: there is nothing to tell
        at = datetime.now(UTC)
        headers, content = signed(endpoint, item.stable_key, at, body_of(event, item))
        began = time.monotonic()
        status, error, wait_s = await self._post(endpoint.url, headers, content, item.settings)
        took_ms = int((time.monotonic() - began) * 1000)
        ok = status is not None and 200 <= status < 300
        await self._endpoints.note(
            item.tenant,
            endpoint,
            Delivery(
                at=at, webhook_id=item.stable_key, event=event, attempt=item.attempt, ok=ok, status=status,
                error=error, duration_ms=took_ms,
            ),
        )  # fmt: skip
        if ok:
            return Done()
        if status == 410:
            await self._endpoints.switch_off(item.tenant, endpoint.id, "it answered 410 Gone")
            return Dead("410 Gone")
        return Retry(error or f"HTTP {status}", after_s=wait_s)

    async def _post(
        self, url: str, headers: dict[str, str], content: bytes, settings: Settings
    ) -> tuple[int | None, str, float | None]:
        """Status, why there is none, and after how many seconds the endpoint wants to be asked again."""
        asking = asyncio.ensure_future(_answer(url, headers, content, settings))
        try:
            # httpx's own timeouts begin anew with each byte, and nothing can cut a look-up short: so it is left.
            await asyncio.wait({asking}, timeout=settings.timeout_s)
            if not asking.done():
                return None, f"no answer within {settings.timeout_s:g} s", None
            return asking.result()
        except SSRFGuardError as error:
            return None, f"refused by the guard: {error}"[:300], None
        except httpx.HTTPError as error:
            return None, f"{type(error).__name__}: {error}"[:300], None
        finally:
            asking.cancel()


async def _answer(
    url: str, headers: dict[str, str], content: bytes, settings: Settings
) -> tuple[int, str, float | None]:
    """What the endpoint says. Of its answer the head alone is waited for."""
    async with (
        AsyncClient(policy=policy_of(settings), timeout=settings.timeout_s, trust_env=False) as client,
        client.stream("POST", url, content=content, headers=headers) as answer,
    ):
        return answer.status_code, "", _retry_after(answer)


def body_of(event: str, item: QueueItem) -> bytes:
    """The JSON that is sent: the event, when it happened, and the records as they are now, as protocol v1 has them."""
    data: dict[str, Any] = {}
    if item.room is not None:
        data["room"] = {name: getattr(item.room, name) for name in ("id", "key", "channel_type", "name")}
    if isinstance(item.about, Message):
        data["message"] = item.about
    elif isinstance(item.about, Participant):
        data["participant"] = item.about
    elif isinstance(item.about, Case):
        data["case"] = item.about
    return msgspec.json.encode({"type": event, "timestamp": item.created_at, "data": data})


def signed(endpoint: Endpoint, webhook_id: str, at: datetime, content: bytes) -> tuple[dict[str, str], bytes]:
    """The headers that let the receiver check who sent this, and when. During a change of secrets both sign."""
    stamp = str(int(at.timestamp()))
    secrets = [endpoint.secret]
    if endpoint.old_secret and endpoint.old_secret_until is not None and at < endpoint.old_secret_until:
        secrets.append(endpoint.old_secret)
    text = b".".join([webhook_id.encode(), stamp.encode(), content])
    signatures = [base64.b64encode(hmac.digest(_key(secret), text, hashlib.sha256)).decode() for secret in secrets]
    return {
        "content-type": "application/json",
        "user-agent": f"Deskbell/{__version__}",
        "webhook-id": webhook_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }, content


def _key(secret: str) -> bytes:
    return binascii.a2b_base64(secret.removeprefix("whsec_"))


def _retry_after(answer: httpx.Response) -> float | None:
    """Seconds, where a 429 or 503 says so."""
    said = answer.headers.get("retry-after", "")
    if answer.status_code not in (429, 503) or not (said.isascii() and said.isdigit()):
        return None
    return min(float(said), LONGEST_WAIT_S)
