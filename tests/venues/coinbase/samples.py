"""The fixtures, and variations of them that the tests ask for."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from holdfast.venues.coinbase import parse
from holdfast.venues.coinbase.symbols import Names

FOLDER = Path(__file__).parent / "fixtures"


def sample(name: str) -> bytes:
    """A fixture's bytes: ``http_accounts``, ``ws_heartbeat`` …"""
    return (FOLDER / f"{name}.json").read_bytes().strip()


def tree(name: str) -> Any:
    """The same as Python's values, to be changed."""
    return json.loads(sample(name))


def encoded(value: object) -> bytes:
    """Values as a body."""
    return json.dumps(value).encode()


@cache
def listing() -> Names:
    """The names of the products' fixture."""
    return parse.names_of(parse.products(sample("http_products"))[0])


def account(uuid: str, currency: str, available: str, hold: str | None = "0", **changes: Any) -> dict[str, Any]:
    """One row of ``accounts`` in its usual form."""
    row = {**tree("http_accounts")["accounts"][0], "uuid": uuid, "currency": currency}
    row["available_balance"] = {"value": available, "currency": currency}
    row["hold"] = {"value": hold, "currency": currency}
    if hold is None:
        del row["hold"]
    return {**row, **changes}


def accounts(*rows: dict[str, Any], cursor: str = "") -> bytes:
    """A page of ``accounts``; with a cursor there is a next one."""
    return encoded({"accounts": rows, "has_next": bool(cursor), "cursor": cursor, "size": len(rows)})
