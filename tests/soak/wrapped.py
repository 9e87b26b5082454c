"""
Eight bots on one key, each with its own ccxt object, wrapped; and the same bots without.

    python -m tests.soak wrapped
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.processes.wrap_race import race
from tools.evidence import FOLDER, evidence

__all__ = ["CALLS", "PROCESSES", "WrappedRefusedError", "main", "measure"]

PROCESSES: Final = 8
CALLS: Final = 1_000
"""Of each process."""


class WrappedRefusedError(AssertionError):
    """A nonce of a wrapped object was refused, or a call of one failed."""


async def measure(figures: dict[str, Any], *, calls: int, orders: int, seed: int, told: Callable[[str], None]) -> str:
    """Fill *figures*; raises where a promise does not hold."""
    figures["processes"], figures["calls_of_each"], figures["orders_of_each"] = PROCESSES, calls, orders
    for name, is_wrapped in (("wrapped", True), ("ccxt_alone", False)):
        told(f"{PROCESSES} processes, {calls} calls each, {name.replace('_', ' ')}")
        with tempfile.TemporaryDirectory(prefix="hf-wrap-") as folder:
            # Alone they are given no orders: what they would lose of those is not what is shown here.
            asked = calls if is_wrapped else min(calls, 100)
            result = await race(
                Path(folder), processes=PROCESSES, calls=asked, orders=orders if is_wrapped else 0, seed=seed,
                is_wrapped=is_wrapped,
            )  # fmt: skip
        figures[name] = {**msgspec.to_builtins(result), "failures": result.failures}
        if is_wrapped and (result.refused or result.failures):
            raise WrappedRefusedError(f"{result.refused} nonces refused, failures {result.failures}")
    alone, wrapped = figures["ccxt_alone"], figures["wrapped"]
    return (
        f"{wrapped['taken']} nonces of {PROCESSES} processes with wrapped ccxt objects: 0 refused; ccxt alone: "
        f"{alone['refused']} of {alone['taken'] + alone['refused']}"
    )


def main(*, quick: bool = False, folder: Path = FOLDER, told: Callable[[str], None]) -> str:
    """Measure and write the evidence; one line of figures. Raises where a promise does not hold."""
    seed = 1
    with evidence("wrapped-8-processes", seeds=[seed], folder=folder) as figures:
        calls, orders = (60, 2) if quick else (CALLS, 10)
        return asyncio.run(measure(figures, calls=calls, orders=orders, seed=seed, told=told))
