"""A server in a thread of its own, for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from .server import Desk


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    await desk.start()
    yield desk
    await desk.stop()
