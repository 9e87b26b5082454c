"""
Ten thousand rounds in which 64 tasks and eight attached processes want money that is there once: one gets it.

    python -m tests.soak competition
    python -m tests.soak.competition --rounds 200 --evidence FOLDER
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.crash.forks import Forks
from tests.crash.order_lives import CLIENT
from tests.crash.order_steps import BOTH, Wire
from tests.crash.venues import local_kraken
from tests.processes.competition import PROCESSES, TASKS, Competition, CompetitionReport
from tools.evidence import FOLDER, evidence

__all__ = ["ROUNDS", "main", "measure"]

ROUNDS: Final = 10_000
_AT_ONCE: Final = 50  # Rounds between two lines of progress.


async def measure(*, rounds: int, seed: int, told: Callable[[str], None]) -> CompetitionReport:
    """Half of the rounds at each of two venues, one per wire; raises where a round has not exactly one winner."""
    total = CompetitionReport()

    async def compete(forks: Forks, wire: Wire, count: int) -> None:
        with tempfile.TemporaryDirectory(prefix="hf-compete-") as folder:
            async with local_kraken(seed=seed) as kraken:
                competition = Competition(kraken, forks, Path(folder), wire=wire, seed=seed)
                try:
                    await competition.start()
                    while (left := count - competition.report.rounds) > 0:
                        some = min(_AT_ONCE, left)
                        tenth = some // 10
                        await competition.rounds(
                            of_all=some - 3 * tenth, of_tasks=tenth, of_processes=tenth, of_orders=tenth
                        )
                        told(f"{wire}: {competition.report.rounds} of {count} rounds")
                finally:
                    total.add(competition.report)
                    await competition.end()

    async with Forks(CLIENT) as forks, asyncio.TaskGroup() as tasks:
        for number, wire in enumerate(BOTH):
            tasks.create_task(compete(forks, wire, rounds // 2 + (rounds % 2 if number == 0 else 0)))
    return total


def main(*, quick: bool = False, folder: Path = FOLDER, told: Callable[[str], None], rounds: int = ROUNDS) -> str:
    """Measure and write the evidence; one line of figures. Raises where a promise does not hold."""
    seed = 1
    with evidence("competition", seeds=[seed], folder=folder) as figures:
        report = asyncio.run(measure(rounds=100 if quick else rounds, seed=seed, told=told))
        figures.update(
            {
                "rounds": report.rounds,
                "rounds_by_kind": report.rounds_by_kind,
                "tasks_of_the_owner": TASKS,
                "attached_processes": PROCESSES,
                "tasks_of_each_process": TASKS // PROCESSES,
                "approved": report.approved,
                "denied": report.denied,
                "rounds_without_exactly_one_approved": report.rounds_without_one_winner,
                "orders_at_the_venue": report.orders_at_the_venue,
                "rounds_won": dict(sorted(report.won_by_process.items())),
            }
        )
    return (
        f"{report.rounds} rounds of {TASKS} tasks and {PROCESSES} processes with room for one order: {report.approved} "
        f"approved, {sum(report.denied.values())} denied; {report.rounds_without_one_winner} rounds without exactly one"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.competition", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--evidence", type=Path, default=FOLDER, help="folder of the result file")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    line = main(rounds=given.rounds, folder=given.evidence, told=lambda text: print(f"  {text}", file=sys.stderr))
    print(line)
