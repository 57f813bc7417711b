"""Broken: a channel type that asks asynchronously who may enter, so that everybody may."""

from deskbell import ChannelType, hookimpl


class Club(ChannelType):
    async def may_enter(self, actor, role):
        return False


@hookimpl
def register_channel_types():
    return [Club(name="club", title="Club")]
