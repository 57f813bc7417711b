"""The Python client of the protocol, for programs that talk to a Deskbell that runs elsewhere.

::

    async with Client.visitor("https://desk.example.com", site_key="…") as client:
        conversation = await client.open_conversation()
        await client.subscribe(conversation.id)
        await client.send(conversation.id, "Where is my order?")
        async for event in client.events():
            if isinstance(event, MessageNew) and event.message.sender.kind == "bot":
                print(event.message.content)

It needs ``websockets`` and ``msgspec``, nothing of the server. What it promises is said in
:mod:`deskbell.client.client`; the contract it keeps is the protocol page.
"""

from deskbell.client.client import Client, Outgoing
from deskbell.client.connection import ConnectionOver
from deskbell.client.events import (
    CaseChanged,
    Closed,
    Connecting,
    Delayed,
    DraftChanged,
    Event,
    InboxChanged,
    Live,
    MessageChanged,
    MessageNew,
    MessagesPurged,
    NoticeGiven,
    NotSent,
    OwnCaseChanged,
    ParticipantChanged,
    PresenceChanged,
    Problem,
    ReadMoved,
    Reconnecting,
    RoomChanged,
    RoomLoaded,
    RoomLost,
    Sent,
    Typing,
    ViewersChanged,
    Writing,
    WritingVoid,
)
from deskbell.client.listening import Events, EventsLost
from deskbell.client.notebook import InUse, Notebook
from deskbell.client.rest import NotUnderstood, Unreachable
from deskbell.client.view import Place, RoomView

__all__ = [
    "CaseChanged",
    "Client",
    "Closed",
    "Connecting",
    "ConnectionOver",
    "Delayed",
    "DraftChanged",
    "Event",
    "Events",
    "EventsLost",
    "InUse",
    "InboxChanged",
    "Live",
    "MessageChanged",
    "MessageNew",
    "MessagesPurged",
    "NotSent",
    "NotUnderstood",
    "Notebook",
    "NoticeGiven",
    "Outgoing",
    "OwnCaseChanged",
    "ParticipantChanged",
    "Place",
    "PresenceChanged",
    "Problem",
    "ReadMoved",
    "Reconnecting",
    "RoomChanged",
    "RoomLoaded",
    "RoomLost",
    "RoomView",
    "Sent",
    "Typing",
    "Unreachable",
    "ViewersChanged",
    "Writing",
    "WritingVoid",
]
