"""
Owners stopped at every step between a wish and its write, for longer than an order is valid, and let go on.

    python -m tests.soak paused_owner

What their callers are told meanwhile, and how long after, is measured; what takes effect afterwards is judged by the
venue: see ``tests.processes.paused_owner``.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.crash.forks import Forks
from tests.crash.order_lives import CLIENT, VALIDITY_S
from tests.crash.order_steps import Wire
from tests.crash.venues import local_kraken
from tests.processes.paused_owner import BEFORE_THE_WRITE, WAIT_S, Paused, PauseReport
from tools.evidence import FOLDER, evidence

__all__ = ["main", "measure"]

_EACH: Final = 20
_BESIDE: Final = 8
_PER_VENUE: Final = 10  # Connections are counted per host: three for each pause are enough.


async def measure(*, each: int, seed: int, told: Callable[[str], None]) -> PauseReport:
    """Pause at every step so often; raises where a promise does not hold."""
    parts: list[tuple[Wire, str, int]] = []
    for wire, names in BEFORE_THE_WRITE.items():
        for name in names:
            parts += [(wire, name, min(_PER_VENUE, each - first)) for first in range(0, each, _PER_VENUE)]
    waiting = iter(list(enumerate(parts)))
    pauses = sum(count for _, _, count in parts)
    total = PauseReport()

    async def work(forks: Forks) -> None:
        for number, (wire, name, count) in waiting:
            with tempfile.TemporaryDirectory(prefix="hf-paused-") as folder:
                async with local_kraken(seed=seed * 1000 + number) as kraken:
                    # Every second one is longer than a silent stream is believed, too.
                    pause_s = VALIDITY_S + (1.0 if number % 2 else 4.0)
                    paused = Paused(kraken, forks, Path(folder), wire=wire, seed=seed * 1000 + number, pause_s=pause_s)
                    for _ in range(count):
                        await paused.pause_at(name)
                    total.add(paused.report)
            told(f"{total.pauses} of {pauses} pauses")

    async with Forks(CLIENT) as forks, asyncio.TaskGroup() as tasks:
        for _ in range(_BESIDE):
            tasks.create_task(work(forks))
    return total


def main(*, quick: bool = False, folder: Path = FOLDER, told: Callable[[str], None]) -> str:
    """Measure and write the evidence; one line of figures. Raises where a promise does not hold."""
    seed = 1
    with evidence("paused-owner", seeds=[seed], folder=folder) as figures:
        report = asyncio.run(measure(each=1 if quick else _EACH, seed=seed, told=told))
        waited = sorted(report.told_after_s)
        figures.update(
            {
                "pauses": report.pauses,
                "pauses_by_step": dict(sorted(report.pauses_by_step.items())),
                "validity_s": VALIDITY_S,
                "callers_denied_with_the_owners_pid": report.callers_told,
                "bound_s": WAIT_S,
                "shortest_wait_s": waited[0],
                "longest_wait_s": waited[-1],
                "accounts_taken_over": report.took_over,
                "sent_after_the_pause_having_been_checked_before_it": report.sent_after_the_pause,
                "of_these_refused_by_their_own_validity": report.refused_by_their_validity,
                "executed_after_the_pause": report.executed_after_the_pause,
                "trades_again_after_s_longest": max(report.trades_again_after_s),
            }
        )
    return (
        f"{report.pauses} pauses: {report.callers_told} callers denied with the owner's pid within {waited[-1]:.2f} s "
        f"(bound {WAIT_S:.0f} s), {report.took_over} accounts taken over, {report.executed_after_the_pause} orders "
        "of before a pause executed"
    )
