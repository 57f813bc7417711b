"""Broken: a rule that begins work on the side, and forgets it when it is cancelled itself."""

import asyncio

from deskbell import hookimpl


class Rule:
    name = "leaves_work_behind"
    order = 100

    async def decide(self, situation):
        progress = asyncio.create_task(asyncio.sleep(3600))
        await asyncio.sleep(0.01)
        progress.cancel()


@hookimpl
def register_escalation_rules():
    return [Rule()]
