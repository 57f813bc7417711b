"""Peer: the chat handler most of us would write first, on the same parts as the server.

Quart on uvicorn; each message is one ORM ``create``, acknowledged, then sent to each member with one
awaited ``send``. A program, started by path in its own process; nothing imports it.

    quart_naive.py PORT DATABASE_URL
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict

import uvicorn
from quart import Quart, Websocket, websocket
from tortoise import Tortoise, fields
from tortoise.models import Model


class Message(Model):
    id = fields.UUIDField(primary_key=True)
    room = fields.CharField(max_length=64)
    sender = fields.CharField(max_length=64)
    client_id = fields.CharField(max_length=64)
    content = fields.TextField()
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "naive_messages"
        unique_together = (("room", "sender", "client_id"),)
        indexes = (("room", "created_at"),)


app = Quart(__name__)
members: defaultdict[str, set[Websocket]] = defaultdict(set)


@app.before_serving
async def connect() -> None:
    # The lifespan is not an ancestor of requests, so the context must be global to be seen there.
    await Tortoise.init(db_url=sys.argv[2], modules={"models": [__name__]}, _enable_global_fallback=True)
    await Tortoise.generate_schemas()


@app.after_serving
async def disconnect() -> None:
    await Tortoise.close_connections()


@app.websocket("/ws/<room>/<user>")
async def chat(room: str, user: str) -> None:
    own = websocket._get_current_object()  # type: ignore[attr-defined]  # the documented way to keep one
    members[room].add(own)
    try:
        await own.send(json.dumps({"type": "welcome"}))
        while True:
            asked = json.loads(await own.receive())
            stored = await Message.create(
                room=room, sender=user, client_id=asked["client_id"], content=asked["content"]
            )
            await own.send(json.dumps({"type": "ack", "ref": asked["ref"], "id": str(stored.id)}))
            frame = json.dumps(
                {
                    "type": "message",
                    "room": room,
                    "message": {
                        "id": str(stored.id),
                        "sender": user,
                        "client_id": stored.client_id,
                        "content": stored.content,
                        "metadata": asked.get("metadata", {}),
                        "created_at": stored.created_at.isoformat(),
                    },
                }
            )
            for member in list(members[room]):
                await member.send(frame)
    finally:
        members[room].discard(own)


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        access_log=False,
        ws_per_message_deflate=False,
    )
