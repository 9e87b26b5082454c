"""
Balances in ccxt's shape, labelled. Pure.

``free`` is what may be spent now, ``total`` what the venue states, ``used`` what is between: holds, reservations,
floors. Unknown is None, and never 0. How far a figure may be trusted stands under ``info["holdfast"]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from holdfast.core.amounts import ZERO, subtract
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Balance

__all__ = ["balance_structure"]


def balance_structure(
    exchange: Any,
    balances: Mapping[AssetCode, Balance],
    codes: Mapping[AssetCode, str],
    *,
    broker: str,
    account_id: str | None,
) -> dict[str, Any]:
    """
    The account in ccxt's balance structure. Does not suspend.

    Args:
        exchange: Whose ``number`` type and helpers are used.
        balances: Every figure, by our code.
        codes: ccxt's code of each of our assets.
        broker: Its name, for ``info``.
        account_id: The venue's id of the account, for ``info``.
    """
    structure: dict[str, Any] = {"timestamp": None, "datetime": None, "free": {}, "used": {}, "total": {}}
    assets: dict[str, dict[str, Any]] = {}
    for code, balance in balances.items():
        theirs = codes.get(code, code)
        total, free = balance.total, balance.spendable
        used = None if total is None or free is None else max(subtract(total, free), ZERO)
        figures = {"free": free, "used": used, "total": total}
        shown = {name: _number(exchange, figure) for name, figure in figures.items()}
        structure[theirs] = shown
        for name, figure in shown.items():
            structure[name][theirs] = figure
        assets[theirs] = {
            "asset": code,
            "state": balance.state.value,
            "age_s": None if balance.age_s is None else round(balance.age_s, 3),
            "source": None if balance.source is None else balance.source.value,
            "reason": balance.reason,
            "total": _text(total),
            "held": _text(balance.held),
            "available": _text(balance.available),
            "reserved": _text(balance.reserved),
            "spendable": _text(free),
        }
    structure["info"] = {"holdfast": {"broker": broker, "account_id": account_id, "assets": assets}}
    return structure


def _number(exchange: Any, amount: Decimal | None) -> Any:
    """In the exchange's own number type: float unless the bot asked ccxt for text or Decimal."""
    return None if amount is None else exchange.parse_number(f"{amount:f}")


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"
