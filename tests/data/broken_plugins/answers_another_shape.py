"""Broken: an address that answers something else than its description says."""

import msgspec

from deskbell import Route, hookimpl


class Opening(msgspec.Struct, forbid_unknown_fields=True):
    opens_at: str


async def opening(request):
    return {"opens": "9:00"}


@hookimpl
def register_routes():
    return [Route(name="opening", method="GET", path="/opening", handler=opening, answers=Opening, summary="When.")]
