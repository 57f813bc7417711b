"""Broken: a filter whose repr shows its token, and with it every log that names the filter."""

from dataclasses import dataclass

import msgspec

from deskbell import Allow, hookimpl


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    api_token: str = ""


@dataclass
class Filter:
    settings: Settings
    name = "shows_its_secret"
    order = 100

    async def check(self, submission):
        return Allow()


@hookimpl
def register_moderation_filters(settings):
    return [Filter(settings)]
