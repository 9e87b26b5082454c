"""
What ccxt takes to sign a call, to parse ``BalanceEx``, and to check an order's funds with it by hand.

One JSON order on stdin, medians in µs on stdout.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import ccxt


def timed(step: Callable[[], object], calls: int, repeats: int) -> float:
    step()
    times = []
    for _ in range(repeats):
        began_ns = time.thread_time_ns()
        for _ in range(calls):
            step()
        times.append((time.thread_time_ns() - began_ns) / calls / 1000)
    return statistics.median(times)


MARKET: dict[str, Any] = {
    "id": "XXBTZUSD",
    "symbol": "BTC/USD",
    "base": "BTC",
    "quote": "USD",
    "type": "spot",
    "spot": True,
    "active": True,
    "taker": 0.0026,
    "maker": 0.0016,
    "precision": {"amount": 0.00000001, "price": 0.1},
    "limits": {"amount": {"min": 0.00005, "max": None}, "cost": {"min": 0.5, "max": None}},
}


def is_funded(exchange: Any, quantity: float, price: float, free: float) -> bool:
    """What a careful user of ccxt writes: to the market's precision, within its limits, with fee and two per cent."""
    market = exchange.market("BTC/USD")
    amount = float(exchange.amount_to_precision("BTC/USD", quantity))
    limit = float(exchange.price_to_precision("BTC/USD", price))
    cost = amount * limit
    if amount < market["limits"]["amount"]["min"] or cost < market["limits"]["cost"]["min"]:
        return False
    fee = exchange.calculate_fee("BTC/USD", "limit", "buy", amount, limit, "taker")
    return bool(cost * 1.02 + fee["cost"] <= free)


def main() -> None:
    order = json.load(sys.stdin)
    exchange: Any = ccxt.kraken({"apiKey": "key", "secret": order["secret"]})
    answer: dict[str, float] = {}
    if order["what"] == "sign":
        answer["sign"] = timed(
            lambda: exchange.sign("BalanceEx", ["private"], "POST", {}), order["calls"], order["repeats"]
        )
    if order["what"] == "funds":
        exchange.set_markets([MARKET])
        quantities, price, free = order["quantities"], order["price"], order["free"]
        answers = [is_funded(exchange, quantity, price, free) for quantity in quantities]
        if not (any(answers) and not all(answers)):
            raise RuntimeError(f"every answer is the same: {answers}")
        whole = timed(
            lambda: [is_funded(exchange, quantity, price, free) for quantity in quantities],
            order["calls"],
            order["repeats"],
        )
        answer["funds"] = whole / len(quantities)
    for assets, body in order.get("bodies", {}).items():
        answer[assets] = timed(
            lambda body=body: exchange.parse_balance(json.loads(body)),  # type: ignore[misc]
            order["calls"],
            order["repeats"],
        )
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
