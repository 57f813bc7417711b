"""Broken: a hook with a slip of the pen would never be called."""

from deskbell import hookimpl


@hookimpl
def on_message(message):
    pass


def on_partcipant(participant):
    pass
