"""Broken: a queue whose work is done and not called done, so that it is done again and again."""

from deskbell import Queue, hookimpl

contexts = []


async def tell(item):
    item.payload["room"].upper()


@hookimpl
def register_queues(context):
    contexts.append(context)
    return [Queue(name="webhooks", handler=tell)]


@hookimpl
async def on_message(tenant, room, message):
    await contexts[-1].enqueue("webhooks", tenant, {"room": room}, once=message.id)
