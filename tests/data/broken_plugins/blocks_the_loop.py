"""Broken: a filter that sleeps, and with it the whole desk."""

import time

from deskbell import Allow, hookimpl


class Filter:
    name = "blocks_the_loop"
    order = 100

    async def check(self, submission):
        time.sleep(0.4)  # noqa: ASYNC251 - that is what is broken
        return Allow()


@hookimpl
def register_moderation_filters():
    return [Filter()]
