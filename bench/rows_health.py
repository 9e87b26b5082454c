"""What it costs to make a call through a breaker while all is well, which is nearly always."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from time import clock_gettime

from bench.clients import NOT_INSTALLED
from bench.figures import Figure, Scale, cost_figure, median
from holdfast.core.breakers import BreakerSettings
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.vitals import Capability

__all__ = ["guarded"]

_SLOW_S = 4.0
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

Call = Callable[[], Awaitable[object]]


def guarded(scale: Scale) -> list[Figure]:
    """
    One async call that does nothing, through a closed breaker that times it, less the same call made directly.

    The floor is a guard that does only that: look whether it is closed, read the clock before and after, compare, and
    count what is raised. circuitbreaker's has no slow calls, and is its decorator as users put it.
    """
    calls, repeats = scale.of(100_000, 500), scale.repeats
    clock = SystemClock()
    capability = Capability(
        "read",
        BreakerSettings(slow_call_s=_SLOW_S),
        broker="bench",
        clock=clock,
        randomness=random.Random(1),
        on_change=lambda capability, now_s: None,
        is_upheld=lambda: False,
    )

    async def call() -> object:
        return None

    failures = 0
    is_open = False

    async def floor() -> object:
        nonlocal failures
        if is_open:
            raise RuntimeError("open")
        began_s = clock_gettime(_CLOCK)
        try:
            answer = await call()
        except OSError:
            failures += 1
            raise
        if clock_gettime(_CLOCK) - began_s >= _SLOW_S:
            failures += 1
        elif failures:
            failures = 0
        return answer

    guard = capability.guard

    async def ours() -> object:
        return await guard(call)

    steps: dict[str, Call] = {"bare": call, "floor": floor, "ours": lambda: guard(call)}
    peer = _peer(call)
    if peer is not None:
        steps["circuitbreaker"] = peer
    took_us = asyncio.run(_beside(steps, calls=calls, repeats=repeats))
    bare = took_us.pop("bare")
    own = {name: each - bare for name, each in took_us.items()}
    return [
        cost_figure(
            "guarded",
            "async call through a closed breaker, with slow-call timing",
            unit="µs",
            floor=max(own["floor"], 0.001),
            ours=max(own["ours"], 0.001),
            at_most=2.0,
            peers={"circuitbreaker": own.get("circuitbreaker", NOT_INSTALLED)},
            facts={"bare_call_us": bare},
        )
    ]


def _peer(call: Call) -> Call | None:
    try:
        from circuitbreaker import CircuitBreaker
    except ImportError:
        return None
    decorated: Call = CircuitBreaker(failure_threshold=3, recovery_timeout=5)(call)
    return decorated


async def _beside(steps: dict[str, Call], *, calls: int, repeats: int) -> dict[str, float]:
    """Median microseconds per awaited call of each step, one after the other in every repeat. Never suspends."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        await step()
    for _ in range(repeats):
        for name, step in steps.items():
            began_ns = time.thread_time_ns()
            for _ in range(calls):
                await step()
            times[name].append((time.thread_time_ns() - began_ns) / calls / 1000)
    return {name: median(each) for name, each in times.items()}
