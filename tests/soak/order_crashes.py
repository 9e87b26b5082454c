"""
A hundred kills at every step between a wish and the end of its order, over both wires, each judged by the venue.

    python -m tests.soak order_crashes
    python -m tests.soak.order_crashes --once --venue okx --evidence FOLDER

Steps and judge are the same at every venue; what a venue has not is named in ``tests.crash.places``, and in its result
file. Each state folder lives through two dozen kills against a venue of its own; nobody ends in order in between. What
has to hold after each is in ``tests.crash.order_judge`` and ``tests.crash.order_lives``. Much of a life is waiting for
the evidence about an order in doubt, so many of them live at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from tests.crash.forks import Forks
from tests.crash.order_lives import (
    CLIENT,
    REST_LAG_S,
    SETTLES_WITHIN_S,
    OrderChain,
    OrderReport,
    order_venue,
)
from tests.crash.order_steps import OrderStep, Wire
from tests.crash.places import PLACES, Place, steps_at
from tools.evidence import FOLDER, evidence

__all__ = ["KILLS_PER_STEP", "NAMES", "main", "measure", "plan"]

KILLS_PER_STEP: Final = 100
NAMES: Final = {"kraken": "order-crashes", "coinbase": "order-crashes-coinbase", "okx": "order-crashes-okx"}
"""Of the result file, by venue."""

_PER_FOLDER: Final = 24  # Connections are counted per host, by the venue and by us: two for each life are enough.
_BRIEFLY_PER_FOLDER: Final = 6
_BESIDE: Final = 40

Part = tuple[Wire, Sequence[OrderStep]]


def plan(
    *, kills_per_step: int, seed: int, per_folder: int = _PER_FOLDER, place: Place = PLACES["kraken"]
) -> list[Part]:
    """Which folder lives through which steps, in which order: each step as often as asked, shared by its wires."""
    rng = random.Random(f"order crashes {seed}")
    due: dict[Wire, list[OrderStep]] = {"stream": [], "rest": []}
    olds: list[Part] = []
    for step in steps_at(place):
        wires = itertools.cycle(rng.sample(step.wires, len(step.wires)))
        for wire in itertools.islice(wires, max(kills_per_step, len(step.wires))):
            if step.scene == "migrate":
                olds.append((wire, [step]))  # A store is migrated once.
            else:
                due[wire].append(step)
    parts: list[Part] = []
    for wire, steps in due.items():
        rng.shuffle(steps)
        parts += [(wire, steps[first : first + per_folder]) for first in range(0, len(steps), per_folder)]
    return parts + olds


async def measure(
    *,
    kills_per_step: int,
    seed: int,
    told: Callable[[str], None],
    beside: int = _BESIDE,
    place: Place = PLACES["kraken"],
) -> OrderReport:
    """Kill at every step so often, *beside* state folders at a time; raises where a promise does not hold."""
    per_folder = _PER_FOLDER if kills_per_step > 1 else _BRIEFLY_PER_FOLDER
    parts = plan(kills_per_step=kills_per_step, seed=seed, per_folder=per_folder, place=place)
    waiting = iter(list(enumerate(parts)))
    kills = sum(len(steps) for _, steps in parts)
    total = OrderReport()
    failures: list[Exception] = []

    async def work(forks: Forks) -> None:
        for number, (wire, steps) in waiting:
            try:
                total.add(await _chain(forks, place, wire, steps, seed=seed * 10_000 + number))
            except Exception as error:
                # The others go on: what else there is to find is found in the same run.
                error.add_note(f"seed {seed}, folder {number}, orders over {wire}: {[step.name for step in steps]}")
                failures.append(error)
                told(f"folder {number}: {type(error).__name__}: {str(error)[:1500]}")
            told(f"{total.kills} of {kills} kills")

    async with Forks(CLIENT) as forks, asyncio.TaskGroup() as tasks:
        for _ in range(beside):
            tasks.create_task(work(forks))
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(parts)} folders broke a promise", failures)
    return total


async def _chain(forks: Forks, place: Place, wire: Wire, steps: Sequence[OrderStep], *, seed: int) -> OrderReport:
    with tempfile.TemporaryDirectory(prefix="hf-orders-") as folder:
        async with order_venue(place, seed=seed) as local:
            chain = OrderChain(local, forks, Path(folder), wire=wire, seed=seed)
            if steps[0].scene == "migrate":
                chain.write_old_store()
            for step in steps:
                await chain.die_at(step)
            return await chain.finish()


def figures_of(report: OrderReport, place: Place = PLACES["kraken"]) -> dict[str, Any]:
    """What goes into the result file."""
    settled = sorted(report.settled_s)
    has_nonces = report.nonces or not place.left_out
    return {
        "venue": place.id,
        "wires": list(place.wires),
        "steps_left_out": dict(place.left_out),
        "kills": report.kills,
        "steps": len(report.kills_by_step),
        "kills_by_step": dict(sorted(report.kills_by_step.items())),
        # The first of any of these ends the run.
        "differences_from_the_truth": 0,
        "claims_leaked": 0,
        "orders_doubled": 0,
        "intents": report.intents,
        "orders_at_the_venue": report.orders_at_venue,
        "intents_by_their_one_end": dict(sorted(report.ends.items())),
        "claims_restored_by_a_next_life": report.restored,
        **({"nonces_seen_by_the_venue": report.nonces, "nonces_refused": 0} if has_nonces else {}),
        "validity_s": place.validity_s,
        "rest_lag_s": REST_LAG_S,
        "process_start_to_no_open_question_median_s": round(statistics.median(settled), 2),
        "process_start_to_no_open_question_longest_s": settled[-1],
        "bound_s": SETTLES_WITHIN_S,
    }


def main(
    *,
    quick: bool = False,
    folder: Path = FOLDER,
    told: Callable[[str], None],
    kills_per_step: int = KILLS_PER_STEP,
    seed: int = 1,
    venue: str = "kraken",
    beside: int = _BESIDE,
) -> str:
    """Measure and write the evidence; one line of figures. Raises where a promise does not hold."""
    place = PLACES[venue]
    with evidence(NAMES[venue], seeds=[seed], folder=folder) as figures:
        kills = 1 if quick else kills_per_step
        report = asyncio.run(measure(kills_per_step=kills, seed=seed, told=told, beside=beside, place=place))
        figures.update(figures_of(report, place))
    return (
        f"{report.kills} kills at {len(report.kills_by_step)} steps, {report.intents} intents, "
        f"{report.orders_at_venue} orders at the venue: truth difference 0, leaked 0, doubled 0; "
        f"nothing left to find out after "
        f"{figures['process_start_to_no_open_question_longest_s']:.1f} s at most"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.order_crashes", description=__doc__)
    parser.add_argument("--once", action="store_true", help="each step once over each of its wires")
    parser.add_argument("--kills", type=int, default=KILLS_PER_STEP, help="kills per step")
    parser.add_argument("--venue", choices=sorted(PLACES), default="kraken")
    parser.add_argument("--beside", type=int, default=_BESIDE, help="state folders that live at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--evidence", type=Path, default=FOLDER, help="folder of the result file")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    line = main(
        quick=given.once,
        kills_per_step=given.kills,
        folder=given.evidence,
        seed=given.seed,
        venue=given.venue,
        beside=given.beside,
        told=lambda text: print(f"  {text}", file=sys.stderr),
    )
    print(line)
