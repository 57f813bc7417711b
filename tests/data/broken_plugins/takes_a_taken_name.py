"""Broken: offers a kind of room that comes with Deskbell."""

from deskbell import ChannelType, hookimpl


@hookimpl
def register_channel_types():
    return [ChannelType(name="support", title="Better support")]
