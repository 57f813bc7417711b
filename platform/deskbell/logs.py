"""Logging, set up once by the command line: structlog for everything, the libraries' records included.

Every record of a request or socket carries its ids (``request``, ``connection``, ``room``) where they
are bound. No record holds a message's text, a token or an address with a query.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from deskbell.config import Logging

_QUIET = ("apscheduler", "tortoise", "aiosqlite", "hypercorn", "websockets", "uvicorn.error")


def configure(settings: Logging) -> None:
    """Write to standard error: coloured lines for people, JSON for machines; ``auto`` looks which it is."""
    for_people = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: Any
    if for_people:
        # Locals stay out of tracebacks: they would print what people wrote.
        plain = structlog.dev.RichTracebackFormatter(show_locals=False)
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=plain)
    else:
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
