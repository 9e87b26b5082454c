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
from holdfast.venues.kraken import client as kraken_client
from holdfast.venues.kraken import limits
from tests.crash.client import BROKER, say
from tests.crash.witness import Witness, peak_mib, resident_mib

__all__: list[str] = []


def _hurry() -> None:
    kraken_client._PAUSE_S = (0.0, 0.0)  # type: ignore[misc]
    limits.TIERS.update({name: msgspec.structs.replace(tier, maximum=1e9) for name, tier in limits.TIERS.items()})


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
            peak_mib(begins_anew=True)
            before, after = await witness.ask(order["read"])
            peak = peak_mib()
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
