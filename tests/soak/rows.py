"""
Every row of the fault table, by the scenarios that are named after it, with all their seeds.

    python -m tests.soak rows

In memory on virtual time, over real sockets where only those can show it. The table of rows, scenarios and results goes
into the documentation with it: ``docs/reference/fault-rows.md``.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from tests.scenarios.rows.everything import SCENARIOS
from tests.scenarios.rows.scenario import Outcome, Scenario, run
from tests.scenarios.rows.table import ROWS
from tools.evidence import FOLDER, evidence

__all__ = ["RowsBrokenError", "main", "summed"]

_PAGE: Final = "reference/fault-rows.md"
_TELL_EVERY_S: Final = 20.0
_TEXTS: Final = 4  # Of a text that differs from seed to seed, so many are shown.


class RowsBrokenError(AssertionError):
    """A row does not hold."""


def main(
    *,
    quick: bool = False,
    folder: Path = FOLDER,
    told: Callable[[str], None],
    wanted: Iterable[Scenario] | None = None,
    workers: int = 2,
) -> str:
    """
    Run every scenario and write the evidence; one line of figures. Raises where a row does not hold.

    *wanted* are the scenarios, where not all of them.
    """
    chosen = list(SCENARIOS.values() if wanted is None else wanted)
    if quick and wanted is None:
        chosen = [each for each in chosen if each.sampled]
    seeds = {each.name: range(min(2, each.seeds) if quick else each.seeds) for each in chosen}
    longest = max((len(each) for each in seeds.values()), default=0)
    with evidence("rows", seeds=range(longest), folder=folder) as figures:
        outcomes = _run(chosen, seeds, told, workers=workers)
        failed = [each for each in outcomes if each.failure is not None]
        figures["rows"] = len({each.row for each in chosen})
        figures["scenarios"] = len(chosen)
        figures["runs"] = len(outcomes)
        figures["failed"] = [f"{each.name}, seed {each.seed}: {each.failure}; {each.replay()}" for each in failed]
        figures["cpu_s"] = round(sum(each.cpu_s for each in outcomes), 1)
        figures["table"] = {each.name: summed(each, outcomes) for each in chosen}
        if failed:
            raise RowsBrokenError(f"{len(failed)} of {len(outcomes)} runs failed, the first: {figures['failed'][0]}")
    if folder == FOLDER:
        from tools.generate_docs import DOCS, rendered  # Loads every command, and is needed here alone.

        (DOCS / _PAGE).write_text(rendered(_PAGE), "utf-8")
    return (
        f"{figures['rows']} of {len(ROWS)} rows, {len(chosen)} scenarios, {len(outcomes)} runs "
        f"({sum(each.front == 'sockets' for each in chosen)} scenarios over sockets): all hold"
    )


def summed(scenario: Scenario, outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """What all runs of one scenario came to: of each figure the largest, of each word the different ones."""
    mine = [each for each in outcomes if each.name == scenario.name]
    at_most: dict[str, Any] = {}
    for name in dict.fromkeys(name for each in mine for name in each.measured):
        values = [each.measured[name] for each in mine if each.measured.get(name) is not None]
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        if numbers:
            at_most[name] = max(numbers)
        else:
            at_most[name] = sorted({str(value) for value in values})[:_TEXTS]
    return {
        "row": scenario.row,
        "front": scenario.front,
        "seeds": len(mine),
        "failed": sum(each.failure is not None for each in mine),
        "at_most": at_most,
    }


def _run(
    chosen: list[Scenario], seeds: dict[str, range], told: Callable[[str], None], *, workers: int
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    told_s = start_s = time.monotonic()
    total = sum(len(each) for each in seeds.values())

    def take(outcome: Outcome) -> None:
        nonlocal told_s
        outcomes.append(outcome)
        if outcome.failure is not None:
            told(f"{outcome.name}, seed {outcome.seed}: {outcome.failure}; {outcome.replay()}")
        now_s = time.monotonic()
        if now_s - told_s > _TELL_EVERY_S or len(outcomes) == total:
            told_s = now_s
            bad = sum(each.failure is not None for each in outcomes)
            told(f"rows: {len(outcomes)} of {total} runs, {bad} failed, {now_s - start_s:.0f} s")

    in_memory = [(each.name, seed) for each in chosen if each.front == "memory" for seed in seeds[each.name]]
    context = multiprocessing.get_context("spawn")
    if workers == 1 or len(in_memory) < 4:
        for name, seed in in_memory:
            take(_one(name, seed))
    else:
        with concurrent.futures.ProcessPoolExecutor(max_workers=workers, mp_context=context) as pool:
            for future in concurrent.futures.as_completed(pool.submit(_one, *job) for job in in_memory):
                take(future.result())
    # One after the other, and alone: what they measure is real time.
    for each in chosen:
        if each.front == "sockets":
            for seed in seeds[each.name]:
                take(run(each, seed))
    return outcomes


def _one(name: str, seed: int) -> Outcome:
    return run(SCENARIOS[name], seed)
