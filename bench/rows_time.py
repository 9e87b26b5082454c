"""A quiet account over hours and days of simulated time: what simulating costs, and what the account asks for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from bench.figures import Figure, Scale, figure, median
from holdfast.testing import run_virtual
from tests.runtime.test_supervisor_kraken import scene
from tests.scenarios.world import world

__all__ = ["reads", "virtual"]

_DAY_S = 86_400.0
_READS_PER_HOUR = 60.0
_REPEATS = 5


def virtual(scale: Scale) -> list[Figure]:
    """The real client and the real venue code, nothing happening but heartbeats; the floor is a timer for each."""
    return [
        _simulated(scale, "a day, every heartbeat", days=1, every_s=1.0, within_s=3.0),
        _simulated(scale, "a week, coalesced", days=7, every_s=4.0, within_s=10.0),
    ]


def _simulated(scale: Scale, case: str, *, days: int, every_s: float, within_s: float) -> Figure:
    whole_s = days * _DAY_S
    # A quick run simulates a part and reports it as the whole.
    length_s = 600.0 if scale.is_quick else whole_s
    share = length_s / whole_s

    async def floor() -> float:
        began_s = time.process_time()
        for _ in range(int(length_s / every_s)):
            await asyncio.sleep(every_s)
        return time.process_time() - began_s

    async def ours() -> float:
        async with world(seed=1, heartbeats=every_s == 1.0) as quiet:
            await quiet.converged()
            quiet.checker.unwatch()  # The judge of scenarios is no part of what is measured.
            began_s = time.process_time()
            await asyncio.sleep(length_s)
            return time.process_time() - began_s

    floor_s: list[float] = []
    ours_s: list[float] = []
    for _ in range(scale.of(_REPEATS, 1)):
        floor_s.append(run_virtual(floor(), seed=1) / share)
        ours_s.append(run_virtual(ours(), seed=1) / share)
    return figure(
        "virtual",
        case,
        unit="CPU s",
        floor=median(floor_s),
        ours=median(ours_s),
        goal=f"≤ {within_s:g} s",
        is_met=median(ours_s) <= within_s,
    )


def reads(scale: Scale) -> list[Figure]:
    """Private REST calls in an hour of a quiet account; the floor is one complete read a minute."""
    per_hour = run_virtual(_reads(scale.of(5, 1)), seed=1)
    return [
        figure(
            "reads",
            "quiet account",
            unit="calls/h",
            floor=_READS_PER_HOUR,
            ours=median(per_hour),
            goal="ratio ≤ 1.2",
            is_met=median(per_hour) <= 1.2 * _READS_PER_HOUR,
        )
    ]


async def _reads(hours: int) -> list[float]:
    async with scene() as quiet:
        await quiet.live()
        backend: Any = quiet.broker._backend
        client = backend.supervisor._client
        asked = 0
        pass_on: Callable[..., Any] = client._http.request

        async def request(call: Any, *, deadline_s: float) -> Any:
            nonlocal asked
            asked += "/private/" in call.url
            return await pass_on(call, deadline_s=deadline_s)

        client._http.request = request
        per_hour = []
        for _ in range(hours):
            before = asked
            await asyncio.sleep(3600)
            per_hour.append(float(asked - before))
        return per_hour
