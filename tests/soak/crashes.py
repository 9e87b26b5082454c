"""
Two hundred kills: at every named step, at any moment of opening, in bursts, during backups, of ``holdfast up`` too.

    python -m tests.soak crashes

Each state folder lives through twenty kills against a venue of its own; nobody ends in order in between. What has to
hold after each is in ``tests.crash.lives``. Connections are counted per host, by the venue and by us: that is why no
venue sees more than a few dozen of them.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from tests.crash.failpoints import STEPS, Step
from tests.crash.lives import CONVERGES_WITHIN_S, Chain, Report
from tests.crash.venues import local_kraken
from tools.evidence import FOLDER, evidence

__all__ = ["main", "measure"]

_PER_FOLDER: Final = 20
_PROFILES: Final = ("plain", "earn", "margin", "many")
_OLD_ROWS: Final = 9_000


async def measure(*, kills: int, seed: int, beside: int, told: Callable[[str], None]) -> Report:
    """Kill *kills* clients, *beside* state folders at a time; raises where a promise does not hold."""
    numbers = iter(range(-(-kills // _PER_FOLDER)))
    total = Report()

    async def work() -> None:
        for number in numbers:
            total.add(await _chain(seed * 1000 + number, number=number))
            told(f"{total.kills} of {kills} kills")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(beside):
            tasks.create_task(work())
    return total


async def _chain(seed: int, *, number: int) -> Report:
    """Twenty kills on one folder, in an order the seed draws; every second life is first proved live and true."""
    rng = random.Random(f"chain {seed}")
    first = [step for step in STEPS if step.needs == ("old_rows" if number % 2 else "new")]
    late = [step for step in STEPS if step.needs in ("burst", "backup", "end")]
    early = [step for step in STEPS if step.needs in ("", "delay")]
    with tempfile.TemporaryDirectory(prefix="hf-crashes-") as folder:
        async with local_kraken(seed=seed, profile=_PROFILES[number % len(_PROFILES)]) as kraken:
            chain = Chain(kraken, Path(folder), seed=seed)
            if number % 2:
                await chain.write_old_rows(_OLD_ROWS)
            for step in first:
                await chain.die_at(step)
            # Every folder takes its share of the named steps in turn, so that each is come by about equally often.
            opening = [_at(chain, early[(number * 6 + offset) % len(early)]) for offset in range(6)]
            opening += [lambda: chain.die_early(rng.uniform(0.05, 1.4 * _usual_s(chain))) for _ in range(2)]
            opening += [lambda: chain.die_as_command(rng.uniform(0.3, 1.4 * _usual_s(chain)))]
            living = [_at(chain, late[(number * 4 + offset) % len(late)]) for offset in range(4)]
            living += [lambda: chain.die_busy(rng.uniform(0.0, 0.6)) for _ in range(4)]
            living += [lambda: chain.die_busy(rng.uniform(0.0, 0.6), backs_up=True)]
            rng.shuffle(opening)
            rng.shuffle(living)
            for die in itertools.chain.from_iterable(zip(opening, living, strict=True)):
                await die()
            await chain.live_once_more()
            return chain.report


def _at(chain: Chain, step: Step) -> Callable[[], Awaitable[None]]:
    return lambda: chain.die_at(step)


def _usual_s(chain: Chain) -> float:
    """What a life takes to be live on this machine now."""
    return statistics.median(chain.report.converged_s) if chain.report.converged_s else 1.5


def main(*, quick: bool = False, folder: Path = FOLDER, told: Callable[[str], None]) -> str:
    """Measure and write the evidence; one line of figures. Raises where a promise does not hold."""
    kills, seed = (20, 1) if quick else (200, 1)
    with evidence("crashes", seeds=[seed], folder=folder) as figures:
        report = asyncio.run(measure(kills=kills, seed=seed, beside=2, told=told))
        converged = sorted(report.converged_s)
        figures.update(
            {
                "kills": report.kills,
                "kills_by_step": dict(sorted(report.kills_by_step.items())),
                "stores_opened_again": report.opened,
                "stores_damaged_or_halted": 0,
                "rows_acknowledged_and_found": report.rows_acknowledged,
                "nonces_seen_by_the_venue": report.nonces,
                "nonces_refused": report.nonces_refused,
                "figures_shown_before_any_read": report.labelled,
                "figures_shown_before_any_read_not_labelled_restored": 0,
                "backups_found_whole": report.backups_whole,
                "restarts_measured_to_the_truth": len(converged),
                "process_start_to_truth_median_s": round(statistics.median(converged), 2),
                "process_start_to_truth_longest_s": converged[-1],
                "bound_s": CONVERGES_WITHIN_S,
            }
        )
    return (
        f"{report.kills} kills, {report.rows_acknowledged} acknowledged rows found, {report.nonces} nonces of which "
        f"{report.nonces_refused} refused, live and true again after {converged[-1]:.1f} s at most (bound "
        f"{CONVERGES_WITHIN_S:.0f} s)"
    )
