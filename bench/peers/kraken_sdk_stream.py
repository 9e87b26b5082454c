"""
What python-kraken-sdk takes for one frame, from text to the user's callback: a JSON order on stdin, µs by account size.

The SDK keeps no balances: its callback swaps the one entry, which is all that a user has to add.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from typing import Any

from kraken.spot.websocket.connectors import ConnectSpotWebsocket


async def took_us(snapshot: str, updates: list[str], repeats: int) -> float:
    view: dict[str, float] = {}

    async def on_message(message: dict[str, Any]) -> None:
        if message.get("channel") == "balances":
            for row in message["data"]:
                view[row["asset"]] = row["balance"]

    client: Any = None
    connection = ConnectSpotWebsocket(client=client, endpoint="ws://localhost", callback=on_message, is_auth=False)

    async def receive(text: str) -> None:
        # The lines of its receiving loop between the socket and the callback.
        message = json.loads(text)
        connection._manage_subscriptions(message=message)
        await on_message(message)

    await receive(snapshot)
    times = []
    for _ in range(repeats):
        began_ns = time.thread_time_ns()
        for text in updates:
            await receive(text)
        times.append((time.thread_time_ns() - began_ns) / len(updates) / 1000)
    return statistics.median(times)


async def main() -> None:
    order = json.load(sys.stdin)
    answer = {
        assets: await took_us(each["snapshot"], each["updates"], order["repeats"])
        for assets, each in order["accounts"].items()
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    asyncio.run(main())
