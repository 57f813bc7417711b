"""Broken: an observer that writes what people said into the log."""

import logging

from deskbell import hookimpl

log = logging.getLogger(__name__)


@hookimpl
def on_message(message):
    log.debug("stored: %s", message.content)
