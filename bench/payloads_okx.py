"""What OKX says, for accounts of any size: the same bytes for the floor, for us and for every peer."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["balance", "push"]

# Every documented field of a currency, as a spot account fills it.
# Source: https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-balance (checked 2026-11-20)
_APPLIES = {"autoLendStatus": "off", "autoLendMtAmt": "0", "colRes": "0", "collateralEnabled": False}
_ZERO = ("smtSyncEq", "spotCopyTradingEq", "fixedBal", "rewardBal", "spotIsoBal", "stgyEq", "isoEq", "isoLiab")
_EMPTY = (
    *("availEq", "borrowFroz", "crossLiab", "disEq", "imr", "interest", "isoUpl", "liab", "maxLoan", "mgnRatio", "mmr"),
    *("notionalLever", "spotInUseAmt", "clSpotInUseAmt", "maxSpotInUse", "twap", "upl", "uplLiab", "spotBal"),
    *("openAvgPx", "accAvgPx", "spotUpl", "spotUplRatio", "totalPnl", "totalPnlRatio", "colBorrAutoConversion"),
)
_AROUND = dict.fromkeys(("adjEq", "availEq", "borrowFroz", "imr", "mgnRatio", "mmr", "notionalUsd", "ordFroz"), "")


def _row(number: int) -> dict[str, Any]:
    name = ("USDT", "BTC")[number] if number < 2 else f"AS{number}"
    cash = f"{number * 37 + 5}.{number:08d}"
    frozen = str(number + 1) if number % 3 == 1 else "0"
    available = f"{number * 37 + 5 - int(frozen)}.{number:08d}"
    figures = {"ccy": name, "cashBal": cash, "availBal": available, "frozenBal": frozen, "ordFrozen": frozen}
    return {
        **_APPLIES,
        **figures,
        **dict.fromkeys(_ZERO, "0"),
        **dict.fromkeys(_EMPTY, ""),
        "eq": cash,
        "eqUsd": cash,
        "uTime": f"17684657{number:05d}",
    }


def _account(count: int) -> dict[str, Any]:
    details = [_row(number) for number in range(count)]
    return {**_AROUND, "details": details, "totalEq": "10450.2", "uTime": "1768465800400"}


def balance(count: int) -> bytes:
    """``account/balance`` of an account that holds *count* currencies, every third of them partly in orders."""
    return json.dumps({"code": "0", "data": [_account(count)], "msg": ""}, separators=(",", ":")).encode()


def push(count: int) -> bytes:
    """The ``account`` channel's snapshot of the same account."""
    whole = {"arg": {"channel": "account", "uid": "1"}, "eventType": "snapshot", "curPage": 1, "lastPage": True}
    return json.dumps({**whole, "data": [_account(count)]}, separators=(",", ":")).encode()
