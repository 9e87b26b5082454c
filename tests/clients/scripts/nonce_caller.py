"""
One process of callers that share a key: reads its order on stdin, waits for ``go``, calls, prints what it saw.

Runs in a client's own environment. The client is used as its documentation shows, its rate limiter off: what is
measured is the nonces it makes, not how slowly it can be told to go.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def main() -> None:
    order = json.loads(sys.stdin.readline())
    made = {
        ("ccxt", "tasks"): ccxt_tasks,
        ("ccxt", "threads"): ccxt_threads,
        ("python-kraken-sdk", "tasks"): sdk_tasks,
        ("python-kraken-sdk", "threads"): sdk_threads,
        ("krakenex", "threads"): krakenex_threads,
    }
    seen = made[order["client"], order["style"]](order)
    print(json.dumps(seen), flush=True)


def wait_for_go() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


async def in_tasks(call: Callable[[], Awaitable[object]], order: dict[str, Any]) -> Counter[str]:
    seen: Counter[str] = Counter()

    async def caller() -> None:
        for _ in range(order["calls"]):
            try:
                await call()
                seen["ok"] += 1
            except Exception as error:
                seen[type(error).__name__] += 1

    await asyncio.to_thread(wait_for_go)
    await asyncio.gather(*(caller() for _ in range(order["callers"])))
    return seen


def in_threads(make: Callable[[], Callable[[], object]], order: dict[str, Any]) -> Counter[str]:
    """Each thread with a client of its own, as the clients' documentation wants it."""
    calls = [make() for _ in range(order["callers"])]

    def caller(call: Callable[[], object]) -> Counter[str]:
        seen: Counter[str] = Counter()
        for _ in range(order["calls"]):
            try:
                call()
                seen["ok"] += 1
            except Exception as error:
                seen[type(error).__name__] += 1
        return seen

    wait_for_go()
    with ThreadPoolExecutor(max_workers=len(calls)) as pool:
        return sum(pool.map(caller, calls), Counter())


def ccxt_settings(order: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiKey": order["key"],
        "secret": order["secret"],
        "urls": {"api": {"public": order["rest"], "private": order["rest"]}},
        "enableRateLimit": False,
    }


def ccxt_tasks(order: dict[str, Any]) -> Counter[str]:
    import ccxt.async_support as ccxt

    async def run() -> Counter[str]:
        exchange = ccxt.kraken(ccxt_settings(order))
        try:
            return await in_tasks(exchange.private_post_balanceex, order)
        finally:
            await exchange.close()

    return asyncio.run(run())


def ccxt_threads(order: dict[str, Any]) -> Counter[str]:
    import ccxt

    def make() -> Callable[[], object]:
        exchange: Any = ccxt.kraken(ccxt_settings(order))
        call: Callable[[], object] = exchange.private_post_balanceex
        return call

    return in_threads(make, order)


def sdk_tasks(order: dict[str, Any]) -> Counter[str]:
    from kraken.spot import SpotAsyncClient

    async def run() -> Counter[str]:
        client = SpotAsyncClient(key=order["key"], secret=order["secret"], url=order["rest"])
        try:
            return await in_tasks(lambda: client.request("POST", "/0/private/BalanceEx"), order)
        finally:
            await client.close()

    return asyncio.run(run())


def sdk_threads(order: dict[str, Any]) -> Counter[str]:
    from kraken.spot import User

    def make() -> Callable[[], object]:
        user = User(key=order["key"], secret=order["secret"], url=order["rest"])
        return lambda: user.request("POST", "/0/private/BalanceEx")

    return in_threads(make, order)


def krakenex_threads(order: dict[str, Any]) -> Counter[str]:
    import krakenex

    def make() -> Callable[[], object]:
        api = krakenex.API(order["key"], order["secret"])
        api.uri = order["rest"]

        def call() -> None:
            answer = api.query_private("BalanceEx")
            if answer["error"]:
                raise RuntimeError(answer["error"][0])

        return call

    return in_threads(make, order)


if __name__ == "__main__":
    began = time.monotonic()
    main()
