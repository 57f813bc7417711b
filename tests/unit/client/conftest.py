"""The other side of the client: a server of the protocol that does what the test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from .scripted import ScriptedDesk


@pytest.fixture
async def desk() -> AsyncIterator[ScriptedDesk]:
    desk = ScriptedDesk()
    await desk.open()
    yield desk
    await desk.close()
