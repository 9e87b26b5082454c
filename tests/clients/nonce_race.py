"""
How many nonces other people's clients lose on one shared key: their real figure, counted by the venue.

Callers in several processes share one key of a strict venue (nonce window 0). Every request takes a seeded, uniform
0 to 5 ms to arrive, as over a network. The venue's journal is the judge: a refused nonce is a verdict
``EAPI:Invalid nonce``. Run it from the checkout::

    python -m tests.clients.nonce_race --client ccxt --callers 4 16 64 --calls 2000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any, Final

import msgspec

from holdfast.simulators.core.clock import SystemClock
from holdfast.simulators.core.journal import Journal
from holdfast.simulators.core.server import serve_simulator
from holdfast.simulators.kraken import KrakenSimSettings, KrakenSimulator
from tests.clients.environments import ROOT, child_environment, python_of

__all__ = ["STYLES", "RaceResult", "race", "run_race"]

STYLES: Final = {"ccxt": ("tasks", "threads"), "python-kraken-sdk": ("tasks", "threads"), "krakenex": ("threads",)}
"""Per client, how one process holds several callers: tasks of its asynchronous client, threads of its blocking one."""

_INVALID_NONCE: Final = "EAPI:Invalid nonce"


class RaceResult(msgspec.Struct, frozen=True, kw_only=True):
    """One race as the venue saw it. ``refused_share`` is refused / calls."""

    client: str
    style: str
    callers: int
    processes: int
    jitter_s: float
    calls: int
    refused: int
    refused_share: float
    verdicts: dict[str, int]
    elapsed_s: float


async def race(
    client: str,
    *,
    callers: int,
    calls: int,
    style: str = "tasks",
    processes: int = 4,
    jitter_s: float = 0.005,
    seed: int = 1,
) -> RaceResult:
    """
    Let *callers* callers make about *calls* calls in all. Suspends until the last has its answer.

    Args:
        client: A name of ``STYLES``.
        style: One of the client's styles.
        processes: Over how many processes the callers are spread, at most one each.
        jitter_s: Upper bound of the seeded time a request takes to arrive.

    Raises:
        MissingEnvironmentError: The client is not installed.
    """
    if style not in STYLES[client]:
        raise ValueError(f"{client} has no {style}; it has {', '.join(STYLES[client])}")
    python = python_of(client)
    processes = min(processes, callers)
    clock = SystemClock()
    # Nothing but the nonce decides: a rate limit would refuse calls whose nonce was good.
    settings = KrakenSimSettings(nonce_window=0, are_calls_counted=False)
    venue = KrakenSimulator(seed=seed, clock=clock, timers=asyncio.get_running_loop(), settings=settings)
    journal = Journal(clock, describe_frame=venue.describe_frame, max_entries=4 * calls + 1000)
    async with serve_simulator(venue, clock=clock, journal=journal) as served:
        if jitter_s:
            served.plan.add({"kind": "rest", "action": {"do": "delay", "low_s": 0.0, "high_s": jitter_s}})
        credential = venue.credentials()[0]
        order = {
            "client": client,
            "style": style,
            "rest": served.rest,
            "key": credential["key"],
            "secret": credential["secret"],
            "calls": -(-calls // callers),
        }
        shares = [callers // processes + (index < callers % processes) for index in range(processes)]
        elapsed_s = await _run_callers(str(python), [{**order, "callers": share} for share in shares])
        verdicts = Counter(entry["outcome"] for entry in journal.since()["entries"] if entry["kind"] == "verdict")
    total = sum(verdicts.values())
    refused = verdicts[_INVALID_NONCE]
    return RaceResult(
        client=client,
        style=style,
        callers=callers,
        processes=processes,
        jitter_s=jitter_s,
        calls=total,
        refused=refused,
        refused_share=round(refused / total, 4) if total else 0.0,
        verdicts=dict(verdicts),
        elapsed_s=round(elapsed_s, 2),
    )


async def _run_callers(python: str, orders: list[dict[str, Any]]) -> float:
    """Start every process, let them go together, wait for all; seconds from go to the last answer."""
    started = [
        await asyncio.create_subprocess_exec(
            python,
            "-m",
            "tests.clients.scripts.nonce_caller",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env=child_environment(),
        )
        for _ in orders
    ]
    try:
        for process, order in zip(started, orders, strict=True):
            assert process.stdin is not None
            process.stdin.write(json.dumps(order).encode() + b"\n")
        for process in started:
            assert process.stdout is not None
            if await process.stdout.readline() != b"ready\n":
                raise RuntimeError("a caller did not start; its error is on stderr")
        began = time.monotonic()
        for process in started:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
        codes = [(await process.communicate(), process.returncode)[1] for process in started]
        if any(codes):
            raise RuntimeError(f"callers ended with {codes}; their errors are on stderr")
        return time.monotonic() - began
    finally:
        for process in started:
            if process.returncode is None:
                process.kill()
                await process.wait()


def run_race(client: str, *, callers: int, calls: int, **more: Any) -> RaceResult:
    """``race`` for callers without a loop. Blocks."""
    return asyncio.run(race(client, callers=callers, calls=calls, **more))


def main(arguments: list[str] | None = None) -> int:
    """The command line; prints one JSON object per race."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients.nonce_race", description=__doc__)
    parser.add_argument("--client", choices=list(STYLES), default="ccxt")
    parser.add_argument("--style", choices=["tasks", "threads"])
    parser.add_argument("--callers", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--calls", type=int, default=2000, help="in all, per race")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--jitter-ms", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    for callers in given.callers:
        result = run_race(
            given.client,
            callers=callers,
            calls=given.calls,
            style=given.style or STYLES[given.client][0],
            processes=given.processes,
            jitter_s=given.jitter_ms / 1000,
            seed=given.seed,
        )
        print(msgspec.json.encode(result).decode(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
