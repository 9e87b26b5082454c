"""
Signed REST methods that state balances.

They answer from a replica that may lag; what else they leave out or make up is decided by the faults in force. Sources
(checked 2026-11-20): https://docs.kraken.com/api-reference/account-data/get-account-balance,
https://docs.kraken.com/api-reference/account-data/get-extended-balance,
https://docs.kraken.com/api/docs/rest-api/get-trade-balance.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import ZERO, exact, total_of
from holdfast.simulators.core.arithmetic import divide
from holdfast.simulators.core.ledger import Rows
from holdfast.simulators.kraken.call import Call
from holdfast.simulators.kraken.errors import KrakenRefusedError
from holdfast.simulators.kraken.render import places

__all__ = ["NOTHING", "balance", "balance_ex", "credit_lines", "trade_balance"]

NOTHING: Final = object()
"""A result that leaves ``result`` out of the envelope altogether."""


def balance(call: Call) -> Any:
    """Total by row."""
    assets = call.exchange.listing.assets
    rows = _rows(call)
    return _stated(call, {row: places(amount, assets[row].decimals) for row, amount in rows.balances.items()})


def balance_ex(call: Call) -> Any:
    """Total, hold and, with a credit line, credit by row."""
    listing = call.exchange.listing
    rows = _rows(call)
    form = call.exchange.settings.credit_fields
    result = {}
    for row in dict.fromkeys((*rows.balances, *rows.holds)):
        listed = listing.assets[row]
        stated = {"balance": places(rows.balances.get(row, ZERO), listed.decimals)}
        credit = call.account.credit.get(listed.code) if not listed.suffix else None
        if form == "always" or (form == "with_credit_line" and credit is not None):
            stated["credit"] = places(credit or ZERO, listed.decimals)
            stated["credit_used"] = places(ZERO, listed.decimals)
        stated["hold_trade"] = places(rows.holds.get(row, ZERO), listed.decimals)
        result[row] = stated
    return _stated(call, result)


def _rows(call: Call) -> Rows:
    ledger = call.account.ledger
    faults = call.exchange.impairments
    seen_s = faults.lagging_s("rest_lag")
    holds_s = faults.lagging_s("hold_lag") if call.name == "BalanceEx" else None
    if seen_s is None and holds_s is None:
        return ledger.rows
    now_s = call.exchange.now_s()
    at_s = now_s if seen_s is None else seen_s
    return ledger.rows_at(at_s, holds_at_s=at_s if holds_s is None else min(at_s, holds_s))


def _stated(call: Call, result: dict[str, Any]) -> Any:
    """The balances as this read states them under the faults in force, and the form of an account without any."""
    faults = call.exchange.impairments
    scaled = faults.spend("scale_balances", read=call.name)
    if scaled is not None:
        result = {row: _scaled(stated, scaled.fields["factor"]) for row, stated in result.items()}
    vanished = faults.spend("vanish", read=call.name)
    if vanished is not None:
        result.pop(vanished.fields["asset"], None)
    overridden = faults.spend("override_row", read=call.name)
    if overridden is not None:
        balance = overridden.fields["balance"]
        hold = overridden.fields.get("hold", "0.0000")
        result[overridden.fields["asset"]] = (
            balance if call.name == "Balance" else {"balance": balance, "hold_trade": hold}
        )
    emptied = faults.spend("empty_result", read=call.name)
    if emptied is not None:
        return _empty(str(emptied.fields.get("form", "object")), result)
    return result or _empty(call.exchange.settings.empty_balance, result)


def _scaled(stated: Any, factor: Decimal) -> Any:
    if isinstance(stated, dict):
        return {name: _scaled(value, factor) for name, value in stated.items()}
    with exact():
        return places(Decimal(stated) * factor, len(stated.partition(".")[2]))


def _empty(form: str, result: Mapping[str, Any]) -> Any:
    if form == "zeros":
        return {row: _scaled(stated, ZERO) for row, stated in result.items()}
    return {"object": {}, "null": None}.get(form, NOTHING)


def trade_balance(call: Call) -> Any:
    """Valuation of everything in one asset."""
    exchange = call.exchange
    listed = exchange.listing.asset(str(call.fields.get("asset") or "ZUSD"))
    if listed is None:
        raise KrakenRefusedError("EQuery:Unknown asset")
    unit = exchange.usd_price(listed.code)
    rows = _rows(call)
    with exact():
        everything = total_of(
            amount * exchange.usd_price(exchange.listing.assets[row].code) for row, amount in rows.balances.items()
        )
        collateral = total_of(
            amount * exchange.usd_price(asset.code) * Decimal(asset.collateral)
            for row, amount in rows.balances.items()
            if (asset := exchange.listing.assets[row]).collateral is not None
        )
        margin, cost, value, profit = ZERO, ZERO, ZERO, ZERO
        for position in exchange.engine.margin.of(call.account.name):
            market = exchange.engine.markets[position.symbol]
            price = exchange.usd_price(market.rules.quote)
            left = position.quantity - position.closed
            opened = divide(position.cost * left, position.quantity, places=10)
            worth = left * market.mid
            margin += position.margin * price
            cost += opened * price
            value += worth * price
            profit += (worth - opened if position.side == "buy" else opened - worth) * price
        waiting = total_of(
            order.remaining * (order.request.limit_price or exchange.engine.markets[order.request.symbol].mid)
            for order in call.account.orders.open.values()
        )
        figures = {
            "eb": everything,
            "tb": collateral,
            "m": margin,
            "uv": waiting,
            "n": profit,
            "c": cost,
            "v": value,
            "e": collateral + profit,
            "mf": collateral + profit - margin,
        }
        result = {name: format(divide(figure, unit, places=4), "f") for name, figure in figures.items()}
        if margin:
            result["ml"] = format(divide((collateral + profit) * 100, margin, places=2), "f")
    return result


def credit_lines(call: Call) -> Any:
    """Credit by row; null for an account without a credit line."""
    if not call.account.credit:
        return None
    listing = call.exchange.listing
    details = {
        listing.main[code].id: {
            "balance": places(
                call.account.ledger.balances.get(listing.main[code].id, ZERO), listing.main[code].decimals
            ),
            "credit_limit": places(credit, listing.main[code].decimals),
            "credit_used": places(ZERO, listing.main[code].decimals),
            "available_credit": places(credit, listing.main[code].decimals),
        }
        for code, credit in call.account.credit.items()
    }
    return {"asset_details": details, "limits_monitor": {"total_credit_usd": None, "total_credit_used_usd": None}}
