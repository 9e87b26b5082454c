"""
One of three venues fails under load and heals, 1,000 seeds: orders move in time, none is doubled, none is lost.

    python -m tests.soak failover

Virtual time; a simulated Kraken, Coinbase and OKX under one desk, with their own records as the judge
(``tests.scenarios.failover``).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.scenarios.failover_judge import MOVES_WITHIN_S
from tests.scenarios.runner import Result, run_many
from tools.evidence import FOLDER, evidence

__all__ = ["FailoverBrokenError", "main", "summed"]

_TELL_EVERY_S: Final = 20.0
_LONGEST: Final = ("longest_move_s", "longest_return_s")


class FailoverBrokenError(AssertionError):
    """An order was doubled, lost or sent to a venue that had failed; or flow did not return, or did not stay."""


def main(*, quick: bool = False, folder: Path = FOLDER, told: Callable[[str], None], seeds: int | None = None) -> str:
    """Measure and write the evidence; one line of figures. Raises where the promise does not hold."""
    count = seeds or (16 if quick else 1_000)
    with evidence("failover", seeds=range(count), folder=folder) as figures:
        results = _run(count, told)
        failed = [each for each in results if each.failure is not None]
        figures["failed"] = [f"seed {each.seed}: {each.failure}; {each.replay()}" for each in failed]
        figures["moves_within_s"] = MOVES_WITHIN_S
        figures["failover"] = found = summed(results)
        if failed:
            raise FailoverBrokenError(f"{len(failed)} of {len(results)} failed, the first: {figures['failed'][0]}")
    return (
        f"{count} seeds: {found['intents']} intents, {found['placed']} placed, {found['in_doubt']} in doubt and "
        f"resolved, {found['denied']} denied, none doubled, none lost; moved within {found['longest_move_s']:.1f} s"
    )


def summed(results: list[Result]) -> dict[str, Any]:
    """The figures of many runs as one."""
    counts: Counter[str] = Counter()
    longest = dict.fromkeys(_LONGEST, 0.0)
    by_kind: Counter[str] = Counter()
    for result in results:
        for name, value in result.figures.get("failover", {}).items():
            if name in longest:
                longest[name] = max(longest[name], value)
            else:
                counts[name] += value
        if "kind" in result.figures:
            by_kind[f"{result.figures['kind']} at {result.figures['venue']}"] += 1
    return {
        **counts,
        **{name: round(value, 3) for name, value in longest.items()},
        "outages_by_kind_and_venue": dict(sorted(by_kind.items())),
        "cpu_s": round(sum(each.cpu_s for each in results), 1),
    }


def _run(seeds: int, told: Callable[[str], None]) -> list[Result]:
    start_s = told_s = time.monotonic()
    done = failed = 0

    def on_result(result: Result) -> None:
        nonlocal done, failed, told_s
        done += 1
        failed += result.failure is not None
        now_s = time.monotonic()
        if result.failure is not None:
            told(f"seed {result.seed}: {result.failure}; {result.replay()}")
        if now_s - told_s > _TELL_EVERY_S or done == seeds:
            told_s = now_s
            left_s = (now_s - start_s) / done * (seeds - done)
            told(f"failover: {done} of {seeds}, {failed} failed, {left_s:.0f} s to go")

    return run_many(("failover",), range(seeds), workers=2, on_result=on_result)
