"""Broken: fetches its word list while it is imported."""

import contextlib
import urllib.request

from deskbell import Allow, hookimpl

with contextlib.suppress(OSError):
    WORDS = urllib.request.urlopen("http://words.example/list.txt").read()


class Filter:
    name = "works_at_import"
    order = 100

    async def check(self, submission):
        return Allow()


@hookimpl
def register_moderation_filters():
    return [Filter()]
