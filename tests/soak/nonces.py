"""
The nonce figures in full: eight processes with four callers each on one key, kills and clock steps, two venues.

    python -m tests.soak.nonces --calls 20000

The strict venue is the least that can refuse a nonce; the simulated Kraken is called by the real client over the real
wire. Beside them ccxt, where its environment stands, with as many callers and the same jitter.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from holdfast.core.seams import Priority
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.lane import FileLane
from tests.clients.environments import MissingEnvironmentError
from tests.clients.nonce_race import race as race_of_client
from tests.processes.nonce_race import race
from tools.evidence import FOLDER, evidence

__all__ = ["main"]

PROCESSES = 8
TASKS = 4
CCXT_CALLS = 2_000


class NoncesRefusedError(AssertionError):
    """A figure that has to be 0 is not."""


async def measure(figures: dict[str, Any], *, calls: int, kills: int, seed: int, venues: list[str]) -> None:
    """Fill *figures*; raises where a promise does not hold."""
    with tempfile.TemporaryDirectory(prefix="hf-nonces-") as folder:
        figures["uncontended_us"] = await uncontended(Path(folder))
        say("uncontended", figures["uncontended_us"])
        for venue in venues:
            place = Path(folder) / venue
            place.mkdir()
            result = await race(
                place,
                calls=calls,
                processes=PROCESSES,
                tasks=TASKS,
                kills=kills,
                seed=seed,
                is_simulator=venue == "simulated-kraken",
                told=partial(tell, calls, time.monotonic()),
            )
            figures[venue] = msgspec.to_builtins(result)
            say(venue, figures[venue])
    try:
        ccxt = await race_of_client(
            "ccxt", callers=PROCESSES * TASKS, processes=PROCESSES, calls=min(calls, CCXT_CALLS)
        )
        figures["ccxt"] = msgspec.to_builtins(ccxt)
    except MissingEnvironmentError:
        figures["ccxt"] = "not run: its environment is missing, `make clients` builds it"
    say("ccxt", figures["ccxt"])
    for venue in venues:
        if figures[venue]["refused"]:
            raise NoncesRefusedError(f"{venue} refused {figures[venue]['refused']} nonces of living senders")
        if figures[venue]["failures"]:
            raise NoncesRefusedError(f"{venue}: callers failed: {figures[venue]['failures']}")
        if figures[venue]["farthest_ahead_s"] > 2.0:
            raise NoncesRefusedError(f"{venue}: a nonce was {figures[venue]['farthest_ahead_s']} s ahead of the venue")


async def uncontended(folder: Path, *, turns: int = 2_000) -> dict[str, float]:
    """Microseconds of a turn that nobody else wants, on the real disk: entering, taking, leaving; and their medians."""
    lane = FileLane(folder / "lane-alone", clock=SystemClock())
    enters, takes, leaves = [], [], []
    for _ in range(turns):
        began = time.perf_counter()
        async with lane.turn(priority=Priority.ORDER) as turn:
            entered = time.perf_counter()
            await turn.take()
            taken = time.perf_counter()
        left = time.perf_counter()
        enters.append(entered - began)
        takes.append(taken - entered)
        leaves.append(left - taken)
    return {
        f"{name}_{label}": round(sorted(values)[int(len(values) * at)] * 1e6, 1)
        for name, values in (("enter", enters), ("take", takes), ("leave", leaves))
        for label, at in (("p50", 0.5), ("p99", 0.99))
    }


def tell(calls: int, began_s: float, taken: int) -> None:
    """How far it is, for whoever waits."""
    sys.stderr.write(f"  {taken} of {calls} calls, {time.monotonic() - began_s:.0f} s\n")


def say(name: str, figures: object) -> None:
    """One figure, for a reader."""
    print(f"{name}: {msgspec.json.encode(figures).decode()}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """The command line: prints figures, writes the evidence, exits with 1 where a promise does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.nonces", description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000, help="accepted nonces per venue")
    parser.add_argument("--kills", type=int, default=20, help="workers killed per venue, and replaced")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--venue", choices=["strict", "simulated-kraken", "both"], default="both")
    parser.add_argument("--evidence", type=Path, default=FOLDER, help="folder of the result file")
    given = parser.parse_args(arguments)
    venues = ["strict", "simulated-kraken"] if given.venue == "both" else [given.venue]
    try:
        with evidence("nonces-8-processes", seeds=[given.seed], folder=given.evidence) as figures:
            work = measure(figures, calls=given.calls, kills=given.kills, seed=given.seed, venues=venues)
            asyncio.run(work)
    except NoncesRefusedError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
