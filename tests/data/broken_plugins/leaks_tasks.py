"""Broken: an observer that begins something at each message and never ends it."""

import asyncio

from deskbell import hookimpl

begun = []


async def remind():
    await asyncio.sleep(3600)


@hookimpl
async def on_message(message):
    begun.append(asyncio.create_task(remind()))
