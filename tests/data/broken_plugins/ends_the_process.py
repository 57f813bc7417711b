"""Broken: a filter that gives up, and everybody with it."""

import os

from deskbell import Allow, hookimpl


class Filter:
    name = "ends_the_process"
    order = 100

    async def check(self, submission):
        if len(submission.text) > 60_000:
            os._exit(7)
        return Allow()


@hookimpl
def register_moderation_filters():
    return [Filter()]
