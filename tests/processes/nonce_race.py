"""
Many processes on one key: some are killed and started again, some have clocks that are wrong or get stepped.

What the venue refused is counted at the venue. A request whose sender was killed before its answer may arrive after
its successor's and be refused: nobody hears that, and it is what the nonce's fence is for; those are counted apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from tests.processes.nonce_worker import Work
from tests.processes.simulated_venue import SimulatedKraken
from tests.processes.strict_venue import StrictVenue

__all__ = ["ROOT", "RaceResult", "end", "race", "start_worker"]

ROOT = Path(__file__).resolve().parent.parent.parent
HOUR_S = 3600.0
DAY_S = 86_400.0


class RaceResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a race; times in seconds."""

    calls: int  # Arrivals at the venue.
    refused: int  # Of living senders: the figure that counts.
    refused_orphans: int  # Of senders that were killed before their answer.
    kills: int
    took_s: float
    calls_per_s: float
    farthest_ahead_s: float  # Of the venue's clock, over all accepted nonces.
    wait_p50_s: float
    wait_p99_s: float
    wait_max_s: float
    take_p50_s: float
    take_p99_s: float
    least_calls_of_a_survivor: int  # Of workers that lived through the whole race.
    most_calls_of_a_survivor: int
    loop_lag_max_s: float  # Of the venue's own event loop: above a second the machine was elsewhere.
    failures: dict[str, int]  # As the workers saw them.
    events: dict[str, int]


async def start_worker(work: Work, stack: contextlib.AsyncExitStack) -> asyncio.subprocess.Process:
    """Start one worker, that *stack* will end, and wait until it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.processes.nonce_worker",
        msgspec.json.encode(work).decode(),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
    )
    stack.push_async_callback(end, process)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill *process* where it still runs, and close its pipes, which a grandchild may have open too."""
    with contextlib.suppress(ProcessLookupError):
        if process.returncode is None:
            process.kill()
    process._transport.close()  # type: ignore[attr-defined]  # There is no public way.
    await process.wait()


class Lag:
    """How late timers were."""

    def __init__(self) -> None:
        self.max_s = 0.0

    async def watch(self) -> None:
        while True:
            due_s = time.monotonic() + 0.05
            await asyncio.sleep(0.05)
            self.max_s = max(self.max_s, time.monotonic() - due_s)


async def race(
    folder: Path,
    *,
    calls: int,
    processes: int = 8,
    tasks: int = 4,
    kills: int = 4,
    seed: int = 0,
    jitter_s: float = 0.005,
    is_simulator: bool = False,
    told: Callable[[int], None] | None = None,
) -> RaceResult:
    """
    Run workers until *calls* nonces were accepted by the strict venue, or by the simulated Kraken.

    Every second process has a sane clock; of the others some start an hour slow or a day ahead, and some are stepped
    by as much while they run. *kills* of them are killed, evenly over the race, and replaced; the first and the fifth
    live through it all.
    """
    dice = random.Random(seed)
    lane = str(folder / "lane-race")
    killed: set[int] = set()
    kind = SimulatedKraken if is_simulator else StrictVenue
    async with kind(seed=seed, jitter_s=jitter_s) as venue:

        def work(number: int) -> Work:
            wall_off_s, steps = [
                (0.0, ()),
                (0.0, ((0.3, -HOUR_S), (1.5, DAY_S))),
                (0.0, ()),
                (DAY_S, ((1.0, -DAY_S),)),
                (0.0, ()),
                (-HOUR_S, ()),
                (0.0, ()),
                (0.0, ((0.5, DAY_S), (1.0, -DAY_S - HOUR_S))),
            ][number % 8]
            return Work(
                lane=lane,
                address=venue.address,
                key=venue.key,
                secret=venue.secret,
                tasks=tasks,
                wall_off_s=wall_off_s,
                steps=steps,
            )

        began_s = time.monotonic()
        async with contextlib.AsyncExitStack() as stack:
            lag = Lag()
            watching = asyncio.create_task(lag.watch())
            stack.callback(watching.cancel)
            starting = [start_worker(work(number), stack) for number in range(processes)]
            workers = list(await asyncio.gather(*starting))
            survivors = set(workers)
            for step in range(kills):
                await venue.until_taken(calls * (step + 1) // (kills + 1))
                if told is not None:
                    told(venue.taken)
                place = dice.choice([place for place in range(processes) if place % 4])
                victim = workers[place]
                survivors.discard(victim)
                killed.add(victim.pid)
                victim.kill()
                await victim.wait()
                workers[place] = await start_worker(work(place), stack)
            await venue.until_taken(calls)
            if told is not None:
                told(venue.taken)
            took_s = time.monotonic() - began_s
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            reports = {worker: await _report(worker) for worker in workers}
        refused = venue.refused
        waits_s = sorted(wait for report in reports.values() for wait in report["waits_s"])
        takes_s = sorted(take for report in reports.values() for take in report["takes_s"])
        counts = [reports[worker]["calls"] for worker in workers if worker in survivors]
        return RaceResult(
            calls=len(venue.journal),
            refused=sum(arrival.sender not in killed for arrival in refused),
            refused_orphans=sum(arrival.sender in killed for arrival in refused),
            kills=kills,
            took_s=round(took_s, 3),
            calls_per_s=round(len(venue.journal) / took_s, 1),
            farthest_ahead_s=max(arrival.ahead_us for arrival in venue.journal if arrival.is_taken) / 1e6,
            wait_p50_s=_at(waits_s, 0.5),
            wait_p99_s=_at(waits_s, 0.99),
            wait_max_s=_at(waits_s, 1.0),
            take_p50_s=_at(takes_s, 0.5),
            take_p99_s=_at(takes_s, 0.99),
            least_calls_of_a_survivor=min(counts, default=0),
            most_calls_of_a_survivor=max(counts, default=0),
            loop_lag_max_s=round(lag.max_s, 3),
            failures=_sum(report["failures"] for report in reports.values()),
            events=_sum(report["events"] for report in reports.values()),
        )


async def _report(worker: asyncio.subprocess.Process) -> dict[str, Any]:
    assert worker.stdout is not None
    line = await worker.stdout.readline()
    assert await worker.wait() == 0, "a worker failed"
    report: dict[str, Any] = json.loads(line)
    return report


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(total)


def _at(values: list[float], quantile: float) -> float:
    return values[min(len(values) - 1, int(len(values) * quantile))] if values else 0.0
