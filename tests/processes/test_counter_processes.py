"""Several processes with one key stay within the venue's counter together; alone with their own they would not."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from holdfast.simulators.core.clock import SystemClock
from holdfast.simulators.core.journal import Journal
from holdfast.simulators.core.server import serve_simulator
from holdfast.simulators.kraken import KrakenSimSettings, KrakenSimulator

_CALLER = """
import asyncio, json, sys
from pathlib import Path
from holdfast.core.credentials import Credential
from holdfast.errors import HoldfastError
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.counters import SharedCounter
from holdfast.runtime.lane import FileLane
from holdfast.runtime.wire import AiohttpWire
from holdfast.venues.kraken import KRAKEN

async def main():
    work = json.loads(sys.argv[1])
    clock = SystemClock()
    folder = Path(work["folder"])
    options = {"must_be_simulator": True, "rate_tier": "starter"}
    if work["shares"]:
        options["counter"] = lambda **facts: SharedCounter(folder / "counter", **facts)
    wire = AiohttpWire(clock=clock)
    client = KRAKEN.client(
        http=wire, lane=FileLane(folder / "lane", clock=clock), clock=clock, emit=lambda event: None,
        credential=Credential(venue="kraken", key=work["key"], secret=work["secret"]),
        rest_url=work["address"], account="counted", options=options,
    )
    await client.server_time()
    taken = 0
    async def call():
        nonlocal taken
        try:
            await client.read_balances("Balance")
            taken += 1
        except HoldfastError:
            pass
    await client.load()
    await asyncio.gather(*(call() for _ in range(work["calls"])))
    await client.close()
    await wire.close()
    print(taken)

asyncio.run(main())
"""


async def _race(folder: Path, *, shares: bool, processes: int = 3, calls: int = 8) -> tuple[int, int]:
    """Let *processes* make *calls* calls each, all at once; how many were taken, and refused for the counter."""
    folder.mkdir()
    clock = SystemClock()
    venue = KrakenSimulator(
        seed=0, clock=clock, timers=asyncio.get_running_loop(), settings=KrakenSimSettings(tier="starter")
    )
    journal = Journal(clock, describe_frame=venue.describe_frame)
    async with serve_simulator(venue, clock=clock, journal=journal) as served:
        credential = venue.credentials()[0]
        work = {
            "folder": str(folder),
            "shares": shares,
            "key": credential["key"],
            "secret": credential["secret"],
            "address": served.rest,
            "calls": calls,
        }
        callers = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", _CALLER, json.dumps(work), stdout=asyncio.subprocess.PIPE
            )
            for _ in range(processes)
        ]
        outputs = await asyncio.gather(*(caller.communicate() for caller in callers))
        assert [caller.returncode for caller in callers] == [0] * processes
    verdicts = [each["outcome"] or "" for each in journal.since(kinds=("verdict",))["entries"]]
    return sum(int(out) for out, _ in outputs), sum("Rate limit" in each for each in verdicts)


@pytest.mark.timeout(90)
async def test_processes_that_share_the_counter_are_never_refused_for_it(tmp_path: Path) -> None:
    taken, refused = await _race(tmp_path / "shared", shares=True)
    assert refused == 0
    assert 12 <= taken <= 16  # What fits into 15 points, less 3 for the more urgent, and a few seconds' decay.


@pytest.mark.timeout(90)
async def test_processes_that_count_alone_are_refused(tmp_path: Path) -> None:
    _, refused = await _race(tmp_path / "alone", shares=False)
    assert refused > 0
