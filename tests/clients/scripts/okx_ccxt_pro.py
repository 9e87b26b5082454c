"""ccxt.pro at OKX: ticker, balances, orders and trades from the stream, orders placed and cancelled over it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ccxt.pro as ccxt

from tests.clients.scripts.okx_ccxt import MARKET, figures
from tests.clients.scripts.told import PAIR_AMOUNT, Told


def made(told: Told) -> Any:
    settings: dict[str, Any] = {
        "apiKey": told.key,
        "secret": told.secret,
        "password": told.passphrase,
        "enableRateLimit": False,
        "urls": {"api": {"rest": told.rest, "ws": told.ws}},
    }
    if told.ca is not None:
        settings["cafile"] = told.ca
    return ccxt.okx(settings)


async def main() -> None:
    told = Told()
    report = told.report
    exchange = made(told)
    try:
        async with asyncio.timeout(60):
            report["version"] = ccxt.__version__
            report["markets"] = sorted(await exchange.load_markets())
            ticker = await exchange.watch_ticker(MARKET)
            report["ticker"] = ticker["bid"] > 0
            report["book"] = (await exchange.watch_order_book(MARKET))["bids"][0][0] == ticker["bid"]
            told.compare("at the start", figures(await exchange.watch_balance()))

            low = float(exchange.price_to_precision(MARKET, ticker["bid"] / 2))
            opened = asyncio.create_task(order_once(exchange, "open"))
            await asyncio.sleep(0.3)
            placed = await exchange.create_order_ws(MARKET, "limit", "buy", float(PAIR_AMOUNT), low)
            seen = [await opened]
            await balance_once(exchange, lambda balance: balance["used"]["USDT"] > 0)
            told.compare("with an order resting", figures(exchange.balance))
            cancelled = asyncio.create_task(order_once(exchange, "canceled"))
            await asyncio.sleep(0)
            await exchange.cancel_order_ws(placed["id"], MARKET)
            seen.append(await cancelled)
            report["orders"] = [order["status"] for order in seen]
            report["is_ours"] = {order["id"] for order in seen} == {placed["id"]}

            before = exchange.balance["total"]["BTC"]
            trades = asyncio.create_task(exchange.watch_my_trades(MARKET))
            await asyncio.sleep(0.3)
            await exchange.create_order_ws(MARKET, "market", "buy", float(PAIR_AMOUNT))
            report["trade"] = (await trades)[-1]["amount"]
            await balance_once(
                exchange, lambda balance: balance["total"]["BTC"] > before and balance["used"]["USDT"] == 0
            )
            told.compare("after a fill", figures(exchange.balance))
    finally:
        await exchange.close()
    told.end()


async def order_once(exchange: Any, status: str) -> dict[str, Any]:
    while True:
        for order in await exchange.watch_orders(MARKET):
            if order["status"] == status:
                return {"id": order["id"], "status": order["status"]}


async def balance_once(exchange: Any, is_right: Callable[[dict[str, Any]], bool]) -> None:
    """Watch until the balance is right; the client keeps it current whether or not somebody waits for the message."""
    watching: asyncio.Task[Any] = asyncio.create_task(exchange.watch_balance())
    while not is_right(exchange.balance):
        done, _ = await asyncio.wait({watching}, timeout=0.1)
        if done:
            watching = asyncio.create_task(exchange.watch_balance())
    watching.cancel()


if __name__ == "__main__":
    asyncio.run(main())
