"""This process's sockets by room, and what is told to them.

An event is encoded once by whoever announces it, framed once here, and the same bytes go to every
socket of its topic. The hub keeps one **stream** per room that anybody here listens to: durable
events leave it in the order of ``seq`` without a hole. What is not the next waits at most 50 ms for
what is missing; then one read of the store heals the stream for all its sockets.

Promised: a socket that was told it is subscribed gets every later change, once, in order, or an
honest ``reset``; who left or was banned gets nothing more; a slow reader costs others nothing.
Reading the store is left to :mod:`deskbell.store.pages`, deciding who may listen to
:mod:`deskbell.actions.access`; both are asked by the edge, which then calls :meth:`Hub.subscribe`.
"""

from deskbell.hub.connection import Connection, Stream, Subscription, Voice, Writer
from deskbell.hub.hub import Hub
from deskbell.hub.inboxes import last_message

__all__ = ["Connection", "Hub", "Stream", "Subscription", "Voice", "Writer", "last_message"]
