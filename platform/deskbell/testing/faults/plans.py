"""What is broken, and when. A plan is a coroutine that goes on breaking and mending until its time is over.

Everything a plan does is written down as a :class:`Fault`, and all chance comes from the random numbers
it is given, so a seed names one sequence of faults (the processes' own timing is theirs). What a plan
broke it mends before it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from deskbell.testing.faults.history import Fault, Recorder
from deskbell.testing.faults.instances import Installation, Instance
from deskbell.testing.faults.repeater import Repeater
from deskbell.testing.servers import ServerFailed, ValkeyServer


@dataclass
class Scene:
    """What a plan works with. ``long``: as hard as an operator would want it, rather than as a test can wait for."""

    installation: Installation
    log: Recorder
    chance: random.Random
    seconds: float
    long: bool = False

    def __post_init__(self) -> None:
        self._until = asyncio.get_running_loop().time() + self.seconds

    @property
    def over(self) -> bool:
        return asyncio.get_running_loop().time() >= self._until

    def note(self, what: str, instance: Instance | None = None) -> None:
        self.log.add(Fault(t=self.log.now(), what=what, instance=-1 if instance is None else instance.number))

    def anyone(self) -> Instance:
        return self.chance.choice(self.installation.instances)

    async def pause(self, low_s: float, high_s: float) -> None:
        await asyncio.sleep(self.chance.uniform(low_s, high_s))


Plan = Callable[[Scene], Awaitable[None]]


async def kill(scene: Scene) -> None:
    """SIGKILL one instance, start it again, and so on."""
    while not scene.over:
        await scene.pause(0.5, 1.5)
        victim = scene.anyone()
        scene.note("kill", victim)
        victim.kill()
        await scene.pause(0.1, 1.0)
        await scene.installation.start_again(victim)
        scene.note("started", victim)
        await scene.pause(1, 3)


async def pause(scene: Scene) -> None:
    """SIGSTOP one instance: its sockets stay open and nothing comes."""
    while not scene.over:
        await scene.pause(0.3, 0.8)
        victim = scene.anyone()
        scene.note("stop", victim)
        victim.pause()
        await asyncio.sleep(20 if scene.long else 5)
        victim.go_on()
        scene.note("go_on", victim)
        await scene.pause(0.5, 1.5)


async def postgres(scene: Scene) -> None:
    """PostgreSQL crashes, stays away for a while and comes back; then it is stopped in order, and comes back."""
    for mode in ("immediate", "fast", "immediate"):
        await scene.pause(0.5, 1.5)
        scene.note(f"postgres_stop_{mode}")
        await asyncio.to_thread(scene.installation.postgres.stop, mode)
        await asyncio.sleep(60 if scene.long else 1.5)
        await asyncio.to_thread(scene.installation.postgres.start)
        scene.note("postgres_start")
        await scene.pause(1, 2)
        if scene.over:
            return


async def cut(scene: Scene) -> None:
    """All sockets are cut at once, again and again, with RST and with FIN."""
    while not scene.over:
        await (scene.pause(15, 20) if scene.long else scene.pause(0.5, 1.5))
        reset = scene.chance.random() < 0.5
        scene.note("cut_rst" if reset else "cut_fin")
        for instance in scene.installation.instances:
            instance.door.cut(reset=reset)


async def drain(scene: Scene) -> None:
    """A rolling restart: each instance is told to stop, ends, and is started again."""
    while not scene.over:
        for instance in scene.installation.instances:
            await scene.pause(0.2, 0.6)
            scene.note("drain", instance)
            status = await instance.drain()
            scene.note("ended" if status == 0 else f"ended_with_{status}", instance)
            await scene.installation.start_again(instance)
            scene.note("started", instance)


async def upgrade(scene: Scene) -> None:
    """A newer version's migration is applied while all run; then each instance is replaced, one after the other."""
    while not scene.over:
        await scene.pause(0.3, 0.6)
        scene.note("migrate")
        await scene.installation.migrate_further()
        scene.note("migrated")
        await drain(Scene(scene.installation, scene.log, scene.chance, 0.1))


