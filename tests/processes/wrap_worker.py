"""
One process that uses a key through ``holdfast.wrap``: ``python -m tests.processes.wrap_worker '{"address": …}'``.

A bot as people write them: ccxt, in its synchronous or its asynchronous form, no daemon and no configuration. Prints
one JSON line with what it saw.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import Any

import ccxt
import ccxt.async_support
import msgspec

import holdfast

__all__ = ["Work"]

NO_ORDER = "OAAAAA-AAAAA-AAAAAA"
"""An order that is not there: the call costs nothing of the venue's counter, and its nonce is taken all the same."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker is to do: so many signed calls of ccxt's own, and so many orders through the account's owner."""

    address: str
    key: str
    secret: str
    calls: int
    orders: int
    tasks: int = 4
    is_async: bool = False
    is_wrapped: bool = True


def exchange_of(work: Work) -> Any:
    """The object of the worker's form, wrapped in the one line that the documentation promises."""
    module = ccxt.async_support if work.is_async else ccxt
    urls = {"api": {"public": work.address, "private": work.address}}
    made = module.kraken({"apiKey": work.key, "secret": work.secret, "urls": urls, "enableRateLimit": False})
    return holdfast.wrap(made) if work.is_wrapped else made


def run(work: Work) -> Counter[str]:
    """The synchronous form: one thing after another."""
    seen: Counter[str] = Counter()
    exchange = exchange_of(work)
    for _ in range(work.calls):
        try:
            exchange.private_post_cancelorder({"txid": NO_ORDER})
        except ccxt.InvalidOrder:
            seen["taken"] += 1
        except ccxt.BaseError as error:
            seen[type(error).__name__] += 1
    for _ in range(work.orders):
        placed = exchange.create_order("BTC/USD", "limit", "buy", 0.0002, 20000)
        seen[exchange.cancel_order(placed["id"])["status"]] += 1
    if work.orders:
        seen["usd"] = int(exchange.fetch_balance()["total"]["USD"])
    exchange.close()
    return seen


async def run_async(work: Work) -> Counter[str]:
    """The asynchronous form: several calls of one process under way at once."""
    seen: Counter[str] = Counter()
    exchange = exchange_of(work)

    async def call(count: int) -> None:
        for _ in range(count):
            try:
                await exchange.private_post_cancelorder({"txid": NO_ORDER})
            except ccxt.InvalidOrder:
                seen["taken"] += 1
            except ccxt.BaseError as error:
                seen[type(error).__name__] += 1

    await asyncio.gather(*(call(work.calls // work.tasks) for _ in range(work.tasks)))
    for _ in range(work.orders):
        placed = await exchange.create_order("BTC/USD", "limit", "buy", 0.0002, 20000)
        seen[(await exchange.cancel_order(placed["id"]))["status"]] += 1
    if work.orders:
        seen["usd"] = int((await exchange.fetch_balance())["total"]["USD"])
    await exchange.close()
    return seen


def main() -> None:
    """The command line."""
    work = msgspec.json.decode(sys.argv[1], type=Work)
    seen = asyncio.run(run_async(work)) if work.is_async else run(work)
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main()
