"""The JSON Schema of every socket frame, from the structs themselves."""

from __future__ import annotations

from typing import Any

import msgspec

from deskbell.version import __version__
from deskbell.wire import commands, frames

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def frames_schema() -> dict[str, Any]:
    """``{"client": {type: schema}, "server": {type: [schemas]}}`` with shared definitions under ``$defs``.

    A server frame's type may have two shapes: ``case`` holds the whole case for agents, and a reduced
    one for visitors.
    """
    types = [*commands.COMMANDS, *frames.FRAMES]
    schemas, definitions = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    client: dict[str, Any] = {}
    server: dict[str, list[Any]] = {}
    for kind, schema in zip(types, schemas, strict=True):
        tag = str(kind.__struct_config__.tag)
        if kind in commands.COMMANDS:
            client[tag] = schema
        else:
            server.setdefault(tag, []).append(schema)
    return {
        "$schema": DIALECT,
        "title": "Deskbell protocol v1, socket frames",
        "version": __version__,
        "client": client,
        "server": server,
        "$defs": definitions,
    }
