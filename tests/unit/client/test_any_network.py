"""Whatever a network does, in any order: the client has in the end what the room holds."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from deskbell.client import Client, MessageChanged, MessageNew
from deskbell.clock import Clock

from .scripted import BOT, DEADLINE_S, ROOM, Peer, ScriptedDesk, Seen


def normal(record: Any) -> Any:
    return msgspec.to_builtins(record)


class AnyNetwork(RuleBasedStateMachine):
    """Whatever is lost, doubled, reordered or cut: in the end the client's view is the server's.

    Live frames may be lost, doubled and held back; replies travel in order as on any socket, and
    sockets are cut at any moment. Each message is told as new exactly once, in order.
    """

    @initialize(page_size=st.sampled_from([1, 2, 3, 100]))
    def begin(self, page_size: int) -> None:
        self.runner = asyncio.Runner()
        self.desk = ScriptedDesk()
        self.desk.page_size = page_size
        self.seen = Seen()
        self.fate = "honest"
        self.held: list[dict[str, Any]] = []
        self.sends: list[asyncio.Task[Any]] = []
        self.births: list[str] = []
        self.resets = 0
        self.desk.deliver = self.deliver
        self.run(self.start())

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    async def start(self) -> None:
        await self.desk.open()
        self.desk.post("first")
        self.client = Client(self.desk.url, token="a", jitter=lambda: 0.0, on_event=self.seen.append, clock=NoWaiting())
        await self.client.__aenter__()
        self.view = await self.client.subscribe(ROOM)

    def deliver(self, peer: Peer, frame: dict[str, Any]) -> list[dict[str, Any]]:
        if self.fate == "lost":
            return []
        if self.fate == "held":
            self.held.append(frame)
            return []
        if self.fate == "overtaken":
            frames, self.held = [frame, *self.held], []
            return frames
        if self.fate == "doubled":
            return [frame, frame]
        return [frame]

    @rule(fate=st.sampled_from(["honest", "honest", "lost", "held", "overtaken", "doubled"]))
    def the_network_turns(self, fate: str) -> None:
        self.fate = fate

    @rule(count=st.integers(1, 5))
    def somebody_posts(self, count: int) -> None:
        async def post() -> None:
            for _ in range(count):
                self.births.append(self.desk.post(f"m{self.desk.seq}")["id"])

        self.run(post())

    @rule(pick=st.integers(0, 10**6), what=st.sampled_from(["edit", "delete", "react"]))
    def somebody_changes(self, pick: int, what: str) -> None:
        async def change() -> None:
            messages = list(self.desk.messages.values())
            if not messages:
                return
            message = messages[pick % len(messages)]
            if what == "edit":
                self.desk.change(message, content=f"edited at {self.desk.seq}")
            elif what == "delete":
                self.desk.change(message, content="", deleted=True)
            else:
                self.desk.change(message, reactions=[{"emoji": "👍", "count": self.desk.seq, "users": []}])

        self.run(change())

    @rule(what=st.sampled_from(["join", "leave", "owner", "skip"]))
    def the_room_changes(self, what: str) -> None:
        async def change() -> None:
            if what == "owner":
                self.desk.change_owner("agent")
            elif what == "skip":
                self.desk.skip()
            else:
                self.desk.join(BOT, "joined" if what == "join" else "left")

        self.run(change())

    @rule(count=st.integers(1, 3))
    def the_client_sends(self, count: int) -> None:
        async def send() -> None:
            for _ in range(count):
                self.sends.append(asyncio.create_task(self.client.send(ROOM, f"own {len(self.sends)}")))
                await asyncio.sleep(0)

        self.run(send())

    @rule(code=st.sampled_from([None, 4001, 4002, 4010]), moment_ms=st.integers(0, 3))
    def the_line_is_cut(self, code: int | None, moment_ms: int) -> None:
        async def cut() -> None:
            await asyncio.sleep(moment_ms / 1000)
            if code is None:
                self.desk.peer.cut()
            else:
                self.desk.peer.close(code)

        self.run(cut())

    @precondition(lambda self: self.resets < 2)
    @rule(pick=st.integers(0, 10**6))
    def messages_are_purged(self, pick: int) -> None:
        async def purge() -> None:
            self.resets += 1
            self.desk.purge(self.desk.floor + pick % (self.desk.seq - self.desk.floor + 1))

        self.run(purge())

    @rule()
    def all_settles(self) -> None:
        self.fate = "honest"
        self.run(self.settle())
        assert {k: normal(m) for k, m in self.view.messages.items() if m.seq >= self.view.oldest} == {
            k: normal(msgspec.convert(m, type(next(iter(self.view.messages.values())))))
            for k, m in self.desk.messages.items()
            if m["seq"] >= self.view.oldest
        }
        assert {k: p.state for k, p in self.view.participants.items()} == {
            k: p["state"] for k, p in self.desk.participants.items()
        }
        assert self.view.state is not None and self.view.state.changed_seq == self.desk.state["changed_seq"]
        assert self.view.position == self.desk.seq

    async def settle(self) -> None:
        def level() -> bool:
            return self.view.live and self.view.position == self.desk.seq and self.view.epoch == self.desk.epoch

        async with asyncio.timeout(DEADLINE_S):
            acks = await asyncio.gather(*self.sends)
            while not level():
                if self.desk.peers and self.desk.peer.open:
                    self.desk.peer.say({"type": "tips", "rooms": {ROOM: self.desk.seq}})
                await asyncio.sleep(0.002)
        sent = [m for m in self.desk.messages.values() if m["content"].startswith("own ")]
        assert len({ack.id for ack in acks}) == len(acks) >= len(sent)

    @invariant()
    def nothing_is_told_twice(self) -> None:
        new = [event.message for event in self.seen.of(MessageNew)] if hasattr(self, "seen") else []
        assert len({message.id for message in new}) == len(new)

    @invariant()
    def changes_go_forward(self) -> None:
        latest: dict[str, int] = {}
        for event in self.seen.of(MessageNew, MessageChanged) if hasattr(self, "seen") else []:
            assert event.message.changed_seq > latest.get(event.message.id, 0)
            latest[event.message.id] = event.message.changed_seq

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        try:
            self.all_settles()
            if not self.resets:
                told = {event.message.id for event in self.seen.of(MessageNew)}
                assert told.issuperset(self.births)
        finally:
            self.run(self.client.close())
            self.run(self.desk.close())
            self.runner.close()


class NoWaiting(Clock):
    """Pauses are skipped, so that an example takes no time."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0 if seconds < 10 else seconds)


AnyNetwork.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyNetwork = AnyNetwork.TestCase