async def database(scene: Scene) -> None:
    """What happens to connections of the database: ended by its administrator, kept waiting by somebody's lock."""
    while not scene.over:
        await scene.pause(0.3, 1.0)
        scene.note("terminate_backends")
        await scene.installation.end_all_connections()
        await scene.pause(0.3, 1.0)
        held_s = 8.0 if scene.long else 1.5
        what = scene.chance.choice(
            [
                "BEGIN; LOCK TABLE messages IN ACCESS EXCLUSIVE MODE",
                "BEGIN; SELECT id FROM rooms FOR UPDATE",
                "BEGIN; LOCK TABLE participants IN ACCESS EXCLUSIVE MODE",
            ]
        )
        scene.note("lock")
        await scene.installation.hold(what, held_s)
        scene.note("unlock")


async def weather(scene: Scene) -> None:
    """Links are slow, hand over a few bytes at a time, go quiet in one direction or in both."""
    kinds = ("slow", "pieces", "half_open", "black_hole", "cut")
    while not scene.over:
        await scene.pause(0.2, 0.5)
        instance = scene.anyone()
        name = scene.chance.choice(sorted(instance.links))
        link, kind = instance.links[name], scene.chance.choice(kinds)
        scene.note(f"{kind}_{name}", instance)
        if kind == "slow":
            link.weather.delay_s, link.weather.jitter_s = 0.05, 0.1
        elif kind == "pieces":
            link.weather.piece_bytes = 7
        elif kind == "half_open":
            link.weather.swallow = (scene.chance.choice(("there", "back")),)
        elif kind == "black_hole":
            link.weather.swallow = ("there", "back")
        else:
            link.cut(reset=scene.chance.random() < 0.5, share=0.5)
        await scene.pause(2, 10 if scene.long else 3)
        link.heal()
        scene.note(f"healed_{name}", instance)


async def valkey(scene: Scene) -> None:
    """The bus is emptied, restarted, goes silent without closing a connection, and repeats itself out of order."""
    server = scene.installation.valkey
    assert server is not None, "this plan needs a Valkey"
    while not scene.over:
        for kind in scene.chance.sample(_BUS_FAULTS, len(_BUS_FAULTS)):
            await scene.pause(0.2, 0.5)
            scene.note(f"valkey_{kind}")
            await _break_bus(scene, server, kind)
            scene.note(f"valkey_{kind}_over")


_BUS_FAULTS = ("restart", "flush", "black_hole", "repeat")


async def _break_bus(scene: Scene, server: ValkeyServer, kind: str) -> None:
    if kind == "restart":
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(10 if scene.long else 1.0)
        await asyncio.to_thread(server.start)
    elif kind == "flush":
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"FLUSHALL\r\n")
        await reader.readline()
        writer.close()
    elif kind == "repeat":
        repeater = Repeater(server.port, scene.chance)
        await repeater.start()
        await asyncio.sleep(2.0)
        await repeater.close()
    else:
        links = [instance.links["bus"] for instance in scene.installation.instances]
        for link in links:
            link.weather.swallow = ("there", "back")
        await asyncio.sleep(10 if scene.long else 2.0)
        for link in links:
            link.heal()


async def calm(scene: Scene) -> None:
    """Nothing at all: what the harness itself finds wrong without a fault is its own mistake, or worse."""
    await asyncio.sleep(scene.seconds)


async def everything(scene: Scene) -> None:
    """One plan after the other, drawn anew each time."""
    names = [name for name in PLANS if name not in ("all", "calm")]
    if scene.installation.valkey is None:
        names.remove("valkey")
    while not scene.over:
        name = scene.chance.choice(names)
        scene.note(f"plan_{name}")
        inner = Scene(scene.installation, scene.log, scene.chance, scene.chance.uniform(4, 10))
        await PLANS[name](inner)
        await scene.pause(1, 3)


PLANS: Mapping[str, Plan] = {
    "all": everything,
    "calm": calm,
    "cut": cut,
    "database": database,
    "drain": drain,
    "kill": kill,
    "pause": pause,
    "postgres": postgres,
    "upgrade": upgrade,
    "valkey": valkey,
    "weather": weather,
}


async def mended(installation: Installation) -> None:
    """Whatever a plan left broken works again.

    Raises:
        ServerFailed: Something does not come back.
    """
    installation.heal()
    with contextlib.suppress(ServerFailed):
        await asyncio.to_thread(installation.postgres.start)
    if installation.valkey is not None:
        await asyncio.to_thread(installation.valkey.start)
    for instance in installation.instances:
        if not instance.running:
            await installation.start_again(instance)
