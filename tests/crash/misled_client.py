"""
A client over real sockets that is told when to read: ``python -m tests.crash.misled_client CONFIG``, in JSON.

One JSON line on stdin per order, one on stdout per answer. Pauses between attempts and the venue's rate limits are out
of the way, so that thousands of reads fit into a minute; what is believed depends on neither.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import msgspec

import holdfast
from holdfast.core import reconcile
from holdfast.venues.kraken import client as kraken_client
from holdfast.venues.kraken import limits
from tests.crash.client import BROKER, say
from tests.crash.witness import Witness, peak_mib, resident_mib

__all__: list[str] = []


def _hurry() -> None:
    kraken_client._PAUSE_S = (0.0, 0.0)  # type: ignore[misc]
    tier = msgspec.structs.replace(limits.TIERS[limits.DEFAULT_TIER], maximum=1e9)
    limits.TIERS = {**limits.TIERS, limits.DEFAULT_TIER: tier}  # type: ignore[misc]
    # The schedule's own reads would meet what the orders make; they come again where nobody asks for long.
    reconcile.ReconcileSettings.max_age_s = 1e6


async def _obey(config: dict[str, Any]) -> None:
    async with holdfast.open(config, contact="rest") as desk:
        broker = desk[BROKER]
        await broker.ready()
        witness = Witness(desk, broker)
        idle_mib = resident_mib()
        say(at="ready")
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            if order["do"] == "heal":
                say(at="healed", is_ok=await witness.ask_in_peace(), picture=msgspec.to_builtins(witness.picture()))
                continue
            witness.forget()
            before = witness.picture()
            peak_mib(begins_anew=True)
            await witness.ask(order["read"])
            peak, after = peak_mib(), witness.picture()
            say(
                at="asked",
                before=msgspec.to_builtins(before),
                after=msgspec.to_builtins(after),
                named=msgspec.to_builtins(witness.named),
                grew_mib=None if peak is None or idle_mib is None else round(peak - idle_mib, 1),
            )


if __name__ == "__main__":
    _hurry()
    asyncio.run(_obey(json.loads(sys.argv[1])))
