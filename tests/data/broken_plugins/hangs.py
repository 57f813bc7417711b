"""Broken: a filter that waits for what never comes."""

import asyncio

from deskbell import Allow, hookimpl


class Filter:
    name = "hangs"
    order = 100

    async def check(self, submission):
        await asyncio.Event().wait()
        return Allow()


@hookimpl
def register_moderation_filters():
    return [Filter()]
