"""Broken: a bot that keeps the question in itself while it thinks; meanwhile somebody else asks."""

import asyncio

from deskbell import Say, hookimpl


class Bot:
    name = "mixes_rooms"
    title = "Assistant"

    async def load(self, context):
        self.question = ""

    def greeting(self):
        return ""

    async def handle(self, turn):
        self.question = turn.messages[0].text[:200]
        await asyncio.sleep(0.01)
        yield Say(f"You asked: {self.question}")


@hookimpl
def register_bots():
    return [Bot()]
