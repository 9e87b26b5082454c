"""What ccxt takes to sign a call and to parse ``BalanceEx``: one JSON order on stdin, medians in µs on stdout."""

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


def main() -> None:
    order = json.load(sys.stdin)
    exchange: Any = ccxt.kraken({"apiKey": "key", "secret": order["secret"]})
    answer: dict[str, float] = {}
    if order["what"] == "sign":
        answer["sign"] = timed(
            lambda: exchange.sign("BalanceEx", ["private"], "POST", {}), order["calls"], order["repeats"]
        )
    for assets, body in order.get("bodies", {}).items():
        answer[assets] = timed(
            lambda body=body: exchange.parse_balance(json.loads(body)),  # type: ignore[misc]
            order["calls"],
            order["repeats"],
        )
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
