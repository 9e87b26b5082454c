"""Callers that share one key of a venue with nonce window 0: how many calls are refused, and what a call takes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import tempfile
import time
from pathlib import Path

from bench.clients import NOT_INSTALLED, interpreter
from bench.figures import Figure, Scale, figure, median
from tests.clients.nonce_race import STYLES, run_race
from tests.processes.nonce_race import start_worker
from tests.processes.nonce_worker import Connection, Work
from tests.processes.strict_venue import StrictVenue

__all__ = ["nonces"]

_PROCESSES = 4
_REPEATS = 5
_WITHIN_S = 120.0  # A lane that hangs shall not hang the run.


def nonces(scale: Scale) -> list[Figure]:
    """4, 16 and 64 callers in four processes; the floor is one caller that has nobody to agree with."""
    return [_race(scale, callers) for callers in ((4,) if scale.is_quick else (4, 16, 64))]


def _race(scale: Scale, callers: int) -> Figure:
    calls = scale.of(200, 20)
    floor_ms: list[float] = []
    ours_ms: list[float] = []
    refused = arrived = 0
    for seed in range(scale.of(_REPEATS, 1)):
        floor_ms.append(asyncio.run(_lone_ms(calls, seed)))
        took_ms, of_them, arrivals = asyncio.run(_together(calls, callers, seed))
        ours_ms.append(took_ms)
        refused += of_them
        arrived += arrivals
    return figure(
        "nonces",
        f"{callers} callers",
        unit="ms/call",
        floor=median(floor_ms),
        ours=median(ours_ms),
        goal="refused = 0",
        is_met=refused == 0,
        peers={f"{client} refused": _peer(scale, client, callers) for client in STYLES},
        facts={"refused": refused, "calls": arrived},
    )


async def _lone_ms(calls: int, seed: int) -> float:
    """One plain connection with a counter."""
    counter = itertools.count(time.time_ns() // 1000)
    async with StrictVenue(seed=seed) as venue, Connection(venue.address) as connection:
        began_s = time.perf_counter()
        for _ in range(calls):
            await connection.ask("POST", "/0/private/Balance", f"nonce={next(counter)}")
        return (time.perf_counter() - began_s) / calls * 1000


async def _together(calls: int, callers: int, seed: int) -> tuple[float, int, int]:
    """Callers that share a lane: milliseconds per accepted call, how many were refused, how many arrived."""
    processes = min(_PROCESSES, callers)
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        async with StrictVenue(seed=seed) as venue, contextlib.AsyncExitStack() as stack:
            work = Work(lane=str(Path(folder) / "lane"), address=venue.address, tasks=callers // processes)
            workers = await asyncio.gather(*(start_worker(work, stack) for _ in range(processes)))
            first = venue.taken
            began_s = time.perf_counter()
            async with asyncio.timeout(_WITHIN_S):
                await venue.until_taken(first + calls)
            took_s = time.perf_counter() - began_s
            taken = venue.taken - first
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            for worker in workers:
                await worker.communicate()
                if worker.returncode:
                    raise RuntimeError(f"a caller ended with {worker.returncode}; its error is on stderr")
            return took_s / taken * 1000, len(venue.refused), len(venue.journal)


def _peer(scale: Scale, client: str, callers: int) -> float | str:
    """The share of a peer's calls that was refused, 0 to 1."""
    if interpreter(client) is None:
        return NOT_INSTALLED
    result = run_race(client, callers=callers, calls=scale.of(600, 16), style=STYLES[client][0], processes=_PROCESSES)
    return result.refused_share
