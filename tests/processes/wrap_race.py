"""Eight bots on one key, each with its own wrapped ccxt object: what the simulated Kraken says of their nonces."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import msgspec

from tests.processes.simulated_venue import SimulatedKraken
from tests.processes.wrap_worker import Work

__all__ = ["Race", "race"]


class Race(msgspec.Struct, frozen=True, kw_only=True):
    """
    What came of a race.

    ``taken`` and ``refused`` are nonces by the venue's own journal: calls of ccxt's, and of the owner that one of the
    processes became. ``by_worker`` is what each process saw: answers by the name of what ccxt raised, orders by status.
    """

    processes: int
    taken: int
    refused: int
    wall_s: float
    by_worker: tuple[dict[str, int], ...]

    @property
    def failures(self) -> dict[str, int]:
        """What the workers saw beside calls that were taken and orders that were placed and cancelled."""
        found: dict[str, int] = {}
        for seen in self.by_worker:
            for name, count in seen.items():
                if name not in ("taken", "canceled", "open", "usd"):
                    found[name] = found.get(name, 0) + count
        return found


async def race(
    folder: Path, *, processes: int, calls: int, orders: int, seed: int = 0, is_wrapped: bool = True
) -> Race:
    """
    Run *processes* workers at once, every other one asynchronous, with *calls* and *orders* each.

    Args:
        folder: The state folder they share; nothing else ties them together.
        processes: How many.
        calls: Signed calls of ccxt's own, each.
        orders: Orders placed and cancelled, each.
        seed: Of the venue and its delays.
        is_wrapped: False: the same bots without ``holdfast.wrap``.
    """
    began_s = time.monotonic()
    async with SimulatedKraken(seed=seed) as kraken:

        async def work(number: int) -> dict[str, int]:
            task = Work(
                address=kraken.address,
                key=kraken.key,
                secret=kraken.secret,
                calls=calls,
                orders=orders,
                is_async=bool(number % 2),
                is_wrapped=is_wrapped,
            )
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.processes.wrap_worker", msgspec.json.encode(task).decode()),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "HOLDFAST_STATE_DIR": str(folder)},
            )
            out, err = await process.communicate()
            if process.returncode:
                raise AssertionError(f"worker {number} ended with {process.returncode}:\n{err.decode()[-4000:]}")
            seen: dict[str, int] = json.loads(out)
            return seen

        by_worker = await asyncio.gather(*(work(number) for number in range(processes)))
        return Race(
            processes=processes,
            taken=kraken.taken,
            refused=len(kraken.refused),
            wall_s=round(time.monotonic() - began_s, 3),
            by_worker=tuple(by_worker),
        )
