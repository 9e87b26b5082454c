"""What ccxt takes to sign a call for OKX and to parse ``account/balance``; order on stdin, medians in µs on stdout."""

from __future__ import annotations

import json
import sys
from typing import Any

import ccxt

from bench.peers.ccxt_calls import timed


def main() -> None:
    order = json.load(sys.stdin)
    exchange: Any = ccxt.okx({"apiKey": "key", "secret": order["secret"], "password": "phrase"})
    answer: dict[str, float] = {}
    if order["what"] == "sign":
        answer["sign"] = timed(
            lambda: exchange.sign("account/balance", ["private"], "GET", {}), order["calls"], order["repeats"]
        )
    for currencies, body in order.get("bodies", {}).items():
        answer[currencies] = timed(
            lambda body=body: exchange.parse_trading_balance(json.loads(body)),  # type: ignore[misc]
            order["calls"],
            order["repeats"],
        )
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
