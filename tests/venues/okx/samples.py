"""The fixtures, and variations of them that the tests ask for."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from holdfast.venues.okx import parse
from holdfast.venues.okx.symbols import Names

FOLDER = Path(__file__).parent / "fixtures"

UID = "44705892343619584"
"""The account of ``http_config_spot``."""


def sample(name: str) -> bytes:
    """A fixture's bytes: ``http_balance``, ``ws_notice`` …"""
    return (FOLDER / f"{name}.json").read_bytes().strip()


def loaded(name: str) -> Any:
    """A fixture as values, to be varied."""
    return json.loads(sample(name))


def compact(value: Any) -> bytes:
    """JSON as OKX writes it, without white space."""
    return json.dumps(value, separators=(",", ":")).encode()


@cache
def listing() -> Names:
    """The names of the larger listing."""
    return parse.names_of(sample("http_instruments_many"))


def balance(*rows: dict[str, Any], at: str = "1768465800400") -> bytes:
    """An ``account/balance`` answer of these rows."""
    whole = loaded("http_balance_spot")
    account = {**whole["data"][0], "details": list(rows), "uTime": at}
    return compact({"code": "0", "data": [account], "msg": ""})


def row(ccy: str, cash: str, available: str | None = None, frozen: str = "0", **more: Any) -> dict[str, Any]:
    """One row of a balance, every documented field in it."""
    usual = loaded("http_balance_spot")["data"][0]["details"][0]
    free = cash if available is None else available
    return {**usual, "ccy": ccy, "cashBal": cash, "availBal": free, "frozenBal": frozen, "eq": cash, **more}


def push(*rows: dict[str, Any], at: int, event: str | None = "snapshot", page: Any = 1, last: Any = True) -> Any:
    """A push of the ``account`` channel; *at* is its time in milliseconds."""
    whole: dict[str, Any] = {"arg": {"channel": "account", "uid": UID}}
    if event is not None:
        whole["eventType"] = event
    if event == "snapshot":
        whole |= {"curPage": page, "lastPage": last}
    account = {**loaded("ws_account_spot")["data"][0], "details": list(rows), "uTime": str(at)}
    return {**whole, "data": [account]}


def order(**changes: Any) -> dict[str, Any]:
    """A row of the ``orders`` channel: a live sell of 0.01 BTC at 40000, but for *changes*."""
    return {
        **loaded("ws_orders_live")["data"][0],
        "ordId": "9001",
        "clOrdId": "",
        "sz": "0.01",
        "px": "40000",
        **changes,
    }
