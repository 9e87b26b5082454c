"""ccxt's blocking client at OKX: markets, both pots, orders, errors."""

from __future__ import annotations

from typing import Any

import ccxt

from tests.clients.scripts.told import MORE_THAN_THERE_IS, OKX_WRONG_KEY, PAIR_AMOUNT, Told

MARKET = "BTC/USDT"


def made(told: Told, **other: Any) -> Any:
    exchange: Any = ccxt.okx(
        {
            "apiKey": told.key,
            "secret": told.secret,
            "password": told.passphrase,
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
    report["status"] = exchange.fetch_status()["status"]
    ticker = exchange.fetch_ticker(MARKET)
    report["spread"] = [ticker["bid"], ticker["ask"]]
    report["candles"] = len(exchange.fetch_ohlcv(MARKET, "1m", limit=10))
    report["fee"] = exchange.fetch_trading_fee(MARKET)["taker"]
    report["funding"] = exchange.fetch_balance({"type": "funding"})["total"]["USDT"]
    told.compare("at the start", figures(exchange.fetch_balance()))

    low = float(exchange.price_to_precision(MARKET, ticker["bid"] / 2))
    resting = exchange.create_order(MARKET, "limit", "buy", float(PAIR_AMOUNT), low, {"clientOrderId": "holdfast1"})
    told.compare("with an order resting", figures(exchange.fetch_balance()))
    seen = exchange.fetch_order(resting["id"], MARKET)
    report["resting"] = {
        "is_listed": resting["id"] in [order["id"] for order in exchange.fetch_open_orders(MARKET)],
        "status": seen["status"],
        "named": seen["clientOrderId"],
    }
    told.expect_error(
        "again",
        lambda: exchange.create_order(MARKET, "limit", "buy", float(PAIR_AMOUNT), low, {"clientOrderId": "holdfast1"}),
    )
    exchange.edit_order(resting["id"], MARKET, "limit", "buy", float(PAIR_AMOUNT), low - 10)
    exchange.cancel_order(resting["id"], MARKET)
    report["cancelled"] = exchange.fetch_order(resting["id"], MARKET)["status"]
    told.expect_error("cancel again", lambda: exchange.cancel_order(resting["id"], MARKET))
    report["open"] = len(exchange.fetch_open_orders())

    filled = exchange.create_order(MARKET, "market", "buy", float(PAIR_AMOUNT))
    order = exchange.fetch_order(filled["id"], MARKET)
    report["filled"] = {"status": order["status"], "amount": order["filled"], "fee": order["fee"]["currency"]}
    trades = exchange.fetch_my_trades(MARKET)
    report["trade"] = {"amount": trades[-1]["amount"], "is_of_the_order": trades[-1]["order"] == filled["id"]}
    report["ledger"] = sorted({entry["type"] for entry in exchange.fetch_ledger()})
    told.compare("at the end", figures(exchange.fetch_balance()))

    told.expect_error("funds", lambda: exchange.create_order(MARKET, "limit", "buy", float(MORE_THAN_THERE_IS), low))
    told.expect_error("minimum", lambda: exchange.create_order(MARKET, "limit", "buy", 0.000001, low))
    told.expect_error("signature", made(told, secret="wrong").fetch_balance)
    told.expect_error("passphrase", made(told, password="wrong").fetch_balance)
    told.expect_error("key", made(told, apiKey=OKX_WRONG_KEY).fetch_balance)
    told.end()


if __name__ == "__main__":
    main()
