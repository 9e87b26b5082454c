"""
What every client script shares: where the venue is, what is true there, and how to report.

Imported in each client's own environment: standard library only, but for what Coinbase's clients bring along.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Callable
from decimal import Decimal
from typing import Any

WRONG_SECRET = "d3JvbmctYnV0LXdlbGwtZm9ybWVkLXNlY3JldA=="
WRONG_KEY = "SIMnobodyknowsthiskey"
COINBASE_WRONG_KEY = "organizations/00000000-0000-0000-0000-000000000000/apiKeys/00000000-0000-4000-8000-000000000000"
OKX_WRONG_KEY = "00000000-0000-4000-8000-000000000000"
PAIR_AMOUNT = "0.002"
MORE_THAN_THERE_IS = "1000"
NAMES = {"ZUSD": "USD", "ZEUR": "EUR", "XXBT": "BTC", "XETH": "ETH", "XXDG": "DOGE"}


class Told:
    """The ready line, read from stdin, and the report that is printed at the end."""

    def __init__(self) -> None:
        ready = json.load(sys.stdin)
        self.rest: str = ready["rest"]
        self.ws: str = ready["ws"]
        self.admin: str = ready["admin"]
        self.ca: str | None = ready.get("ca")
        self.key: str = ready["credentials"][0]["key"]
        self.secret: str = ready["credentials"][0]["secret"]
        self.passphrase: str | None = ready["credentials"][0].get("passphrase")
        self.report: dict[str, Any] = {"balances": [], "errors": {}}

    def truth(self) -> dict[str, dict[str, str]]:
        """What the account really holds now."""
        with urllib.request.urlopen(f"{self.admin}/truth") as reply:
            assets: dict[str, dict[str, str]] = json.load(reply)["accounts"]["master"]["assets"]
        return assets

    def compare(self, when: str, shown: dict[str, dict[str, Any]]) -> None:
        """Put what the client shows beside what is true now; figures as the client's own numbers print."""
        figures = {asset: {name: plain(value) for name, value in row.items()} for asset, row in shown.items()}
        self.report["balances"].append({"when": when, "client": figures, "truth": self.truth()})

    def expect_error(self, name: str, call: Callable[[], object]) -> None:
        """Note which error *call* ends in."""
        try:
            self.report["errors"][name] = ["no error", repr(call())]
        except Exception as error:
            self.report["errors"][name] = [type(error).__name__, str(error)]

    def happen(self, **event: Any) -> None:
        """Let something happen at the venue."""
        body = json.dumps(event).encode()
        request = urllib.request.Request(f"{self.admin}/events", body, {"content-type": "application/json"})
        urllib.request.urlopen(request).close()

    def end(self) -> None:
        """Print the report."""
        print(json.dumps(self.report), flush=True)


def other_secret() -> str:
    """A key of the kind Coinbase's older keys are, that belongs to nobody."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def plain(value: Any) -> str:
    """A client's number as exact text: a float prints the shortest decimal that is it."""
    return format(Decimal(str(value)), "f") if value is not None else "unknown"


def eventually(get: Callable[[], Any], is_right: Callable[[Any], bool], *, for_s: float = 5.0) -> Any:
    """The first right value of *get*, or its last one."""
    ends = time.monotonic() + for_s
    value = get()
    while not is_right(value) and time.monotonic() < ends:
        time.sleep(0.05)
        value = get()
    return value
