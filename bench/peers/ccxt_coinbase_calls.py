"""What ccxt takes to sign a call for Coinbase and to parse ``accounts``; order on stdin, medians in µs on stdout."""

from __future__ import annotations

import json
import sys
from typing import Any

import ccxt

from bench.peers.ccxt_calls import timed


def main() -> None:
    order = json.load(sys.stdin)
    exchange: Any = ccxt.coinbase({"apiKey": order.get("key"), "secret": order.get("secret")})
    answer: dict[str, float] = {}
    if order["what"] == "sign":
        answer["sign"] = timed(
            lambda: exchange.sign("brokerage/accounts", ["v3", "private"], "GET", {}), order["calls"], order["repeats"]
        )
    for currencies, body in order.get("bodies", {}).items():
        answer[currencies] = timed(
            lambda body=body: exchange.parse_custom_balance(json.loads(body), {"v3": True}),  # type: ignore[misc]
            order["calls"],
            order["repeats"],
        )
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
