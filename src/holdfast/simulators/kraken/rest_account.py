"""
Signed REST methods that read the account.

Sources (checked 2026-11-20): https://docs.kraken.com/api-reference/account-data/get-account-balance,
https://docs.kraken.com/api-reference/account-data/get-extended-balance,
https://docs.kraken.com/api-reference/trading/get-websockets-token.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from holdfast.core.amounts import ZERO
from holdfast.simulators.kraken.call import Call
from holdfast.simulators.kraken.render import places

__all__ = ["METHODS"]


def _balance(call: Call) -> Any:
    assets = call.exchange.listing.assets
    return {row: places(amount, assets[row].decimals) for row, amount in call.account.ledger.balances.items()}


def _balance_ex(call: Call) -> Any:
    assets = call.exchange.listing.assets
    rows = call.account.ledger.rows
    return {
        row: {
            "balance": places(rows.balances.get(row, ZERO), assets[row].decimals),
            "hold_trade": places(rows.holds.get(row, ZERO), assets[row].decimals),
        }
        for row in dict.fromkeys((*rows.balances, *rows.holds))
    }


def _token(call: Call) -> Any:
    return {"token": call.tokens.issue(call.key), "expires": round(call.exchange.settings.token_first_use_s)}


METHODS: Final[dict[str, tuple[tuple[str, ...], Callable[[Call], Any]]]] = {
    "Balance": (("query-funds",), _balance),
    "BalanceEx": (("query-funds",), _balance_ex),
    "GetWebSocketsToken": (("create-ws-token",), _token),
}
"""Every signed method of reading: the permissions of which one suffices, and what answers."""
