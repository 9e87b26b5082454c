"""Run scenarios: one, or many over the machine's processors, with a line for each that failed."""

from __future__ import annotations

import concurrent.futures
import gc
import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from holdfast.testing import run_virtual
from tests.scenarios.families import FAMILIES, run_family
from tests.scenarios.venues import played_at

__all__ = ["LONG", "SHORT", "Result", "commit", "run_many", "run_one"]

LONG = ("day", "week")
SHORT = tuple(name for name in FAMILIES if name not in LONG)
"""Families that are played at every venue."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """
    What one scenario came to: ``failure`` is None where every invariant held.

    ``took_s`` is real time, ``cpu_s`` this process's own: the same on an idle machine, and on a busy one what counts.
    """

    family: str
    seed: int
    venue: str = "kraken"
    failure: str | None
    took_s: float
    cpu_s: float
    converged_s: float | None
    figures: dict[str, Any]

    def replay(self) -> str:
        """The command that runs exactly this again."""
        where = "" if self.venue == "kraken" else f" --venue {self.venue}"
        return f"python -m tests.scenarios --family {self.family} --seed {self.seed}{where}"


def run_one(family: str, seed: int, *, keeps_digest: bool = False, venue: str = "kraken") -> Result:
    """Run one scenario on virtual time. Never raises for what the scenario finds."""
    # A week makes millions of short-lived objects and keeps few: looking for cycles less often is a sixth of its time.
    gc.set_threshold(50_000, 20, 20)
    start, cpu = time.perf_counter(), time.process_time()
    try:
        with played_at(venue):
            running = run_family(family, seed, keeps_digest=keeps_digest)
            figures = run_virtual(running, seed=seed, horizon_s=40 * 86_400)
        failure = None
    except Exception as error:  # The top of a scenario: whatever broke is its result.
        figures = {}
        failure = "; ".join(_leaves(error))
    return Result(
        family=family,
        seed=seed,
        venue=venue,
        failure=failure,
        took_s=time.perf_counter() - start,
        cpu_s=time.process_time() - cpu,
        converged_s=figures.get("converged_s"),
        figures=figures,
    )


def _leaves(error: BaseException) -> Iterator[str]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield f"{type(error).__name__}: {error}"


def run_many(
    families: Iterable[str],
    seeds: Iterable[int],
    *,
    workers: int | None = None,
    on_result: Callable[[Result], None],
    venue: str = "kraken",
) -> list[Result]:
    """Run every family with every seed, *workers* at a time (one per processor when None); *on_result* is told each."""
    jobs = [(family, seed) for seed in seeds for family in families]
    count = workers or os.cpu_count() or 1
    results: list[Result] = []
    if count == 1 or len(jobs) == 1:
        for family, seed in jobs:
            results.append(run_one(family, seed, venue=venue))
            on_result(results[-1])
        return results
    # Spawned, not forked: a scenario starts from a clean interpreter, as its replay will.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(max_workers=count, mp_context=context) as pool:
        for future in concurrent.futures.as_completed(pool.submit(run_one, *job, venue=venue) for job in jobs):
            results.append(future.result())
            on_result(results[-1])
    return results


def commit() -> str:
    """The commit that is being run, with a mark where files differ from it."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
