"""ccxt.pro: balances, orders and trades from the stream, orders placed and cancelled over it."""

from __future__ import annotations

import asyncio
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

            low = float(exchange.price_to_precision("BTC/USD", ticker["bid"] / 2))
            watching = asyncio.create_task(orders_until(exchange, "canceled"))
            await asyncio.sleep(0.2)
            placed = await exchange.create_order_ws("BTC/USD", "limit", "buy", float(PAIR_AMOUNT), low)
            await exchange.cancel_order_ws(placed["id"], "BTC/USD")
            report["orders"] = await watching
            report["is_ours"] = report["orders"][-1]["id"] == placed["id"]

            trades = asyncio.create_task(exchange.watch_my_trades("BTC/USD"))
            updates = asyncio.create_task(balance_when(exchange, "BTC", above=balance["total"]["BTC"]))
            await asyncio.sleep(0.2)
            await exchange.create_order_ws("BTC/USD", "market", "buy", float(PAIR_AMOUNT))
            report["trade"] = (await trades)[-1]["amount"]
            await updates
            await asyncio.sleep(0.2)
            told.compare("after a fill", totals(exchange.balance))

            deposit = asyncio.create_task(balance_when(exchange, "USD", above=exchange.balance["total"]["USD"]))
            await asyncio.sleep(0.2)
            told.happen(kind="deposit", asset="USD", amount="123.45")
            await deposit
            told.compare("after a deposit", totals(exchange.balance))
    finally:
        await exchange.close()
    told.end()


async def orders_until(exchange: Any, status: str) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    while not seen or seen[-1]["status"] != status:
        for order in await exchange.watch_orders("BTC/USD"):
            seen.append({"id": order["id"], "status": order["status"]})
    return seen


async def balance_when(exchange: Any, asset: str, *, above: float) -> None:
    while (await exchange.watch_balance())["total"][asset] <= above:
        pass


if __name__ == "__main__":
    asyncio.run(main())
