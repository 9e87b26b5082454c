"""What python-okx takes to sign a call: its own steps of a request, without logs; medians in µs on stdout."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

from okx import utils


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
    secret, at, target = order["secret"], order["at"], order["target"]

    def sign() -> bytes:
        message = utils.pre_hash(at, "GET", target, "", False)
        signature: bytes = utils.sign(message, secret)
        return signature

    if sign().decode() != order["expected"]:
        raise RuntimeError("the signatures differ: the two do not do the same work")
    print(json.dumps({"sign": timed(sign, order["calls"], order["repeats"])}))


if __name__ == "__main__":
    main()
