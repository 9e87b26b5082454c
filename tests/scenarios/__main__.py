"""``python -m tests.scenarios``: many seeds with a progress bar, or one again."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.scenarios.families import FAMILIES
from tests.scenarios.runner import SHORT, Result, commit, run_many, run_one
from tests.scenarios.venues import PLAYS


def main() -> int:
    """Run what was asked for; 1 where a scenario failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="seeds 0 to N-1 of each family")
    parser.add_argument("--first", type=int, default=0, help="the first seed instead of 0")
    parser.add_argument("--family", action="append", choices=sorted(FAMILIES), help="only these; may be repeated")
    parser.add_argument("--seed", type=int, help="run this one seed again, and hash what reached the client")
    parser.add_argument("--workers", type=int, help="processes; one per processor")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    parser.add_argument("--venue", choices=tuple(PLAYS), default="kraken", help="the venue it is played at")
    asked = parser.parse_args()
    families = tuple(asked.family or SHORT)
    if asked.seed is not None:
        results = [run_one(family, asked.seed, keeps_digest=True, venue=asked.venue) for family in families]
        for result in results:
            print(msgspec.json.encode(result).decode())
    else:
        results = _many(families, range(asked.first, asked.first + asked.seeds), asked)
    return 1 if any(result.failure for result in results) else 0


def _many(families: tuple[str, ...], seeds: range, asked: argparse.Namespace) -> list[Result]:
    start = time.perf_counter()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("scenarios", total=len(families) * len(seeds))

        def on_result(result: Result) -> None:
            progress.advance(task)
            if result.failure:
                console.print(f"{result.family} seed {result.seed} at {commit()}: {result.failure}", markup=False)
                console.print(f"  again: {result.replay()}", markup=False)

        results = run_many(families, seeds, workers=asked.workers, on_result=on_result, venue=asked.venue)
    rows = [_row(family, [result for result in results if result.family == family]) for family in families]
    took_s = time.perf_counter() - start
    if asked.output == "json":
        print(msgspec.json.encode({"commit": commit(), "took_s": round(took_s, 1), "families": rows}).decode())
    else:
        print(f"{'family':10} {'seeds':>6} {'failed':>7} {'median s':>9} {'longest healing s':>18}")
        for row in rows:
            print(
                f"{row['family']:10} {row['seeds']:6} {row['failed']:7} {row['median_s']:9.2f}"
                f" {row['converged_s']:18.1f}"
            )
        failed = sum(row["failed"] for row in rows)
        print(f"{len(results) - failed} passed, {failed} failed in {took_s:.0f} s at {commit()}")
    return results


def _row(family: str, results: list[Result]) -> dict[str, Any]:
    return {
        "family": family,
        "seeds": len(results),
        "failed": sum(result.failure is not None for result in results),
        "median_s": round(statistics.median(result.took_s for result in results), 3),
        "converged_s": max((result.converged_s or 0.0 for result in results), default=0.0),
    }


if __name__ == "__main__":
    sys.exit(main())
