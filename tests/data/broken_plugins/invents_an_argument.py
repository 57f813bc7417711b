"""Broken: a hook that asks for what it is not given."""

from deskbell import hookimpl


@hookimpl
def on_message(message, sender):
    pass
