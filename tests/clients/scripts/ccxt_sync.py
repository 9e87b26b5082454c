"""ccxt's blocking client: markets, balances, orders, errors."""

from __future__ import annotations

from typing import Any

import ccxt

from tests.clients.scripts.told import MORE_THAN_THERE_IS, PAIR_AMOUNT, WRONG_KEY, WRONG_SECRET, Told


def made(told: Told, **other: Any) -> Any:
    exchange: Any = ccxt.kraken(
        {
            "apiKey": told.key,
            "secret": told.secret,
            "enableRateLimit": False,
            "urls": {"api": {"public": told.rest, "private": told.rest}},
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
    report["status"] = exchange.fetch_status()["status"]
    ticker = exchange.fetch_ticker("BTC/USD")
    report["spread"] = [ticker["bid"], ticker["ask"]]
    report["candles"] = len(exchange.fetch_ohlcv("BTC/USD", "1m", limit=10))
    told.compare("at the start", figures(exchange.fetch_balance()))

    low = float(exchange.price_to_precision("BTC/USD", ticker["bid"] / 2))
    resting = exchange.create_order("BTC/USD", "limit", "buy", float(PAIR_AMOUNT), low)
    told.compare("with an order resting", figures(exchange.fetch_balance()))
    seen = exchange.fetch_order(resting["id"])
    report["resting"] = {
        "is_listed": resting["id"] in [order["id"] for order in exchange.fetch_open_orders("BTC/USD")],
        "status": seen["status"],
        "price": seen["price"],
        "amount": seen["amount"],
    }
    exchange.cancel_order(resting["id"])
    report["cancelled"] = exchange.fetch_order(resting["id"])["status"]
    told.expect_error("cancel again", lambda: exchange.cancel_order(resting["id"]))

    report["validated"] = exchange.create_order("BTC/USD", "limit", "buy", float(PAIR_AMOUNT), low, {"validate": True})[
        "id"
    ]
    named = exchange.create_order("BTC/USD", "limit", "buy", float(PAIR_AMOUNT), low, {"clientOrderId": "holdfast-1"})
    report["named"] = exchange.fetch_order(named["id"])["clientOrderId"]
    exchange.cancel_order(named["id"])
    report["open"] = len(exchange.fetch_open_orders())

    filled = exchange.create_order("BTC/USD", "market", "buy", float(PAIR_AMOUNT))
    order = exchange.fetch_order(filled["id"])
    report["filled"] = {"status": order["status"], "filled": order["filled"], "fee": order["fee"]["currency"]}
    trades = exchange.fetch_my_trades("BTC/USD")
    report["trade"] = {"amount": trades[-1]["amount"], "is_of_the_order": trades[-1]["order"] == filled["id"]}
    report["closed"] = sorted(entry["status"] for entry in exchange.fetch_closed_orders("BTC/USD"))
    report["ledger"] = sorted({entry["type"] for entry in exchange.fetch_ledger()})
    told.compare("at the end", figures(exchange.fetch_balance()))

    told.expect_error("funds", lambda: exchange.create_order("BTC/USD", "limit", "buy", float(MORE_THAN_THERE_IS), low))
    told.expect_error("minimum", lambda: exchange.create_order("BTC/USD", "limit", "buy", 0.000001, low))
    told.expect_error("signature", made(told, secret=WRONG_SECRET).fetch_balance)
    told.expect_error("key", made(told, apiKey=WRONG_KEY).fetch_balance)
    stale = made(told)
    stale.nonce = lambda: 1
    told.expect_error("nonce", stale.private_post_balanceex)
    told.end()


if __name__ == "__main__":
    main()
