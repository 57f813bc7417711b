"""Broken: a filter that takes being cancelled for a failure of its own."""

import asyncio

from deskbell import Allow, Hold, hookimpl


class Filter:
    name = "swallows_cancellation"
    order = 100

    async def check(self, submission):
        try:
            await asyncio.sleep(0.01)
        except BaseException:
            return Hold("could not look at it")
        return Allow()


@hookimpl
def register_moderation_filters():
    return [Filter()]
