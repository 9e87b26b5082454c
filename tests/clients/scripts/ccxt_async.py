"""ccxt's asynchronous client: the same account, read and traded from tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import ccxt.async_support as ccxt

from tests.clients.scripts.ccxt_sync import figures
from tests.clients.scripts.told import MORE_THAN_THERE_IS, PAIR_AMOUNT, WRONG_SECRET, Told


def made(told: Told, **other: Any) -> Any:
    settings = {
        "apiKey": told.key,
        "secret": told.secret,
        "enableRateLimit": False,
        "urls": {"api": {"public": told.rest, "private": told.rest}},
    }
    if told.ca is not None:
        settings["cafile"] = told.ca
    return ccxt.kraken({**settings, **other})


async def expect_error(told: Told, name: str, call: Awaitable[object]) -> None:
    try:
        told.report["errors"][name] = ["no error", repr(await call)]
    except Exception as error:
        told.report["errors"][name] = [type(error).__name__, str(error)]


async def main() -> None:
    told = Told()
    report = told.report
    exchange, wrong, stale = made(told), made(told, secret=WRONG_SECRET), made(told)
    stale.nonce = lambda: 1
    try:
        report["version"] = ccxt.__version__
        report["markets"] = sorted(await exchange.load_markets())
        ticker = await exchange.fetch_ticker("BTC/USD")
        told.compare("at the start", figures(await exchange.fetch_balance()))
        low = float(exchange.price_to_precision("BTC/USD", ticker["bid"] / 2))
        resting = await exchange.create_order("BTC/USD", "limit", "buy", float(PAIR_AMOUNT), low)
        told.compare("with an order resting", figures(await exchange.fetch_balance()))
        report["resting"] = {
            "is_listed": resting["id"] in [order["id"] for order in await exchange.fetch_open_orders("BTC/USD")],
            "status": (await exchange.fetch_order(resting["id"]))["status"],
        }
        await exchange.cancel_order(resting["id"])
        report["cancelled"] = (await exchange.fetch_order(resting["id"]))["status"]
        validated = await exchange.create_order("BTC/USD", "limit", "buy", float(PAIR_AMOUNT), low, {"validate": True})
        report["validated"] = validated["id"]
        report["open"] = len(await exchange.fetch_open_orders())
        filled = await exchange.create_order("BTC/USD", "market", "buy", float(PAIR_AMOUNT))
        report["filled"] = {"status": (await exchange.fetch_order(filled["id"]))["status"]}
        told.compare("at the end", figures(await exchange.fetch_balance()))
        await expect_error(
            told, "funds", exchange.create_order("BTC/USD", "limit", "buy", float(MORE_THAN_THERE_IS), low)
        )
        await expect_error(told, "signature", wrong.fetch_balance())
        await expect_error(told, "nonce", stale.private_post_balanceex())
    finally:
        for client in (exchange, wrong, stale):
            await client.close()
    told.end()


if __name__ == "__main__":
    asyncio.run(main())
