"""Broken: starts a thread while it registers."""

import threading

from deskbell import Allow, hookimpl


class Filter:
    name = "works_at_register"
    order = 100

    async def check(self, submission):
        return Allow()


@hookimpl
def register_moderation_filters():
    threading.Thread(target=print, daemon=True).start()
    return [Filter()]
