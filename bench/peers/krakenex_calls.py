"""What krakenex takes to sign a call: one JSON order on stdin, the median in µs on stdout."""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import Any

import krakenex


def main() -> None:
    order = json.load(sys.stdin)
    api: Any = krakenex.API(key="key", secret=order["secret"])
    times = []
    for _ in range(order["repeats"]):
        began_ns = time.thread_time_ns()
        for _ in range(order["calls"]):
            api._sign({"nonce": api._nonce()}, "/0/private/BalanceEx")
        times.append((time.thread_time_ns() - began_ns) / order["calls"] / 1000)
    print(json.dumps({"sign": statistics.median(times)}))


if __name__ == "__main__":
    main()
