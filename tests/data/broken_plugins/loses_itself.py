"""Broken: a filter whose pattern takes for ever on long texts that nearly match."""

import re

from deskbell import Allow, Hold, hookimpl

SHOUTING = re.compile(r"(?:a+)+$")


class Filter:
    name = "loses_itself"
    order = 100

    async def check(self, submission):
        return Hold("shouting") if SHOUTING.match(submission.normalised) else Allow()


@hookimpl
def register_moderation_filters():
    return [Filter()]
