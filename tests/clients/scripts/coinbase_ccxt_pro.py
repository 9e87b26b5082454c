"""ccxt.pro: orders and prices from the stream, balances and orders over its asynchronous REST side."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt.pro as ccxt

from tests.clients.scripts.coinbase_ccxt import figures
from tests.clients.scripts.told import PAIR_AMOUNT, Told, other_secret


def made(told: Told, **other: Any) -> Any:
    settings: dict[str, Any] = {
        "apiKey": told.key,
        "secret": told.secret,
        "enableRateLimit": False,
        "urls": {"api": {"rest": told.rest, "ws": told.ws}},
        **other,
    }
    if told.ca is not None:
        settings["cafile"] = told.ca
    return ccxt.coinbase(settings)


async def main() -> None:
    told = Told()
    report = told.report
    exchange = made(told)
    wrong = made(told, secret=other_secret())
    try:
        async with asyncio.timeout(40):
            report["version"] = ccxt.__version__
            report["markets"] = sorted(await exchange.load_markets())
            ticker = await exchange.watch_ticker("BTC/USD")
            report["ticker"] = ticker["bid"] > 0
            told.compare("at the start", figures(await exchange.fetch_balance({"v3": True})))

            low = float(exchange.price_to_precision("BTC/USD", ticker["bid"] / 2))
            opened = asyncio.create_task(order_once(exchange, "open"))
            await asyncio.sleep(0.3)
            placed = await exchange.create_order("BTC/USD", "limit", "buy", float(PAIR_AMOUNT), low)
            seen = [await opened]
            told.compare("with an order resting", figures(await exchange.fetch_balance({"v3": True})))
            cancelled = asyncio.create_task(order_once(exchange, "canceled"))
            await asyncio.sleep(0)
            await exchange.cancel_order(placed["id"])
            seen.append(await cancelled)
            report["orders"] = [order["status"] for order in seen]
            report["is_ours"] = {order["id"] for order in seen} == {placed["id"]}

            closed = asyncio.create_task(order_once(exchange, "closed"))
            await asyncio.sleep(0)
            market = await exchange.create_order("BTC/USD", "market", "buy", float(PAIR_AMOUNT), ticker["ask"])
            report["filled"] = (await closed)["id"] == market["id"]
            told.compare("at the end", figures(await exchange.fetch_balance({"v3": True})))
            try:
                await wrong.fetch_balance()
            except Exception as error:
                report["errors"]["secret"] = [type(error).__name__, str(error)]
    finally:
        await exchange.close()
        await wrong.close()
    told.end()


async def order_once(exchange: Any, status: str) -> dict[str, Any]:
    while True:
        for order in await exchange.watch_orders("BTC/USD"):
            if order["status"] == status:
                return {"id": order["id"], "status": order["status"]}


if __name__ == "__main__":
    asyncio.run(main())
