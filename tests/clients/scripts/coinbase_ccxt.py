"""ccxt's blocking client: markets, balances, orders, errors."""

from __future__ import annotations

import time
from typing import Any

import ccxt

from tests.clients.scripts.told import COINBASE_WRONG_KEY, MORE_THAN_THERE_IS, PAIR_AMOUNT, Told, other_secret


def made(told: Told, **other: Any) -> Any:
    exchange: Any = ccxt.coinbase(
        {
            "apiKey": told.key,
            "secret": told.secret,
            "enableRateLimit": False,
            "urls": {"api": {"rest": told.rest}},
            **other,
        }
    )
    exchange.session.trust_env = told.ca is not None  # Else it does not look at REQUESTS_CA_BUNDLE.
    return exchange


def figures(balance: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        asset: {"total": total, "held": balance["used"][asset], "available": balance["free"][asset]}
        for asset, total in balance["total"].items()
    }


def main() -> None:
    told = Told()
    report = told.report
    exchange = made(told)
    report["version"] = ccxt.__version__
    report["markets"] = sorted(exchange.load_markets())
    report["time"] = exchange.fetch_time()
    ticker = exchange.fetch_ticker("BTC/USD")
    report["spread"] = [ticker["bid"], ticker["ask"]]
    report["candles"] = len(exchange.fetch_ohlcv("BTC/USD", "1m", limit=10))
    told.compare("at the start", figures(exchange.fetch_balance({"v3": True})))

    low = float(exchange.price_to_precision("BTC/USD", ticker["bid"] / 2))
    resting = exchange.create_order("BTC/USD", "limit", "buy", float(PAIR_AMOUNT), low, {"clientOrderId": "holdfast-1"})
    told.compare("with an order resting", figures(exchange.fetch_balance({"v3": True})))
    # By default this client reads the older interface, which knows no holds.
    report["older"] = {asset: str(total) for asset, total in exchange.fetch_balance()["total"].items()}
    seen = exchange.fetch_order(resting["id"])
    report["resting"] = {
        "is_listed": resting["id"] in [order["id"] for order in exchange.fetch_open_orders("BTC/USD")],
        "status": seen["status"],
        "price": seen["price"],
        "amount": seen["amount"],
        "named": seen["clientOrderId"],
    }
    exchange.cancel_order(resting["id"])
    report["cancelled"] = exchange.fetch_order(resting["id"])["status"]

    filled = exchange.create_order("BTC/USD", "market", "buy", float(PAIR_AMOUNT), ticker["ask"])
    report["filled"] = exchange.fetch_order(filled["id"])["status"]
    trades = exchange.fetch_my_trades("BTC/USD")
    report["trade"] = {"is_of_the_order": trades[-1]["order"] == filled["id"]}
    report["closed"] = sorted(entry["status"] for entry in exchange.fetch_closed_orders("BTC/USD"))
    told.compare("at the end", figures(exchange.fetch_balance({"v3": True})))

    told.expect_error("funds", lambda: exchange.create_order("BTC/USD", "limit", "buy", float(MORE_THAN_THERE_IS), low))
    told.expect_error("minimum", lambda: exchange.create_order("BTC/USD", "limit", "buy", 0.00001, low))
    time.sleep(1.1)  # Each new exchange reads the products first, and ten unsigned reads in a second are all there are.
    told.expect_error("secret", made(told, secret=other_secret()).fetch_balance)
    told.expect_error("key", made(told, apiKey=COINBASE_WRONG_KEY).fetch_balance)
    told.end()


if __name__ == "__main__":
    main()
