"""A host whose clock is wrong: what it changes is found by the others all the same."""

from __future__ import annotations

import pytest

from deskbell.testing.desk import Desk, Person

PATIENCE_S = 20.0
LATE_S = 60


async def test_a_login_ended_on_a_host_whose_clock_is_late_ends_on_the_others(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other instance finds it by asking the store alone: there is no bus between them."""
    bus = {"tip_poll_s": 0.2}
    async with Desk.open(postgres_url, bus=bus) as there, Desk.open(postgres_url, bus=bus) as here:
        right = here.clock.now_us
        monkeypatch.setattr(here.clock, "now_us", lambda: right() - LATE_S * 1_000_000)

        tom = await there.member("Tom")
        session = {"user": tom.user, "access_token": tom.token, "refresh_token": tom.refresh_token}
        line = await tom.connect()
        # It has looked before: from now on it asks only for what is new.
        await there.until(lambda: there.application.jobs._users_since_us > 0)

        ended = await Person(here, session).post("/auth/logout", {"everywhere": True})
        assert ended.status_code in (200, 204), ended.text
        assert await line.wait_closed(patience_s=PATIENCE_S) == 4503
