"""Broken: a bot whose thread keeps the process from ending."""

import threading

from deskbell import Say, hookimpl


class Bot:
    name = "stays_alive"
    title = "Assistant"

    async def load(self, context):
        threading.Thread(target=threading.Event().wait, name="index refresher").start()

    def greeting(self):
        return ""

    async def handle(self, turn):
        yield Say("Hello.")


@hookimpl
def register_bots():
    return [Bot()]
