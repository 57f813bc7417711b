"""Broken: a misspelt setting would be passed over in silence."""

import msgspec

from deskbell import Allow, Hold, hookimpl


class Limits(msgspec.Struct):
    max_links: int = 3


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    limits: Limits = msgspec.field(default_factory=Limits)


class Filter:
    name = "accepts_anything"
    order = 100

    def __init__(self, settings):
        self.max_links = settings.limits.max_links

    async def check(self, submission):
        return Hold("many links") if submission.normalised.count("http") > self.max_links else Allow()


@hookimpl
def register_moderation_filters(settings):
    return [Filter(settings)]
