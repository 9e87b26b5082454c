"""What coinbase-advanced-py takes for a token and to read ``accounts``; order on stdin, medians in µs on stdout."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

from coinbase.jwt_generator import build_rest_jwt
from coinbase.rest.types.accounts_types import ListAccountsResponse


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
    answer: dict[str, float] = {}
    if order["what"] == "sign":
        uri = "GET api.coinbase.com/api/v3/brokerage/accounts"
        answer["sign"] = timed(
            lambda: build_rest_jwt(uri, order["key"], order["secret"]), order["calls"], order["repeats"]
        )
    for currencies, body in order.get("bodies", {}).items():
        answer[currencies] = timed(
            lambda body=body: ListAccountsResponse(json.loads(body)),  # type: ignore[misc]
            order["calls"],
            order["repeats"],
        )
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
