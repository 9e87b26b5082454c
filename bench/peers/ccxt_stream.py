"""What ccxt.pro takes for one frame, from text to its merged balance: a JSON order on stdin, µs by account size."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from typing import Any

import ccxt.pro


class Client:
    """What ``handle_message`` asks of a connection: somebody waits for ``balances``."""

    def __init__(self) -> None:
        self.told = 0

    def resolve(self, result: object, message_hash: str) -> object:
        self.told += 1
        return result


async def took_us(snapshot: str, updates: list[str], repeats: int) -> float:
    exchange: Any = ccxt.pro.kraken()
    client = Client()
    exchange.handle_message(client, json.loads(snapshot))
    times = []
    for _ in range(repeats):
        began_ns = time.thread_time_ns()
        for text in updates:
            exchange.handle_message(client, json.loads(text))
        times.append((time.thread_time_ns() - began_ns) / len(updates) / 1000)
    if client.told != 1 + repeats * len(updates):
        raise RuntimeError(f"told {client.told} times")
    await exchange.close()
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
