"""``python -m deskbell.testing.faults``: break an installation of one's own for a while, and say what came of it."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from deskbell.testing.faults.checker import Broken, check
from deskbell.testing.faults.history import Store, written
from deskbell.testing.faults.instances import Installation
from deskbell.testing.faults.plans import PLANS
from deskbell.testing.faults.rig import Size, Verdict, run
from deskbell.testing.servers import ServerFailed

SHOWN = 20


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m deskbell.testing.faults",
        description="Start instances, PostgreSQL and Valkey, break them, and check that every promise was kept.",
        epilog="Plans: " + "; ".join(f"{name}: {(plan.__doc__ or '').splitlines()[0]}" for name, plan in PLANS.items()),
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long to break things (default: 60)")
    parser.add_argument("--seed", type=int, help="repeats the faults of an earlier run (default: a new one)")
    parser.add_argument("--instances", type=int, default=3, help="how many `deskbell serve` (default: 3)")
    parser.add_argument("--plan", choices=sorted(PLANS), default="all", help="what to break (default: all)")
    parser.add_argument("--no-redis", action="store_true", help="without a Valkey between the instances")
    parser.add_argument("--long", action="store_true", help="longer faults: stops of 20 s, outages of 60 s")
    parser.add_argument("--members", type=int, default=Size.members, help="people who talk")
    parser.add_argument("--rooms", type=int, default=Size.rooms, help="rooms they talk in")
    parser.add_argument("--listeners", type=int, default=0, help="people who only listen, one socket each")
    parser.add_argument("--folder", type=Path, help="where history, store and logs go (default: a new one in /tmp)")
    parser.add_argument("--check", type=Path, metavar="FOLDER", help="judge an earlier run, and do nothing else")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every promise was kept. 1: some was broken; they are printed. 2: nothing could be judged."""
    options = _options(arguments)
    try:
        return _checked(options.check) if options.check is not None else _run(options)
    except (ServerFailed, OSError) as error:
        _say(f"Nothing can be judged. {error}")
        return 2


def _checked(folder: Path) -> int:
    entries = written((folder / "history.jsonl").read_bytes().splitlines())
    store = msgspec.json.decode((folder / "store.json").read_bytes(), type=Store)
    return _told(check(entries, store))


def _run(options: argparse.Namespace) -> int:
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="deskbell-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    _say(f"seed {seed}, plan {options.plan}, {options.seconds:g} s, written to {folder}")
    began = time.monotonic()
    verdict = asyncio.run(_broken(options, seed, folder))
    for name, figure in verdict.figures.items():
        _say(f"{name:>20}  {figure}")
    _say(f"{'seconds':>20}  {time.monotonic() - began:.0f}")
    return _told(verdict.broken)


async def _broken(options: argparse.Namespace, seed: int, folder: Path) -> Verdict:
    size = Size(members=options.members, rooms=options.rooms, listeners=options.listeners)
    chance = random.Random(seed)
    redis = not options.no_redis
    async with Installation.open(options.instances, chance, redis=redis, folder=folder) as installation:
        return await run(
            installation,
            PLANS[options.plan],
            seconds=options.seconds,
            seed=seed,
            size=size,
            long=options.long,
            folder=folder,
        )


def _told(broken: Sequence[Broken]) -> int:
    if not broken:
        _say("Every promise was kept.")
        return 0
    _say(f"{len(broken)} times a promise was broken:")
    for one in broken[:SHOWN]:
        _say(f"  {one}")
    if len(broken) > SHOWN:
        _say(f"  and {len(broken) - SHOWN} more")
    return 1


if __name__ == "__main__":
    sys.exit(main())
