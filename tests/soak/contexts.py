"""
The same happenings under the usual decimal context and under ruinous ones: figures, journal text, what is printed.

    python -m tests.soak contexts
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.crash.client import BROKER
from tests.crash.contexts import HOSTILE, told_under
from tests.crash.test_contexts import seen_by_bot
from tests.crash.venues import differences, local_kraken
from tools.evidence import FOLDER, evidence

__all__ = ["ContextMovedSomethingError", "main"]


class ContextMovedSomethingError(AssertionError):
    """What a bot set for its own arithmetic changed ours."""


def main(*, quick: bool = False, folder: Path = FOLDER, told: Callable[[str], None]) -> str:
    """Measure and write the evidence; one line of figures. Raises where anything differs."""
    seeds = range(5 if quick else 50)
    with evidence("decimal-contexts", seeds=seeds, folder=folder) as figures:
        compared = {"figures": 0, "journal_rows": 0}
        for seed in seeds:
            usual = told_under(None, seed=seed)
            for name, context in HOSTILE.items():
                if told_under(context, seed=seed) != usual:
                    raise ContextMovedSomethingError(f"{name}, seed {seed}")
                compared["figures"] += 5 * len(usual.figures)
                compared["journal_rows"] += len(usual.journal)
        told(f"on virtual time: {compared}")
        for name in HOSTILE:
            asyncio.run(_bot(name))
        figures["contexts"] = {name: repr(context) for name, context in HOSTILE.items()}
        figures["compared"] = compared
        figures["different"] = 0
        figures["bots_over_real_sockets"] = len(HOSTILE)
    return (
        f"{len(HOSTILE)} contexts × {len(seeds)} seeds: {compared['figures']} amounts and {compared['journal_rows']} "
        f"rows compared, none differs; {len(HOSTILE)} bots over real sockets: figures and printed text the venue's own"
    )


async def _bot(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="hf-contexts-") as folder:
        async with local_kraken(seed=5) as kraken:
            seen, commands = await seen_by_bot(kraken, Path(folder), name)
            truth = await kraken.truth()
    wrong = differences(truth, seen["balances"])
    printed = json.loads(commands["document"])["brokers"][BROKER]["balances"]
    for asset, row in printed.items():
        shown = {asset: [row["total"], row["held"], row["available"], "live", None]}
        wrong |= differences({asset: truth[asset]}, shown)
    if wrong:
        raise ContextMovedSomethingError(f"{name}: {wrong}")
