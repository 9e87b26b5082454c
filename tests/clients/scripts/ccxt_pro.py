"""ccxt.pro: balances, orders and trades from the stream, orders placed and cancelled over it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ccxt.pro as ccxt

from tests.clients.scripts.told import PAIR_AMOUNT, Told


def made(told: Told) -> Any:
    addresses = dict.fromkeys(("public", "private", "publicV2", "privateV2"), told.ws)
    settings: dict[str, Any] = {
        "apiKey": told.key,
        "secret": told.secret,
        "enableRateLimit": False,
        "urls": {"api": {"public": told.rest, "private": told.rest, "ws": addresses}},
    }
    if told.ca is not None:
        settings["cafile"] = told.ca
    return ccxt.kraken(settings)


def totals(balance: dict[str, Any]) -> dict[str, dict[str, Any]]:
    # The stream knows no holds: this client then says None for free and used.
    return {asset: {"total": total} for asset, total in balance["total"].items()}


async def main() -> None:
    told = Told()
    report = told.report
    exchange = made(told)
    try:
        async with asyncio.timeout(40):
            report["version"] = ccxt.__version__
            report["markets"] = sorted(await exchange.load_markets())
            ticker = await exchange.watch_ticker("BTC/USD")
            report["ticker"] = ticker["bid"] > 0
            balance = await exchange.watch_balance()
            told.compare("at the start", totals(balance))
            report["free"] = balance["free"]["USD"]
            balance_at_start = balance["total"]["USD"]

            low = float(exchange.price_to_precision("BTC/USD", ticker["bid"] / 2))
            opened = asyncio.create_task(order_once(exchange, "open"))
            await asyncio.sleep(0.2)
            placed = await exchange.create_order_ws("BTC/USD", "limit", "buy", float(PAIR_AMOUNT), low)
            seen = [await opened]
            cancelled = asyncio.create_task(order_once(exchange, "canceled"))
            await asyncio.sleep(0)
            await exchange.cancel_order_ws(placed["id"])
            seen.append(await cancelled)
            report["orders"] = [order["status"] for order in seen]
            report["is_ours"] = {order["id"] for order in seen} == {placed["id"]}

            before = balance["total"]["BTC"]
            trades = asyncio.create_task(exchange.watch_my_trades("BTC/USD"))
            await asyncio.sleep(0.2)
            await exchange.create_order_ws("BTC/USD", "market", "buy", float(PAIR_AMOUNT))
            report["trade"] = (await trades)[-1]["amount"]
            # Both legs of the trade: money has left, coins have come.
            await balance_once(exchange, lambda total: total["BTC"] > before and total["USD"] < balance_at_start)
            told.compare("after a fill", totals(exchange.balance["spot"]))

            before = exchange.balance["spot"]["total"]["USD"]
            told.happen(kind="deposit", asset="USD", amount="123.45")
            await balance_once(exchange, lambda total: total["USD"] > before)
            told.compare("after a deposit", totals(exchange.balance["spot"]))
    finally:
        await exchange.close()
    told.end()


async def order_once(exchange: Any, status: str) -> dict[str, Any]:
    # Not by symbol: rows that only change an order do not name one, and this client looks there for it.
    while True:
        for order in await exchange.watch_orders():
            if order["status"] == status:
                return {"id": order["id"], "status": order["status"]}


async def balance_once(exchange: Any, is_right: Callable[[dict[str, float]], bool]) -> None:
    """Watch until the balance is right; the client keeps it current whether or not somebody waits for the message."""
    watching: asyncio.Task[Any] = asyncio.create_task(exchange.watch_balance())
    while not is_right(exchange.balance["spot"]["total"]):
        done, _ = await asyncio.wait({watching}, timeout=0.1)
        if done:
            watching = asyncio.create_task(exchange.watch_balance())
    watching.cancel()


if __name__ == "__main__":
    asyncio.run(main())
