"""
Two hundred simulated days with every heartbeat, ten weeks with idle ones coalesced, a hundred seeds of each family.

    python -m tests.soak days

Invariants are judged as in ``tests.scenarios``; a scenario that fails names its seed and how to run it again. Times are
real seconds of one processor's work, several scenarios beside each other.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.scenarios.runner import SHORT, Result, run_many
from tools.evidence import FOLDER, evidence

__all__ = ["ScenariosBrokenError", "main"]

_DAY_WITHIN_S: Final = 3.0
_WEEK_WITHIN_S: Final = 10.0
_INVARIANTS: Final = ("P1", "I2", "I3", "I4", "I5", "I6", "I7", "I12", "I14", "I15", "I16", "P10")
_TELL_EVERY_S: Final = 20.0


class ScenariosBrokenError(AssertionError):
    """An invariant did not hold, or simulated time is too slow."""


def main(
    *,
    quick: bool = False,
    folder: Path = FOLDER,
    told: Callable[[str], None],
    counts: tuple[int, int, int] | None = None,
) -> str:
    """
    Measure and write the evidence; one line of figures. Raises where an invariant or a time does not hold.

    *counts* are days, weeks and seeds of each family, where neither the full nor the quick ones are wanted.
    """
    days, weeks, seeds = counts or ((4, 2, 3) if quick else (200, 10, 100))
    with evidence("scenarios", seeds=range(seeds), folder=folder) as figures:
        results: list[Result] = []
        for families, count in ((("day",), days), (("week",), weeks), (SHORT, seeds)):
            results += _run(families, count, told)
            figures["families"] = {
                family: _row([each for each in results if each.family == family])
                for family in dict.fromkeys(each.family for each in results)
            }
        failed = [each for each in results if each.failure is not None]
        figures["invariants_broken"] = {name: _broken(failed, name) for name in _INVARIANTS}
        figures["failed"] = [f"{each.family} seed {each.seed}: {each.failure}; {each.replay()}" for each in failed]
        day_s, week_s = (figures["families"][family]["median_cpu_s"] for family in ("day", "week"))
        figures["a_day_at_most_s"] = _DAY_WITHIN_S
        figures["a_week_at_most_s"] = _WEEK_WITHIN_S
        if failed:
            raise ScenariosBrokenError(f"{len(failed)} of {len(results)} failed, the first: {figures['failed'][0]}")
        if day_s > _DAY_WITHIN_S or week_s > _WEEK_WITHIN_S:
            raise ScenariosBrokenError(f"a day takes {day_s} s of a processor, a week {week_s} s")
    return (
        f"{days} days ({day_s:.2f} s each, bound {_DAY_WITHIN_S:.0f} s), {weeks} weeks ({week_s:.2f} s each, bound "
        f"{_WEEK_WITHIN_S:.0f} s), {len(SHORT)} families × {seeds} seeds: every invariant held"
    )


def _run(families: tuple[str, ...], count: int, told: Callable[[str], None]) -> list[Result]:
    start_s = told_s = time.monotonic()
    total = len(families) * count
    done = failed = 0

    def on_result(result: Result) -> None:
        nonlocal done, failed, told_s
        done += 1
        failed += result.failure is not None
        now_s = time.monotonic()
        if result.failure is not None:
            told(f"{result.family} seed {result.seed}: {result.failure}; {result.replay()}")
        if now_s - told_s > _TELL_EVERY_S or done == total:
            told_s = now_s
            left_s = (now_s - start_s) / done * (total - done)
            told(
                f"{', '.join(families[:3])}{'…' if len(families) > 3 else ''}: {done} of {total}, {left_s:.0f} s to go"
            )

    return run_many(families, range(count), workers=2, on_result=on_result)


def _row(results: list[Result]) -> dict[str, Any]:
    took = sorted(each.took_s for each in results)
    return {
        "seeds": len(results),
        "failed": sum(each.failure is not None for each in results),
        "median_s": round(statistics.median(took), 3),
        "median_cpu_s": round(statistics.median(each.cpu_s for each in results), 3),
        "slowest_s": round(took[-1], 3),
        "longest_healing_s": max((each.converged_s or 0.0 for each in results), default=0.0),
    }


def _broken(failed: list[Result], invariant: str) -> int:
    return Counter(f"{invariant} at " in (each.failure or "") for each in failed)[True]
